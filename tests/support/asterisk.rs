//! A real Asterisk for the tests, and calls into it.
//!
//! [`asterisk()`] is the one instance of this test process, made at first use by `tests/asterisk/setup.sh` and
//! `tests/asterisk/run.sh` with the configuration in `tests/asterisk/etc`. A test places a [`Call`], acts as the person
//! at the phone through [`Running`], and checks its [`Ending`] and its transcript.

#![allow(dead_code, reason = "a rig: not every build of the tests uses every part")]
#![allow(clippy::disallowed_methods, reason = "a real Asterisk keeps real time")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Sometimes Asterisk goes to sleep with an event that it should have sent, until something else happens on that
/// manager connection. After this time without an event, the tests make something happen.
const NUDGE: Duration = Duration::from_millis(250);

/// Returns the Asterisk that all tests of this process share.
pub fn asterisk() -> &'static Asterisk {
    static SHARED: LazyLock<Asterisk> = LazyLock::new(Asterisk::start);
    &SHARED
}

/// A running Asterisk. It ends when this value is dropped or the process ends in any way.
pub struct Asterisk {
    /// The folder of this run, as this process sees it and as Asterisk sees it.
    run: PathBuf,
    inside: String,
    port: u16,
    secret: String,
    /// run.sh ends Asterisk when this pipe closes.
    leash: Option<ChildStdin>,
    runner: Child,
    control: Mutex<Option<Ami>>,
    /// Where the start ends in the console's text.
    booted: u64,
}

impl Asterisk {
    /// Starts an Asterisk. Panics with the reason if that isn't possible.
    pub fn start() -> Asterisk {
        Asterisk::start_with(None, true)
    }

    /// Starts one without the application AudioSocket. Its callers hear and speak by the channel of that name.
    pub fn start_without_audio_socket() -> Asterisk {
        Asterisk::start_with(None, false)
    }

    /// Starts one that asks only this name server. That needs [`can_set_name_server`].
    pub fn start_asking(name_server: Ipv4Addr) -> Asterisk {
        Asterisk::start_with(Some(name_server), true)
    }

    fn start_with(name_server: Option<Ipv4Addr>, has_audio_socket: bool) -> Asterisk {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let lane = Path::new(PROJECT).join("tests/asterisk");
        let setup = Command::new(lane.join("setup.sh"))
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/asterisk/setup.sh cannot be run: is there a bash?");
        assert!(setup.status.success(), "tests/asterisk/setup.sh failed: its output above says why");
        let root = String::from_utf8(setup.stdout).expect("the folder setup.sh printed is not UTF-8");
        let root = root.trim_end().trim_end_matches('/');

        let inside = format!("/tmp/agi-rhai-{}-{}", process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let run = PathBuf::from(format!("{root}{inside}"));
        let _ = fs::remove_dir_all(&run);
        for folder in ["etc", "lib", "spool", "run", "log", "agi-bin", "data/sounds/en"] {
            fs::create_dir_all(run.join(folder)).expect("the folder for this run cannot be made");
        }
        let port = free_port();
        let secret = format!("{:016x}", (u64::from(process::id()) << 32) | u64::from(port));
        for template in fs::read_dir(lane.join("etc")).expect("tests/asterisk/etc is missing") {
            let template = template.expect("tests/asterisk/etc cannot be listed").path();
            let text = fs::read_to_string(&template).expect("a configuration template cannot be read");
            let text = text.replace("@RUN@", &inside).replace("@PORT@", &port.to_string()).replace("@SECRET@", &secret);
            let text = if has_audio_socket {
                text
            } else {
                text.replace("app_audiosocket.so", "chan_audiosocket.so").replace(
                    "AudioSocket(${RIG_ID},127.0.0.1:${RIG_PORT})",
                    "Dial(AudioSocket/127.0.0.1:${RIG_PORT}/${RIG_ID})",
                )
            };
            let name = template.file_name().expect("a directory entry has a name");
            fs::write(run.join("etc").join(name), text).expect("a configuration file cannot be written");
        }
        // Tests the user of the pages as it stands there.
        let shown = Path::new(PROJECT).join("docs/async-agi/manager.conf");
        let text =
            fs::read_to_string(shown).expect("the pages have no user for a manager").replace("CHANGE-ME", &secret);
        fs::write(run.join("etc/manager-agi.conf"), text).expect("a configuration file cannot be written");
        // Tests the dialplan of the pages as it stands there.
        let shown = Path::new(PROJECT).join("docs/many-machines/extensions.conf");
        fs::copy(shown, run.join("etc/many-machines.conf")).expect("the pages have no dialplan");
        link_data(root, &run.join("data"));

        let mut runner = Command::new(lane.join("run.sh"));
        runner.arg(if root.is_empty() { "/" } else { root }).arg(&inside);
        if let Some(address) = name_server {
            let file = run.join("resolv.conf");
            fs::write(&file, format!("nameserver {address}\n")).expect("the name server cannot be configured");
            runner.arg(file);
        }
        let mut runner = runner
            .stdin(Stdio::piped())
            // Ctrl-C in the terminal goes to a whole process group; run.sh must outlive it to clean up.
            .process_group(0)
            .spawn()
            .expect("tests/asterisk/run.sh cannot be run: is there a bash?");
        let leash = runner.stdin.take();
        let mut asterisk = Asterisk { run, inside, port, secret, leash, runner, control: Mutex::new(None), booted: 0 };
        asterisk.install_project();
        let begun = Instant::now();
        let mut ami = loop {
            match Ami::login(port, &asterisk.secret) {
                Ok(ami) => break ami,
                Err(error) => {
                    let over = asterisk.runner.try_wait().expect("run.sh cannot be waited for").is_some();
                    assert!(!over, "Asterisk ended while starting: see the output of run.sh above");
                    assert!(begun.elapsed() < PATIENCE, "Asterisk does not come up ({error}):\n{}", asterisk.console());
                    thread::sleep(Duration::from_millis(20));
                }
            }
        };
        assert!(
            ami.event(PATIENCE, |event| event.is("FullyBooted")).is_some(),
            "Asterisk does not finish its start. Its console:\n{}",
            asterisk.console()
        );
        asterisk.control = Mutex::new(Some(ami));
        asterisk.booted = asterisk.console_length();
        // From now on the console holds every line of every AGI session, from which transcripts are made.
        asterisk.cli("agi set debug on");
        asterisk
    }

    /// Installs the program under test, its scripts and its sounds where Asterisk looks for them.
    fn install_project(&self) {
        if let Some(program) = option_env!("CARGO_BIN_EXE_agi-rhai") {
            let to = self.agi_dir().join("agi-rhai");
            // A link is free; across file systems it must be a copy.
            if fs::hard_link(program, &to).is_err() {
                fs::copy(program, &to).expect("agi-rhai cannot be copied to where Asterisk finds it");
            }
        }
        let scripts = Path::new(PROJECT).join("scripts");
        if scripts.exists() {
            copy_tree(&scripts, &self.agi_dir()).expect("scripts/ cannot be copied");
        }
        if scripts.join("sounds").exists() {
            copy_tree(&scripts.join("sounds"), &self.sounds_dir()).expect("scripts/sounds/ cannot be copied");
        }
    }

    /// Where Asterisk looks for AGI programs and agi-rhai for scripts, as this process sees it.
    pub fn agi_dir(&self) -> PathBuf {
        self.run.join("agi-bin")
    }

    /// The sounds folder as this process sees it. Prompts are looked up in its `en/` and then in the folder itself,
    /// into which RECORD FILE writes.
    pub fn sounds_dir(&self) -> PathBuf {
        self.run.join("data/sounds")
    }

    /// The package's own reference of applications and functions, as this process sees it.
    pub fn reference(&self) -> PathBuf {
        let link = fs::read_link(self.run.join("data/documentation")).expect("the reference is linked");
        let root = self.run.to_string_lossy().trim_end_matches(&self.inside).to_owned();
        PathBuf::from(format!("{root}{}", link.display())).join("core-en_US.xml")
    }

    /// Returns the path by which Asterisk and the programs it starts know a file of this run.
    pub fn inside(&self, path: &Path) -> String {
        let within = path.strip_prefix(&self.run).expect("the path is not within this run's folder");
        format!("{}/{}", self.inside, within.display())
    }

    /// Adds a script of the test. All tests of the process share the names.
    pub fn script(&self, name: &str, text: &str) {
        let path = self.agi_dir().join(name);
        fs::create_dir_all(path.parent().expect("the path has a parent")).expect("the script's folder cannot be made");
        fs::write(path, text).expect("the script cannot be written");
    }

    /// Adds a program to the AGI directory, such as `#!/bin/sh`.
    pub fn program(&self, name: &str, text: &str) {
        self.script(name, text);
        let path = self.agi_dir().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the program cannot be made executable");
    }

    /// Returns the output of a command on Asterisk's console.
    pub fn cli(&self, command: &str) -> String {
        let mut control = self.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let ami = control.as_mut().expect("the manager connection is made at the start");
        let response = ami.action("Command", &[("Command", command)]);
        response.all("Output").collect::<Vec<_>>().join("\n")
    }

    /// Has `asterisk -r` say a command, which works where the manager refuses everything.
    pub fn remote(&self, command: &str) -> String {
        let root = self.run.to_string_lossy().trim_end_matches(&self.inside).to_owned();
        let config = format!("{}/etc/asterisk.conf", self.inside);
        let mut program = match root.as_str() {
            "" => Command::new("asterisk"),
            root => {
                let mut chroot = Command::new("chroot");
                chroot.args([root, "asterisk"]);
                chroot
            }
        };
        let output = program.args(["-C", &config, "-rx", command]).stdin(Stdio::null()).output();
        String::from_utf8_lossy(&output.expect("asterisk -r cannot be run").stdout).into_owned()
    }

    /// Waits until it is up again after a restart. The console and [`cli`](Self::cli) are of use only before.
    pub fn wait_up(&self) {
        let begun = Instant::now();
        while Ami::login(self.port, &self.secret).is_err() {
            assert!(begun.elapsed() < PATIENCE, "Asterisk does not come up again");
            thread::sleep(Duration::from_millis(50));
        }
        self.remote("core waitfullybooted");
    }

    /// Changes a file of its configuration. A reload makes it count.
    pub fn configure(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.run.join("etc").join(file);
        let text = fs::read_to_string(&path).expect("a configuration file cannot be read");
        fs::write(path, change(text)).expect("a configuration file cannot be written");
    }

    /// Returns a value of AstDB.
    pub fn database_get(&self, family: &str, key: &str) -> Option<String> {
        let shown = self.cli(&format!("database get {} {}", cli_word(family), cli_word(key)));
        shown.strip_prefix("Value: ").map(str::to_owned)
    }

    pub fn database_put(&self, family: &str, key: &str, value: &str) {
        self.cli(&format!("database put {} {} {}", cli_word(family), cli_word(key), cli_word(value)));
    }

    /// Returns everything on Asterisk's console since it was up, including every AGI line.
    pub fn console(&self) -> String {
        self.console_from(self.booted)
    }

    fn console_from(&self, from: u64) -> String {
        let mut text = Vec::new();
        let file = File::open(self.run.join("log/console.log")).and_then(|mut file| {
            file.seek(SeekFrom::Start(from))?;
            file.read_to_end(&mut text)
        });
        file.expect("Asterisk's console cannot be read");
        String::from_utf8_lossy(&text).into_owned()
    }

    fn console_length(&self) -> u64 {
        fs::metadata(self.run.join("log/console.log")).map_or(0, |file| file.len())
    }

    /// Returns what the programs that Asterisk started have written to stderr.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.run.join("log/stderr")).unwrap_or_default()).into_owned()
    }

    /// Opens another manager connection.
    pub fn ami(&self) -> Ami {
        Ami::login(self.port, &self.secret).expect("Asterisk refuses a manager connection")
    }

    /// Returns port, user and secret for a program under test that opens its own manager connection.
    pub fn manager(&self) -> (u16, &'static str, &str) {
        (self.port, "rig", &self.secret)
    }

    /// Returns the table `[manager.asterisk]` for a server that takes the calls of these contexts by AsyncAGI: all
    /// servers hear of all calls.
    pub fn manager_table(&self, contexts: &[&str]) -> String {
        let (port, secret) = (self.port, &self.secret);
        format!(
            "[manager.asterisk]\naddress = \"127.0.0.1:{port}\"\nuser = \"agi\"\nsecret = {secret:?}\n\
             contexts = {contexts:?}\n",
        )
    }

    /// Returns the name of a new context that holds what `game` does, for the calls of one server.
    pub fn context(&self) -> &'static str {
        static CONTEXTS: AtomicU32 = AtomicU32::new(0);
        let name = format!("game-{}", CONTEXTS.fetch_add(1, Ordering::Relaxed));
        let said = self.cli(&format!("dialplan add include game into {name}"));
        assert!(self.cli(&format!("dialplan show {name}")).contains("'game'"), "no context: {said}");
        name.leak()
    }

    /// Places a call.
    pub fn call(&'static self, call: Call) -> Running {
        let mut ami = self.ami();
        // The whole console is long after some hundred calls.
        let console = self.console_length();
        let (caller, game) = ids();
        // Otherwise every connection would get the events of every call.
        let response = ami.action("Filter", &[("Operation", "Add"), ("Filter", &format!("Uniqueid: {game}"))]);
        assert!(response.get("Response") == "Success", "Asterisk takes no filter: {response:?}");
        place(&mut ami, &call, &caller, &game);
        Running { asterisk: self, console, ami, caller, game, begun: Instant::now(), seen: Vec::new(), ended: false }
    }

    /// For more calls at a time than can be followed one by one.
    pub fn crowd(&self) -> Crowd {
        Crowd { ami: self.ami(), members: Vec::new(), numbers: HashMap::new() }
    }
}

/// Returns unique ids for the two legs of a call: the phone's, and the one AGI runs on.
fn ids() -> (String, String) {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let number = CALLS.fetch_add(1, Ordering::Relaxed);
    // All of one length: Asterisk considers an id used when it is the beginning of one that is.
    (format!("caller-{number:06}"), format!("game-{number:06}"))
}

/// Places a call.
fn place(ami: &mut Ami, call: &Call, caller: &str, game: &str) {
    let channel = format!("Local/{}@{}/n", call.extension, call.context);
    let variables: Vec<String> =
        call.variables.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let mut headers = vec![
        ("Channel", channel.as_str()),
        ("Context", "callers"),
        ("Exten", call.caller),
        ("Priority", "1"),
        ("Timeout", "600000"),
        ("Async", "true"),
        // We choose the ids, so that events of either leg are known from the first one on.
        ("ChannelId", caller),
        ("OtherChannelId", game),
    ];
    if let Some(id) = &call.caller_id {
        headers.push(("CallerID", id));
    }
    for variable in &variables {
        headers.push(("Variable", variable));
    }
    let response = ami.action("Originate", &headers);
    assert!(response.get("Response") == "Success", "Asterisk does not place the call: {response:?}");
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.runner.wait();
    }
}

/// A call to place: what runs on the game's leg, and who calls.
pub struct Call {
    context: &'static str,
    extension: &'static str,
    caller: &'static str,
    caller_id: Option<String>,
    variables: Vec<(String, String)>,
}

impl Call {
    /// `AGI(agi-rhai,SCRIPT,ARGS...)`. Commas, quotes and other special characters of the dialplan are escaped.
    pub fn script(script: &str, args: &[&str]) -> Call {
        Call::request("agi-rhai", &[&[script], args].concat())
    }

    /// `AGI(REQUEST,ARGS...)`, escaped in the same way.
    pub fn request(request: &str, args: &[&str]) -> Call {
        let words: Vec<String> = [request].iter().chain(args).map(|word| escape(word)).collect();
        Call::agi(&words.join(","))
    }

    /// `AGI(REQUEST)`, as written: a program and its arguments, `agi://...` or `agi:async`.
    pub fn agi(request: &str) -> Call {
        let call = Call { context: "game", extension: "agi", caller: "silent", caller_id: None, variables: Vec::new() };
        call.variable("RIG_AGI", request)
    }

    /// `AGI(agi:async,SCRIPT,ARGS...)`, escaped in the same way.
    pub fn by_manager(script: &str, args: &[&str]) -> Call {
        Call::request("agi:async", &[&[script], args].concat())
    }

    /// In another [context](Asterisk::context).
    pub fn context(self, context: &'static str) -> Call {
        Call { context, ..self }
    }

    /// EAGI instead of AGI.
    pub fn eagi(self) -> Call {
        Call { extension: "eagi", ..self }
    }

    /// A call through the dialplan of the pages for several machines: a script with its query, at `agi://` or `hagi://`
    /// and a host.
    pub fn shared(script: &str, machines: &str) -> Call {
        Call { extension: "shared", ..Call::agi(script) }.variable("GAMES", machines)
    }

    /// AGI twice on the same channel.
    pub fn twice(self) -> Call {
        Call { extension: "twice", ..self }
    }

    /// The script starts in the `h` extension, when the channel has already hung up.
    pub fn dead(self) -> Call {
        Call { context: "dead", ..self }
    }

    /// Sets a channel variable before the script starts.
    pub fn variable(mut self, name: &str, value: &str) -> Call {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Name <number>`.
    pub fn caller_id(self, id: &str) -> Call {
        Call { caller_id: Some(id.to_owned()), ..self }
    }

    /// The caller's line carries a steady tone once the call is answered.
    pub fn sounding(self) -> Call {
        Call { caller: "tone", ..self }
    }

    /// The caller plays this sound file over and over once the call is answered.
    pub fn speaking(self, sound: &str) -> Call {
        Call { caller: "speaks", ..self }.variable("RIG_SOUND", sound)
    }

    /// The caller hears and speaks through the test: by AudioSocket, with this id, at this port.
    pub fn by_socket(self, id: &str, port: u16) -> Call {
        Call { caller: "socket", ..self }.variable("RIG_ID", id).variable("RIG_PORT", &port.to_string())
    }

    /// The caller presses these keys (`w` waits half a second) this many seconds after the answer.
    pub fn pressing(self, keys: &str, after: f32) -> Call {
        Call { caller: "presses", ..self }.variable("RIG_KEYS", keys).variable("RIG_AFTER", &after.to_string())
    }

    /// The caller hangs up this many seconds after the answer.
    pub fn hanging_up(self, after: f32) -> Call {
        Call { caller: "hangs-up", ..self }.variable("RIG_AFTER", &after.to_string())
    }
}

/// A call in progress, and the person at its phone.
pub struct Running {
    asterisk: &'static Asterisk,
    /// Where the call begins in the console's text.
    console: u64,
    ami: Ami,
    /// Unique ids of the two legs of the Local channel: the phone's, and the one AGI runs on.
    caller: String,
    game: String,
    begun: Instant,
    /// The events of the game's leg so far.
    seen: Vec<Message>,
    ended: bool,
}

impl Running {
    /// Waits for an event of the game's leg; `None` if the call ended first.
    pub fn event(&mut self, wanted: impl Fn(&Message) -> bool) -> Option<Message> {
        let until = Instant::now() + PATIENCE;
        while !self.ended {
            let game = self.game.clone();
            let left = until.saturating_duration_since(Instant::now());
            let Some(event) = self.ami.event(left, |event| event.get("Uniqueid") == game) else {
                panic!("the call did nothing that the test waits for within {PATIENCE:?}. {}", self.story());
            };
            self.ended = event.is("Hangup");
            let found = wanted(&event);
            self.seen.push(event.clone());
            if found {
                return Some(event);
            }
        }
        None
    }

    /// Returns the next AGI command when Asterisk begins to execute it; `None` if the call ended first.
    pub fn command(&mut self) -> Option<String> {
        loop {
            let event = self.event(|event| event.is("AGIExecStart"))?;
            if self.servers().last() != Some(&true) {
                return Some(event.get("Command").to_owned());
            }
        }
    }

    /// Waits until Asterisk begins to execute a command that starts like this. The call must not end before.
    pub fn wait_for(&mut self, start: &str) -> String {
        let found = self.event(|event| event.is("AGIExecStart") && event.get("Command").starts_with(start));
        let Some(event) = found else {
            panic!("the call ended without a command {start}. {}", self.story());
        };
        event.get("Command").to_owned()
    }

    /// Presses these keys, 100 ms each and 100 ms apart. Returns when the last one is released.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            let (channel, key) = (self.channel(), key.to_string());
            // Receive: as if the key came from the phone, which is at the other end of this channel.
            let headers = [("Channel", channel.as_str()), ("Digit", &key), ("Duration", "100"), ("Receive", "true")];
            self.ami.action("PlayDTMF", &headers);
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Presses these keys at this interval. Returns when the last one has been pressed.
    pub fn type_keys(&mut self, keys: &str, every: Duration) {
        let channel = self.channel();
        let begun = Instant::now();
        for (number, key) in (0..).zip(keys.chars()) {
            thread::sleep((begun + every * number).saturating_duration_since(Instant::now()));
            let (key, length) = (key.to_string(), if every < Duration::from_millis(150) { "50" } else { "100" });
            let headers = [("Channel", channel.as_str()), ("Digit", &key), ("Duration", length), ("Receive", "true")];
            self.ami.action("PlayDTMF", &headers);
        }
    }

    /// Sends a text message from the phone.
    pub fn text(&mut self, text: &str) {
        let channel = self.caller.clone();
        self.ami.action("SendText", &[("Channel", &channel), ("Message", text)]);
    }

    /// Hangs up as the caller.
    pub fn hangup(&mut self) {
        let channel = self.caller.clone();
        self.ami.action("Hangup", &[("Channel", &channel), ("Cause", "16")]);
    }

    /// Sends any other manager action.
    pub fn action(&mut self, name: &str, headers: &[(&str, &str)]) -> Message {
        self.ami.action(name, headers)
    }

    /// Returns the unique id of the channel AGI runs on.
    pub fn unique_id(&self) -> &str {
        &self.game
    }

    /// Returns the name of the channel AGI runs on.
    pub fn channel(&mut self) -> String {
        if self.seen.is_empty() {
            self.event(|_| true);
        }
        self.seen[0].get("Channel").to_owned()
    }

    /// Waits for the end of the call, after its `h` extension.
    pub fn wait_end(&mut self) -> Ending {
        self.event(|_| false);
        self.settle();
        Ending::read(&self.seen, self.begun.elapsed())
    }

    /// Returns the AGI commands that Asterisk has executed, but those by which a server keeps a session of AsyncAGI. One
    /// that hasn't ended yet has no code.
    pub fn executed(&self) -> Vec<Executed> {
        let executed = self.all_executed().into_iter().zip(self.servers());
        executed.filter(|(_, is_servers)| !is_servers).map(|(executed, _)| executed).collect()
    }

    fn all_executed(&self) -> Vec<Executed> {
        let mut executed = Vec::<(String, Executed)>::new();
        for event in &self.seen {
            let id = event.get("CommandId");
            if event.is("AGIExecStart") {
                let command = event.get("Command").to_owned();
                executed.push((id.to_owned(), Executed { command, code: None, result: String::new() }));
            } else if event.is("AGIExecEnd")
                && let Some((_, command)) = executed.iter_mut().rev().find(|(started, _)| started == id)
            {
                command.code = event.get("ResultCode").parse().ok();
                command.result = event.get("Result").to_owned();
            }
        }
        executed.into_iter().map(|(_, command)| command).collect()
    }

    /// Returns every line on the wire of this channel so far, in order, including the environment.
    pub fn transcript(&mut self) -> Vec<Line> {
        let lines = self.whole_transcript();
        if !self.is_async() {
            return lines;
        }
        // Each command that isn't the script's, with its reply.
        let mut servers = self.servers().into_iter();
        let mut skips = false;
        let is_kept = |line: &Line| {
            if matches!(line, Line::Script(_)) {
                skips = servers.next() == Some(true);
            }
            !skips
        };
        lines.into_iter().filter(is_kept).collect()
    }

    /// Returns the same with the commands by which a server keeps a session of AsyncAGI.
    pub fn whole_transcript(&mut self) -> Vec<Line> {
        let channel = self.channel();
        self.settle();
        self.lines(&self.asterisk.console_from(self.console), &channel)
    }

    /// Returns the lines on the wire of this channel that this console shows.
    fn lines(&self, console: &str, channel: &str) -> Vec<Line> {
        let lines = transcript(console, channel);
        // Over AsyncAGI, Asterisk shows its own lines only. When it began to carry out a command, an event told.
        if self.is_async() { with_commands(lines, &self.all_executed()) } else { lines }
    }

    /// Returns which of the commands so far are those by which a server keeps a session of AsyncAGI: its claim, which is
    /// the first one, its name in a variable, the questions that keep it in step, what servers ask and answer, and the
    /// end. They are in no script, and none of them is in a session of AGI.
    fn servers(&self) -> Vec<bool> {
        const BEGINNINGS: [&str; 3] = [
            "GET FULL VARIABLE \"agi-rhai: in step ",
            "SET VARIABLE \"AGI_RHAI_CALL\" ",
            "GET VARIABLE \"AGI_RHAI_CALL\"",
        ];
        // In the order of the commands; those of the script have numbers.
        let ids: Vec<&str> =
            self.seen.iter().filter(|event| event.is("AsyncAGIExec")).map(|event| event.get("CommandId")).collect();
        // A script may end the session, too. The server does so when it has said how the script ended.
        let (mut begins, mut leaves) = (false, false);
        let mut found = Vec::new();
        for event in &self.seen {
            if event.is("Newexten") {
                begins = event.get("AppData").starts_with("agi:async");
                leaves = false;
            } else if event.is("AGIExecStart") {
                let command = event.get("Command");
                let is_claim = std::mem::take(&mut begins) && command == "NOOP";
                let is_end = command == "ASYNCAGI BREAK" && leaves;
                leaves |= command.starts_with("SET VARIABLE \"AGI_RHAI_STATUS\" ");
                let begins_so = BEGINNINGS.iter().any(|beginning| command.starts_with(beginning));
                let is_answer = ids.get(found.len()).is_some_and(|id| id.ends_with(":ours"));
                found.push(self.is_async() && (is_claim || is_end || begins_so || is_answer));
            }
        }
        found
    }

    /// Whether the call came by AsyncAGI.
    fn is_async(&self) -> bool {
        self.seen.iter().any(|event| event.is("Newexten") && event.get("AppData").starts_with("agi:async"))
    }

    /// Describes the call, for the message of a test that fails.
    pub fn story(&mut self) -> String {
        if self.seen.is_empty() {
            return format!("Nothing came of the call. Asterisk's console:\n{}", self.asterisk.console());
        }
        let dialogue = render(&self.whole_transcript());
        format!("Its dialogue:\n{dialogue}\nstderr of all programs so far:\n{}", self.asterisk.stderr())
    }

    /// Asterisk's console file lags a little behind its events. Waits until it holds what these report.
    fn settle(&mut self) {
        let channel = self.channel();
        let executed = self.all_executed();
        let ends = format!("<{channel}>AGI Script ");
        let count = |wanted: &dyn Fn(&Message) -> bool| self.seen.iter().filter(|event| wanted(event)).count();
        // No such line comes from a program that wasn't found, a server that cannot be reached, or a server that
        // reports a fault.
        let (apps, status) = (["AGI", "EAGI"], |word| {
            count(&|event| event.get("Variable") == "AGISTATUS" && event.get("Value") == word)
        });
        let runs = count(&|event| event.is("Newexten") && apps.contains(&event.get("Application")));
        let served = count(&|event| event.is("Newexten") && event.get("AppData").contains("agi://")) > 0;
        let runs = runs.saturating_sub(status("NOTFOUND") + if served { status("FAILURE") } else { 0 });
        // Nor from AsyncAGI, which runs nothing. The last command that was answered has a line.
        let runs = if self.is_async() { 0 } else { runs };
        let all_answered = |lines: &[Line]| {
            let replies = lines.split(|line| matches!(line, Line::Script(_))).skip(1).filter(|reply| !reply.is_empty());
            let ended = executed.iter().filter(|command| command.code.is_some()).count();
            !self.is_async() || replies.count() >= ended
        };
        for _ in 0..200 {
            let console = self.asterisk.console_from(self.console);
            let over = console.lines().filter(|line| line.contains(&ends) && line.contains(" completed, ")).count();
            let lines = self.lines(&console, &channel);
            let asked = lines.iter().filter(|line| matches!(line, Line::Script(_))).count();
            let answered = executed.last().is_none_or(|last| last.code.is_none())
                || matches!(lines.last(), Some(Line::Asterisk(_)));
            if (self.ended && over >= runs && all_answered(&lines))
                || (!self.ended && asked >= executed.len() && answered)
            {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Many calls at a time on one manager connection.
pub struct Crowd {
    ami: Ami,
    members: Vec<Member>,
    /// By the unique id of the game's leg.
    numbers: HashMap<String, usize>,
}

/// One of many calls.
pub struct Member {
    caller: String,
    game: String,
    pub placed: Instant,
    ended: Option<Instant>,
    seen: Vec<Message>,
}

impl Member {
    /// Returns the AGI commands so far.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().filter(|event| event.is("AGIExecStart")).map(|event| event.get("Command"))
    }

    pub fn channel(&self) -> &str {
        self.seen.first().map_or("", |event| event.get("Channel"))
    }

    pub fn unique_id(&self) -> &str {
        &self.game
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Returns the outcome so far.
    pub fn ending(&self) -> Ending {
        Ending::read(&self.seen, self.ended.unwrap_or_else(Instant::now) - self.placed)
    }
}

impl Crowd {
    /// Places a call. Returns its number among the members.
    pub fn place(&mut self, call: &Call) -> usize {
        let placed = Instant::now();
        let (caller, game) = ids();
        place(&mut self.ami, call, &caller, &game);
        self.numbers.insert(game.clone(), self.members.len());
        self.members.push(Member { caller, game, placed, ended: None, seen: Vec::new() });
        self.members.len() - 1
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Reads events for this long.
    pub fn listen(&mut self, length: Duration) {
        let until = Instant::now() + length;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(event) = self.ami.event(left, |_| true) else { return };
            if let Some(member) = self.numbers.get(event.get("Uniqueid")).map(|&number| &mut self.members[number]) {
                if event.is("Hangup") {
                    member.ended = Some(Instant::now());
                }
                member.seen.push(event);
            }
        }
    }

    /// Reads events until the condition holds.
    #[track_caller]
    pub fn listen_until(&mut self, what: &str, so: impl Fn(&[Member]) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !so(&self.members) {
            let left = || self.members.iter().filter(|member| !member.has_ended()).map(|member| &member.seen);
            assert!(
                Instant::now() < until,
                "{what}: not within {PATIENCE:?}. Calls left: {:#?}",
                left().collect::<Vec<_>>()
            );
            self.listen(Duration::from_millis(20));
        }
    }

    /// Presses a key of one caller without waiting.
    pub fn press(&mut self, number: usize, key: &str) {
        let channel = self.members[number].channel().to_owned();
        self.ami.action("PlayDTMF", &[("Channel", &channel), ("Digit", key), ("Duration", "100"), ("Receive", "true")]);
    }

    /// Hangs up one caller.
    pub fn hang_up(&mut self, number: usize) {
        self.ami.action("Hangup", &[("Channel", &self.members[number].caller), ("Cause", "16")]);
    }

    /// Returns the outcomes of all calls once they have ended.
    #[track_caller]
    pub fn endings(&mut self) -> Vec<Ending> {
        self.listen_until("all calls end", |members| members.iter().all(Member::has_ended));
        self.members.iter().map(Member::ending).collect()
    }
}

/// The outcome of a call.
#[derive(Debug)]
pub struct Ending {
    pub agistatus: String,
    /// `AGI_RHAI_STATUS` and `AGI_RHAI_ERROR`; empty if they were never set.
    pub status: String,
    pub error: String,
    /// Whether the extension went on after AGI.
    pub went_on: bool,
    pub lasted: Duration,
    /// Every channel variable set during the call, with its last value.
    pub variables: BTreeMap<String, String>,
    /// The steps of the dialplan: `context,extension,priority Application(data)`.
    pub steps: Vec<String>,
}

impl Ending {
    /// Reads the outcome from the events of the game's leg.
    fn read(events: &[Message], lasted: Duration) -> Ending {
        let mut variables = BTreeMap::new();
        let mut steps = Vec::new();
        for event in events {
            if event.is("VarSet") {
                variables.insert(event.get("Variable").to_owned(), unescape(event.get("Value")));
            } else if event.is("Newexten") {
                let word = |name| event.get(name);
                steps.push(format!(
                    "{},{},{} {}({})",
                    word("Context"),
                    word("Extension"),
                    word("Priority"),
                    word("Application"),
                    word("AppData")
                ));
            }
        }
        let variable = |name: &str| variables.get(name).cloned().unwrap_or_default();
        Ending {
            agistatus: variable("AGISTATUS"),
            status: variable("AGI_RHAI_STATUS"),
            error: variable("AGI_RHAI_ERROR"),
            went_on: steps.iter().any(|step| step.contains("NoOp(the dialplan goes on")),
            lasted,
            variables,
            steps,
        }
    }
}

/// An AGI command as Asterisk reports it. `code` is 200, 510, 511, 520 or -1, `result` a word such as `Success`. The
/// reply itself is only in the transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    pub command: String,
    pub code: Option<i32>,
    pub result: String,
}

/// A line on the wire, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// From the script.
    Script(String),
    /// From Asterisk.
    Asterisk(String),
}

/// Renders lines as text: `C:` for the script's lines, `S:` for Asterisk's.
pub fn render(lines: &[Line]) -> String {
    let text = |line: &Line| match line {
        Line::Script(line) => format!("C: {line}\n"),
        Line::Asterisk(line) => format!("S: {line}\n"),
    };
    lines.iter().map(text).collect()
}

/// Extracts the lines of one channel from a console with `agi set debug on`.
fn transcript(console: &str, channel: &str) -> Vec<Line> {
    let (sent, heard) = (format!("<{channel}>AGI Tx >> "), format!("<{channel}>AGI Rx << "));
    let mut lines: Vec<Line> = Vec::new();
    // Whether the last line was Asterisk's on this channel: a value may contain line ends.
    let mut open = false;
    for text in console.lines() {
        if let Some((_, line)) = text.split_once(&sent) {
            lines.push(Line::Asterisk(line.to_owned()));
            open = true;
        } else if let Some((_, line)) = text.split_once(&heard) {
            lines.push(Line::Script(line.to_owned()));
            open = false;
        } else if open && !starts_record(text) {
            lines.push(Line::Asterisk(text.to_owned()));
        } else {
            open = false;
        }
    }
    lines
}

/// Adds the commands to the lines of a session of AsyncAGI, where only Asterisk's are shown: each command has one reply.
fn with_commands(lines: Vec<Line>, executed: &[Executed]) -> Vec<Line> {
    let mut commands = executed.iter().map(|executed| Line::Script(executed.command.clone()));
    let mut all = Vec::new();
    // Whether the lines are those of an environment, and whether the next one begins a reply.
    let (mut opening, mut begins) = (false, true);
    for line in lines {
        let Line::Asterisk(text) = &line else { continue };
        opening |= text.starts_with("agi_request: ");
        let ends = !text.starts_with("520-") && !text.starts_with("100 ");
        let is_reply = text.get(..3).is_some_and(|code| code.parse::<u16>().is_ok());
        if opening {
            opening = !text.is_empty();
            begins = true;
        } else {
            // The lines of a value, and those between the two lines of a 520, belong to what came before.
            if is_reply && begins {
                all.extend(commands.next());
            }
            if is_reply {
                begins = ends;
            }
        }
        all.push(line);
    }
    // What never was answered.
    all.extend(commands);
    all
}

/// Whether a line of the console begins a new message: `[2026-01-31 12:00:00.000] `.
fn starts_record(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes.len() > 25 && bytes[0] == b'[' && bytes[5] == b'-' && bytes[24] == b']'
}

/// A message of the manager interface: its headers in order.
#[derive(Debug, Clone, Default)]
pub struct Message(Vec<(String, String)>);

impl Message {
    /// Returns the value of a header; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether it is this event.
    pub fn is(&self, event: &str) -> bool {
        self.get("Event") == event
    }
}

/// A connection to the manager interface. A thread reads from it, so an idle test never makes Asterisk wait.
pub struct Ami {
    stream: TcpStream,
    incoming: Receiver<Message>,
    /// Events that came while a response was awaited.
    waiting: VecDeque<Message>,
    /// When the last message came.
    heard: Instant,
    actions: u32,
}

impl Ami {
    fn login(port: u16, secret: &str) -> io::Result<Ami> {
        // Asterisk's queue of connections holds ten (`ast_tcptls_server_start`). When it overflows, the system may drop
        // one that this end takes for established, and that never hears anything.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut greeting = Vec::new();
        stream.set_read_timeout(Some(PATIENCE))?;
        reader.read_until(b'\n', &mut greeting)?;
        stream.set_read_timeout(None)?;
        drop(one);
        let (sender, incoming) = mpsc::channel();
        thread::spawn(move || {
            while let Some(message) = read_message(&mut reader) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut ami = Ami { stream, incoming, waiting: VecDeque::new(), heard: Instant::now(), actions: 0 };
        let response = ami.try_action("Login", &[("Username", "rig"), ("Secret", secret)])?;
        if response.get("Response") != "Success" {
            return Err(io::Error::other(format!("login refused: {}", response.get("Message"))));
        }
        Ok(ami)
    }

    /// Sends an action and waits for the response.
    pub fn action(&mut self, name: &str, headers: &[(&str, &str)]) -> Message {
        self.try_action(name, headers).unwrap_or_else(|error| panic!("Asterisk does not answer to {name}: {error}"))
    }

    fn try_action(&mut self, name: &str, headers: &[(&str, &str)]) -> io::Result<Message> {
        self.actions += 1;
        let id = self.actions.to_string();
        let mut text = format!("Action: {name}\r\nActionID: {id}\r\n");
        for (header, value) in headers {
            assert!(!value.contains(['\r', '\n']), "a manager header cannot hold a line end: {value:?}");
            text.push_str(&format!("{header}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.stream.write_all(text.as_bytes())?;
        loop {
            let message = self.incoming.recv_timeout(PATIENCE).map_err(io::Error::other)?;
            // An OriginateResponse is an event, and may come first.
            let answers = !message.get("Response").is_empty() && message.get("Event").is_empty();
            if answers && message.get("ActionID") == id {
                return Ok(message);
            }
            self.waiting.push_back(message);
        }
    }

    /// Returns the next event of this kind within this time. Drops others before it.
    pub fn event(&mut self, within: Duration, wanted: impl Fn(&Message) -> bool) -> Option<Message> {
        let until = Instant::now() + within;
        loop {
            if let Some(message) = self.waiting.pop_front() {
                if wanted(&message) {
                    return Some(message);
                }
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.incoming.recv_timeout(left.min(NUDGE)) {
                Ok(message) => {
                    self.heard = Instant::now();
                    if wanted(&message) {
                        return Some(message);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    if self.heard.elapsed() >= NUDGE {
                        self.heard = Instant::now();
                        self.stream.write_all(b"Action: Ping\r\n\r\n").ok()?;
                    }
                    if Instant::now() >= until {
                        return None;
                    }
                }
            }
        }
    }
}

impl Drop for Ami {
    fn drop(&mut self) {
        // The reading thread holds the connection too; this ends both.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

fn read_message(reader: &mut impl BufRead) -> Option<Message> {
    let mut message = Message::default();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Some(message);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        message.0.push((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
    }
}

/// Escapes the arguments of an application, or AMI's `Variable:`, which is parsed alike.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if matches!(letter, '\\' | '"' | ',' | '(' | ')' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Undoes AMI's escaping of the value of a VarSet.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, false) => plain.push(letter),
            (_, true) => match letters.next() {
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some('t') => plain.push('\t'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
        }
    }
    plain
}

fn cli_word(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns why this process cannot give an Asterisk its own name server, if it cannot.
pub fn can_set_name_server() -> Result<(), String> {
    let tried = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "mount", "--bind", "/etc/resolv.conf", "/etc/resolv.conf"])
        .output();
    match tried {
        Ok(tried) if tried.status.success() => Ok(()),
        Ok(tried) => Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare: {error}")),
    }
}

/// Returns an address of this machine on which nobody listens.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// Returns a port on which nobody listens. No connection gets it either, so that it is still free when what listens
/// there is started again.
pub fn free_port() -> u16 {
    // The system gives connections ports from 32768 on.
    const PORTS: std::ops::Range<u32> = 10_000..32_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let ports = PORTS.end - PORTS.start;
    (0..ports)
        .map(|_| (process::id() * 97 + TAKEN.fetch_add(1, Ordering::Relaxed)) % ports + PORTS.start)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("no free port on 127.0.0.1")
}

/// Links the package's own prompts and its command reference (quoted by 520) from where this build keeps them.
fn link_data(root: &str, data: &Path) {
    let outside = |path: &Path| PathBuf::from(format!("{root}{}", path.display()));
    let package = ["/usr/share/asterisk", "/var/lib/asterisk", "/usr/local/share/asterisk"]
        .into_iter()
        .map(Path::new)
        .find(|package| outside(&package.join("sounds")).join("en").symlink_metadata().is_ok())
        .expect("this Asterisk has no English sounds: install asterisk-core-sounds-en-gsm or its like");
    symlink(package.join("documentation"), data.join("documentation")).expect("a link to the reference cannot be made");
    // A folder of links instead of a link to the folder: the project's prompts are added to it.
    let mut sounds = package.join("sounds/en");
    while let Ok(target) = fs::read_link(outside(&sounds)) {
        sounds = sounds.parent().expect("the folder has a parent").join(target);
    }
    for sound in fs::read_dir(outside(&sounds)).expect("the English sounds cannot be listed") {
        let name = sound.expect("the English sounds cannot be listed").file_name();
        symlink(sounds.join(&name), data.join("sounds/en").join(&name)).expect("a link to a sound cannot be made");
    }
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, target) = (entry?.path(), to);
        let target = target.join(entry.file_name().expect("a directory entry has a name"));
        if entry.is_dir() {
            copy_tree(&entry, &target)?;
        } else {
            // If the target exists, it is a link of the package's: never write through it.
            let _ = fs::remove_file(&target);
            fs::copy(&entry, &target)?;
        }
    }
    Ok(())
}
