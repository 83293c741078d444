//! [`Query`]: selects messages of a mailbox, in an order, so many at a time.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::iter::Peekable;
use std::ops::Bound::{Excluded, Unbounded};
use std::str::FromStr;

use super::Entry;
use crate::message::{Head, MessageId, Status, Urgency};

/// A query for messages of a mailbox: their statuses, their order, and how many are on a page.
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
    /// All messages, removed ones included, oldest first, on one page: the same as a store's `list`.
    pub fn all() -> Self {
        Self::only([Status::New, Status::Old, Status::Removed])
    }

    /// Only messages with one of these `statuses`; else the same as [`all`](Self::all).
    pub fn only(statuses: impl IntoIterator<Item = Status>) -> Self {
        let mut wanted = Vec::new();
        for status in statuses {
            if !wanted.contains(&status) {
                wanted.push(status);
            }
        }
        Self { statuses: wanted, order: Order::OldestFirst, after: None, limit: usize::MAX }
    }

    /// Sets the order in which messages are shown.
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Sets how many messages a page shows at most.
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Begins behind this cursor, which is the [`Page::next`] of the page before.
    ///
    /// Messages that come or go between two pages do not move it: no message is shown twice, and none that stays is left out.
    pub fn after(self, cursor: Cursor) -> Self {
        Self { after: Some(cursor), ..self }
    }

    /// The parts of the query, for a store that finds the messages itself.
    ///
    /// The store shows, for each of the [groups](Order::groups) of the order in turn, the messages with one of the statuses and one of the group's
    /// [urgencies](OrderGroup::urgencies), sorted by their [`Position`]; backwards if the order is [newest first](Order::is_newest_first). It leaves
    /// out the groups before the cursor's, and in the cursor's group the messages up to its position.
    pub fn parts(&self) -> QueryParts<'_> {
        let Self { statuses, order, after, limit } = self;
        QueryParts { statuses, order: *order, after: *after, limit: *limit }
    }

    /// The page of `entries`, which may be in any order.
    pub fn page_of(&self, entries: impl IntoIterator<Item = Entry>) -> Page {
        let mut groups: HashMap<(Status, Urgency), BTreeSet<Position>> = HashMap::new();
        let mut by_id = HashMap::new();
        for entry in entries {
            groups.entry((entry.status, entry.head.urgency)).or_default().insert(Position::of(&entry.head));
            by_id.insert(entry.head.id, entry);
        }
        let empty = BTreeSet::new();
        let positions = |status, urgency| groups.get(&(status, urgency)).unwrap_or(&empty);
        let (ids, next) = self.choose(positions);
        Page { entries: ids.iter().filter_map(|id| by_id.remove(id)).collect(), next, total: self.total(positions) }
    }

    /// How many messages the query asks for, on all its pages together; `positions` as for [`choose`](Self::choose).
    pub(super) fn total<'a>(&self, positions: impl Fn(Status, Urgency) -> &'a BTreeSet<Position>) -> usize {
        let urgencies = [Urgency::Urgent, Urgency::Normal];
        self.statuses.iter().flat_map(|status| urgencies.map(|urgency| positions(*status, urgency).len())).sum()
    }

    /// The ids of one page, and the cursor for the next; `positions` answers the positions of the messages with a status and an urgency.
    ///
    /// Looks at no more messages than the page has.
    pub(super) fn choose<'a>(
        &self,
        positions: impl Fn(Status, Urgency) -> &'a BTreeSet<Position>,
    ) -> (Vec<MessageId>, Option<Cursor>) {
        let (mut chosen, mut last) = (Vec::new(), None);
        for group in self.order.groups() {
            let after = match self.after {
                Some(cursor) if group.rank() < cursor.group.rank() => continue,
                Some(cursor) if group.rank() == cursor.group.rank() => Some(cursor.position),
                Some(_) | None => None,
            };
            let sets =
                self.statuses.iter().flat_map(|status| group.urgencies().iter().map(|urgency| positions(*status, *urgency)));
            for position in MergedPositions::new(sets, after, self.order.is_newest_first()) {
                if chosen.len() >= self.limit {
                    return (chosen, last);
                }
                chosen.push(position.id);
                last = Some(Cursor { group: *group, position: *position });
            }
        }
        (chosen, None)
    }
}

/// The parts of a [`Query`]; answered by [`Query::parts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryParts<'a> {
    /// The statuses that the messages may have, each once.
    pub statuses: &'a [Status],
    /// The order in which they are shown.
    pub order: Order,
    /// The end of the page before; `None` for the first page.
    pub after: Option<Cursor>,
    /// How many messages a page shows at most.
    pub limit: usize,
}

/// The order in which messages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Order {
    /// All messages by the time of recording, oldest first.
    #[default]
    OldestFirst,
    /// All messages by the time of recording, newest first.
    NewestFirst,
    /// Urgent messages before all others, both oldest first.
    UrgentFirst,
    /// Urgent messages before all others, both newest first.
    UrgentThenNewestFirst,
}

impl Order {
    /// The groups that are shown one after the other.
    pub fn groups(self) -> &'static [OrderGroup] {
        match self {
            Self::OldestFirst | Self::NewestFirst => &[OrderGroup::All],
            Self::UrgentFirst | Self::UrgentThenNewestFirst => &[OrderGroup::Urgent, OrderGroup::Normal],
        }
    }

    /// Whether each group is shown newest first.
    pub fn is_newest_first(self) -> bool {
        match self {
            Self::OldestFirst | Self::UrgentFirst => false,
            Self::NewestFirst | Self::UrgentThenNewestFirst => true,
        }
    }
}

/// Messages of an [`Order`] that are sorted by their position only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderGroup {
    /// All messages.
    All,
    /// The urgent messages.
    Urgent,
    /// The messages that are not urgent.
    Normal,
}

impl OrderGroup {
    /// The urgencies of the messages in the group.
    pub fn urgencies(self) -> &'static [Urgency] {
        match self {
            Self::All => &[Urgency::Urgent, Urgency::Normal],
            Self::Urgent => &[Urgency::Urgent],
            Self::Normal => &[Urgency::Normal],
        }
    }

    /// Returns the place of the group in its order.
    fn rank(self) -> u8 {
        match self {
            Self::All | Self::Urgent => 0,
            Self::Normal => 1,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::All => 'a',
            Self::Urgent => 'u',
            Self::Normal => 'n',
        }
    }
}

/// The place of a message in the order of recording: positions compare by time, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Position {
    /// When the message was recorded: whole seconds since 1970 (UTC).
    pub secs: i64,
    /// The nanoseconds after `secs`.
    pub nanos: u32,
    /// The id of the message.
    pub id: MessageId,
}

impl Position {
    /// The position of the message `id`, recorded `secs` seconds and `nanos` nanoseconds after the beginning of 1970 (UTC).
    pub const fn new(secs: i64, nanos: u32, id: MessageId) -> Self {
        Self { secs, nanos, id }
    }

    /// The position of the message with this `head`.
    pub fn of(head: &Head) -> Self {
        let instant = head.recorded_at.instant;
        Self::new(instant.timestamp(), instant.timestamp_subsec_nanos(), head.id)
    }
}

/// The place between two messages where a page ends and the next begins. It is for queries with the same order only.
///
/// As text it is `GROUP.SECS.NANOS.ID`, which may stand in a link of a web page as it is; the group is `a` for all, `u` for urgent, `n` for normal.
///
/// ```
/// use voicemail::store::Cursor;
///
/// let cursor: Cursor = "u.1743296380.5.000102030405060708090a0b0c0d0e0f".parse().unwrap();
/// assert_eq!(cursor.position.secs, 1_743_296_380);
/// assert_eq!(cursor.to_string(), "u.1743296380.5.000102030405060708090a0b0c0d0e0f");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Cursor {
    /// The group of the order that the last shown message is in.
    pub group: OrderGroup,
    /// The position of the last shown message.
    pub position: Position,
}

impl Cursor {
    /// A cursor behind the message at `position` in `group`.
    pub const fn new(group: OrderGroup, position: Position) -> Self {
        Self { group, position }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { secs, nanos, id } = self.position;
        write!(f, "{}.{secs}.{nanos}.{id}", self.group.letter())
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(InvalidCursor);
        let letter = next()?;
        let groups = [OrderGroup::All, OrderGroup::Urgent, OrderGroup::Normal];
        let group = groups.into_iter().find(|group| letter.chars().eq([group.letter()])).ok_or(InvalidCursor)?;
        let secs = next()?.parse().map_err(|_| InvalidCursor)?;
        let nanos = next()?.parse().map_err(|_| InvalidCursor)?;
        let id = next()?.parse().map_err(|_| InvalidCursor)?;
        if parts.next().is_some() {
            return Err(InvalidCursor);
        }
        Ok(Self::new(group, Position::new(secs, nanos, id)))
    }
}

/// A text that is not a [`Cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor has the form GROUP.SECS.NANOS.ID")]
pub struct InvalidCursor;

/// A part of the messages of a mailbox, to be shown together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The messages, in the order that was asked for.
    pub entries: Vec<Entry>,
    /// The cursor for the next page, to be passed to [`Query::after`]; `None` on the last page.
    pub next: Option<Cursor>,
    /// How many messages the query asks for now, on all its pages together; the same on each page while nothing changes.
    pub total: usize,
}

impl Page {
    /// A page with these messages, the cursor for the next page, and the number of messages on all pages.
    pub fn new(entries: Vec<Entry>, next: Option<Cursor>, total: usize) -> Self {
        Self { entries, next, total }
    }
}

/// The positions of several sorted sets as one sorted sequence, beginning after a position.
struct MergedPositions<'a> {
    sequences: Vec<Peekable<Sequence<'a>>>,
    newest_first: bool,
}

type Sequence<'a> = Box<dyn Iterator<Item = &'a Position> + 'a>;

impl<'a> MergedPositions<'a> {
    fn new(sets: impl Iterator<Item = &'a BTreeSet<Position>>, after: Option<Position>, newest_first: bool) -> Self {
        let open = |set: &'a BTreeSet<Position>| -> Sequence<'a> {
            let beyond = after.map_or(Unbounded, Excluded);
            if newest_first { Box::new(set.range((Unbounded, beyond)).rev()) } else { Box::new(set.range((beyond, Unbounded))) }
        };
        Self { sequences: sets.map(|set| open(set).peekable()).collect(), newest_first }
    }
}

impl<'a> Iterator for MergedPositions<'a> {
    type Item = &'a Position;

    fn next(&mut self) -> Option<&'a Position> {
        let firsts = self.sequences.iter_mut().enumerate().filter_map(|(at, sequence)| Some((*sequence.peek()?, at)));
        let (_, at) = if self.newest_first { firsts.max() } else { firsts.min() }?;
        self.sequences[at].next()
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

    /// The whole list, in order.
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
        fn a_message_that_comes_or_goes_moves_no_other_message(
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

    proptest! {
        #[test]
        fn the_parts_of_a_query_are_enough_to_answer_it(entries in entries(), order in orders(), limit in 1..7_usize) {
            let mut query = Query::only([Status::New, Status::Removed]).order(order).limit(limit);
            loop {
                let (parts, expected) = (query.parts(), query.page_of(entries.clone()));
                let mut chosen = Vec::new();
                for group in parts.order.groups() {
                    let mut of_group: Vec<&Entry> = entries.iter().filter(|entry| {
                        parts.statuses.contains(&entry.status) && group.urgencies().contains(&entry.head.urgency)
                    }).collect();
                    of_group.sort_by_key(|entry| Position::of(&entry.head));
                    if parts.order.is_newest_first() {
                        of_group.reverse();
                    }
                    chosen.extend(of_group.into_iter().map(|entry| (*group, entry)));
                }
                let place = |cursor: Cursor| chosen.iter().position(|(group, entry)| {
                    Cursor::new(*group, Position::of(&entry.head)) == cursor
                });
                let begin = parts.after.map_or(0, |after| place(after).unwrap() + 1);
                let page: Vec<Entry> = chosen.iter().skip(begin).take(parts.limit).map(|(_, entry)| (*entry).clone()).collect();
                prop_assert_eq!(&page, &expected.entries);
                let Some(next) = expected.next else { break };
                query = query.after(next.to_string().parse().unwrap());
            }
        }

        #[test]
        fn a_cursor_reads_back_and_hostile_text_never_panics(secs: i64, nanos: u32, id: [u8; 16], text in "\\PC{0,60}") {
            for group in [OrderGroup::All, OrderGroup::Urgent, OrderGroup::Normal] {
                let cursor = Cursor::new(group, Position::new(secs, nanos, MessageId::from_bytes(id)));
                prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
            }
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn a_text_that_is_not_a_cursor_is_refused() {
        let id = "0".repeat(32);
        for text in [
            String::new(),
            "a".into(),
            format!("x.1.2.{id}"),
            format!("a.1.2.{id}.3"),
            format!("a.1.-2.{id}"),
            format!("aa.1.2.{id}"),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }

    #[test]
    fn an_empty_page_is_the_last_one() {
        assert_eq!(Query::all().page_of([]), Page { entries: Vec::new(), next: None, total: 0 });
    }
}
