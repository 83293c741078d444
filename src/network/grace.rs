//! [`GraceRule`]: how long a licence still counts after its last day.

use std::fmt::Debug;
use std::sync::Arc;

use super::Licence;
use crate::message::SiteId;

/// Decides how long a licence still counts after its last day.
///
/// The default rule is [`NoGrace`]. This rule gives a month of grace to all licences but those for campaigns:
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
    /// Returns the number of days for which `licence` still counts for the PBX `site` after its last day; 0 for none.
    fn days_after(&self, site: &SiteId, licence: &Licence) -> u32;
}

/// A rule without grace: a licence counts up to the end of its last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoGrace;

impl GraceRule for NoGrace {
    fn days_after(&self, _site: &SiteId, _licence: &Licence) -> u32 {
        0
    }
}

/// A rule that gives every licence of every PBX this number of days of grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraceDays(pub u32);

impl GraceRule for GraceDays {
    fn days_after(&self, _site: &SiteId, _licence: &Licence) -> u32 {
        self.0
    }
}

macro_rules! delegate {
    ($wrapper:ident) => {
        #[deny(clippy::missing_trait_methods)]
        impl<G: GraceRule + ?Sized> GraceRule for $wrapper<G> {
            fn days_after(&self, site: &SiteId, licence: &Licence) -> u32 {
                (**self).days_after(site, licence)
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
