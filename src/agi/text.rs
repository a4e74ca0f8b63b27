//! Bytes from Asterisk as text.

use std::borrow::Cow;

/// Converts bytes from Asterisk to text. The protocol names no charset; what isn't UTF-8 becomes U+FFFD.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
