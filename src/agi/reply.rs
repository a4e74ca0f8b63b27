//! Replies: parsed from the bytes of Asterisk, and written for the simulator.

use super::ProtocolError;
use super::text::text;
use std::borrow::Cow;
use std::fmt;

/// The largest reply that is accepted, in bytes. Asterisk has no limit of its own.
pub const MAX_REPLY: usize = 1024 * 1024;

const USAGE_END: &[u8] = b"520 End of proper usage.";

/// Asterisk's reply to one command. The result stays text, since `0012` and `*12` are results too.
///
/// ```
/// use agi_rhai::agi::Reply;
/// let reply = Reply::new(200, "result=1 (a)b(c) endpos=12");
/// assert_eq!((reply.result(), reply.value().unwrap(), reply.number("endpos")), ("1", "a)b(c", Some(12)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200, 510 unknown command, 511 not on a dead channel, 520 wrong syntax, 503 out of memory.
    pub code: u16,
    /// The text after the code, which may have several lines.
    pub text: String,
}

impl Reply {
    /// Returns a reply with this code and text.
    #[must_use]
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Returns the reply `200 result=...`.
    #[must_use]
    pub fn of(result: impl fmt::Display) -> Self {
        Self::new(200, format!("result={result}"))
    }

    /// Adds a value in parentheses.
    #[must_use]
    pub fn with_value(mut self, value: impl fmt::Display) -> Self {
        use fmt::Write;
        let _ = write!(self.text, " ({value})");
        self
    }

    /// Adds ` name=number` at the end.
    #[must_use]
    pub fn with(mut self, name: &str, number: i64) -> Self {
        use fmt::Write;
        let _ = write!(self.text, " {name}={number}");
        self
    }

    /// Returns a 510: Asterisk has no such command.
    #[must_use]
    pub fn unknown() -> Self {
        Self::new(510, "Invalid or unknown command")
    }

    /// Returns a 511: the command isn't permitted after the hangup.
    #[must_use]
    pub fn dead() -> Self {
        Self::new(511, "Command Not Permitted on a dead channel or intercept routine")
    }

    /// Returns a 520: Asterisk cannot parse the arguments.
    #[must_use]
    pub fn usage(usage: &str) -> Self {
        Self::new(520, format!("Invalid command syntax.  Proper usage follows:\n{usage}"))
    }

    /// Returns the text after `result=`, up to the first blank; it may be empty.
    #[must_use]
    pub fn result(&self) -> &str {
        let rest = self.text.strip_prefix("result=").unwrap_or_default();
        rest.split([' ', '\n']).next().unwrap_or_default()
    }

    /// Returns the value between the first and the last parenthesis, since Asterisk escapes nothing.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        let open = self.text.find(" (")? + 2;
        let close = self.text.rfind(')')?;
        self.text.get(open..close)
    }

    /// Returns the word in parentheses right after the result, such as `dtmf` or `timeout`.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        let (_, rest) = self.text.split_once(" (")?;
        rest.split(')').next()
    }

    /// Returns the text after ` name=`, up to the next blank.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find(name) {
            let (before, after) = (&rest[..at], &rest[at + name.len()..]);
            if let Some(value) = after.strip_prefix('=')
                && before.ends_with(' ')
            {
                return value.split(' ').next();
            }
            rest = after;
        }
        None
    }

    /// Returns the number after ` name=`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.field(name)?.parse().ok()
    }
}

/// The reply as Asterisk writes it, without the last line feed.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code == 520 && self.text.contains('\n') {
            write!(f, "520-{}\n{}", self.text, text(USAGE_END))
        } else {
            write!(f, "{} {}", self.code, self.text)
        }
    }
}

/// One message from Asterisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The reply to a command.
    Reply(Reply),
    /// The notice that the caller has hung up.
    Hangup,
    /// 1xx: the reply is still to come.
    Interim,
    /// Any other line: the rest of a value with line breaks, or a forged line.
    Stray(String),
}

/// Splits the bytes from Asterisk into replies and notices, whatever pieces they arrive in.
#[derive(Debug, Default)]
pub struct Framer {
    bytes: Vec<u8>,
    // No byte is searched twice: otherwise the cost of a large reply would be quadratic.
    /// No line ends before this.
    no_line: usize,
    /// No multi-line value ends before this.
    no_value: usize,
    /// Replies may be there before their commands, one after the other.
    is_canned: bool,
}

impl Framer {
    /// Appends received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the buffer to which received bytes are to be appended.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether there is the beginning of a line or reply.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Expects replies before their commands from now on: then a multi-line value ends before the next reply.
    pub fn expect_canned_replies(&mut self) {
        (self.is_canned, self.no_line, self.no_value) = (true, 0, 0);
        if !self.bytes.is_empty() && !self.bytes.ends_with(b"\n") {
            // Nothing more will come, so the last line only lacks its line feed.
            self.bytes.push(b'\n');
        }
    }

    /// Puts a reply back, to be taken next.
    pub(crate) fn put_back(&mut self, reply: &Reply) {
        self.bytes.splice(0..0, format!("{reply}\n").into_bytes());
    }

    /// Whether the next complete line begins a reply.
    pub(crate) fn has_reply(&self) -> bool {
        let line = self.bytes.iter().position(|&b| b == b'\n').map(|end| &self.bytes[..end]);
        line.and_then(code).is_some_and(|(code, _)| code >= 200)
    }

    /// Takes the next complete message.
    ///
    /// # Errors
    /// A reply is larger than [`MAX_REPLY`].
    #[inline]
    pub fn take(&mut self) -> Result<Option<Frame>, ProtocolError> {
        let Some(line) = self.bytes[self.no_line..].iter().position(|&b| b == b'\n') else {
            self.no_line = self.bytes.len();
            return self.unfinished();
        };
        let line = self.no_line + line;
        let Some((code, block)) = code(&self.bytes[..line]) else {
            let frame = match &self.bytes[..line] {
                b"HANGUP" => Frame::Hangup,
                stray => Frame::Stray(text(stray).into_owned()),
            };
            self.consume(line + 1);
            return Ok(Some(frame));
        };
        let end = if block { self.usage_end(line) } else { self.value_end(line) };
        let Some(end) = end else {
            if !block {
                self.no_value = self.bytes.len() - 1;
            }
            return self.unfinished();
        };
        if (100..200).contains(&code) {
            self.consume(end + 1);
            return Ok(Some(Frame::Interim));
        }
        let mut said = text(self.bytes.get(4..end).unwrap_or_default());
        if block && let Some(usage) = said.find(&*text(USAGE_END)) {
            said = Cow::Owned(said[..usage].trim_end().to_owned());
        }
        let reply = Reply { code, text: said.into_owned() };
        self.consume(end + 1);
        Ok(Some(Frame::Reply(reply)))
    }

    fn unfinished(&self) -> Result<Option<Frame>, ProtocolError> {
        if self.bytes.len() > MAX_REPLY {
            return Err(ProtocolError::new(&self.bytes, "a reply of at most one MiB"));
        }
        Ok(None)
    }

    fn consume(&mut self, length: usize) {
        (self.no_line, self.no_value) = (0, 0);
        if length >= self.bytes.len() {
            self.bytes.clear();
            // A held call should not keep a large buffer.
            self.bytes.shrink_to(256);
        } else {
            self.bytes.drain(..length);
        }
    }

    /// Returns the end of the line that closes a `520-` block. Before 13.17, it is glued to the last line of the usage.
    fn usage_end(&mut self, line: usize) -> Option<usize> {
        // No byte is searched twice, since a block may grow to a MiB.
        let from = line.max(self.no_value);
        let Some(at) = self.bytes[from..].windows(USAGE_END.len()).position(|w| w == USAGE_END) else {
            self.no_value = self.bytes.len().saturating_sub(USAGE_END.len());
            return None;
        };
        let at = from + at;
        self.no_value = at;
        Some(at + self.bytes[at..].iter().position(|&b| b == b'\n')?)
    }

    /// Returns the end of a reply that may carry a multi-line value.
    ///
    /// Only one command is in flight at a time, so whatever follows the first line belongs to the value or is a notice:
    /// the value ends at the last line that ends in a parenthesis.
    fn value_end(&self, line: usize) -> Option<usize> {
        let first = &self.bytes[..line];
        let Some(open) = first.iter().position(|&b| b == b' ').and_then(|space| {
            let rest = &first[space + 1..];
            (rest.starts_with(b"result=") && first.starts_with(b"200"))
                .then(|| rest.windows(2).position(|w| w == b" (").map(|at| space + 1 + at + 2))?
        }) else {
            return Some(line);
        };
        let word = first[open..].iter().take_while(|b| b.is_ascii_lowercase()).count();
        if first[open + word..].starts_with(b") endpos=") || first[open + word..].starts_with(b") digit=") {
            return Some(line);
        }
        let mut end = first.ends_with(b")").then_some(line);
        if end.is_none() && !self.bytes[self.no_value.max(line)..].windows(2).any(|w| w == b")\n") {
            return None;
        }
        let mut start = line + 1;
        if self.is_canned {
            let follows = |at: usize| {
                let rest = self.bytes[at..].trim_ascii_start();
                rest.is_empty()
                    || rest.starts_with(b"HANGUP\n")
                    || rest.get(..4).is_some_and(|word| code(word).is_some())
            };
            let mut ends =
                (line..self.bytes.len()).filter(|&at| self.bytes[at] == b'\n' && self.bytes[..at].ends_with(b")"));
            return ends.clone().find(|&at| follows(at)).or_else(|| ends.next_back());
        }
        while let Some(length) = self.bytes.get(start..).and_then(|rest| rest.iter().position(|&b| b == b'\n')) {
            let next = start + length;
            if self.bytes[start..next].ends_with(b")") {
                end = Some(next);
            }
            start = next + 1;
        }
        end
    }
}

/// Returns the code at the start of a line, and whether it opens a block (`520-`).
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let digits = line.get(..3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(line.get(3), None | Some(b' ' | b'-')) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    Some((code, line.get(3) == Some(&b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(chunks: &[&[u8]]) -> Vec<String> {
        let mut framer = Framer::default();
        let mut said = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.take().unwrap() {
                said.push(match frame {
                    Frame::Reply(reply) => format!("{} [{}]", reply.code, reply.text),
                    Frame::Hangup => "HANGUP".to_owned(),
                    Frame::Interim => continue,
                    Frame::Stray(line) => format!("stray [{line}]"),
                });
            }
        }
        if framer.is_unfinished() {
            said.push("unfinished".to_owned());
        }
        said
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(frames(&[text.as_bytes()]), expected, "{text}");
    }

    #[test]
    fn replies_are_kept_as_sent() {
        check("200 result=0\n", &["200 [result=0]"]);
        check("200 result=\n", &["200 [result=]"]);
        check("200 result=0012\n200 result=*1\n", &["200 [result=0012]", "200 [result=*1]"]);
        check("200 result= (timeout)\n", &["200 [result= (timeout)]"]);
        check("510 Invalid or unknown command\n", &["510 [Invalid or unknown command]"]);
        check("511 Command Not Permitted on a dead channel\n", &["511 [Command Not Permitted on a dead channel]"]);
        check("100 result=0 Trying...\n200 result=0 Gosub complete\n", &["200 [result=0 Gosub complete]"]);
        check("200 result=0", &["unfinished"]);
        check("511\n", &["511 []"]);
    }

    #[test]
    fn a_hangup_notice_may_come_anywhere() {
        check("HANGUP\n200 result=0\nHANGUP\n", &["HANGUP", "200 [result=0]", "HANGUP"]);
        check("200 result=1 (HANGUP)\n", &["200 [result=1 (HANGUP)]"]);
        check("200 result=1 (a)\nHANGUP\n", &["200 [result=1 (a)]", "HANGUP"]);
    }

    #[test]
    fn all_forms_of_520_are_read() {
        check(
            "520 Invalid command syntax.  Proper usage not available.\n",
            &["520 [Invalid command syntax.  Proper usage not available.]"],
        );
        check(
            "520-Invalid command syntax.  Proper usage follows:\n Usage (x)\n511 y\n520 End of proper usage.\n200 result=1\n",
            &["520 [Invalid command syntax.  Proper usage follows:\n Usage (x)\n511 y]", "200 [result=1]"],
        );
        check("520-Invalid\nUsage520 End of proper usage.\n", &["520 [Invalid\nUsage]"]);
        let whole = "520-Invalid\n Usage: it\n520 End of proper usage. And so on\n200 result=1\n";
        for one in 0..whole.len() {
            for other in one..whole.len() {
                let (first, rest) = whole.as_bytes().split_at(one);
                let (second, third) = rest.split_at(other - one);
                let expected = ["520 [Invalid\n Usage: it]", "200 [result=1]"];
                assert_eq!(frames(&[first, second, third]), expected, "in pieces of {one} and {other}");
            }
        }
    }

    #[test]
    fn values_may_hold_parentheses_and_line_breaks() {
        check("200 result=1 (a)b(c)\n", &["200 [result=1 (a)b(c)]"]);
        check("200 result=1 ()\n", &["200 [result=1 ()]"]);
        check("200 result=1 (a\nHANGUP\nb)\nHANGUP\n", &["200 [result=1 (a\nHANGUP\nb)]", "HANGUP"]);
        check("200 result=1 (a)\nb)\n", &["200 [result=1 (a)\nb)]"]);
        check("200 result=1 (a\n200 result=0\n)\n", &["200 [result=1 (a\n200 result=0\n)]"]);
        check("200 result=35 (dtmf) endpos=0\n", &["200 [result=35 (dtmf) endpos=0]"]);
        check("rest)\n200 result=0\n", &["stray [rest)]", "200 [result=0]"]);
    }

    #[test]
    fn canned_replies_are_taken_one_by_one() {
        let said = "200 result=1 (a)\n200 result=0\n200 result=1 (b\n(c)\n\nd)\nHANGUP\n511 x\n200 result=1 (e)\n\n200 result=2";
        let mut framer = Framer::default();
        framer.push(said.as_bytes());
        framer.expect_canned_replies();
        let mut replies = Vec::new();
        while let Some(frame) = framer.take().unwrap() {
            if let Frame::Reply(reply) = frame {
                replies.push(reply.to_string());
            }
        }
        let expected = [
            "200 result=1 (a)",
            "200 result=0",
            "200 result=1 (b\n(c)\n\nd)",
            "511 x",
            "200 result=1 (e)",
            "200 result=2",
        ];
        assert_eq!(replies, expected);
    }

    #[test]
    fn a_reply_has_words_and_fields() {
        let reply = Reply::new(200, "result=1 (speech) endpos=5 results=1 score0=900 text0=\"two (2)\" grammar0=n");
        assert_eq!(reply.word(), Some("speech"));
        assert_eq!(reply.number("endpos"), Some(5));
        assert_eq!(reply.field("grammar0"), Some("n"));
        assert_eq!(reply.field("pos"), None);
        assert_eq!(Reply::of(0).with("endpos", 8).to_string(), "200 result=0 endpos=8");
        assert_eq!(Reply::new(200, "result=-1 x").value(), None);
        assert_eq!(Reply::new(200, "result=1 (").value(), None);
    }

    proptest::proptest! {
        #[test]
        fn bytes_may_arrive_in_any_pieces(
            replies in proptest::collection::vec("(200 result=[0-9*#-]{0,3}|51[01] [a-z ]{0,9}|HANGUP)\n", 0..5),
            cut in 0usize..80,
        ) {
            let all = replies.concat().into_bytes();
            let cut = cut.min(all.len());
            proptest::prop_assert_eq!(frames(&[&all[..cut], &all[cut..]]).len(), replies.len());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, tail in "(200 result=|520-|\\(|\\)|\n|HANGUP\n| endpos=){0,12}") {
            let all = [bytes, tail.into_bytes()].concat();
            for frame in frames(&[&all]) {
                let reply = Reply::new(200, frame);
                let _ = (reply.result(), reply.value(), reply.word(), reply.number("endpos"), reply.to_string());
            }
        }

        #[test]
        fn a_reply_written_is_the_reply_read(result in "[0-9*#]{0,4}", value in "[^\u{0}]{0,20}", endpos: i64) {
            for reply in [Reply::of(&result), Reply::of(&result).with_value(&value), Reply::of(&result).with("endpos", endpos), Reply::unknown(), Reply::dead(), Reply::usage("Say it.")] {
                let mut framer = Framer::default();
                framer.push(format!("{reply}\n").as_bytes());
                proptest::prop_assert_eq!(framer.take().unwrap(), Some(Frame::Reply(reply)));
            }
        }
    }
}
