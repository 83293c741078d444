//! The mail program Mutt shows a mail, and the browser Chromium plays its sound.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders as _};
use sha2::{Digest as _, Sha256};
use tempfile::tempdir;
use voicemail::audio::to_wav;
use voicemail::message::{Audio, AudioType, Message};
use voicemail::rules::Content;

use super::http_server;
use super::imap::program;
use super::support::{Place, caller, message, rule};

const CALLERS: [(&str, &str); 4] =
    [("山田 太郎", "0901234567"), ("محمد العلي", "+9715012345"), ("Łucja Żółkiewska", "2005"), ("", "")];

#[tokio::test]
async fn mutt_shows_who_called_and_when_and_saves_the_sound() {
    let (Some(mutt), Some(script)) = (program("mutt"), program("script")) else { return };
    let folder = tempdir().unwrap();
    let place = Place::new([rule(Content::Copy)]);
    for name in ["box/cur", "box/new", "box/tmp"] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    let at = folder.path().display();
    let mut keys = String::from("<first-entry>");
    for (number, (name, phone)) in CALLERS.iter().enumerate() {
        let mail = place.sent_for(&message().caller(caller(name, phone)).build()).await.remove(0);
        std::fs::write(folder.path().join(format!("box/new/{number}.mail")), &mail).unwrap();
        let save = format!("<view-attachments><next-entry><save-entry><kill-line>{at}/{number}.wav<enter><exit>");
        write!(keys, "<display-message>{save}<next-entry>").unwrap();
    }
    // The pager of this mail program keeps what a person would read.
    let pager = folder.path().join("pager");
    std::fs::write(&pager, format!("#!/bin/sh\ncat \"$1\" >> {at}/shown\n")).unwrap();
    make_executable(&pager);
    let settings = format!(
        "set mbox_type=Maildir folder={at} spoolfile={at}/box record=\"\" pager={} prompt_after=no wait_key=no quit=yes\n\
         set sort=mailbox-order index_format=\"%s\"\npush \"{keys}<exit>\"\n",
        pager.display()
    );
    std::fs::write(folder.path().join("muttrc"), settings).unwrap();
    let command = format!("{} -n -F {at}/muttrc -R -f {at}/box", mutt.display());
    let ran = Command::new(script)
        .args(["-qec", &command, "/dev/null"])
        .envs([("LC_ALL", "C.UTF-8"), ("TERM", "vt100")])
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = std::fs::read_to_string(folder.path().join("shown")).unwrap_or_default();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));

    let digest = Sha256::digest(to_wav(message().build().audio()).unwrap().bytes());
    let date = shown.matches("Date: Wed, 25 Mar 2026 23:59:30 +0100").count();
    assert_eq!(date, CALLERS.len(), "in the owner's zone: {shown}");
    for (name, phone) in CALLERS {
        let (who, from) = if name.is_empty() {
            ("an unknown caller".to_owned(), "Unknown via voicemail".to_owned())
        } else {
            (format!("{name} {phone}"), format!("{name} via voicemail"))
        };
        assert!(shown.contains(&format!("Subject: Voice message from {who}, 0:42")), "{who}: {shown}");
        assert!(shown.contains(&from), "{from}: {shown}");
        let file = if phone.is_empty() { "unknown" } else { phone };
        assert!(shown.contains(&format!(": 2026-03-25 2359 {file} 0-42.wav --]")), "{file}: {shown}");
    }
    for number in 0..CALLERS.len() {
        let saved = std::fs::read(folder.path().join(format!("{number}.wav"))).unwrap();
        assert_eq!(Sha256::digest(&saved), digest, "the sound is the one that was recorded");
    }
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_browser_plays_the_sound_to_its_end() {
    let Some(chromium) = program("chromium") else { return };
    let recorded_at = message().build().head().recorded_at.clone();
    let steps: Vec<u8> = (0..6000_u32).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
    let message = Message::builder(Audio::new(AudioType::Adpcm32, steps), recorded_at).build();
    let mail = Place::new([rule(Content::Copy)]).sent_for(&message).await.remove(0);
    let mail = MessageParser::default().parse(&mail[..]).unwrap();
    let sound = mail.attachment(0).unwrap();
    let media = sound.content_type().unwrap();
    assert_eq!((media.c_type.as_ref(), media.c_subtype.as_deref()), ("audio", Some("wav")));
    let bytes = sound.contents().to_vec();
    assert_eq!(Sha256::digest(&bytes), Sha256::digest(to_wav(message.audio()).unwrap().bytes()));

    let (sender, played) = mpsc::channel();
    let address = http_server::start(move |request| match request.path.split_once('?') {
        Some(("/played", how)) => {
            sender.send(how.replace("%20", " ")).unwrap();
            ("204 No Content", "text/plain", Vec::new())
        }
        _ if request.path == "/sound" => ("200 OK", "audio/wav", bytes.clone()),
        _ => ("200 OK", "text/html", PAGE.into()),
    });
    let profile = tempdir().unwrap();
    let mut browser = Command::new(chromium)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-audio-output"])
        .arg("--autoplay-policy=no-user-gesture-required")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{address}/"))
        .env("HOME", profile.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let how = played.recv_timeout(Duration::from_secs(120));
    // TERM, so that it ends its own children too.
    let _ = Command::new("kill").arg(browser.id().to_string()).status();
    browser.wait().unwrap();
    assert_eq!(how.as_deref(), Ok("ended 1.5 1.5"), "its end, its length and where it stopped, in seconds");
}

/// Plays the sound, and says how that went.
const PAGE: &str = "<!doctype html><audio src=/sound></audio><script>
const say = text => fetch('/played?' + encodeURIComponent(text));
const audio = document.querySelector('audio');
audio.onended = () => say(`ended ${audio.duration} ${audio.currentTime}`);
audio.onerror = () => say(`failed ${audio.error.message}`);
audio.play().catch(why => say(`refused ${why}`));
</script>";
