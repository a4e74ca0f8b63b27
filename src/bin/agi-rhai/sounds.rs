//! `agi-rhai sounds`: makes the recordings that scripts need.

use crate::config::{ConfigOptions, folder_of_paths};
use crate::files::files_of;
use crate::out;
use crate::terminal::shows_colour;
use agi_rhai::internals::plural;
use agi_rhai::internals::sounds::{Import, Maker, NeededSound, Presence, Recording, SoundFormat, made, needed};
use agi_rhai::service::Settings;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many recordings are made at a time.
const AT_ONCE: usize = 4;
/// The language of what names none, unless the operator says otherwise.
const LANGUAGE: &str = "en";

/// Makes the recordings that scripts need: of the words in their tables, or of recordings of any kind
///
/// Without --import, an engine of agi-rhai.toml speaks the words. Recordings are trimmed, made as loud as Asterisk's
/// own, and written as Asterisk plays them. What is there already stays as it is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is there, or was made; 1 something is missing, or couldn't be made; 2 wrong usage, \
                  or a file that cannot be read."
)]
pub struct SoundsOptions {
    /// Scripts, tables of prompts, and folders, which are searched with all folders below them; without a path, the
    /// scripts folder or else the current folder
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Folder of imports, besides that of each script
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    scripts: Option<PathBuf>,

    #[command(flatten)]
    pub config: ConfigOptions,

    /// Folder of the recordings, with a folder for each language [default: `sounds` in the folder of the scripts]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Format of the recordings; with it, those in another format don't count [default: wav]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    format: Option<SoundFormat>,

    /// Engine that speaks, by its name in agi-rhai.toml [default: the one for each language]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["import", "check"])]
    engine: Option<String>,

    /// Takes the recordings from this folder, where they are called like their prompts: PROMPT.flac, de/PROMPT.m4a
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    import: Option<PathBuf>,

    /// Makes again what is there already
    #[arg(long, conflicts_with = "check")]
    overwrite: bool,

    /// Makes nothing, and lists what is missing
    #[arg(long)]
    check: bool,
}

fn format_parser() -> impl TypedValueParser<Value = SoundFormat> {
    let named = |name: String| SoundFormat::ALL.into_iter().find(|format| format.extension() == name);
    // Only these names are possible.
    PossibleValuesParser::new(SoundFormat::ALL.map(SoundFormat::extension))
        .map(move |name| named(name).unwrap_or(SoundFormat::Wav))
}

impl SoundsOptions {
    /// Returns the folder of the scripts.
    pub fn folder_of_scripts(&self) -> PathBuf {
        folder_of_paths(self.scripts.as_deref(), self.paths.first().map(PathBuf::as_path))
    }

    /// Whether the engines in the operator's file are used.
    pub fn speaks(&self) -> bool {
        !self.check && self.import.is_none()
    }
}

pub fn sounds(options: &SoundsOptions) -> ExitCode {
    if let Some(mistake) = options.config.rendered_mistake(shows_colour(&io::stderr())) {
        out::stderr_line(mistake);
        return ExitCode::from(2);
    }
    match run(options) {
        Ok(is_complete) => ExitCode::from(u8::from(!is_complete)),
        Err(error) => {
            out::error(error);
            ExitCode::from(2)
        }
    }
}

fn run(options: &SoundsOptions) -> io::Result<bool> {
    let settings = options.config.file.as_ref().map(|file| file.settings()).unwrap_or_default();
    let language =
        settings.speech.as_ref().and_then(|speech| speech.language.as_deref()).unwrap_or(LANGUAGE).to_owned();
    let folder = options.out.clone().unwrap_or_else(|| options.folder_of_scripts().join("sounds"));
    let all = needed(&scripts(options)?, options.scripts.as_deref(), &language)?;
    let presence = |sound: &NeededSound| sound.presence(&folder, options.format);
    let (there, mut missing): (Vec<_>, Vec<_>) = all.iter().partition(|sound| presence(sound) == Presence::There);
    if options.check {
        for sound in &missing {
            out::line(absence(sound, &presence(sound), &folder, options.format));
        }
        out::line(format_args!("{}: {} there, {} missing", folder.display(), there.len(), missing.len()));
        return Ok(missing.is_empty());
    }
    if options.overwrite {
        missing = all.iter().collect();
    }
    let (wanted, source) = match &options.import {
        Some(from) => {
            let import = Import::read(from, &language)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", from.display())))?;
            for other in import.others(&all) {
                out::stderr_line(format_args!("{}: no script plays it", other.display()));
            }
            (missing.into_iter().filter(|sound| import.find(sound).is_some()).collect(), Source::Import(import))
        }
        None if missing.is_empty() => (Vec::new(), Source::None),
        None => (missing, Source::Engine(Box::new(maker(settings, options)?))),
    };
    let made = make(&wanted, &source, &folder, options.format.unwrap_or(SoundFormat::Wav));
    let left = all.iter().filter(|sound| presence(sound) != Presence::There).count();
    let left = if left == 0 { String::new() } else { format!(", {left} still missing") };
    out::line(format_args!("{}: {} made{left}", folder.display(), plural(made, "recording")));
    // What nobody has recorded yet isn't a failure of importing the others.
    Ok(made == wanted.len())
}

/// Returns the scripts and tables that the options mean.
fn scripts(options: &SoundsOptions) -> io::Result<Vec<PathBuf>> {
    let mut found = files_of(&options.paths, options.scripts.as_deref())?;
    found.retain(|path| !path.to_string_lossy().ends_with(".test.rhai"));
    Ok(found)
}

fn maker(settings: Settings, options: &SoundsOptions) -> io::Result<Maker> {
    Maker::new(settings, options.engine.as_deref()).map_err(io::Error::other)
}

/// Says what is missing: `sounds/de/coin-ask: missing ("Kopf oder Zahl?")`.
fn absence(sound: &NeededSound, presence: &Presence, folder: &Path, format: Option<SoundFormat>) -> String {
    if let Presence::Refused(file, problem) = presence {
        return format!("{}: Asterisk refuses it: it {problem}", file.display());
    }
    let place = match format {
        Some(format) => sound.file(folder, format),
        None => folder.join(sound.path()),
    };
    match &sound.words {
        Some(words) => format!("{}: missing ({words:?})", place.display()),
        None => format!("{}: missing, and its words too ({})", place.display(), sound.source.display()),
    }
}

/// Where recordings come from.
enum Source {
    Engine(Box<Maker>),
    Import(Import),
    None,
}

impl Source {
    fn recording(&self, sound: &NeededSound) -> Result<Recording, String> {
        match self {
            Self::Engine(maker) => maker.speak(sound),
            Self::Import(import) => Recording::read(import.find(sound).unwrap_or(Path::new(""))),
            Self::None => Err("there is nothing to make it of".to_owned()),
        }
    }
}

/// Makes recordings, several at a time. Returns how many.
fn make(wanted: &[&NeededSound], source: &Source, folder: &Path, format: SoundFormat) -> usize {
    let bar = ProgressBar::with_draw_target(Some(wanted.len() as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len}  {eta}") {
        bar.set_style(style);
    }
    let (next, count, printing) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(()));
    let work = || {
        while let Some(sound) = wanted.get(next.fetch_add(1, Relaxed)) {
            let file = sound.file(folder, format);
            let made = source.recording(sound).and_then(|recording| made(&recording, &file, format));
            let _one_at_a_time = printing.lock().unwrap_or_else(PoisonError::into_inner);
            bar.suspend(|| match made {
                Ok(length) => {
                    count.fetch_add(1, Relaxed);
                    let words = sound.words.as_ref().map_or_else(String::new, |words| format!("  {words:?}"));
                    out::line(format_args!("{}  {:.1} s{words}", file.display(), length.as_secs_f64()));
                }
                Err(problem) => out::stderr_line(format_args!("{}: {problem}", file.display())),
            });
            bar.inc(1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(wanted.len()) {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    count.into_inner()
}
