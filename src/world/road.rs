//! How the sound of a real call comes to us.

use crate::clock::Time;
use crate::command::{ANSWER, AUDIO_SOCKET, Value};
use crate::service::{Listening, Services};
use crate::session::{Error, Session};
use crate::transport::{Answer, Failure, Request};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long an answer may take once Asterisk goes on: the connection has ended then.
const PATIENCE: Duration = Duration::from_secs(2);
/// How `EXEC` says that there is no such application.
const NO_APPLICATION: &str = "-2";

/// The road on which the sound of a call comes.
#[derive(Debug, Default)]
pub(super) struct Road {
    /// Whether the channel was answered on behalf of this.
    has_answered: AtomicBool,
    /// Whether AudioSocket didn't work in this call.
    lacks_audio_socket: AtomicBool,
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
        let why = match self.by_audio_socket(session, services, request, until)? {
            Led::To(answer) => return Ok(answer),
            Led::Nowhere(why) => why,
        };
        Ok(Some(Err(Failure::unavailable(why))))
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
        let none = || Led::Nowhere("Asterisk has no application AudioSocket (app_audiosocket.so)".to_owned());
        if self.lacks_audio_socket.load(Relaxed) || services.lacks_audio_socket(remote) {
            return Ok(none());
        }
        let preparing = Box::pin(services.listen(request.clone(), remote));
        let Listening { arguments, mut answer, connecting } = match session.wait_for(preparing, until)? {
            Some(Ok(listening)) => listening,
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
}
