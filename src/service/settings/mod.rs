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
    pub spool: PathBuf,
    /// Who may be called: channels, with `*` for any text. `Local/` channels only match patterns that begin with that.
    pub targets: Vec<String>,
    /// What runs a `script` when somebody answers: this program as the dialplan names it, or the address of a server
    /// such as `agi://127.0.0.1`.
    pub agi: Option<String>,
}
