//! `agi-rhai studio`: the page on a folder of scripts.
//!
//! `serve --studio` has the same server, with more parts.

pub mod answer;
mod browser;
mod changes;
mod folder;
mod guard;
mod listen;
pub mod live;
mod names;
mod page;
mod peer;
mod project;
pub mod server;

use crate::advice::explained;
use crate::out;
use anyhow::{Context, Result};
use folder::Folder;
use guard::Guard;
use listen::Listening;
use live::Live;
use page::Page;
use server::{Part, Running, Studio, serve};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Opens a folder of scripts in the browser: write them, call them, see what is wrong with them
///
/// It listens on this machine only, and prints an address with a token, without which nothing of the folder is read or
/// written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 ended by Ctrl+C or a signal, 2 wrong usage, or it could not start.")]
pub struct StudioOptions {
    /// Folder of the scripts, with all folders below [default: the current one, or that of --server]
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// Control socket of a server on this machine, whose calls are then shown; only its user and root may use it
    #[arg(long, value_name = "SOCKET")]
    server: Option<PathBuf>,

    /// Address to listen on, such as 8300, 127.0.0.1:8300 or [::1]:8300 [default: 127.0.0.1:8300, or the next port that
    /// is free]
    ///
    /// Beyond this machine, everybody who learns the address with its token can read and change the scripts, and all of
    /// it is sent without encryption. A tunnel is safer: ssh -L 8300:127.0.0.1:8300 HOST
    #[arg(long, value_name = "ADDR", env = "AGI_RHAI_STUDIO_LISTEN")]
    listen: Option<String>,

    /// Doesn't open the browser, which happens when standard output is a terminal on a desktop
    #[arg(long)]
    no_open: bool,

    /// Folder of the built page, instead of the one in the program
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_STUDIO_PAGE")]
    page: Option<PathBuf>,
}

pub fn studio(options: &StudioOptions) -> ExitCode {
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(explained(&error));
            ExitCode::from(2)
        }
    }
}

fn run(options: &StudioOptions) -> Result<()> {
    // SIGHUP comes when the terminal is closed.
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot catch signals")?;
    let page = options.page.as_deref();
    let live = options.server.as_deref().map(Live::new);
    let folder = match (&options.folder, &live) {
        (Some(folder), _) => folder.clone(),
        (None, Some(live)) => live.scripts().context("no folder is named, and the server doesn't tell its own")?,
        (None, None) => PathBuf::from("."),
    };
    let more = live.map(|live| ("live", Arc::new(live) as Arc<dyn Part>)).into_iter().collect();
    let studio = start(&folder, page, options.listen.as_deref(), more)?;
    let address = &studio.address;
    out::line(format_args!("The studio of {} is at\n\n    {address}\n\nCtrl+C ends it.", folder.display()));
    if !options.no_open {
        browser::open(&studio.opening);
    }
    signals.forever().next();
    Ok(())
}

/// A studio that is being served, until it is dropped.
pub struct Started {
    /// The address of the page, with the token.
    pub address: String,
    /// The same for the command that opens a browser.
    opening: String,
    _running: Running,
}

/// Serves a folder, and what else there is for the page.
pub fn start(
    folder: &Path,
    page: Option<&Path>,
    listen: Option<&str>,
    more: Vec<(&'static str, Arc<dyn Part>)>,
) -> Result<Started> {
    let page = Page::find(page)?;
    let opened = Folder::new(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let parts = project::parts(&Arc::new(opened)).into_iter().chain(more).collect();
    let Listening { listeners, hosts, address } = Listening::new(listen)?;
    let (guard, token, code) = Guard::new(hosts).context("no random numbers")?;
    let running = serve(listeners, Studio { guard, page, parts }).context("cannot start the studio")?;
    Ok(Started {
        opening: format!("{address}#code={}", code.text()),
        address: format!("{address}#token={}", token.text()),
        _running: running,
    })
}
