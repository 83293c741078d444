use super::*;
use crate::greeting::GreetingKind;

fn node(name: &str) -> NodeAddress {
    name.parse().unwrap()
}

fn id(mailbox: u32) -> GreetingId {
    GreetingId::new(mailbox.to_string().parse().unwrap(), GreetingKind::Normal)
}

fn needs(node_name: &str, mailboxes: impl IntoIterator<Item = u32>) -> BTreeMap<NodeAddress, BTreeSet<GreetingId>> {
    BTreeMap::from([(node(node_name), mailboxes.into_iter().map(id).collect())])
}

fn all_errands(rounds: &mut Rounds, now: Instant) -> Vec<Errand> {
    std::iter::from_fn(|| rounds.poll_errand(now)).collect()
}

fn just_before(due: Instant) -> Instant {
    due.checked_sub(Duration::from_millis(1)).unwrap()
}

fn unreachable() -> Done {
    Done::Unreachable("its cable is cut".to_owned())
}

#[test]
fn what_was_recorded_goes_whole_before_what_is_only_offered() {
    let now = Instant::now();
    let mut rounds = Rounds::default();
    rounds.handle_needs(needs("a.example", [1, 2]), now);
    rounds.handle_recorded(&node("a.example"), id(2));
    let firsts: Vec<_> = all_errands(&mut rounds, now).into_iter().map(|errand| (errand.id, errand.first)).collect();
    assert_eq!(firsts, [(id(2), First::Whole), (id(1), First::Offer)]);
    assert_eq!(rounds.poll_timeout(), None);
}

#[test]
fn what_a_node_has_answered_for_is_offered_again_within_an_hour_and_not_before() {
    let now = Instant::now();
    let mut rounds = Rounds::default();
    rounds.handle_recorded(&node("a.example"), id(1));
    let errand = rounds.poll_errand(now).unwrap();
    assert_eq!(rounds.handle_done(errand, &Done::Told, now, 1.0), None);
    let due = rounds.poll_timeout().unwrap();
    assert_eq!(due, now + ROUND * 3 / 4);
    assert_eq!(rounds.poll_errand(just_before(due)), None);
    assert_eq!(rounds.poll_errand(due).unwrap().first, First::Offer);
}

#[test]
fn a_node_that_is_away_is_tried_with_one_greeting_ever_more_seldom_and_gets_all_when_it_is_back() {
    let mut now = Instant::now();
    let mut rounds = Rounds::default();
    rounds.handle_needs(needs("a.example", 1..=20), now);
    let first = all_errands(&mut rounds, now);
    assert_eq!(first.len(), MOST_UNDER_WAY);
    let waits: BTreeSet<_> =
        first.into_iter().map(|errand| rounds.handle_done(errand, &unreachable(), now, 0.0).unwrap()).collect();
    assert_eq!(waits, [Duration::from_secs(1)].into(), "together they are one failure");
    for wait in [1, 2, 4, 8, 16, 30, 30] {
        let due = rounds.poll_timeout().unwrap();
        assert_eq!((due - now).as_secs(), wait);
        assert_eq!(rounds.poll_errand(just_before(due)), None);
        let [errand] = &all_errands(&mut rounds, due)[..] else { panic!("one is tried") };
        assert_eq!(rounds.poll_timeout(), None, "the answer comes first");
        rounds.handle_done(errand.clone(), &unreachable(), due, 0.0);
        now = due;
    }
    let due = rounds.poll_timeout().unwrap();
    let errand = rounds.poll_errand(due).unwrap();
    rounds.handle_done(errand, &Done::Told, due, 0.0);
    let mut told = 1;
    loop {
        let errands = all_errands(&mut rounds, due);
        assert!(errands.len() <= MOST_UNDER_WAY);
        if errands.is_empty() {
            break;
        }
        for errand in errands {
            told += 1;
            rounds.handle_done(errand, &Done::Told, due, 0.0);
        }
    }
    assert_eq!(told, 20, "each once");
}

#[test]
fn one_node_that_is_away_holds_up_no_other() {
    let now = Instant::now();
    let mut rounds = Rounds::default();
    for name in ["a.example", "b.example"] {
        rounds.handle_recorded(&node(name), id(1));
    }
    let away = rounds.poll_errand(now).unwrap();
    rounds.handle_done(away, &unreachable(), now, 0.0);
    assert_eq!(rounds.poll_errand(now).unwrap().node, node("b.example"));
    assert_eq!(rounds.poll_errand(now), None);
}

#[test]
fn a_refused_greeting_waits_by_itself_and_one_recorded_anew_does_not_wait() {
    let now = Instant::now();
    let mut rounds = Rounds::default();
    rounds.handle_needs(needs("a.example", [1, 2]), now);
    let [refused, other] = &all_errands(&mut rounds, now)[..] else { panic!("both are tried") };
    let wait = rounds.handle_done(refused.clone(), &Done::NotTaken("550".to_owned()), now, 0.0);
    assert_eq!(wait, Some(FIRST_REFUSED));
    rounds.handle_done(other.clone(), &Done::Told, now, 0.0);
    assert_eq!(rounds.poll_timeout(), Some(now + FIRST_REFUSED));
    rounds.handle_recorded(&node("a.example"), refused.id.clone());
    assert_eq!(rounds.poll_errand(now).unwrap().first, First::Whole);
}

#[test]
fn what_is_recorded_while_it_is_under_way_goes_again_and_never_beside_itself() {
    let now = Instant::now();
    for done in [Done::Told, Done::NotTaken("452".to_owned())] {
        let mut rounds = Rounds::default();
        rounds.handle_recorded(&node("a.example"), id(1));
        let errand = rounds.poll_errand(now).unwrap();
        rounds.handle_recorded(&node("a.example"), id(1));
        assert_eq!(rounds.poll_errand(now), None);
        rounds.handle_done(errand.clone(), &done, now, 0.0);
        assert_eq!(rounds.poll_errand(now), Some(errand), "whole once more");
    }
}

#[test]
fn a_node_that_needs_a_greeting_no_more_gets_none_and_a_new_one_is_offered_what_it_needs() {
    let now = Instant::now();
    let mut rounds = Rounds::default();
    rounds.handle_needs(needs("a.example", [1, 2]), now);
    let under_way = rounds.poll_errand(now).unwrap();
    rounds.handle_needs(needs("b.example", [2]), now);
    assert_eq!(rounds.handle_done(under_way, &unreachable(), now, 0.0), None);
    let errands = all_errands(&mut rounds, now);
    assert_eq!(errands, [Errand { node: node("b.example"), id: id(2), first: First::Offer }]);
    rounds.handle_needs(BTreeMap::new(), now);
    assert_eq!((rounds.poll_errand(now), rounds.poll_timeout()), (None, None));
}
