//! Unknown clients, attackers and floods at a node that listens.

#![cfg(all(feature = "memory", feature = "node"))]

mod a_flood_leaves_good_senders_served;
mod an_attacker_gets_nowhere;
mod only_friends_may_deliver;

#[path = "../support/test_intake.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod test_intake;
