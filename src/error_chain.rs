//! [`error_chain`]: an error with all its causes as text.

use std::error::Error;

/// Returns an error and its causes in one line, from the outermost to the innermost, with colons between them.
///
/// The errors of this crate describe their own level only and leave the rest to their [`source`](Error::source), so `{error}` alone prints
/// only half of what is known.
///
/// ```
/// use voicemail::error_chain;
/// use voicemail::directory::DirectoryError;
///
/// let error = DirectoryError::Unavailable("connection refused".into());
/// assert_eq!(error_chain(&error), "the directory is unavailable: connection refused");
/// ```
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
