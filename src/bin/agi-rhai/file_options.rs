//! Options that are set in the operator's file, as defaults of the command line.

use crate::serve::ServeOptions;
use agi_rhai::internals::config::{OptionRules, OptionSetting, SettingsError};
use clap::{Arg, ArgAction, Args, Command};
use std::any::TypeId;
use std::error::Error;
use std::path::{Path, PathBuf};

/// The options that may be set in the file: those of `serve`, most of which others have too.
pub const RULES: OptionRules = OptionRules { names: &NAMES, check };

/// Their names.
const NAMES: [&str; 23] = [
    "allow",
    "allow_exec",
    "control",
    "deny_exec",
    "drain",
    "listen",
    "log",
    "log_digits",
    "log_level",
    "max_calls",
    "max_calls_per_peer",
    "max_computing",
    "max_memory",
    "max_on_hangup",
    "metrics",
    "record",
    "redact",
    "scripts",
    "seed",
    "state",
    "studio",
    "studio_page",
    "unchecked",
];

/// The commands that share options with `serve`.
const COMMANDS: [&str; 7] = ["serve", "phone", "jobs", "test", "check", "sounds", "lsp"];

/// Checks the value of an option.
fn check(setting: &OptionSetting) -> Result<(), Box<SettingsError>> {
    let serve = ServeOptions::augment_args(Command::new("serve"));
    let long = long(setting);
    let Some(arg) = serve.get_arguments().find(|arg| arg.get_long() == Some(&long)) else { return Ok(()) };
    if is_flag(arg) != setting.is_flag {
        let expected = if setting.is_flag { "a text or a number" } else { "true or false" };
        return Err(setting.wrong(format!("expected {expected}")));
    }
    if setting.values.len() != 1 && arg.get_value_delimiter().is_none() {
        return Err(setting.wrong("expected one value"));
    }
    if is_flag(arg) {
        return Ok(());
    }
    let alone = Command::new("serve").no_binary_name(true).arg(arg.clone());
    let given = setting.values.iter().map(|value| format!("--{long}={value}"));
    match alone.try_get_matches_from(given) {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = error.source().map_or_else(|| "this isn't possible here".to_owned(), ToString::to_string);
            Err(setting.wrong(format!("`{}`: {why}", setting.name)))
        }
    }
}

fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// Returns the name of an option on the command line.
fn long(setting: &OptionSetting) -> String {
    setting.name.replace('_', "-")
}

/// Makes settings of a file in this folder the defaults of the command line.
pub fn with_defaults(command: Command, settings: &[OptionSetting], folder: &Path) -> Command {
    COMMANDS.iter().fold(with_own_defaults(command, settings, folder), |command, name| {
        command.mut_subcommand(name, |command| with_own_defaults(command, settings, folder))
    })
}

fn with_own_defaults(command: Command, settings: &[OptionSetting], folder: &Path) -> Command {
    command.mut_args(|arg| {
        let Some(setting) = settings.iter().find(|setting| arg.get_long() == Some(&long(setting))) else { return arg };
        let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>()
            || setting.name == "log" && setting.values.iter().any(|place| place.contains('/'));
        let values =
            setting.values.iter().map(|value| if is_path { folder.join(value).into_os_string() } else { value.into() });
        // The command line is read once, and takes only texts that live for as long as the program.
        let values = values.map(|value| &*Box::leak(value.into_boxed_os_str()));
        // Help shows the defaults of the program: a value may be a secret.
        arg.default_values(values).hide_default_value(true)
    })
}
