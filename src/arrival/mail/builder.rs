//! [`MailStepBuilder`]: the parts and settings of a [`MailStep`].

use std::sync::Arc;

use super::step::MailSettings;
use super::{MailStep, MailTemplate, OwnerRules, StandardTemplate};
use crate::forward::MailOut;
use crate::message::MailAddress;
use crate::network::Admission;

/// Describes a [`MailStep`]; made by [`MailStep::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MailStepBuilder {
    settings: MailSettings,
}

impl MailStep {
    /// Describes a step that sends mails by `out` after `rules`, from the address `from`, to which owners may answer.
    pub fn builder(rules: OwnerRules, out: impl MailOut, from: MailAddress) -> MailStepBuilder {
        let node = from.domain().to_owned();
        let (out, template) = (Arc::new(out), Arc::new(StandardTemplate));
        let max_sound_bytes = MAX_SOUND_BYTES;
        MailStepBuilder { settings: MailSettings { rules, out, from, node, template, licences: None, max_sound_bytes } }
    }
}

impl MailStepBuilder {
    /// Sets the host name of the node, which stands in `Message-ID`; by default the domain of the sender's address.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.settings.node = node.into();
        self
    }

    /// Sets the words of the mails; [`StandardTemplate`] by default.
    pub fn template(mut self, template: impl MailTemplate) -> Self {
        self.settings.template = Arc::new(template);
        self
    }

    /// Requires the licence for unified messaging of the owner's home PBX, as for [copies](crate::retrieval::MailboxService::copy_by_mail). Without this,
    /// no licence is asked for.
    pub fn licences(mut self, licences: impl Into<Arc<Admission>>) -> Self {
        self.settings.licences = Some(licences.into());
        self
    }

    /// Sets how many bytes the sound of a mail may have, in the form in which it is sent; 15 MB by default, which are 20 MB in base64. A mail for a
    /// larger one has no sound, and its message stays as it is.
    pub fn max_sound_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_sound_bytes = bytes;
        self
    }

    /// Returns the step.
    pub fn build(self) -> MailStep {
        MailStep::new(self.settings)
    }
}

const MAX_SOUND_BYTES: u64 = 15_000_000;
