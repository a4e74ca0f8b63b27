//! Options that several subcommands share, and the host they describe.

use crate::config::ConfigOptions;
use crate::memory;
use crate::value_parsers::{computing, mebibytes, natural, on_hangup};
use agi_rhai::Host;
use agi_rhai::command::Permissions;
use agi_rhai::host::Recorder;
use agi_rhai::script::Memory;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The options of everything that runs scripts on calls.
#[derive(Debug, Args)]
pub struct CommonOptions {
    #[command(flatten)]
    pub config: ConfigOptions,

    /// Folder of the scripts; for `serve`, the current folder by default
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    pub scripts: Option<PathBuf>,

    /// Where to log: `stderr`, `syslog`, `journald`, or the path of a file
    ///
    /// An Asterisk that runs as a daemon discards the stderr of its programs: log elsewhere there.
    #[arg(long, value_name = "WHERE", env = "AGI_RHAI_LOG")]
    pub log: Option<String>,

    /// How much to log: `off`, `error`, `warn`, `info` (one line per call; the default, but `warn` on the simulated
    /// phone), `debug` (also the dialogue with Asterisk) or `trace`
    #[arg(long, value_name = "LEVEL", env = "AGI_RHAI_LOG_LEVEL")]
    pub log_level: Option<tracing::level_filters::LevelFilter>,

    /// Logs the keys that callers press, which are masked by default
    #[arg(long, env = "AGI_RHAI_LOG_DIGITS", value_parser = clap::builder::FalseyValueParser::new())]
    pub log_digits: bool,

    /// Records the dialogue of every call in a file in this folder, for `agi-rhai replay`
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_RECORD")]
    pub record: Option<PathBuf>,

    /// Leaves out of the recordings what callers enter, and who they are
    #[arg(long, env = "AGI_RHAI_REDACT", value_parser = clap::builder::FalseyValueParser::new())]
    pub redact: bool,

    /// Seed of the random numbers; the log has the seed of every call
    #[arg(long, value_name = "NUMBER", env = "AGI_RHAI_SEED", allow_negative_numbers = true, value_parser = natural)]
    pub seed: Option<u64>,

    /// Folder of what outlives calls: values and jobs that scripts leave there [default: $STATE_DIRECTORY, or
    /// agi-rhai in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_STATE")]
    pub state: Option<PathBuf>,

    #[command(flatten)]
    pub exec: ExecOptions,

    #[command(flatten)]
    pub checking: CheckingOptions,

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

/// The defaults of the command line.
impl Default for CommonOptions {
    fn default() -> Self {
        Self {
            config: ConfigOptions::default(),
            scripts: None,
            log: None,
            log_level: None,
            log_digits: false,
            record: None,
            redact: false,
            seed: None,
            state: None,
            exec: ExecOptions::default(),
            checking: CheckingOptions::default(),
            max_computing: Duration::from_secs(1),
            max_memory: 16,
            max_on_hangup: Duration::from_secs(5),
        }
    }
}

impl CommonOptions {
    /// Returns the folders in which the script of a call is searched for.
    pub fn folders_of_a_call(&self) -> Vec<PathBuf> {
        // Asterisk sets its AGI directory. Without it, somebody is trying out a script in the current folder.
        let agi = std::env::var_os("AST_AGI_DIR").map(PathBuf::from);
        let tried = agi.is_none().then(|| PathBuf::from("."));
        let agi = agi.unwrap_or_else(|| PathBuf::from("/var/lib/asterisk/agi-bin"));
        [self.scripts.clone(), Some(agi), tried].into_iter().flatten().collect()
    }

    /// Returns the folders in which the script of a simulated call is searched for.
    pub fn folders_of_the_phone(&self) -> Vec<PathBuf> {
        [Some(PathBuf::from(".")), self.scripts.clone()].into_iter().flatten().collect()
    }

    /// Returns a host with these permissions, limits, seed and recorder, which checks its scripts.
    pub fn host(&self) -> Host {
        let mut host = Host::new();
        let permissions = self.exec.permissions();
        host.allow(permissions.allowed);
        host.deny(permissions.denied);
        self.checking.apply(&mut host);
        host.log_digits(self.log_digits);
        host.set_memory(Memory { used: memory::used });
        if let Some(seed) = self.seed {
            host.set_seed(seed);
        }
        if let Some(folder) = &self.record {
            let recorder = Recorder::new(folder);
            host.record(Arc::new(if self.redact { recorder.redacting() } else { recorder }));
        }
        if let Some(config) = &self.config.file {
            host.set_config(Arc::clone(config));
        }
        let limits = host.limits_mut();
        limits.memory = self.max_memory.saturating_mul(1024 * 1024);
        limits.computing = self.max_computing;
        limits.on_hangup = self.max_on_hangup;
        host
    }
}

/// Whether scripts are checked before they run.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct CheckingOptions {
    /// Runs scripts without checking them: errors that `agi-rhai check` would find show when their line runs
    #[arg(long, env = "AGI_RHAI_UNCHECKED", value_parser = clap::builder::FalseyValueParser::new())]
    pub unchecked: bool,
}

impl CheckingOptions {
    /// Has a host check its scripts.
    pub fn apply(self, host: &mut Host) {
        if !self.unchecked {
            host.check_scripts();
        }
    }
}

/// Which dialplan applications and functions scripts may use.
#[derive(Clone, Debug, Default, Args)]
pub struct ExecOptions {
    /// Dialplan applications and functions that scripts may use besides the harmless ones, separated by commas:
    /// System,SHELL; `*` allows all
    #[arg(long, value_name = "NAMES", env = "AGI_RHAI_ALLOW_EXEC", value_delimiter = ',')]
    pub allow_exec: Vec<String>,

    /// Dialplan applications and functions that scripts may not use, separated by commas; `*` denies all
    #[arg(long, value_name = "NAMES", env = "AGI_RHAI_DENY_EXEC", value_delimiter = ',')]
    pub deny_exec: Vec<String>,
}

impl ExecOptions {
    /// Returns the names as permissions, without blanks and empty names.
    pub fn permissions(&self) -> Permissions {
        let names = |names: &[String]| {
            names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        };
        Permissions { allowed: names(&self.allow_exec), denied: names(&self.deny_exec) }
    }
}
