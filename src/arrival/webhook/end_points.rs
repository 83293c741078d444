//! [`EndPoints`]: the end points of a node, and which of them are disabled.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{EndPoint, EndPointId, NotificationType};
use crate::lock::Lock;
use crate::message::SiteId;

/// The end points of a node, and which of them are disabled. Clones share them.
///
/// They are in memory: after a restart, all end points are enabled, and one that answers 410 is disabled again by its first request. A program that remembers
/// which are disabled calls [`disable`](Self::disable).
#[derive(Debug, Clone, Default)]
pub struct EndPoints {
    known: Arc<Lock<BTreeMap<EndPointId, Known>>>,
}

#[derive(Debug)]
struct Known {
    end_point: Arc<EndPoint>,
    disabled: Option<String>,
    last_success: Option<DateTime<Utc>>,
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
            let (disabled, last_success) = same.map_or((None, None), |same| (same.disabled, same.last_success));
            known.insert(end_point.id.clone(), Known { end_point: Arc::new(end_point), disabled, last_success });
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

    /// Returns the end points that are disabled, each with the reason.
    pub fn disabled(&self) -> Vec<(EndPointId, String)> {
        let known = self.known.lock();
        known.iter().filter_map(|(id, known)| Some((id.clone(), known.disabled.clone()?))).collect()
    }

    /// Disables an end point; returns false if it is unknown or was disabled before.
    pub fn disable(&self, id: &EndPointId, reason: impl Into<String>) -> bool {
        let mut known = self.known.lock();
        let enabled = known.get_mut(id).filter(|known| known.disabled.is_none());
        enabled.map(|known| known.disabled = Some(reason.into())).is_some()
    }

    /// Enables an end point again; returns false if it is unknown or was enabled before.
    pub fn enable(&self, id: &EndPointId) -> bool {
        self.known.lock().get_mut(id).is_some_and(|known| known.disabled.take().is_some())
    }

    /// Handles a request that the receiver has accepted.
    pub fn handle_success(&self, id: &EndPointId, now: DateTime<Utc>) {
        if let Some(known) = self.known.lock().get_mut(id) {
            known.last_success = known.last_success.max(Some(now));
        }
    }

    /// Handles a request that was given up after its first try at `since`: disables the end point if it has accepted nothing from then on. Returns whether it
    /// did.
    pub fn handle_given_up(&self, id: &EndPointId, since: DateTime<Utc>) -> bool {
        let alive = self.known.lock().get(id).is_some_and(|known| known.last_success >= Some(since));
        !alive && self.disable(id, "it has accepted nothing for as long as a request is tried")
    }
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
        let end_points = EndPoints::new([end_point("a", "https://a.example/"), end_point("b", "https://b.example/")]);
        let a = "a".parse().unwrap();
        assert!(end_points.disable(&a, "410") && !end_points.disable(&a, "again"));
        assert_eq!((names(&end_points), end_points.enabled("a")), (vec!["b".to_owned()], None));
        assert_eq!(end_points.disabled(), [(a.clone(), "410".to_owned())]);
        assert!(end_points.enable(&a) && !end_points.enable(&a));
        assert_eq!(names(&end_points), ["a", "b"]);
        assert!(!end_points.disable(&"c".parse().unwrap(), "unknown"));
    }

    #[test]
    fn new_end_points_leave_disabled_what_has_not_changed() {
        let end_points = EndPoints::new([end_point("a", "https://a.example/"), end_point("b", "https://b.example/")]);
        end_points.disable(&"a".parse().unwrap(), "410");
        end_points.disable(&"b".parse().unwrap(), "410");
        end_points.replace([end_point("a", "https://a.example/"), end_point("b", "https://b.example/other")]);
        assert_eq!(names(&end_points), ["b"]);
    }

    #[test]
    fn a_request_given_up_disables_an_end_point_that_took_nothing() {
        let end_points = EndPoints::new([end_point("a", "https://a.example/")]);
        let a = "a".parse().unwrap();
        let at = |hour: u32| format!("2026-11-28T{hour:02}:00:00Z").parse().unwrap();
        end_points.handle_success(&a, at(5));
        assert!(!end_points.handle_given_up(&a, at(4)), "it has accepted another one since");
        assert!(end_points.handle_given_up(&a, at(6)));
        assert!(!end_points.handle_given_up(&a, at(6)), "it is disabled already");
    }
}
