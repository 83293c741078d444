//! [`EndPoints`]: the end points of a node, and which of them are disabled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{EndPoint, EndPointId, NotificationType};
use crate::lock::Lock;
use crate::message::SiteId;

/// The end points of a node, and which of them are disabled. Clones share them.
///
/// They are in memory; [`Webhooks::jobs`](super::Webhooks::jobs) keeps which are disabled, and [`Webhooks::enable`](super::Webhooks::enable) enables one.
#[derive(Debug, Clone, Default)]
pub struct EndPoints {
    known: Arc<Lock<BTreeMap<EndPointId, Known>>>,
}

#[derive(Debug)]
struct Known {
    end_point: Arc<EndPoint>,
    disabled: Option<Disabled>,
    /// The first failure since the last success that this process has seen.
    failing_since: Option<Instant>,
}

/// Why an end point is disabled.
#[derive(Debug)]
struct Disabled {
    reason: String,
    /// Whether that is kept outside this process.
    kept: bool,
}

impl EndPoints {
    /// These end points, all of them enabled. Of two with one name, the last one.
    pub fn new(end_points: impl IntoIterator<Item = EndPoint>) -> Self {
        let this = Self::default();
        this.replace(end_points);
        this
    }

    /// Has these end points from now on. Those that were there before under the same name and URL stay disabled if they were.
    pub fn replace(&self, end_points: impl IntoIterator<Item = EndPoint>) {
        let mut known = self.known.lock();
        let mut before = std::mem::take(&mut *known);
        for end_point in end_points {
            let same = before.remove(&end_point.id).filter(|before| before.end_point.url == end_point.url);
            let (disabled, failing_since) = same.map_or((None, None), |same| (same.disabled, same.failing_since));
            known.insert(end_point.id.clone(), Known { end_point: Arc::new(end_point), disabled, failing_since });
        }
    }

    /// Returns the end points that want a report of this type about a mailbox of this PBX, and are enabled; in the order of their names.
    pub fn wanting(&self, kind: NotificationType, site: Option<&SiteId>) -> Vec<Arc<EndPoint>> {
        let known = self.known.lock();
        let wanting = known
            .values()
            .filter(|known| known.disabled.is_none() && known.end_point.wants(kind) && known.end_point.covers(site));
        wanting.map(|known| Arc::clone(&known.end_point)).collect()
    }

    /// Returns the end point with this name; `None` if there is none, or it is disabled.
    pub fn enabled(&self, id: &str) -> Option<Arc<EndPoint>> {
        let known = self.known.lock();
        let found = known.values().find(|known| known.end_point.id.as_str() == id && known.disabled.is_none());
        found.map(|known| Arc::clone(&known.end_point))
    }

    /// Returns the end points that are known to be disabled, each with the reason.
    pub fn disabled(&self) -> Vec<(EndPointId, String)> {
        let known = self.known.lock();
        known.iter().filter_map(|(id, known)| Some((id.clone(), known.disabled.as_ref()?.reason.clone()))).collect()
    }

    /// Returns the end point with this name, whether it is disabled or not.
    pub(super) fn find(&self, id: &EndPointId) -> Option<Arc<EndPoint>> {
        self.known.lock().get(id).map(|known| Arc::clone(&known.end_point))
    }

    /// Disables an end point; returns false if it is unknown, has another URL now, or was disabled before.
    pub(super) fn disable(&self, end_point: &EndPoint, reason: impl Into<String>) -> bool {
        let mut known = self.known.lock();
        let enabled = same(&mut known, end_point).filter(|known| known.disabled.is_none());
        enabled.map(|known| known.disabled = Some(Disabled { reason: reason.into(), kept: false })).is_some()
    }

    /// Enables an end point again; returns false if it is unknown or was enabled before.
    pub(super) fn enable(&self, id: &EndPointId) -> bool {
        self.known.lock().get_mut(id).is_some_and(|known| {
            known.failing_since = None;
            known.disabled.take().is_some()
        })
    }

    /// Returns the end points that are disabled, and not kept as such outside this process.
    pub(super) fn disabled_but_not_kept(&self) -> Vec<(Arc<EndPoint>, String)> {
        let known = self.known.lock();
        let not_kept = |known: &Known| {
            let disabled = known.disabled.as_ref().filter(|disabled| !disabled.kept)?;
            Some((Arc::clone(&known.end_point), disabled.reason.clone()))
        };
        known.values().filter_map(not_kept).collect()
    }

    /// Notes that a disabled end point is now kept as such outside this process.
    pub(super) fn handle_added(&self, end_point: &EndPoint) {
        if let Some(disabled) = same(&mut self.known.lock(), end_point).and_then(|known| known.disabled.as_mut()) {
            disabled.kept = true;
        }
    }

    /// Handles what is kept outside this process: `reason_of` answers why an end point is disabled there. One that was kept and is not any more is enabled.
    pub(super) fn handle_kept(&self, reason_of: impl Fn(&EndPoint) -> Option<String>) {
        for known in self.known.lock().values_mut() {
            match (reason_of(&known.end_point), &known.disabled) {
                (Some(_), Some(Disabled { kept: true, .. })) | (None, Some(Disabled { kept: false, .. })) => {}
                (reason, _) => known.disabled = reason.map(|reason| Disabled { reason, kept: true }),
            }
        }
    }

    /// Handles a request that the receiver has accepted.
    pub(super) fn handle_success(&self, id: &EndPointId) {
        if let Some(known) = self.known.lock().get_mut(id) {
            known.failing_since = None;
        }
    }

    /// Handles a request that the receiver has not accepted; returns for how long this process has seen the end point accept nothing.
    pub(super) fn handle_failure(&self, id: &EndPointId, now: Instant) -> Duration {
        let mut known = self.known.lock();
        known.get_mut(id).map_or(Duration::ZERO, |known| now.saturating_duration_since(*known.failing_since.get_or_insert(now)))
    }
}

/// Finds an end point by its name and its URL.
fn same<'a>(known: &'a mut BTreeMap<EndPointId, Known>, end_point: &EndPoint) -> Option<&'a mut Known> {
    known.get_mut(&end_point.id).filter(|known| known.end_point.url == end_point.url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::webhook::WebhookSecret;

    fn end_point(id: &str, url: &str) -> EndPoint {
        EndPoint::new(id.parse().unwrap(), url.parse().unwrap(), WebhookSecret::random())
    }

    fn names(end_points: &EndPoints) -> Vec<String> {
        end_points.wanting(NotificationType::MessageStored, None).iter().map(|end_point| end_point.id.to_string()).collect()
    }

    #[test]
    fn a_disabled_end_point_gets_nothing_until_it_is_enabled() {
        let (one, other) = (end_point("a", "https://a.example/"), end_point("b", "https://b.example/"));
        let end_points = EndPoints::new([one.clone(), other]);
        assert!(end_points.disable(&one, "410") && !end_points.disable(&one, "again"));
        assert_eq!((names(&end_points), end_points.enabled("a")), (vec!["b".to_owned()], None));
        assert_eq!(end_points.disabled(), [(one.id.clone(), "410".to_owned())]);
        assert!(end_points.enable(&one.id) && !end_points.enable(&one.id));
        assert_eq!(names(&end_points), ["a", "b"]);
        for unknown in [end_point("c", "https://a.example/"), end_point("a", "https://a.example/before")] {
            assert!(!end_points.disable(&unknown, "unknown"), "{unknown:?}");
        }
    }

    #[test]
    fn new_end_points_leave_disabled_what_has_not_changed() {
        let (one, other) = (end_point("a", "https://a.example/"), end_point("b", "https://b.example/"));
        let end_points = EndPoints::new([one.clone(), other.clone()]);
        assert!(end_points.disable(&one, "410") && end_points.disable(&other, "410"));
        end_points.replace([end_point("a", "https://a.example/"), end_point("b", "https://b.example/other")]);
        assert_eq!(names(&end_points), ["b"]);
    }

    #[test]
    fn what_is_kept_outside_counts_unless_it_was_not_kept_yet() {
        let all = ["a", "b", "c", "d"].map(|name| end_point(name, "https://a.example/"));
        let end_points = EndPoints::new(all.clone());
        assert!(end_points.disable(&all[0], "here") && end_points.disable(&all[1], "here"));
        end_points.handle_added(&all[1]);
        let kept = |end_point: &EndPoint| (end_point.id.as_str() == "c").then(|| "elsewhere".to_owned());
        end_points.handle_kept(kept);
        // a waits to be kept, b was enabled elsewhere, and c was disabled there.
        assert_eq!(names(&end_points), ["b", "d"]);
        let not_kept: Vec<_> = end_points.disabled_but_not_kept().iter().map(|(a, _)| a.id.to_string()).collect();
        assert_eq!(not_kept, ["a"]);
        end_points.handle_kept(|_| None);
        assert_eq!(names(&end_points), ["b", "c", "d"]);
    }

    #[test]
    fn an_end_point_fails_from_its_first_failure_to_a_success() {
        let end_points = EndPoints::new([end_point("a", "https://a.example/")]);
        let (a, start, hour) = ("a".parse().unwrap(), Instant::now(), Duration::from_secs(3600));
        assert_eq!(end_points.handle_failure(&a, start), Duration::ZERO);
        assert_eq!(end_points.handle_failure(&a, start + 5 * hour), 5 * hour);
        end_points.replace([end_point("a", "https://a.example/")]);
        assert_eq!(end_points.handle_failure(&a, start + 6 * hour), 6 * hour, "the same end point in a new network");
        end_points.handle_success(&a);
        assert_eq!(end_points.handle_failure(&a, start + 7 * hour), Duration::ZERO);
        end_points.enable(&a);
        assert_eq!(end_points.handle_failure(&a, start + 8 * hour), Duration::ZERO, "an operator has mended it");
        assert_eq!(end_points.handle_failure(&"b".parse().unwrap(), start), Duration::ZERO);
    }
}
