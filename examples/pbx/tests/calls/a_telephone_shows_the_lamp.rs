//! baresip, a telephone, registers, subscribes, and shows the lamp of its mailbox.

use std::io::{BufRead as _, BufReader, Read};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::running::{Running, installed};

#[tokio::test]
async fn the_lamp_goes_on_with_a_message() {
    if !installed("baresip") {
        return;
    }
    let mut pbx = Running::start().await;
    // At the distributed PBX, for a mailbox of the central node.
    let telephone = Baresip::start(pbx.folder(), &format!("2010@{}", pbx.kathmandu));
    telephone.wait_for("Voice-Message: 0/0 (0/0)");
    pbx.leave_message();
    telephone.wait_for("Messages-Waiting: yes");
    telephone.wait_for("Voice-Message: 1/0 (0/0)");
}

/// A baresip without sound; it ends when this is dropped.
struct Baresip {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Baresip {
    fn start(folder: &Path, account: &str) -> Self {
        let modules = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
        let modules = modules.into_iter().find(|folder| Path::new(folder).is_dir()).unwrap_or_default();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = folder.join("baresip");
        std::fs::create_dir(&folder).unwrap();
        let config = format!(
            "sip_listen 127.0.0.1:{port}\nmodule_path {modules}\nmodule account.so\nmodule_app menu.so\nmodule_app mwi.so\n"
        );
        std::fs::write(folder.join("config"), config).unwrap();
        std::fs::write(folder.join("accounts"), format!("<sip:{account}>;regint=600;mwi=yes\n")).unwrap();
        std::fs::write(folder.join("contacts"), "").unwrap();
        let mut command = Command::new("baresip");
        command.arg("-f").arg(folder).arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        pass_on(child.stdout.take().unwrap(), sender.clone());
        pass_on(child.stderr.take().unwrap(), sender);
        Self { child, lines }
    }

    fn wait_for(&self, text: &str) {
        let mut printed = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(40)) {
            if line.contains(text) {
                return;
            }
            printed.push(line);
        }
        panic!("baresip did not print {text:?}, but:\n{}", printed.join("\n"));
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pass_on(from: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        let lines = BufReader::new(from).split(b'\n').map_while(Result::ok);
        lines.map(|line| String::from_utf8_lossy(&line).trim_end().to_owned()).try_for_each(|line| to.send(line))
    });
}
