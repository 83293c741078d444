//! Nodes in their network: roles, licences, greetings, receipts, clocks.

#[cfg(all(feature = "memory", feature = "node"))]
mod a_backup_node_takes_over;
#[cfg(feature = "sntp")]
mod a_clock_follows_a_real_time_server;
#[cfg(feature = "node")]
mod a_clock_that_is_off_is_reported;
#[cfg(all(feature = "memory", feature = "node"))]
mod a_group_mailbox_has_a_name;
#[cfg(all(feature = "memory", feature = "node"))]
mod a_node_follows_its_retry_policy;
#[cfg(all(feature = "memory", feature = "node"))]
mod a_node_takes_a_new_network_while_it_runs;
#[cfg(all(feature = "memory", feature = "node"))]
mod a_relay_in_between_loses_nothing;
#[cfg(feature = "node")]
mod a_requested_receipt_is_sent;
#[cfg(all(feature = "memory", feature = "node"))]
mod central_nodes_share_their_greetings;
#[cfg(all(feature = "memory", feature = "node", feature = "serde"))]
mod each_receiver_of_a_broadcast_gets_a_copy;
#[cfg(all(feature = "memory", feature = "http-client"))]
mod events_reach_web_hooks;
#[cfg(all(feature = "memory", feature = "node"))]
mod greetings_reach_the_nodes_that_need_them;
#[cfg(all(feature = "memory", feature = "http-client"))]
mod hooks_transcripts_and_mails_go_together;
#[cfg(all(feature = "memory", feature = "node"))]
mod owners_are_warned_by_mail;
#[cfg(all(feature = "memory", feature = "node"))]
mod senders_learn_what_became_of_their_mails;
#[cfg(all(feature = "memory", feature = "node"))]
mod steps_are_done_for_each_message;
#[cfg(feature = "node")]
mod steps_survive_kills;
#[cfg(all(feature = "memory", feature = "node"))]
mod ten_thousand_calls_at_once_are_admitted_exactly;
#[cfg(all(feature = "memory", feature = "node"))]
mod undeliverable_messages_get_a_mailbox;

#[cfg(all(feature = "memory", feature = "http-client"))]
#[path = "../support/http_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod http_server;
#[cfg(all(feature = "memory", feature = "node", feature = "serde"))]
#[path = "../support/recorded_lamps.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod recorded_lamps;
#[cfg(feature = "node")]
#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
