//! The opening block: what Asterisk tells of the call before the first command.

use super::text;
use std::borrow::Cow;
use std::fmt;

/// The largest opening block that is read, in bytes; a real one has about one thousand.
pub const MAX_BLOCK: usize = 256 * 1024;

/// The names Asterisk 22 sends, without the arguments `agi_arg_1` and so on, and what each holds.
pub const NAMES: &[(&str, &str)] = &[
    ("agi_network", "`yes` over FastAGI; not sent otherwise."),
    ("agi_network_script", "What stands behind the host in the URL of FastAGI; not sent otherwise."),
    ("agi_request", "What the dialplan names in `AGI(...)`."),
    ("agi_channel", "The channel's name, such as `PJSIP/alice-00000001`."),
    ("agi_language", "The channel's language, such as `en`."),
    ("agi_type", "The channel's technology, such as `PJSIP`."),
    ("agi_uniqueid", "The channel's unique id, such as `1700000000.12`."),
    ("agi_version", "Asterisk's version."),
    ("agi_callerid", "The caller's number; `unknown` when there is none. `caller()` gives `()` then."),
    ("agi_calleridname", "The caller's name; `unknown` when there is none."),
    ("agi_callingpres", "Whether the number may be shown: a number, 0 for yes."),
    ("agi_callingani2", "The kind of line the call comes from (ANI II): a number."),
    ("agi_callington", "The type of number of the caller: a number."),
    ("agi_callingtns", "The transit network: a number."),
    ("agi_dnid", "The number that was dialled; `unknown` when there is none."),
    ("agi_rdnis", "The number the call was forwarded from; `unknown` when there is none."),
    ("agi_context", "The dialplan's context."),
    ("agi_extension", "The dialplan's extension."),
    ("agi_priority", "The dialplan's priority: a number."),
    ("agi_enhanced", "`1.0` with EAGI, which brings the sound; `0.0` otherwise."),
    ("agi_accountcode", "The channel's account code; often empty."),
    ("agi_threadid", "The number of Asterisk's thread."),
];

/// The environment of a call: the `agi_*` lines Asterisk opened the session with, exactly as sent.
///
/// Values are neither escaped nor filtered by Asterisk. A value that holds line breaks forges lines, so a line without
/// the `agi_` prefix is taken as the rest of the value before it, and of a name sent twice the first value counts.
/// Never trust it for authorisation.
///
/// ```
/// use agi_rhai::agi::Environment;
/// let environment = Environment::parse(b"agi_request: game.agi\nagi_callerid: 1:2\nagi_accountcode: \n\n").unwrap();
/// assert_eq!(environment.get("agi_callerid").unwrap(), "1:2");
/// assert_eq!(environment.get("agi_accountcode").unwrap(), "");
/// assert_eq!(environment.get("agi_dnid"), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    // One text, looked through when asked: a held call keeps no map.
    block: Box<[u8]>,
}

/// Looks for the end of an opening block while it arrives. What has been looked through is not looked through again.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// Where the line begins that is not whole yet.
    line: usize,
    seen: usize,
    versioned: bool,
    threaded: bool,
    likely: Option<usize>,
    /// Whether lines end in CR and LF, as the first one does: Asterisk's do not, those of a file may.
    pub crlf: bool,
}

impl Opening {
    /// Where the block ends, as [`Environment::end`] has it; `bytes` are those of before with more behind them.
    pub fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(length) = bytes[self.seen..].iter().position(|&b| b == b'\n') {
            let line = &bytes[self.line..self.seen + length];
            self.crlf |= self.line == 0 && line.ends_with(b"\r");
            let line = if self.crlf { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
            self.seen += length + 1;
            self.line = self.seen;
            if line.is_empty() {
                if self.threaded || !self.versioned {
                    return Some(self.line);
                }
                self.likely.get_or_insert(self.line);
            }
            if name_of(line).is_some() {
                self.likely = None;
            }
            self.versioned |= line.starts_with(b"agi_version: ");
            self.threaded |= line.starts_with(b"agi_threadid: ");
        }
        self.seen = bytes.len();
        None
    }

    /// Where the block ends if no more of it comes: other switches, and whoever writes one by hand, send no
    /// `agi_threadid`.
    pub fn likely_end(&self) -> Option<usize> {
        self.likely
    }
}

/// Text from Asterisk that is not AGI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The text, shortened.
    pub text: String,
    /// What should have been there; empty where the text tells why nothing came.
    pub expected: &'static str,
}

impl Malformed {
    pub(crate) fn new(bytes: &[u8], expected: &'static str) -> Self {
        let text = text(bytes);
        let mut short: String = text.chars().take(80).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        Self { text: short, expected }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.expected.is_empty() {
            return write!(f, "not AGI: {}", self.text);
        }
        write!(f, "not AGI: got {:?}, expected {}", self.text, self.expected)
    }
}

impl std::error::Error for Malformed {}

impl Environment {
    /// Reads an opening block, with or without the empty line that ends it.
    ///
    /// # Errors
    /// A block that does not begin with an `agi_` line is none, unless it is but an empty line.
    pub fn parse(block: &[u8]) -> Result<Self, Malformed> {
        if block == b"\n" {
            return Ok(Self { block: Box::default() });
        }
        let block = block.strip_suffix(b"\n").unwrap_or(block);
        let block = block.strip_suffix(b"\n").unwrap_or(block);
        let first = block.split(|&b| b == b'\n').next().unwrap_or_default();
        if name_of(first).is_none() {
            return Err(Malformed::new(first, "an environment line such as `agi_request: game.rhai`"));
        }
        Ok(Self { block: block.into() })
    }

    /// Where the opening block at the beginning of `bytes` ends, its empty line included; `None` while it is not whole.
    ///
    /// An empty line between `agi_version` and `agi_threadid`, both of which Asterisk has sent since 1.6, may belong to
    /// a value that holds line breaks: reading goes on.
    #[must_use]
    pub fn end(bytes: &[u8]) -> Option<usize> {
        Opening::default().end(bytes)
    }

    /// The lines as sent, without the empty one that ended them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.block.split(|byte| *byte == b'\n')
    }

    /// The value of a name such as `agi_callerid`; `None` if Asterisk sent no such line.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let name = name.as_bytes();
        let mut rest: &[u8] = &self.block;
        // No line before it needs to be understood.
        while !rest.is_empty() {
            if rest.starts_with(name) && name_of(rest) == Some(name) {
                return items(rest).next().map(|(_, value)| text(value));
            }
            rest = rest.get(line_end(rest, 0) + 1..).unwrap_or_default();
        }
        None
    }

    /// All names and values in the order sent, each name once.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let mut seen: Vec<&[u8]> = Vec::new();
        items(&self.block).filter_map(move |(name, value)| {
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            Some((text(name), text(value)))
        })
    }

    /// The arguments of the dialplan's AGI() after the first: `agi_arg_1` and so on.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        (1..).map_while(|n| self.get(&format!("agi_arg_{n}")).map(Cow::into_owned)).collect()
    }

    /// The longest line this Asterisk takes, in bytes: short unless its version proves otherwise.
    #[must_use]
    pub fn line_limit(&self) -> usize {
        use super::line::{LONG_LINE, SAFE_LINE};
        let version = self.get("agi_version").unwrap_or_default();
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return SAFE_LINE;
        };
        match (major, minor) {
            (20, 16..) | (21, 11..) | (22, 6..) | (23.., _) => LONG_LINE,
            _ => SAFE_LINE,
        }
    }
}

/// Names and values as bytes; a line without the prefix continues the value before it.
fn items(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let mut end = line_end(rest, 0);
            let Some(name) = name_of(&rest[..end]) else {
                rest = rest.get(end + 1..).unwrap_or_default();
                continue;
            };
            while end < rest.len() {
                let next = line_end(rest, end + 1);
                if name_of(&rest[end + 1..next]).is_some() {
                    break;
                }
                end = next;
            }
            let value = &rest[name.len() + 1..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            return Some((name, value.strip_prefix(b" ").unwrap_or(value)));
        }
        None
    })
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |length| from + length)
}

/// The name of a line `name: value`, up to the first colon.
fn name_of(line: &[u8]) -> Option<&[u8]> {
    let word = line.strip_prefix(b"agi_")?;
    let length = word.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))?;
    (word[length] == b':').then_some(&line[..b"agi_".len() + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(block: &[u8], expected: &str) {
        let got = match Environment::parse(block) {
            Ok(environment) => environment.iter().map(|(n, v)| format!("{n}={v}|")).collect(),
            Err(malformed) => malformed.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn values_are_kept_as_sent() {
        check(b"agi_request: x\n\n", "agi_request=x|");
        check(
            b"agi_request: a: b:c\nagi_accountcode: \nagi_dnid:\n\n",
            "agi_request=a: b:c|agi_accountcode=|agi_dnid=|",
        );
        check(b"agi_callerid:  two \n", "agi_callerid= two |");
        check(b"agi_calleridname: caf\xc3\n", "agi_calleridname=caf\u{fffd}|");
    }

    #[test]
    fn forged_lines_are_part_of_the_value_they_came_in() {
        check(b"agi_calleridname: a\nb\n\nc\nagi_dnid: 5\n\n", "agi_calleridname=a\nb\n\nc|agi_dnid=5|");
        check(b"agi_callerid: 1\nagi_callerid: 2\n\n", "agi_callerid=1|");
        let block = b"agi_version: 22\nagi_callerid: x\n\n200 result=1\nagi_threadid: 1\n\n";
        assert_eq!(Environment::end(block), Some(block.len()));
    }

    /// Where a block ends, and where it likely does, whichever pieces it comes in.
    #[track_caller]
    fn check_end(block: &str, end: Option<usize>, likely: Option<usize>) {
        for step in [1, 7, 1000] {
            let mut opening = Opening::default();
            let found = (1..=block.len().div_ceil(step))
                .find_map(|n| opening.end(&block.as_bytes()[..block.len().min(n * step)]));
            assert_eq!((found, opening.likely_end()), (end, likely), "{block:?} in pieces of {step}");
        }
    }

    #[test]
    fn a_block_without_a_thread_likely_ends_at_its_empty_line() {
        check_end("agi_request: x\n\n200 result=1\n", Some(16), None);
        check_end("agi_request: x\r\n\r\n", Some(18), None);
        check_end("\n", Some(1), None);
        check_end("\r\n", Some(2), None);
        check_end("agi_version: 1\n", None, None);
        check_end("agi_version: 1\n\n", None, Some(16));
        check_end("agi_version: 1\r\n\r\n200 result=1\r\n\r\n", None, Some(18));
        check_end("agi_version: 1\n\n200 result=1\nagi_dnid: 5\n", None, None);
        check_end("agi_version: 1\n\n200 result=1\nagi_dnid: 5\n\n\n", None, Some(42));
        check_end("agi_version: 1\n\nx\nagi_threadid: 5\n\n", Some(35), None);
    }

    #[test]
    fn what_is_no_environment_says_so() {
        check(
            b"GET / HTTP/1.1",
            "not AGI: got \"GET / HTTP/1.1\", expected an environment line such as `agi_request: game.rhai`",
        );
        check(b"\n", "");
        check(b"", "not AGI: got \"\", expected an environment line such as `agi_request: game.rhai`");
    }

    #[test]
    fn the_version_decides_how_long_a_line_may_be() {
        for (version, limit) in [
            ("22.10.1+dfsg", 8190),
            ("22.6.0", 8190),
            ("22.5.9", 2046),
            ("20.16.0", 8190),
            ("21.2.0", 2046),
            ("23.0.0", 8190),
            ("certified/20.7-cert5", 2046),
            ("GIT-master", 2046),
            ("18.9", 2046),
            ("", 2046),
        ] {
            let environment = Environment::parse(format!("agi_version: {version}\n\n").as_bytes()).unwrap();
            assert_eq!(environment.line_limit(), limit, "{version}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_block_panics(block: Vec<u8>, name in "agi_[a-z:\n]{0,8}") {
            let _ = Environment::end(&block);
            let mut with_name = name.into_bytes();
            with_name.extend(&block);
            if let Ok(environment) = Environment::parse(&with_name) {
                let _ = (environment.iter().count(), environment.arguments(), environment.line_limit());
            }
        }
    }
}
