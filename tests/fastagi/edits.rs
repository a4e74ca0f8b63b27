//! Scripts that are edited while calls run.

use super::{NEIGHBOUR, Neighbour, scripts};
use crate::support::process::{Folder, agi_rhai};
use crate::support::server::{AwakeClock, PATIENCE, Server, wait_until};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The number of peers that call all the time, of scripts, and of rounds, each of which edits a quarter of the scripts.
const PEERS: usize = 64;
const SCRIPTS: usize = 160;
const ROUNDS: usize = 25;
/// The documented limit, and the tolerance for a machine on which other processes run too.
const DOCUMENTED_LIMIT: Duration = Duration::from_millis(200);
const TOLERATED_LIMIT: Duration = Duration::from_millis(500);

/// The text that calls of a script should log.
#[derive(Clone, Copy)]
struct ExpectedText {
    number: usize,
    before: usize,
    written: Duration,
}

/// Every fourth script has its text in a module, and there it is edited.
fn has_module(script: usize) -> bool {
    script % 4 == 3
}

/// Writes a version of a script. A broken one names its edit in the faulty line.
fn write(folder: &Folder, script: usize, number: usize, broken: bool) {
    let wrong = if broken { format!("let = {number}; // edit {script}-{number}\n") } else { String::new() };
    let (name, text) = if has_module(script) {
        (format!("scripts/.words/of{script}.rhai"), format!("\n{wrong}fn number() {{ {number} }}\n"))
    } else {
        (format!("scripts/s{script}.rhai"), format!("\n{wrong}verbose(\"{number}\");\n"))
    };
    // Replaces the file as an editor does. A file written in place would be read half written if this machine stopped
    // the test in the middle for long.
    std::fs::create_dir_all(folder.path("scripts/.words")).unwrap();
    let aside = folder.file(&format!("scripts/.aside{script}"), text);
    std::fs::rename(aside, folder.path(&name)).unwrap();
}

#[test]
fn each_of_a_thousand_edits_under_load_takes_effect_in_time() {
    let folder = Folder::new();
    for script in 0..SCRIPTS {
        if has_module(script) {
            let text = format!("import \".words/of{script}\" as words;\nverbose(words::number());\n");
            folder.file(&format!("scripts/s{script}.rhai"), text);
        }
        write(&folder, script, 0, false);
    }
    let mut server = Server::start(&folder, &[]);
    let clock = AwakeClock::start();
    let expected = ExpectedText { number: 0, before: 0, written: clock.now() };
    let expected_texts = Arc::new(Mutex::new(vec![expected; SCRIPTS]));
    let over = Arc::new(AtomicBool::new(false));
    let (calls, late, checked) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut broken = Vec::new();
    std::thread::scope(|scope| {
        for peer in 0..PEERS {
            let (expected_texts, over, server, calls, late, checked, clock) =
                (Arc::clone(&expected_texts), Arc::clone(&over), &server, &calls, &late, &checked, &clock);
            scope.spawn(move || {
                let mut script = peer;
                while !over.load(Relaxed) {
                    script = (script * 31 + 7) % SCRIPTS;
                    let expected = expected_texts.lock().unwrap()[script];
                    let age = clock.now() - expected.written;
                    let played = server.call(&format!("s{script}")).play();
                    assert_eq!(played.status(), "SUCCESS", "{played:?}");
                    assert!(played.variable("AGI_RHAI_VERSION").is_some_and(|version| version.len() > 5), "{played:?}");
                    let said: usize = played.said()[0].parse().unwrap();
                    // Another edit may have come meanwhile.
                    let latest = expected_texts.lock().unwrap()[script].number;
                    assert!(said >= expected.before && said <= latest, "s{script} said {said}, {latest} is the latest");
                    if age >= TOLERATED_LIMIT {
                        assert!(
                            said >= expected.number,
                            "s{script} said {said}, {age:?} after it became {}",
                            expected.number
                        );
                    }
                    if age >= DOCUMENTED_LIMIT {
                        checked.fetch_add(1, Relaxed);
                        late.fetch_add(usize::from(said < expected.number), Relaxed);
                    }
                    calls.fetch_add(1, Relaxed);
                    std::thread::sleep(Duration::from_millis(30));
                }
            });
        }
        for round in 0..ROUNDS {
            let began = Instant::now();
            for script in (0..SCRIPTS).filter(|script| (script / 4) % 4 == round % 4) {
                let number = round + 1;
                let breaks = (script + round) % 10 == 0;
                let mut expected_texts = expected_texts.lock().unwrap();
                write(&folder, script, number, breaks);
                let ExpectedText { number: last, .. } = expected_texts[script];
                // A broken edit changes nothing for callers.
                let number_after = if breaks { last } else { number };
                expected_texts[script] = ExpectedText { number: number_after, before: last, written: clock.now() };
                if breaks {
                    broken.push(format!("// edit {script}-{number}\""));
                }
            }
            std::thread::sleep(Duration::from_millis(250).saturating_sub(began.elapsed()));
        }
        std::thread::sleep(TOLERATED_LIMIT + Duration::from_millis(250));
        over.store(true, Relaxed);
    });
    let (calls, late, checked) = (calls.into_inner(), late.into_inner(), checked.into_inner());
    eprintln!(
        "{} edits, {} of them broken, {calls} calls; of {checked} calls from {DOCUMENTED_LIMIT:?} after an edit on, {late} had \
         the version before",
        ROUNDS * SCRIPTS / 4,
        broken.len()
    );
    assert!(calls > 500 && checked > 200, "{calls} calls, {checked} checked");
    assert!(late * 20 < checked, "{late} of {checked} calls came too late to their version");
    assert!(broken.len() > ROUNDS * SCRIPTS / 4 / 12, "{}", broken.len());
    let log = server.log();
    for edit in &broken {
        let reports: Vec<_> = log.match_indices(edit.as_str()).collect();
        assert_eq!(reports.len(), 1, "{edit:?} is logged {} times", reports.len());
        let record = log[..reports[0].0].lines().next_back().unwrap();
        assert!(record.contains("ERROR broken: ") && record.contains(".rhai:2:5: "), "no file and line for {edit}");
    }
    assert_eq!(server.metric("agi_rhai_reloads_total{result=\"bad\"}") as usize, broken.len());
    server.wait_idle();
    server.check_well();
}

#[test]
fn a_call_keeps_the_version_it_began_with() {
    let folder = scripts([
        ("a.rhai", "import \"lib/word\" as word; noop(); verbose(word::word());"),
        ("lib/word.rhai", "fn word() { \"old\" }"),
        ("other.rhai", "verbose(\"other\");"),
        NEIGHBOUR,
    ]);
    let server = Server::start(&folder, &[]);
    let old = server.call("other.rhai").play();
    let mut running = server.call("a");
    running.hears("NOOP");
    let neighbour = Neighbour::of(&server);
    folder.file("scripts/lib/word.rhai", "fn word() { \"new\" }");
    wait_until("the edit is live", || server.call("a").play().said() == ["new"]);
    let new = server.call("a").play();
    running.send("200 result=0\n");
    let running = running.play();
    assert_eq!((running.said(), running.status()), (vec!["old"], "SUCCESS"));
    let versions: HashSet<_> =
        [&old, &new, &running].into_iter().map(|played| played.variable("AGI_RHAI_VERSION").unwrap()).collect();
    assert_eq!(versions.len(), 3, "{versions:?}");
    assert!(server.log().contains(&format!("version={:?}", running.variable("AGI_RHAI_VERSION").unwrap())));
    // A removed script isn't found, a new one is, and the other calls go on undisturbed.
    std::fs::remove_file(folder.path("scripts/other.rhai")).unwrap();
    wait_until("the script is gone", || server.status("other") == "NOTFOUND");
    folder.file("scripts/other.rhai", "verbose(\"back\");");
    wait_until("the script is back", || server.status("other") == "SUCCESS");
    neighbour.check("edits", Duration::from_millis(200));
}

#[test]
fn a_broken_edit_changes_nothing_and_is_logged_once() {
    let folder = scripts([
        ("a.rhai", "import \"lib\" as lib; verbose(lib::word());"),
        ("b.rhai", "import \"lib\" as lib; verbose(lib::word());"),
        ("lib.rhai", "fn word() { 1 }"),
    ]);
    let server = Server::start(&folder, &[]);
    folder.file("scripts/lib.rhai", "fn word() {\n    let = 2;\n}");
    server.wait_for_log("lib.rhai:2:9");
    wait_until("all three are counted", || server.metric("agi_rhai_reloads_total{result=\"bad\"}") == 3.0);
    assert_eq!(server.metric("agi_rhai_broken_scripts"), 3.0);
    for script in ["a", "b"] {
        assert_eq!(server.call(script).play().said(), ["1"]);
    }
    // One mistake, one report, though three scripts contain it.
    assert_eq!(server.logged("lib.rhai:2:9"), 1, "{}", server.log());
    let log = server.log();
    let report = log.lines().find(|line| line.contains("ERROR broken: ")).unwrap();
    for name in ["a.rhai", "b.rhai", "lib.rhai"] {
        assert!(report.contains(&format!("{name} (version ")), "{report}");
    }
    folder.file("scripts/lib.rhai", "fn word() { 3 }");
    wait_until("it is fixed", || server.call("a").play().said() == ["3"]);
    assert_eq!(server.metric("agi_rhai_broken_scripts"), 0.0);
    // Broken from the start: its calls fail and report why.
    folder.file("scripts/c.rhai", "verbose(1);\nlet = 1;");
    wait_until("it is found", || server.status("c") == "FAILURE");
    let played = server.call("c").play();
    assert!(played.variable("AGI_RHAI_ERROR").unwrap().contains("c.rhai:2:5"), "{played:?}");
    assert!(played.lines.last().unwrap().starts_with("failure"), "{played:?}");
    server.call("c.rhai").play();
    let counted = "agi_rhai_calls_ended_total{script=\"c.rhai\",status=\"FAILURE\"}";
    assert!(server.metric(counted) >= 3.0, "one script, one label: {}", server.page("/metrics").1);
}

#[test]
fn faults_at_the_start_are_logged_with_file_and_line() {
    let folder = scripts([("good.rhai", "verbose(1);"), ("bad.rhai", "verbose(1);\nlet = 5;")]);
    let server = Server::start(&folder, &[]);
    let log = server.log();
    let record = log.lines().find(|line| line.contains("bad.rhai:2:5")).unwrap();
    assert!(
        record.contains("ERROR broken: bad.rhai (cannot run): ") && record.ends_with("source=\"let = 5;\""),
        "{log}"
    );
    assert!(log.contains("2 scripts (1 with a fault)"), "{log}");
    assert_eq!(server.status("good"), "SUCCESS");
}

#[test]
fn serve_check_reports_every_fault() {
    let check = |folder: &Folder| {
        let output = agi_rhai(["serve", "--check", "--scripts", folder.path("scripts").to_str().unwrap()]).output();
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let folder = scripts([("good.rhai", "verbose(1);"), ("lib/more.rhai", "fn f() { 1 }")]);
    let (code, stdout, stderr) = check(&folder);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("2 scripts, 0 with a fault"), "{stdout}");
    folder.file("scripts/one.rhai", "let = 1;");
    folder.file("scripts/lib/two.rhai", "verbose(1);\n\n  if { }");
    let (code, stdout, stderr) = check(&folder);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("4 scripts, 2 with a fault"), "{stdout}");
    for (place, line) in [("one.rhai:1:5", "let = 1;"), ("lib/two.rhai:3:6", "  if { }")] {
        assert!(stderr.contains(place) && stderr.contains(line), "{stderr}");
    }
    assert_eq!(stderr.lines().filter(|line| line.trim_end().ends_with('^')).count(), 2, "{stderr}");
    let (_, stdout, _) = check(&scripts([("only.rhai", "verbose(1);")]));
    assert!(stdout.contains(": 1 script, 0 with a fault"), "{stdout}");
    let (code, _, stderr) = check(&Folder::new());
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no folder of scripts"), "{stderr}");
}

#[test]
fn sighup_reloads_scripts_whose_file_times_are_unchanged() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    let server = Server::start(&folder, &[]);
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log("SIGHUP: recompiling all scripts");
    folder.file("scripts/a.rhai", "verbose(2);");
    // At once, though the file hasn't been unchanged for long.
    server.signal(rustix::process::Signal::HUP);
    let began = Instant::now();
    while server.call("a").play().said() != ["2"] {
        assert!(began.elapsed() < PATIENCE);
    }
    server.wait_for_log("a.rhai is live");
    assert_eq!(server.logged("a.rhai is live"), 1, "{}", server.log());
}
