//! PocketSphinx behind a real Asterisk, heard by callers who are synthesised.

use crate::live::ends;
use crate::recogniser::accuracy::{measure_flite, scripts};
use crate::recogniser::programs::{settings, sphinx, spoken};
use crate::support::asterisk::{Call, asterisk, free_port};
use crate::support::backend::is_skipped;
use crate::support::caller::{Phone, silence};
use crate::support::machine::Server;
use crate::support::process::Folder;
use std::thread;

/// A server with PocketSphinx, which plays these scripts.
struct Line {
    server: Server,
    _settings: Folder,
}

impl Line {
    fn new() -> Line {
        let own = Folder::new();
        let config = own.file("agi-rhai.toml", settings());
        let server = Server::start_on(free_port(), &["--config", &config]);
        for (name, text) in scripts("set_variable(\"HEARD\", @ANSWER@);") {
            server.script(&format!("{name}.rhai"), &text);
        }
        Line { server, _settings: own }
    }

    /// Calls, and says this as soon as the script listens. Returns the answer that the script got.
    fn asked(&self, script: &str, sound: &[i16]) -> String {
        let phone = Phone::new();
        let mut call = asterisk().call(phone.calls(Call::request(&self.server.url(script), &[])));
        let caller = phone.answered();
        call.wait_for("EXEC AudioSocket");
        caller.says(sound);
        let ending = call.wait_end();
        ends(&ending, "SUCCESS", "SUCCESS", true);
        ending.variables.get("HEARD").cloned().unwrap_or_else(|| panic!("{}", self.server.log()))
    }
}

#[test]
fn live_pocketsphinx_understands_callers() {
    if is_skipped("live_pocketsphinx_understands_callers", sphinx()) {
        return;
    }
    let line = Line::new();
    thread::scope(|scope| {
        for (script, text, answer) in
            [("sure", "yes", "true"), ("sure", "no", "false"), ("digit", "five", "5"), ("digit", "nine", "9")]
        {
            let line = &line;
            scope.spawn(move || {
                let sound = [silence(500), spoken("kal16", text), silence(1500)].concat();
                assert_eq!(line.asked(script, &sound), answer, "{}", line.server.log());
            });
        }
    });
}

/// Prints a table. The docs say how to run it.
#[test]
#[ignore = "it takes some minutes, and measures rather than tests"]
fn live_accuracy_of_pocketsphinx() {
    if is_skipped("live_accuracy_of_pocketsphinx", sphinx()) {
        return;
    }
    let line = Line::new();
    measure_flite(&|script, sound| line.asked(script, sound));
}
