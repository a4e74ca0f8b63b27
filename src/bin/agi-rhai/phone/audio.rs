//! Audio: an installed player plays the sound files of prompts.

use super::call::PhoneSetup;
use agi_rhai::clock::{Time, sleep};
use agi_rhai::command::Command;
use agi_rhai::pbx::{Hearing, Sound, Sounds};
use agi_rhai::session::{Observer, Sent};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The interval at which a player is polled for its end.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long a sound may overrun before the next one cuts it off, since players start a little late.
const MAX_OVERRUN: Duration = Duration::from_millis(200);
/// How long the program waits for a player to stop when it exits.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// Plays sound files. Clones share one player.
#[derive(Clone)]
pub struct Audio {
    commands: Sender<AudioCommand>,
    /// When the current prompt would end.
    ends: Arc<Mutex<Time>>,
}

enum AudioCommand {
    /// Plays sound files, by name, in a language.
    Play(Vec<String>, String),
    Stop,
    /// Stops for good, and confirms it.
    Close(Sender<()>),
}

/// Reports a missing file or player to the person at the phone.
pub type Report = Box<dyn Fn(String) + Send>;

impl Audio {
    /// Starts the thread that plays, or reports that no player is installed.
    pub fn start(setup: &PhoneSetup, report: Report) -> Option<Self> {
        let players: Vec<Player> = Player::ALL.into_iter().filter(|player| player.program().is_some()).collect();
        if players.is_empty() {
            report(format!("no sound: none of {} is installed", Player::names()));
            return None;
        }
        let mut folders = setup.sounds();
        // The sounds of an installed Asterisk.
        let data = std::env::var_os("AST_DATA_DIR").map(PathBuf::from);
        let places = data.into_iter().chain(["/var/lib/asterisk", "/usr/share/asterisk"].map(PathBuf::from));
        folders.extend(places.map(|place| place.join("sounds")).filter(|folder| folder.is_dir()));
        let (commands, received) = channel();
        let mut worker =
            AudioWorker { players, folders, report, reported: BTreeSet::new(), queue: VecDeque::new(), child: None };
        std::thread::Builder::new().name("audio".to_owned()).spawn(move || worker.serve(&received)).ok()?;
        Some(Self { commands, ends: Arc::default() })
    }

    /// Plays a prompt that has just begun, which ends after `length` if that is known, or else at `until`.
    pub fn play(&self, hearing: &Hearing<'_>, length: Option<Duration>, until: Time) {
        let files = hearing.sound.files();
        if files.is_empty() && matches!(hearing.sound, Sound::Silence) {
            return;
        }
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) =
            length.map_or(until, |length| hearing.began + length);
        let _ = self.commands.send(AudioCommand::Play(files, hearing.language.to_owned()));
    }

    /// Stops the current prompt.
    pub fn stop(&self) {
        let _ = self.commands.send(AudioCommand::Stop);
    }

    /// Stops the current prompt and waits for the player to exit.
    pub fn close(&self) {
        let (sender, done) = channel();
        if self.commands.send(AudioCommand::Close(sender)).is_ok() {
            let _ = done.recv_timeout(STOP_TIMEOUT);
        }
    }
}

/// A prompt whose command returns before the end of the prompt was interrupted, by a key or by the hangup.
impl Observer for Audio {
    fn sent(&self, _: &'static Command, _: &Sent<'_>, _: &str, _: usize, _: Time) {}

    fn heard(&self, _: &'static Command, _: &dyn fmt::Display, at: Time) {
        if at < *self.ends.lock().unwrap_or_else(PoisonError::into_inner) {
            self.stop();
        }
    }
}

/// A supported player.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Player {
    Sox,
    Ffplay,
    Mpv,
    Aplay,
    Paplay,
}

/// The format of a sound file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AudioFormat {
    Gsm,
    Wav,
    /// GSM in a wav file.
    Wav49,
    Mulaw,
    Alaw,
    /// Raw samples of 16 bits, at this rate.
    Samples(u32),
    G722,
    G729,
}

impl AudioFormat {
    /// The file extensions, in Asterisk's order.
    const EXTENSIONS: [(&str, Self); 16] = [
        ("gsm", Self::Gsm),
        ("wav", Self::Wav),
        ("WAV", Self::Wav49),
        ("wav49", Self::Wav49),
        ("ulaw", Self::Mulaw),
        ("ul", Self::Mulaw),
        ("pcm", Self::Mulaw),
        ("alaw", Self::Alaw),
        ("al", Self::Alaw),
        ("sln", Self::Samples(8000)),
        ("raw", Self::Samples(8000)),
        ("wav16", Self::Wav),
        ("sln16", Self::Samples(16000)),
        ("sln48", Self::Samples(48000)),
        ("g722", Self::G722),
        ("g729", Self::G729),
    ];
}

impl Player {
    const ALL: [Self; 5] = [Self::Sox, Self::Ffplay, Self::Mpv, Self::Aplay, Self::Paplay];

    fn command(self) -> &'static str {
        match self {
            Self::Sox => "play",
            Self::Ffplay => "ffplay",
            Self::Mpv => "mpv",
            Self::Aplay => "aplay",
            Self::Paplay => "paplay",
        }
    }

    fn names() -> String {
        "play (of sox), ffplay (of ffmpeg), mpv, aplay and paplay".to_owned()
    }

    /// Returns the path of the program if it is installed.
    fn program(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(self.command())).find(|program| program.is_file())
    }

    /// Returns the options before all files.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Sox | Self::Aplay => &["-q"],
            Self::Ffplay => &["-nodisp", "-autoexit", "-loglevel", "error"],
            Self::Mpv => &["--no-video", "--really-quiet", "--no-terminal"],
            Self::Paplay => &[],
        }
    }

    /// Whether it plays several files without a gap.
    fn takes_many(self) -> bool {
        matches!(self, Self::Sox | Self::Mpv)
    }

    /// Returns the options before a file of this format; `None` if it cannot play the format.
    fn format(self, format: AudioFormat) -> Option<Vec<String>> {
        let words = |text: String| Some(text.split_whitespace().map(str::to_owned).collect());
        match (self, format) {
            (Self::Sox, AudioFormat::Gsm | AudioFormat::Wav)
            | (Self::Ffplay | Self::Aplay | Self::Paplay, AudioFormat::Wav) => Some(Vec::new()),
            (Self::Sox, AudioFormat::Wav49) => words("-t wav".into()),
            (Self::Sox, AudioFormat::Mulaw) => words("-t ul -r 8000 -c 1".into()),
            (Self::Sox, AudioFormat::Alaw) => words("-t al -r 8000 -c 1".into()),
            (Self::Sox, AudioFormat::Samples(rate)) => words(format!("-t raw -r {rate} -e signed -b 16 -c 1")),
            (Self::Ffplay, AudioFormat::Gsm) => words("-f gsm".into()),
            (Self::Ffplay, AudioFormat::Wav49) => words("-f wav".into()),
            (Self::Ffplay, AudioFormat::Mulaw) => words("-f mulaw -sample_rate 8000".into()),
            (Self::Ffplay, AudioFormat::Alaw) => words("-f alaw -sample_rate 8000".into()),
            (Self::Ffplay, AudioFormat::Samples(rate)) => words(format!("-f s16le -sample_rate {rate}")),
            (Self::Ffplay, AudioFormat::G722) => words("-f g722".into()),
            (Self::Ffplay, AudioFormat::G729) => words("-f g729".into()),
            (Self::Mpv, AudioFormat::Gsm | AudioFormat::Wav | AudioFormat::Wav49 | AudioFormat::G722) => {
                Some(Vec::new())
            }
            (Self::Aplay, AudioFormat::Mulaw) => words("-t raw -f MU_LAW -r 8000 -c 1".into()),
            (Self::Aplay, AudioFormat::Alaw) => words("-t raw -f A_LAW -r 8000 -c 1".into()),
            (Self::Aplay, AudioFormat::Samples(rate)) => words(format!("-t raw -f S16_LE -r {rate} -c 1")),
            (Self::Paplay, AudioFormat::Mulaw) => words("--raw --format=ulaw --rate=8000 --channels=1".into()),
            (Self::Paplay, AudioFormat::Alaw) => words("--raw --format=alaw --rate=8000 --channels=1".into()),
            (Self::Paplay, AudioFormat::Samples(rate)) => {
                words(format!("--raw --format=s16le --rate={rate} --channels=1"))
            }
            _ => None,
        }
    }
}

/// The state of the thread that plays.
struct AudioWorker {
    players: Vec<Player>,
    folders: Vec<PathBuf>,
    report: Report,
    reported: BTreeSet<String>,
    queue: VecDeque<(Player, Vec<OsString>)>,
    child: Option<Child>,
}

impl AudioWorker {
    fn serve(&mut self, commands: &Receiver<AudioCommand>) {
        loop {
            let command = if self.child.is_some() {
                commands.recv_timeout(POLL_INTERVAL)
            } else {
                commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match command {
                Ok(AudioCommand::Play(names, language)) => {
                    self.let_finish();
                    self.stop();
                    self.queue = self.plan(&names, &language);
                    self.next();
                }
                Ok(AudioCommand::Stop) => self.stop(),
                Ok(AudioCommand::Close(done)) => {
                    self.stop();
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.has_ended() {
                        self.next();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
        }
    }

    /// Gives the last sound a little time to finish.
    fn let_finish(&mut self) {
        let mut waited = Duration::ZERO;
        while waited < MAX_OVERRUN && self.child.is_some() && !self.has_ended() {
            sleep(POLL_INTERVAL);
            waited += POLL_INTERVAL;
        }
    }

    fn stop(&mut self) {
        self.queue.clear();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether the player has exited. Reports a failure.
    fn has_ended(&mut self) -> bool {
        let Some(child) = &mut self.child else { return true };
        let Ok(Some(status)) = child.try_wait() else { return false };
        if !status.success() {
            let mut said = String::new();
            if let Some(errors) = &mut child.stderr {
                let _ = errors.take(4096).read_to_string(&mut said);
            }
            let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("without a message").trim();
            self.report_once(format!("no sound: the player failed: {said}"));
        }
        self.child = None;
        true
    }

    fn next(&mut self) {
        while let Some((player, args)) = self.queue.pop_front() {
            let mut command = std::process::Command::new(player.command());
            command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            match command.spawn() {
                Ok(child) => {
                    self.child = Some(child);
                    return;
                }
                Err(error) => self.report_once(format!("no sound: {} cannot be started: {error}", player.command())),
            }
        }
    }

    /// Plans how to play these sound files with as few starts of a player as possible.
    fn plan(&mut self, names: &[String], language: &str) -> VecDeque<(Player, Vec<OsString>)> {
        let mut plan: VecDeque<(Player, Vec<OsString>)> = VecDeque::new();
        for name in names {
            let Some((player, format, path)) = self.find(name, language) else { continue };
            let file = format.into_iter().map(OsString::from).chain([path.into_os_string()]);
            match plan.back_mut() {
                Some((last, args)) if *last == player && player.takes_many() => args.extend(file),
                _ => plan.push_back((player, player.options().iter().map(OsString::from).chain(file).collect())),
            }
        }
        plan
    }

    /// Finds the first file of this name that a player can play, with the player and its options for the format.
    fn find(&mut self, name: &str, language: &str) -> Option<(Player, Vec<String>, PathBuf)> {
        let names = if name.starts_with('/') {
            vec![PathBuf::from(name)]
        } else {
            let spelled = [Path::new(language).join(name), PathBuf::from(name), Path::new("en").join(name)];
            self.folders.iter().flat_map(|folder| spelled.iter().map(|name| folder.join(name))).collect()
        };
        let endings = |path: PathBuf| {
            AudioFormat::EXTENSIONS.into_iter().map(move |(ending, format)| {
                let mut file = path.clone().into_os_string();
                file.push(".");
                file.push(ending);
                (PathBuf::from(file), format)
            })
        };
        let files: Vec<_> = names.into_iter().flat_map(endings).filter(|(path, _)| path.is_file()).collect();
        for (path, format) in &files {
            for player in &self.players {
                if let Some(options) = player.format(*format) {
                    return Some((*player, options, path.clone()));
                }
            }
        }
        match files.first() {
            // The words are shown where no engine speaks them.
            None if Sounds::spoken_text(name).is_some() => {}
            None => match name.split_once('/') {
                // Probably one of Asterisk's own sounds.
                Some((folder, _)) if !folder.is_empty() => self.report_once(format!(
                    "no sound file {name}: if Asterisk's sounds are on this machine, name their folder with --sounds"
                )),
                _ => self.report_once(format!("no sound file {name}")),
            },
            Some((path, _)) => {
                let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
                let have: Vec<_> = self.players.iter().map(|player| player.command()).collect();
                let have = have.join(" and ");
                self.report_once(format!("no sound: {have} cannot play .{ending}; install sox, ffmpeg or mpv"));
            }
        }
        None
    }

    fn report_once(&mut self, problem: String) {
        // A missing folder is reported once, not for each of its files.
        let key = problem.split_once('/').map_or(problem.as_str(), |(folder, _)| folder).to_owned();
        if self.reported.insert(key) {
            (self.report)(problem);
        }
    }
}
