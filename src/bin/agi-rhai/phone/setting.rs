//! The options of the phone: the call, its variables and AstDB, and how prompts are played.

use std::path::PathBuf;

/// The call, and how the phone behaves.
#[derive(Clone, Debug, clap::Args)]
pub struct Setting {
    /// Skips the time that prompts take; only questions wait for keys
    #[arg(long)]
    pub fast: bool,

    /// Plays the prompts whose sound files are found, through an installed sox, ffplay, mpv, aplay or paplay
    #[arg(long)]
    pub audio: bool,

    /// Writes lines of text also in a terminal: for screen readers
    #[arg(long)]
    pub plain: bool,

    /// Number of the caller; empty if it is withheld
    #[arg(long, value_name = "NUMBER", default_value = "201", value_parser = one_line)]
    pub callerid: String,

    /// Name of the caller
    #[arg(long, value_name = "NAME", value_parser = one_line)]
    pub name: Option<String>,

    /// Extension that is called
    #[arg(long, value_name = "EXTEN", default_value = "s", value_parser = one_line)]
    pub extension: String,

    /// Context of the dialplan
    #[arg(long, value_name = "CONTEXT", default_value = "default", value_parser = one_line)]
    pub context: String,

    /// Dialled number
    #[arg(long, value_name = "NUMBER", value_parser = one_line)]
    pub dnid: Option<String>,

    /// Language of the channel
    #[arg(long, value_name = "LANG", default_value = "en", value_parser = one_line)]
    pub language: String,

    /// Channel variable to set before the call; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub var: Vec<(String, String)>,

    /// Entry of AstDB to store before the first call; may be given several times
    #[arg(long, value_name = "FAMILY/KEY=VALUE", value_parser = entry)]
    pub db: Vec<(String, String, String)>,

    /// Argument of the script, before those after its name; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = one_line)]
    pub arg: Vec<String>,

    /// Folder of sound files, besides the folder `sounds` beside the script; may be given several times
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub sounds: Vec<PathBuf>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            fast: false,
            audio: false,
            plain: false,
            callerid: "201".into(),
            name: None,
            extension: "s".into(),
            context: "default".into(),
            dnid: None,
            language: "en".into(),
            var: Vec::new(),
            db: Vec::new(),
            arg: Vec::new(),
            sounds: Vec::new(),
        }
    }
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

fn entry(text: &str) -> Result<(String, String, String), String> {
    let parts = text.split_once('=').and_then(|(key, value)| Some((key.trim_matches('/').split_once('/')?, value)));
    match parts {
        Some(((family, key), value)) if !family.is_empty() && !key.is_empty() => {
            Ok((family.to_owned(), key.to_owned(), value.to_owned()))
        }
        _ => Err("an entry is written as FAMILY/KEY=VALUE, such as guess/201=7".to_owned()),
    }
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_dir() { Ok(path) } else { Err("there is no such folder".to_owned()) }
}
