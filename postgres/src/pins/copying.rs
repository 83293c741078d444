//! PINs in the database as a [`CopyablePins`]: listed and replaced, for a move to another store.

use async_trait::async_trait;
use tokio_postgres::Row;
use voicemail::message::{ContentDigest, MailboxId};
use voicemail::telephone::{CopyPinsError, CopyablePins, LockoutCounter, PinUse, StoredPin};

use super::{PostgresPins, parsed};
use crate::DatabaseError;

#[async_trait]
impl CopyablePins for PostgresPins {
    async fn pins(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<(MailboxId, StoredPin)>, CopyPinsError> {
        let after = after.map_or("", MailboxId::as_str);
        let rows = self.database.pool().read(PINS, &[&after, &row_limit(limit)]).await.map_err(CopyPinsError::new)?;
        rows.iter().map(pin_of).collect::<Result<_, _>>().map_err(CopyPinsError::new)
    }

    async fn replace_pin(&self, mailbox: &MailboxId, pin: Option<&StoredPin>) -> Result<(), CopyPinsError> {
        let Some(pin) = pin else { return self.remove(mailbox).await.map_err(CopyPinsError::new) };
        let (hash, attempts) = (pin.hash.to_string(), pin.attempts.to_string());
        let first_use = pin.pin_use == PinUse::First;
        let done = self.database.pool().query(REPLACE_PIN, &[&mailbox.as_str(), &hash, &first_use, &attempts]).await;
        done.map(drop).map_err(CopyPinsError::new)
    }

    async fn telephones(
        &self,
        after: Option<ContentDigest>,
        limit: usize,
    ) -> Result<Vec<(ContentDigest, LockoutCounter)>, CopyPinsError> {
        let after = after.as_ref().map_or(&[][..], |after| &after.as_bytes()[..]);
        let rows = self.database.pool().read(TELEPHONES, &[&after, &row_limit(limit)]).await.map_err(CopyPinsError::new)?;
        rows.iter().map(telephone_of).collect::<Result<_, _>>().map_err(CopyPinsError::new)
    }

    async fn replace_telephone(&self, telephone: ContentDigest, count: Option<LockoutCounter>) -> Result<(), CopyPinsError> {
        let (caller, pool) = (&telephone.as_bytes()[..], self.database.pool());
        let done = match count {
            Some(count) => pool.query(REPLACE_TELEPHONE, &[&caller, &count.to_string()]).await,
            None => pool.query("DELETE FROM voicemail.pin_caller WHERE caller = $1", &[&caller]).await,
        };
        done.map(drop).map_err(CopyPinsError::new)
    }
}

fn pin_of(row: &Row) -> Result<(MailboxId, StoredPin), DatabaseError> {
    let mailbox = row.try_get::<_, &str>(0)?.parse().map_err(DatabaseError::unexpected)?;
    let pin_use = if row.try_get(2)? { PinUse::First } else { PinUse::Usual };
    Ok((mailbox, StoredPin::new(parsed(row.try_get(1)?)?, pin_use, parsed(row.try_get(3)?)?)))
}

fn telephone_of(row: &Row) -> Result<(ContentDigest, LockoutCounter), DatabaseError> {
    let digest: [u8; 32] = row.try_get::<_, &[u8]>(0)?.try_into().map_err(DatabaseError::unexpected)?;
    Ok((ContentDigest::from_bytes(digest), parsed(row.try_get(1)?)?))
}

fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

const PINS: &str = "SELECT mailbox, hash, first_use, attempts FROM voicemail.pin \
    WHERE mailbox COLLATE \"C\" > $1 ORDER BY mailbox COLLATE \"C\" LIMIT $2";
const REPLACE_PIN: &str = "INSERT INTO voicemail.pin (mailbox, hash, first_use, attempts) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (mailbox) DO UPDATE SET hash = excluded.hash, first_use = excluded.first_use, attempts = excluded.attempts";
const TELEPHONES: &str = "SELECT caller, attempts FROM voicemail.pin_caller WHERE caller > $1 ORDER BY caller LIMIT $2";
const REPLACE_TELEPHONE: &str = "INSERT INTO voicemail.pin_caller (caller, attempts, at) VALUES ($1, $2, now()) \
    ON CONFLICT (caller) DO UPDATE SET attempts = excluded.attempts, at = excluded.at";
