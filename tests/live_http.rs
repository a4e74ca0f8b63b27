//! Calls on a real Asterisk that ask an HTTPS server, which is killed, stopped, slowed, restarted and filled with
//! nonsense meanwhile.

use crate::http::tls::Authority;
use crate::live::{commands, ends};
use crate::live_ivr_examples::{check_no_sound_missing, type_at};
use crate::support::asterisk::{Call, Running, asterisk};
use crate::support::backend::{Backend, is_skipped, program};
use crate::support::machine::Server;
use crate::support::process::Folder;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Asks the server for each key, and says what came of it. The 9 waits long.
const SCRIPT: &str = r##"answer();
    let key = wait_for_digit(60000);
    while key != "#" && key != "" {
        let said = "";
        try {
            let timeout = if key == "9" { 30 } else { 1 };
            let answer = http_get("live", "hello/" + key, #{ timeout: timeout, query: #{ to: "you & me" } });
            said = `${answer.status} ${answer.ok} ${if answer.ok { answer.body.path + " " + answer.body.key } else { "" }}`;
        } catch (error) {
            said = `${error.kind}: ${error.message}`;
        }
        verbose(said);
        key = wait_for_digit(60000);
    }
    fn on_hangup() { verbose("gone"); }"##;

/// The HTTPS server, with a certificate of an authority of its own.
pub struct Api {
    pub backend: Backend,
    pub authority: Authority,
}

impl Api {
    pub fn start() -> Self {
        let (authority, folder) = (Authority::new(), Backend::new_folder());
        authority.issue_to(&folder);
        folder.file("mode", "well");
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/server.py");
        let backend = Backend::start(folder, move |folder, port| {
            let mut command = Command::new("python3");
            command.arg(&server).arg(port.to_string()).arg(folder);
            command
        });
        Self { backend, authority }
    }

    fn mode(&self, mode: &str) {
        self.backend.folder.file("mode", mode);
    }

    fn has(&self, name: &str) -> bool {
        self.backend.folder.path(name).exists()
    }

    /// Returns the settings of a host that knows the server by this name. Where Asterisk runs, hosts have none.
    pub fn settings(&self, name: &str) -> String {
        let port = self.backend.port;
        format!(
            "[http.{name}]\nurl = \"https://127.0.0.1:{port}/v1\"\nca_file = \"ca.pem\"\nheaders = {{ x-key = \"secret\" }}\n"
        )
    }

    /// Writes the settings and the authority's certificate to a folder.
    pub fn configure(&self, folder: &Path, name: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("agi-rhai.toml"), self.settings(name)).unwrap();
        fs::copy(&self.authority.file, folder.join("ca.pem")).unwrap();
    }
}

/// Presses a key and expects the script to say this.
#[track_caller]
fn says(call: &mut Running, key: &str, words: &str) {
    call.press(key);
    let said = call.wait_for("VERBOSE");
    assert!(said.contains(words), "no {words:?} in {said:?}");
    call.wait_for("WAIT FOR DIGIT");
}

/// Plays one call through everything that can happen to the server. `make` places the call.
fn whole_life(api: &Api, mut call: Running, mut another: Running) {
    let well = |key: &str| format!("200 true /v1/hello/{key}?to=you+%26+me secret");
    call.wait_for("WAIT FOR DIGIT");
    says(&mut call, "1", &well("1"));
    {
        let _paused = api.backend.pause();
        says(&mut call, "2", "unavailable: http_get: `http.live` gave no answer within 1 s");
    }
    says(&mut call, "3", &well("3"));
    api.backend.kill();
    let address = format!("127.0.0.1:{}", api.backend.port);
    says(&mut call, "4", &format!("unavailable: http_get: GET hello/4 of `live`: nothing listens at {address}"));
    api.backend.start_again();
    says(&mut call, "5", &well("5"));
    api.mode("slow");
    says(&mut call, "6", &well("6"));
    api.mode("nonsense");
    says(&mut call, "1", "failed: http_get: GET hello/1 of `live`: what it answers isn't HTTP");
    api.mode("half");
    says(&mut call, "2", "unavailable: http_get: GET hello/2 of `live`: it broke the connection off");
    api.mode("sick");
    says(&mut call, "3", "503 false");
    api.mode("well");
    says(&mut call, "4", &well("4"));
    call.press("#");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);

    // A hangup is heard while the server keeps the call waiting, and the server is told.
    api.mode("silent");
    another.wait_for("WAIT FOR DIGIT");
    another.press("9");
    let until = Instant::now() + Duration::from_secs(20);
    while !api.has("asked") {
        assert!(Instant::now() < until, "nothing is asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    let hung_up = Instant::now();
    another.hangup();
    let ending = another.wait_end();
    let heard = hung_up.elapsed();
    ends(&ending, "HANGUP", "HANGUP", false);
    assert!(heard < Duration::from_millis(1500), "the hangup was heard after {heard:?}");
    while !api.has("dropped") {
        assert!(hung_up.elapsed() < Duration::from_secs(2), "the request isn't dropped");
        std::thread::sleep(Duration::from_millis(5));
    }
    eprintln!("hangup to the end of the call: {heard:?}; the request was dropped by {:?}", hung_up.elapsed());
}

#[test]
fn live_a_process_asks_a_server_that_is_killed_stopped_slowed_and_mad() {
    if is_skipped("the live test of web APIs", program("python3", "python3-minimal").map(drop)) {
        return;
    }
    let api = Api::start();
    asterisk().script("live-http/ask.rhai", SCRIPT);
    api.configure(&asterisk().agi_dir().join("live-http"), "live");
    let place = || asterisk().call(Call::script("live-http/ask.rhai", &[]));
    whole_life(&api, place(), place());
}

#[test]
fn live_the_server_asks_a_server_that_is_killed_stopped_slowed_and_mad() {
    if is_skipped("the live test of web APIs", program("python3", "python3-minimal").map(drop)) {
        return;
    }
    let (api, folder) = (Api::start(), Folder::new());
    api.configure(&folder.path(""), "live");
    let config = folder.path("agi-rhai.toml");
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    server.script("ask.rhai", SCRIPT);
    let place = || asterisk().call(Call::request(&server.url("ask.rhai"), &[]));
    whole_life(&api, place(), place());
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[test]
fn live_example_weather_says_what_the_api_knows_and_apologises_when_it_is_sick() {
    if is_skipped("the live test of the weather", program("python3", "python3-minimal").map(drop)) {
        return;
    }
    let api = Api::start();
    api.mode("weather");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    asterisk().script("live-weather/weather.rhai", &fs::read_to_string(scripts.join("weather.rhai")).unwrap());
    api.configure(&asterisk().agi_dir().join("live-weather"), "weather");
    let place = || asterisk().call(Call::script("live-weather/weather.rhai", &[]).sounding());

    let mut call = place();
    type_at(&mut call, "GET DATA \"weather-zip\"", "99999");
    call.wait_for("STREAM FILE \"weather-unknown\"");
    type_at(&mut call, "GET DATA \"weather-zip\"", "60601");
    type_at(&mut call, "GET DATA \"weather-another\"", "2");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    let said = commands(&call).join("\n");
    let report = ["STREAM FILE \"weather-it-is\" \"\"", "SAY NUMBER 72 \"\"", "STREAM FILE \"weather-degrees\" \"\""];
    assert!(said.contains(&format!("{}\nSTREAM FILE \"weather-rain\"", report.join("\n"))), "{said}");

    api.mode("sick");
    let mut call = place();
    type_at(&mut call, "GET DATA \"weather-zip\"", "60601");
    call.wait_for("STREAM FILE \"weather-sorry\"");
    call.wait_for("STREAM FILE \"vm-goodbye\"");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    check_no_sound_missing("weather-");
}
