//! [`Receipts`]: how receipts for messages that came through a relay are proven and sent.

use std::sync::Arc;

use crate::forward::MailOut;
use crate::smtp::CustodySecret;

/// How receipts are proven and sent.
#[derive(Debug)]
pub(super) struct Receipts {
    /// The secret that proves receipts; without it, only reports that RCPT asks for are sent.
    pub(super) secret: Option<CustodySecret>,
    pub(super) out: Arc<dyn MailOut>,
}
