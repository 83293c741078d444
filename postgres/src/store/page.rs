//! Lists messages, a page at a time.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use voicemail::message::{Head, MailboxId, MessageId, Status, Urgency};
use voicemail::store::{Cursor, Entry, Order, OrderGroup, Page, Position, Query, QueryParts, StoreError};

use super::PostgresStore;
use super::values::{NEW, OLD, REMOVED, nanos_of, status_number, status_of};
use crate::DatabaseError;
use crate::columns::{Uuid, bigint, column};

impl PostgresStore {
    /// One statement: the counts are of the same moment as the messages.
    pub(super) async fn read_page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        let parts = query.parts();
        let (may_create, _) = self.look_up(mailbox).await?;
        let (number, limit) = (mailbox.as_str(), bigint(parts.limit).saturating_add(1));
        let after = parts.after.map(|cursor| cursor.position);
        let (nanos, id) = after.map_or((0, Uuid([0; 16])), |position| (nanos_of(position), Uuid::from(position.id)));
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&number, &limit];
        if after.is_some() {
            params.extend([&nanos as &(dyn ToSql + Sync), &id]);
        }
        let rows = self.database.pool().read(&statement(&parts), &params).await?;
        if rows.is_empty() {
            return if may_create { Ok(Page::new(Vec::new(), None, 0)) } else { Err(StoreError::NoSuchMailbox(mailbox.clone())) };
        }
        Ok(page_of(&rows, &parts)?)
    }
}

fn page_of(rows: &[Row], parts: &QueryParts<'_>) -> Result<Page, DatabaseError> {
    let total: i64 = rows.first().map_or(Ok(0), |row| column(row, 0))?;
    let mut entries = Vec::new();
    let mut next = None;
    for row in rows {
        let Some(group) = column::<Option<i32>>(row, 1)? else { break };
        if entries.len() >= parts.limit {
            return Ok(Page::new(entries, next, usize::try_from(total).unwrap_or_default()));
        }
        let entry = entry_of(column::<Uuid>(row, 2)?.id(), column(row, 3)?, column(row, 4)?)?;
        // From the column, so that the next page begins where the database saw this one end.
        let nanos: i64 = column(row, 5)?;
        let (secs, rest) = (nanos.div_euclid(NANOS), u32::try_from(nanos.rem_euclid(NANOS)).unwrap_or_default());
        next = Some(Cursor::new(group_of(parts.order, group), Position::new(secs, rest, entry.head.id)));
        entries.push(entry);
    }
    Ok(Page::new(entries, None, usize::try_from(total).unwrap_or_default()))
}

/// The entry of the message that is kept under `id`.
pub(super) fn entry_of(id: MessageId, status: i16, head: &[u8]) -> Result<Entry, DatabaseError> {
    let mut head = Head::decode(head).map_err(DatabaseError::unexpected)?;
    head.id = id;
    Ok(Entry::new(head, status_of(status)?))
}

fn group_of(order: Order, at: i32) -> OrderGroup {
    let groups = order.groups();
    let at = usize::try_from(at).unwrap_or_default().min(groups.len() - 1);
    groups[at]
}

/// The statement for a page. `$1` is the mailbox, `$2` how many messages, `$3` and `$4` the position that the page begins behind.
///
/// There is one select for each status and urgency, which the index answers in order, so that PostgreSQL merges them and stops after `$2`. Few
/// statements differ: they are prepared once for each connection.
fn statement(parts: &QueryParts<'_>) -> String {
    let counted = total(parts.statuses);
    let wanted: Vec<String> = groups(parts).map(|(at, group, after)| group_select(parts, at, group, after)).collect();
    if wanted.is_empty() || parts.statuses.is_empty() {
        let nothing = "NULL::integer, NULL::uuid, NULL::smallint, NULL::bytea, NULL::bigint";
        return format!("SELECT {counted}, {nothing} FROM voicemail.mailbox b WHERE b.number = $1 AND $2::bigint IS NOT NULL");
    }
    let sort = sort_by(parts.order);
    format!(
        "SELECT {counted}, t.rank, t.id, t.status, t.head, t.recorded_ns FROM voicemail.mailbox b LEFT JOIN LATERAL (\
         SELECT * FROM ({}) g ORDER BY rank, {sort} LIMIT $2) t ON true WHERE b.number = $1 ORDER BY t.rank, {sort}",
        wanted.join(" UNION ALL ")
    )
}

/// The groups of the order that the page may show, each with its place in the order, and whether it begins behind the cursor.
fn groups(parts: &QueryParts<'_>) -> impl Iterator<Item = (usize, OrderGroup, bool)> {
    let groups = parts.order.groups();
    let cursor = parts.after.map_or(0, |cursor| groups.iter().position(|group| *group == cursor.group).unwrap_or(0));
    let has_cursor = parts.after.is_some();
    groups.iter().enumerate().skip(cursor).map(move |(at, group)| (at, *group, has_cursor && at == cursor))
}

fn group_select(parts: &QueryParts<'_>, at: usize, group: OrderGroup, after: bool) -> String {
    let sort = sort_by(parts.order);
    let beyond = match (after, parts.order.is_newest_first()) {
        (false, _) => "",
        (true, false) => " AND (recorded_ns, id) > ($3, $4)",
        (true, true) => " AND (recorded_ns, id) < ($3, $4)",
    };
    let selects: Vec<String> = parts
        .statuses
        .iter()
        .filter_map(|status| status_number(*status).ok())
        .flat_map(|status| group.urgencies().iter().map(move |urgency| (status, *urgency == Urgency::Urgent)))
        .map(|(status, urgent)| {
            format!(
                "(SELECT {at} AS rank, recorded_ns, id, status, head FROM voicemail.message \
                 WHERE mailbox = $1 AND status = {status} AND urgent = {urgent}{beyond} ORDER BY {sort} LIMIT $2)"
            )
        })
        .collect();
    format!("(SELECT * FROM ({}) s ORDER BY {sort} LIMIT $2)", selects.join(" UNION ALL "))
}

fn sort_by(order: Order) -> &'static str {
    if order.is_newest_first() { "recorded_ns DESC, id DESC" } else { "recorded_ns, id" }
}

/// The number of messages with these statuses, from the counts of the mailbox.
fn total(statuses: &[Status]) -> String {
    let counts = statuses.iter().filter_map(|status| match status_number(*status).ok()? {
        NEW => Some(" + b.new_n"),
        OLD => Some(" + b.old_n"),
        REMOVED => Some(" + b.removed_n"),
        _ => None,
    });
    format!("(0{})::bigint", counts.collect::<String>())
}

const NANOS: i64 = 1_000_000_000;
