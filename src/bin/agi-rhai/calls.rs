//! `agi-rhai calls`: a look at the calls of a server on this machine.

use crate::options::{Calls, CallsOrder};
use crate::out;
use agi_rhai::agi::printable;
use agi_rhai::host::control::COLUMNS;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

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

pub fn calls(options: &Calls) -> Result<()> {
    let places = options.control.clone().map_or_else(usual_places, |path| vec![path]);
    let stream = connect(&places)?;
    let order = match &options.order {
        None | Some(CallsOrder::List) => "calls".to_owned(),
        Some(CallsOrder::Show { id }) => format!("show {id}"),
        Some(CallsOrder::End { id }) => format!("end {id}"),
    };
    // One that has too many clients says so and closes, before it is asked.
    let asked = writeln!(&stream, "{order}").context("the server does not listen");
    let lines = BufReader::new(&stream).lines().map_while(Result::ok);
    if order == "calls" {
        let lines: Vec<String> = lines.collect();
        if let Some(problem) = lines.first().and_then(|line| line.strip_prefix("error: ")) {
            bail!("{problem}");
        }
        asked?;
        let _ = out::put(table(lines.into_iter()));
        return Ok(());
    }
    for line in lines {
        if let Some(problem) = line.strip_prefix("error: ") {
            bail!("{problem}");
        }
        // Whoever reads from a pipe may have had enough.
        if out::say(printable(&line)).is_err() {
            break;
        }
    }
    asked
}

fn connect(places: &[PathBuf]) -> Result<UnixStream> {
    let mut problems = Vec::new();
    for path in places {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
    }
    problems.dedup();
    bail!("no server answers here; --control names the socket of one ({})", problems.join("; "))
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
