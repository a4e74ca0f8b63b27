//! The operator's file `agi-rhai.toml`, which names the services.

mod changes;
mod checks;
mod keys;
mod mistake;
pub(crate) mod reading;
mod section;
pub(crate) mod values;

pub use mistake::SettingsError;
pub use section::Purpose;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use values::{Length, Secret, Size};

/// How long a request may take unless somebody says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// How many requests to a service run at a time unless the operator says otherwise.
pub(crate) const AT_ONCE: usize = 32;

/// The services that scripts may reach.
///
/// [`Settings::read`] makes them of a file, and reads the files of passwords, tokens and certificates that it names.
/// Whoever makes them of something else gives the contents, such as `password`, not the name, such as
/// `password_file`: a service whose files nobody has read is refused.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Settings {
    /// Web APIs, by name.
    pub http: BTreeMap<String, HttpSettings>,
    /// Databases, by name.
    pub sql: BTreeMap<String, SqlSettings>,
    /// Where values that outlive calls are kept.
    pub store: Option<StoreSettings>,
    /// Mail servers, by name.
    pub mail: BTreeMap<String, MailSettings>,
    /// Programs, by name.
    pub program: BTreeMap<String, ProgramSettings>,
    /// Calls out.
    pub callout: Option<CallOutSettings>,
    /// Engines that speak.
    pub speech: Option<SpeechSettings>,
    /// Managers of Asterisks, whose calls come by AsyncAGI, by name.
    pub manager: BTreeMap<String, ManagerSettings>,
    /// The folder of the host's own state; by default there is none, and so no store.
    #[serde(skip)]
    pub state: Option<PathBuf>,
}

/// A web API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpSettings {
    /// The address below which the paths of scripts are. It may hold a password, or a key in its query.
    pub url: Secret,
    /// Headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// A file with a token, which is sent as `Authorization: Bearer ...`.
    pub token_file: Option<PathBuf>,
    /// The token in that file.
    #[serde(skip)]
    pub token: Option<Secret>,
    /// A file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificates in that file, as PEM.
    #[serde(skip)]
    pub ca: Option<Secret>,
    /// How long a request may take.
    pub timeout: Option<Length>,
    /// How large an answer may be.
    pub max_body: Option<Size>,
    /// The methods that scripts may use; all of them if left out.
    pub methods: Option<Vec<String>>,
    /// How many requests run at a time.
    pub at_once: Option<usize>,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SqlSettings {
    /// Its address: `postgres://`, `mysql://` or `sqlite:`.
    pub url: Secret,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// The password in that file. It takes the place of one in the address.
    #[serde(skip)]
    pub password: Option<Secret>,
    /// A file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificates in that file, as PEM.
    #[serde(skip)]
    pub ca: Option<Secret>,
    /// Whether scripts may only read.
    #[serde(default)]
    pub read_only: bool,
    /// How long a request may take.
    pub timeout: Option<Length>,
    /// How many requests run at a time, and so how many connections there are.
    pub at_once: Option<usize>,
    /// How many rows an answer may have.
    pub max_rows: Option<usize>,
    /// How large an answer may be.
    pub max_size: Option<Size>,
}

impl SqlSettings {
    /// Returns the settings of the database at this address.
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: Secret(url.to_owned()),
            password_file: None,
            password: None,
            ca_file: None,
            ca: None,
            read_only: false,
            timeout: None,
            at_once: None,
            max_rows: None,
            max_size: None,
        }
    }
}

/// Where values that outlive calls are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StoreSettings {
    /// Its address: `sqlite:`, `redis://` or `postgres://`; by default, a file of SQLite in the state folder.
    pub url: Option<Secret>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// The password in that file. It takes the place of one in the address.
    #[serde(skip)]
    pub password: Option<Secret>,
    /// A file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificates in that file, as PEM.
    #[serde(skip)]
    pub ca: Option<Secret>,
    /// How long a request may take.
    pub timeout: Option<Length>,
    /// How many requests run at a time.
    pub at_once: Option<usize>,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MailSettings {
    /// Its address: `smtp://` or `smtps://`.
    pub url: Secret,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// The password in that file. It takes the place of one in the address.
    #[serde(skip)]
    pub password: Option<Secret>,
    /// A file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificates in that file, as PEM.
    #[serde(skip)]
    pub ca: Option<Secret>,
    /// The sender.
    pub from: String,
    /// Who may be written to: addresses, with `*` for any text.
    pub to: Vec<String>,
    /// The folders from which scripts may attach files; by default Asterisk's spool and sounds, and the temporary one.
    pub attach: Option<Vec<PathBuf>>,
    /// How large a message may be, text and attachments together.
    pub max_size: Option<Size>,
    /// How long a delivery may take.
    pub timeout: Option<Length>,
    /// How many deliveries run at a time.
    pub at_once: Option<usize>,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ProgramSettings {
    /// The program and its first arguments; those of scripts follow.
    pub command: Vec<String>,
    /// Whether arguments of scripts may begin with `-`.
    #[serde(default)]
    pub options: bool,
    /// How long it may run.
    pub timeout: Option<Length>,
    /// How much it may write.
    pub max_output: Option<Size>,
    /// How many run at a time.
    pub at_once: Option<usize>,
}

/// Calls out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CallOutSettings {
    /// The folder from which Asterisk takes call files.
    pub spool: Option<PathBuf>,
    /// In the place of a folder, the manager that makes the calls, by its name.
    pub manager: Option<String>,
    /// Who may be called: channels, with `*` for any text. `Local/` channels only match patterns that begin with that.
    pub targets: Vec<String>,
    /// What runs a `script` when somebody answers, by a call file: this program as the dialplan names it, or the
    /// address of a server such as `agi://127.0.0.1`.
    pub agi: Option<String>,
    /// The context of the dialplan that runs a `script`, by a manager: `agi-rhai-out` if left out.
    pub script_context: Option<String>,
}

/// The manager interface of an Asterisk.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ManagerSettings {
    /// The host, and the port behind a colon: 5038 if left out, or 5039 with TLS.
    pub address: String,
    /// The user, as in Asterisk's `manager.conf`.
    pub user: String,
    /// The user's secret.
    pub secret: Option<Secret>,
    /// A file with the secret.
    pub secret_file: Option<PathBuf>,
    /// Whether to use TLS.
    #[serde(default)]
    pub tls: bool,
    /// A file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificates in that file, as PEM.
    #[serde(skip)]
    pub ca: Option<Secret>,
    /// The contexts of the dialplan from which calls are taken, with `*` for any text; all of them if left out. An
    /// empty list is for a manager that only makes calls.
    pub contexts: Option<Vec<String>>,
    /// The scripts that calls may name, with `*` for any text; all of them if left out.
    pub scripts: Option<Vec<String>>,
}

/// Speech.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SpeechSettings {
    /// Engines that speak texts, by name.
    pub tts: BTreeMap<String, TtsSettings>,
    /// Engines that understand what callers say, by name.
    pub stt: BTreeMap<String, SttSettings>,
    /// The folder of the sound files that were made, which Asterisk can read; by default one in the folder of the
    /// host's own state.
    pub folder: Option<PathBuf>,
    /// How much is kept in it.
    pub max_size: Option<Size>,
    /// The language of texts that name none, where no channel says it: `en` if left out.
    pub language: Option<String>,
    /// Whether a prompt without a recording is spoken, if its words are in the table beside the script.
    pub missing_prompts: bool,
    /// The folders in which Asterisk has its recordings, as they are seen here; where it usually has them if left out.
    pub sounds: Option<Vec<PathBuf>>,
    /// The address and the port to which an Asterisk on another machine connects, for the sound of calls and to fetch
    /// what was spoken.
    pub listen: Option<SocketAddr>,
    /// The name or address by which it reaches this machine; by default that to which it has connected.
    pub address: Option<String>,
}

/// An engine that understands what callers say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SttSettings {
    /// A program and its arguments, which reads a WAV file and writes what was said.
    pub command: Option<Vec<String>>,
    /// The address of a server: `tcp://HOST:PORT` for one of the Wyoming protocol, `ws://` or `wss://` for one of Vosk,
    /// or `http://` or `https://` for a web API in the style of OpenAI's, up to its version.
    pub url: Option<Secret>,
    /// The model that a web API is to use.
    pub model: Option<String>,
    /// The languages that it understands; every one if left out.
    pub languages: Option<Vec<String>>,
    /// A file with the words that a program knows, each at the beginning of a line. Phrases with others are left out of
    /// its grammars.
    pub dictionary: Option<PathBuf>,
    /// A file with a token, which is sent as `Authorization: Bearer ...`.
    pub token_file: Option<PathBuf>,
    /// The token in that file.
    #[serde(skip)]
    pub token: Option<Secret>,
    /// A file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificates in that file, as PEM.
    #[serde(skip)]
    pub ca: Option<Secret>,
    /// How long it may take from the end of what a caller says.
    pub timeout: Option<Length>,
    /// How many callers it hears at a time.
    pub at_once: Option<usize>,
}

/// An engine that speaks texts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TtsSettings {
    /// A program and its arguments, which reads a text and writes a WAV file. `{voice}` and `{language}` in arguments
    /// stand for those of the text.
    pub command: Option<Vec<String>>,
    /// The address of a server: `tcp://HOST:PORT` for one of the Wyoming protocol, or `http://` or `https://` for a web
    /// API in the style of OpenAI's, up to its version.
    pub url: Option<Secret>,
    /// The model that a web API is to use.
    pub model: Option<String>,
    /// Its voices, by language. An engine without any speaks every language, by a voice of its own that it knows by
    /// the language's name.
    pub voices: BTreeMap<String, String>,
    /// A file with a token, which is sent as `Authorization: Bearer ...`.
    pub token_file: Option<PathBuf>,
    /// The token in that file.
    #[serde(skip)]
    pub token: Option<Secret>,
    /// A file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificates in that file, as PEM.
    #[serde(skip)]
    pub ca: Option<Secret>,
    /// How long a text may take.
    pub timeout: Option<Length>,
    /// How many texts are spoken at a time.
    pub at_once: Option<usize>,
}

impl Settings {
    /// Returns settings by which calls ask for prompts that may have no recording, as those do that a replay answers.
    #[doc(hidden)]
    pub fn of_missing_prompts() -> Self {
        let speech = SpeechSettings { missing_prompts: true, ..SpeechSettings::default() };
        Self { speech: Some(speech), ..Self::default() }
    }
}

impl ManagerSettings {
    /// Creates the settings of a manager at this address, for this user.
    #[must_use]
    pub fn new(user: &str, address: &str, secret: &str) -> Self {
        Self {
            address: address.to_owned(),
            user: user.to_owned(),
            secret: Some(Secret(secret.to_owned())),
            secret_file: None,
            tls: false,
            ca_file: None,
            ca: None,
            contexts: None,
            scripts: None,
        }
    }

    /// Whether calls come from it. Without any context, it is for calls out.
    pub(crate) fn takes_calls(&self) -> bool {
        self.contexts.as_ref().is_none_or(|contexts| !contexts.is_empty())
    }
}

#[cfg(feature = "speech")]
impl HttpSettings {
    /// Creates the settings of a web API at this address.
    pub(crate) fn new(url: Secret) -> Self {
        Self {
            url,
            headers: BTreeMap::new(),
            token_file: None,
            token: None,
            ca_file: None,
            ca: None,
            timeout: None,
            max_body: None,
            methods: None,
            at_once: None,
        }
    }
}
