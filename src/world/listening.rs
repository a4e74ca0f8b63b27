//! What callers say.

use super::asking::answer;
#[cfg(feature = "speech")]
use crate::clock::Time;
#[cfg(feature = "speech")]
use crate::command::{ANSWER, AUDIO_SOCKET, Value};
use crate::script::Call;
use crate::script::rhai::EvalAltResult;
#[cfg(feature = "speech")]
use crate::service::{Listening, Services};
#[cfg(feature = "speech")]
use crate::session::{Error, Session};
#[cfg(feature = "speech")]
use crate::transport::Failure;
use crate::transport::{Answer, Request};
#[cfg(feature = "speech")]
use std::sync::atomic::AtomicBool;
#[cfg(feature = "speech")]
use std::sync::atomic::Ordering::Relaxed;
#[cfg(feature = "speech")]
use std::time::Duration;

/// How long an answer may take once Asterisk has been told to go on.
#[cfg(feature = "speech")]
const PATIENCE: Duration = Duration::from_secs(2);

/// Plays a prompt and listens to the caller, as the request says.
///
/// Its arguments:
///
/// * `prompt`: an array of what to play: `{"file": NAME}` as STREAM FILE takes it, `{"number": 3, "gender": "f"}`,
///   `{"digits": "12"}`, `{"spell": ..}`, `{"phonetic": ..}` or `{"date": .., "format": .., "zone": ..}`; those other than
///   files have `files`, the sound files that say them, where that is known;
/// * `barge_in`: whether speech and keys stop the prompt;
/// * `language`: that of the channel;
/// * `words`, `repeat`: what the caller may say: see `Expected` in the folder of the services;
/// * `first`, `silence`, `max`: seconds to wait for the beginning of speech from the end of the prompt, of silence that
///   ends it, and how long it may be;
/// * `keys`: the keys that end it.
///
/// The answer is a map with `ended_by` (`speech`, `none`, `key` or `max`), `text` and `confidence` (of `speech` and
/// `max`), `key`, and `seconds`, the length of the speech. Or it is `{"play": N}`: Asterisk has to play the first N parts of the
/// prompt itself, since nobody else can; then the rest is to be asked again. If the engine is unavailable, keys count
/// all the same, and the answer is a failure once the caller speaks, or doesn't.
///
/// # Errors
/// The call has ended.
pub(crate) fn listen(call: &Call<'_>, request: Request) -> Result<Answer, Box<EvalAltResult>> {
    #[cfg(feature = "speech")]
    if let Some(services) = call.extensions().get::<Services>() {
        let road = call.extensions().get_or_default::<Road>();
        return call.ask_by(request, |session, request, until| match road.hear(session, &services, request, until) {
            Ok(answer) => Ok(answer),
            Err(Error::Over(over)) => Err(over),
            Err(Error::Refused(refusal)) => Ok(Some(Err(Failure::unavailable(refusal.message)))),
        });
    }
    answer(call, request)
}

/// How the sound of a call comes to us.
#[cfg(feature = "speech")]
#[derive(Debug, Default)]
struct Road {
    /// Whether the channel was answered on behalf of this.
    has_answered: AtomicBool,
}

#[cfg(feature = "speech")]
impl Road {
    /// Plays a prompt and listens, on the line of a real call.
    fn hear(
        &self,
        session: &mut Session,
        services: &Services,
        request: Request,
        until: Time,
    ) -> Result<Option<Answer>, Error> {
        // A channel that isn't answered has no sound.
        if !self.has_answered.load(Relaxed) {
            session.invoke_aside(&ANSWER, &[], None)?;
            self.has_answered.store(true, Relaxed);
        }
        let remote = session.remote();
        let listening = match session.wait_for(Box::pin(services.listen(request, remote)), until)? {
            Some(Ok(listening)) => listening,
            Some(Err(answer)) => return Ok(Some(answer)),
            None => return Ok(None),
        };
        let Listening { arguments, mut answer } = listening;
        let end = answer.ender();
        let result = session.invoke_aside(&AUDIO_SOCKET, &[Value::Text(arguments)], end)?;
        // The answer was sent before Asterisk was told to go on; unless it couldn't connect at all.
        let patience = if result == Value::Int(0) { PATIENCE } else { Duration::ZERO };
        let patience = session.now() + patience;
        let answer = session.wait_for(&mut answer, patience.min(until))?;
        Ok(Some(answer.unwrap_or_else(|| {
            let host = remote.map_or_else(|| "this machine".to_owned(), |remote| remote.own.to_string());
            Err(Failure::unavailable(format!("Asterisk can't send the sound of the call to {host}")))
        })))
    }
}
