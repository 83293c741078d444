//! The steps that a node does for each message: the mails to owners.

#![cfg(all(feature = "memory", feature = "node"))]

mod a_mail_says_who_called;
mod a_node_mails_its_owners;
mod a_rule_decides_what_is_sent;
mod an_imap_server_shows_the_mail;
mod mail_programs_show_and_play_the_mail;
mod nothing_breaks_out_of_a_mail;
mod owners_change_their_rules;

#[path = "../support/http_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod http_server;
#[path = "../support/imap.rs"]
#[allow(unreachable_pub, reason = "other tests use it, too")]
mod imap;
#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod nodes;
mod support;
