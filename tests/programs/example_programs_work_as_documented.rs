//! The example programs, run as processes, work as their first lines say.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::programs;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use programs::{NodeFiles, Program, run, unused_address};
use voicemail::audio::{Format, Wav};
use voicemail::message::Stamp;

/// A recording to deposit, and its entry in the list of recordings.
struct Recorded {
    file: PathBuf,
    number: String,
    name: String,
    mailbox: String,
    zone: String,
    urgent: bool,
    private: bool,
}

#[test]
fn every_recording_comes_back_whole_with_its_owners_stamp() {
    let recordings = recordings();
    let place = NodeFiles::new(recordings.iter().map(|recorded| (&*recorded.mailbox, &*recorded.zone)));
    let mut central = place.central();
    let begun = Utc::now();
    let mut distributed = place.distributed(&["--batch"]);
    for recorded in &recordings {
        assert!(distributed.write_input(&line(recorded)));
    }
    let ids: Vec<String> = distributed.wait_until(|printed| {
        let kept: Vec<String> = printed.lines_of("kept").map(str::to_owned).collect();
        let all = kept.len() == recordings.len() && printed.lines_of("forwarded").count() == recordings.len();
        all.then_some(kept)
    });
    assert_eq!(distributed.stop().status, Some(0));

    for (recorded, id) in recordings.iter().zip(&ids) {
        central.wait_until(|printed| {
            printed.lines_of("stored").find(|line| **line == format!("{id} {}", recorded.mailbox)).map(drop)
        });
        let lines = place.list(&recorded.mailbox);
        let listed = lines.iter().find_map(|line| line.strip_prefix(&**id)).unwrap();
        check_listed(listed, recorded, begun);

        let out = place.text("out.wav");
        let played = place.retrieve(&[&recorded.mailbox, "--play", id, "--out", &out]);
        assert_eq!(played.status, Some(0), "{played:#?}");
        assert!(fs::read(&out).unwrap() == fs::read(&recorded.file).unwrap(), "{} byte for byte", recorded.file.display());
    }
    let travelled = fs::read(mail_of(&place, &recordings[0].mailbox, &ids[0])).unwrap();
    let travelled = String::from_utf8_lossy(&travelled[..2048.min(travelled.len())]).into_owned();
    assert!(travelled.contains("with ESMTPS") || travelled.contains("with UTF8SMTPS"), "the trace says TLS: {travelled}");
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn a_deposit_is_kept_then_forwarded_and_ends_the_program() {
    let place = NodeFiles::new([("2001", "Pacific/Chatham"), ("2002", "Europe/Berlin")]);
    let central = place.central();
    let wav = example("vm01.wav");
    let ended = place
        .distributed(&[
            "--deposit",
            &wav,
            "--to",
            "2001",
            "--from",
            "+33199001234",
            "--name",
            "Élodie Lefèvre",
            "--urgent",
            "--deposit",
            &wav,
            "--to",
            "2002",
            "--private",
        ])
        .end();
    assert_eq!((ended.status, ended.printed.err.len()), (Some(0), 0), "{ended:#?}");
    let kept: Vec<&str> = ended.printed.lines_of("kept").collect();
    for id in &kept {
        let place = |word: &str| ended.printed.out.iter().position(|line| *line == format!("{word} {id}")).unwrap();
        assert!(place("kept") < place("forwarded"));
    }
    let [first, second] = kept[..] else { panic!("{ended:#?}") };
    let listed = place.list("2001").remove(0);
    assert!(listed.starts_with(&format!("{first} new urgent ")), "{listed}");
    assert!(listed.ends_with(" Pacific/Chatham 2.0 s +33199001234 Élodie Lefèvre"), "{listed}");
    let listed = place.list("2002").remove(0);
    assert!(listed.starts_with(&format!("{second} new private ")) && listed.ends_with(" Europe/Berlin 2.0 s"), "{listed}");
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn a_node_behind_a_mail_server_waits_for_the_receipt() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let network = fs::read_to_string(place.path("network.toml")).unwrap();
    place.write("network.toml", network.replace("ports = 2", "ports = 2\ncustody = \"relay\""));
    // The node itself takes the mail that the central node sends out, and the central node stands for the mail server.
    let [central_at, edge_at] = [unused_address(), unused_address()];
    place.set_listen_address(&central_at);
    let central = fs::read_to_string(place.path("central.toml")).unwrap();
    let custody = "[custody]\nsecret = { file = \"custody.secret\" }\n";
    let mail_out = format!("[mail_out]\nconnect = \"{edge_at}\"\nsecurity = \"plain-text\"\n");
    place.write("central.toml", format!("{central}{custody}{mail_out}"));
    place.write("custody.secret", "0123456789abcdef".repeat(4) + "\n");
    let ended = run("central_node", ["--config", &place.text("central.toml"), "--custody-key", "himalaya.voicemail.example"]);
    let [key] = &ended.printed.out[..] else { panic!("{ended:#?}") };
    assert_eq!((ended.status, key.len()), (Some(0), 64), "{ended:#?}");
    place.write("himalaya.key", key);
    let central = place.central();
    let config = fs::read_to_string(place.path("distributed.toml")).unwrap();
    let config =
        config.replace("ca = \"central.pem\"", "security = \"plain-text\"\n[custody]\nkey = { file = \"himalaya.key\" }");
    place.write("distributed.toml", format!("listen = \"{edge_at}\"\n{config}"));

    let ended = place.distributed(&["--deposit", &example("vm01.wav"), "--to", "2001"]).end();
    assert_eq!(ended.status, Some(0), "{ended:#?}");
    let id = ended.printed.lines_of("kept").next().unwrap();
    for word in ["relayed", "confirmed", "report"] {
        assert_eq!(ended.printed.lines_of(word).collect::<Vec<_>>(), [id], "{word} {ended:#?}");
    }
    let cannot = "receipts of central.voicemail.example cannot come back: the relay refused the probe: 550 ";
    assert!(ended.printed.err.iter().all(|line| line.starts_with(cannot)), "until the receipt: {ended:#?}");
    assert!(!format!("{ended:?}").contains(key), "a key is printed nowhere");
    assert_eq!(fs::read_to_string(place.path("distributed/return-path.key")).unwrap().len(), 65);
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn a_node_with_a_wrong_password_delivers_nothing_and_keeps_all() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let central = fs::read_to_string(place.path("central.toml")).unwrap();
    place.write("central.toml", central + "[peers.\"himalaya.voicemail.example\"]\npassword = \"a long random text\"\n");
    let mut central = place.central();
    let config = fs::read_to_string(place.path("distributed.toml")).unwrap();
    let deposit = ["--deposit", &example("vm01.wav"), "--to", "2001"];

    for password in ["password = \"some other random text\"\n", ""] {
        place.write("distributed.toml", config.clone() + password);
        let mut refused = place.distributed(&deposit);
        refused.wait_for("kept");
        let waiting =
            refused.wait_until(|printed| printed.err.iter().find(|line| line.contains("it is kept; next try")).cloned());
        assert!(waiting.contains("535 5.7.8") || waiting.contains("530 5.7.0"), "{waiting}");
        assert!(!waiting.contains("random text"), "a password is printed nowhere: {waiting}");
        assert_eq!(refused.stop().status, Some(0));
    }
    assert_eq!(place.waiting().len(), 2);
    central
        .wait_until(|printed| printed.err.iter().any(|line| line.contains("a login from 127.0.0.1 was refused")).then_some(()));

    place.write("distributed.toml", config + "password = \"a long random text\"\n");
    let mut distributed = place.distributed(&[]);
    distributed.wait_until(|printed| (printed.lines_of("forwarded").count() == 2).then_some(()));
    assert_eq!(distributed.stop().status, Some(0));
    let ended = central.stop();
    assert_eq!((ended.status, ended.printed.lines_of("stored").count()), (Some(0), 2), "{ended:#?}");
    assert!(!format!("{ended:?}").contains("random text"), "a password is printed nowhere: {ended:#?}");
}

#[test]
fn marks_change_the_status_and_lists_show_only_that_status() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let central = place.central();
    let ended = place.distributed(&["--deposit", &example("vm01.wav"), "--to", "2001"]).end();
    let id = ended.printed.lines_of("kept").next().unwrap();
    let marks = [
        ("--old", "2001: 0/1 (0/0)", "old"),
        ("--remove", "2001: 0/0 (0/0)", "removed"),
        ("--restore", "2001: 0/1 (0/0)", "old"),
        ("--new", "2001: 1/0 (0/0)", "new"),
    ];
    for (wish, summary, status) in marks {
        let marked = place.retrieve(&["2001", wish, id]);
        assert_eq!((marked.status, marked.printed.out), (Some(0), vec![format!("{id} is {status}")]));
        let listed = place.retrieve(&["2001"]).printed.out;
        assert_eq!(listed[0], summary);
        assert!(listed[1].starts_with(&format!("{id} {status} ")), "{listed:#?}");
        for shown in ["new", "old", "removed"] {
            let listed = place.retrieve(&["2001", "--list", shown]).printed.out;
            assert_eq!(listed.len() - 1, usize::from(shown == status), "{listed:#?}");
        }
    }
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn forward_and_reply_put_a_message_into_another_mailbox() {
    let place = NodeFiles::new([("2001", "Europe/London"), ("2002", "Europe/Berlin")]);
    let central = place.central();
    let ended = place.distributed(&["--deposit", &example("vm01.wav"), "--to", "2001", "--from", "2002"]).end();
    let id = ended.printed.lines_of("kept").next().unwrap();
    for wish in [&["2001", "--forward", id, "--to", "2002"][..], &["2001", "--reply", id, "--with", &example("vm05.wav")]] {
        let done = place.retrieve(wish);
        let (sent, rest) = done.printed.out[0].split_once(' ').unwrap();
        assert_eq!((done.status, rest), (Some(0), "is in 2002"), "{done:#?}");
        assert!(place.list("2002").iter().any(|line| line.starts_with(&format!("{sent} new "))), "{done:#?}");
    }
    let answer = place.list("2002").into_iter().find(|line| line.contains(" 2001")).unwrap();
    let out = place.text("answer.wav");
    assert_eq!(place.retrieve(&["2002", "--play", &answer[..32], "--out", &out]).status, Some(0));
    assert!(fs::read(&out).unwrap() == fs::read(example("vm05.wav")).unwrap(), "byte for byte");
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn a_sound_that_is_no_wav_is_written_as_it_is_or_as_a_wav() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let mut central = place.central();
    let stream = TcpStream::connect(central.wait_for("listening smtp")).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let mail = "Date: Thu, 5 Mar 2026 10:00:00 Z\r\nContent-Type: audio/x-gsm\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                0SEhISEhISEhISEhISEhISEhISEhISEhISEhISEhISEh\r\n.\r\n";
    for command in
        ["", "EHLO a.example\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<2001@voicemail.example>\r\n", "DATA\r\n", mail, "QUIT\r\n"]
    {
        (&stream).write_all(command.as_bytes()).unwrap();
        let reply = replies.find(|line| line.as_bytes()[3] == b' ').unwrap();
        assert!(reply.starts_with(['2', '3']), "{command}: {reply}");
    }
    let listed = place.list("2001").remove(0);
    let id = listed.split(' ').next().unwrap();
    let (gsm, wav) = (place.text("out.gsm"), place.text("out.wav"));
    let play = |arguments: &[&str]| place.retrieve(&[&["2001", "--play", id, "--out"], arguments].concat());

    let played = play(&[&wav]);
    assert_eq!((played.status, played.printed.out), (Some(0), vec![format!("33 bytes in {wav}")]));
    let remark = format!("{wav} holds audio/GSM, whose files end in .gsm; --as wav decodes it to a WAV");
    assert_eq!(played.printed.err, [remark]);
    let stored = fs::read(&wav).unwrap();
    let played = play(&[&gsm]);
    assert_eq!((played.status, played.printed.err.len()), (Some(0), 0));
    assert!(stored == fs::read(&gsm).unwrap() && stored.starts_with(&[0xd1, 0x21]), "byte for byte");
    let played = play(&[&wav, "--as", "wav"]);
    assert_eq!((played.status, played.printed.err.len()), (Some(0), 0));
    let decoded = Wav::parse(&fs::read(&wav).unwrap()).unwrap();
    assert_eq!((decoded.format, decoded.data.len()), (Format::TELEPHONE_L16, 320));
    let played = play(&[&gsm, "--as", "wav"]);
    assert_eq!(played.printed.err, [format!("{gsm} holds audio/wav, whose files end in .wav; give it such a name")]);
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn both_signals_end_both_programs_cleanly_with_open_input() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    for signal in ["TERM", "INT"] {
        let central = place.central();
        for arguments in [&[][..], &["--batch"]] {
            let mut distributed = place.distributed(arguments);
            distributed.wait_until(|printed| printed.out.contains(&"ready".to_owned()).then_some(()));
            distributed.signal(signal);
            // Its standard input is still open.
            let ended = distributed.end();
            assert_eq!((ended.status, ended.printed.err.len()), (Some(0), 0), "{ended:#?}");
        }
        central.signal(signal);
        let ended = central.end();
        assert_eq!((ended.status, ended.printed.err.len()), (Some(0), 0), "{ended:#?}");
    }
}

#[test]
fn a_message_that_waits_is_reported_and_sent_at_the_next_start() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let address = unused_address();
    place.set_listen_address(&address);
    assert_eq!(place.central().stop().status, Some(0), "its first start makes its certificate");

    let mut distributed = place.distributed(&["--deposit", &example("vm01.wav"), "--to", "2001"]);
    let id = distributed.wait_for("kept");
    let says = format!("waiting {id}: it is kept; next try in ");
    let reason = format!("because {address} cannot be reached: Connection refused");
    distributed.wait_until(|printed| printed.err.iter().find(|line| line.starts_with(&says) && line.contains(&reason)).map(drop));
    let ended = distributed.stop();
    assert_eq!(ended.status, Some(0));
    assert_eq!(ended.printed.err.last().unwrap(), "1 kept and waiting in the spool; start this node again to forward");
    assert_eq!(place.waiting().len(), 1);

    let central = place.central();
    let mut distributed = place.distributed(&[]);
    assert_eq!(distributed.wait_for("forwarded"), id);
    assert_eq!(distributed.stop().status, Some(0));
    assert_eq!(place.waiting().len(), 0);
    assert!(place.list("2001")[0].starts_with(&*id));
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn a_central_node_that_comes_back_is_trusted_and_gets_mail() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    place.set_listen_address(&unused_address());
    drop(place.central());
    let mut distributed = place.distributed(&["--deposit", &example("vm01.wav"), "--to", "2001"]);
    distributed.wait_until(|printed| printed.err.first().filter(|line| line.starts_with("waiting ")).map(drop));
    let central = place.central();
    let ended = distributed.end();
    assert_eq!(ended.status, Some(0), "{ended:#?}");
    assert_eq!(ended.printed.lines_of("forwarded").count(), 1);
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn mail_for_another_domain_or_unknown_mailbox_is_refused() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let mut central = place.central();
    let stream = TcpStream::connect(central.wait_for("listening smtp")).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let mut say = |command: &str| {
        (&stream).write_all(command.as_bytes()).unwrap();
        replies.find(|line| line.as_bytes()[3] == b' ').unwrap()
    };
    assert!(say("").starts_with("220 "));
    assert!(say("EHLO mail.example\r\n").starts_with("250 "));
    assert!(say("MAIL FROM:<someone@mail.example>\r\n").starts_with("250 "));
    assert!(say("RCPT TO:<2001@elsewhere.example>\r\n").starts_with("550 5.7.1 "));
    assert!(say("RCPT TO:<2999@voicemail.example>\r\n").starts_with("550 5.1.1 "));
    assert!(say("RCPT TO:<2001@voicemail.example>\r\n").starts_with("250 "));
    assert!(say("QUIT\r\n").starts_with("221 "));
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn a_node_with_few_descriptors_sends_all_after_an_outage() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let address = unused_address();
    place.set_listen_address(&address);
    assert_eq!(place.central().stop().status, Some(0)); // it has made its certificate
    let config = place.text("distributed.toml");
    let mut distributed = Program::start_with_files("distributed_node", 64, ["--config", &config, "--batch"]);
    let line = format!("--deposit {} --to 2001\n", example("vm01.wav"));
    for _ in 0..120 {
        assert!(distributed.write_input(&line));
    }
    distributed.wait_until(|printed| (printed.lines_of("kept").count() == 120).then_some(()));
    let central = place.central();
    distributed.wait_until(|printed| (printed.lines_of("forwarded").count() == 120).then_some(()));
    assert_eq!(distributed.stop().status, Some(0));
    assert_eq!(central.stop().status, Some(0));
    assert_eq!(place.list("2001").len(), 120);
}

#[test]
fn idle_connections_do_not_block_a_node_with_few_descriptors() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let arguments = ["--config", &place.text("central.toml")];
    let mut central = Program::start_with_files("central_node", 64, arguments);
    let address = central.wait_for("listening smtp");
    let connect = || {
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        BufReader::new(stream)
    };
    let mut idle = Vec::new();
    for sender in 0..3 {
        for _ in 0..150 {
            let mut connection = connect();
            let mut line = String::new();
            connection.read_line(&mut line).unwrap();
            assert!(["220", "421", ""].contains(&line.get(..3).unwrap_or_default()), "{line}");
            idle.push(connection);
        }
        // A connection that is not greeted is tried again, as a mail server does; a new connection keeps its place for 0.2 s.
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut connection = loop {
            let mut connection = connect();
            let mut line = String::new();
            if connection.read_line(&mut line).is_ok() && line.starts_with("220") {
                break connection;
            }
            assert!(Instant::now() < deadline, "sender {sender} is never greeted");
        };
        let mail = "Date: Mon, 14 Jul 2025 11:05:12 +0200\r\nContent-Type: audio/basic\r\n\r\nsound\r\n.\r\n";
        for (said, code) in [
            ("EHLO mail.example\r\n", "250 "),
            ("MAIL FROM:<a@b.example>\r\n", "250 "),
            ("RCPT TO:<2001@voicemail.example>\r\n", "250 "),
            ("DATA\r\n", "354 "),
            (mail, "250 "),
            ("QUIT\r\n", "221 "),
        ] {
            connection.get_mut().write_all(said.as_bytes()).unwrap();
            let mut line = String::new();
            while line.as_bytes().get(3) != Some(&b' ') {
                line.clear();
                assert!(connection.read_line(&mut line).unwrap() > 0, "sender {sender} is cut off at {said}");
            }
            assert!(line.starts_with(code), "sender {sender}: {said}{line}");
        }
    }
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn a_closed_output_stops_no_program() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let mut central = place.central();
    let mut distributed = place.distributed(&["--batch"]);
    distributed.wait_until(|printed| printed.out.contains(&"ready".to_owned()).then_some(()));
    distributed.stop_reading();
    let wav = example("vm01.wav");
    assert!(distributed.write_input(&format!("--deposit {wav} --to 2001\n--deposit {wav} --to 2001\n")));
    central.wait_until(|printed| (printed.lines_of("stored").count() == 2).then_some(()));
    assert_eq!(distributed.stop().status, Some(0));
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn an_sntp_clock_stamps_recordings_and_reports_silent_servers() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    for toml in ["central.toml", "distributed.toml"] {
        if toml == "distributed.toml" {
            place.set_central_address("127.0.0.1:9");
        }
        let config = fs::read_to_string(place.path(toml)).unwrap();
        place.write(toml, config.replacen("network", "clock = \"sundial\"\nnetwork", 1));
    }
    for (name, toml) in [("central_node", "central.toml"), ("distributed_node", "distributed.toml")] {
        let ended = run(name, ["--config", &place.text(toml)]);
        assert_eq!(ended.status, Some(1), "{ended:#?}");
        assert!(ended.printed.err[0].contains("clock = \"sundial\": choose system, or sntp for the time servers"), "{ended:#?}");
    }

    // A day ahead of the system.
    let server = time_server(86_400);
    let network = fs::read_to_string(place.path("network.toml")).unwrap();
    place.set_listen_address("127.0.0.1:0");
    let central = place.central();
    let config = fs::read_to_string(place.path("distributed.toml")).unwrap();
    place.write("distributed.toml", config.replacen("network", "clock = \"sntp\"\nnetwork", 1));
    place.write("network.toml", network.replace("ntp.example", &server));
    let ended = place.distributed(&["--deposit", &example("vm01.wav"), "--to", "2001"]).end();
    assert_eq!((ended.status, ended.printed.err.len()), (Some(0), 0), "{ended:#?}");
    let tomorrow = Stamp::new(Utc::now() + TimeDelta::days(1), "Europe/London".parse().unwrap()).to_string();
    let day = &tomorrow[..tomorrow.find(':').unwrap() - 3];
    let listed = place.list("2001").remove(0);
    assert!(listed.contains(day), "{listed}: {day}");
    assert_eq!(central.stop().status, Some(0));

    place.write("network.toml", network.replace("ntp.example", &unused_address()));
    let mut distributed = place.distributed(&[]);
    let says = distributed.wait_until(|printed| printed.err.first().cloned());
    assert!(says.starts_with("no time server answers (127.0.0.1:") && says.ends_with("the system's time goes on"), "{says}");
    assert_eq!(distributed.stop().status, Some(0));
}

#[test]
fn a_greeting_is_available_while_the_central_node_is_down() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let network = fs::read_to_string(place.path("network.toml")).unwrap();
    let licences = "licences = [\"voicemail\"]\n";
    place.write("network.toml", network.replacen(licences, &format!("{licences}[pbx.mailbox.2010]\n"), 1));
    let (central_at, himalaya_at) = (unused_address(), unused_address());
    place.set_listen_address(&central_at);
    let reach = "[nodes.\"himalaya.voicemail.example\"]\nca = \"himalaya.pem\"\npassword = \"a long random text\"\n";
    let config = fs::read_to_string(place.path("central.toml")).unwrap();
    place.write("central.toml", format!("{config}{reach}connect = \"{himalaya_at}\"\n"));
    assert_eq!(place.central().stop().status, Some(0), "its first start makes its certificate");
    let config = fs::read_to_string(place.path("distributed.toml")).unwrap();
    let listen = format!("listen = \"{himalaya_at}\"\ntls = {{ self_signed = \"himalaya.pem\" }}\nsite");
    let friend = "[peers.\"central.voicemail.example\"]\npassword = \"a long random text\"\n";
    place.write("distributed.toml", config.replacen("site", &listen, 1) + friend);

    let mut distributed = place.distributed(&[]);
    assert_eq!(distributed.wait_for("listening smtp"), himalaya_at);
    let (config, wav) = (place.text("central.toml"), example("vm01.wav"));
    let mut central = Program::start("central_node", ["--config", &config, "--greet", &wav, "--to", "2010"]);
    assert_eq!(central.wait_for("greeting-kept"), "2010 normal");
    assert_eq!(distributed.wait_for("greeting-received"), "2010 normal");
    assert_eq!(central.wait_for("greeting-sent"), "2010 normal himalaya.voicemail.example");
    assert_eq!((central.stop().status, distributed.stop().status), (Some(0), Some(0)));

    let out = place.text("out.wav");
    let written = place.distributed(&["--greet", "2010", "--out", &out]).end();
    assert_eq!((written.status, written.printed.err.len()), (Some(0), 0), "{written:#?}");
    assert!(fs::read(&out).unwrap() == fs::read(&wav).unwrap(), "byte for byte");

    place.write("noise.wav", "no sound");
    let (noise, missing) = (place.text("noise.wav"), place.text("missing.wav"));
    let greet = |file: &str, to: &str, kind: &str| {
        run("central_node", ["--config", &config, "--greet", file, "--to", to, "--kind", kind])
    };
    for (ended, said) in [
        (greet(&missing, "2010", "busy"), format!("{missing}: No such file or directory")),
        (greet(&noise, "2010", "busy"), format!("{noise} is not kept as the greeting 2010 busy: the greeting cannot be read")),
        (greet(&wav, "2999", "busy"), format!("{wav} is not kept as the greeting 2999 busy: no mailbox 2999")),
        (greet(&wav, "2010", "lazy"), "--kind lazy: a greeting is normal, busy, temporary or name".to_owned()),
        (
            place.distributed(&["--greet", "2010", "--out", &out, "--kind", "busy"]).end(),
            "this node has no greeting 2010 busy".to_owned(),
        ),
        (place.distributed(&["--greet", "2010"]).end(), "--out FILE.wav is missing".to_owned()),
    ] {
        assert_eq!(ended.status, Some(1), "{ended:#?}");
        assert!(ended.printed.err[0].starts_with(&said), "{said}: {ended:#?}");
    }
}

/// Starts a time server whose clock is so many seconds ahead of the system's, and returns its address.
fn time_server(ahead_secs: i64) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut packet = [0; 48];
        while let Ok((_, peer)) = socket.recv_from(&mut packet) {
            let now = Utc::now() + TimeDelta::seconds(ahead_secs);
            let secs = u32::try_from((now.timestamp() + 2_208_988_800) & 0xffff_ffff).unwrap();
            let mut reply = [0; 48];
            // NTP version 4, mode server, stratum 2.
            (reply[0], reply[1]) = (0x24, 2);
            reply[24..32].copy_from_slice(&packet[40..]);
            reply[32..36].copy_from_slice(&secs.to_be_bytes());
            reply[40..44].copy_from_slice(&secs.to_be_bytes());
            socket.send_to(&reply, peer).unwrap();
        }
    });
    address
}

/// A line for `--batch`.
fn line(recorded: &Recorded) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut words =
        vec!["--deposit".to_owned(), quoted(recorded.file.to_str().unwrap()), "--to".to_owned(), recorded.mailbox.clone()];
    for (flag, value) in [("--from", &recorded.number), ("--name", &recorded.name)] {
        if !value.is_empty() {
            words.extend([flag.to_owned(), quoted(value)]);
        }
    }
    for (flag, given) in [("--urgent", recorded.urgent), ("--private", recorded.private)] {
        words.extend(given.then(|| flag.to_owned()));
    }
    words.join(" ") + "\n"
}

/// Compares a line of `--list` after its id with the message that was deposited after `begun`.
fn check_listed(listed: &str, recorded: &Recorded, begun: DateTime<Utc>) {
    let mut words: Vec<&str> = listed.split(' ').skip(1).collect();
    let mut flags = vec!["new"];
    flags.extend(recorded.urgent.then_some("urgent"));
    flags.extend(recorded.private.then_some("private"));
    assert_eq!(words.drain(..flags.len()).collect::<Vec<_>>(), flags, "{listed}");
    let stamp = words.drain(..5).collect::<Vec<_>>();
    let instant = DateTime::parse_from_str(&stamp[1..4].join(" "), "%F %T %:z").unwrap().to_utc();
    assert!((begun.timestamp()..=Utc::now().timestamp()).contains(&instant.timestamp()), "{listed}");
    assert_eq!(stamp.join(" "), Stamp::new(instant, recorded.zone.parse().unwrap()).to_string());
    let caller = [&*recorded.number, &*recorded.name].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
    assert_eq!(words[2..].join(" "), caller.join(" "), "{listed}");
}

/// The path of the mail of message `id` in its owner's Maildir.
fn mail_of(place: &NodeFiles, mailbox: &str, id: &str) -> PathBuf {
    let new = place.path("store/mail").join(mailbox).join("new");
    let mut files = fs::read_dir(new).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.to_str().unwrap().contains(id)).unwrap()
}

fn example(file: &str) -> String {
    format!("{}/examples/recordings/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// The WAV files beside the examples, and those beside the repository if there are any.
fn recordings() -> Vec<Recorded> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in [here.join("examples/recordings"), here.join("../shared/recordings")] {
        match fs::read_to_string(folder.join("index.csv")) {
            Ok(list) => all.extend(list.lines().skip(1).filter_map(|line| recorded(&folder, &columns(line)))),
            Err(_) => eprintln!("skipped: there are no recordings in {}", folder.display()),
        }
    }
    assert!(all.len() >= 8, "those of the examples are there");
    all
}

fn recorded(folder: &Path, columns: &[String]) -> Option<Recorded> {
    let [file, _, _, number, name, mailbox, zone, priority, private, ..] = columns else { panic!("{columns:?}") };
    let file = folder.join(file);
    file.extension().is_some_and(|extension| extension == "wav").then(|| Recorded {
        file,
        number: number.clone(),
        name: name.clone(),
        mailbox: mailbox.clone(),
        zone: zone.clone(),
        urgent: priority == "urgent",
        private: private == "yes",
    })
}

/// The columns of a line, of which some are quoted.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => columns.last_mut().unwrap().push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            c => columns.last_mut().unwrap().push(c),
        }
    }
    columns
}
