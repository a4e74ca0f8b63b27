//! Where the operator's file and the host's own state are.

use agi_rhai::Fault;
use agi_rhai::host::Config;
use agi_rhai::internals::config::SettingsError;
use agi_rhai::internals::log_fault;
use agi_rhai::service::Services;
use clap::Args;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the operator's file is.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigOptions {
    /// File that names the services scripts may ask, and may hold options too [default: agi-rhai.toml in the folder of
    /// the scripts, or else /etc/agi-rhai/agi-rhai.toml]
    #[arg(long, value_name = "FILE", env = "AGI_RHAI_CONFIG")]
    pub config: Option<PathBuf>,

    /// The file, once it has been read.
    #[arg(skip)]
    pub file: Option<Arc<Config>>,
}

impl ConfigOptions {
    /// Returns the file that these options mean: the named one, or that for the scripts in this folder.
    pub fn place(&self, folder: &Path) -> Config {
        self.config.as_ref().map_or_else(|| Config::in_folder(folder), Config::at)
    }

    /// Returns the services in the file, if there is one that can be read.
    pub fn known_services(&self) -> Option<Services> {
        let file = self.file.as_ref().filter(|file| file.file().is_some() && file.mistake().is_none())?;
        Some(Services::new(file.settings()))
    }

    /// Returns the mistake in the file, if it has one.
    pub fn mistake(&self) -> Option<Box<SettingsError>> {
        self.file.as_ref().and_then(|file| file.mistake())
    }

    /// Logs the mistake in the file, if it has one.
    pub fn log_mistake(&self) {
        if let Some(mistake) = self.mistake() {
            log_fault("no service can be asked: ", None, &Fault::from(&*mistake));
        }
    }

    /// Returns the mistake in the file as it is shown on a terminal.
    pub fn rendered_mistake(&self, colour: bool) -> Option<String> {
        self.mistake().map(|mistake| Fault::from(&*mistake).render(colour))
    }
}

/// Returns the folder of a script: that of the scripts if there is one, or else the one it is in.
pub fn folder_of(script: &Path, scripts: Option<&Path>) -> PathBuf {
    scripts.or(script.parent()).unwrap_or(Path::new("")).to_owned()
}

/// Returns the folder of the scripts for a command that takes scripts and folders, of which this is the first.
pub fn folder_of_paths(scripts: Option<&Path>, first: Option<&Path>) -> PathBuf {
    match (scripts, first) {
        (None, Some(path)) if !path.is_dir() => folder_of(path, None),
        (scripts, first) => scripts.or(first).unwrap_or(Path::new("")).to_owned(),
    }
}

/// Returns the folder of the host's own state: the named one, or that of systemd, or that of the user.
pub fn state_folder(named: Option<&Path>) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    // There may be several, of which the first is the unit's own.
    let of_systemd = || env::split_paths(&env::var_os("STATE_DIRECTORY")?).next().and_then(absolute);
    let of_user = || {
        let home = env::var_os("XDG_STATE_HOME").map(PathBuf::from).and_then(absolute);
        let home = home.or_else(|| Some(absolute(env::var_os("HOME")?.into())?.join(".local/state")));
        home.map(|home| home.join("agi-rhai"))
    };
    named.map(Path::to_owned).or_else(of_systemd).or_else(of_user)
}
