//! How mail to the postmaster is delivered, alone or beside mailboxes.

use super::shared::Shared;
use crate::event::Event;
use crate::smtp::server::{Access, Delivery, Lookup, Reply};
use crate::store::StagedMail;

impl Shared {
    /// Asks whether the postmaster would get a mail of `size` bytes, before the peer sends it.
    pub(super) async fn look_up_postmaster(&self, size: u64) -> Lookup {
        match &self.postmaster {
            None => Lookup::NotFound,
            Some(postmaster) => postmaster.check(size).await.map_or_else(Lookup::NotTaken, |()| Lookup::Found),
        }
    }

    /// Stores a mail that is for the postmaster, and perhaps for mailboxes too; answers the reply that says what became of it.
    ///
    /// A sender tries again for all recipients, and mailboxes recognise what they have: so the postmaster's copy comes last.
    pub(super) async fn store_for_postmaster(
        &self,
        mut delivery: Delivery,
        staged: Option<Box<dyn StagedMail>>,
        access: &Access,
    ) -> Result<Reply, Reply> {
        let mut _room = None;
        if let Some(staged) = staged {
            let whole = self.finish(staged, std::mem::take(&mut delivery.mail)).await?;
            let (mail, room) = self.load_whole(&whole).await?;
            (delivery.mail, _room) = (mail, Some(room));
        }
        let mail = delivery.mail.clone();
        let for_mailboxes = if delivery.mailboxes.is_empty() {
            Reply::telling(250, "2.0.0", "kept for the postmaster")
        } else {
            self.try_to_store(delivery, None, access).await.unwrap_or_else(|refusal| refusal)
        };
        if (400..500).contains(&for_mailboxes.code()) {
            return Err(for_mailboxes);
        }
        let Some(postmaster) = &self.postmaster else { return Err(for_mailboxes) };
        let kept_as = postmaster.keep(mail).await?;
        self.events.emit(Event::PostmasterMail { kept_as });
        Ok(for_mailboxes)
    }
}
