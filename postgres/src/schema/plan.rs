//! Decides which steps a schema lacks, and whether this version can work on it.

use tokio_postgres::Row;

use crate::DatabaseError;

/// A step that the database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AppliedStep {
    pub number: i32,
    pub digest: Vec<u8>,
}

impl AppliedStep {
    pub(super) fn from_row(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self { number: row.try_get(0)?, digest: row.try_get(1)? })
    }
}

/// Where in `known` the steps are that are not in `applied`, which is in the order of the numbers; or the reason why this version must not use the
/// schema.
pub(super) fn missing(known: &[[u8; 32]], applied: &[AppliedStep]) -> Result<Vec<usize>, String> {
    for (expected, step) in (1..).zip(applied) {
        if step.number != expected {
            return Err(format!("step {expected} is missing, but step {} is there", step.number));
        }
    }
    if applied.len() > known.len() + 1 {
        return Err(format!("it has {} steps, and this version knows {}: update this node first", applied.len(), known.len()));
    }
    for (step, digest) in applied.iter().zip(known) {
        if step.digest != digest {
            return Err(format!("step {} is not the one of this version", step.number));
        }
    }
    Ok((applied.len()..known.len()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(digests: &[u8]) -> Vec<AppliedStep> {
        (1..).zip(digests).map(|(number, digest)| AppliedStep { number, digest: vec![*digest; 32] }).collect()
    }

    #[test]
    fn the_steps_that_are_not_there_are_missing() {
        let known = [[1; 32], [2; 32], [3; 32]];
        assert_eq!(missing(&known, &[]), Ok(vec![0, 1, 2]));
        assert_eq!(missing(&known, &applied(&[1])), Ok(vec![1, 2]));
        assert_eq!(missing(&known, &applied(&[1, 2, 3])), Ok(vec![]));
    }

    #[test]
    fn one_newer_step_is_accepted_and_two_are_not() {
        let known = [[1; 32]];
        assert_eq!(missing(&known, &applied(&[1, 2])), Ok(vec![]));
        assert!(missing(&known, &applied(&[1, 2, 3])).unwrap_err().contains("update this node"));
    }

    #[test]
    fn another_step_or_a_gap_is_refused() {
        let known = [[1; 32], [2; 32]];
        assert!(missing(&known, &applied(&[1, 9])).unwrap_err().contains("step 2 is not the one"));
        let gap = [AppliedStep { number: 2, digest: vec![2; 32] }];
        assert!(missing(&known, &gap).unwrap_err().contains("step 1 is missing"));
    }
}
