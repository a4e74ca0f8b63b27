//! `agi-rhai calls`: a look at the calls of a server on this machine.

use crate::out;
use crate::value_parsers::natural;
use agi_rhai::agi::printable;
use agi_rhai::host::control::COLUMNS;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Lists the live calls of a server on this machine, shows one as it goes on, or ends one
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
#[command(
    after_help = "In the list: LINE is the line of the script the call is at; DOING the command it waits for, or \
                        `script` while it computes or sleeps; SINCE how long it has done so, AGE how long it is \
                        there, in seconds.\nOnly root and the user of the server may ask it.\nExit codes: 0 done, 2 no \
                        server or no such call."
)]
pub struct CallsOptions {
    /// Socket of the server; not needed where the server has it in its usual place
    #[arg(long, value_name = "PATH", env = "AGI_RHAI_CONTROL", global = true)]
    pub control: Option<PathBuf>,

    #[command(subcommand)]
    pub action: Option<CallsAction>,
}

#[derive(Debug, Subcommand)]
pub enum CallsAction {
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

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a server listens unless told otherwise, the best place first.
pub fn usual_places() -> Vec<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let folders = [
        // Made by systemd for the server.
        folder("RUNTIME_DIRECTORY"),
        rustix::process::geteuid().is_root().then(|| PathBuf::from("/run/agi-rhai")),
        folder("XDG_RUNTIME_DIR").map(|folder| folder.join("agi-rhai")),
        Some(PathBuf::from("/run/agi-rhai")),
    ];
    folders.into_iter().flatten().map(|folder| folder.join("control.sock")).collect()
}

pub fn calls(options: &CallsOptions) -> Result<()> {
    let places = options.control.clone().map_or_else(usual_places, |path| vec![path]);
    let (stream, path) = connect(&places)?;
    let order = match &options.action {
        None | Some(CallsAction::List) => "calls".to_owned(),
        Some(CallsAction::Show { id }) => format!("show {id}"),
        Some(CallsAction::End { id }) => format!("end {id}"),
    };
    let is_shown = matches!(options.action, Some(CallsAction::Show { .. }));
    stream.set_read_timeout(Some(PATIENCE))?;
    // One that has too many clients says so and closes, before it is asked.
    let _ = writeln!(&stream, "{order}");
    let mut rows = Vec::new();
    for line in BufReader::new(&stream).lines() {
        let line = match line {
            Ok(line) => line,
            // It was closed before our order was read.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("{}: nothing answers within {} s: the server hangs", path.display(), PATIENCE.as_secs())
            }
            Err(error) => bail!("{}: {error}", path.display()),
        };
        if let Some(problem) = line.strip_prefix("error: ") {
            bail!("{problem}");
        }
        if line.is_empty() {
            if order == "calls" {
                out::put(table(rows.into_iter()));
            }
            return Ok(());
        }
        if order == "calls" {
            rows.push(line);
            continue;
        }
        out::say(printable(&line));
        if out::is_unread() {
            return Ok(());
        }
        if is_shown {
            // From here on it is the call that is waited for.
            stream.set_read_timeout(None)?;
        }
    }
    bail!(
        "{}: the line was closed before the answer was whole: the server has just ended, or is not agi-rhai",
        path.display()
    )
}

fn connect(places: &[PathBuf]) -> Result<(UnixStream, &Path)> {
    let mut problems = Vec::new();
    for path in places {
        match try_connect(path) {
            Ok(stream) => return Ok((stream, path)),
            Err(Errno::AGAIN) => bail!("{}: the server does not take connections: it hangs", path.display()),
            Err(error) => problems.push(format!("{}: {}", path.display(), std::io::Error::from(error))),
        }
    }
    problems.dedup();
    bail!("no server answers here; --control names the socket of one ({})", problems.join("; "))
}

/// A connection; `AGAIN` when as many wait to be taken as may wait.
fn try_connect(path: &Path) -> rustix::io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// The columns as wide as they need be, numbers to the right.
fn table(lines: impl Iterator<Item = String>) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(lines.map(|line| line.split('\t').map(|cell| printable(cell).into_owned()).collect()));
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..COLUMNS.len()).filter_map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).zip(COLUMNS).map(|((cell, &width), column)| match column {
            "ID" | "LINE" | "SINCE" | "AGE" | "COMMANDS" => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
