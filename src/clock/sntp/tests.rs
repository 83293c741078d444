//! A clock against servers on loopback and in memory.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::net::UdpSocket;

use super::*;
use crate::conformance;
use crate::message::ClockSource;

/// A server on loopback whose clock differs from the system's by `offset`; answers with its address.
async fn server(offset: TimeDelta, first_byte: u8) -> SocketAddr {
    counting_server(offset, first_byte, *b"\0\0\0\0", Arc::default()).await
}

/// The same, which counts its queries in `asked`; with a kiss code, it answers that instead of the time.
async fn counting_server(offset: TimeDelta, first_byte: u8, kiss: [u8; 4], asked: Arc<AtomicU32>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 48];
        while let Ok((_, peer)) = socket.recv_from(&mut packet).await {
            asked.fetch_add(1, Ordering::SeqCst);
            let now = SystemClock.now().instant + offset;
            let secs = u64::try_from(now.timestamp() + 2_208_988_800).unwrap() & 0xffff_ffff;
            let stamp = (secs << 32) | ((u64::from(now.timestamp_subsec_nanos()) << 32) / 1_000_000_000);
            let mut reply = [0; 48];
            (reply[0], reply[1]) = (first_byte, if kiss == [0; 4] { 2 } else { 0 });
            reply[12..16].copy_from_slice(&kiss);
            reply[24..32].copy_from_slice(&packet[40..]);
            reply[32..40].copy_from_slice(&stamp.to_be_bytes());
            reply[40..].copy_from_slice(&stamp.to_be_bytes());
            // Something that is no reply comes first.
            socket.send_to(&[0; 48], peer).await.unwrap();
            socket.send_to(&reply, peer).await.unwrap();
        }
    });
    address
}

fn off_by(clock: &SntpClock) -> TimeDelta {
    clock.now().instant - SystemClock.now().instant
}

#[tokio::test]
async fn the_clock_has_the_time_of_a_server_and_the_systems_offset() {
    let clock = Arc::new(SntpClock::new([server(TimeDelta::milliseconds(-90_000), 0x24).await.to_string()]));
    conformance::clock::run_all(&clock);
    clock.measure().await.unwrap();
    conformance::clock::run_all(&clock);
    assert!((off_by(&clock) + TimeDelta::milliseconds(90_000)).abs() < TimeDelta::milliseconds(10), "{:?}", off_by(&clock));
    let quality = clock.now().quality;
    assert_eq!(quality.source, ClockSource::Sntp);
    assert!((quality.offset.unwrap() + TimeDelta::milliseconds(90_000)).abs() < TimeDelta::milliseconds(10));
    assert!(quality.uncertainty.unwrap() < Duration::from_millis(10));
}

#[tokio::test]
async fn a_server_that_lies_or_does_not_know_is_not_followed() {
    let mut servers = Vec::new();
    for (offset, first_byte) in [(3500, 0x24), (60_000, 0x24), (3500, 0x24), (0, 0xe4)] {
        servers.push(server(TimeDelta::milliseconds(offset), first_byte).await.to_string());
    }
    let clock = SntpClock::new(servers);
    clock.measure().await.unwrap();
    assert!((off_by(&clock) - TimeDelta::milliseconds(3500)).abs() < TimeDelta::milliseconds(10), "{:?}", off_by(&clock));
}

#[tokio::test]
async fn without_an_answer_the_time_is_the_systems_and_says_so() {
    let clock = SntpClock::new([server(TimeDelta::zero(), 0xe4).await.to_string()]);
    assert!(clock.measure().await.is_err());
    assert_eq!(clock.now().quality.source, ClockSource::System);
    assert!(SntpClock::new(Vec::<String>::new()).measure().await.is_err());
}

#[tokio::test]
async fn run_measures_as_soon_as_it_is_driven() {
    let clock = SntpClock::new([server(TimeDelta::milliseconds(3500), 0x24).await.to_string()]);
    let measured = async {
        while clock.now().quality.source != ClockSource::Sntp {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = clock.run() => unreachable!("it runs for ever"),
        () = measured => {}
    }
    assert!((off_by(&clock) - TimeDelta::milliseconds(3500)).abs() < TimeDelta::milliseconds(10));
}

#[tokio::test]
async fn a_server_that_answers_rate_is_left_alone() {
    let asked = Arc::new(AtomicU32::new(0));
    let server = counting_server(TimeDelta::zero(), 0xe4, *b"RATE", Arc::clone(&asked)).await;
    let clock = SntpClock::new([server.to_string()]);
    for _ in 0..2 {
        let error = clock.measure().await.unwrap_err();
        assert!(matches!(error, SntpError::RateLimited { .. }), "{error}");
        assert_eq!(error.to_string(), format!("the time server {server} asks to be polled less often"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(clock.now().quality.source, ClockSource::System);
}

/// Time servers in memory, which record when each is queried.
#[derive(Debug, Clone, Default)]
struct FakeServers {
    asked: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl FakeServers {
    /// The seconds since `start` at which `server` was queried.
    fn polls(&self, server: &str, start: Instant) -> Vec<u64> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(asked, _)| asked.starts_with(server)).map(|(_, at)| (*at - start).as_secs()).collect()
    }
}

#[async_trait]
impl TimeQuery for FakeServers {
    async fn query(&self, server: &str) -> Result<Sample, SntpError> {
        let before = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((server.to_owned(), now()));
            asked.iter().filter(|(asked, _)| asked == server).count()
        };
        let kind = server.split(':').next().unwrap_or_default();
        let off = match kind {
            "wrong" => TimeDelta::minutes(5),
            "rollover" => TimeDelta::weeks(-1024),
            "ahead" => TimeDelta::weeks(1024),
            // Answers RATE from the third request on, and once more.
            "busy" if matches!(before, 3 | 5) => {
                return Err(SntpError::RateLimited { server: server.to_owned(), interval: Duration::from_secs(8) });
            }
            "right" | "slow" | "busy" => TimeDelta::zero(),
            "denied" => return Err(SntpError::Denied { server: server.to_owned() }),
            _ => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                return Err(SntpError::NoAnswer { server: server.to_owned() });
            }
        };
        let at = now();
        tokio::time::sleep(Duration::from_millis(if kind == "slow" { 400 } else { 10 })).await;
        Ok(Sample { at, utc: SystemClock.now().instant + off, delay: now() - at, root_distance: Duration::ZERO })
    }
}

/// Runs `clock` for `time`.
async fn run_for(clock: &SntpClock, time: Duration) {
    tokio::time::timeout(time, clock.run()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn each_server_is_polled_as_it_answers() {
    let (start, fake) = (now(), FakeServers::default());
    let clock = SntpClock::querying(["right", "busy", "silent", "denied"], fake.clone());
    run_for(&clock, Duration::from_secs(700)).await;
    assert_eq!(fake.polls("right", start)[..5], [0, 2, 4, 8, 72]);
    let busy = fake.polls("busy", start);
    let pauses: Vec<_> = busy.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses[2] >= 128 && pauses[3] >= 128 && pauses[4] >= 256, "{busy:?}");
    let silent = fake.polls("silent", start);
    assert!(silent.windows(3).all(|three| three[2] - three[1] >= three[1] - three[0]), "{silent:?}");
    assert_eq!(fake.polls("denied", start), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_measurement_polls_no_server_again_within_2_s() {
    let (start, fake) = (now(), FakeServers::default());
    let clock = SntpClock::querying(["right"], fake.clone());
    let (first, second) = tokio::join!(clock.measure(), clock.measure());
    assert!(first.is_ok() && second.is_ok());
    clock.measure().await.unwrap();
    run_for(&clock, Duration::from_secs(1)).await;
    run_for(&clock, Duration::from_secs(10)).await;
    let polls = fake.polls("right", start);
    assert_eq!(polls[..4], [0, 2, 4, 6]);
    assert!(polls.windows(2).all(|two| two[1] - two[0] >= 2), "{polls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_1024_weeks_off_is_not_followed() {
    for (server, weeks) in [("rollover", -1024), ("ahead", 1024)] {
        let clock = SntpClock::querying([server], FakeServers::default());
        let error = clock.measure().await.unwrap_err();
        match error {
            SntpError::BeforeRelease { .. } => assert_eq!(weeks, -1024),
            SntpError::WeekRollover { weeks: found, .. } => assert_eq!(found, weeks),
            other => panic!("{other}"),
        }
        assert_eq!(clock.now().quality.source, ClockSource::System);
        // Two of them do not outvote one that is right.
        let clock =
            SntpClock::querying([format!("{server}:1"), format!("{server}:2"), "right:1".to_owned()], FakeServers::default());
        clock.measure().await.unwrap();
        assert!(off_by(&clock).abs() < TimeDelta::seconds(10), "{:?}", off_by(&clock));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_server_is_outvoted_however_quick_it_is() {
    let clock = SntpClock::querying(["wrong", "slow:1", "slow:2"], FakeServers::default());
    clock.measure().await.unwrap();
    assert!(off_by(&clock).abs() < TimeDelta::seconds(10), "{:?}", off_by(&clock));
}

#[tokio::test(start_paused = true)]
async fn of_several_that_keep_one_clock_one_polls() {
    let (start, fake) = (now(), FakeServers::default());
    let clock = SntpClock::querying(["right"], fake.clone());
    let (first, second) = (clock.synchronize(), clock.synchronize());
    let mut second = Box::pin(second);
    {
        let both = future::join(first, &mut second);
        tokio::time::timeout(Duration::from_secs(5), both).await.unwrap_err();
    }
    assert_eq!(fake.polls("right", start), [0, 2, 4]);
    tokio::time::timeout(Duration::from_secs(5), second).await.unwrap_err();
    assert_eq!(fake.polls("right", start)[3..], [6], "the next goes on when the first is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_named_twice_is_polled_once() {
    let (start, fake) = (now(), FakeServers::default());
    let clock = SntpClock::querying(["right", "right:123"], fake.clone());
    clock.measure().await.unwrap();
    assert_eq!(fake.polls("right", start), [0]);
}

#[test]
fn a_port_is_added_where_none_is_named() {
    let clock = SntpClock::new(["ntp.example", "ntp.example:1123", "192.0.2.1", "[2001:db8::1]:124", "[2001:db8::1]"]);
    let expected = ["ntp.example:123", "ntp.example:1123", "192.0.2.1:123", "[2001:db8::1]:124", "[2001:db8::1]:123"];
    let names: Vec<_> = clock.servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names, expected);
}
