//! A central node that updates lamps by SIP, and the peers it is tested with: baresip, kamailio, sipp.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use voicemail::message::{MessageId, Status};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::sip::digest::DigestAlgorithm;
use voicemail::sip::{SipNotifier, Transport};
use voicemail::store::{MemoryStore, MessageStore as _};

use crate::support::{CENTRAL, Running, clock, mailbox, node, run, site, soon, wav};

/// The password of every telephone in these tests.
pub const PASSWORD: &str = "secret";
/// The realm of that password.
pub const REALM: &str = "voicemail.example";

/// A central node to which telephones subscribe.
pub struct SipNode {
    pub node: Node,
    pub notifier: Arc<SipNotifier>,
    running: Running,
    serving: (oneshot::Sender<()>, JoinHandle<()>),
    _folder: tempfile::TempDir,
}

impl SipNode {
    /// Starts the node, which authenticates by `algorithms`; the user `2001` may subscribe to the mailbox of that number.
    pub async fn start(algorithms: &[DigestAlgorithm]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (udp, tcp) = sockets();
        let builder =
            SipNotifier::builder(REALM).user("2001", PASSWORD, [mailbox("2001")]).algorithms(algorithms.iter().copied());
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let tls = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let builder = builder.udp(udp).tcp(tcp).tls_pem(tls, chain.as_bytes(), key.as_bytes()).unwrap();
        let notifier = Arc::new(builder.build().unwrap());
        let store = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
        let node = node(CENTRAL, folder.path()).store(store).clock(clock()).sink(Arc::clone(&notifier)).open().await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let (serves, source) = (Arc::clone(&notifier), node.clone());
        let task = tokio::spawn(async move { serves.run(&source, async { drop(stopped.await) }).await });
        Self { running: run(&node), node, notifier, serving: (stop, task), _folder: folder }
    }

    /// The port of the UDP and the TCP listener.
    pub fn port(&self) -> u16 {
        self.notifier.udp_address().unwrap().port()
    }

    /// The port of the listener for `transport`: `udp`, `tcp` or `tls`.
    pub fn port_of(&self, transport: &str) -> u16 {
        if transport == "tls" { self.notifier.tls_address().unwrap().port() } else { self.port() }
    }

    /// Deposits a message for 2001.
    pub async fn deposit(&self, seed: u32) -> MessageId {
        let facts = CallFacts::to(mailbox("2001"));
        self.node.deposit_wav(&site("london"), facts, wav(1_000, seed).into()).await.unwrap().id
    }

    /// Marks the message as heard by its owner.
    pub async fn mark_heard(&self, id: MessageId) {
        self.node.store().unwrap().mark(&mailbox("2001"), id, Status::Old).await.unwrap();
    }

    /// Stops the node cleanly.
    pub async fn stop(self) {
        drop(self.serving.0);
        soon(self.serving.1).await.unwrap();
        soon(self.running.stop()).await;
    }
}

/// A UDP socket and a TCP listener on one port.
fn sockets() -> (tokio::net::UdpSocket, tokio::net::TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) else { continue };
        udp.set_nonblocking(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        return (udp.try_into().unwrap(), tcp.try_into().unwrap());
    }
}

/// A port of this machine that is not in use.
pub fn free_port() -> u16 {
    let (udp, _tcp) = sockets();
    udp.local_addr().unwrap().port()
}

/// Whether all `programs` are installed; prints that a test was skipped if not.
pub fn installed(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into()]).collect();
    let missing = programs.iter().find(|program| !folders.iter().any(|folder| folder.join(program).is_file()));
    if let Some(missing) = missing {
        eprintln!("SKIPPED: {missing} is not installed");
    }
    missing.is_none()
}

/// A process of another project's program, killed when dropped.
pub struct PeerProgram {
    name: &'static str,
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    output: Vec<String>,
}

impl PeerProgram {
    /// Starts the program and reads its standard output and standard error.
    pub fn start(name: &'static str, command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Its own process group, so that the processes it starts end with it.
        let mut child = command.process_group(0).spawn().unwrap();
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(pass_on(child.stdout.take().unwrap(), sender.clone()));
        tokio::spawn(pass_on(child.stderr.take().unwrap(), sender));
        Self { name, child, lines, output: Vec::new() }
    }

    /// Waits for a line with `text` in it.
    pub async fn wait_for(&mut self, text: &str) {
        let waited = tokio::time::timeout(std::time::Duration::from_secs(40), async {
            while let Some(line) = self.lines.recv().await {
                let found = line.contains(text);
                self.output.push(line);
                if found {
                    return true;
                }
            }
            false
        });
        let printed = waited.await.unwrap_or(false);
        assert!(printed, "{} did not print {text:?} within 40 s, but:\n{}", self.name, self.output.join("\n"));
    }

    /// Waits until the program ends; returns whether it succeeded, and its output.
    pub async fn wait(mut self) -> (bool, String) {
        let status = soon(self.child.wait()).await.unwrap();
        while let Some(line) = self.lines.recv().await {
            self.output.push(line);
        }
        (status.success(), self.output.join("\n"))
    }
}

impl Drop for PeerProgram {
    fn drop(&mut self) {
        let group = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group {
            // It may have ended already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn pass_on(from: impl AsyncRead + Unpin, to: mpsc::UnboundedSender<String>) {
    let mut lines = BufReader::new(from).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        // The receiver is gone once the test is over.
        let _ = to.send(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
}

/// A registrar and proxy on `port` that relays subscriptions to `node` and records itself in the route.
///
/// It registers a telephone after 0.3 s: baresip 1.0.0 subscribes again and again when it is registered before it has started.
pub async fn kamailio(folder: &Path, port: u16, node: u16, transport: &str) -> PeerProgram {
    let tls = if transport == "tls" { tls_of_kamailio(folder) } else { String::new() };
    let config = format!(
        "#!KAMAILIO\ndebug=2\nlog_stderror=yes\nchildren=1\ntcp_children=1\nauto_aliases=no\ndns=no\nrev_dns=no\n\
         listen=udp:127.0.0.1:{port}\nlisten=tcp:127.0.0.1:{port}\n\
         loadmodule \"tm.so\"\nloadmodule \"sl.so\"\nloadmodule \"rr.so\"\nloadmodule \"pv.so\"\nloadmodule \"xlog.so\"\n\
         loadmodule \"textops.so\"\nloadmodule \"siputils.so\"\nloadmodule \"cfgutils.so\"\nloadmodule \"usrloc.so\"\nloadmodule \"registrar.so\"\n\
         {tls}modparam(\"usrloc\", \"db_mode\", 0)\n\
         event_route[core:worker-one-init] {{ xlog(\"L_ERR\", \"ready to serve\\n\"); }}\n\
         request_route {{\n\
           if (is_method(\"REGISTER\")) {{ usleep(\"300000\"); save(\"location\"); exit; }}\n\
           if (has_totag()) {{\n\
             if (loose_route()) {{ t_relay(); }} else {{ sl_send_reply(\"404\", \"Not Here\"); }}\n\
             exit;\n\
           }}\n\
           record_route();\n\
           $du = \"sip:127.0.0.1:{node};transport={transport}\";\n\
           t_relay();\n\
         }}\n"
    );
    let path = folder.join("kamailio.cfg");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new("kamailio");
    command
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .args(["-DD", "-m", "64", "-M", "16", "-Y"])
        .arg(folder)
        .arg("-f")
        .arg(path);
    let mut kamailio = PeerProgram::start("kamailio", &mut command);
    kamailio.wait_for("ready to serve").await;
    kamailio
}

/// The lines of kamailio's configuration for TLS, with a new certificate.
fn tls_of_kamailio(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("kamailio.pem"), folder.join("kamailio.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    format!(
        "enable_tls=yes\nlisten=tls:127.0.0.1:{}\nloadmodule \"tls.so\"\nmodparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\n\
         modparam(\"tls\", \"certificate\", \"{}\")\nmodparam(\"tls\", \"private_key\", \"{}\")\n",
        free_port(),
        certificate.display(),
        key.display()
    )
}

/// A telephone with the account 2001 that registers at the proxy on the port `proxy`.
pub fn baresip(folder: &Path, proxy: u16, transport: &str) -> PeerProgram {
    let modules = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
    let modules = modules.into_iter().find(|folder| Path::new(folder).is_dir()).unwrap_or_default();
    let config = format!(
        "sip_listen 127.0.0.1:{}\nmodule_path {modules}\nmodule account.so\nmodule_app menu.so\nmodule_app mwi.so\n",
        free_port()
    );
    let account = format!(
        "<sip:2001@127.0.0.1:{proxy};transport={transport}>;auth_user=2001;auth_pass=\"{PASSWORD}\";regint=600;mwi=yes\n"
    );
    std::fs::write(folder.join("config"), config).unwrap();
    std::fs::write(folder.join("accounts"), account).unwrap();
    std::fs::write(folder.join("contacts"), "").unwrap();
    PeerProgram::start("baresip", Command::new("baresip").arg("-f").arg(folder).arg("-s"))
}

/// sipp on `port`, which runs a scenario of `tests/sip` once; it sends to the port `to`, or waits for a request.
pub fn sipp(scenario: &str, transport: Transport, port: u16, to: Option<u16>) -> PeerProgram {
    sipp_at("127.0.0.1", scenario, transport, port, to)
}

/// The same as [`sipp`], from another address of this machine.
pub fn sipp_at(ip: &str, scenario: &str, transport: Transport, port: u16, to: Option<u16>) -> PeerProgram {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sip").join(scenario).with_extension("xml");
    let transport = match transport {
        Transport::Udp => "u1",
        _ => "t1",
    };
    let mut command = Command::new("sipp");
    command.arg("-sf").arg(file).args(["-i", ip, "-p", &port.to_string(), "-t", transport]);
    command.args(["-m", "1", "-nostdin", "-timeout", "30s", "-timeout_error", "-trace_err", "-error_file", "/dev/stderr"]);
    command.args(["-trace_logs", "-log_file", "/dev/stderr"]);
    command.args(to.map(|to| format!("127.0.0.1:{to}")));
    PeerProgram::start("sipp", &mut command)
}

/// Whether a socket listens on `port`. The kernel's tables say so; binding the port would get in the way of a program that is about to.
pub fn is_taken(port: u16, transport: Transport) -> bool {
    let (table, state) = match transport {
        Transport::Udp => ("/proc/net/udp", "07"),
        _ => ("/proc/net/tcp", "0A"),
    };
    let sockets = std::fs::read_to_string(table).unwrap();
    let local = format!("0100007F:{port:04X}");
    sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|fields| fields[1] == local && fields[3] == state)
}
