//! [`GraceRule`]: how long a licence still counts after its last day.

use std::fmt::Debug;
use std::sync::Arc;

use super::Licence;
use crate::message::SiteId;

/// Decides how long a licence still counts after its last day.
///
/// The rule in force without another is [`NoGrace`]. A rule that gives no grace to campaigns, and a month to all else:
///
/// ```
/// use voicemail::message::SiteId;
/// use voicemail::network::{GraceRule, Licence, LicenceClass};
///
/// #[derive(Debug)]
/// struct AMonthButForCampaigns;
///
/// impl GraceRule for AMonthButForCampaigns {
///     fn days_after(&self, _site: &SiteId, licence: &Licence) -> u32 {
///         if licence.class() == LicenceClass::Campaigns { 0 } else { 30 }
///     }
/// }
/// ```
pub trait GraceRule: Debug + Send + Sync + 'static {
    /// For how many days after its last one `licence` still counts for the PBX `site`; 0 for none.
    fn days_after(&self, site: &SiteId, licence: &Licence) -> u32;
}

/// No grace: a licence counts up to the end of its last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoGrace;

impl GraceRule for NoGrace {
    fn days_after(&self, _site: &SiteId, _licence: &Licence) -> u32 {
        0
    }
}

/// So many days of grace for every licence of every PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraceDays(pub u32);

impl GraceRule for GraceDays {
    fn days_after(&self, _site: &SiteId, _licence: &Licence) -> u32 {
        self.0
    }
}

impl<G: GraceRule + ?Sized> GraceRule for Arc<G> {
    fn days_after(&self, site: &SiteId, licence: &Licence) -> u32 {
        (**self).days_after(site, licence)
    }
}
