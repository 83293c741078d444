//! Requests by HTTP to other systems: where one may go, and the client that makes it.
//!
//! An address that somebody else has configured may lead into the own network, to a database or to the metadata of a cloud. So a [`TargetPolicy`]
//! says what may be reached: by default only `https`, port 443 and addresses of the public Internet. The names of a server are resolved once, all its
//! addresses are checked, and the connection goes to one that was checked.
#![cfg_attr(
    feature = "http-client",
    doc = "\n[`HttpClient`] makes the requests. It follows no redirects and reads a bounded part of each answer."
)]

#[cfg(feature = "http-client")]
mod client;
#[cfg(feature = "http-client")]
mod connect;
#[cfg(feature = "http-client")]
mod error;
mod json;
mod policy;
#[cfg(feature = "http-client")]
mod resolve;
#[cfg(test)]
#[cfg(feature = "http-client")]
pub(crate) mod tests;
#[cfg(feature = "http-client")]
mod tls;
mod url;
pub(crate) mod webhook;

#[cfg(feature = "http-client")]
pub use self::client::{HttpAnswer, HttpClient, HttpClientBuilder, HttpRequest};
#[cfg(feature = "http-client")]
pub use self::error::{HttpError, HttpSetupError};
pub(crate) use self::json::quote;
#[cfg(feature = "http-client")]
pub(crate) use self::json::{Json, read_json};
pub use self::policy::{PlainText, TargetPolicy, TargetRefused};
#[cfg(feature = "http-client")]
pub use self::resolve::{Resolve, SystemResolver};
pub use self::url::{HttpUrl, InvalidHttpUrl};
