//! The guarantees of the crate, and the tests that show each of them. This module has no code.
//!
//! Paths begin at the root of the repository. `cargo test -- --list` reads as a list of claims; the suites in
//! [`conformance`](crate::conformance) test each sentence of each trait's contract.
//!
//! | guarantee | tests |
//! |---|---|
//! | **Kept.** After `finish` answers `Ok`, the message is on stable storage. From then on it is in the spool, in a mailbox, or parked with its reason. A recording that a crash cut off becomes a message marked as truncated. | `tests/disks/a_power_cut_after_any_step_loses_nothing.rs`: a disk in memory that forgets what was not flushed, cut after every operation of spool and Maildir. `tests/nothing_is_lost_when_processes_are_killed.rs`: `kill -9` of real processes |
//! | **Once.** A message reaches a mailbox once, however often it is sent: same mailbox, origin, id *and* content. This is remembered for 90 days, also after its owner removed it. | `tests/forwarding/every_fault_of_a_peer_leaves_one_copy.rs`: drops, stalls, 4xx, 5xx, garbage and half replies at each step. `tests/forwarding/a_dying_host_gives_way_to_the_next.rs`: two receivers on one Maildir |
//! | **250 means kept.** The receiver answers 250 after the store has flushed. | the same, and the unit tests of `intake` |
//! | **Whole.** A retrieved message is the recorded one, byte for byte. A SHA-256 digest is taken at `finish`, checked before each sending, and checked again before the 250. | `tests/messages/recordings_come_back_byte_for_byte.rs`, `tests/messages/long_recordings_are_read_while_they_go.rs`, `tests/programs/example_programs_work_as_documented.rs` |
//! | **Receipts are not lost.** Once accepted, a read receipt is delivered, or reported as abandoned after five days (by default), across mail-server outages and power loss. | `tests/nodes/a_requested_receipt_is_sent.rs`; the unit tests of `outbox` cut the power after every operation |
//! | **A receipt between mailboxes is there once.** It is in the sender's mailbox before the message counts as heard, and stays one, however many telephones and nodes with one store hear or remove the message. | the unit tests of `retrieval`; `tests/calls/receipts_are_heard.rs` |
//! | **Each step is done.** A step on arrival is done at least once for each message that was answered for, or parked with its reason. A step or a server that is dead delays no other. Of several central nodes, one has the steps of a message in work, and another follows within 45 s when it dies. | `tests/nodes/steps_are_done_for_each_message.rs`: servers that refuse, stall and panic for an hour, the power cut after every operation; `postgres/tests/nodes/a_slow_step_is_done_by_one_node.rs`; the unit tests of `arrival` take any order of events, and count what is in memory |
//! | **The lamp tells the truth.** A sink gets the newest state only, never an older one after it. An unknown state is never shown. All lamps are refreshed after a restart, and when another program changes a mailbox. | `tests/lamps/ten_thousand_random_steps_leave_every_lamp_right.rs`: owners, other programs, failing sinks, outages, restarts, crashes. All of `tests/lamps/`; with real telephones and proxies `phones_show_the_lamp.rs` and `sip_peers_are_treated_as_the_rfcs_say.rs` |
//! | **One message for many.** A message to a group lights the lamp of each member, and is old for all of them when one has heard it. Where the first owns it, one of the members who accept it has it, and the others find it gone. A broadcast gives each receiver one copy, also when others are full or unknown. | `tests/lamps/members_of_a_group_share_its_messages.rs`: 200 lamps follow one count; the unit tests of `store`: the power cut after every operation of a copy and of a transfer; the unit tests of `arrival`; `postgres/tests/postgres/one_member_gets_a_message.rs`: 16 members accept at once, on two nodes |
//! | **One node updates a lamp.** Of several central nodes with one store, the holder of a PBX's lease notifies it; a node that is dead, frozen or cut off is replaced within five seconds, and shows nothing afterwards. | `tests/lamps/two_nodes_on_one_store_leave_every_lamp_right.rs`: random changes, crashes, freezes and outages of the leases; the unit tests of `node` take any order of steps; `tests/nodes/a_backup_node_takes_over.rs` |
//! | **Refused, not dropped.** 550 5.1.1 unknown mailbox, 550 5.7.1 foreign domain, 452 4.2.2 full mailbox, 452 4.3.1 full disk (before the sound is sent, where it can be known), 552 5.3.4 too big, 554 5.6.1 unreadable sound. | `tests/disks/a_full_disk_is_said_at_once_and_nothing_is_lost.rs`, also on a real full file system; `tests/disks/a_full_mailbox_is_known_before_a_caller_speaks.rs`; `tests/programs/errors_are_reported_once_and_clearly.rs` |
//! | **TLS is reported truthfully.** Each message's event and `Received` line say how it was sent. Each fallback to plain text is an event. A peer that has spoken TLS before gets nothing in plain text, also after a restart, until an operator clears it. | the unit tests of `forward::smtp` |
//! | **Only true statements are spoken.** "Sent", "saved", "removed", "kept" and "passed on" follow the confirmation of the action; a failure has its own prompt. | `tests/calls/random_calls_say_nothing_false.rs`: random callers and owners, a store and a disk that fail at random; the unit tests of `telephone`, `examples/telephone.rs` |
//! | **Every call ends, and its port is free.** A call that no port or licence is free for is refused by a status before it is answered; a hang-up at any moment keeps what a caller has said. | `tests/calls/calls_that_are_refused_or_cut_off.rs`, `tests/calls/callers_leave_messages.rs`, `tests/calls/random_calls_say_nothing_false.rs` |
//! | **An attacker gets nowhere.** Smuggling, injection, relaying, cross-protocol requests, forged sites, guessed passwords, floods and bombs. | `SECURITY.md` has each threat with its test; `tests/intake/`, `tests/messages/hostile_bytes_do_no_harm.rs`, the fuzz targets in `fuzz/` |
//! | **Time done right.** The instant of recording and the clock's own account of its quality survive forwarding. Stamps are made in the owner's zone. | `tests/messages/stamps_are_what_another_source_says.rs`: 40 zones against Python's zoneinfo; `tests/nodes/a_clock_follows_a_real_time_server.rs`; the unit tests of `wire` |
//! | **Licensed.** No recording opens without the PBX's licence or above its ports; the refusal is typed and immediate. | `tests/nodes/ten_thousand_calls_at_once_are_admitted_exactly.rs`: 12 000 callers, 10 000 ports, 100 PBXs, one node; the unit tests of `network` |
//! | **The newest greeting.** Callers hear the greeting that the owner recorded last, at the node that answers them, whether or not the central node is up. Only the central node can change it. | `tests/nodes/greetings_reach_the_nodes_that_need_them.rs`: nodes that are down, restarted, new, without their disk, cut off at each step; forged greetings |
//! | **Flat memory.** 100 000 messages waiting, each tried before: 51 MB resident, limit 64. 256 transfers of ten minutes of sound at once, under TLS: 96 MB on the sending side, 78 MB on the receiving side in a debug build on a busy machine, limit 112. | `tests/memory_stays_flat.rs`, in processes of their own |
//! | **Back within seconds.** A peer that returns is noticed within 3 s, one that answers 451 because its database is away within 1 s, and its backlog flows, the most urgent message first. A dead peer delays nobody else. | `tests/forwarding/a_partition_heals_within_seconds.rs`, `tests/forwarding/a_network_that_comes_and_goes_loses_nothing.rs` |
//! | **Restarting does not reset PIN lockout.** Every attempt is written to stable storage before the PIN is checked; a file or a disk that fails admits nobody. | the unit tests of `telephone`: the power cut after every operation, every fault, every damaged file, a clock that goes back |
//! | **Dropped calls do no harm.** | `tests/messages/a_dropped_call_is_settled_by_the_same_call_again.rs`: every public async call, dropped at every await; `Node::run` and `Intake::serve` at their first 40 polls |
//!
//! The kills are left out of `cargo test`; this runs 200 of them:
//!
//! ```sh
//! VOICEMAIL_KILLS=200 cargo test --test nothing_is_lost_when_processes_are_killed -- --ignored --nocapture
//! ```
//!
//! # Limits
//!
//! - Linux only: spool and Maildir store rely on atomic `link` and `rename`, on `fsync` of folders, and on inotify.
//! - A change that another program makes in a Maildir, such as an IMAP server, changes the lamp at once on local file systems,
//!   for the first 16 384 mailboxes. Elsewhere the lamp follows within ten seconds, or within a hundred in a store of 100 000
//!   mailboxes. A store outside this crate reports such changes by `MessageStore::external_changes`; without it, its lamps follow only
//!   changes made through the node.
//! - On file systems without inotify, and where the kernel watches no more folders for the user, each call reads its mailbox's
//!   folders anew. The answer is right, but takes longer the more messages there are.
//! - The event of a bad entry in a mailbox comes with the store's housekeeping, up to 60 s after the entry; the log line comes at
//!   once.
//! - After a restart 200 lamps are refreshed a second (`NodeBuilder::max_lamp_updates_per_sec`): all of 100 000 take 500 s. Mailboxes with
//!   new messages come first.
//! - One central node with mailboxes on its disk: while it is down, distributed nodes keep their messages in their spools, and no other node takes its
//!   place. Several central nodes, and a `backup_node`, need a store that they share, and a `LampLease`, `GreetingStore` and `JobStore` beside it; the
//!   package `voicemail-postgres` has them.
//! - A machine that is suspended as a whole does not notice that time passes. A central node on it may show a lamp's older state once after a newer one
//!   of another node, when it resumes: do not suspend machines with central nodes that share their mailboxes.
//! - A node that is no longer the central one keeps its mailboxes where they are; an operator moves them. A change of the
//!   mailboxes' domain needs a restart.
//! - While a destination does not answer, the spool tries it with at most four messages at once, and with four others once the first
//!   has failed. A peer that accepts connections and never answers can hold all of them until their timeouts, and its return is
//!   noticed only then.
//! - A message that changes its mailbox in a Maildir store is renamed from one folder to another. On a file system that does not write both ends of a
//!   rename as one, a power cut may leave it in both mailboxes until the member accepts it again. `voicemail-postgres` moves it in
//!   one transaction.
//! - A forwarder that is killed sends the messages in progress again. A node keeps one copy; another mail server may keep two.
//! - Delivery reports are read only at return paths that a node signs (`NodeBuilder::return_paths`). Without them, mail to `voicemail@` the node's
//!   name is refused and reported as an event without the message's id, which is in the part that was never sent; behind a server that stores
//!   and forwards, a refusal of the central node is lost then.
//! - SIP runs over UDP, TCP and, with the feature `sip-tls`, TLS. With `sip-dns`, a `SipSink` finds its servers by NAPTR and SRV
//!   records; a `SipNotifier` reaches the contacts and routes that telephones name by their addresses only. A node is no
//!   registrar: telephones register at their PBX, which passes their subscriptions on.
//! - The greetings of a mailbox go to the distributed node of its home PBX. Another distributed node that takes a message for it
//!   plays the default words. A node that lost its greetings, with its disk for example, gets them back within an hour.
//! - A greeting with an end is over by the clock of each node. A node of a version before ends plays it until the central node sends the
//!   removal, which it does within seconds of the end while it runs.
//! - A message that its owner heard and marked new again sends no second receipt, unless the node restarted in between or another node with the
//!   same store is used the second time.
//! - A distribution list is for every owner, and only owners on the telephone use it: mail to its number is refused.
//! - A distributed node takes greetings only from a central node that proves its name, by a password or a certificate. A node
//!   that already holds a newer version answers 250 and keeps its own; the sender is not notified.
//! - A `PinFolder` counts one attempt at a time, of all mailboxes together, with two or three flushes each. It forgives by the
//!   clock: a clock that jumps ahead forgives too soon. `MemoryPins` are in memory, and a restart forgets their PINs and
//!   lockouts.
//! - An expiry receipt is sent at most once; if the node crashes at that moment, the sender is not notified.
//! - A sound or a mail of up to 1 MiB passes through memory whole, within bounds: 24 MiB of sound at once that is sent from a
//!   spool, 64 MiB of mails at once in an intake; further ones wait. A longer one is read and written in pieces of 64 KiB, but
//!   whole where it is retrieved, passed on or exported, and by a forwarder or a store that does not report that it reads sounds in pieces.
//! - A recording in progress is written as it grows but flushed at its end: it survives a crash of the process, but may not survive
//!   a loss of power.
