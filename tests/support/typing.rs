//! Callers who type ahead on the real Asterisk.

#![allow(clippy::disallowed_methods, reason = "a real Asterisk keeps real time")]
#![allow(clippy::pedantic, reason = "as in the tests")]

use super::asterisk::{Call, asterisk};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Two questions of four digits each.
const SCRIPT: &str = r#"
answer();
for n in 0..to_number(args[0]) {
    let one = ask("demo-congrats", #{ max: 4, tries: 1 });
    let other = ask(["vm-intro", 7, "demo-congrats"], #{ max: 4, tries: 1 });
    verbose(`${one} ${other}`);
}
"#;

/// Answers both questions in one go, with keys so far apart: so many tries in each of so many calls at a time. Gives what
/// was typed and heard where the two differ.
pub fn type_ahead(calls: usize, tries: usize, every: Duration) -> Vec<(String, String)> {
    asterisk().script("typing.rhai", SCRIPT);
    let lost = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for call in 0..calls {
            let lost = &lost;
            scope.spawn(move || {
                let mut running = asterisk().call(Call::script("typing.rhai", &[&tries.to_string()]));
                let mut random = call as u64 * 7919 + 12345;
                for _ in 0..tries {
                    running.wait_for("GET DATA \"demo-congrats\" 5000 1");
                    let mut digit = || {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        char::from(b'0' + (random >> 33) as u8 % 10)
                    };
                    let (one, other): (String, String) =
                        ((0..4).map(|_| digit()).collect(), (0..4).map(|_| digit()).collect());
                    // Not always at the same moment of a frame.
                    thread::sleep(Duration::from_millis(random >> 33 & 63));
                    running.type_keys(&format!("{one}{other}"), every);
                    let said = running.wait_for("VERBOSE");
                    if said != format!("VERBOSE \"{one} {other}\" 1") {
                        lost.lock().unwrap().push((format!("{one} {other}"), said));
                    }
                }
                running.wait_end();
            });
        }
    });
    lost.into_inner().unwrap()
}
