//! Real mail servers between two nodes, each with a separate configuration in a temporary folder. They need root.

#![allow(clippy::unwrap_used, clippy::similar_names, clippy::format_push_string, reason = "these are tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A mail server that relays between two nodes.
pub struct MailServer {
    kind: Kind,
    program: PathBuf,
    folder: TempDir,
    address: String,
    running: Option<Child>,
}

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postfix,
    Exim,
}

/// A domain, and the address of this machine that its mail goes to.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    domain: &'a str,
    at: &'a str,
    /// The name and the password with which the server logs in there.
    login: Option<(&'a str, &'a str)>,
}

impl<'a> Route<'a> {
    pub fn new(domain: &'a str, at: &'a str) -> Self {
        Self { domain, at, login: None }
    }

    pub fn login(self, name: &'a str, password: &'a str) -> Self {
        Self { login: Some((name, password)), ..self }
    }
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Postfix, Self::Exim];

    /// Returns the program that is installed or that a variable names, if it can run here.
    fn program(self) -> Option<PathBuf> {
        let (variable, name, arguments) = match self {
            Self::Postfix => ("VOICEMAIL_POSTFIX", "postfix", &[][..]),
            Self::Exim => ("VOICEMAIL_EXIM", "exim4", &["-C", "/dev/null", "-bV"][..]),
        };
        // Whole paths, because Exim starts itself again by the one that it was started by.
        let named = std::env::var_os(variable).map(|path| std::path::absolute(path).unwrap());
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let installed = std::env::split_paths(&folders).chain(["/usr/sbin".into()]).map(|folder| folder.join(name));
        let found = named.into_iter().chain(installed).find(|path| {
            let runs = Command::new(path).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
            runs.is_ok_and(|status| arguments.is_empty() || status.success())
        });
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        if !root || found.is_none() {
            eprintln!("SKIPPED: {self:?} is not installed, or cannot be run by this user; {variable} may name it");
        }
        found.filter(|_| root)
    }
}

impl MailServer {
    /// A server at `address` that sends mail by `routes`, and gives up after `lifetime`.
    /// Postfix speaks LMTP to an address behind `lmtp:`, and to the socket at a path behind `lmtp:unix:`.
    /// Returns `None` if the program is missing.
    pub fn new(kind: Kind, address: &str, routes: &[Route<'_>], lifetime: Duration) -> Option<Self> {
        let program = kind.program()?;
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut server = Self { kind, program, folder, address: address.to_owned(), running: None };
        match kind {
            Kind::Postfix => server.configure_postfix(routes, lifetime),
            Kind::Exim => server.configure_exim(routes, lifetime),
        }
        server.start();
        Some(server)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure_postfix(&self, routes: &[Route<'_>], lifetime: Duration) {
        let folder = self.folder.path().display();
        for name in ["conf", "data", "queue"] {
            fs::create_dir(self.path(name)).unwrap();
        }
        assert!(Command::new("chown").arg("postfix").arg(self.path("data")).status().unwrap().success());
        let domains: Vec<&str> = routes.iter().map(|route| route.domain).collect();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {folder}/queue\ndata_directory = {folder}/data\nmail_owner = postfix\n\
             setgid_group = postdrop\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = relay.example\nmydestination =\n\
             alias_maps =\nrelay_domains = {}\nmynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
             transport_maps = texthash:{folder}/conf/transport\ndisable_dns_lookups = yes\nsmtp_tls_security_level = none\n\
             minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\nmaximal_queue_lifetime = {secs}s\n\
             bounce_queue_lifetime = {secs}s\nsmtp_destination_concurrency_failed_cohort_limit = 0\n\
             maillog_file = {folder}/log\nmaillog_file_prefixes = /\nsmtp_sasl_auth_enable = yes\n\
             smtp_sasl_password_maps = texthash:{folder}/conf/passwords\nsmtp_sasl_security_options = noanonymous\n",
            domains.join(", "),
            secs = lifetime.as_secs(),
        );
        fs::write(self.path("conf/main.cf"), main).unwrap();
        let passwords = routes.iter().filter_map(|Route { at, login, .. }| {
            let (name, password) = login.as_ref()?;
            Some(format!("[{}]:{} {name}:{password}\n", host(at), port(at)))
        });
        fs::write(self.path("conf/passwords"), passwords.collect::<String>()).unwrap();
        let routes = routes.iter().map(|Route { domain, at, .. }| match at.strip_prefix("lmtp:") {
            Some(path) if path.starts_with("unix:") => format!("{domain} lmtp:{path}\n"),
            Some(at) => format!("{domain} lmtp:inet:[{}]:{}\n", host(at), port(at)),
            None => format!("{domain} smtp:[{}]:{}\n", host(at), port(at)),
        });
        fs::write(self.path("conf/transport"), routes.collect::<String>()).unwrap();
        let services = "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n\
             bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nproxymap unix - - n - - proxymap\n\
             smtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\nrelay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n\
             anvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\npostlog unix-dgram n - n - 1 postlogd\n";
        fs::write(self.path("conf/master.cf"), format!("{} inet n - n - - smtpd\n{services}", self.address)).unwrap();
    }

    fn configure_exim(&self, routes: &[Route<'_>], lifetime: Duration) {
        let folder = self.folder.path().display();
        for name in ["spool", "log"] {
            fs::create_dir(self.path(name)).unwrap();
            assert!(Command::new("chown").arg("Debian-exim").arg(self.path(name)).status().unwrap().success());
        }
        let (mut routers, mut transports, mut logins) = (String::new(), String::new(), String::new());
        for (number, Route { domain, at, login }) in routes.iter().enumerate() {
            routers += &format!(
                "r{number}:\n  driver = manualroute\n  domains = {domain}\n  transport = t{number}\n  route_list = * {}\n  self = send\n",
                host(at)
            );
            transports += &format!(
                "t{number}:\n  driver = smtp\n  port = {}\n  allow_localhost = true\n  hosts_avoid_tls = *\n  hosts_try_fastopen =\n",
                port(at)
            );
            if let Some((name, password)) = login {
                transports += "  hosts_require_auth = *\n";
                logins +=
                    &format!("a{number}:\n  driver = plaintext\n  public_name = PLAIN\n  client_send = ^{name}^{password}\n");
            }
        }
        let conf = format!(
            "exim_path = {}\nprimary_hostname = exim.example\nspool_directory = {folder}/spool\nlog_file_path = {folder}/log/%slog\n\
             local_interfaces = <; {}.{}\nacl_smtp_rcpt = accept_all\ndsn_advertise_hosts = *\ntls_advertise_hosts =\nsmtp_accept_max = 0\n\
             ignore_bounce_errors_after = {secs}s\nbounce_return_size_limit = 10K\n\
             begin acl\naccept_all:\n  accept\nbegin routers\n{routers}begin transports\n{transports}begin retry\n* * F,{secs}s,1s\n\
             begin authenticators\n{logins}",
            self.program.display(),
            host(&self.address),
            port(&self.address),
            secs = lifetime.as_secs(),
        );
        fs::write(self.path("exim.conf"), conf).unwrap();
    }

    fn start(&mut self) {
        match self.kind {
            Kind::Postfix => self.postfix("start"),
            Kind::Exim => {
                let mut command = Command::new(&self.program);
                command.arg("-C").arg(self.path("exim.conf")).args(["-bdf", "-q1s"]).stdout(Stdio::null()).stderr(Stdio::null());
                self.running = Some(command.spawn().unwrap());
            }
        }
        let until = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(&self.address).is_err() {
            assert!(Instant::now() < until, "{:?} listens within 30 s: {}", self.kind, self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&mut self) {
        match self.running.take() {
            Some(mut child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            None => self.postfix("stop"),
        }
    }

    /// Stops it, deletes all mail that it has accepted, and starts it again.
    pub fn lose_its_queue(&mut self) {
        self.stop();
        let (folder, owner) = match self.kind {
            Kind::Postfix => ("queue", "root"),
            Kind::Exim => ("spool", "Debian-exim"),
        };
        fs::remove_dir_all(self.path(folder)).unwrap();
        fs::create_dir(self.path(folder)).unwrap();
        assert!(Command::new("chown").arg(owner).arg(self.path(folder)).status().unwrap().success());
        self.start();
    }

    fn postfix(&self, command: &str) {
        let mut postfix = Command::new(&self.program);
        let _ = postfix.arg("-c").arg(self.path("conf")).arg(command).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    /// Waits until its log has all of these texts in one line each.
    pub fn wait_for_log(&self, wanted: &[&[&str]]) {
        let until = Instant::now() + Duration::from_secs(30);
        let has = |log: &str, texts: &[&str]| log.lines().any(|line| texts.iter().all(|text| line.contains(text)));
        while !wanted.iter().all(|texts| has(&self.log(), texts)) {
            assert!(Instant::now() < until, "{wanted:?} within 30 s in the log of {:?}: {}", self.kind, self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns all that it has written to its log.
    pub fn log(&self) -> String {
        ["log", "log/mainlog"].iter().filter_map(|name| fs::read_to_string(self.path(name)).ok()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn host(address: &str) -> &str {
    address.rsplit_once(':').unwrap().0
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}
