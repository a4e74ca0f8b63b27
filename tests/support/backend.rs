//! Real servers that scripts reach as services, each in a folder of its own and on a free port: started, killed,
//! stopped and started again.
#![allow(dead_code, reason = "a rig: not every build of the tests uses every part")]
#![allow(clippy::disallowed_methods, reason = "processes live in real time")]

use super::asterisk::free_port;
use super::machine::ChildProcess;
use super::process::Folder;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The password of everybody in every database.
pub const PASSWORD: &str = "geheim/123";

/// Returns whether a test is skipped, since it lacks something. This is reported loudly, and fails where all tests are
/// required to run.
pub fn is_skipped(test: &str, lack: Result<(), String>) -> bool {
    let Err(why) = lack else { return false };
    let text = format!("{test} IS SKIPPED: {why}");
    assert!(env::var("CI").as_deref() != Ok("true"), "{text}");
    // Written past the test harness, which shows only the output of failing tests.
    let _ = writeln!(std::io::stderr(), "\n****  {text}  ****\n");
    true
}

/// Finds a program that a Debian package holds.
///
/// # Errors
/// It isn't installed: which package to install.
pub fn program(name: &str, package: &str) -> Result<PathBuf, String> {
    let paths = env::var("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&paths).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    // Debian keeps PostgreSQL's programs out of the path, in a folder for each version.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| format!("there is no {name} (Debian package {package})"))
}

/// Finds an interpreter of Python that has this module.
///
/// # Errors
/// There is none: how to make it.
pub fn python(module: &str) -> Result<PathBuf, String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python3");
    let has_it = |python: &PathBuf| {
        let import = format!("import {module}");
        let status = Command::new(python).args(["-c", &import]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    [own, PathBuf::from("python3")].into_iter().find(has_it).ok_or_else(|| {
        format!(
            "no Python has `{module}`: python3 -m venv target/python && \
             target/python/bin/pip install pyst2==0.5.1 wyoming==1.10.2"
        )
    })
}

/// Makes a command from the name of a database and a statement.
type Client = dyn Fn(&str, &str) -> Command + Send + Sync;

/// A running server. It ends when this value is dropped or the test process ends, however that happens.
pub struct Backend {
    pub port: u16,
    /// Its folder, which is removed with it.
    pub folder: Folder,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    process: Mutex<Option<ChildProcess>>,
}

impl Backend {
    /// Starts a server on a port, with what `command` makes of its folder and port, and waits until it accepts
    /// connections. It writes what it has to say to `log` in its folder.
    pub fn start(folder: Folder, command: impl Fn(&Path, u16) -> Command + Send + Sync + 'static) -> Self {
        let port = free_port();
        let path = folder.path("");
        let backend = Self { port, folder, command: Box::new(move || command(&path, port)), process: Mutex::new(None) };
        backend.start_again();
        backend
    }

    /// Makes a folder for a server in the system's temporary folder, where servers that run as another user find it.
    pub fn new_folder() -> Folder {
        let folder = Folder::at(&env::temp_dir().join(format!("agi-rhai-{}", Folder::name())));
        fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o755)).expect("a folder of our own");
        folder
    }

    /// Starts it again, on the same port and with the same data.
    pub fn start_again(&self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path("log")).expect("its log");
        let mut command = (self.command)();
        command.stdout(log.try_clone().expect("its log")).stderr(log);
        let mut process = self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut child = ChildProcess::start(&mut command);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let is_over = child.is_over();
            assert!(!is_over && Instant::now() < until, "{command:?} doesn't start:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
        *process = Some(child);
    }

    /// Kills it, with all its processes.
    pub fn kill(&self) {
        let mut process = self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(process) = process.take() {
            send("KILL", &family(process.id()));
        }
        // Nobody may take the port before all of them are gone.
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as its operator would, by SIGTERM or another signal, and waits for its end.
    pub fn end(&self, signal: &str) {
        let mut process = self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(mut process) = process.take() {
            process.signal(signal);
            process.wait();
        }
    }

    /// Stops all its processes: it keeps its connections, and answers nothing. The guard lets it go on.
    pub fn pause(&self) -> Paused<'_> {
        let pids = self.pids();
        send("STOP", &pids);
        Paused(self)
    }

    /// Returns its processes.
    pub fn pids(&self) -> Vec<u32> {
        let process = self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        process.as_ref().map(|process| family(process.id())).unwrap_or_default()
    }

    /// Returns what it has said.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A stopped server, until this value is dropped.
pub struct Paused<'a>(&'a Backend);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        send("CONT", &self.0.pids());
    }
}

fn send(signal: &str, pids: &[u32]) {
    let mut command = Command::new("kill");
    command.args(["-s", signal]).args(pids.iter().map(u32::to_string)).stderr(Stdio::null());
    let _ = command.status();
}

/// Returns a process with its children, and theirs.
fn family(pid: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name of the program, in parentheses, may hold anything.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (child, parent)));
    }
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        at += 1;
    }
    found
}

/// Runs a program to its end.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [out, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let text = format!("{out}{errors}");
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text
}

/// Has a program run as this user of the system, if root runs the tests: some servers refuse to serve as root.
pub fn as_user(user: &str, program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]).arg(program);
    command
}

/// Hands a folder over to this user of the system.
fn give(folder: &Path, user: &str) {
    if rustix::process::geteuid().is_root() {
        let number = |what: &str| run(Command::new("id").args([what, user])).trim().parse().expect("a number");
        chown(folder, Some(number("-u")), Some(number("-g"))).expect("root may");
    }
}

/// A database with its address, as an operator writes it.
pub struct Database {
    pub backend: Backend,
    pub url: String,
    /// Makes the command that runs SQL in a database of the server.
    client: Box<Client>,
}

impl Database {
    /// Runs SQL by the server's own client, as its superuser. Returns what that prints, without headings.
    #[track_caller]
    pub fn sql(&self, text: &str) -> String {
        self.sql_in("", text)
    }

    /// The same, in this database of the server.
    #[track_caller]
    pub fn sql_in(&self, database: &str, text: &str) -> String {
        run(&mut (self.client)(database, text)).trim().to_owned()
    }

    /// Returns whether the database answers, which it doesn't as soon as it accepts connections.
    fn is_ready(&self) -> bool {
        (self.client)("", "select 1").output().is_ok_and(|output| output.status.success())
    }

    /// Waits until it answers.
    pub fn wait_ready(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.is_ready() {
            assert!(Instant::now() < until, "the database doesn't answer:\n{}", self.backend.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has a PostgreSQL speak TLS too, with `server.pem` and `server.key` of this folder.
    pub fn speak_tls(&self, certificates: &Folder) {
        for (from, to) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
            let to = self.backend.folder.path("data").join(to);
            let mut install = Command::new("install");
            install.args(["-m", "600"]);
            if rustix::process::geteuid().is_root() {
                install.args(["-o", "postgres"]);
            }
            run(install.arg(certificates.path(from)).arg(to));
        }
        self.sql("alter system set ssl = on");
        self.sql("select pg_reload_conf()");
        let until = Instant::now() + PATIENCE;
        while self.sql("show ssl") != "on" {
            assert!(Instant::now() < until, "PostgreSQL speaks no TLS:\n{}", self.backend.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again and waits until it answers.
    pub fn start_again(&self) {
        self.backend.start_again();
        self.wait_ready();
    }
}

/// Starts a PostgreSQL with the user `ivr` and an empty database `crm`.
///
/// # Errors
/// It isn't installed.
pub fn start_postgres() -> Result<Database, String> {
    start_postgres_with(&[])
}

/// The same, with further options.
///
/// # Errors
/// It isn't installed.
pub fn start_postgres_with(options: &'static [&'static str]) -> Result<Database, String> {
    let (server, initdb) = (program("postgres", "postgresql")?, program("initdb", "postgresql")?);
    let psql = program("psql", "postgresql-client")?;
    let folder = Backend::new_folder();
    let (data, password) = (folder.path("data"), folder.file("password", PASSWORD));
    fs::create_dir(&data).expect("a folder of our own");
    give(&data, "postgres");
    let mut init = as_user("postgres", &initdb);
    init.args(["--auth=scram-sha-256", "--username=root", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8"]);
    run(init.arg("--pwfile").arg(&password).arg("-D").arg(&data));
    let backend = Backend::start(folder, move |folder, port| {
        let mut command = as_user("postgres", &server);
        command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", ""]);
        command.args(["-c", "fsync=off", "-c", "max_connections=50", "-c", "log_min_messages=warning"]);
        for option in options {
            command.args(["-c", option]);
        }
        command
    });
    let port = backend.port;
    let client = move |database: &str, text: &str| {
        let database = if database.is_empty() { "postgres" } else { database };
        let mut command = Command::new(&psql);
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "root", "-d", database]);
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", text]).env("PGPASSWORD", PASSWORD);
        command
    };
    let url = format!("postgres://ivr:{}@127.0.0.1:{port}/crm", PASSWORD.replace('/', "%2F"));
    let database = Database { backend, url, client: Box::new(client) };
    database.wait_ready();
    database.sql(&format!("create role ivr login password '{PASSWORD}'"));
    database.sql("create database crm owner ivr");
    Ok(database)
}

/// Starts a MariaDB with the user `ivr` and an empty database `crm`.
///
/// # Errors
/// It isn't installed.
pub fn start_mariadb() -> Result<Database, String> {
    start_mariadb_with(Vec::new())
}

/// The same, with further options.
///
/// # Errors
/// It isn't installed.
pub fn start_mariadb_with(options: Vec<String>) -> Result<Database, String> {
    let (server, install) = (program("mariadbd", "mariadb-server")?, program("mariadb-install-db", "mariadb-server")?);
    let mariadb = program("mariadb", "mariadb-client")?;
    let folder = Backend::new_folder();
    let data = folder.path("data");
    fs::create_dir(&data).expect("a folder of our own");
    give(&data, "mysql");
    // One that starts deletes what it takes for temporary files that were left behind.
    let temporary = folder.path("tmp");
    fs::create_dir(&temporary).expect("a folder of our own");
    give(&temporary, "mysql");
    let mut init = as_user("mysql", &install);
    init.env("TMPDIR", &temporary);
    init.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
    run(init.arg(format!("--datadir={}", data.display())));
    let socket = data.join("socket");
    let of_server = socket.clone();
    let backend = Backend::start(folder, move |folder, port| {
        let mut command = as_user("mysql", &server);
        command.arg("--no-defaults").arg(format!("--datadir={}", folder.join("data").display()));
        command.arg(format!("--tmpdir={}", folder.join("tmp").display()));
        command.args([&format!("--port={port}"), "--bind-address=127.0.0.1", "--skip-name-resolve"]);
        command.arg(format!("--socket={}", of_server.display()));
        command.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", "--skip-log-bin"]);
        command.args(&options);
        command
    });
    let port = backend.port;
    let client = move |database: &str, text: &str| {
        let mut command = Command::new(&mariadb);
        command.args(["--no-defaults", "-u", "root", "-N", "-B", "-D", database, "-e", text]);
        command.arg(format!("--socket={}", socket.display()));
        command
    };
    let url = format!("mysql://ivr:{}@127.0.0.1:{port}/crm", PASSWORD.replace('/', "%2F"));
    let database = Database { backend, url, client: Box::new(client) };
    database.wait_ready();
    database.sql(&format!("create user ivr@'127.0.0.1' identified by '{PASSWORD}'"));
    database.sql("create database crm character set utf8mb4; grant all on crm.* to ivr@'127.0.0.1'");
    Ok(database)
}

/// What tests that run at the same time share; it ends with the last of them.
struct Shared(Mutex<Weak<Database>>);

impl Shared {
    fn get(&self, start: fn() -> Result<Database, String>) -> Result<Arc<Database>, String> {
        let mut shared = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(database) = shared.upgrade() {
            return Ok(database);
        }
        let database = Arc::new(start()?);
        *shared = Arc::downgrade(&database);
        Ok(database)
    }
}

/// Returns the PostgreSQL that tests share which do it no harm.
///
/// # Errors
/// It isn't installed.
pub fn postgres() -> Result<Arc<Database>, String> {
    static SHARED: Shared = Shared(Mutex::new(Weak::new()));
    SHARED.get(start_postgres)
}

/// Returns the MariaDB that tests share which do it no harm.
///
/// # Errors
/// It isn't installed.
pub fn mariadb() -> Result<Arc<Database>, String> {
    static SHARED: Shared = Shared(Mutex::new(Weak::new()));
    SHARED.get(start_mariadb)
}
