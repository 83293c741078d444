//! [`ArrivalRules`]: the rules of a mailbox.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use super::{ArrivalRule, Content, InvalidRules, RuleId, Then};

/// The rules of a mailbox, in their order: at most 16, each valid, none with the id of another. Clones share the rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ArrivalRules(Arc<[ArrivalRule]>);

impl ArrivalRules {
    /// Returns these rules as those of a mailbox. Without any, no mail is sent.
    ///
    /// # Errors
    ///
    /// [`InvalidRules`], with the first rule that is not valid.
    pub fn new(rules: impl IntoIterator<Item = ArrivalRule>) -> Result<Self, InvalidRules> {
        let rules: Arc<[ArrivalRule]> = rules.into_iter().collect();
        check(&rules)?;
        Ok(Self(rules))
    }

    /// Returns the rule with this id.
    pub fn find(&self, id: &str) -> Option<&ArrivalRule> {
        self.iter().find(|rule| rule.id.as_str() == id)
    }

    /// Returns the rules in their order.
    pub fn iter(&self) -> slice::Iter<'_, ArrivalRule> {
        self.0.iter()
    }

    /// Returns how many rules there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a ArrivalRules {
    type Item = &'a ArrivalRule;
    type IntoIter = slice::Iter<'a, ArrivalRule>;

    fn into_iter(self) -> slice::Iter<'a, ArrivalRule> {
        self.iter()
    }
}

fn check(rules: &[ArrivalRule]) -> Result<(), InvalidRules> {
    if rules.len() > MOST_RULES {
        return Err(InvalidRules::TooMany { found: rules.len() });
    }
    let mut ids: HashSet<&RuleId> = HashSet::new();
    for rule in rules {
        let id = || rule.id.clone();
        if !ids.insert(&rule.id) {
            return Err(InvalidRules::DuplicateId { id: id() });
        }
        if rule.then == Then::Remove && rule.content != Content::Copy {
            return Err(InvalidRules::RemovesUnsent { id: id(), content: rule.content });
        }
        if rule.delay > LONGEST_DELAY {
            return Err(InvalidRules::DelayTooLong { id: id(), found: rule.delay });
        }
        let hours = rule.timetable.spans().len();
        if hours > MOST_SPANS {
            return Err(InvalidRules::TooManyHours { id: id(), found: hours });
        }
    }
    Ok(())
}

const MOST_RULES: usize = 16;
const MOST_SPANS: usize = 32;
const LONGEST_DELAY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, content: Content) -> ArrivalRule {
        ArrivalRule::new(id.parse().unwrap(), content)
    }

    #[test]
    fn a_fault_names_rule_field_and_remedy() {
        let many = (0..17).map(|number| rule(&format!("r{number}"), Content::Copy));
        let hours = (0..33).map(|_| "daily 08:00-09:00".parse().unwrap()).collect();
        for (rules, fault) in [
            (many.collect(), "a mailbox has at most 16 rules; found 17; remove some"),
            (
                vec![rule("a", Content::Copy), rule("a", Content::Alert)],
                "rule a: the id of a rule is unique in its mailbox; found it twice; rename one",
            ),
            (
                vec![rule("a", Content::Notice).then(Then::Remove)],
                "rule a: then = remove needs a mail with the sound; found content = notice; make it content = copy, or then = heard",
            ),
            (
                vec![rule("a", Content::Copy).with_delay(Duration::from_secs(604_801))],
                "rule a: a delay is 7 days at most; found 604801 seconds; shorten it",
            ),
            (vec![rule("a", Content::Copy).with_timetable(hours)], "rule a: a rule has at most 32 hours; found 33; join some"),
        ] {
            assert_eq!(ArrivalRules::new(rules).unwrap_err().to_string(), fault);
        }
    }
}
