//! [`Shared`]: the settings of a driver, which all its calls share.

use std::fmt;
use std::sync::Arc;

use super::buffered_leg::BufferedLeg;
use super::rendering::Renderer;
use super::{BusyAnswer, CallTimers, SpeechPolicy, TransferTarget};
use crate::message::SiteId;
use crate::node::Node;
use crate::telephone::{KeyMap, PinStore};
use crate::voice::Voices;

/// The settings of a driver, which all its calls share.
pub(super) struct Shared {
    pub(super) node: Node,
    pub(super) voices: Voices,
    pub(super) pins: Option<Arc<dyn PinStore>>,
    pub(super) keys: KeyMap,
    pub(super) timers: CallTimers,
    pub(super) speech: SpeechPolicy,
    pub(super) busy: BusyAnswer,
    pub(super) operator: Option<TransferTarget>,
    pub(super) mailbox_access: Option<TransferTarget>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("node", self.node.address()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Whether owners can open mailboxes here.
    pub(super) fn has_mailboxes(&self) -> bool {
        self.pins.is_some() && self.node.store().is_some()
    }

    /// Returns the renderer of a call at `site`, which speaks the language of the PBX; `None` for a leg without a rate.
    pub(super) fn renderer(&self, site: &SiteId, leg: &BufferedLeg<'_>) -> Option<Renderer> {
        let rate = leg.format().rate.try_into().ok()?;
        let network = self.node.network();
        let language = network.site(site).and_then(|site| site.language().cloned());
        Some(Renderer::new(self.node.clone(), &self.voices, language.as_ref(), rate))
    }
}
