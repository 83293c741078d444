//! [`Query`]: which messages of a mailbox, in which order, and how many at a time.

use std::collections::{BTreeSet, HashMap};
use std::iter::Peekable;
use std::ops::Bound::{Excluded, Unbounded};

use super::Entry;
use crate::message::{MessageId, Status, Urgency};

/// Which messages of a mailbox, in which order, and how many at a time.
///
/// ```
/// use voicemail::message::Status;
/// use voicemail::store::{Order, Query};
///
/// let first_page = Query::only([Status::New]).order(Order::UrgentFirst).limit(10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Query {
    statuses: Vec<Status>,
    order: Order,
    after: Option<Cursor>,
    limit: usize,
}

impl Query {
    /// All messages, removed ones included, oldest first, on one page: what a store's `list` shows.
    pub fn all() -> Self {
        Self::only([Status::New, Status::Old, Status::Removed])
    }

    /// Only messages that stand at one of `statuses`; else the same as [`all`](Self::all).
    pub fn only(statuses: impl IntoIterator<Item = Status>) -> Self {
        let mut wanted = Vec::new();
        for status in statuses {
            if !wanted.contains(&status) {
                wanted.push(status);
            }
        }
        Self { statuses: wanted, order: Order::OldestFirst, after: None, limit: usize::MAX }
    }

    /// In this order.
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// At most so many on a page.
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// The page that follows another: [`Page::next`] of that one says where it begins.
    ///
    /// It begins there also when messages have come or gone meanwhile: none is shown twice, and none that stays is left out.
    pub fn after(self, cursor: Cursor) -> Self {
        Self { after: Some(cursor), ..self }
    }

    /// The page of `entries`, which may be in any order.
    pub fn page_of(&self, entries: impl IntoIterator<Item = Entry>) -> Page {
        let mut shelves: HashMap<(Status, Urgency), BTreeSet<Place>> = HashMap::new();
        let mut by_id = HashMap::new();
        for entry in entries {
            let instant = entry.head.recorded_at.instant;
            let place = ((instant.timestamp(), instant.timestamp_subsec_nanos()), entry.head.id);
            shelves.entry((entry.status, entry.head.urgency)).or_default().insert(place);
            by_id.insert(entry.head.id, entry);
        }
        let empty = BTreeSet::new();
        let places = |status, urgency| shelves.get(&(status, urgency)).unwrap_or(&empty);
        let (ids, next) = self.choose(places);
        Page { entries: ids.iter().filter_map(|id| by_id.remove(id)).collect(), next, total: self.total(places) }
    }

    /// How many messages the query asks for, on all its pages together; `places` as for [`choose`](Self::choose).
    pub(super) fn total<'a>(&self, places: impl Fn(Status, Urgency) -> &'a BTreeSet<Place>) -> usize {
        let urgencies = [Urgency::Urgent, Urgency::Normal];
        self.statuses.iter().flat_map(|status| urgencies.map(|urgency| places(*status, urgency).len())).sum()
    }

    /// The ids of one page, when `places` answers for each status and urgency what stands there, in the order of recording.
    ///
    /// Looks at no more than the page has.
    pub(super) fn choose<'a>(&self, places: impl Fn(Status, Urgency) -> &'a BTreeSet<Place>) -> (Vec<MessageId>, Option<Cursor>) {
        let (mut chosen, mut last) = (Vec::new(), None);
        for group in self.order.groups() {
            let after = match self.after {
                Some(Cursor { group: at, .. }) if group.rank() < at => continue,
                Some(Cursor { group: at, place }) if group.rank() == at => Some(place),
                Some(_) | None => None,
            };
            let shelves =
                self.statuses.iter().flat_map(|status| group.urgencies().iter().map(|urgency| places(*status, *urgency)));
            for place in Merged::new(shelves, after, self.order.is_newest_first()) {
                if chosen.len() >= self.limit {
                    return (chosen, last);
                }
                chosen.push(place.1);
                last = Some(Cursor { group: group.rank(), place: *place });
            }
        }
        (chosen, None)
    }
}

/// In which order messages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// In the order of their recording.
    #[default]
    OldestFirst,
    /// The other way round.
    NewestFirst,
    /// Urgent ones before all others, each in the order of their recording.
    UrgentFirst,
    /// Urgent ones before all others, each the other way round.
    UrgentThenNewestFirst,
}

impl Order {
    fn groups(self) -> &'static [Group] {
        match self {
            Self::OldestFirst | Self::NewestFirst => &[Group::Any],
            Self::UrgentFirst | Self::UrgentThenNewestFirst => &[Group::Urgent, Group::Normal],
        }
    }

    fn is_newest_first(self) -> bool {
        match self {
            Self::OldestFirst | Self::UrgentFirst => false,
            Self::NewestFirst | Self::UrgentThenNewestFirst => true,
        }
    }
}

/// Messages among which only the time decides.
#[derive(Debug, Clone, Copy)]
enum Group {
    Any,
    Urgent,
    Normal,
}

impl Group {
    fn urgencies(self) -> &'static [Urgency] {
        match self {
            Self::Any => &[Urgency::Urgent, Urgency::Normal],
            Self::Urgent => &[Urgency::Urgent],
            Self::Normal => &[Urgency::Normal],
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Any | Self::Urgent => 0,
            Self::Normal => 1,
        }
    }
}

/// A place between two messages, where a page ends and the next begins. It belongs to one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    group: u8,
    place: Place,
}

/// Where a message stands in the order of recording: seconds and nanoseconds since 1970, then its id.
pub(super) type Place = ((i64, u32), MessageId);

/// Some messages of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages, in the order that was asked for.
    pub entries: Vec<Entry>,
    /// What the next page comes [`after`](Query::after); `None` on the last one.
    pub next: Option<Cursor>,
    /// How many messages the query asks for now, on all its pages together; the same on each page while nothing changes.
    pub total: usize,
}

/// Several shelves as if they were one, beyond a place.
struct Merged<'a> {
    shelves: Vec<Peekable<Shelf<'a>>>,
    newest_first: bool,
}

type Shelf<'a> = Box<dyn Iterator<Item = &'a Place> + 'a>;

impl<'a> Merged<'a> {
    fn new(shelves: impl Iterator<Item = &'a BTreeSet<Place>>, after: Option<Place>, newest_first: bool) -> Self {
        let open = |shelf: &'a BTreeSet<Place>| -> Shelf<'a> {
            let beyond = after.map_or(Unbounded, Excluded);
            if newest_first {
                Box::new(shelf.range((Unbounded, beyond)).rev())
            } else {
                Box::new(shelf.range((beyond, Unbounded)))
            }
        };
        Self { shelves: shelves.map(|shelf| open(shelf).peekable()).collect(), newest_first }
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = &'a Place;

    fn next(&mut self) -> Option<&'a Place> {
        let firsts = self.shelves.iter_mut().enumerate().filter_map(|(at, shelf)| Some((*shelf.peek()?, at)));
        let (_, at) = if self.newest_first { firsts.max() } else { firsts.min() }?;
        self.shelves[at].next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{ClockQuality, ClockSource, Head, RecordedAt};

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let statuses = prop_oneof![Just(Status::New), Just(Status::Old), Just(Status::Removed)];
        let entry = (0..5_i64, 0..3_u32, any::<bool>(), statuses).prop_map(|(secs, nanos, urgent, status)| {
            let instant = chrono::DateTime::from_timestamp(secs, nanos).unwrap();
            let quality = ClockQuality::unknown(ClockSource::Manual);
            let head = Head::new(RecordedAt { instant, zone: chrono_tz::UTC, quality });
            Entry { head: Head { urgency: if urgent { Urgency::Urgent } else { Urgency::Normal }, ..head }, status }
        });
        proptest::collection::vec(entry, 0..30)
    }

    fn orders() -> impl Strategy<Value = Order> {
        prop_oneof![
            Just(Order::OldestFirst),
            Just(Order::NewestFirst),
            Just(Order::UrgentFirst),
            Just(Order::UrgentThenNewestFirst)
        ]
    }

    /// What the whole list must be.
    fn sorted(entries: &[Entry], statuses: &[Status], order: Order) -> Vec<Entry> {
        let mut wanted: Vec<_> = entries.iter().filter(|entry| statuses.contains(&entry.status)).cloned().collect();
        wanted.sort_by_key(|entry| (entry.head.recorded_at.instant, entry.head.id));
        if order.is_newest_first() {
            wanted.reverse();
        }
        if order.groups().len() == 2 {
            wanted.sort_by_key(|entry| entry.head.urgency != Urgency::Urgent);
        }
        wanted
    }

    proptest! {
        #[test]
        fn pages_one_after_the_other_are_the_whole_list(
            entries in entries(), order in orders(), limit in 1..7_usize,
            statuses in proptest::sample::subsequence(vec![Status::New, Status::Old, Status::Removed], 0..=3)
        ) {
            let mut query = Query::only(statuses.clone()).order(order).limit(limit);
            let mut shown = Vec::new();
            loop {
                let page = query.page_of(entries.clone());
                prop_assert!(page.entries.len() <= limit);
                prop_assert!(page.next.is_none() || page.entries.len() == limit);
                prop_assert_eq!(page.total, sorted(&entries, &statuses, order).len());
                shown.extend(page.entries);
                let Some(next) = page.next else { break };
                query = query.after(next);
            }
            prop_assert_eq!(shown, sorted(&entries, &statuses, order));
        }

        #[test]
        fn what_comes_or_goes_between_two_pages_moves_no_other_message(
            entries in entries(), order in orders(), limit in 1..7_usize, gone in any::<prop::sample::Index>(), come in entries()
        ) {
            let query = Query::all().order(order).limit(limit);
            let first = query.page_of(entries.clone());
            if let Some(next) = first.next {
                let mut later = entries.clone();
                later.remove(gone.index(later.len()));
                later.extend(come);
                let rest = query.after(next).limit(usize::MAX).page_of(later.clone()).entries;
                let stayed = sorted(&entries, &[Status::New, Status::Old, Status::Removed], order);
                for entry in stayed.into_iter().skip(limit).filter(|entry| later.contains(entry)) {
                    prop_assert!(rest.contains(&entry));
                }
                prop_assert!(first.entries.iter().all(|entry| !rest.contains(entry)));
            }
        }
    }

    #[test]
    fn a_page_of_no_messages_is_the_last_one_only_if_there_are_none() {
        assert_eq!(Query::all().page_of([]), Page { entries: Vec::new(), next: None, total: 0 });
    }
}
