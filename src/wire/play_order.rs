//! [`PlayOrder`]: the order in which Exchange plays the sounds of a mail.

use super::DecodeLimits;
use super::fields::Fields;

/// The file names of the sounds of a mail, in lower case and in the order in which they are played.
///
/// Exchange adds the recording of each one who answers or passes a message on to the same mail, and its name to the end of the list in
/// `X-AttachmentOrder`. It plays from the end of the list: the newest recording introduces those before it.
///
/// # Source
///
/// MS-OXOUM §2.2.5.9 and §2.2.5.10: names between semicolons, played in reverse order; case, spaces around them and empty names do not matter.
/// MS-ASEMAIL §2.2.2.82: the name of the newest is appended, and its place is the first. (MS-OXOUM also says that the newest name stands first,
/// which Exchange does not do.)
#[derive(Debug, Default)]
pub(super) struct PlayOrder(Vec<String>);

impl PlayOrder {
    /// Reads the list of a mail, which has no order without one.
    pub(super) fn read(fields: &Fields<'_>, limits: DecodeLimits) -> Self {
        let Some(list) = fields.text("X-AttachmentOrder") else { return Self::default() };
        let names = list.rsplit(';').map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty());
        Self(names.take(limits.parts).collect())
    }

    /// Returns when the sound with this file name is played, from 0 for the first; `None` if the list has no such name.
    pub(super) fn place_of<S: AsRef<str>>(&self, file_name: impl FnOnce() -> Option<S>) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let file_name = file_name()?.as_ref().trim().to_lowercase();
        self.0.iter().position(|name| *name == file_name)
    }
}
