//! The kinds of services, and their clients behind one face.

use super::callout::CallOut;
#[cfg(feature = "http")]
use super::http::HttpClient;
#[cfg(feature = "mail")]
use super::mail::MailClient;
use super::program::ProgramClient;
use super::runtime::caught;
use super::settings::values::{Length, Secret};
use super::settings::{AT_ONCE, Settings, TIMEOUT};
#[cfg(feature = "speech")]
use super::speech::{Recogniser, Speaker};
#[cfg(feature = "sql")]
use super::sql::SqlClient;
#[cfg(feature = "store")]
use super::store::Store;
use crate::transport::{Answer, Failure, Request};
use std::collections::BTreeMap;
use std::path::PathBuf;
#[cfg(feature = "store")]
use std::sync::Arc;
use std::time::Duration;

/// How long an engine may take to speak a text unless the operator says otherwise.
#[cfg(feature = "speech")]
const SPEECH_TIMEOUT: Duration = Duration::from_secs(5);

/// A kind of service: a table of `agi-rhai.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Http,
    Sql,
    Store,
    Mail,
    Program,
    CallOut,
    Speech,
    Listening,
}

/// The client of a service.
pub(super) struct Client {
    /// How long a request may take if the script doesn't say.
    pub timeout: Duration,
    /// How many requests run at a time.
    pub at_once: usize,
    pub of: ClientOf,
}

/// The client of each kind.
pub(super) enum ClientOf {
    #[cfg(feature = "http")]
    Http(Box<HttpClient>),
    #[cfg(feature = "sql")]
    Sql(SqlClient),
    #[cfg(feature = "store")]
    Store(Arc<Store>),
    #[cfg(feature = "mail")]
    Mail(MailClient),
    Program(ProgramClient),
    CallOut(Box<CallOut>),
    #[cfg(feature = "speech")]
    Speech(Box<Speaker>),
    #[cfg(feature = "speech")]
    Listening(Recogniser),
}

impl Kind {
    /// Returns the kind of service that a function asks.
    pub fn of(function: &str) -> Result<Self, Failure> {
        Ok(match function.split_once('_').map_or(function, |(first, _)| first) {
            "http" => Self::Http,
            "sql" => Self::Sql,
            "store" | "board" | "after" => Self::Store,
            "mail" => Self::Mail,
            "run" => Self::Program,
            "call" => Self::CallOut,
            "speak" => Self::Speech,
            "listen" => Self::Listening,
            _ => return Err(Failure::argument(format!("`{function}` asks no service"))),
        })
    }

    /// Returns the name of its table in `agi-rhai.toml`.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sql => "sql",
            Self::Store => "store",
            Self::Mail => "mail",
            Self::Program => "program",
            Self::CallOut => "callout",
            Self::Speech => "speech.tts",
            Self::Listening => "speech.stt",
        }
    }

    /// Returns the table of a service in `agi-rhai.toml`: `http.weather`, `store`.
    pub fn full_name(self, service: &str) -> String {
        if service.is_empty() { self.table().to_owned() } else { format!("{}.{service}", self.table()) }
    }

    /// Whether a service has the same settings before and after a change.
    pub fn is_the_same(self, name: &str, before: &Settings, after: &Settings) -> bool {
        match self {
            Self::Http => before.http.get(name) == after.http.get(name),
            Self::Sql => before.sql.get(name) == after.sql.get(name),
            Self::Store => (&before.store, &before.state) == (&after.store, &after.state),
            Self::Mail => before.mail.get(name) == after.mail.get(name),
            Self::Program => before.program.get(name) == after.program.get(name),
            Self::CallOut => {
                let manager = |of: &Settings| of.manager.get(of.callout.as_ref()?.manager.as_ref()?).cloned();
                before.callout == after.callout && manager(before) == manager(after)
            }
            Self::Speech | Self::Listening => before.speech == after.speech,
        }
    }

    /// Creates the client of a service.
    pub(super) fn client(self, name: &str, settings: &Settings) -> Result<Client, Failure> {
        let client = match self {
            #[cfg(feature = "http")]
            Self::Http => {
                let own = self.find(name, &settings.http)?;
                are_read([("token_file", &own.token_file, &own.token), ("ca_file", &own.ca_file, &own.ca)])?;
                let named = |failure: Failure| {
                    let message = format!("`[{}]` in agi-rhai.toml: {}", self.full_name(name), failure.message);
                    Failure { message, ..failure }
                };
                Client::new(own.timeout, own.at_once, ClientOf::Http(Box::new(HttpClient::new(own).map_err(named)?)))
            }
            #[cfg(feature = "sql")]
            Self::Sql => {
                let own = self.find(name, &settings.sql)?;
                are_read([("password_file", &own.password_file, &own.password), ("ca_file", &own.ca_file, &own.ca)])?;
                Client::new(own.timeout, own.at_once, ClientOf::Sql(SqlClient::new(own)?))
            }
            #[cfg(feature = "store")]
            Self::Store => {
                let own = settings.store.as_ref();
                if let Some(own) = own {
                    let password = ("password_file", &own.password_file, &own.password);
                    are_read([password, ("ca_file", &own.ca_file, &own.ca)])?;
                }
                let store = Store::new(own, settings.state.as_deref())?;
                let (timeout, at_once) = own.map_or((None, None), |own| (own.timeout, own.at_once));
                Client::new(timeout, at_once, ClientOf::Store(Arc::new(store)))
            }
            #[cfg(feature = "mail")]
            Self::Mail => {
                let own = self.find(name, &settings.mail)?;
                are_read([("password_file", &own.password_file, &own.password), ("ca_file", &own.ca_file, &own.ca)])?;
                Client::new(own.timeout, own.at_once, ClientOf::Mail(MailClient::new(own)?))
            }
            Self::Program => {
                let own = self.find(name, &settings.program)?;
                Client::new(own.timeout, own.at_once, ClientOf::Program(ProgramClient::new(own)?))
            }
            Self::CallOut => {
                let none = || Failure::argument("agi-rhai.toml has no `[callout]`, so nobody can be called");
                let own = settings.callout.as_ref().ok_or_else(none)?;
                Client::new(None, None, ClientOf::CallOut(Box::new(CallOut::new(own, &settings.manager)?)))
            }
            #[cfg(feature = "speech")]
            Self::Speech => {
                let none = BTreeMap::new();
                let own = self.find(name, settings.speech.as_ref().map_or(&none, |speech| &speech.tts))?;
                are_read([("token_file", &own.token_file, &own.token), ("ca_file", &own.ca_file, &own.ca)])?;
                let timeout = Some(own.timeout.unwrap_or(Length(SPEECH_TIMEOUT)));
                Client::new(timeout, own.at_once, ClientOf::Speech(Box::new(Speaker::new(own, settings)?)))
            }
            #[cfg(feature = "speech")]
            Self::Listening => {
                let none = BTreeMap::new();
                let own = self.find(name, settings.speech.as_ref().map_or(&none, |speech| &speech.stt))?;
                are_read([("token_file", &own.token_file, &own.token), ("ca_file", &own.ca_file, &own.ca)])?;
                Client::new(own.timeout, own.at_once, ClientOf::Listening(Recogniser::new(own)?))
            }
            #[cfg(not(all(
                feature = "http",
                feature = "sql",
                feature = "store",
                feature = "mail",
                feature = "speech"
            )))]
            _ => {
                let message = format!("this program was built without the feature for `{}` services", self.table());
                return Err(Failure::argument(message));
            }
        };
        Ok(client)
    }

    /// Returns the name of the service that a request is for. Engines are chosen by language, unless one is named.
    #[cfg_attr(
        not(feature = "speech"),
        expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only engines are chosen")
    )]
    pub(super) fn service<'a>(self, request: &'a Request, settings: &'a Settings) -> Result<&'a str, Failure> {
        #[cfg(feature = "speech")]
        match self {
            Self::Speech if request.service.is_empty() => return settings.engine_for(request.text("language")),
            Self::Listening if request.service.is_empty() => return settings.recogniser_for(request.text("language")),
            _ => {}
        }
        #[cfg(not(feature = "speech"))]
        let _ = settings;
        Ok(&request.service)
    }

    /// Finds the settings of a service by its name.
    fn find<'a, T>(self, name: &str, of: &'a BTreeMap<String, T>) -> Result<&'a T, Failure> {
        of.get(name).ok_or_else(|| Failure::argument(format!("agi-rhai.toml has no `[{}]`", self.full_name(name))))
    }
}

/// Refuses settings with the name of a file that nobody has read, which [`Settings::read`] does: without its content,
/// a client would go without its password.
#[cfg_attr(
    not(any(feature = "http", feature = "sql", feature = "store", feature = "mail")),
    expect(dead_code, reason = "programs and calls out name no such files")
)]
fn are_read<const N: usize>(files: [(&str, &Option<PathBuf>, &Option<Secret>); N]) -> Result<(), Failure> {
    match files.iter().find(|(_, file, content)| file.is_some() && content.is_none()) {
        Some((key, ..)) => Err(Failure::argument(format!("its `{key}` was not read, as `Settings::read` does"))),
        None => Ok(()),
    }
}

impl Client {
    fn new(timeout: Option<Length>, at_once: Option<usize>, of: ClientOf) -> Self {
        let timeout = timeout.map_or(TIMEOUT, |Length(timeout)| timeout);
        Self { timeout, at_once: at_once.unwrap_or(AT_ONCE), of }
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Answer {
        caught(self.ask(request)).await
    }

    async fn ask(&self, request: &Request) -> Answer {
        match &self.of {
            #[cfg(feature = "http")]
            ClientOf::Http(client) => client.answer(request).await,
            #[cfg(feature = "sql")]
            ClientOf::Sql(client) => client.answer(request).await,
            #[cfg(feature = "store")]
            ClientOf::Store(client) => client.answer(request).await,
            #[cfg(feature = "mail")]
            ClientOf::Mail(_) => Err(Failure::argument("a mail server sends what is written down as a job")),
            ClientOf::Program(client) => client.answer(request).await,
            ClientOf::CallOut(client) => client.answer(request).await,
            #[cfg(feature = "speech")]
            ClientOf::Speech(client) => client.answer(request).await,
            #[cfg(feature = "speech")]
            ClientOf::Listening(_) => Err(Failure::argument("nobody can be heard without a call")),
        }
    }
}
