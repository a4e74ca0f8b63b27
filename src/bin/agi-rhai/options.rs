//! The command line.

use crate::calls::CallsOptions;
use crate::check::CheckOptions;
use crate::commands::CommandsOptions;
use crate::common::CommonOptions;
use crate::lsp::LspOptions;
use crate::new::NewOptions;
use crate::pages::{CompletionsOptions, ManOptions};
use crate::phone::PhoneOptions;
use crate::replay::ReplayOptions;
use crate::serve::ServeOptions;
use crate::test::TestOptions;
use clap::{CommandFactory, Parser};
use std::io::IsTerminal;

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
    Serve(ServeOptions),
    Calls(CallsOptions),
    Test(TestOptions),
    Check(CheckOptions),
    Replay(ReplayOptions),
    New(NewOptions),
    Commands(CommandsOptions),
    Lsp(LspOptions),
    Completions(CompletionsOptions),
    Man(ManOptions),
}

impl Options {
    /// Parses the command line.
    pub fn read(arguments: Vec<std::ffi::OsString>) -> Result<Self, clap::Error> {
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
            bare.try_get_matches_from(&arguments)?;
        }
        Self::try_parse_from(arguments)
    }
}
