//! The options of the phone: the call, and how prompts are played.

use crate::call_setup::SetupOptions;
use std::path::PathBuf;

/// The call, and how the phone behaves.
#[derive(Clone, Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
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

    /// Asks no service: answers of the script's tests serve as samples, and a store in memory as the store
    #[arg(long)]
    pub offline: bool,

    #[command(flatten)]
    pub call: SetupOptions,

    /// Folder of sound files, besides the folder `sounds` beside the script; may be given several times
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub sounds: Vec<PathBuf>,
}

impl Setting {
    /// Returns the number of the caller; empty if it is withheld.
    pub fn callerid(&self) -> &str {
        self.call.callerid.as_deref().unwrap_or("201")
    }

    /// Returns the extension that is called.
    pub fn extension(&self) -> &str {
        self.call.extension.as_deref().unwrap_or("s")
    }

    /// Returns the context of the dialplan.
    pub fn context(&self) -> &str {
        self.call.context.as_deref().unwrap_or("default")
    }

    /// Returns the language of the channel.
    pub fn language(&self) -> &str {
        self.call.language.as_deref().unwrap_or("en")
    }
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_dir() { Ok(path) } else { Err("there is no such folder".to_owned()) }
}
