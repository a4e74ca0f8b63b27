//! `agi-rhai new`: creates a small game to start from.

use crate::out;
use anyhow::{Context, Result, bail};
use std::fs::{OpenOptions, create_dir_all};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The files of a game: extension, text, and whether it is executable. `NAME` stands for the name of the game.
const FILES: [(&str, &str, bool); 3] = [
    ("rhai", include_str!("new/NAME.rhai"), true),
    ("prompts", include_str!("new/NAME.prompts"), false),
    ("test.rhai", include_str!("new/NAME.test.rhai"), false),
];

/// Creates a small game with its prompts and a test
///
/// It has three files: the script NAME.rhai, the words of its recordings in NAME.prompts, and tests in NAME.test.rhai.
#[derive(Debug, clap::Args)]
pub struct NewOptions {
    /// Name of the game, or a path to it: games/weasels
    pub name: PathBuf,
}

pub fn new(options: &NewOptions) -> ExitCode {
    match make(&options.name) {
        Ok(message) => {
            out::line(message);
            ExitCode::SUCCESS
        }
        Err(error) => {
            out::error(format_args!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Returns the path without `.rhai`, and the name, which has to be valid in the dialplan.
fn named(path: &Path) -> Result<(PathBuf, String)> {
    let path = path.to_str().context("the name isn't valid UTF-8")?;
    let path = path.strip_suffix(".rhai").unwrap_or(path);
    let name = path.rsplit('/').next().unwrap_or_default();
    let good = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(good) || name.starts_with('-') {
        bail!(
            "{path:?} isn't a valid name for a script: use letters, digits, - and _, such as weasels or games/weasels"
        );
    }
    Ok((PathBuf::from(path), name.to_owned()))
}

fn make(path: &Path) -> Result<String> {
    let (path, name) = named(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    // All files or none: half a game would get in the way of the next attempt.
    for (ending, ..) in FILES {
        let file = file(ending);
        if file.symlink_metadata().is_ok() {
            bail!("{} already exists and is not overwritten: choose another name", file.display());
        }
    }
    create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    for (ending, text, runs) in FILES {
        let file = file(ending);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(if runs { 0o777 } else { 0o666 });
        let written = options.open(&file).and_then(|mut file| file.write_all(text.replace("NAME", &name).as_bytes()));
        match written {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{} already exists and is not overwritten: choose another name", file.display())
            }
            written => written.with_context(|| format!("cannot write {}", file.display()))?,
        }
    }
    let (script, prompts, tests) = (file("rhai"), file("prompts"), file("test.rhai"));
    let (script, prompts, tests) = (script.display(), prompts.display(), tests.display());
    let real = std::path::absolute(file("rhai")).unwrap_or_else(|_| file("rhai"));
    Ok(format!(
        "{script}: a game, with comments\n{prompts}: the words of its recordings\n{tests}: its tests\n\n\
         Play it here:      agi-rhai phone {script}\n\
         Test it:           agi-rhai test {tests}\n\
         Check it:          agi-rhai check {script}\n\
         On a real phone:   exten => 500,1,AGI(agi-rhai,{})\n\
         {:19}same => n,Hangup()\n\
         What scripts can say: agi-rhai commands",
        real.display(),
        "",
    ))
}
