//! How the sound of a real call comes to us.

use crate::clock::Time;
use crate::command::{
    ANSWER, AUDIO_SOCKET, Command, GET_VARIABLE, RECORD_FILE, SAY_ALPHA, SAY_DATETIME, SAY_DIGITS, SAY_NUMBER,
    SAY_PHONETIC, STREAM_FILE, Value, WAIT_FOR_DIGIT,
};
use crate::service::{Listening, Overhearing, Recording, Services};
use crate::session::{Error, Session};
use crate::transport::{Answer, AudioFormat, Failure, FailureKind, Request};
use serde_json::{Value as Json, json};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

/// How long an answer may take once Asterisk goes on: the connection has ended then.
const PATIENCE: Duration = Duration::from_secs(2);
/// How `EXEC` says that there is no such application.
const NO_APPLICATION: &str = "-2";
/// The variable by which the dialplan chooses the format of the sound of EAGI.
const AUDIO_FORMAT: &str = "EAGI_AUDIO_FORMAT";
/// How long to wait for a key at a time, in milliseconds.
const KEY_WAIT: i64 = 60_000;

/// The road on which the sound of a call comes.
#[derive(Debug, Default)]
pub(super) struct Road {
    /// Whether the channel was answered on behalf of this.
    has_answered: AtomicBool,
    /// Whether AudioSocket didn't work in this call.
    lacks_audio_socket: AtomicBool,
    /// Whether the sound of EAGI has the format that is needed.
    has_format: AtomicBool,
}

/// Where a road led to.
enum Led {
    /// To an answer, unless it hasn't come in time.
    To(Option<Answer>),
    /// Nowhere, for this reason.
    Nowhere(String),
}

impl Road {
    /// Plays a prompt and listens, on the line of a real call. Returns `None` if there is no answer by this time.
    ///
    /// # Errors
    /// The call has ended, or Asterisk refuses a command.
    pub fn hear(
        &self,
        session: &mut Session,
        services: &Services,
        request: &Request,
        until: Time,
    ) -> Result<Option<Answer>, Error> {
        // A channel that isn't answered has no sound.
        if !self.has_answered.load(Relaxed) {
            session.invoke_aside(&ANSWER, &[], None)?;
            self.has_answered.store(true, Relaxed);
        }
        let mut reasons = Vec::new();
        for road in [Self::by_audio_socket, Self::by_eagi] {
            match road(self, session, services, request, until)? {
                Led::To(answer) => return Ok(answer),
                Led::Nowhere(why) => reasons.push(why),
            }
        }
        match by_recordings(session, services, request, until)? {
            Led::To(answer) => return Ok(answer),
            Led::Nowhere(why) => reasons.push(why),
        }
        let reasons = reasons.join("; ");
        Ok(Some(Err(Failure::argument(format!("the sound of the call doesn't come here: {reasons}")))))
    }

    /// Has Asterisk connect to us.
    fn by_audio_socket(
        &self,
        session: &mut Session,
        services: &Services,
        request: &Request,
        until: Time,
    ) -> Result<Led, Error> {
        let remote = session.remote();
        let none = || Led::Nowhere("Asterisk has no AudioSocket (its module is app_audiosocket.so)".to_owned());
        if self.lacks_audio_socket.load(Relaxed) || services.lacks_audio_socket(remote) {
            return Ok(none());
        }
        let preparing = Box::pin(services.listen(request.clone(), remote));
        let Listening { arguments, mut answer, connecting } = match session.wait_for(preparing, until)? {
            Some(Ok(listening)) => listening,
            Some(Err(Err(failure))) if failure.kind == FailureKind::Unavailable => {
                return Ok(Led::Nowhere(failure.message));
            }
            Some(Err(answer)) => return Ok(Led::To(Some(answer))),
            None => return Ok(Led::To(None)),
        };
        let end = answer.ender();
        match session.invoke_aside(&AUDIO_SOCKET, &[Value::from(arguments.as_str())], end) {
            Ok(_) => {}
            Err(Error::Refused(refusal)) if refusal.result.as_deref() == Some(NO_APPLICATION) => {
                self.lacks_audio_socket.store(true, Relaxed);
                services.note_no_audio_socket(remote);
                return Ok(none());
            }
            Err(error) => return Err(error),
        }
        if !connecting.is_closed() {
            self.lacks_audio_socket.store(true, Relaxed);
            let (_, address) = arguments.split_once(',').unwrap_or_default();
            return Ok(Led::Nowhere(format!("Asterisk can't connect to {address} to send the sound of the call")));
        }
        let patience = session.now() + PATIENCE;
        let answer = session.wait_for(&mut answer, patience.min(until))?;
        Ok(Led::To(Some(answer.unwrap_or_else(|| Err(Failure::unavailable("the sound of the call has ended"))))))
    }

    /// Hears the descriptor that Asterisk passes to a process, while it plays the prompt.
    fn by_eagi(&self, session: &mut Session, services: &Services, request: &Request, _: Time) -> Result<Led, Error> {
        let Some((audio, signal)) = session.audio().zip(session.signal()) else {
            return Ok(Led::Nowhere("the call didn't come by EAGI".to_owned()));
        };
        if !self.has_format.load(Relaxed) {
            let format = session.invoke_aside(&GET_VARIABLE, &[Value::from(AUDIO_FORMAT)], None)?;
            let name = if let Value::Text(name) = &format { name } else { "" };
            if AudioFormat::named(name) != AudioFormat::Linear(8000) {
                return Ok(Led::Nowhere(format!("{AUDIO_FORMAT} is `{name}`, and has to be left out or `slin`")));
            }
            self.has_format.store(true, Relaxed);
        }
        let overhearing = services.overhear(request, audio.listen(), signal.clone());
        let Overhearing { mut answer, prompt_ends } = match overhearing {
            Ok(overhearing) => overhearing,
            Err(failure) => return Ok(Led::To(Some(Err(failure)))),
        };
        let keys = request.text("keys");
        let barge_in = request.argument("barge_in").as_bool().unwrap_or(true);
        for part in request.argument("prompt").as_array().into_iter().flatten() {
            let Some((command, args)) = played(part, if barge_in { keys } else { "" }) else { continue };
            match session.invoke_aside_until(command, &args, &signal)? {
                Some(Value::Text(key)) if !key.is_empty() => return Ok(Led::of_key(&key)),
                _ => {}
            }
            if signal.is_raised() {
                break;
            }
        }
        let _ = prompt_ends.send(());
        loop {
            // Before the look at the answer, so that it is raised for one that comes after it.
            signal.lower();
            let now = session.now();
            if let Some(answer) = session.wait_for(&mut answer, now)? {
                return Ok(Led::To(Some(answer)));
            }
            match session.invoke_aside_until(&WAIT_FOR_DIGIT, &[Value::Int(KEY_WAIT)], &signal)? {
                Some(Value::Text(key)) if !key.is_empty() && keys.contains(&key) => return Ok(Led::of_key(&key)),
                _ => {}
            }
        }
    }
}

/// Has Asterisk record what the caller says, piece by piece, and listens to the files. Nothing stops a prompt but
/// keys.
fn by_recordings(session: &mut Session, services: &Services, request: &Request, until: Time) -> Result<Led, Error> {
    if !services.takes_recordings(session.remote()) {
        return Ok(Led::Nowhere("there is no folder that Asterisk shares for recordings".to_owned()));
    }
    let parts = request.argument("prompt").as_array().map_or(0, Vec::len);
    if parts > 0 {
        return Ok(Led::To(Some(Ok(json!({ "play": parts })))));
    }
    let recording = match session.wait_for(Box::pin(services.hear_recordings(request)), until)? {
        Some(Ok(recording)) => recording,
        Some(Err(failure)) if failure.kind == FailureKind::Unavailable => return Ok(Led::Nowhere(failure.message)),
        Some(Err(failure)) => return Ok(Led::To(Some(Err(failure)))),
        None => return Ok(Led::To(None)),
    };
    let Recording { recordings, mut answer, pieces, mut more } = recording;
    let seconds = |name: &str| request.argument(name).as_f64().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "nobody listens for longer")]
    let (silence, length) =
        (seconds("silence").ceil().max(1.0) as i64, ((seconds("first") + seconds("max")) * 1000.0) as i64);
    loop {
        let piece = recordings.piece();
        let args = [
            Value::Text(piece.name()),
            Value::from("wav"),
            Value::from(request.text("keys")),
            Value::Int(length.max(1000)),
            Value::map([("silence", Value::Int(silence))]),
        ];
        let recorded = match session.invoke_aside(&RECORD_FILE, &args, None) {
            Ok(Value::Map(recorded)) => recorded,
            Err(Error::Refused(refusal)) => return Ok(Led::Nowhere(refusal.message)),
            Ok(_) => Vec::new(),
            Err(error) => return Err(error),
        };
        let key = recorded.iter().find_map(|(name, value)| match value {
            Value::Text(key) if name == "digit" && !key.is_empty() => Some(key),
            _ => None,
        });
        if let Some(key) = key {
            return Ok(Led::of_key(key));
        }
        // Nobody takes it any more if there is an answer.
        let _ = pieces.send(piece);
        let next = poll_fn(|context| match Pin::new(&mut answer).poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => more.poll_recv(context).map(|_| None),
        });
        match session.wait_for(next, until)? {
            Some(Some(answer)) => return Ok(Led::To(Some(answer))),
            Some(None) => {}
            None => return Ok(Led::To(None)),
        }
    }
}

impl Led {
    /// To a key.
    fn of_key(key: &str) -> Self {
        Self::To(Some(Ok(json!({ "ended_by": "key", "key": key, "seconds": 0.0 }))))
    }
}

/// Returns the command that plays a part of a prompt, which one of these keys ends.
fn played(part: &Json, keys: &str) -> Option<(&'static Command, Vec<Value>)> {
    let text = |name: &str| part.get(name).and_then(Json::as_str).map(Value::from);
    let number = |name: &str| part.get(name).and_then(Json::as_i64).map(Value::Int);
    let rows: [(&'static Command, Option<Value>, &[&str]); 6] = [
        (&STREAM_FILE, text("file"), &[]),
        (&SAY_NUMBER, number("number"), &["gender"]),
        (&SAY_DIGITS, text("digits"), &[]),
        (&SAY_ALPHA, text("spell"), &[]),
        (&SAY_PHONETIC, text("phonetic"), &[]),
        (&SAY_DATETIME, number("date"), &["format", "zone"]),
    ];
    let (command, what, options) = rows.into_iter().find(|(_, what, _)| what.is_some())?;
    let options = options.iter().map_while(|name| text(name));
    Some((command, [what?, Value::from(keys)].into_iter().chain(options).collect()))
}
