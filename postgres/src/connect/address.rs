//! [`Address`]: the hosts, the database and the role of a connection string, read once.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::DatabaseError;

/// The hosts, the database and the role of a connection string.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// All that the hosts have in common: role, password, database.
    common: Config,
    /// The hosts, in the order in which they are tried.
    pub(crate) hosts: Vec<Server>,
    /// The choice of encryption in the connection string.
    pub(crate) ssl: Ssl,
}

/// One server of the connection string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// A local socket in this folder.
    Socket { folder: PathBuf, port: u16 },
    /// A host by its name or address, and the port.
    Tcp { host: String, port: u16 },
}

/// The choice of encryption in a connection string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ssl {
    /// Nothing.
    Unsaid,
    /// `require`, `verify-ca` or `verify-full`: certificates are verified in any case.
    Required,
    /// `disable`.
    Disabled,
}

impl Address {
    /// Reads a connection string: a `postgres://` address, or `name=value` pairs.
    pub(crate) fn read(text: &str) -> Result<Self, DatabaseError> {
        let (text, ssl) = take_ssl_mode(text)?;
        let common: Config = text.parse().map_err(|error| DatabaseError::Address(described(&error)))?;
        let hosts = servers(&common)?;
        if common.get_user().is_none_or(str::is_empty) {
            return Err(DatabaseError::Address("it names no role: write postgres://ROLE@HOST/DATABASE".into()));
        }
        Ok(Self { common, hosts, ssl })
    }

    /// Sets the password, in place of one in the connection string.
    pub(crate) fn set_password(&mut self, password: &str) {
        self.common.password(password);
    }

    /// The configuration for one connection attempt, to `server` at `address` if it was looked up.
    pub(crate) fn config(&self, server: &Server, address: Option<IpAddr>) -> Config {
        let mut config = Config::new();
        let common = &self.common;
        if let Some(user) = common.get_user() {
            config.user(user);
        }
        if let Some(password) = common.get_password() {
            config.password(password);
        }
        if let Some(name) = common.get_dbname() {
            config.dbname(name);
        }
        if let Some(options) = common.get_options() {
            config.options(options);
        }
        config.application_name(common.get_application_name().unwrap_or("voicemail"));
        config.channel_binding(common.get_channel_binding());
        config.tcp_user_timeout(UNANSWERED).keepalives_idle(UNANSWERED).keepalives_interval(PROBE).keepalives_retries(3);
        match server {
            Server::Socket { folder, port } => config.host_path(folder).port(*port),
            Server::Tcp { host, port } => config.host(host).port(*port),
        };
        if let Some(address) = address {
            config.hostaddr(address);
        }
        config
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket { folder, port } => write!(f, "{}:{port}", folder.display()),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

fn servers(config: &Config) -> Result<Vec<Server>, DatabaseError> {
    let (hosts, ports) = (config.get_hosts(), config.get_ports());
    if hosts.is_empty() {
        return Err(DatabaseError::Address("it names no host".into()));
    }
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err(DatabaseError::Address("it has neither one port nor one for each host".into()));
    }
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(PORT);
    let server = |(at, host): (usize, &Host)| match host {
        Host::Tcp(host) => Server::Tcp { host: host.clone(), port: port(at) },
        Host::Unix(folder) => Server::Socket { folder: folder.clone(), port: port(at) },
    };
    Ok(hosts.iter().enumerate().map(server).collect())
}

/// Takes `sslmode` out of the connection string: `tokio-postgres` knows only some of its values.
fn take_ssl_mode(text: &str) -> Result<(String, Ssl), DatabaseError> {
    let Some((before, query)) = text.split_once('?').filter(|_| text.contains("://")) else {
        let (mode, rest): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|word| word.starts_with("sslmode="));
        return if mode.is_empty() { Ok((text.into(), Ssl::Unsaid)) } else { Ok((rest.join(" "), ssl_mode(mode[0])?)) };
    };
    let (mode, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| pair.starts_with("sslmode="));
    let ssl = mode.first().map_or(Ok(Ssl::Unsaid), |mode| ssl_mode(mode))?;
    let rest = rest.join("&");
    Ok((if rest.is_empty() { before.to_owned() } else { format!("{before}?{rest}") }, ssl))
}

fn ssl_mode(pair: &str) -> Result<Ssl, DatabaseError> {
    match pair.trim_start_matches("sslmode=") {
        "require" | "verify-ca" | "verify-full" => Ok(Ssl::Required),
        "disable" => Ok(Ssl::Disabled),
        other => Err(DatabaseError::Address(format!("sslmode={other} is not safe; choose require or disable"))),
    }
}

/// The text of an error with its causes. It does not contain the connection string, so no password.
fn described(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

const PORT: u16 = 5432;
/// How long sent bytes may stay unacknowledged, and a connection silent before it is probed.
const UNANSWERED: Duration = Duration::from_secs(5);
const PROBE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Server {
        Server::Tcp { host: host.into(), port }
    }

    #[test]
    fn several_hosts_are_read_in_their_order() {
        let address = Address::read("postgres://vm:secret@one:5433,two:5434/mail?sslmode=verify-full").unwrap();
        assert_eq!(address.hosts, [tcp("one", 5433), tcp("two", 5434)]);
        assert_eq!(address.ssl, Ssl::Required);
        let pairs = Address::read("host=one,two user=vm dbname=mail sslmode=disable").unwrap();
        assert_eq!(pairs.hosts, [tcp("one", 5432), tcp("two", 5432)]);
        assert_eq!(pairs.ssl, Ssl::Disabled);
        let socket = Address::read("postgres://vm@%2Frun%2Fpostgresql/mail").unwrap();
        assert_eq!(socket.hosts, [Server::Socket { folder: "/run/postgresql".into(), port: 5432 }]);
        assert_eq!(socket.ssl, Ssl::Unsaid);
    }

    #[test]
    fn one_configuration_has_one_host() {
        let address = Address::read("postgres://vm:secret@one,two/mail").unwrap();
        let config = address.config(&address.hosts[1], Some("192.0.2.7".parse().unwrap()));
        assert_eq!(config.get_hosts(), [Host::Tcp("two".into())]);
        assert_eq!((config.get_user(), config.get_dbname(), config.get_ports()), (Some("vm"), Some("mail"), &[5432][..]));
    }

    #[test]
    fn half_an_encryption_is_refused() {
        for mode in ["prefer", "allow"] {
            let error = Address::read(&format!("postgres://vm@one/mail?sslmode={mode}")).unwrap_err();
            assert!(error.to_string().contains("require or disable"), "{error}");
        }
    }

    #[test]
    fn an_error_shows_no_password() {
        for text in ["postgres://vm:secret@one:x/mail", "postgres://vm:secret@one/mail?nonsense=1", "postgres://:secret@one/mail"]
        {
            let error = Address::read(text).unwrap_err();
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
        assert!(!format!("{:?}", Address::read("postgres://vm:secret@one/mail").unwrap()).contains("secret"));
    }
}
