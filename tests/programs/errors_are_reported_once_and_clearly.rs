//! An example program reports each error once with advice, ends with status 1, and loses no message.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::programs;

use programs::{Ended, NodeFiles, run, unused_address};

#[test]
fn a_bad_deposit_is_refused_with_advice_and_the_others_are_kept() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let central = place.central();
    let (wav, no_wav, missing) = (example("vm01.wav"), place.text("network.toml"), place.text("missing.wav"));
    let ended = place
        .distributed(&[
            "--deposit",
            &no_wav,
            "--to",
            "2001",
            "--deposit",
            &missing,
            "--to",
            "2001",
            "--deposit",
            &wav,
            "--to",
            "2999",
            "--deposit",
            &wav,
            "--to",
            "2001",
        ])
        .end();
    let faults = [
        format!(
            "{no_wav}: not a WAV file: it does not begin with RIFF and WAVE; deposit a WAV file of 8 or 16 bits, mu-law, A-law or GSM 06.10"
        ),
        format!("{missing}: cannot be read: No such file or directory (os error 2); check the path"),
        format!("{wav}: no mailbox 2999 in the network; check the number, or add the mailbox to the network description"),
    ];
    assert_eq!((ended.status, &ended.printed.err[..]), (Some(1), &faults[..]));
    assert_eq!((ended.printed.lines_of("kept").count(), ended.printed.lines_of("forwarded").count()), (1, 1));
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn a_bad_line_of_a_batch_is_reported_and_the_next_is_kept() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let central = place.central();
    let mut distributed = place.distributed(&["--batch"]);
    let wav = example("vm01.wav");
    let bad = ["--deposit x.wav", "--to 2001", "--deposit x.wav --to 20x1", "--deposit \"x.wav --to 2001", "nonsense"];
    assert!(distributed.write_input(&format!("{}\n\n--deposit {wav} --to 2001\r\n", bad.join("\n"))));
    let id = distributed.wait_for("forwarded");
    assert_eq!(distributed.wait_for("kept"), id);
    let ended = distributed.stop();
    let reasons = [
        "--to MAILBOX is missing",
        "--deposit FILE.wav is missing",
        "--to 20x1: a mailbox is a number of 1 to 15 digits, with or without a + before them, or a name of 1 to 32 letters, digits, \
         dots, hyphens and underscores that begins with a letter and ends with a letter or digit",
        "a quote is not closed",
        "nonsense is not known here",
    ];
    let faults: Vec<String> = bad.iter().zip(reasons).map(|(line, reason)| format!("{line}: {reason}")).collect();
    assert_eq!((ended.status, ended.printed.err), (Some(0), faults));
    assert_eq!(central.stop().status, Some(0));
}

#[test]
fn every_fault_of_the_configuration_is_reported_at_once() {
    let place = NodeFiles::new([("2001", "Europe/London"), ("2002", "Europe/Londo")]);
    let network = place.text("network.toml");
    let broken = std::fs::read_to_string(&network).unwrap().replace("ports = 8", "ports = \"many\"");
    place.write("network.toml", broken);
    place.write("bad.toml", "nod = \"x\"\nnode = 3\nnetwork = \"network.toml\"\nspool = \"s\"\n[tls]\ncertificate = \"a\"\n");
    let bad = place.text("bad.toml");
    let ended = run("central_node", ["--config", &bad]);
    assert_eq!(ended.status, Some(1));
    for fault in [
        format!("{bad}: node is a text in quotes, not integer"),
        format!(
            "{bad}: store is missing: the folder to keep the mailboxes in, or the address of a database, as postgres://voicemail@db.example/voicemail"
        ),
        format!("{bad}: listen is missing: the address to take messages on, such as 127.0.0.1:2525"),
        format!("{bad} [tls]: name either certificate and key, or self_signed = the file to write a certificate to"),
        format!(
            "{bad}: nod is not a key that is known here; known are node, network, spool, store, listen, lmtp, tls, peers, anyone_on, nodes, postmaster, mail_out, custody, clock"
        ),
    ] {
        assert!(ended.printed.err.contains(&fault), "{fault}\n{ended:#?}");
    }
    for part in ["ports is a whole number", "\"Europe/Londo\""] {
        let named = |line: &&String| line.starts_with(&network) && line.contains(part);
        assert_eq!(ended.printed.err.iter().filter(named).count(), 1, "{part}\n{ended:#?}");
    }
    assert_eq!(ended.printed.err.len(), 7);

    place.write("bad.toml", "node = \"london.example\"\nnetwork = \"network.toml\"\nspool = \"s\"\nstore = \"x\"\n[central]\n");
    let ended = run("distributed_node", ["--config", &bad]);
    assert_eq!(ended.status, Some(1));
    for fault in [
        format!("{bad} [central]: connect is missing: the node's host and port, such as 127.0.0.1:2525"),
        format!(
            "{bad} [central]: ca is missing: the PEM file with the certificate to trust, without which there is no security = \"tls\""
        ),
        format!(
            "{bad}: store is not a key that is known here; known are node, network, spool, site, central, listen, tls, peers, \
             anyone_on, custody, clock"
        ),
    ] {
        assert!(ended.printed.err.contains(&fault), "{fault}\n{ended:#?}");
    }
    assert_eq!(ended.printed.err.len(), 5);

    place.write("bad.toml", "node = \"x\"\nnetwork = \n");
    let ended = run("central_node", ["--config", &bad]);
    assert_eq!((ended.status, ended.printed.err.len()), (Some(1), 1));
    assert!(ended.printed.err[0].starts_with(&format!("{bad}:2: ")), "{ended:#?}");
    let missing = place.text("missing.toml");
    fails(run("central_node", ["--config", &missing]), &format!("{missing}: No such file or directory (os error 2)"));
}

#[test]
fn each_fault_of_the_keys_for_a_mail_server_is_reported() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    place.set_central_address("127.0.0.1:1");
    let (central, distributed) = (place.text("central.toml"), place.text("distributed.toml"));
    let network = std::fs::read_to_string(place.path("network.toml")).unwrap();
    let text = std::fs::read_to_string(&distributed).unwrap();
    place.write("distributed.toml", format!("{text}[custody]\nkey = {{ env = \"KEY\" }}\n"));
    fails(
        run("distributed_node", ["--config", &distributed]),
        &format!(
            "{distributed}: custody has no use: the network description puts no mail server between this node and the central one; \
             set custody = \"relay\" or \"auto\" of its PBXs there, or remove the table"
        ),
    );
    place.write("distributed.toml", &text);

    place.write("network.toml", network.replace("ports = 2", "ports = 2\ncustody = \"relay\""));
    let ended = run("distributed_node", ["--config", &distributed]);
    let faults = [
        format!("{distributed}: listen is missing: the address at which receipts come, such as 127.0.0.1:2526"),
        format!(
            "{distributed}: custody is missing: the keys of himalaya.voicemail.example, which the network puts behind a mail server"
        ),
    ];
    assert_eq!((ended.status, &ended.printed.err[..]), (Some(1), &faults[..]));

    let with = |key: &str| format!("listen = \"127.0.0.1:0\"\n{text}[custody]\nkey = {key}\n");
    let where_it_is = "say where it is: { file = \"..\" } or { env = \"..\" }";
    let make = "openssl rand -hex 32 makes one";
    place.write("central.pem", rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem());
    place.write("short.key", "not a key");
    for (key, fault) in [
        ("\"0123\"".to_owned(), format!("{distributed} [custody]: key is a table, not string")),
        ("{}".to_owned(), format!("{distributed} [custody] [key]: {where_it_is}")),
        ("{ file = \"a\", env = \"B\" }".to_owned(), format!("{distributed} [custody] [key]: {where_it_is}")),
        ("{ file = \"no.key\" }".to_owned(), format!("{}: No such file or directory (os error 2); {make}", place.text("no.key"))),
        ("{ file = \"short.key\" }".to_owned(), format!("{}: a key has 64 hexadecimal digits; {make}", place.text("short.key"))),
        (
            "{ env = \"VOICEMAIL_NO_SUCH_KEY\" }".to_owned(),
            "the environment variable VOICEMAIL_NO_SUCH_KEY is not set".to_owned(),
        ),
    ] {
        place.write("distributed.toml", with(&key));
        fails(run("distributed_node", ["--config", &distributed]), &fault);
    }

    let text = std::fs::read_to_string(&central).unwrap();
    place.write("central.toml", format!("{text}[custody]\nsecret = {{ file = \"short.key\" }}\n"));
    fails(
        run("central_node", ["--config", &central]),
        &format!("{central}: mail_out is missing: the mail server for receipts, which custody needs"),
    );
    place.write("central.toml", text);
    fails(
        run("central_node", ["--config", &central, "--custody-key", "himalaya.voicemail.example"]),
        &format!("{central} has no [custody]: the secret"),
    );
    fails(
        run("central_node", ["--config", &central, "--custody-key", "other.example"]),
        "--custody-key other.example: the network has no such node",
    );
}

#[test]
fn a_node_that_is_not_in_the_network_is_reported() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    place.set_central_address("127.0.0.1:1");
    let (central, distributed) = (place.text("central.toml"), place.text("distributed.toml"));
    let central_text = std::fs::read_to_string(&central).unwrap();
    let distributed_text = std::fs::read_to_string(&distributed).unwrap();
    place.write("central.toml", central_text.replace("\"central.voicemail", "\"other.voicemail"));
    fails(
        run("central_node", ["--config", &central]),
        &format!("{central}: node = \"other.voicemail.example\": the network's central node is central.voicemail.example"),
    );
    place.write("distributed.toml", distributed_text.replace("\"himalaya.voicemail", "\"other.voicemail").replace("site =", "#"));
    fails(
        run("distributed_node", ["--config", &distributed]),
        &format!("{distributed}: node = \"other.voicemail.example\": it is the distributed node of no PBX in the network"),
    );
    place.write("distributed.toml", distributed_text.replace("\"kathmandu\"", "\"london\""));
    fails(
        run("distributed_node", ["--config", &distributed]),
        &format!(
            "{distributed}: site = \"london\": himalaya.voicemail.example is the distributed node of no such PBX in the network"
        ),
    );
}

#[test]
fn a_port_or_spool_in_use_is_reported_and_its_user_goes_on() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    place.set_listen_address(&unused_address());
    let mut central = place.central();
    let address = central.wait_for("listening smtp");
    let config = place.text("central.toml");
    fails(
        run("central_node", ["--config", &config]),
        &format!(
            "{config}: cannot listen on {address}: Address already in use (os error 98); stop the program that uses it, or choose another port"
        ),
    );
    place.set_listen_address("127.0.0.1:0");
    let in_use = |spool: &str| {
        let spool = place.text(spool);
        format!("the spool {spool} is in use by another process; stop that one first, or give this node a folder of its own")
    };
    fails(run("central_node", ["--config", &config]), &in_use("central"));

    let mut first = place.distributed(&["--batch"]);
    first.wait_until(|printed| printed.out.contains(&"ready".to_owned()).then_some(()));
    let wav = example("vm01.wav");
    fails(place.distributed(&["--deposit", &wav, "--to", "2001"]).end(), &in_use("distributed"));
    assert!(first.write_input(&format!("--deposit {wav} --to 2001\n")));
    first.wait_for("forwarded");
    assert_eq!((first.stop().status, central.stop().status), (Some(0), Some(0)));
}

#[test]
fn an_untrusted_certificate_is_reported_and_the_message_waits() {
    let (place, other) = (NodeFiles::new([("2001", "Europe/London")]), NodeFiles::new([("2001", "Europe/London")]));
    let central = place.central();
    assert_eq!(other.central().stop().status, Some(0));
    let trusted = std::fs::read(place.path("central.pem")).unwrap();
    place.write("other.pem", std::fs::read(other.path("central.pem")).unwrap());
    let config = std::fs::read_to_string(place.path("distributed.toml")).unwrap();
    place.write("distributed.toml", config.replace("central.pem", "other.pem"));

    let mut distributed = place.distributed(&["--deposit", &example("vm01.wav"), "--to", "2001"]);
    let said = distributed.wait_until(|printed| printed.err.first().cloned());
    assert!(said.contains("cannot be reached under TLS, which the policy requires: "), "{said}");
    assert!(said.contains("certificate"), "{said}");
    let ended = distributed.stop();
    assert_eq!((ended.status, ended.printed.lines_of("forwarded").count(), place.waiting().len()), (Some(0), 0, 1));

    place.write("other.pem", trusted);
    let mut distributed = place.distributed(&[]);
    distributed.wait_for("forwarded");
    assert_eq!((distributed.stop().status, central.stop().status), (Some(0), Some(0)));
    assert_eq!(place.list("2001").len(), 1);
}

#[test]
fn a_missing_or_unreadable_ca_certificate_is_reported() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    place.set_central_address("127.0.0.1:1");
    let (config, pem) = (place.text("distributed.toml"), place.text("central.pem"));
    let deposit = ["--deposit", &example("vm01.wav"), "--to", "2001"];
    fails(
        place.distributed(&deposit).end(),
        &format!(
            "{pem}: No such file or directory (os error 2); it is the certificate of central.voicemail.example, which writes one at its first start if it is self_signed"
        ),
    );
    place.write("central.pem", "no certificate");
    let ended = place.distributed(&deposit).end();
    assert_eq!(ended.status, Some(1));
    assert!(
        ended.printed.err[0].starts_with(&format!("{config} [central]: the certificates of the trusted authorities")),
        "{ended:#?}"
    );
}

#[test]
fn unknown_flags_print_the_usage() {
    let central = "usage: central_node --config FILE [--greet FILE.wav --to MAILBOX [--kind normal|busy|temporary|name]] [--custody-key NODE]";
    let distributed = "usage: distributed_node --config FILE [--batch] \
        [--deposit FILE.wav --to MAILBOX [--from NUMBER] [--name NAME] [--urgent] [--private]]...\n   or: distributed_node --config FILE --greet MAILBOX --out FILE.wav \
        [--kind normal|busy|temporary|name]";
    let retrieve = "usage: retrieve --config FILE MAILBOX [--list [new | old | removed] | --play ID --out FILE.wav [--as wav] | --old ID | \
        --new ID | --remove ID | --restore ID | --forward ID --to MAILBOX | --reply ID --with FILE.wav]";
    let cases: [(&str, &[&str], String); 9] = [
        ("central_node", &[], central.to_owned()),
        ("central_node", &["--config"], central.to_owned()),
        ("central_node", &["--help"], central.to_owned()),
        ("distributed_node", &[], format!("--config is missing\n{distributed}")),
        ("distributed_node", &["--config"], format!("--config names no file\n{distributed}")),
        ("distributed_node", &["--config", "x", "--loud"], format!("--loud is not known here\n{distributed}")),
        ("distributed_node", &["--config", "x", "--deposit", "y"], format!("--to MAILBOX is missing\n{distributed}")),
        ("retrieve", &["--config", "x"], retrieve.to_owned()),
        ("retrieve", &["--config", "x", "2001", "--play", "y"], retrieve.to_owned()),
    ];
    for (name, arguments, said) in cases {
        fails(run(name, arguments), &said);
    }
}

#[test]
fn a_missing_mailbox_message_or_folder_is_reported() {
    let place = NodeFiles::new([("2001", "Europe/London")]);
    let central = place.central();
    let ended = place.distributed(&["--deposit", &example("vm01.wav"), "--to", "2001"]).end();
    let id = ended.printed.lines_of("kept").next().unwrap();
    let unknown = "0123456789abcdef0123456789abcdef";
    let config = place.text("central.toml");
    let nowhere = place.text("missing/x.wav");

    fails(place.retrieve(&["2999", "--list"]), &format!("no mailbox 2999 in the network that {config} names; check the number"));
    fails(
        place.retrieve(&["20x1"]),
        "20x1: a mailbox is a number of 1 to 15 digits, with or without a + before them, or a name of 1 to 32 letters, digits, \
         dots, hyphens and underscores that begins with a letter and ends with a letter or digit",
    );
    let out = place.text("x.wav");
    for wish in [
        &["2001", "--play", unknown, "--out", &out][..],
        &["2001", "--old", unknown],
        &["2001", "--forward", unknown, "--to", "2001"],
    ] {
        fails(place.retrieve(wish), &format!("no message {unknown} in mailbox 2001; --list shows which there are"));
    }
    fails(place.retrieve(&["2001", "--list", "all"]), "all: a message is new, old or removed");
    fails(
        place.retrieve(&["2001", "--old", "first"]),
        "first: a message id has 32 hexadecimal digits; --list shows those of a mailbox",
    );
    fails(
        place.retrieve(&["2001", "--play", id, "--out", &nowhere]),
        &format!("{nowhere} cannot be written: No such file or directory (os error 2); name a file in a folder that is there"),
    );
    assert!(place.list("2001")[0].starts_with(&format!("{id} new ")), "nothing changed");
    assert_eq!(central.stop().status, Some(0));
}

/// Checks that a program has failed with status 1 and printed only `message` on standard error.
fn fails(Ended { status, printed }: Ended, message: &str) {
    assert_eq!((status, printed.err.join("\n")), (Some(1), message.to_owned()));
}

fn example(file: &str) -> String {
    format!("{}/examples/recordings/{file}", env!("CARGO_MANIFEST_DIR"))
}
