//! The command line.

use agi_rhai::command::Permissions;
use clap::{Args, Parser, Subcommand};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Runs a Rhai script on a phone call of Asterisk, or on a simulated phone.
///
/// In the dialplan: AGI(agi-rhai,game.rhai,a,b). Everything after the script belongs to the script. Typed in a
/// terminal, `agi-rhai game.rhai a b` plays the script on a simulated phone. For many calls: `agi-rhai serve`.
#[derive(Debug, Parser)]
#[command(name = "agi-rhai", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 the script or the call ended, 1 fault in the script, 2 wrong usage or no such \
                        script, 3 the line to Asterisk broke.\nDialplan: ${AGI_RHAI_STATUS} is SUCCESS, HANGUP, \
                        FAILURE or NOTFOUND afterwards, ${AGI_RHAI_ERROR} says what went wrong, ${AGI_RHAI_VERSION} \
                        which version of the script ran.")]
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
    Phone(crate::phone::Phone),
    /// Serves a folder of scripts to any number of calls, in the dialplan: AGI(agi://127.0.0.1/game,a,b)
    ///
    /// Scripts are edited while calls run: a saved file is live for the next call 0.2 s later. A broken one is told in
    /// the log, and the last good version goes on.
    Serve(Serve),
    /// Lists the live calls of a server on this machine, shows one as it goes on, or ends one
    Calls(Calls),
    Test(crate::test::Test),
    Check(crate::check::Check),
    Replay(crate::replay::Replay),
    New(crate::new::New),
    Commands(crate::commands::Commands),
    Lsp(crate::lsp::Lsp),
    Completions(crate::pages::Completions),
    Man(crate::pages::Man),
}

#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
#[command(
    after_help = "In the list: LINE is the line of the script the call is at; DOING the command it waits for, or \
                        `script` while it computes or sleeps; SINCE how long it has done so, AGE how long it is \
                        there, in seconds.\nOnly root and the user of the server may ask it.\nExit codes: 0 done, 2 no \
                        server or no such call."
)]
pub struct Calls {
    /// Socket of the server; not needed where the server has it in its usual place
    #[arg(long, value_name = "PATH", env = "AGI_RHAI_CONTROL", global = true)]
    pub control: Option<PathBuf>,

    #[command(subcommand)]
    pub order: Option<CallsOrder>,
}

#[derive(Debug, Subcommand)]
pub enum CallsOrder {
    /// Lists the calls, oldest first; the same as naming no command
    List,
    /// Shows the dialogue of a call as it goes on, until it ends: `>` to Asterisk, `<` from it
    Show {
        /// Number of the call, from the list
        #[arg(allow_negative_numbers = true, value_parser = natural)]
        id: u64,
    },
    /// Ends a call as if its caller had hung up: `on_hangup` runs, and the dialplan goes on
    End {
        /// Number of the call, from the list
        #[arg(allow_negative_numbers = true, value_parser = natural)]
        id: u64,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Signals: SIGHUP compiles all scripts anew; SIGTERM ends the server once its calls have ended \
                        (see --drain), a second one at once.\nDialplan: as without `serve`, and ${AGI_RHAI_STATUS} \
                        is BUSY where a call was turned away.\nExit codes: 0 all calls had ended, 1 calls were cut \
                        (with --check: a script has a fault), 2 wrong usage, or it could not start.")]
pub struct Serve {
    #[command(flatten)]
    pub common: Common,

    /// Addresses to listen on, separated by commas; a socket handed over by systemd takes their place
    #[arg(long, value_name = "ADDR", env = "AGI_RHAI_LISTEN", default_value = "127.0.0.1:4573", value_delimiter = ',')]
    pub listen: Vec<String>,

    /// Networks an Asterisk may call from, such as 192.0.2.0/24, separated by commas; anybody else is hung up on
    #[arg(
        long, value_name = "CIDR", env = "AGI_RHAI_ALLOW", default_value = "127.0.0.0/8,::1/128",
        value_delimiter = ',', num_args = 1.., value_parser = network
    )]
    pub allow: Vec<ipnet::IpNet>,

    /// Calls at a time, if the system has room for so many; further ones are turned away
    #[arg(
        long, value_name = "N", env = "AGI_RHAI_MAX_CALLS", default_value_t = 10_000,
        allow_negative_numbers = true, value_parser = count
    )]
    pub max_calls: usize,

    /// Calls at a time from one address; no limit unless told
    #[arg(
        long, value_name = "N", env = "AGI_RHAI_MAX_CALLS_PER_PEER", allow_negative_numbers = true,
        value_parser = count
    )]
    pub max_calls_per_peer: Option<usize>,

    /// How long calls may go on after SIGTERM before they are ended: 30s, 2m, 1h
    #[arg(
        long, value_name = "TIME", env = "AGI_RHAI_DRAIN", default_value = "30s", allow_negative_numbers = true,
        value_parser = length
    )]
    pub drain: Duration,

    /// Address for the pages /metrics (Prometheus), /healthz and /readyz, such as 127.0.0.1:9150; they have no password
    #[arg(long, value_name = "ADDR", env = "AGI_RHAI_METRICS")]
    pub metrics: Option<String>,

    /// Socket for `agi-rhai calls`; without it, control.sock in $RUNTIME_DIRECTORY, /run/agi-rhai or
    /// $XDG_RUNTIME_DIR/agi-rhai
    #[arg(long, value_name = "PATH", env = "AGI_RHAI_CONTROL")]
    pub control: Option<PathBuf>,

    /// Compiles all scripts, says what is wrong, and ends; nothing is served
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

/// Nothing here takes longer than a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// A script that may compute for less could do nothing.
const SHORTEST: Duration = Duration::from_millis(1);

/// `30s`, `2m`, `1h 30m`; a plain number is seconds.
fn length(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let written = || text.parse::<jiff::SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    let length = seconds.or_else(written).filter(|length| *length <= LONGEST);
    length.ok_or_else(|| "a length of time is written as 30s, 2m or 1h, and is 0 s to a year".to_owned())
}

/// Seconds of which a part may be given, from `least`.
fn seconds(text: &str, least: Duration) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|length| (least..=LONGEST).contains(length)).ok_or_else(|| {
        format!("it is a number of seconds from {} to {}, such as 2 or 0.5", least.as_secs_f64(), LONGEST.as_secs())
    })
}

fn computing(text: &str) -> Result<Duration, String> {
    seconds(text, SHORTEST)
}

fn on_hangup(text: &str) -> Result<Duration, String> {
    seconds(text, Duration::ZERO)
}

/// How many calls: more than a machine ever has room for.
fn count(text: &str) -> Result<usize, String> {
    whole(text, &(1..=100_000_000))
}

/// MiB, up to a TiB.
fn mebibytes(text: &str) -> Result<usize, String> {
    whole(text, &(1..=1024 * 1024))
}

/// A whole number of this range.
pub fn whole<N: FromStr + PartialOrd + Display>(text: &str, range: &RangeInclusive<N>) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("it is a whole number from {} to {}", range.start(), range.end()))
}

/// A seed, or a number of calls.
pub fn natural(text: &str) -> Result<u64, String> {
    whole(text, &(0..=u64::MAX))
}

#[derive(Debug, Default, Args)]
pub struct Common {
    /// Folder in which scripts are looked for; `serve` serves it, and the current folder without it
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    pub scripts: Option<PathBuf>,

    /// Where the log goes: `stderr`, `syslog`, `journald`, or the path of a file
    ///
    /// An Asterisk that runs as a daemon sends the stderr of its programs to nowhere: name another place there.
    #[arg(long, value_name = "WHERE", env = "AGI_RHAI_LOG")]
    pub log: Option<String>,

    /// How much is logged: `off`, `error`, `warn`, `info` (a line a call; usual, but `warn` on the simulated phone),
    /// `debug` (also the dialogue with Asterisk) or `trace`
    #[arg(long, value_name = "LEVEL", env = "AGI_RHAI_LOG_LEVEL")]
    pub log_level: Option<tracing::level_filters::LevelFilter>,

    /// Shows the keys callers press in the log, which masks them otherwise
    #[arg(long, env = "AGI_RHAI_LOG_DIGITS", value_parser = clap::builder::FalseyValueParser::new())]
    pub log_digits: bool,

    /// Keeps the dialogue of every call in a file of this folder, for `agi-rhai replay`
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_RECORD")]
    pub record: Option<PathBuf>,

    /// Leaves what callers enter, and who they are, out of what --record keeps
    #[arg(long, env = "AGI_RHAI_REDACT", value_parser = clap::builder::FalseyValueParser::new())]
    pub redact: bool,

    /// Draws the random numbers of this seed; the log has the seed of every call
    #[arg(long, value_name = "NUMBER", env = "AGI_RHAI_SEED", allow_negative_numbers = true, value_parser = natural)]
    pub seed: Option<u64>,

    #[command(flatten)]
    pub exec: Exec,

    /// Seconds of processor time a script may compute between two commands
    #[arg(
        long, value_name = "SECONDS", env = "AGI_RHAI_MAX_COMPUTING", default_value = "1",
        allow_negative_numbers = true, value_parser = computing
    )]
    pub max_computing: Duration,

    /// MiB of memory a call may use
    #[arg(
        long, value_name = "MIB", env = "AGI_RHAI_MAX_MEMORY", default_value_t = 16, allow_negative_numbers = true,
        value_parser = mebibytes
    )]
    pub max_memory: usize,

    /// Seconds `on_hangup` may take, waiting included
    #[arg(
        long, value_name = "SECONDS", env = "AGI_RHAI_MAX_ON_HANGUP", default_value = "5",
        allow_negative_numbers = true, value_parser = on_hangup
    )]
    pub max_on_hangup: Duration,
}

impl Common {
    /// What holds unless somebody says otherwise.
    pub fn usual() -> Self {
        Self {
            max_computing: Duration::from_secs(1),
            max_memory: 16,
            max_on_hangup: Duration::from_secs(5),
            ..Self::default()
        }
    }
}

/// What scripts may have Asterisk run.
#[derive(Clone, Debug, Default, Args)]
pub struct Exec {
    /// Applications and functions of the dialplan scripts may use besides those known to do no harm, separated by
    /// commas: System,SHELL; `*` allows all
    #[arg(long, value_name = "NAMES", env = "AGI_RHAI_ALLOW_EXEC", value_delimiter = ',')]
    pub allow_exec: Vec<String>,

    /// Applications and functions of the dialplan no script may use, separated by commas; `*` denies all
    #[arg(long, value_name = "NAMES", env = "AGI_RHAI_DENY_EXEC", value_delimiter = ',')]
    pub deny_exec: Vec<String>,
}

impl Exec {
    pub fn permissions(&self) -> Permissions {
        let names = |names: &[String]| {
            names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        };
        Permissions { allowed: names(&self.allow_exec), denied: names(&self.deny_exec) }
    }
}

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
                let common = Common::usual();
                return Ok(Self { common, script: Some(script.to_owned()), args, command: None });
            }
        }
        Self::try_parse_from(arguments)
    }
}
