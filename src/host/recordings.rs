//! The recorded calls in a folder, for those who look for one.

use crate::agi::Environment;
use crate::transport::recording::{Event, Header, Line, Tape};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// How many recordings are listed, the newest ones.
const MAX_LISTED: usize = 500;
/// How many bytes at the beginning of a file are looked at for its header.
const MAX_HEADER: u64 = 256 * 1024;
/// How many bytes at its end are looked at for how the call ended.
const MAX_END: u64 = 16 * 1024;
/// The size of the largest recording that is read, in bytes.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// What the list says of a recorded call.
#[derive(Serialize)]
struct Listed {
    file: String,
    /// When it began, in seconds since the Unix epoch.
    started: f64,
    script: String,
    version: String,
    caller: String,
    name: String,
    extension: String,
    channel: String,
    redacted: bool,
    /// How it ended; null if the recording breaks off before that, or the call is still going on.
    status: Option<String>,
    fault: Option<String>,
    /// How long it lasted, in milliseconds; null where the end can't be read.
    length: Option<u64>,
    size: u64,
}

/// Returns the newest recordings, one line of JSON each, and before them a line that says how many there are.
///
/// # Errors
/// The folder can't be read.
pub(super) fn list(folder: &Path) -> io::Result<String> {
    let mut names: Vec<String> = match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .map_while(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_name(name))
            .collect(),
        // It is made with the first recording.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    // A name begins with the time.
    names.sort_unstable_by(|one, other| other.cmp(one));
    let mut text = format!("{}\n", serde_json::json!({ "recordings": names.len(), "listed": MAX_LISTED }));
    for name in names.into_iter().take(MAX_LISTED) {
        // A file that isn't a recording isn't listed; nor is one that is removed right now.
        if let Ok(line) = look(folder, name).and_then(|listed| Ok(serde_json::to_string(&listed)?)) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// Returns the text of a recording: whole lines, and no empty one.
///
/// # Errors
/// There is no such recording, or it is too large.
pub(super) fn read(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no recording {name}"));
    if !is_name(name) {
        return Err(missing());
    }
    let file = File::open(folder.join(name)).map_err(|_| missing())?;
    let size = file.metadata()?.len();
    if size > MAX_SIZE {
        let (size, max) = (size >> 20, MAX_SIZE >> 20);
        return Err(io::Error::other(format!(
            "{name} has {size} MiB, and {max} are read at most: use agi-rhai replay"
        )));
    }
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes)?;
    if let Err(wrong) = Tape::read(&bytes) {
        let first = wrong.first().map(ToString::to_string).unwrap_or_default();
        return Err(io::Error::other(format!("{name} cannot be read: {first}")));
    }
    // As when it is read: without a last line that isn't complete.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&*bytes, |at| &bytes[..at]);
    let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    Ok(lines.flat_map(|line| [line, b"\n"].concat()).collect())
}

/// Whether this is the name of a recording, and of nothing outside of the folder.
fn is_name(name: &str) -> bool {
    let is_recording = Path::new(name).extension().is_some_and(|extension| extension == "jsonl");
    is_recording && !name.starts_with('.') && !name.contains('/')
}

/// Looks at both ends of a recording.
fn look(folder: &Path, name: String) -> io::Result<Listed> {
    let mut file = File::open(folder.join(&name))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut first = Vec::new();
    BufReader::new((&mut file).take(MAX_HEADER)).read_until(b'\n', &mut first)?;
    let header: Header = serde_json::from_slice(&first)?;
    let size = metadata.len();
    file.seek(SeekFrom::Start(size.saturating_sub(MAX_END)))?;
    let mut end = Vec::new();
    file.take(MAX_END).read_to_end(&mut end)?;
    let last = end.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let last: Option<Line> = serde_json::from_slice(last).ok();
    let length = last.as_ref().and_then(|line| u64::try_from(line.at.as_millis()).ok());
    let ended = match last.map(|line| line.event) {
        Some(Event::Ended(ended)) => Some(ended),
        _ => None,
    };
    let environment = Environment::parse(&header.opening_block()).ok();
    let get = |name: &str| {
        let value = environment.as_ref().and_then(|environment| Some(environment.get(name)?.into_owned()));
        value.filter(|value| value != "unknown").unwrap_or_default()
    };
    Ok(Listed {
        started: header.started.as_secs_f64(),
        caller: get("agi_callerid"),
        name: get("agi_calleridname"),
        extension: get("agi_extension"),
        channel: get("agi_channel"),
        script: header.script,
        version: header.version,
        redacted: header.redacted,
        fault: ended.as_ref().and_then(|ended| Some(ended.fault.as_ref()?.message.clone())),
        status: ended.map(|ended| ended.status),
        length,
        size,
        file: name,
    })
}
