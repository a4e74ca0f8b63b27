//! What callers say.

use super::asking::answer;
#[cfg(feature = "speech")]
use super::road::Road;
use crate::script::Call;
use crate::script::rhai::EvalAltResult;
#[cfg(feature = "speech")]
use crate::service::Services;
#[cfg(feature = "speech")]
use crate::session::Error;
#[cfg(feature = "speech")]
use crate::transport::Failure;
use crate::transport::{Answer, Request};

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
/// `max`), `key`, and `seconds`, the length of the speech. Or it is `{"play": N}`: Asterisk has to play the first N parts
/// of the prompt itself, since nobody else can; then the rest is to be asked again. If the engine is unavailable, keys
/// count all the same, and the answer is a failure once the caller speaks, or doesn't. If nobody can listen at all,
/// because no engine is named or the sound of the call doesn't come here, it is a failure of the kind `argument`, at
/// once: nothing was played.
///
/// # Errors
/// The call has ended.
pub(crate) fn listen(call: &Call<'_>, request: Request) -> Result<Answer, Box<EvalAltResult>> {
    #[cfg(feature = "speech")]
    if let Some(services) = call.extensions().get::<Services>() {
        let road = call.extensions().get_or_default::<Road>();
        return call.ask_by(request, |session, request, until| match road.hear(session, &services, &request, until) {
            Ok(answer) => Ok(answer),
            Err(Error::Over(over)) => Err(over),
            Err(Error::Refused(refusal)) => Ok(Some(Err(Failure::unavailable(refusal.message)))),
        });
    }
    answer(call, request)
}
