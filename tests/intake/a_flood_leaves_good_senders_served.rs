//! Thousands of connections that are silent or very slow, each from another address, two thousand new ones a second, at default settings:
//! every good sender is served at its first attempt, and memory stays within the limit stated here.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::test_intake;

use std::time::Duration;

use test_intake::{SmtpClient, TestIntake, address_of, own_mail};
use tokio::time::sleep;
use voicemail::intake::{Access, ListenMode};

/// How much memory the process may gain for all of them together: both ends of each connection, and the messages.
const AT_MOST_KIB: u64 = 96 * 1024;

#[tokio::test(start_paused = true)]
async fn two_thousand_useless_connections_keep_nobody_out() {
    let house = TestIntake::new(Access::anyone_anywhere());
    // The first connection allocates what all share.
    deliver(&house, 0).await;
    let before = resident_kib();

    let mut crowd = Vec::new();
    for number in 0..2000 {
        crowd.push(tokio::spawn(of_no_use(house.clone(), number)));
        if number % 20 == 19 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    let flood = tokio::spawn({
        let house = house.clone();
        async move {
            // And they go on after it.
            for number in 2000..7000 {
                drop(tokio::spawn(of_no_use(house.clone(), number)));
                if number % 20 == 19 {
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    });
    let mut good = Vec::new();
    for number in 0..20 {
        let house = house.clone();
        good.push(tokio::spawn(async move { deliver(&house, number).await }));
        sleep(Duration::from_millis(110)).await;
    }
    for sender in good {
        sender.await.unwrap();
    }
    flood.await.unwrap();
    let grown = resident_kib().saturating_sub(before);
    println!("7000 connections, of which 512 at a time are served: the process grew by {grown} KiB, for both ends of each");
    assert!(grown < AT_MOST_KIB, "{grown} KiB");
}

#[tokio::test(start_paused = true)]
async fn one_address_cannot_take_the_slots_of_the_others() {
    let house = TestIntake::new(Access::anyone_anywhere());
    let crowd: Vec<_> =
        (0..2000).map(|_| SmtpClient::connect_silently(&house, ListenMode::StartTls, Some(address_of(1)))).collect();
    sleep(Duration::from_secs(1)).await;
    deliver(&house, 2).await;
    drop(crowd);
}

/// Connects as far as is needed for a slot, and stays.
async fn of_no_use(house: TestIntake, number: u16) {
    let mut client = SmtpClient::connect_silently(&house, ListenMode::StartTls, Some(address_of(number)));
    let beginning: &[u8] = match number % 4 {
        0 => b"",
        1 => b"EHLO a\r\n",
        2 => b"EHLO a\r\nSTARTTLS\r\n",
        _ => b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<2002@vm.example>\r\nDATA\r\n",
    };
    if client.reply().await.is_empty() || !client.send_if_open(beginning).await {
        return;
    }
    // Until its slot is taken away.
    while number % 4 == 3 && client.send_if_open(b"x").await {
        sleep(Duration::from_secs(1)).await;
    }
    client.remaining_codes().await;
}

/// Delivers a message with a delay of 50 ms at each step.
async fn deliver(house: &TestIntake, number: u16) {
    let mail = own_mail();
    let mut client = SmtpClient::connect_silently(house, ListenMode::StartTls, Some(address_of(10_000 + number)));
    assert!(client.reply().await.starts_with("220 "), "sender {number} is greeted");
    for line in ["EHLO pbx.example\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<2001@vm.example>\r\n"] {
        sleep(Duration::from_millis(50)).await;
        assert!(client.command(line).await.starts_with("250 "), "sender {number}: {line}");
    }
    sleep(Duration::from_millis(50)).await;
    client.send(format!("BDAT {} LAST\r\n", mail.len()).as_bytes()).await;
    sleep(Duration::from_millis(50)).await;
    client.send(&mail).await;
    let kept = client.reply().await;
    assert!(kept.starts_with("250 2.0.0 kept "), "sender {number}: {kept}");
}

/// Returns the resident memory of this process in bytes.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
