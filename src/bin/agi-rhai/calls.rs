//! `agi-rhai calls`: the calls of a server on this machine.

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

/// Lists the live calls of a server on this machine, follows one, or ends one
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
#[command(
    after_help = "In the list: LINE is the current line of the script; DOING the command it waits for, or `script` \
                        while it computes or sleeps; SINCE for how many seconds; AGE the age of the call, in \
                        seconds.\nOnly root and the user of the server have access.\nExit codes: 0 done, 2 no server \
                        or no such call."
)]
pub struct CallsOptions {
    /// Socket of the server; not needed if it is in a default place
    #[arg(long, value_name = "PATH", env = "AGI_RHAI_CONTROL", global = true)]
    pub control: Option<PathBuf>,

    #[command(subcommand)]
    pub action: Option<CallsAction>,
}

#[derive(Debug, Subcommand)]
pub enum CallsAction {
    /// Lists the calls, oldest first; this is the default
    List,
    /// Follows the dialogue of a call until it ends: `>` to Asterisk, `<` from it
    Show {
        /// Number of the call, from the list
        #[arg(allow_negative_numbers = true, value_parser = natural)]
        id: u64,
    },
    /// Ends a call as if the caller had hung up: `on_hangup` runs, and the dialplan goes on
    End {
        /// Number of the call, from the list
        #[arg(allow_negative_numbers = true, value_parser = natural)]
        id: u64,
    },
}

/// How long a server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the default sockets of a server, the preferred one first.
pub fn default_sockets() -> Vec<PathBuf> {
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
    let sockets = options.control.clone().map_or_else(default_sockets, |path| vec![path]);
    let (stream, path) = connect(&sockets)?;
    let request = match &options.action {
        None | Some(CallsAction::List) => "calls".to_owned(),
        Some(CallsAction::Show { id }) => format!("show {id}"),
        Some(CallsAction::End { id }) => format!("end {id}"),
    };
    let follows = matches!(options.action, Some(CallsAction::Show { .. }));
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    // A server with too many clients says so and closes before it reads, so errors are ignored.
    let _ = writeln!(&stream, "{request}");
    let mut rows = Vec::new();
    for line in BufReader::new(&stream).lines() {
        let line = match line {
            Ok(line) => line,
            // The server closed the connection before it read the request.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("{}: no answer within {} s: the server hangs", path.display(), ANSWER_TIMEOUT.as_secs())
            }
            Err(error) => bail!("{}: {error}", path.display()),
        };
        if let Some(problem) = line.strip_prefix("error: ") {
            bail!("{problem}");
        }
        if line.is_empty() {
            if request == "calls" {
                out::text(table(rows.into_iter()));
            }
            return Ok(());
        }
        if request == "calls" {
            rows.push(line);
            continue;
        }
        out::line(printable(&line));
        if out::reader_is_gone() {
            return Ok(());
        }
        if follows {
            // From now on, this waits for the call.
            stream.set_read_timeout(None)?;
        }
    }
    bail!(
        "{}: the connection was closed before the answer was complete: the server has just exited, or isn't agi-rhai",
        path.display()
    )
}

fn connect(sockets: &[PathBuf]) -> Result<(UnixStream, &Path)> {
    let mut problems = Vec::new();
    for path in sockets {
        match try_connect(path) {
            Ok(stream) => return Ok((stream, path)),
            Err(Errno::AGAIN) => bail!("{}: the server doesn't accept connections: it hangs", path.display()),
            Err(error) => problems.push(format!("{}: {}", path.display(), std::io::Error::from(error))),
        }
    }
    problems.dedup();
    bail!("no server answers here; --control names the socket of one ({})", problems.join("; "))
}

/// Connects to a socket; `AGAIN` if the backlog is full.
fn try_connect(path: &Path) -> rustix::io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(ANSWER_TIMEOUT))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Formats a table, numbers aligned to the right.
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
