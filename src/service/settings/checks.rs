//! What the values of each kind of service have to be, beyond their types.

use super::section::{Purpose, Read, Section, similar};
use super::values::Secret;
use super::{
    CallOutSettings, HttpSettings, MailSettings, ManagerSettings, ProgramSettings, SpeechSettings, SqlSettings,
    StoreSettings, SttSettings, TtsSettings,
};
use crate::agi::printable;
use crate::disk;
use crate::service::callout;
#[cfg(feature = "http")]
use crate::service::http::HttpClient;
#[cfg(feature = "mail")]
use crate::service::mail::MailClient;
use crate::service::manager::Login;
#[cfg(feature = "speech")]
use crate::service::speech::{Engine, Recogniser};
#[cfg(feature = "sql")]
use crate::service::sql::SqlClient;
#[cfg(feature = "store")]
use crate::service::store::Store;
use percent_encoding::percent_decode_str;
use std::path::Path;

/// The methods that scripts have functions for.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// The most requests that may run at a time.
const MAX_AT_ONCE: usize = 10_000;

/// A kind of service, whose values are checked when they have been read.
pub(super) trait Checked {
    /// Checks the values, and reads the files that they name.
    fn check(&mut self, of: &mut Section) -> Read<()>;
}

impl Checked for HttpSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        address(of, &self.url, &["http", "https"])?;
        at_once(of, self.at_once)?;
        for value in self.headers.values() {
            if value.0.contains(|c: char| c.is_control() && c != '\t') {
                return Err(of.wrong("headers", "the value of a header is one line of text"));
            }
        }
        for (index, method) in self.methods.iter().flatten().enumerate() {
            if !METHODS.contains(&method.as_str()) {
                let error = of.wrong_element("methods", index, format!("scripts have no function for `{method}`"));
                let meant = similar(&method.to_uppercase(), &METHODS);
                return Err(match meant {
                    Some(meant) => error.did_you_mean(Some(meant)),
                    None => error.with_hint(format!("the methods are {}", METHODS.join(", "))),
                });
            }
        }
        self.token = of.secret("token_file", &mut self.token_file)?;
        self.ca = of.certificates("ca_file", &mut self.ca_file)?;
        #[cfg(feature = "http")]
        of.usable(|| HttpClient::new(self))?;
        Ok(())
    }
}

impl Checked for SqlSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        address(of, &self.url, &["postgres", "postgresql", "mysql", "mariadb", "sqlite"])?;
        at_once(of, self.at_once)?;
        at_least_one(of, "max_rows", self.max_rows)?;
        self.password = of.secret("password_file", &mut self.password_file)?;
        self.ca = of.certificates("ca_file", &mut self.ca_file)?;
        sqlite_file(of, &mut self.url, false)?;
        #[cfg(feature = "sql")]
        of.usable(|| SqlClient::new(self))?;
        Ok(())
    }
}

impl Checked for StoreSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        if let Some(url) = &self.url {
            address(of, url, &["sqlite", "redis", "rediss", "postgres", "postgresql"])?;
        }
        at_once(of, self.at_once)?;
        self.password = of.secret("password_file", &mut self.password_file)?;
        self.ca = of.certificates("ca_file", &mut self.ca_file)?;
        if let Some(url) = &mut self.url {
            sqlite_file(of, url, true)?;
            #[cfg(feature = "store")]
            of.usable(|| Store::new(Some(self), None))?;
        }
        Ok(())
    }
}

impl Checked for MailSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        address(of, &self.url, &["smtp", "smtps"])?;
        at_once(of, self.at_once)?;
        if !is_mail_address(&self.from) && of.file.purpose == Purpose::Use {
            return Err(of.wrong("from", "the sender is a mail address").with_hint("such as \"ivr@example.net\""));
        }
        for (index, pattern) in self.to.iter().enumerate() {
            if !pattern.contains(['@', '*', '$']) {
                let error = of.wrong_element("to", index, "no mail address matches this");
                return Err(error.with_hint("it is an address with `*` for any text, such as \"*@example.net\""));
            }
        }
        for folder in self.attach.iter_mut().flatten() {
            *folder = of.file.path(&*folder);
        }
        self.password = of.secret("password_file", &mut self.password_file)?;
        self.ca = of.certificates("ca_file", &mut self.ca_file)?;
        #[cfg(feature = "mail")]
        of.usable(|| MailClient::new(self))?;
        Ok(())
    }
}

fn is_mail_address(text: &str) -> bool {
    let address = text.trim_end_matches('>').rsplit('<').next().unwrap_or_default();
    let parts = address.split_once('@');
    !text.contains(char::is_control) && parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}

impl Checked for ProgramSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        at_once(of, self.at_once)?;
        program(of, &mut self.command, "[\"/usr/games/fortune\", \"-s\"]")
    }
}

impl Checked for SpeechSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        for (index, folder) in self.sounds.iter_mut().flatten().enumerate() {
            *folder = of.file.path(&*folder);
            if of.file.purpose == Purpose::Use && !folder.is_dir() {
                return Err(of.wrong_element("sounds", index, format!("there is no folder {}", folder.display())));
            }
        }
        if self.address.as_ref().is_some_and(|name| name.is_empty() || name.contains([':', '/', ',', '"', ' '])) {
            let error = of.wrong("address", "this isn't the name or the address of a machine");
            return Err(error.with_hint("it is this machine as Asterisk reaches it: \"10.0.0.5\", \"ivr.example.net\""));
        }
        let Some(folder) = &mut self.folder else { return Ok(()) };
        *folder = of.file.path(folder);
        let above = folder.parent().unwrap_or(Path::new("/"));
        if of.file.purpose == Purpose::Use && !folder.is_dir() && !above.is_dir() {
            return Err(of.wrong("folder", format!("there is no folder {}", above.display())));
        }
        Ok(())
    }
}

impl Checked for TtsSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        at_once(of, self.at_once)?;
        let for_servers = [self.model.is_some(), self.token_file.is_some(), self.ca_file.is_some()];
        let such_as = "[\"espeak-ng\", \"--stdout\", \"-v\", \"{voice}\"]";
        engine(of, (&mut self.command, self.url.as_ref()), &["tcp", "http", "https"], such_as, for_servers)?;
        self.token = of.secret("token_file", &mut self.token_file)?;
        self.ca = of.certificates("ca_file", &mut self.ca_file)?;
        #[cfg(feature = "speech")]
        of.usable(|| Engine::new(self))?;
        Ok(())
    }
}

impl Checked for SttSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        at_once(of, self.at_once)?;
        let for_servers = [self.model.is_some(), self.token_file.is_some(), self.ca_file.is_some()];
        let schemes = ["tcp", "ws", "wss", "http", "https"];
        engine(of, (&mut self.command, self.url.as_ref()), &schemes, "[\"my-recogniser\"]", for_servers)?;
        if of.found("dictionary", &mut self.dictionary)?.is_some() && self.url.is_some() {
            return Err(of.wrong("dictionary", "a `url` has no `dictionary`: only a `command` is given a grammar"));
        }
        self.token = of.secret("token_file", &mut self.token_file)?;
        self.ca = of.certificates("ca_file", &mut self.ca_file)?;
        #[cfg(feature = "speech")]
        of.usable(|| Recogniser::new(self))?;
        Ok(())
    }
}

/// Checks that an engine is a program or a server, and one that can be reached in one of these ways.
fn engine(
    of: &Section,
    (command, url): (&mut Option<Vec<String>>, Option<&Secret>),
    schemes: &[&str],
    such_as: &str,
    for_servers: [bool; 3],
) -> Read<()> {
    match (command, url) {
        (Some(command), None) => {
            program(of, command, such_as)?;
            let keys = ["model", "token_file", "ca_file"];
            match keys.iter().zip(for_servers).find(|(_, is_given)| *is_given) {
                Some((key, _)) => Err(of.wrong(key, format!("a `command` has no `{key}`"))),
                None => Ok(()),
            }
        }
        (None, Some(url)) => address(of, url, schemes),
        _ => {
            let error = of.wrong("url", format!("`[{}]` has either a `command` or a `url`", of.name));
            Err(error.with_hint("`command` is a program, `url` the address of a server"))
        }
    }
}

/// Checks a command: that there is such a program.
fn program(of: &Section, command: &mut [String], such_as: &str) -> Read<()> {
    let Some(program) = command.first_mut().filter(|program| !program.is_empty()) else {
        let error = of.wrong("command", "the command is empty");
        return Err(error.with_hint(format!("it is the program and its first arguments: {such_as}")));
    };
    if program.contains('/') {
        // What isn't UTF-8 was no text of the file.
        *program = of.file.path(Path::new(program)).to_string_lossy().into_owned();
    }
    if of.file.purpose == Purpose::Use && !is_program(program) {
        return Err(of.wrong_element("command", 0, format!("there is no program {program}")));
    }
    Ok(())
}

/// Whether there is a program of this name.
fn is_program(name: &str) -> bool {
    if name.contains('/') {
        return disk::is_executable(Path::new(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    disk::is_executable_within(&path, name)
}

impl Checked for CallOutSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        match (&mut self.spool, &self.manager) {
            (Some(spool), None) => {
                *spool = of.file.path(spool);
                if of.file.purpose == Purpose::Use && !spool.is_dir() {
                    return Err(of.wrong("spool", format!("there is no folder {}", spool.display())));
                }
                if self.script_context.is_some() {
                    let error = of.wrong("script_context", "`script_context` goes with `manager`");
                    return Err(error.with_hint("with a `spool`, `agi` says what runs a script"));
                }
            }
            (None, Some(_)) => {
                if self.agi.is_some() {
                    let error = of.wrong("agi", "`agi` goes with `spool`");
                    return Err(error.with_hint("with a `manager`, the dialplan's `script_context` runs scripts"));
                }
            }
            _ => {
                let error = of.wrong("manager", format!("`[{}]` has either a `spool` or a `manager`", of.name));
                return Err(
                    error.with_hint("`spool` is a folder of Asterisk, `manager` the name of a `[manager.NAME]`")
                );
            }
        }
        of.usable(|| callout::check_settings(self))
    }
}

impl Checked for ManagerSettings {
    fn check(&mut self, of: &mut Section) -> Read<()> {
        for (key, text) in [("address", &self.address), ("user", &self.user)] {
            if text.is_empty() || text.contains(|c: char| c.is_control() || c == ' ') {
                return Err(of.wrong(key, format!("this is no {key}")));
            }
        }
        if self.address.contains("://") {
            let error = of.wrong("address", "the address is a host and a port, without `://`");
            return Err(error.with_hint("such as \"pbx1:5038\""));
        }
        match (&self.secret, of.secret("secret_file", &mut self.secret_file)?) {
            (Some(_), Some(_)) => return Err(of.wrong("secret", "there is a `secret_file`, too")),
            (None, None) if self.secret_file.is_none() => {
                let error = of.wrong("user", format!("`[{}]` lacks the secret of this user", of.name));
                return Err(error.with_hint("`secret_file` names a file that holds it"));
            }
            (None, Some(secret)) => self.secret = Some(secret),
            _ => {}
        }
        if !self.tls && self.ca_file.is_some() {
            return Err(of.wrong("ca_file", "certificates are for a manager with `tls = true`"));
        }
        self.ca = of.certificates("ca_file", &mut self.ca_file)?;
        of.usable(|| Login::new(self))
    }
}

fn at_once(of: &Section, number: Option<usize>) -> Read<()> {
    match number {
        Some(number) if !(1..=MAX_AT_ONCE).contains(&number) => {
            Err(of.wrong("at_once", format!("expected a whole number from 1 to {MAX_AT_ONCE}")))
        }
        _ => Ok(()),
    }
}

fn at_least_one(of: &Section, key: &str, number: Option<usize>) -> Read<()> {
    if number == Some(0) { Err(of.wrong(key, "expected at least 1")) } else { Ok(()) }
}

/// Checks an address as far as its client wouldn't say it better, and without showing it.
fn address(of: &Section, url: &Secret, schemes: &[&str]) -> Read<()> {
    let url = url.0.as_str();
    if of.holds_variables() {
        return Ok(());
    }
    let such_as = || format!("an address begins with {}", written(schemes));
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(of.wrong("url", "this isn't an address").with_hint(such_as()));
    };
    if !schemes.contains(&scheme) {
        // Before a colon without `//` there may be anything, a password too.
        let is_scheme = rest.starts_with("//") && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+');
        let message =
            if is_scheme { format!("`{scheme}://` isn't possible here") } else { "this isn't an address".to_owned() };
        let error = of.wrong("url", message);
        let meant = similar(scheme, schemes).filter(|_| is_scheme);
        return Err(match meant {
            Some(meant) => error.with_hint(format!("did you mean `{}`?", with_slashes(meant))),
            None => error.with_hint(such_as()),
        });
    }
    let host = rest.strip_prefix("//").unwrap_or_default();
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    if scheme != "sqlite" && host.is_empty() {
        return Err(of.wrong("url", format!("the address has no host: it begins with {}", with_slashes(scheme))));
    }
    if url.contains(|c: char| c.is_control() || c == ' ') {
        return Err(of.wrong("url", "an address has no blanks"));
    }
    Ok(())
}

/// Has the path in an address of SQLite begin at the folder of the file, as other paths do, and checks that it can be
/// opened. The file of the store is created if need be; another one only if the address says so.
fn sqlite_file(of: &Section, url: &mut Secret, is_store: bool) -> Read<()> {
    let Some(rest) = url.0.strip_prefix("sqlite:") else { return Ok(()) };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    if path.is_empty() || path.starts_with(':') || query.contains("mode=memory") || of.holds_variables() {
        return Ok(());
    }
    let named = if is_store { path.into() } else { percent_decode_str(path).decode_utf8_lossy() };
    let file = of.file.path(Path::new(&*named));
    let text = file.to_string_lossy();
    let text = if is_store { text.into_owned() } else { text.replace('%', "%25").replace('?', "%3F") };
    let path = format!("sqlite:{text}{query}");
    let creates = query.contains("mode=rwc");
    *url = Secret(path);
    if of.file.purpose == Purpose::Names {
        return Ok(());
    }
    let shown = |path: &Path| printable(&path.display().to_string()).into_owned();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(of.wrong("url", format!("there is no folder {}", shown(folder))));
    }
    if !is_store && !file.exists() && !creates {
        let error = of.wrong("url", format!("there is no file {}", shown(&file)));
        return Err(error.with_hint("`?mode=rwc` at the end of the address creates it"));
    }
    Ok(())
}

fn with_slashes(scheme: &str) -> String {
    if scheme == "sqlite" { "sqlite:".to_owned() } else { format!("{scheme}://") }
}

fn written(schemes: &[&str]) -> String {
    let all: Vec<String> = schemes.iter().map(|scheme| with_slashes(scheme)).collect();
    match all.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => all.concat(),
    }
}
