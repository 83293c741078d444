//! The fields `Caller-ID` and `Caller-Name` (RFC 3939).

use super::fields::Fields;
use super::text::readable_text;
use crate::message::{CallerName, CallerNumber};

/// Returns the value of `Caller-ID`: digits only; the numbering plan says whether a plus belongs before them.
///
/// # Source
///
/// RFC 3939 §5.1.
pub(super) fn caller_id(number: &CallerNumber) -> String {
    match number.as_str().strip_prefix('+') {
        Some(digits) => format!("{digits}, NumberingPlan=e164"),
        None => format!("{number}, NumberingPlan=local"),
    }
}

/// Returns the value of `Caller-Name`: the plain name if it cannot be misread, else encoded words with spaces between them.
pub(super) fn caller_name(name: &CallerName) -> String {
    readable_text(name.as_str())
}

/// Reads the number of `Caller-ID`; `None` when it is withheld or unreadable. Some senders write a semicolon before the numbering plan.
pub(super) fn number(fields: &Fields<'_>) -> Option<CallerNumber> {
    let field = fields.text("Caller-ID")?;
    let mut pieces = field.split([',', ';']).map(str::trim);
    let digits = pieces.next()?;
    if pieces.any(is_e164) && !digits.starts_with('+') { format!("+{digits}").parse().ok() } else { digits.parse().ok() }
}

/// Returns whether a parameter is `NumberingPlan=e164`.
fn is_e164(parameter: &str) -> bool {
    parameter
        .split_once('=')
        .is_some_and(|(name, plan)| name.trim().eq_ignore_ascii_case("NumberingPlan") && plan.trim().eq_ignore_ascii_case("e164"))
}

/// Reads the name of `Caller-Name`.
pub(super) fn name(fields: &Fields<'_>) -> Option<CallerName> {
    fields.text("Caller-Name").as_deref().and_then(CallerName::cleaned)
}
