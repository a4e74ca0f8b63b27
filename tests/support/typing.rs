//! Callers who type ahead on the real Asterisk.

#![allow(clippy::disallowed_methods, reason = "a real Asterisk keeps real time")]
#![allow(dead_code, reason = "a rig: not every build of the tests uses every part")]
#![allow(clippy::pedantic, reason = "as in the tests")]

use super::asterisk::{Call, Running, asterisk};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
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
/// One question of many short parts, 5 s in all.
const PARTS: &str = r#"
answer();
let parts = []; parts.pad(12, "beep");
for n in 0..to_number(args[0]) { verbose(ask(parts, #{ max: 1, tries: 1, first: 1 })); }
"#;

/// Returns the next random number.
fn draw(random: &mut u64) -> u64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}

/// Runs this many calls of a script. `play` gets each call and the state of its random numbers.
fn calls(count: usize, name: &str, script: &str, tries: usize, play: impl Fn(&mut Running, &mut u64) + Sync) {
    asterisk().script(name, script);
    thread::scope(|scope| {
        for call in 0..count {
            let play = &play;
            scope.spawn(move || {
                let mut running = asterisk().call(Call::script(name, &[&tries.to_string()]));
                let mut random = call as u64 * 7919 + 12345;
                for _ in 0..tries {
                    play(&mut running, &mut random);
                }
                running.wait_end();
            });
        }
    });
}

/// Presses one key at a random moment of a question of many parts. Returns in how many tries it was lost.
pub fn press_any_time(count: usize, tries: usize) -> usize {
    let lost = AtomicUsize::new(0);
    calls(count, "press-any-time.rhai", PARTS, tries, |running, random| {
        running.wait_for("GET DATA \"beep\" 1 1");
        thread::sleep(Duration::from_micros(draw(random) % 4_900_000));
        running.type_keys("5", Duration::from_millis(80));
        if running.wait_for("VERBOSE") != "VERBOSE \"5\" 1" {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    });
    lost.into_inner()
}

/// Answers two questions with all keys in one go, `every` apart. Returns what was typed and what was received where the
/// two differ.
pub fn type_ahead(count: usize, tries: usize, every: Duration) -> Vec<(String, String)> {
    let lost = Mutex::new(Vec::new());
    calls(count, "type-ahead.rhai", SCRIPT, tries, |running, random| {
        running.wait_for("GET DATA \"demo-congrats\" 5000 1");
        let keys: String = (0..8).map(|_| char::from(b'0' + (draw(random) % 10) as u8)).collect();
        // Not always at the same moment of a frame.
        thread::sleep(Duration::from_millis(draw(random) % 64));
        running.type_keys(&keys, every);
        let said = running.wait_for("VERBOSE");
        let (one, other) = keys.split_at(4);
        if said != format!("VERBOSE \"{one} {other}\" 1") {
            lost.lock().unwrap().push((format!("{one} {other}"), said));
        }
    });
    lost.into_inner().unwrap()
}
