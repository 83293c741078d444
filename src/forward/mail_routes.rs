//! [`MailRoutes`]: mails to some domains go by mail servers of their own.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{ForwardError, MailOut, Outcome, Sender};
use crate::message::MailAddress;

/// A [`MailOut`] that sends mails to some domains by mail servers of their own, and all others by one server.
///
/// ```
/// use lettre::transport::stub::AsyncStubTransport;
/// use voicemail::forward::{LettreMailOut, MailRoutes};
///
/// let node = "voicemail@vm.example".parse()?;
/// let company = LettreMailOut::new(AsyncStubTransport::new_ok(), &node)?;
/// let boston = LettreMailOut::new(AsyncStubTransport::new_ok(), &node)?;
/// let mail = MailRoutes::new(company).route("vpim.boston.example", boston);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MailRoutes {
    default: Arc<dyn MailOut>,
    routes: HashMap<String, Arc<dyn MailOut>>,
}

impl MailRoutes {
    /// Returns routes that send all mails by `default`.
    pub fn new(default: impl MailOut) -> Self {
        Self { default: Arc::new(default), routes: HashMap::new() }
    }

    /// Sends mails to `domain`, but not to its subdomains, by `out`. A second route for one domain replaces the first.
    #[must_use]
    pub fn route(mut self, domain: &str, out: impl MailOut) -> Self {
        self.routes.insert(domain.to_ascii_lowercase(), Arc::new(out));
        self
    }
}

#[async_trait]
impl MailOut for MailRoutes {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        let out = self.routes.get(&to.domain().to_ascii_lowercase()).unwrap_or(&self.default);
        out.send(sender, to, mail).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Named(&'static str);

    #[async_trait]
    impl MailOut for Named {
        async fn send(&self, _: Sender, _: &MailAddress, _: &Bytes) -> Result<Outcome, ForwardError> {
            Err(ForwardError::Unsendable(self.0.to_owned()))
        }
    }

    #[tokio::test]
    async fn each_domain_has_its_mail_server() {
        let routes = MailRoutes::new(Named("company")).route("VPIM.Boston.example", Named("boston"));
        for (to, server) in [
            ("1@vpim.boston.example", "boston"),
            ("1@Vpim.BOSTON.example", "boston"),
            ("1@boston.example", "company"),
            ("1@x.vpim.boston.example", "company"),
        ] {
            let sent = routes.send(Sender::Node, &to.parse().unwrap(), &Bytes::new()).await;
            assert!(matches!(sent, Err(ForwardError::Unsendable(by)) if by == server), "{to}");
        }
    }
}
