//! [`SipTargets`]: the address that a NOTIFY about a mailbox is sent to.

use std::fmt;
use std::sync::Arc;

use super::{InvalidSipUri, SipUri};
use crate::message::MailboxId;

/// Maps each mailbox to the account or the telephone that is notified.
///
/// ```
/// use voicemail::sip::SipTargets;
///
/// let targets = SipTargets::template("sip:{mailbox}@pbx.example;transport=tcp")?;
/// let target = targets.of(&"2041".parse().expect("a number"));
/// assert_eq!(target.map(|uri| uri.to_string()), Some("sip:2041@pbx.example;transport=tcp".to_owned()));
/// # Ok::<(), voicemail::sip::InvalidSipUri>(())
/// ```
#[derive(Clone)]
pub struct SipTargets(Arc<Find>);

type Find = dyn Fn(&MailboxId) -> Option<SipUri> + Send + Sync;

impl SipTargets {
    /// Replaces each `{mailbox}` of `template` by the number of the mailbox.
    ///
    /// # Errors
    ///
    /// [`InvalidSipUri`] when the result would not be a SIP URI.
    pub fn template(template: impl Into<String>) -> Result<Self, InvalidSipUri> {
        let template = template.into();
        template.replace(PLACE, "+123456789012345").parse::<SipUri>()?;
        Ok(Self::from_fn(move |mailbox| template.replace(PLACE, mailbox.as_str()).parse().ok()))
    }

    /// Calls `find` for each NOTIFY, so `find` should not wait for anything. It returns `None` where nothing shows the mailbox.
    pub fn from_fn(find: impl Fn(&MailboxId) -> Option<SipUri> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// The address that a NOTIFY about `mailbox` is sent to; `None` where nothing shows it.
    pub fn of(&self, mailbox: &MailboxId) -> Option<SipUri> {
        (self.0)(mailbox)
    }
}

impl fmt::Debug for SipTargets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SipTargets(..)")
    }
}

const PLACE: &str = "{mailbox}";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::mailbox::tests::any_mailbox;

    proptest! {
        #[test]
        fn any_mailbox_is_a_sip_user(mailbox in any_mailbox()) {
            let targets = SipTargets::template("sip:{mailbox}@pbx").unwrap();
            let uri: SipUri = targets.of(&mailbox).unwrap().to_string().parse().unwrap();
            prop_assert_eq!(uri.user().unwrap().parse(), Ok(mailbox));
        }
    }

    #[test]
    fn a_template_that_gives_no_address_is_refused_at_once() {
        for template in ["{mailbox}@pbx", "sip:{mailbox}", "sip:{mailbox}@pbx:{mailbox}", "sip:{number}@pbx example"] {
            assert!(SipTargets::template(template).is_err(), "{template}");
        }
        let targets = SipTargets::template("sip:vm-{mailbox}@pbx").unwrap();
        assert_eq!(targets.of(&"+4930".parse().unwrap()).unwrap().user(), Some("vm-+4930"));
    }
}
