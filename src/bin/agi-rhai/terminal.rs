//! Whether to write in colour.

use std::io::IsTerminal;

/// Whether output to this stream is coloured: on a terminal, unless `NO_COLOR` is set to anything.
pub fn shows_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && colour_is_wanted()
}

/// Whether `NO_COLOR` is unset or empty.
pub fn colour_is_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
