//! The opening block: the facts about the call that Asterisk sends before the first command.

use super::manager::MAX_COMMAND;
use super::text::text;
use std::borrow::Cow;
use std::fmt;

/// The largest opening block that is accepted, in bytes. A real one has about one thousand.
pub const MAX_BLOCK: usize = 256 * 1024;

/// The names that Asterisk 22 sends and their meanings, without the arguments `agi_arg_1` and so on.
pub const NAMES: &[(&str, &str)] = &[
    ("agi_network", "`yes` over FastAGI; not sent otherwise."),
    ("agi_network_script", "The part of the FastAGI URL after the host; not sent otherwise."),
    ("agi_request", "The script or URL that the dialplan names in `AGI(...)`."),
    ("agi_channel", "The name of the channel, such as `PJSIP/alice-00000001`."),
    ("agi_language", "The language of the channel, such as `en`."),
    ("agi_type", "The technology of the channel, such as `PJSIP`."),
    ("agi_uniqueid", "The unique ID of the channel, such as `1700000000.12`."),
    ("agi_version", "The version of Asterisk."),
    ("agi_callerid", "The caller's number; `unknown` if there is none, where `caller()` returns `()`."),
    ("agi_calleridname", "The caller's name; `unknown` if there is none."),
    ("agi_callingpres", "Whether the number may be shown: a number, 0 for yes."),
    ("agi_callingani2", "The kind of line the call comes from (ANI II): a number."),
    ("agi_callington", "The type of number of the caller: a number."),
    ("agi_callingtns", "The transit network: a number."),
    ("agi_dnid", "The dialled number; `unknown` if there is none."),
    ("agi_rdnis", "The number from which the call was forwarded; `unknown` if there is none."),
    ("agi_context", "The context in the dialplan."),
    ("agi_extension", "The extension in the dialplan."),
    ("agi_priority", "The priority in the dialplan: a number."),
    ("agi_enhanced", "`1.0` with EAGI, which provides the audio; `0.0` otherwise."),
    ("agi_accountcode", "The account code of the channel; often empty."),
    ("agi_threadid", "The ID of Asterisk's thread."),
];

/// The environment of a call: the `agi_*` lines with which Asterisk opened the session, exactly as sent.
///
/// Asterisk neither escapes nor filters values, so a line break in a value can forge a line. Therefore a line without
/// the `agi_` prefix continues the value before it, and if a name is sent twice, the first value counts. Never trust
/// the environment for authorisation.
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
    // One text that is searched on demand, since a held call should not keep a map.
    block: Box<[u8]>,
}

/// Finds the end of an opening block while it arrives, looking at every byte only once.
#[derive(Debug, Default)]
pub(crate) struct BlockScanner {
    /// Where the incomplete line begins.
    line: usize,
    seen: usize,
    has_version: bool,
    has_thread: bool,
    likely: Option<usize>,
    /// Whether lines end in CR and LF, as the first one does: Asterisk's don't, those of a file may.
    pub crlf: bool,
}

impl BlockScanner {
    /// Returns the end of the block, as [`Environment::end`] does. `bytes` begins with those of the previous call.
    pub fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(length) = bytes[self.seen..].iter().position(|&b| b == b'\n') {
            let line = &bytes[self.line..self.seen + length];
            self.crlf |= self.line == 0 && line.ends_with(b"\r");
            let line = if self.crlf { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
            self.seen += length + 1;
            self.line = self.seen;
            if line.is_empty() {
                if self.has_thread || !self.has_version {
                    return Some(self.line);
                }
                self.likely.get_or_insert(self.line);
            }
            if name_of(line).is_some() {
                self.likely = None;
            }
            self.has_version |= line.starts_with(b"agi_version: ");
            self.has_thread |= line.starts_with(b"agi_threadid: ");
        }
        self.seen = bytes.len();
        None
    }

    /// Returns the end of the block in case no more of it arrives: other PBXs don't send `agi_threadid`, and neither
    /// do people who write a block by hand.
    pub fn likely_end(&self) -> Option<usize> {
        self.likely
    }
}

/// Received text that isn't AGI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// The text, shortened.
    pub text: String,
    /// The text that was expected.
    pub expected: &'static str,
}

impl ProtocolError {
    pub(crate) fn new(bytes: &[u8], expected: &'static str) -> Self {
        let text = text(bytes);
        let mut short: String = text.chars().take(80).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        Self { text: short, expected }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not AGI: got {:?}, expected {}", self.text, self.expected)
    }
}

impl std::error::Error for ProtocolError {}

impl Environment {
    /// Parses an opening block, with or without the empty line at its end.
    ///
    /// # Errors
    /// The block is neither a single empty line, nor does it begin with an `agi_` line.
    pub fn parse(block: &[u8]) -> Result<Self, ProtocolError> {
        if block == b"\n" {
            return Ok(Self { block: Box::default() });
        }
        let block = block.strip_suffix(b"\n").unwrap_or(block);
        let block = block.strip_suffix(b"\n").unwrap_or(block);
        let first = block.split(|&b| b == b'\n').next().unwrap_or_default();
        if name_of(first).is_none() {
            return Err(ProtocolError::new(first, "an environment line such as `agi_request: game.rhai`"));
        }
        Ok(Self { block: block.into() })
    }

    /// Returns the end of the opening block at the start of `bytes`, including its empty line; `None` while it is
    /// incomplete.
    ///
    /// An empty line between `agi_version` and `agi_threadid`, both of which Asterisk has sent since 1.6, may belong to
    /// a value with line breaks, so the block goes on.
    #[must_use]
    pub fn end(bytes: &[u8]) -> Option<usize> {
        BlockScanner::default().end(bytes)
    }

    /// Returns the lines as sent, without the empty one at the end.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.block.split(|byte| *byte == b'\n')
    }

    /// Returns the value of a name such as `agi_callerid`; `None` if Asterisk didn't send it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let name = name.as_bytes();
        let mut rest: &[u8] = &self.block;
        // The lines before the one in question need not be parsed.
        while !rest.is_empty() {
            if rest.starts_with(name) && name_of(rest) == Some(name) {
                return items(rest).next().map(|(_, value)| text(value));
            }
            rest = rest.get(line_end(rest, 0) + 1..).unwrap_or_default();
        }
        None
    }

    /// Returns all names and values in the order they were sent, each name once.
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

    /// Returns the arguments of `AGI()` in the dialplan after the first: `agi_arg_1` and so on.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        (1..).map_while(|n| self.get(&format!("agi_arg_{n}")).map(Cow::into_owned)).collect()
    }

    /// Whether this is AsyncAGI, over the manager interface.
    pub(crate) fn is_async(&self) -> bool {
        self.get("agi_request").is_some_and(|request| request == "async")
    }

    /// Returns the longest line this Asterisk accepts, in bytes: 2046, unless its version is known to accept 8190. Over
    /// AsyncAGI it is 1013.
    #[must_use]
    pub fn line_limit(&self) -> usize {
        use super::line::{LONG_LINE, SAFE_LINE};
        if self.is_async() {
            return MAX_COMMAND;
        }
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

/// Returns names and values as bytes. A line without the prefix continues the value before it.
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

/// Returns the name of a line `name: value`, up to the first colon.
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
            Err(error) => error.to_string(),
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
    fn forged_lines_belong_to_the_value_before_them() {
        check(b"agi_calleridname: a\nb\n\nc\nagi_dnid: 5\n\n", "agi_calleridname=a\nb\n\nc|agi_dnid=5|");
        check(b"agi_callerid: 1\nagi_callerid: 2\n\n", "agi_callerid=1|");
        let block = b"agi_version: 22\nagi_callerid: x\n\n200 result=1\nagi_threadid: 1\n\n";
        assert_eq!(Environment::end(block), Some(block.len()));
    }

    /// Compares the end and the likely end of a block, whatever pieces it arrives in.
    #[track_caller]
    fn check_end(block: &str, end: Option<usize>, likely: Option<usize>) {
        for step in [1, 7, 1000] {
            let mut scanner = BlockScanner::default();
            let found = (1..=block.len().div_ceil(step))
                .find_map(|n| scanner.end(&block.as_bytes()[..block.len().min(n * step)]));
            assert_eq!((found, scanner.likely_end()), (end, likely), "{block:?} in pieces of {step}");
        }
    }

    #[test]
    fn a_block_without_a_thread_id_likely_ends_at_its_empty_line() {
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
    fn text_that_is_not_an_environment_is_reported() {
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
