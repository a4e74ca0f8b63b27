//! The command line.

use crate::calls::CallsOptions;
use crate::check::CheckOptions;
use crate::commands::CommandsOptions;
use crate::common::CommonOptions;
use crate::config::{ConfigOptions, folder_of, state_folder};
use crate::file_options::{RULES, with_defaults};
use crate::files::find;
use crate::jobs::JobsOptions;
use crate::lsp::LspOptions;
use crate::new::NewOptions;
use crate::pages::{CompletionsOptions, ManOptions};
use crate::phone::PhoneOptions;
use crate::replay::ReplayOptions;
use crate::serve::ServeOptions;
use crate::sounds::SoundsOptions;
use crate::studio::StudioOptions;
use crate::test::TestOptions;
use agi_rhai::internals::config::Purpose;
use clap::{CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs a Rhai script on a phone call of Asterisk, or on a simulated phone.
///
/// In the dialplan: AGI(agi-rhai,game.rhai,a,b). Everything after the script is passed to it. In a terminal,
/// `agi-rhai game.rhai a b` plays the script on a simulated phone. For many calls: `agi-rhai serve`.
#[derive(Debug, Parser)]
#[command(name = "agi-rhai", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 the script or the call ended, 1 fault in the script, 2 wrong usage or no such \
                        script, 3 the line to Asterisk broke.\nDialplan: ${AGI_RHAI_STATUS} is SUCCESS, HANGUP, \
                        FAILURE or NOTFOUND afterwards, ${AGI_RHAI_ERROR} says what went wrong, ${AGI_RHAI_VERSION} \
                        which version of the script ran.")]
pub struct Options {
    #[command(flatten)]
    pub common: CommonOptions,

    /// The script: a path, or a name in the scripts folder or in Asterisk's AGI directory; `.rhai` may be left out
    #[arg(required = true)]
    pub script: Option<String>,

    /// Arguments of the script, in its `args`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,

    #[command(subcommand)]
    pub command: Option<Subcommand>,
}

/// The subcommands; their help texts are the doc comments of their options.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    Phone(PhoneOptions),
    Studio(StudioOptions),
    Serve(ServeOptions),
    Calls(CallsOptions),
    Jobs(JobsOptions),
    Test(TestOptions),
    Check(CheckOptions),
    Replay(ReplayOptions),
    New(NewOptions),
    Sounds(SoundsOptions),
    Commands(CommandsOptions),
    Lsp(LspOptions),
    Completions(CompletionsOptions),
    Man(ManOptions),
}

impl Options {
    /// Reads the command line, and the operator's file.
    pub fn read(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let mut options = Self::parse_line(arguments)?;
        options.read_config();
        let Some(file) = options.config_options().and_then(|own| own.file.clone()) else { return Ok(options) };
        let settings = file.options();
        if settings.is_empty() {
            return Ok(options);
        }
        // The command line again, with what the file says as its defaults. The file may say where the scripts are, but
        // not that another file is to be read.
        let folder = file.file().and_then(|file| Some(file.parent()?.to_owned())).unwrap_or_default();
        let command = with_defaults(Self::command(), &settings, &folder);
        let mut options = Self::from_arg_matches(&command.try_get_matches_from(arguments)?)?;
        let state = state_folder(options.state());
        if let Some(config) = options.config_options() {
            file.set_state_folder(state);
            config.file = Some(file);
        }
        Ok(options)
    }

    /// Reads the operator's file, if this command has one.
    fn read_config(&mut self) {
        let Some((folder, purpose)) = self.place_of_scripts() else { return };
        let state = (purpose == Purpose::Use).then(|| state_folder(self.state())).flatten();
        let Some(options) = self.config_options() else { return };
        let config = options.place(&folder).with_purpose(purpose).with_options(RULES).with_state_folder(state);
        // Each command reports a mistake in its own way.
        let _ = config.read();
        options.file = Some(Arc::new(config));
    }

    /// Returns the folder of the scripts, and what the operator's file is for.
    fn place_of_scripts(&self) -> Option<(PathBuf, Purpose)> {
        let of = |script: &str, folders: &[PathBuf], scripts: Option<&Path>| match scripts {
            Some(scripts) => scripts.to_owned(),
            None => folder_of(&find(Path::new(script), folders), None),
        };
        Some(match &self.command {
            None => {
                let (script, common) = (self.script.as_deref()?, &self.common);
                // On a terminal it is played on the phone.
                let is_played = std::io::stdin().is_terminal();
                let folders = if is_played { common.folders_of_the_phone() } else { common.folders_of_a_call() };
                (of(script, &folders, common.scripts.as_deref()), Purpose::Use)
            }
            Some(Subcommand::Phone(PhoneOptions { script, common, .. })) => {
                (of(script, &common.folders_of_the_phone(), common.scripts.as_deref()), Purpose::Use)
            }
            Some(Subcommand::Serve(ServeOptions { common, .. }) | Subcommand::Jobs(JobsOptions { common, .. })) => {
                (common.scripts.clone().unwrap_or_default(), Purpose::Use)
            }
            Some(Subcommand::Test(options)) => (options.folder_of_scripts(), Purpose::Names),
            Some(Subcommand::Check(options)) => (options.folder_of_scripts(), Purpose::Names),
            Some(Subcommand::Sounds(options)) => {
                let purpose = if options.speaks() { Purpose::Use } else { Purpose::Names };
                (options.folder_of_scripts(), purpose)
            }
            Some(Subcommand::Lsp(options)) => (options.scripts.clone().unwrap_or_default(), Purpose::Names),
            Some(_) => return None,
        })
    }

    fn config_options(&mut self) -> Option<&mut ConfigOptions> {
        match &mut self.command {
            None => Some(&mut self.common.config),
            Some(
                Subcommand::Phone(PhoneOptions { common, .. })
                | Subcommand::Serve(ServeOptions { common, .. })
                | Subcommand::Jobs(JobsOptions { common, .. }),
            ) => Some(&mut common.config),
            Some(
                Subcommand::Test(TestOptions { config, .. })
                | Subcommand::Check(CheckOptions { config, .. })
                | Subcommand::Sounds(SoundsOptions { config, .. })
                | Subcommand::Lsp(LspOptions { config, .. }),
            ) => Some(config),
            Some(_) => None,
        }
    }

    /// Returns the named folder of the host's own state.
    fn state(&self) -> Option<&Path> {
        match &self.command {
            None => self.common.state.as_deref(),
            Some(
                Subcommand::Phone(PhoneOptions { common, .. })
                | Subcommand::Serve(ServeOptions { common, .. })
                | Subcommand::Jobs(JobsOptions { common, .. }),
            ) => common.state.as_deref(),
            Some(_) => None,
        }
    }

    /// Parses the command line.
    fn parse_line(arguments: &[OsString]) -> Result<Self, clap::Error> {
        // A shortcut for `agi-rhai SCRIPT ARGS`, since clap takes a third of a millisecond.
        let ours = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"AGI_RHAI_");
        let plain = arguments.get(1).and_then(|script| script.to_str());
        if let Some(script) = plain
            && !script.starts_with('-')
            && script.contains(['.', '/'])
            && !std::env::vars_os().any(|(name, _)| ours(&name))
        {
            let args: Option<Vec<String>> = arguments[2..].iter().map(|arg| arg.to_str().map(str::to_owned)).collect();
            if let Some(args) = args {
                let common = CommonOptions::default();
                return Ok(Self { common, script: Some(script.to_owned()), args, command: None });
            }
        }
        if arguments.len() == 1 && std::io::stdin().is_terminal() {
            // Somebody wonders what this program is; Asterisk gets an error instead. Variables are no arguments.
            let bare = Self::command().arg_required_else_help(true).mut_args(|arg| arg.env(None::<&str>));
            bare.try_get_matches_from(arguments)?;
        }
        Self::try_parse_from(arguments)
    }
}
