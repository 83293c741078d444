//! Reports about messages that this node has sent: they come to the [return paths](ReturnPaths) that it has signed.

use std::net::IpAddr;
use std::sync::Arc;

use super::IntakeBuilder;
use super::context::IntakeContext;
use super::report_handler::{ReportHandler, ReturnedMail};
use crate::event::Event;
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

    /// Handles a read receipt of another system about a mail that the recipient has sent; `None` for any other mail.
    #[cfg(feature = "node")]
    pub(super) async fn take_receipt(&self, delivery: &Delivery) -> Option<Result<Reply, Reply>> {
        let (handler, [to]) = (self.report_handler.as_ref()?, &delivery.mailboxes[..]) else { return None };
        let receipt = crate::wire::read_receipt(&delivery.mail, self.policy.limits.form)?;
        match handler.handle_receipt(to, receipt).await {
            Ok(true) => Some(Ok(Reply::with_status(250, "2.0.0", "the receipt was received"))),
            Ok(false) => None,
            Err(refusal) => Some(Err(refusal)),
        }
    }

    fn signed(&self, local: &str) -> Option<SignedReturnPath> {
        self.return_paths.as_ref()?.verify(local, self.clock.now().instant).ok()
    }
}
