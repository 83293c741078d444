//! The rules for the limits of mailboxes, and for how long their messages stay.

use super::{PbxContext, SiteIndex};
use crate::message::MailboxId;
use crate::network::Rule;

pub(super) fn limits_are_in_order(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    for mailbox in &pbx.site.mailboxes {
        let limits = mailbox.recording;
        if limits.min > limits.max || limits.max.as_secs() == 0 {
            found.push(Rule::LimitsCrossed {
                number: mailbox.number.clone(),
                min_seconds: limits.min.as_secs(),
                max_seconds: limits.max.as_secs(),
            });
        }
    }
}

pub(super) fn mailboxes_can_hold_something(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let of_mailboxes = pbx.site.mailboxes.iter().map(|mailbox| (Some(&mailbox.number), mailbox.holding));
    for (number, holding) in std::iter::once((None, pbx.site.holding)).chain(of_mailboxes) {
        let zeros = [
            ("messages", holding.messages == Some(0)),
            ("minutes", holding.length.is_some_and(|length| length.is_zero())),
            ("bytes", holding.bytes == Some(0)),
        ];
        let zeros = zeros.into_iter().filter(|(_, is_zero)| *is_zero);
        found.extend(zeros.map(|(limit, _)| Rule::HoldsNothing { number: number.cloned(), limit }));
    }
}

pub(super) fn messages_stay_for_some_time(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let of_mailboxes = pbx.site.mailboxes.iter().map(|mailbox| (Some(&mailbox.number), mailbox.retention));
    for (number, retention) in std::iter::once((None, pbx.site.retention)).chain(of_mailboxes) {
        let times = [("new_days", retention.new), ("old_days", retention.old)];
        let zeros = times.into_iter().filter(|(_, time)| time.is_some_and(|time| time.is_zero()));
        found.extend(zeros.map(|(key, _)| Rule::StaysNoTime { number: number.cloned(), key }));
    }
}

pub(super) fn warnings_come_at_a_percentage(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let of_mailboxes = pbx.site.mailboxes.iter().map(|mailbox| (Some(&mailbox.number), mailbox.warnings));
    for (number, thresholds) in std::iter::once((None, pbx.site.warnings)).chain(of_mailboxes) {
        if let Some(percent) = thresholds.percent.filter(|percent| !(1..=100).contains(percent)) {
            found.push(Rule::WarningPercent { number: number.cloned(), found: percent });
        }
    }
}

pub(super) fn undeliverable_is_a_mailbox(undeliverable: Option<&MailboxId>, index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    if let Some(mailbox) = undeliverable.filter(|mailbox| index.mailbox(mailbox).is_none()) {
        found.push(Rule::UnknownUndeliverable { found: mailbox.clone() });
    }
}
