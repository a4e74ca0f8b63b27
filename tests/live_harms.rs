//! Each service comes to each harm in the middle of calls on a real Asterisk: it is killed, stopped, slowed, started
//! again and filled with nonsense, while a process of Asterisk's and a server both ask it.

use crate::jobs::mail::MailServer;
use crate::live::ends;
use crate::live_http::Api;
use crate::store::start_redis;
use crate::support::asterisk::{Call, Running, asterisk};
use crate::support::backend::{Backend, Database, Paused, is_skipped, program, start_mariadb, start_postgres};
use crate::support::machine::Server;
use crate::support::process::{Folder, agi_rhai};
use crate::support::relay::{Relay, Wire};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// How long a request may take.
const DEADLINE: Duration = Duration::from_secs(1);
/// How much later an error may be heard of on a busy machine.
const MARGIN: Duration = Duration::from_secs(4);

/// What happens to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Killed,
    Stopped,
    Slowed,
    Restarted,
    Nonsense,
}

const HARMS: [Harm; 5] = [Harm::Killed, Harm::Stopped, Harm::Slowed, Harm::Restarted, Harm::Nonsense];

/// A real server.
enum Real {
    Api(Api),
    Database(Database),
    Redis(Backend),
    Mail(MailServer),
}

/// A service, and how scripts ask it.
struct Service {
    name: &'static str,
    real: Real,
    /// Its server's port is that of the wire.
    relay: Relay,
    /// Its tables of `agi-rhai.toml`, with `@PORT@` for the port.
    settings: String,
    /// What is done before it is asked.
    prepare: &'static str,
    /// Asks it, with `options`.
    ask: &'static str,
    /// The answer.
    well: &'static str,
}

/// Asks, waits for a key and for another one, during which things happen to the service, and asks until it is well.
const SCRIPT: &str = r##"
    answer();
    PREPARE
    fn ask(options) { ASK }
    fn said(options) {
        try { return `${ask(options)}`; } catch (error) { return `${error.kind}: ${error.message}`; }
    }
    while true {
        verbose(`well ${ask(#{})}`);
        let key = wait_for_digit(60000);
        if key == "#" { break; }
        for n in 0..parse_int(key) {
            verbose(`otherwise ${said(#{ otherwise: "-" })}`);
        }
        verbose(`caught ${said(#{})}`);
        wait_for_digit(60000);
        let tries = 1;
        while true {
            let said = said(#{});
            if said == "WELL" { break; }
            if tries == 60 { throw `it doesn't recover: ${said}`; }
            tries += 1;
            sleep(0.2);
        }
        verbose(`again ${tries}`);
    }"##;

/// Asks a service that is well, until a key is pressed.
const NEIGHBOUR: &str = r##"
    answer();
    do {
        verbose("asks");
        let answer = http_get("well", "hello", #{ timeout: 20 });
        verbose(`answered ${answer.ok}`);
    } while wait_for_digit(100) == "";
"##;

const MAIL: &str = r##"
    answer();
    wait_for_digit(60000);
    mail("harmed", #{ to: "a@example.net", subject: args[0], text: "Hello." });
    verbose("written down");
"##;

impl Real {
    fn backend(&self) -> &Backend {
        match self {
            Self::Api(api) => &api.backend,
            Self::Database(database) => &database.backend,
            Self::Redis(backend) => backend,
            Self::Mail(server) => &server.0,
        }
    }

    fn start_again(&self) {
        match self {
            Self::Database(database) => database.start_again(),
            _ => self.backend().start_again(),
        }
    }
}

/// What has to be mended, when this is dropped at the latest.
struct Harmed<'a> {
    service: &'a Service,
    harm: Harm,
    paused: Option<Paused<'a>>,
}

impl Harmed<'_> {
    fn mend(mut self) {
        match self.harm {
            Harm::Killed => self.service.real.start_again(),
            Harm::Slowed | Harm::Nonsense => self.service.relay.set(Wire::Good),
            Harm::Stopped => {
                self.paused = None;
                if let Real::Database(database) = &self.service.real {
                    database.wait_ready();
                }
            }
            Harm::Restarted => {}
        }
    }
}

impl Service {
    fn new(name: &'static str, real: Real, settings: &str, [prepare, ask, well]: [&'static str; 3]) -> Self {
        let port = real.backend().port;
        let relay = Relay::to(port);
        let settings = settings.replace(&port.to_string(), &relay.port.to_string());
        Self { name, real, relay, settings, prepare, ask, well }
    }

    fn harm(&self, harm: Harm) -> Harmed<'_> {
        let mut harmed = Harmed { service: self, harm, paused: None };
        match harm {
            Harm::Killed => self.real.backend().kill(),
            Harm::Stopped => harmed.paused = Some(self.real.backend().pause()),
            Harm::Slowed => self.relay.set(Wire::Slow),
            Harm::Restarted => {
                // To PostgreSQL, TERM says to wait until all clients are gone.
                self.real.backend().end(if self.settings.contains("postgres://") { "INT" } else { "TERM" });
                self.real.start_again();
            }
            Harm::Nonsense => self.relay.set(Wire::Noisy),
        }
        harmed
    }

    fn script(&self) -> String {
        SCRIPT.replace("PREPARE", self.prepare).replace("ASK", self.ask).replace("WELL", self.well)
    }
}

/// Starts a server of each service; those that aren't installed are skipped loudly.
fn api() -> Result<Service, String> {
    program("python3", "python3-minimal")?;
    let api = Api::start();
    let settings = format!("{}timeout = \"1s\"\n", api.settings("harmed"));
    let ask = r#"let answer = http_get("harmed", "hello", options);
        if answer == "-" { answer } else { answer.body.path }"#;
    Ok(Service::new("https", Real::Api(api), &settings, ["", ask, "/v1/hello"]))
}

fn database(name: &'static str, database: Database) -> Service {
    let rights = if name == "mariadb" { "" } else { "; grant select on people to ivr" };
    database.sql_in(
        "crm",
        &format!("create table people (number int, name varchar(9)); insert into people values (7, 'Anna'){rights}"),
    );
    let settings = format!("[sql.harmed]\nurl = {:?}\ntimeout = \"1s\"\n", database.url);
    let ask = r#"sql_value("harmed", "select name from people where number = :number", #{ number: 7 }, options)"#;
    Service::new(name, Real::Database(database), &settings, ["", ask, "Anna"])
}

fn store(name: &'static str, real: Real, url: &str) -> Service {
    let settings = format!("[store]\nurl = {url:?}\ntimeout = \"1s\"\n");
    Service::new(name, real, &settings, [r#"store_put("key", "kept");"#, r#"store_get("key", options)"#, "kept"])
}

fn redis() -> Result<Service, String> {
    let redis = start_redis(&[])?;
    let url = format!("redis://127.0.0.1:{}/0", redis.port);
    Ok(store("redis", Real::Redis(redis), &url))
}

fn postgres_as_store() -> Result<Service, String> {
    let database = start_postgres()?;
    let url = database.url.clone();
    Ok(store("postgres-store", Real::Database(database), &url))
}

fn mail() -> Result<Service, String> {
    let server = MailServer::start()?;
    let settings = format!(
        "[mail.harmed]\nurl = 'smtp://127.0.0.1:{}'\nfrom = 'ivr@example.net'\nto = ['*']\ntimeout = '1s'\n",
        server.0.port
    );
    Ok(Service::new("mail", Real::Mail(server), &settings, [""; 3]))
}

/// Where a service is asked: beside a script of Asterisk's own processes, and by a server.
struct Site {
    name: String,
    agi: PathBuf,
    folder: Folder,
    server: Server,
}

impl Site {
    fn new(service: &Service, script: &str, well: &Api) -> Self {
        let (name, folder) = (format!("harms-{}", service.name), Folder::new());
        let agi = asterisk().agi_dir().join(&name);
        for folder in [agi.as_path(), &folder.path("")] {
            well.configure(folder, "well");
            let settings = format!("{}{}", well.settings("well"), service.settings);
            std::fs::write(folder.join("agi-rhai.toml"), settings).unwrap();
            // The service has a certificate of an authority of its own.
            if let Real::Api(api) = &service.real {
                let both =
                    [&api.authority.file, &well.authority.file].map(|file| std::fs::read_to_string(file).unwrap());
                std::fs::write(folder.join("ca.pem"), both.concat()).unwrap();
            }
        }
        let (config, state) = (folder.path("agi-rhai.toml"), folder.path("state"));
        let server = Server::start(&["--config", config.to_str().unwrap(), "--state", state.to_str().unwrap()]);
        asterisk().script(&format!("{name}/ask.rhai"), script);
        server.script("ask.rhai", script);
        server.script("neighbour.rhai", NEIGHBOUR);
        Self { name, agi, folder, server }
    }

    /// Places a call over AGI, and one over FastAGI.
    fn calls(&self, word: &str) -> [Running; 2] {
        let state = format!("--state={}", asterisk().inside(&self.agi.join("state")));
        let script = format!("{}/ask.rhai", self.name);
        let agi = Call::request("agi-rhai", &[&state, &script, word]);
        [agi, Call::request(&self.server.url("ask.rhai"), &[word])].map(|call| asterisk().call(call))
    }
}

/// Expects a call to say something that begins so. Returns the rest.
#[track_caller]
fn hear(call: &mut Running, start: &str) -> String {
    let said = call.wait_for("VERBOSE");
    let said = said.trim_start_matches("VERBOSE \"").trim_end_matches("\" 1");
    let rest = said.strip_prefix(start);
    rest.unwrap_or_else(|| panic!("no {start:?}, but {said:?}. {}", call.story())).to_owned()
}

/// Plays two calls through all harms.
fn suffer(service: &Service, site: &Site) {
    let mut calls = site.calls("");
    for harm in HARMS {
        let context = format!("{} is {harm:?}", service.name);
        for call in &mut calls {
            assert_eq!(hear(call, "well "), service.well, "{context}");
            call.wait_for("WAIT FOR DIGIT");
        }
        let harmed = service.harm(harm);
        // A server that is gone costs no time: so many failures that the breaker opens.
        let times = if harm == Harm::Killed { 5 } else { 1 };
        for call in &mut calls {
            call.press(&times.to_string());
        }
        for call in &mut calls {
            for _ in 0..times {
                let asked = Instant::now();
                let given = hear(call, "otherwise ");
                assert!(asked.elapsed() < DEADLINE + MARGIN, "{context}: {:?}", asked.elapsed());
                let is_expected = match harm {
                    Harm::Restarted => given == service.well,
                    // It may pass for an answer, though a wrong one.
                    Harm::Nonsense => given == "-" || given.starts_with("failed: "),
                    _ => given == "-",
                };
                assert!(is_expected, "{context}: {given}");
            }
            let asked = Instant::now();
            let caught = hear(call, "caught ");
            assert!(asked.elapsed() < DEADLINE + MARGIN, "{context}: {:?}", asked.elapsed());
            let is_expected = match harm {
                Harm::Restarted => caught == service.well,
                Harm::Nonsense => caught.starts_with("failed: ") || caught.starts_with("unavailable: "),
                Harm::Killed => caught.contains("has failed several times in a row"),
                Harm::Stopped | Harm::Slowed => caught.starts_with("unavailable: ") && caught.contains("within 1 s"),
            };
            assert!(is_expected, "{context}: {caught}");
            assert!(!caught.contains("geheim"), "{context}: {caught}");
            eprintln!("{context}: {caught}");
            call.wait_for("WAIT FOR DIGIT");
        }
        harmed.mend();
        for call in &mut calls {
            call.press("1");
        }
        for call in &mut calls {
            let tries: u32 = hear(call, "again ").parse().unwrap();
            // A breaker that is open tries every five seconds.
            let most = if harm == Harm::Killed { 60 } else { 10 };
            assert!(tries <= most, "{context}: well after {tries} tries");
            eprintln!("{context}: well after {tries} tries");
        }
    }
    for call in &mut calls {
        hear(call, "well ");
        call.wait_for("WAIT FOR DIGIT");
        call.press("#");
        ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    }
}

/// Asks a service that is well on the same server, until this is over.
fn keep_asking(site: &Site, is_over: &AtomicBool) {
    let mut call = asterisk().call(Call::request(&site.server.url("neighbour.rhai"), &[]));
    let mut slow = Vec::new();
    while !is_over.load(SeqCst) {
        hear(&mut call, "asks");
        let asked = Instant::now();
        assert_eq!(hear(&mut call, "answered "), "true", "a neighbour of {}", site.name);
        if asked.elapsed() > DEADLINE / 2 {
            slow.push(asked.elapsed());
        }
    }
    call.press("#");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    // Those who ask the sick service wait for its deadline four times; a busy machine may hold anybody up, but not as
    // often.
    assert!(slow.len() < 4, "a neighbour of {} waited: {slow:?}", site.name);
}

/// Runs `agi-rhai jobs` where calls have left some. Returns what it says.
fn jobs(scripts: &Path, state: &Path, words: &[&str]) -> String {
    let mut command = agi_rhai(["jobs"]);
    command.args(words).arg("--scripts").arg(scripts).arg("--state").arg(state);
    let output = command.args(["--log-level", "off"]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Sends a mail over AGI and over FastAGI at each harm.
fn send_mails(service: &Service, site: &Site) {
    let Real::Mail(server) = &service.real else { unreachable!("it sends mail") };
    let places = [(site.agi.clone(), site.agi.join("state")), (site.folder.path(""), site.folder.path("state"))];
    let left = |place: &(PathBuf, PathBuf)| -> Vec<Value> {
        let listed = jobs(&place.0, &place.1, &["list", "--json"]);
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let wait = |what: &str, holds: &dyn Fn(&(PathBuf, PathBuf)) -> bool| {
        let until = Instant::now() + Duration::from_secs(60);
        for place in &places {
            while !holds(place) {
                assert!(Instant::now() < until, "{what}: {:?} are left", left(place));
                thread::sleep(Duration::from_millis(50));
            }
        }
    };
    for harm in HARMS {
        let mut calls = site.calls(&format!("{harm:?}"));
        for call in &mut calls {
            call.wait_for("WAIT FOR DIGIT");
        }
        let harmed = service.harm(harm);
        for call in &mut calls {
            call.press("1");
        }
        for call in &mut calls {
            let asked = Instant::now();
            hear(call, "written down");
            ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
            assert!(asked.elapsed() < DEADLINE + MARGIN, "{harm:?}: {:?}", asked.elapsed());
        }
        if harm != Harm::Restarted {
            wait("it can't be sent", &|place| left(place).first().is_some_and(|job| job["attempts"] == 1));
        }
        assert!(harm == Harm::Restarted || !arrived(server).contains(&format!("{harm:?}")), "{harm:?}");
        harmed.mend();
        for place in &places {
            for job in left(place) {
                jobs(&place.0, &place.1, &["run", &job["id"].to_string()]);
            }
        }
        wait("it is sent", &|place| left(place).is_empty());
    }
    let until = Instant::now() + Duration::from_secs(60);
    while arrived(server).len() < 2 * HARMS.len() {
        assert!(Instant::now() < until, "{:?} have arrived", arrived(server));
        thread::sleep(Duration::from_millis(50));
    }
    let mut subjects = arrived(server);
    subjects.sort();
    let mut sent: Vec<String> = HARMS.iter().flat_map(|harm| [format!("{harm:?}"), format!("{harm:?}")]).collect();
    sent.sort();
    assert_eq!(subjects, sent, "each exactly once");
}

/// Returns the subjects of the mails that have arrived.
fn arrived(server: &MailServer) -> Vec<String> {
    let subject = |mail: &String| mail.lines().find_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned);
    server.mails().iter().filter_map(subject).collect()
}

#[test]
fn live_every_service_comes_to_every_harm_in_the_middle_of_calls() {
    type Start = fn() -> Result<Service, String>;
    let services: [(&str, Start); 6] = [
        ("https", api),
        ("postgres", || Ok(database("postgres", start_postgres()?))),
        ("mariadb", || Ok(database("mariadb", start_mariadb()?))),
        ("redis", redis),
        ("postgres-store", postgres_as_store),
        ("mail", mail),
    ];
    if is_skipped("harms", program("python3", "python3-minimal").map(drop)) {
        return;
    }
    let well = Api::start();
    // They suffer at the same time: most of it is waiting.
    thread::scope(|scope| {
        for (name, start) in services {
            let well = &well;
            let suffers = move || {
                let service = match start() {
                    Ok(service) => service,
                    lack => return assert!(is_skipped(name, lack.map(drop))),
                };
                let is_mail = matches!(service.real, Real::Mail(_));
                let script = if is_mail { MAIL.to_owned() } else { service.script() };
                let site = Site::new(&service, &script, well);
                let is_over = AtomicBool::new(false);
                thread::scope(|scope| {
                    let neighbour = scope.spawn(|| keep_asking(&site, &is_over));
                    // The neighbour ends even if the test fails.
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match service.real {
                        Real::Mail(_) => send_mails(&service, &site),
                        _ => suffer(&service, &site),
                    }));
                    is_over.store(true, SeqCst);
                    neighbour.join().unwrap();
                    if let Err(panic) = done {
                        std::panic::resume_unwind(panic);
                    }
                });
                assert!(!site.server.log().contains("this is a bug"), "{}", site.server.log());
            };
            thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, suffers).unwrap();
        }
    });
}
