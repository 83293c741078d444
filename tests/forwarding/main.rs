//! Messages that wait in a spool reach the other node once, whatever peers and networks do.

#![cfg(feature = "node")]

mod a_dying_host_gives_way_to_the_next;
mod a_network_that_comes_and_goes_loses_nothing;
mod a_partition_heals_within_seconds;
#[cfg(feature = "memory")]
mod an_operator_sees_and_steers_the_spool;
mod every_fault_of_a_peer_leaves_one_copy;

#[path = "../support/faulty_proxy.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod faulty_proxy;
#[path = "../support/network_links.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod network_links;
#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
