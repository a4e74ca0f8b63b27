//! The manager interface (AMI) as text: messages, actions, and the events of AsyncAGI in them.
//!
//! From `main/manager.c` and `res/res_agi.c` of Asterisk 22, and seen on a live 22.10.

use percent_encoding::percent_decode;

/// The longest message that is taken, in bytes. Those of AsyncAGI have some 4 KiB at most.
const MAX_MESSAGE: usize = 64 * 1024;

/// The longest command that an action can hold, in bytes: Asterisk reads lines of 1,024 bytes, with `Command: ` and
/// the line end.
pub(crate) const MAX_COMMAND: usize = 1013;

/// Asterisk reads this much of a reply at a time, in bytes.
const MAX_READ: usize = 1024;
/// What it encodes of that is cut here, in bytes.
const MAX_ENCODED: usize = 2047;
/// The longest encoded byte.
const ENCODED_BYTE: usize = 3;

/// A message of the manager interface: lines of names and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a>(pub &'a [u8]);

impl<'a> Message<'a> {
    /// Returns a value as it was sent. Versions write names differently (`CommandID`, `CommandId`).
    pub fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        self.0.split(|byte| *byte == b'\n').find_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (found, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?;
            found.eq_ignore_ascii_case(name.as_bytes()).then(|| value.strip_prefix(b" ").unwrap_or(value))
        })
    }

    /// Returns a value, if it is UTF-8; nothing if there is none.
    pub fn get(&self, name: &str) -> &'a str {
        self.bytes(name).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// Whether it is the response to an action. Its first line says so.
    pub fn is_response(&self) -> bool {
        self.0.starts_with(b"Response:")
    }

    /// Returns the name of the event that it is; nothing for a response. It is in the first line: most messages are
    /// told apart without a look at the rest.
    pub fn event(&self) -> &'a str {
        let end = self.0.iter().position(|byte| *byte == b'\n').map_or(self.0.len(), |at| at + 1);
        Message(&self.0[..end]).get("Event")
    }

    /// Whether it is a response that something was done.
    pub fn is_success(&self) -> bool {
        // Challenge and Login succeed, Ping pongs, Logoff says goodbye.
        matches!(self.get("Response"), "Success" | "Goodbye" | "Follows")
    }

    /// Returns what happened to a channel in AsyncAGI.
    pub fn async_agi(&self) -> Option<AsyncAgiEvent> {
        // Up to Asterisk 11, one event told of all three.
        match self.event() {
            "AsyncAGIStart" => Some(AsyncAgiEvent::Start),
            "AsyncAGIExec" => Some(AsyncAgiEvent::Exec),
            "AsyncAGIEnd" => Some(AsyncAgiEvent::End),
            "AsyncAGI" => match self.get("SubEvent") {
                "Start" => Some(AsyncAgiEvent::Start),
                "Exec" => Some(AsyncAgiEvent::Exec),
                "End" => Some(AsyncAgiEvent::End),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns what Asterisk has written, an environment or a reply.
    pub fn written(&self, name: &str) -> Written {
        let encoded = self.bytes(name).unwrap_or_default();
        let bytes: Vec<u8> = percent_decode(encoded).collect();
        let lost = encoded.len() + ENCODED_BYTE > MAX_ENCODED && bytes.len() < MAX_READ && !bytes.ends_with(b"\n");
        // Some versions read one byte less.
        let cut = lost || bytes.len() + 1 >= MAX_READ || !bytes.ends_with(b"\n");
        Written { bytes, cut, lost }
    }
}

/// What happened to a channel in AsyncAGI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AsyncAgiEvent {
    /// Its session began.
    Start,
    /// A command was carried out.
    Exec,
    /// Its session ended.
    End,
}

/// What Asterisk has written to AGI, as far as it came in one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// What came.
    pub bytes: Vec<u8>,
    /// Whether more of it may come at the head of what is written next.
    pub cut: bool,
    /// Whether some of it never comes, since it was too long when encoded.
    pub lost: bool,
}

/// Splits what a manager sends into messages.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    /// Where the next message begins.
    from: usize,
    /// Up to where its end was looked for.
    seen: usize,
}

impl Messages {
    /// Returns the buffer to which what arrives is appended.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.from);
        self.seen -= self.from;
        self.from = 0;
        &mut self.bytes
    }

    /// Returns the next message, with the empty line at its end; `None` until it has come whole.
    ///
    /// # Errors
    /// It is too long to be one.
    pub fn take(&mut self) -> Result<Option<Message<'_>>, &'static str> {
        const END: &[u8] = b"\r\n\r\n";
        // An end may have come in two pieces.
        let start = self.seen.saturating_sub(END.len() - 1).max(self.from);
        let Some(at) = self.bytes[start..].windows(END.len()).position(|bytes| bytes == END) else {
            self.seen = self.bytes.len();
            if self.bytes.len() - self.from > MAX_MESSAGE {
                return Err("a message of the manager has no end");
            }
            return Ok(None);
        };
        let (from, to) = (self.from, start + at + END.len());
        (self.from, self.seen) = (to, to);
        Ok(Some(Message(&self.bytes[from..to])))
    }
}

/// Writes an action. Whatever would end a line is left out of its values.
pub(crate) fn action(name: &str, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    let mut line = |name: &str, value: &[u8]| {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend(value.iter().filter(|byte| !matches!(byte, b'\n' | 0)));
        bytes.extend_from_slice(b"\r\n");
    };
    line("Action", name.as_bytes());
    for (name, value) in headers {
        line(name, value);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Writes the action that queues a command of AGI for a channel, under an id by which its reply is known.
pub(crate) fn agi_action(channel: &[u8], id: &str, command: &[u8]) -> Vec<u8> {
    let id = id.as_bytes();
    action("AGI", &[("ActionID", id), ("Channel", channel), ("CommandID", id), ("Command", command)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXEC: &[u8] = b"Event: AsyncAGIExec\r\nPrivilege: agi,all\r\nChannel: Local/1@a:b-1;2\r\n\
        CommandId: x:1\r\nResult: 200%20result%3D1%20(a%25b:c)%0A\r\n\r\n";

    #[test]
    fn messages_are_found_in_any_pieces() {
        let all = [EXEC, b"Response: Success\r\nActionID: 2\r\n\r\n", EXEC].concat();
        for size in 1..all.len() {
            let mut messages = Messages::default();
            let mut found = Vec::new();
            for piece in all.chunks(size) {
                messages.buffer().extend_from_slice(piece);
                while let Some(message) = messages.take().unwrap() {
                    found.push(message.0.to_vec());
                }
            }
            assert_eq!(found.concat(), all, "in pieces of {size}");
            assert_eq!(found.len(), 3);
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut messages = Messages::default();
        messages.buffer().extend(std::iter::repeat_n(b'x', MAX_MESSAGE + 1));
        assert!(messages.take().is_err());
    }

    #[test]
    fn names_are_found_in_any_case_and_values_may_hold_colons() {
        let message = Message(EXEC);
        assert_eq!(message.get("CommandID"), "x:1");
        assert_eq!(message.get("Channel"), "Local/1@a:b-1;2");
        assert_eq!(message.get("Chan"), "", "the beginning of a name is another name");
        assert_eq!(message.async_agi(), Some(AsyncAgiEvent::Exec));
        assert_eq!(message.written("Result").bytes, b"200 result=1 (a%b:c)\n");
        let old = Message(b"Event: AsyncAGI\r\nSubEvent: End\r\n\r\n");
        assert_eq!(old.async_agi(), Some(AsyncAgiEvent::End));
    }

    #[test]
    fn what_was_cut_is_known() {
        let written = |text: &str| {
            let line = format!("Result: {text}\r\n\r\n");
            let Written { cut, lost, .. } = Message(line.as_bytes()).written("Result");
            (cut, lost)
        };
        assert_eq!(written("200%20result%3D0%0A"), (false, false));
        assert_eq!(written(&"a".repeat(1024)), (true, false));
        assert_eq!(written(&format!("{}%0A", "a".repeat(1022))), (true, false), "maybe its end is not the end");
        assert_eq!(written(&"%20".repeat(682)), (true, true));
    }

    #[test]
    fn no_value_brings_another_line() {
        let written = agi_action(b"a\nb", "1", b"NOOP \"\r\nAction: Logoff\"");
        let text = String::from_utf8(written).unwrap();
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines.len(), 7, "{text:?}");
    }
}
