//! `agi-rhai phone`: a script on a simulated phone, full-screen or in lines of text.

mod audio;
mod call;
mod call_view;
mod help;
mod keypad;
mod panels;
mod screen;
mod setting;
mod state;
mod style;
mod text_mode;
mod ui;
mod view;
mod watch;

use crate::common::CommonOptions;
use crate::logging;
use crate::out;
use crate::terminal::shows_colour;
use agi_rhai::Status;
use agi_rhai::TimeZone;
use agi_rhai::pbx::Database;
use agi_rhai::tools::testing::OfflineServices;
use anyhow::Result;
use call::{LoadedScript, PhoneSetup};
pub use setting::Setting;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tracing::level_filters::LevelFilter;

/// Plays a script on a simulated phone: full-screen in a terminal, in lines of text through a pipe
///
/// In a terminal the keys 0-9 * # A-D are those of the phone; h hangs up, Enter calls again, ? shows the other keys, q
/// quits. Save the script while it runs, and the next call runs the new version. Through a pipe, or with --plain, keys
/// are typed in lines.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Phone")]
pub struct PhoneOptions {
    #[command(flatten)]
    pub setting: Setting,

    /// The script: a path, or a name in the scripts folder; `.rhai` may be left out
    #[arg(help_heading = None)]
    pub script: String,

    /// Arguments of the script, in its `args`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, help_heading = None)]
    pub args: Vec<String>,

    #[command(flatten, next_help_heading = "Options")]
    pub common: CommonOptions,
}

/// Plays a script to the person at the keyboard.
pub fn phone(options: PhoneOptions) -> Result<Status> {
    let PhoneOptions { setting, script, args, common } = options;
    let dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal.is_empty() || terminal == "dumb");
    let plain = setting.plain || dumb;
    let full_screen = !plain && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let path = crate::files::find(Path::new(&script), &common.folders_of_the_phone());
    let database = Database::new();
    setting.call.fill(&database);
    let time_zone = setting.call.time_zone().unwrap_or_else(TimeZone::system);
    let host = common.host();
    let offline = setting.offline.then(|| {
        // A script that can't be loaded is reported when it is called.
        let script = host.load(&path, common.scripts.as_deref());
        let samples = script.map(|script| crate::samples::of(&host, common.scripts.as_deref(), &path, &script));
        Arc::new(Mutex::new(OfflineServices::new(Arc::new(samples.unwrap_or_default()))))
    });
    let setup = PhoneSetup {
        host,
        offline,
        folder: common.scripts.clone(),
        args: setting.call.arg.iter().cloned().chain(args).collect(),
        seed: common.seed,
        path,
        began: setting.call.began(&time_zone),
        time_zone,
        setting,
        database,
    };
    let host = setup.host.clone();
    let status = play(setup, &common, full_screen);
    crate::jobs::run_behind(&host, &common);
    status
}

fn play(setup: PhoneSetup, common: &CommonOptions, full_screen: bool) -> Result<Status> {
    if full_screen && setup.path.is_file() {
        return screen::play(setup, common);
    }
    logging::start(common, LevelFilter::WARN, true);
    common.config.log_mistake();
    match LoadedScript::load(&setup) {
        Ok(version) => text_mode::play(&setup, &version),
        Err(problem) => {
            out::stderr_line(problem.render(shows_colour(&std::io::stderr())));
            Ok(problem.status())
        }
    }
}
