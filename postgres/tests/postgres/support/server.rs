//! [`Server`]: a PostgreSQL server of the tests' own, in a temporary folder.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A PostgreSQL server in a temporary folder, which ends with the process of the tests.
#[derive(Debug)]
pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    /// Ends the server when its standard input is closed.
    guard: Option<Child>,
}

impl Server {
    /// The server that the tests of one process share; `None` if PostgreSQL is not installed.
    pub(crate) fn common() -> Option<&'static Self> {
        static COMMON: OnceLock<Option<Server>> = OnceLock::new();
        COMMON.get_or_init(|| Self::start(&[])).as_ref()
    }

    /// A new server with these settings, `name = value`; `None` if PostgreSQL is not installed, which is said aloud.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let mut server = Self::prepare(settings)?;
        server.launch();
        Some(server)
    }

    /// A new server that offers TLS with this certificate and this key.
    pub(crate) fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        let mut server = Self::prepare(&["ssl = on"])?;
        for (name, content) in [("server.crt", certificate), ("server.key", key)] {
            let path = server.data().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            give_away(&path);
        }
        server.launch();
        Some(server)
    }

    /// A new server with these settings that is not started yet; `None` if PostgreSQL is not installed, which is said aloud.
    pub(crate) fn prepare(settings: &[&str]) -> Option<Self> {
        let server = Self::folder()?;
        let data = server.data();
        let made = server.run("initdb", &["-D", text(&data), "-U", "voicemail", "-A", "trust", "-N", "--locale=C", "-E", "UTF8"]);
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.configure(settings);
        Some(server)
    }

    /// A folder for a server, and a free port.
    fn folder() -> Option<Self> {
        if program("postgres").is_none() || program("initdb").is_none() {
            println!("skipped: nothing of this test was run, because postgres is not installed");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("vm-pg").tempdir().unwrap();
        if let Some((user, group)) = other_user() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self { folder, port, guard: None })
    }

    /// A standby that copies this server, with these settings; not started yet.
    pub(crate) fn standby(&self, settings: &[&str]) -> Option<Self> {
        let mut standby = Self::folder()?;
        let (data, source) = (standby.data(), format!("host={} port={} user=voicemail", text(self.folder.path()), self.port));
        let made = standby.run("pg_basebackup", &["-D", text(&data), "-d", &source, "-R", "-X", "stream", "-c", "fast"]);
        assert!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        standby.configure(settings);
        standby.launch();
        Some(standby)
    }

    fn configure(&self, settings: &[&str]) {
        let mut text = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = off\nmax_connections = 200\n",
            self.port,
            self.folder.path().display()
        );
        for setting in settings {
            text.push_str(setting);
            text.push('\n');
        }
        let path = self.data().join("postgresql.auto.conf");
        let before = fs::read_to_string(&path).unwrap_or_default();
        // Settings of the server that was copied are overridden: the last one counts.
        fs::write(&path, before + &text).unwrap();
        give_away(&path);
    }

    /// Starts the server, and waits until it takes connections.
    pub(crate) fn launch(&mut self) {
        assert!(self.guard.is_none(), "it runs");
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "sh", text(self.folder.path())]).args(as_user("postgres", &["-D", text(&self.data())]));
        let mut guard = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(guard.stderr.take().unwrap());
        self.guard = Some(guard);
        let mut line = String::new();
        let mut said = String::new();
        while !line.contains("ready to accept") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the server did not start: {said}");
            said.push_str(&line);
        }
        // Read on, or the server would wait when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    }

    /// Stops the server at once, as a crash does: `pg_ctl stop -m immediate`.
    pub(crate) fn crash(&mut self) {
        let stopped = self.run("pg_ctl", &["stop", "-D", text(&self.data()), "-m", "immediate", "-w"]);
        assert!(stopped.status.success(), "pg_ctl: {}", String::from_utf8_lossy(&stopped.stderr));
        self.end_guard();
    }

    /// Kills all processes of the server with a signal that they cannot handle.
    pub(crate) fn kill(&mut self) {
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().trim().to_owned();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &pid]).output().unwrap();
        let mut kill = Command::new("kill");
        kill.args(["-KILL", &pid]);
        for child in BufReader::new(&children.stdout[..]).lines() {
            kill.arg(child.unwrap().trim());
        }
        kill.stderr(Stdio::null()).status().unwrap();
        self.end_guard();
    }

    /// Makes a standby the server that takes writes.
    pub(crate) fn promote(&self) {
        let promoted = self.run("pg_ctl", &["promote", "-D", text(&self.data()), "-w"]);
        assert!(promoted.status.success(), "pg_ctl: {}", String::from_utf8_lossy(&promoted.stderr));
    }

    fn end_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            guard.stdin.take().unwrap().write_all(b"keep the folder\n").unwrap();
            guard.wait().unwrap();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of the database `name`, over TCP.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("postgres://voicemail@127.0.0.1:{}/{name}", self.port)
    }

    /// Creates a database; answers its address.
    pub(crate) async fn create_database(&self) -> String {
        let name = format!("t{}", voicemail::message::MessageId::random());
        self.execute("postgres", &format!("CREATE DATABASE {name}")).await;
        self.address(&name)
    }

    /// Runs a statement in the database `name`; answers the first column of its rows, as text.
    pub(crate) async fn execute(&self, name: &str, sql: &str) -> Vec<String> {
        execute(&self.address(name), sql).await
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, name: &str, args: &[&str]) -> Output {
        let mut words = as_user(name, args).into_iter();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(self.folder.path()).output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_guard();
    }
}

/// Runs the server, and ends it when its own standard input ends, as it does when the process of the tests ends. Then the folder is deleted, too.
const GUARD: &str =
    r#"folder=$1; shift; "$@" & server=$!; read keep; kill -QUIT $server; wait $server; [ "$keep" ] || rm -rf "$folder""#;

/// Runs a statement in the database at `address`; answers the first column of its rows, as text.
pub(crate) async fn execute(address: &str, sql: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let messages = client.simple_query(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    let text = |message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    messages.into_iter().filter_map(text).collect()
}

/// Gives a file to the user that servers run as.
fn give_away(path: &Path) {
    if let Some((user, group)) = other_user() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// The path of a program of PostgreSQL.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Debian keeps them apart, one folder for each version.
    for version in (13..30).rev() {
        folders.push(format!("/usr/lib/postgresql/{version}/bin").into());
    }
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The words of a command that runs a program of PostgreSQL, as another user if this one is root: PostgreSQL refuses to run as root.
fn as_user(name: &str, args: &[&str]) -> Vec<String> {
    let path = program(name).unwrap_or_else(|| panic!("{name} is not installed"));
    let mut words = Vec::new();
    if let Some((user, group)) = other_user() {
        words.extend(["setpriv", "--clear-groups", "--reuid"].map(str::to_owned));
        words.extend([user.to_string(), "--regid".to_owned(), group.to_string(), "--".to_owned()]);
    }
    words.push(text(&path).to_owned());
    words.extend(args.iter().map(|arg| (*arg).to_owned()));
    words
}

/// The user and the group that servers run as, if this process is root's.
fn other_user() -> Option<(u32, u32)> {
    const NOBODY: u32 = 65_534;
    rustix::process::geteuid().is_root().then_some((NOBODY, NOBODY))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
