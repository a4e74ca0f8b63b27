//! The options that describe a simulated call, for the phone and for storms: who calls, when, and what the script
//! finds.

use agi_rhai::TimeZone;
use agi_rhai::clock::Time;
use agi_rhai::command::Value;
use agi_rhai::internals::read_moment;
use agi_rhai::pbx::Database;
use agi_rhai::tools::testing::CallSetup;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Who calls, when, and what the script finds.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct SetupOptions {
    /// Number of the caller; empty if it is withheld
    #[arg(long, value_name = "NUMBER", value_parser = one_line)]
    pub callerid: Option<String>,

    /// Name of the caller
    #[arg(long, value_name = "NAME", value_parser = one_line)]
    pub name: Option<String>,

    /// Extension that is called [default: s]
    #[arg(long, value_name = "EXTEN", value_parser = one_line)]
    pub extension: Option<String>,

    /// Context of the dialplan [default: default]
    #[arg(long, value_name = "CONTEXT", value_parser = one_line)]
    pub context: Option<String>,

    /// Dialled number
    #[arg(long, value_name = "NUMBER", value_parser = one_line)]
    pub dnid: Option<String>,

    /// Language of the channel [default: en]
    #[arg(long, value_name = "LANG", value_parser = one_line)]
    pub language: Option<String>,

    /// When the call begins, in the time zone of the server: "2026-12-03 09:30"
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub time: Option<String>,

    /// Time zone of the server, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub zone: Option<String>,

    /// How a `dial` ends, such as ANSWER or BUSY [default: CHANUNAVAIL]
    #[arg(long, value_name = "STATUS", value_parser = dial_status)]
    pub dial_status: Option<String>,

    /// Channel variable to set before the call; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub var: Vec<(String, String)>,

    /// Entry of AstDB to store before the first call, or a file of them: lines FAMILY/KEY=VALUE, or what `asterisk -rx
    /// "database show"` prints; may be given several times
    #[arg(long, value_name = "FAMILY/KEY=VALUE|FILE", value_parser = entries)]
    pub db: Vec<Entries>,

    /// Argument of the script; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = one_line)]
    pub arg: Vec<String>,
}

/// Entries of AstDB, as one option gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// The value of the option.
    pub given: String,
    /// Family, key and value.
    pub entries: Vec<(String, String, String)>,
}

impl SetupOptions {
    /// Returns the time zone of the server, if the options name it.
    pub fn time_zone(&self) -> Option<TimeZone> {
        TimeZone::named(self.zone.as_deref()?)
    }

    /// Returns when calls begin in this time zone, if the options say so.
    pub fn began(&self, zone: &TimeZone) -> Option<Time> {
        let moment = read_moment(self.time.as_deref()?, zone).ok()?;
        Some(Time::from_unix(moment.try_into().unwrap_or(0)))
    }

    /// Whether none of them was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns them as options of `place_call`.
    pub fn for_place_call(&self) -> Vec<(Cow<'static, str>, Value)> {
        let map = |items: Vec<(String, &String)>| {
            Value::Map(items.into_iter().map(|(name, value)| (name.into(), Value::Text(value.clone()))).collect())
        };
        let entries = self.db.iter().flat_map(|option| &option.entries);
        let entries = entries.map(|(family, key, value)| (format!("{family}/{key}"), value)).collect();
        let variables = self.var.iter().map(|(name, value)| (name.clone(), value)).collect();
        let args = Value::List(self.arg.iter().cloned().map(Value::Text).collect());
        let mut options: Vec<(Cow<'static, str>, Value)> = self
            .texts()
            .into_iter()
            .filter_map(|(name, value)| Some((name.into(), Value::Text(value.clone()?))))
            .collect();
        let lists = [
            ("variables", map(variables), self.var.is_empty()),
            ("database", map(entries), self.db.is_empty()),
            ("args", args, self.arg.is_empty()),
        ];
        options
            .extend(lists.into_iter().filter(|(.., is_empty)| !is_empty).map(|(name, value, _)| (name.into(), value)));
        options
    }

    /// Returns them as they are written on a command line, each with a blank before it.
    pub fn written(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.texts() {
            if let Some(value) = value {
                let _ = write!(text, " --{} {}", name.replace('_', "-"), for_shell(value));
            }
        }
        for (name, value) in &self.var {
            let _ = write!(text, " --var {}", for_shell(&format!("{name}={value}")));
        }
        for Entries { given, .. } in &self.db {
            let _ = write!(text, " --db {}", for_shell(given));
        }
        for arg in &self.arg {
            let _ = write!(text, " --arg {}", for_shell(arg));
        }
        text
    }

    /// Returns the options with a text each, which have the same names in `place_call`.
    fn texts(&self) -> [(&'static str, &Option<String>); 9] {
        [
            ("callerid", &self.callerid),
            ("name", &self.name),
            ("extension", &self.extension),
            ("context", &self.context),
            ("dnid", &self.dnid),
            ("language", &self.language),
            ("time", &self.time),
            ("zone", &self.zone),
            ("dial_status", &self.dial_status),
        ]
    }

    /// Stores the entries of AstDB.
    pub fn fill(&self, database: &Database) {
        for (family, key, value) in self.db.iter().flat_map(|option| &option.entries) {
            database.put(family, key, value);
        }
    }
}

/// Returns a word as a shell reads it.
pub fn for_shell(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', "'\\''")).into()
}

/// Accepts what fits into a line of the opening block.
fn one_line(text: &str) -> Result<String, String> {
    if text.contains(char::is_control) { Err("it must be one line".to_owned()) } else { Ok(text.to_owned()) }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("a variable is written as NAME=VALUE, such as LEVEL=3".to_owned()),
    }
}

/// Accepts a time. Whether there is such a day doesn't depend on the time zone.
fn time(text: &str) -> Result<String, String> {
    match read_moment(text, &TimeZone::UTC)? {
        0.. => Ok(text.to_owned()),
        _ => Err("it is before 1970".to_owned()),
    }
}

fn dial_status(text: &str) -> Result<String, String> {
    CallSetup::new(vec![("dial_status".into(), Value::from(text))]).map(|_| text.to_owned())
}

fn zone(text: &str) -> Result<String, String> {
    match TimeZone::named(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("a time zone is written as Europe/Berlin or UTC, as in /usr/share/zoneinfo".to_owned()),
    }
}

fn entries(text: &str) -> Result<Entries, String> {
    let entries = if Path::new(text).is_file() {
        let content = fs::read_to_string(text).map_err(|error| format!("the file cannot be read: {error}"))?;
        read_entries(&content)?
    } else {
        let wrong =
            || "an entry is written as FAMILY/KEY=VALUE, such as guess/201=7, and there is no such file".to_owned();
        vec![entry(text).ok_or_else(wrong)?]
    };
    Ok(Entries { given: text.to_owned(), entries })
}

fn entry(text: &str) -> Option<(String, String, String)> {
    let (path, value) = text.split_once('=')?;
    named(path, value)
}

fn named(path: &str, value: &str) -> Option<(String, String, String)> {
    let (family, key) = path.trim().trim_matches('/').split_once('/')?;
    (!family.is_empty() && !key.is_empty()).then(|| (family.to_owned(), key.to_owned(), value.to_owned()))
}

/// Reads a file of entries: those of this program, or the list that Asterisk prints.
fn read_entries(text: &str) -> Result<Vec<(String, String, String)>, String> {
    /// Asterisk pads the path of an entry to this length.
    const PADDED: usize = 50;
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let is_count = line.trim_end().ends_with("results found.");
        if line.trim().is_empty() || line.starts_with(['#', ';']) || is_count {
            continue;
        }
        let listed = || {
            let (path, value) = match (line.get(..PADDED), line.get(PADDED..).and_then(|rest| rest.strip_prefix(": ")))
            {
                (Some(path), Some(value)) => (path, value),
                _ => line.split_once(": ")?,
            };
            named(path, value.trim_end())
        };
        let found = if line.starts_with('/') { listed() } else { None };
        let wrong = || format!("line {number} of the file is not an entry FAMILY/KEY=VALUE");
        entries.push(found.or_else(|| entry(line)).ok_or_else(wrong)?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_is_written_for_it() {
        for (word, expected) in [
            ("guess/200=7", "guess/200=7"),
            ("", "''"),
            ("2026-12-03 09:30", "'2026-12-03 09:30'"),
            ("it's $5", r"'it'\''s $5'"),
        ] {
            assert_eq!(for_shell(word), expected);
        }
    }

    #[test]
    fn a_file_holds_entries_or_what_asterisk_lists() {
        let listed = "/guess/200                                        : 7                        \n\
                      /a-family-with-a-long-name/and/a/very/long/key/of/it: x: y                    \n\
                      2 results found.\n# a comment\n\nguess/201=a=b\n/guess/202=\n";
        let entries: Vec<String> = read_entries(listed)
            .unwrap()
            .iter()
            .map(|(family, key, value)| format!("{family}|{key}|{value}"))
            .collect();
        let expected =
            ["guess|200|7", "a-family-with-a-long-name|and/a/very/long/key/of/it|x: y", "guess|201|a=b", "guess|202|"];
        assert_eq!(entries, expected);
        assert_eq!(
            read_entries("guess/1=2\nguess"),
            Err("line 2 of the file is not an entry FAMILY/KEY=VALUE".to_owned())
        );
    }
}
