//! [`GiveUpHandler`]: acts on mails of owners that the outbox gives up.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::message::{DeliveryFailure, MessageId};

/// Acts on the mails of owners that an outbox gives up.
#[async_trait]
pub(crate) trait GiveUpHandler: Debug + Send + Sync {
    /// Acts on the mail with the message `id`, before the outbox forgets it. The error is the reason why the outbox has to call again later: until then
    /// it keeps the mail, and tries it once more.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has acted or not; the same call again settles it.
    async fn handle(&self, id: MessageId, failure: DeliveryFailure) -> Result<(), String>;
}
