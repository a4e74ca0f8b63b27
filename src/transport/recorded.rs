//! A transport whose dialogue is recorded.

use super::peer::{Ending, Heard, Note, Peer, Transport};
use super::recording::{Answered, Asked, Bytes, During, Event, Header, Line, Printed, written};
use super::redaction::Redaction;
use crate::clock::Time;
use crate::command::Table;
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;
use tracing::warn;

/// How many times in a row, without another event in between, the time that a script asked for is recorded. A script
/// that does nothing but ask must not fill the disk.
const MAX_ASKED: u32 = 64;

/// How many events are kept of a call whose file can be written only when the call has ended.
const MAX_KEPT: usize = 50_000;

/// How many digits are kept that the caller of such a call has said.
const MAX_MEANT: usize = 1000;

/// How many bytes that went to services and came from them are kept of such a call.
const MAX_KEPT_BYTES: usize = 4 << 20;

/// Records what goes over the line of another transport.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Recorded {
    inner: Box<dyn Transport>,
    out: Box<dyn Write + Send>,
    began: Time,
    in_flight: bool,
    commands: Table,
    asked: u32,
    /// A call to be redacted. That is possible only when it has ended.
    kept: Option<(Header, Vec<Line>)>,
    /// How many bytes those events have that went to services and came from them.
    kept_bytes: usize,
    /// Whether there were more events than can be kept.
    is_full: bool,
    /// The digits that the caller has said in such a call.
    meant: Vec<String>,
    /// Redacts secrets, once there is one.
    secrets: Option<Redaction>,
    is_secret: bool,
    /// Whether what goes over the line belongs to what a service is asked, which is recorded in its stead.
    is_aside: bool,
    scratch: Vec<u8>,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("began", &self.began).finish_non_exhaustive()
    }
}

impl Recorded {
    /// Writes what goes over this line to `out`, one line at a time. If the header says `redacted`, everything is
    /// written at the end, without what the caller entered. Whatever can't be written is lost: a call never fails
    /// because of its recording.
    pub fn new(
        inner: Box<dyn Transport>,
        began: Time,
        header: Header,
        commands: Table,
        out: Box<dyn Write + Send>,
    ) -> Self {
        let mut recording = Self {
            inner,
            out,
            began,
            in_flight: false,
            commands,
            asked: 0,
            kept: None,
            kept_bytes: 0,
            is_full: false,
            meant: Vec::new(),
            secrets: None,
            is_secret: false,
            is_aside: false,
            scratch: Vec::new(),
        };
        if header.redacted {
            recording.kept = Some((header, Vec::new()));
        } else {
            recording.write(&header);
        }
        recording
    }

    fn write(&mut self, line: &impl Serialize) {
        self.scratch.clear();
        if serde_json::to_writer(&mut self.scratch, line).is_ok() {
            self.scratch.push(b'\n');
            let _ = self.out.write_all(&self.scratch);
        }
    }

    fn event(&mut self, event: Event) {
        self.asked = 0;
        self.event_at(self.now(), event);
    }

    fn event_at(&mut self, now: Time, mut event: Event) {
        if let Some(secrets) = &mut self.secrets {
            secrets.hide(&mut event, self.is_secret);
        }
        let line = Line { at: now - self.began, event };
        match &mut self.kept {
            None => self.write(&line),
            Some((_, lines)) => {
                if matches!(line.event, Event::Request(_) | Event::Answer(_)) {
                    self.kept_bytes += serde_json::to_vec(&line.event).map_or(0, |text| text.len());
                }
                if lines.len() < MAX_KEPT && self.kept_bytes <= MAX_KEPT_BYTES {
                    lines.push(line);
                } else if !std::mem::replace(&mut self.is_full, true) {
                    warn!(
                        "a recording breaks off: a call that is redacted is kept for {MAX_KEPT} events at most, and for \
                         {} MiB of answers of services",
                        MAX_KEPT_BYTES >> 20
                    );
                }
            }
        }
    }

    fn keep_asked(&mut self, now: Time, asked: Asked) {
        self.asked += 1;
        if self.asked <= MAX_ASKED {
            self.event_at(now, Event::Asked(asked));
        }
    }

    /// Writes what was kept until the end.
    fn close(&mut self) {
        if let Some((mut header, mut lines)) = self.kept.take() {
            Redaction::apply(&self.commands, &mut header, &mut lines, &self.meant);
            self.write(&header);
            for line in &lines {
                self.write(line);
            }
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.close();
    }
}

impl Transport for Recorded {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.inner.open()
    }

    fn peer(&self) -> Peer {
        self.inner.peer()
    }

    fn now(&self) -> Time {
        written(self.inner.now())
    }

    fn wall(&self) -> Time {
        written(self.inner.wall())
    }

    fn inner(&self) -> Option<&dyn Transport> {
        Some(&*self.inner)
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Transport> {
        Some(&mut *self.inner)
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.is_aside {
            self.event(Event::Sent(Bytes(line.to_vec())));
        }
        let sent = self.inner.send(line);
        self.in_flight = sent.is_ok() && !self.is_aside;
        match &sent {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.event(Event::Closed(if self.is_aside { During::Sleeping } else { During::Command }));
            }
            Err(error) => self.event(Event::Broken(error.to_string())),
            Ok(()) => {}
        }
        sent
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        let during = match () {
            () if self.in_flight => During::Command,
            () if until <= self.now() => During::Computing,
            () => During::Sleeping,
        };
        // A rounded time might seem not to have come yet.
        let rounded = written(until);
        let until = if rounded == until || until == Time::NEVER { until } else { rounded + Duration::from_micros(1) };
        let heard = self.inner.receive(until);
        match &heard {
            Ok(Heard::Silence | Heard::Wakeup) => {}
            Ok(Heard::Reply(_)) if self.is_aside => {}
            Ok(Heard::Reply(reply)) => {
                self.in_flight = false;
                self.event(Event::Heard(format!("{} {}", reply.code, reply.text)));
            }
            Ok(Heard::Hangup) => self.event(Event::Hangup(during)),
            Ok(Heard::Stop) => self.event(Event::Stop(during)),
            Ok(Heard::Closed) => self.event(Event::Closed(during)),
            Err(error) => self.event(Event::Broken(error.to_string())),
        }
        heard
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        self.inner.leave(ending)
    }

    fn script_now(&mut self) -> Time {
        let now = self.now();
        self.keep_asked(now, Asked::Time);
        now
    }

    fn script_wall(&mut self) -> Time {
        let wall = self.wall();
        self.keep_asked(self.now(), Asked::Clock(wall.since_epoch()));
        wall
    }

    fn note(&mut self, note: Note<'_>) {
        match note {
            Note::Printed { script, line, text } => {
                self.event(Event::Printed(Printed { text: text.to_owned(), script: script.to_owned(), line }));
            }
            Note::Secret(secret) => {
                // A redacted call is redacted from its beginning.
                if self.kept.is_none() {
                    self.secrets.get_or_insert_with(|| Redaction::of_secrets(self.commands.clone()));
                    self.is_secret = secret;
                }
                self.event(Event::Secret(secret));
            }
            Note::Aside(aside) => self.is_aside = aside,
            Note::Asks(request) => self.event(Event::Request(request.clone())),
            Note::Answered(answer) => self.event(Event::Answer(Answered::of(answer))),
            Note::Meant(digits) => match (&mut self.secrets, self.is_secret) {
                (Some(secrets), true) => secrets.know_digits(digits),
                _ if self.kept.is_some() && self.meant.len() < MAX_MEANT => self.meant.push(digits.to_owned()),
                _ => {}
            },
            Note::Ended(ended) => {
                self.event(Event::Ended(ended.clone()));
                self.close();
            }
        }
        self.inner.note(note);
    }
}
