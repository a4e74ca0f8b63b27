//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Runs a Rhai script on a phone call of Asterisk, or on a simulated phone.
///
/// In the dialplan: AGI(agi-rhai,game.rhai,a,b). Everything after the script belongs to the script. Typed in a
/// terminal, the same line plays the script on a simulated phone.
#[derive(Debug, Parser)]
#[command(name = "agi-rhai", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 the script or the call ended, 1 fault in the script, 2 wrong usage or no such \
                        script, 3 the line to Asterisk broke.\nDialplan: ${AGI_RHAI_STATUS} is SUCCESS, HANGUP, \
                        FAILURE or NOTFOUND afterwards, ${AGI_RHAI_ERROR} says what went wrong.")]
pub struct Options {
    #[command(flatten)]
    pub common: Common,

    /// The script: a path, or a name in the scripts folder or in Asterisk's AGI directory; `.rhai` may be left out
    #[arg(required = true)]
    pub script: Option<String>,

    /// Arguments of the script, in its `args`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Plays a script on a simulated phone: keys are typed and sent with Enter
    Phone(Phone),
    /// Serves a folder of scripts over FastAGI: AGI(agi://host/game.rhai)
    Serve(Serve),
    /// Lists the live calls of a server on this machine, shows one as it happens, or ends one
    Calls(Calls),
}

#[derive(Debug, Args)]
pub struct Calls {
    /// Socket of the server; found by itself where the server has it in its usual place
    #[arg(long, value_name = "PATH", env = "AGI_RHAI_CONTROL", global = true)]
    pub control: Option<PathBuf>,

    #[command(subcommand)]
    pub order: Option<CallsOrder>,
}

#[derive(Debug, Subcommand)]
pub enum CallsOrder {
    /// Lists the calls (this is also what no word does)
    List,
    /// Shows the dialogue of a call as it happens, until it ends
    Show {
        /// Number of the call, from the list
        id: u64,
    },
    /// Ends a call as if its caller had hung up: `on_hangup` runs, and the dialplan goes on
    End {
        /// Number of the call, from the list
        id: u64,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Signals: SIGHUP compiles all scripts anew, SIGTERM ends the server once its calls have ended \
                        (see --drain), a second one at once.\nDialplan: ${AGI_RHAI_STATUS} is BUSY where a call was \
                        turned away.")]
pub struct Serve {
    #[command(flatten)]
    pub common: Common,

    /// Address to listen on; may be given more than once
    #[arg(long, value_name = "ADDR", env = "AGI_RHAI_LISTEN", default_value = "127.0.0.1:4573", value_delimiter = ',')]
    pub listen: Vec<String>,

    /// Networks an Asterisk may call from, such as 192.0.2.0/24; this machine unless told otherwise
    #[arg(
        long, value_name = "CIDR", env = "AGI_RHAI_ALLOW", default_value = "127.0.0.0/8,::1/128",
        value_delimiter = ',', num_args = 1.., value_parser = network
    )]
    pub allow: Vec<ipnet::IpNet>,

    /// Calls at a time; further ones get AGI_RHAI_STATUS=BUSY
    #[arg(long, value_name = "N", env = "AGI_RHAI_MAX_CALLS", default_value_t = 10_000)]
    pub max_calls: usize,

    /// Calls at a time from one Asterisk
    #[arg(long, value_name = "N", env = "AGI_RHAI_MAX_CALLS_PER_PEER")]
    pub max_calls_per_peer: Option<usize>,

    /// How long calls may go on after SIGTERM before they are ended
    #[arg(long, value_name = "TIME", env = "AGI_RHAI_DRAIN", default_value = "30s", value_parser = length)]
    pub drain: Duration,

    /// Address for /metrics (Prometheus), /healthz and /readyz
    #[arg(long, value_name = "ADDR", env = "AGI_RHAI_METRICS")]
    pub metrics: Option<String>,

    /// Socket for `agi-rhai calls`
    #[arg(long, value_name = "PATH", env = "AGI_RHAI_CONTROL")]
    pub control: Option<PathBuf>,

    /// Compiles all scripts, says what is wrong, and ends
    #[arg(long)]
    pub check: bool,
}

/// A network, or a single address.
fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let whole = if text.contains(':') { 128 } else { 32 };
    text.parse()
        .or_else(|_| format!("{text}/{whole}").parse())
        .map_err(|_| "a network is written as 192.0.2.0/24 or 2001:db8::/32, an address as 192.0.2.7".to_owned())
}

/// `30s`, `2m`, `1h 30m`; a plain number is seconds.
fn length(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let written = || text.parse::<jiff::SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    seconds.or_else(written).ok_or_else(|| "a length of time is written as 30s, 2m or 1h".to_owned())
}

#[derive(Debug, Args)]
pub struct Phone {
    #[command(flatten)]
    pub common: Common,

    /// Does not wait while prompts play; only questions wait for keys
    #[arg(long)]
    pub fast: bool,

    /// Number of the caller
    #[arg(long, value_name = "NUMBER", default_value = "201")]
    pub callerid: String,

    /// The script
    pub script: String,

    /// Arguments of the script, in its `args`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Debug, Default, Args)]
pub struct Common {
    /// Folder in which scripts are looked for
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    pub scripts: Option<PathBuf>,

    /// Where the log goes: `stderr`, `syslog`, `journald`, or the path of a file
    ///
    /// Asterisk sends stderr to nowhere when it runs as a daemon.
    #[arg(long, value_name = "WHERE", env = "AGI_RHAI_LOG")]
    pub log: Option<String>,

    /// How much is logged: `off`, `error`, `warn`, `info` (a line a call), `debug` (also the dialogue with Asterisk) or
    /// `trace`
    #[arg(long, value_name = "LEVEL", env = "AGI_RHAI_LOG_LEVEL")]
    pub log_level: Option<tracing::level_filters::LevelFilter>,

    /// Shows the keys callers press in the log, which masks them otherwise
    #[arg(long, env = "AGI_RHAI_LOG_DIGITS", value_parser = clap::builder::FalseyValueParser::new())]
    pub log_digits: bool,

    /// Draws the random numbers of this seed; the log has the seed of every call
    #[arg(long, value_name = "NUMBER", env = "AGI_RHAI_SEED")]
    pub seed: Option<u64>,

    /// Dialplan applications no script may run, separated by commas; empty allows all
    #[arg(long, value_name = "APPS", env = "AGI_RHAI_DENY_EXEC", default_value = DENIED, value_delimiter = ',')]
    pub deny_exec: Vec<String>,

    /// Seconds a script may compute between two commands
    #[arg(long, value_name = "SECONDS", env = "AGI_RHAI_MAX_COMPUTING", default_value_t = 1.0)]
    pub max_computing: f64,

    /// MiB of memory a call may use
    #[arg(long, value_name = "MIB", env = "AGI_RHAI_MAX_MEMORY", default_value_t = 16)]
    pub max_memory: usize,

    /// Seconds `on_hangup` may take, waiting included
    #[arg(long, value_name = "SECONDS", env = "AGI_RHAI_MAX_ON_HANGUP", default_value_t = 5.0)]
    pub max_on_hangup: f64,
}

/// The applications denied unless somebody says otherwise.
const DENIED: &str = "System,TrySystem";

impl Options {
    /// The command line, or what clap has to say about it.
    pub fn read(arguments: Vec<std::ffi::OsString>) -> Result<Self, clap::Error> {
        // Clap takes a third of a millisecond, which a plain `agi-rhai SCRIPT ARGS` need not spend.
        let ours = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"AGI_RHAI_");
        let plain = arguments.get(1).and_then(|script| script.to_str());
        if let Some(script) = plain
            && !script.starts_with('-')
            && script.contains(['.', '/'])
            && !std::env::vars_os().any(|(name, _)| ours(&name))
        {
            let args: Option<Vec<String>> = arguments[2..].iter().map(|arg| arg.to_str().map(str::to_owned)).collect();
            if let Some(args) = args {
                let common = Common {
                    deny_exec: DENIED.split(',').map(str::to_owned).collect(),
                    max_computing: 1.0,
                    max_memory: 16,
                    max_on_hangup: 5.0,
                    ..Common::default()
                };
                return Ok(Self { common, script: Some(script.to_owned()), args, command: None });
            }
        }
        Self::try_parse_from(arguments)
    }
}
