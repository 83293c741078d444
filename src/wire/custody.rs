//! The request for a receipt of the node that stores a message: one header field, which a node adds when it sends the message to a relay.

use super::fields::Fields;
use super::{DecodeLimits, own};

/// Returns the value of the request for a receipt in the header block of a mail, if it has one; `mail` may end after the header block.
pub(crate) fn custody_request(mail: &[u8], limits: DecodeLimits) -> Option<String> {
    let (fields, _) = Fields::of_mail(mail, limits).ok()?;
    fields.raw(own::CUSTODY).map(|request| request.split_ascii_whitespace().collect())
}
