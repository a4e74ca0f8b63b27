//! Replays a recorded call: it answers as Asterisk did then, as long as the script sends what it sent then.

use super::peer::{Ending, Heard, Note, Peer, Transport};
use super::recording::{Asked, During, Event, Line, Tape, reply};
use super::request::{Answer, Failure, Request};
use crate::agi::Reply;
use crate::calendar::TimeZone;
use crate::clock::Time;
use crate::command::{SET_VARIABLE, VERBOSE};
use crate::sync::lock;
use serde_json::Value;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a script may sleep beyond the next recorded event. Time costs nothing here, so a script that sleeps
/// forever would never end.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// A replayed call. Its time is that of the recording.
///
/// The line breaks at the first line that wasn't sent then, since the recording has no reply to it.
#[derive(Debug)]
pub struct Replay {
    tape: Arc<Tape>,
    began: Time,
    now: Time,
    /// The time of the last event.
    last: Time,
    /// The wall clock when the script last asked for it, and the time when it did.
    wall: (Time, Time),
    next: usize,
    redacted: bool,
    in_flight: InFlight,
    /// Why nothing more is heard: the script has departed from the recording, or the recording breaks off.
    over: Option<io::Error>,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InFlight {
    Nothing,
    /// The line was sent then.
    Known,
    /// The line wasn't sent then: the call had ended before, while the script was computing.
    Late,
}

/// How far a recorded call has been replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many events have been replayed.
    pub played: usize,
    /// How the script departs from the recording.
    pub departure: Option<Departure>,
    /// Whether the recording breaks off before the script ends.
    pub broke_off: bool,
}

/// Something that a script does but didn't do then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It sends this line.
    Sends(Vec<u8>),
    /// It asks a service this.
    Asks(Request),
    /// It sleeps for far longer.
    Sleeps,
}

impl Replay {
    /// Creates the replay of a call.
    #[must_use]
    pub fn new(tape: Arc<Tape>) -> Self {
        let began = Time::default() + tape.header.started;
        Self {
            redacted: tape.is_redacted(),
            tape,
            began,
            now: began,
            last: began,
            wall: (began, began),
            next: 0,
            in_flight: InFlight::Nothing,
            over: None,
            progress: Arc::default(),
        }
    }

    /// Returns how far the replay has come, to be watched while it goes on.
    #[must_use]
    pub fn watch(&self) -> Arc<Mutex<Progress>> {
        Arc::clone(&self.progress)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// Returns the next event on the line, and its time. Skips what the script printed and asked for.
    fn upcoming(&self) -> Option<(Time, Event)> {
        let mut lines = self.tape.lines.iter().skip(self.next);
        let line = lines.find(|line| line.event.is_on_the_line())?;
        Some((self.began + line.at, line.event.clone()))
    }

    /// Notes that the next event has happened again, at this time.
    fn play(&mut self, at: Time) {
        self.now = self.now.max(at);
        self.last = self.now;
        let passed_over = |line: &Line| !line.event.is_on_the_line();
        while self.tape.lines.get(self.next).is_some_and(passed_over) {
            self.next += 1;
        }
        self.next += 1;
        self.progress().played = self.next;
    }

    fn depart(&mut self, departure: Departure) -> io::Error {
        // Every event has happened again, up to the line that the script should have sent.
        let mut progress = self.progress();
        progress.played = self.next;
        progress.departure.get_or_insert(departure);
        io::Error::other("the script departs from the recording")
    }

    fn break_off(&mut self) -> io::Error {
        let mut progress = self.progress();
        progress.played = self.next;
        progress.broke_off = true;
        io::Error::other("the recording breaks off")
    }

    /// Notes that the script goes on after the last event.
    fn beyond(&mut self, departure: Departure) -> io::Error {
        if self.tape.ended().is_some() { self.depart(departure) } else { self.break_off() }
    }
}

/// Whether a line that is sent now is the one that was sent then. What the host reports about the version and about a
/// fault contains places in the script, which move; and a redacted recording has other digits.
fn same(then: &[u8], now: &[u8], redacted: bool) -> bool {
    let starts =
        [(&SET_VARIABLE, "\"AGI_RHAI_VERSION\" "), (&SET_VARIABLE, "\"AGI_RHAI_ERROR\" "), (&VERBOSE, "\"agi-rhai: ")];
    let ours = |line: &[u8]| {
        starts.iter().position(|(command, start)| line.starts_with(format!("{} {start}", command.verb).as_bytes()))
    };
    let blind = |line: &[u8]| -> Vec<u8> {
        let mut blind = line.to_vec();
        blind.iter_mut().filter(|byte| byte.is_ascii_digit()).for_each(|byte| *byte = b'0');
        // A number may be longer than it was.
        blind.dedup_by(|next, before| *next == b'0' && *before == b'0');
        blind
    };
    then == now
        || ours(then).is_some_and(|ours_then| ours(now) == Some(ours_then))
        || (redacted && blind(then) == blind(now))
}

/// Whether a request that is made now is the one that was made then. In a redacted recording, all digits and letters of
/// its arguments may be others.
fn same_request(then: &Request, now: &Request, redacted: bool) -> bool {
    let blind = |request: &Request| {
        let mut arguments = request.arguments.clone();
        // What says a number is left out of a redacted prompt.
        for part in arguments.get_mut("prompt").and_then(Value::as_array_mut).into_iter().flatten() {
            part.as_object_mut().and_then(|part| part.remove("files"));
        }
        let mut blind: Vec<u8> = Value::Object(arguments).to_string().into_bytes();
        for byte in &mut blind {
            *byte = match *byte {
                b'0'..=b'9' => b'0',
                other if other.is_ascii_alphabetic() || !other.is_ascii() => b'x',
                other => other,
            };
        }
        // A number or a text may be longer than it was.
        blind.dedup_by(|next, before| next == before && matches!(*next, b'0' | b'x'));
        blind
    };
    then == now || redacted && then.function == now.function && then.service == now.service && blind(then) == blind(now)
}

impl Transport for Replay {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.tape.environment())
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: self.tape.header.dead_mode }
    }

    fn now(&self) -> Time {
        self.now
    }

    fn time_zone(&self) -> TimeZone {
        let named = self.tape.header.time_zone.as_deref().and_then(TimeZone::named);
        named.unwrap_or_else(TimeZone::system)
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let departure = || Departure::Sends(line.to_vec());
        match self.upcoming() {
            Some((at, Event::Sent(then))) if same(&then.0, line, self.redacted) => {
                self.play(at);
                self.in_flight = InFlight::Known;
                Ok(())
            }
            // Computing takes no time here, so the end is noticed only now.
            Some((
                _,
                Event::Hangup(During::Computing)
                | Event::Stop(During::Computing)
                | Event::Closed(During::Computing)
                | Event::Broken(_),
            )) => {
                self.in_flight = InFlight::Late;
                Ok(())
            }
            None => Err(self.beyond(departure())),
            Some(_) => Err(self.depart(departure())),
        }
    }

    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        let never = || Some((MAX_SLEEP, Err(Failure::unavailable("the recording has no answer"))));
        match self.upcoming() {
            Some((at, Event::Request(then))) if same_request(&then, request, self.redacted) => {
                self.play(at);
                // The caller may hang up meanwhile, and `on_hangup` go on asking.
                let next = self.tape.lines[self.next..].iter();
                let next = next.take_while(|line| !matches!(line.event, Event::Sent(_) | Event::Request(_)));
                let mut answers = next.filter_map(|line| match &line.event {
                    Event::Answer(answered) => Some((self.began + line.at - self.now, answered.answer())),
                    _ => None,
                });
                answers.next().or_else(never)
            }
            // Computing takes no time here, so the end is noticed only now.
            Some((
                _,
                Event::Hangup(During::Computing)
                | Event::Stop(During::Computing)
                | Event::Closed(During::Computing)
                | Event::Broken(_),
            )) => never(),
            upcoming => {
                let departure = Departure::Asks(request.clone());
                self.over = Some(if upcoming.is_none() { self.beyond(departure) } else { self.depart(departure) });
                never()
            }
        }
    }

    fn note(&mut self, note: Note<'_>) {
        if let Note::Answered(_) = note
            && let Some((at, Event::Answer(_))) = self.upcoming()
        {
            self.play(at);
        }
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        if let Some(over) = self.over.take() {
            return Err(over);
        }
        let upcoming = self.upcoming();
        // Whether an event is due now.
        let due = |at: Time, during: During| {
            self.in_flight != InFlight::Nothing || at <= until || during == During::Computing
        };
        match upcoming {
            Some((at, Event::Heard(heard))) if self.in_flight != InFlight::Late => {
                self.play(at);
                self.in_flight = InFlight::Nothing;
                let reply = reply(&heard);
                reply.map(Heard::Reply).ok_or_else(|| io::Error::other(format!("not a reply: {heard}")))
            }
            Some((at, Event::Hangup(during))) if due(at, during) => {
                self.play(at);
                Ok(Heard::Hangup)
            }
            Some((at, Event::Stop(during))) if due(at, during) => {
                self.play(at);
                Ok(Heard::Stop)
            }
            Some((at, Event::Closed(during))) if due(at, during) => {
                self.play(at);
                Ok(Heard::Closed)
            }
            Some((at, Event::Broken(why))) if due(at, During::Sleeping) => {
                self.play(at);
                Err(io::Error::other(why))
            }
            _ if self.in_flight == InFlight::Late => {
                self.in_flight = InFlight::Nothing;
                Ok(Heard::Reply(Reply::dead()))
            }
            // The reply never came, or the file ends before it.
            None if self.in_flight == InFlight::Known => Err(self.break_off()),
            _ if self.in_flight == InFlight::Known && until == Time::NEVER => Ok(Heard::Closed),
            upcoming => {
                let next = upcoming.map_or(self.last, |(at, _)| at.max(self.last));
                if until > next + MAX_SLEEP {
                    return Err(self.beyond(Departure::Sleeps));
                }
                self.now = self.now.max(until);
                Ok(Heard::Silence)
            }
        }
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }

    fn wall(&self) -> Time {
        let (shown, then) = self.wall;
        shown + (self.now - then)
    }

    fn script_wall(&mut self) -> Time {
        self.script_now();
        self.wall()
    }

    fn script_now(&mut self) -> Time {
        // The next time that was asked for, unless something else happened before.
        let mut at = self.next;
        while let Some(line) = self.tape.lines.get(at) {
            match line.event {
                Event::Printed(_) | Event::Secret(_) => at += 1,
                Event::Asked(asked) => {
                    self.now = self.now.max(self.began + line.at);
                    if let Asked::Clock(shown) = asked {
                        self.wall = (Time::default() + shown, self.now);
                    }
                    self.next = at + 1;
                    break;
                }
                _ => break,
            }
        }
        self.now
    }
}
