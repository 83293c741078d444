//! [`PostgresPins`]: PINs and counts of wrong PINs in the database.

mod attempt;
mod copying;

use std::error::Error as StdError;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use voicemail::message::{CallerNumber, ContentDigest, MailboxId};
use voicemail::telephone::{LockoutCounter, Pin, PinHash, PinStore, PinStoreError, PinVerdict};

use self::attempt::{Counts, forgiven};
use crate::{Database, DatabaseError};

/// PINs and lockouts in the database, for any number of nodes at once, by the rules of [`PinFolder`](voicemail::telephone::PinFolder).
///
/// - **Counted first.** An attempt is committed before its PIN is checked, whichever node it comes to. Attempts that come to several nodes at once get no
///   more tries than attempts one after the other: a count is replaced only by one that was made from it.
/// - **Closed when in doubt.** While the database is away, or a row cannot be understood, nobody gets in: [`PinVerdict::Unavailable`].
/// - **No default.** A mailbox without a row has no PIN, so nobody gets in.
///
/// The database has PINs as a [`PinHash`] only, and no caller's number. An attempt takes two round trips, and a right PIN one more. When a clock of one
/// node is behind that of another, the attempts of both count.
///
/// ```no_run
/// use voicemail::telephone::PinHash;
/// use voicemail_postgres::{Database, PostgresPins};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Database::connect("postgres://voicemail@%2Frun%2Fpostgresql/voicemail").await?;
/// let pins = PostgresPins::new(&database);
/// pins.set_initial(&"2041".parse()?, &PinHash::new(&"480913".parse()?)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresPins {
    database: Database,
    /// How many attempts may be counted before the counts of telephones that are forgiven are removed again.
    until_cleanup: AtomicU32,
}

impl PostgresPins {
    /// The PINs in `database`.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone(), until_cleanup: AtomicU32::new(0) }
    }

    /// Sets the PIN of `mailbox` to the one of `hash`. A mailbox or telephone that is locked out stays so.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] if it is not known whether the PIN was set.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has set the PIN or not. The same call again settles it.
    pub async fn set_hash(&self, mailbox: &MailboxId, hash: &PinHash) -> Result<(), DatabaseError> {
        self.put(mailbox, hash, false).await
    }

    /// Sets the PIN of `mailbox` to one that opens it for the first use only, until its owner has chosen another: [`PinVerdict::Initial`].
    /// A mailbox or telephone that is locked out stays so.
    ///
    /// # Errors
    ///
    /// As [`set_hash`](Self::set_hash).
    ///
    /// # Cancel safety
    ///
    /// As [`set_hash`](Self::set_hash).
    pub async fn set_initial(&self, mailbox: &MailboxId, hash: &PinHash) -> Result<(), DatabaseError> {
        self.put(mailbox, hash, true).await
    }

    /// Takes the PIN of `mailbox` away, with its count of wrong PINs: nobody gets in until another is set.
    ///
    /// # Errors
    ///
    /// As [`set_hash`](Self::set_hash).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has taken the PIN away or not. The same call again settles it.
    pub async fn remove(&self, mailbox: &MailboxId) -> Result<(), DatabaseError> {
        self.database.pool().query("DELETE FROM voicemail.pin WHERE mailbox = $1", &[&mailbox.as_str()]).await.map(drop)
    }

    async fn put(&self, mailbox: &MailboxId, hash: &PinHash, first_use: bool) -> Result<(), DatabaseError> {
        self.database.pool().query(SET, &[&mailbox.as_str(), &hash.to_string(), &first_use]).await.map(drop)
    }

    async fn checked(
        &self,
        mailbox: &MailboxId,
        caller: Option<&CallerNumber>,
        entered: &str,
        now: DateTime<Utc>,
    ) -> Result<PinVerdict, DatabaseError> {
        // The number itself is not stored.
        let caller = caller.map(|caller| ContentDigest::of(caller.as_str().as_bytes()));
        let (pin, counted) = match self.count(mailbox, caller, now).await? {
            Ok(counted) => counted,
            Err(verdict) => return Ok(verdict),
        };
        let (hash, entered) = (pin.hash, entered.to_owned());
        let is_right = tokio::task::spawn_blocking(move || hash.is_of(&entered)).await.map_err(DatabaseError::unexpected)?;
        if !is_right {
            return Ok(PinVerdict::Wrong);
        }
        if let Err(error) = self.forgive(mailbox, caller.zip(counted)).await {
            tracing::warn!(%mailbox, error = &error as &dyn std::error::Error, "a right PIN still counts as a wrong one");
        }
        Ok(if pin.first_use { PinVerdict::Initial } else { PinVerdict::Right })
    }

    /// Counts an attempt before the PIN is checked. Returns the PIN to check, and the count of the telephone; or the verdict, if no PIN may be tried.
    async fn count(
        &self,
        mailbox: &MailboxId,
        caller: Option<ContentDigest>,
        now: DateTime<Utc>,
    ) -> Result<Result<(StoredPin, Option<LockoutCounter>), PinVerdict>, DatabaseError> {
        for _ in 0..TRIES {
            let (pin, of_caller) = self.read(mailbox, caller).await?;
            let before =
                Counts { mailbox: pin.as_ref().map(|pin| pin.attempts), caller: caller.map(|_| of_caller.unwrap_or_default()) };
            let (after, verdict) = before.attempt(now);
            // Also when the clock went back: the wait begins again once, and not with each attempt.
            if after != before && !self.replace(mailbox, pin.as_ref(), caller.zip(after.caller), of_caller, after).await? {
                continue;
            }
            return Ok(match (verdict, pin) {
                (Some(verdict), _) => Err(verdict),
                (None, Some(pin)) => Ok((pin, after.caller)),
                (None, None) => Err(PinVerdict::NoPin),
            });
        }
        tracing::warn!(%mailbox, "a PIN was not checked, because others were entered at the same time over and over");
        Ok(Err(PinVerdict::Unavailable))
    }

    /// Reads the PIN of `mailbox` and the count of the telephone `caller`, as far as they are there.
    async fn read(
        &self,
        mailbox: &MailboxId,
        caller: Option<ContentDigest>,
    ) -> Result<(Option<StoredPin>, Option<LockoutCounter>), DatabaseError> {
        let caller = caller.as_ref().map(|caller| &caller.as_bytes()[..]);
        let rows = self.database.pool().read(READ, &[&mailbox.as_str(), &caller]).await?;
        let row = rows.first().ok_or_else(|| DatabaseError::unexpected("no row where one was expected"))?;
        let pin = match row.try_get::<_, Option<&str>>(0)? {
            None => None,
            Some(hash) => Some(StoredPin { hash: parsed(hash)?, first_use: row.try_get(1)?, attempts: parsed(row.try_get(2)?)? }),
        };
        Ok((pin, row.try_get::<_, Option<&str>>(3)?.map(parsed).transpose()?))
    }

    /// Replaces the counts that were read by those `after` the attempt; answers false if they are not the same any more.
    async fn replace(
        &self,
        mailbox: &MailboxId,
        pin: Option<&StoredPin>,
        caller: Option<(ContentDigest, LockoutCounter)>,
        of_caller: Option<LockoutCounter>,
        after: Counts,
    ) -> Result<bool, DatabaseError> {
        let pin = pin.zip(after.mailbox);
        let pool = self.database.pool();
        let row = pool
            .query_one(
                COUNT,
                &[
                    &pin.map(|_| mailbox.as_str()),
                    &pin.map(|(pin, _)| pin.hash.to_string()),
                    &pin.map(|(pin, _)| pin.attempts.to_string()),
                    &pin.map(|(_, after)| after.to_string()),
                    &caller.as_ref().map(|(caller, _)| &caller.as_bytes()[..]),
                    &of_caller.map(|before| before.to_string()),
                    &caller.map(|(_, after)| after.to_string()),
                ],
            )
            .await?;
        let is_replaced = row.try_get(0)?;
        if is_replaced && caller.is_some() {
            self.clean_up_if_due().await;
        }
        Ok(is_replaced)
    }

    /// Clears the count of `mailbox` after a right PIN, and takes the attempt back from the telephone's count.
    async fn forgive(&self, mailbox: &MailboxId, caller: Option<(ContentDigest, LockoutCounter)>) -> Result<(), DatabaseError> {
        let (caller, mut count) = caller.map_or((None, None), |(caller, count)| (Some(caller), Some(count)));
        for _ in 0..TRIES {
            let after = count.and_then(forgiven);
            let bytes = caller.as_ref().map(|caller| &caller.as_bytes()[..]);
            let (before, after) = (count.map(|count| count.to_string()), after.map(|count| count.to_string()));
            let row = self.database.pool().query_one(FORGIVE, &[&mailbox.as_str(), &bytes, &before, &after]).await?;
            if count.is_none() || row.try_get(0)? {
                break;
            }
            count = self.read(mailbox, caller).await?.1;
        }
        Ok(())
    }

    /// Removes the counts of telephones that have not tried for a day, once in a while: all their wrong PINs are forgiven.
    async fn clean_up_if_due(&self) {
        let due = self
            .until_cleanup
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.checked_sub(1).unwrap_or(ATTEMPTS_PER_CLEANUP)));
        if due == Ok(0)
            && let Err(error) = self.database.pool().query(CLEAN_UP, &[]).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the counts of telephones without wrong PINs could not be removed"
            );
        }
    }
}

#[async_trait]
impl PinStore for PostgresPins {
    async fn check(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>, entered: &str, now: DateTime<Utc>) -> PinVerdict {
        self.checked(mailbox, caller, entered, now).await.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a PIN could not be checked");
            PinVerdict::Unavailable
        })
    }

    async fn set(&self, mailbox: &MailboxId, pin: &Pin) -> Result<(), PinStoreError> {
        let pin = pin.clone();
        let hash = tokio::task::spawn_blocking(move || PinHash::new(&pin)).await.map_err(PinStoreError::new)?;
        self.set_hash(mailbox, &hash).await.map_err(PinStoreError::new)
    }
}

/// The PIN of a mailbox, and its count of wrong PINs.
#[derive(Debug)]
struct StoredPin {
    hash: PinHash,
    first_use: bool,
    attempts: LockoutCounter,
}

/// Reads a text that this crate has written.
fn parsed<T: FromStr<Err: Into<Box<dyn StdError + Send + Sync>>>>(text: &str) -> Result<T, DatabaseError> {
    text.parse().map_err(DatabaseError::unexpected)
}

const SET: &str = "INSERT INTO voicemail.pin (mailbox, hash, first_use) VALUES ($1, $2, $3) \
    ON CONFLICT (mailbox) DO UPDATE SET hash = excluded.hash, first_use = excluded.first_use";
const READ: &str = "SELECT p.hash, p.first_use, p.attempts, c.attempts FROM (VALUES (1)) AS one \
    LEFT JOIN voicemail.pin p ON p.mailbox = $1 LEFT JOIN voicemail.pin_caller c ON c.caller = $2";
const COUNT: &str = "SELECT voicemail.count_pin_attempt($1, $2, $3, $4, $5, $6, $7)";
const FORGIVE: &str = "SELECT voicemail.forgive_pin_attempt($1, $2, $3, $4)";
const CLEAN_UP: &str = "DELETE FROM voicemail.pin_caller WHERE at < now() - interval '1 day'";

/// How often an attempt is counted anew when others were counted meanwhile.
const TRIES: usize = 32;
const ATTEMPTS_PER_CLEANUP: u32 = 1000;
