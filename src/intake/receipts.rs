//! [`Receipts`]: how receipts for messages that came through a relay are proven and sent.

use std::sync::Arc;

use crate::forward::MailOut;
use crate::smtp::CustodySecret;

/// How receipts are proven and sent.
#[derive(Debug)]
pub(super) struct Receipts {
    pub(super) secret: CustodySecret,
    pub(super) out: Arc<dyn MailOut>,
}
