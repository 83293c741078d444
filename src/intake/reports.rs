//! Reports about messages that this node has sent: they come to the [return paths](ReturnPaths) that it has signed.

use std::net::IpAddr;
use std::sync::Arc;

use super::IntakeBuilder;
use super::context::IntakeContext;
use super::report_handler::{ReportHandler, ReturnedMail};
use crate::event::Event;
#[cfg(feature = "node")]
use crate::message::MailFile;
use crate::smtp::server::{Delivery, Lookup, replies as smtp_replies};
use crate::smtp::{Reply, ReturnPaths, SignedReturnPath};
use crate::store::StagedMail;

impl IntakeBuilder {
    /// Takes reports that come to return paths signed by `paths`: from the null reverse-path, to one recipient, of at most 1 MiB. All other mail to the
    /// address that this node sends from is refused with 550 5.7.1 at RCPT, and so is all of it without `paths`. Each report is an
    /// [`Event::ReportReceived`].
    ///
    /// A mail server reports to this node from its own address, and proves no name: the listener's [`Access`](super::Access) must admit it.
    ///
    /// # Source
    ///
    /// RFC 3461 §6.
    pub fn return_paths(mut self, paths: ReturnPaths) -> Self {
        self.return_paths = Some(paths);
        self
    }

    /// Hands reports to this part.
    #[cfg_attr(not(feature = "node"), expect(dead_code, reason = "only a node acts on reports"))]
    pub(crate) fn report_handler(mut self, handler: Arc<dyn ReportHandler>) -> Self {
        self.report_handler = Some(handler);
        self
    }
}

impl IntakeContext {
    /// Decides whether a mail to an address of the form of a return path is taken.
    pub(super) fn look_up_return_path(&self, local: &str, address: Option<IpAddr>) -> Lookup {
        if self.signed(local).is_some() { Lookup::Found } else { self.refuse_report(address) }
    }

    /// Refuses a mail to the address that this node sends from.
    pub(super) fn refuse_report(&self, address: Option<IpAddr>) -> Lookup {
        self.events.emit(Event::ReportRefused { address });
        Lookup::NotTaken(smtp_replies::NO_REPORTS)
    }

    /// Handles a report that came to `local`; returns the reply to its sender.
    pub(super) async fn take_report(
        &self,
        local: &str,
        mut delivery: Delivery,
        staged: Option<Box<dyn StagedMail>>,
    ) -> Result<Reply, Reply> {
        let about = self.signed(local).ok_or(smtp_replies::NO_REPORTS)?;
        let mut _room = None;
        if let Some(staged) = staged {
            let whole = self.finish(staged, std::mem::take(&mut delivery.mail)).await?;
            let (mail, room) = self.load_whole(&whole).await?;
            (delivery.mail, _room) = (mail, Some(room));
        }
        let is = match &self.report_handler {
            Some(handler) => handler.handle(about, delivery.mail).await?,
            None => ReturnedMail::Report,
        };
        if is == ReturnedMail::Report {
            self.events.emit(Event::ReportReceived { id: about.id });
        }
        Ok(Reply::with_status(250, "2.0.0", "the report was received"))
    }

    /// Handles a read receipt of another system about a mail that the recipient has sent; returns the reply to its sender, or `None` for any other
    /// mail. Of a `staged` one, only the beginning is read: behind it is at most the mail that the receipt is about.
    ///
    /// # Source
    ///
    /// RFC 8098 §3: one receipt is for one address, from the null reverse-path.
    #[cfg(feature = "node")]
    pub(super) async fn take_receipt(
        &self,
        delivery: &Delivery,
        staged: Option<&Arc<dyn MailFile>>,
    ) -> Result<Option<Reply>, Reply> {
        let (Some(handler), [to], None) = (&self.report_handler, &delivery.mailboxes[..], &delivery.sender) else {
            return Ok(None);
        };
        let read = |mail: &[u8]| crate::wire::read_receipt(mail, self.policy.limits.form);
        let receipt = match staged {
            None => read(&delivery.mail),
            Some(file) => read(&self.beginning_of(file).await?),
        };
        let Some(receipt) = receipt else { return Ok(None) };
        let is_taken = handler.handle_receipt(to, receipt).await?;
        Ok(is_taken.then(|| Reply::with_status(250, "2.0.0", "the receipt was received")))
    }

    fn signed(&self, local: &str) -> Option<SignedReturnPath> {
        self.return_paths.as_ref()?.verify(local, self.clock.now().instant).ok()
    }
}
