//! Sound: prompts are played by a player that is installed, where their sound files are found.

use super::call::PhoneSetup;
use agi_rhai::clock::{Time, sleep};
use agi_rhai::command::Command;
use agi_rhai::pbx::{Hearing, Sound};
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

/// How often a player is looked at, to tell that it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A player starts a little late, so the last sound may be this late too before the next one cuts it.
const GRACE: Duration = Duration::from_millis(200);
/// The end of the program waits so long for a player to be gone.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Plays sound files. Clones are the same player.
#[derive(Clone)]
pub struct Audio {
    orders: Sender<Order>,
    /// When the prompt playing would have come to its end.
    ends: Arc<Mutex<Time>>,
}

enum Order {
    /// These sound files, by name, in this language.
    Play(Vec<String>, String),
    Stop,
    /// Stops for good, and says so.
    Close(Sender<()>),
}

/// What to tell the person at the phone, once each: a file or a player that is not there.
pub type Tell = Box<dyn Fn(String) + Send>;

impl Audio {
    /// Starts the thread that plays, or tells why there is nothing to play with.
    pub fn start(setup: &PhoneSetup, tell: Tell) -> Option<Self> {
        let players: Vec<Player> = Player::ALL.into_iter().filter(|player| player.program().is_some()).collect();
        if players.is_empty() {
            tell(format!("no sound: none of {} is installed", Player::names()));
            return None;
        }
        let mut folders = setup.sounds();
        // Where an installed Asterisk has its sounds.
        let data = std::env::var_os("AST_DATA_DIR").map(PathBuf::from);
        let places = data.into_iter().chain(["/var/lib/asterisk", "/usr/share/asterisk"].map(PathBuf::from));
        folders.extend(places.map(|place| place.join("sounds")).filter(|folder| folder.is_dir()));
        let (orders, received) = channel();
        let mut desk = Desk { players, folders, tell, told: BTreeSet::new(), queue: VecDeque::new(), child: None };
        std::thread::Builder::new().name("audio".to_owned()).spawn(move || desk.serve(&received)).ok()?;
        Some(Self { orders, ends: Arc::default() })
    }

    /// Plays a prompt that has just begun, which lasts so long, or until then.
    pub fn play(&self, hears: &Hearing<'_>, language: &str, length: Option<Duration>, until: Time) {
        let files = hears.sound.files();
        if files.is_empty() && matches!(hears.sound, Sound::Silence) {
            return;
        }
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = length.map_or(until, |length| hears.began + length);
        let _ = self.orders.send(Order::Play(files, language.to_owned()));
    }

    /// Ends what is playing.
    pub fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }

    /// Ends what is playing, and waits until the player is gone.
    pub fn close(&self) {
        let (sender, done) = channel();
        if self.orders.send(Order::Close(sender)).is_ok() {
            let _ = done.recv_timeout(LAST_WORDS);
        }
    }
}

/// A prompt whose command is answered before its end was broken off, by a key or by the hangup.
impl Observer for Audio {
    fn sent(&self, _: &'static Command, _: &Sent<'_>, _: &str, _: usize, _: Time) {}

    fn heard(&self, _: &'static Command, _: &dyn fmt::Display, at: Time) {
        if at < *self.ends.lock().unwrap_or_else(PoisonError::into_inner) {
            self.stop();
        }
    }
}

/// A player we know how to ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Player {
    Sox,
    Ffplay,
    Mpv,
    Aplay,
    Paplay,
}

/// What is in a sound file, by its ending.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Gsm,
    Wav,
    /// GSM in a wav file.
    Wav49,
    Mulaw,
    Alaw,
    /// Bare samples of 16 bits, so many a second.
    Samples(u32),
    G722,
    G729,
}

impl Format {
    /// The endings, in Asterisk's order.
    const ENDINGS: [(&str, Self); 16] = [
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

    /// Where it is installed.
    fn program(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(self.command())).find(|program| program.is_file())
    }

    /// What it is told before all files.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Sox | Self::Aplay => &["-q"],
            Self::Ffplay => &["-nodisp", "-autoexit", "-loglevel", "error"],
            Self::Mpv => &["--no-video", "--really-quiet", "--no-terminal"],
            Self::Paplay => &[],
        }
    }

    /// Whether several files can be played without a gap.
    fn takes_many(self) -> bool {
        matches!(self, Self::Sox | Self::Mpv)
    }

    /// What it is told before a file of this format; `None` if it cannot play it.
    fn format(self, format: Format) -> Option<Vec<String>> {
        let words = |text: String| Some(text.split_whitespace().map(str::to_owned).collect());
        match (self, format) {
            (Self::Sox, Format::Gsm | Format::Wav) | (Self::Ffplay | Self::Aplay | Self::Paplay, Format::Wav) => {
                Some(Vec::new())
            }
            (Self::Sox, Format::Wav49) => words("-t wav".into()),
            (Self::Sox, Format::Mulaw) => words("-t ul -r 8000 -c 1".into()),
            (Self::Sox, Format::Alaw) => words("-t al -r 8000 -c 1".into()),
            (Self::Sox, Format::Samples(rate)) => words(format!("-t raw -r {rate} -e signed -b 16 -c 1")),
            (Self::Ffplay, Format::Gsm) => words("-f gsm".into()),
            (Self::Ffplay, Format::Wav49) => words("-f wav".into()),
            (Self::Ffplay, Format::Mulaw) => words("-f mulaw -sample_rate 8000".into()),
            (Self::Ffplay, Format::Alaw) => words("-f alaw -sample_rate 8000".into()),
            (Self::Ffplay, Format::Samples(rate)) => words(format!("-f s16le -sample_rate {rate}")),
            (Self::Ffplay, Format::G722) => words("-f g722".into()),
            (Self::Ffplay, Format::G729) => words("-f g729".into()),
            (Self::Mpv, Format::Gsm | Format::Wav | Format::Wav49 | Format::G722) => Some(Vec::new()),
            (Self::Aplay, Format::Mulaw) => words("-t raw -f MU_LAW -r 8000 -c 1".into()),
            (Self::Aplay, Format::Alaw) => words("-t raw -f A_LAW -r 8000 -c 1".into()),
            (Self::Aplay, Format::Samples(rate)) => words(format!("-t raw -f S16_LE -r {rate} -c 1")),
            (Self::Paplay, Format::Mulaw) => words("--raw --format=ulaw --rate=8000 --channels=1".into()),
            (Self::Paplay, Format::Alaw) => words("--raw --format=alaw --rate=8000 --channels=1".into()),
            (Self::Paplay, Format::Samples(rate)) => words(format!("--raw --format=s16le --rate={rate} --channels=1")),
            _ => None,
        }
    }
}

/// The thread that plays.
struct Desk {
    players: Vec<Player>,
    folders: Vec<PathBuf>,
    tell: Tell,
    told: BTreeSet<String>,
    queue: VecDeque<(Player, Vec<OsString>)>,
    child: Option<Child>,
}

impl Desk {
    fn serve(&mut self, orders: &Receiver<Order>) {
        loop {
            let order = if self.child.is_some() {
                orders.recv_timeout(LOOK_EVERY)
            } else {
                orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match order {
                Ok(Order::Play(names, language)) => {
                    self.let_end();
                    self.stop();
                    self.queue = self.plan(&names, &language);
                    self.next();
                }
                Ok(Order::Stop) => self.stop(),
                Ok(Order::Close(done)) => {
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

    /// The last sound may be a little late.
    fn let_end(&mut self) {
        let mut waited = Duration::ZERO;
        while waited < GRACE && self.child.is_some() && !self.has_ended() {
            sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }

    fn stop(&mut self) {
        self.queue.clear();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether the player has come to its end; one that failed is told of.
    fn has_ended(&mut self) -> bool {
        let Some(child) = &mut self.child else { return true };
        let Ok(Some(status)) = child.try_wait() else { return false };
        if !status.success() {
            let mut said = String::new();
            if let Some(errors) = &mut child.stderr {
                let _ = errors.take(4096).read_to_string(&mut said);
            }
            let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why").trim();
            self.tell_once(format!("no sound: the player failed: {said}"));
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
                Err(error) => self.tell_once(format!("no sound: {} cannot be started: {error}", player.command())),
            }
        }
    }

    /// How these sound files are played: as few starts of a player as there can be.
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

    /// The first file of this name that a player can play, that player, and what it is told of the format.
    fn find(&mut self, name: &str, language: &str) -> Option<(Player, Vec<String>, PathBuf)> {
        let names = if name.starts_with('/') {
            vec![PathBuf::from(name)]
        } else {
            let spelled = [Path::new(language).join(name), PathBuf::from(name), Path::new("en").join(name)];
            self.folders.iter().flat_map(|folder| spelled.iter().map(|name| folder.join(name))).collect()
        };
        let endings = |path: PathBuf| {
            Format::ENDINGS.into_iter().map(move |(ending, format)| {
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
            None => match name.split_once('/') {
                // Asterisk's own are many.
                Some((folder, _)) if !folder.is_empty() => self.tell_once(format!(
                    "no sound file {name}: if Asterisk's sounds are on this machine, name their folder with --sounds"
                )),
                _ => self.tell_once(format!("no sound file {name}")),
            },
            Some((path, _)) => {
                let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
                let have: Vec<_> = self.players.iter().map(|player| player.command()).collect();
                let have = have.join(" and ");
                self.tell_once(format!("no sound: {have} cannot play .{ending}; install sox, ffmpeg or mpv"));
            }
        }
        None
    }

    fn tell_once(&mut self, what: String) {
        // A whole folder that is missing is told once.
        let key = what.split_once('/').map_or(what.as_str(), |(folder, _)| folder).to_owned();
        if self.told.insert(key) {
            (self.tell)(what);
        }
    }
}
