//! A folder of scripts that is edited while calls run. Files are real; time is simulated where a test depends on it.

use crate::support::process::Folder;
use agi_rhai::clock::{Stopwatch, Time, sleep};
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::{Change, Language, Library, LoadError};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Script, Session, Status};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const fn ms(length: u64) -> Duration {
    Duration::from_millis(length)
}

/// A folder and its library, at a moment of simulated time.
struct EditedFolder {
    folder: Folder,
    library: Library,
    now: Time,
}

impl EditedFolder {
    /// Opens a library of these files below `scripts`.
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        for (name, text) in files {
            folder.file(&format!("scripts/{name}"), text);
        }
        Self::open(folder).0
    }

    fn open(folder: Folder) -> (Self, Vec<String>) {
        fs::create_dir_all(folder.path("scripts")).unwrap();
        let now = Time::from_unix(1_000);
        let (library, changes) = Library::open(&folder.path("scripts"), &Language::new(), now).unwrap();
        let mut edited = Self { folder, library, now };
        assert_eq!(edited.changes_when_quiet(), [""; 0], "nothing has changed since");
        (edited, in_short(&changes))
    }

    /// Writes a file in place.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        tick();
        self.folder.file(&format!("scripts/{name}"), text);
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path("scripts").join(name)).unwrap();
    }

    /// Refreshes after this many milliseconds. Returns the changes in short.
    fn changes_after(&mut self, later: u64) -> Vec<String> {
        in_short(&self.changes(later))
    }

    fn changes(&mut self, later: u64) -> Vec<Change> {
        self.now = self.now + ms(later);
        self.library.refresh(self.now)
    }

    /// Returns the changes once the folder has been unchanged for long enough.
    fn changes_when_quiet(&mut self) -> Vec<String> {
        let mut changes = self.changes_after(40);
        changes.extend(self.changes_after(100));
        changes
    }

    /// Returns what a new call logs.
    #[track_caller]
    fn says(&self, name: &str) -> String {
        says(&self.library.get(name).unwrap_or_else(|error| panic!("{error}")).script)
    }

    #[track_caller]
    fn check_missing(&self, name: &str) {
        match self.library.get(name) {
            Err(LoadError::Missing(path, _)) => assert_eq!(path, Path::new(name)),
            other => panic!("{name:?}: {other:?}"),
        }
    }

    fn fault(&self, name: &str) -> String {
        match self.library.get(name) {
            Err(LoadError::Fault(fault)) => fault.to_string(),
            other => panic!("{name:?}: {other:?}"),
        }
    }
}

/// Files of one size written within one tick of the kernel's clock may look alike; people are not that quick.
fn tick() {
    sleep(ms(11));
}

/// Returns what a script logs in a call.
fn says(script: &Script) -> String {
    let channel = Channel::new(IncomingCall::default(), Box::new(Plan::parse("").unwrap()));
    let simulator = Simulator::new(channel);
    let transcript = simulator.transcript();
    let outcome = Host::new().run(Session::begin(Box::new(simulator)).unwrap(), script, vec![]);
    assert_eq!(outcome.status, Status::Success, "{:?}", outcome.fault);
    let lines = transcript.lock().unwrap();
    let said = lines.iter().filter_map(|line| line.strip_prefix(r#"C: VERBOSE ""#)?.strip_suffix(r#"" 1"#));
    said.collect::<Vec<_>>().join(" ")
}

/// Returns the changes in short.
fn in_short(changes: &[Change]) -> Vec<String> {
    let word = |change: &Change| match change {
        Change::Live { name, version, before: Some(before) } if version == before => format!("fixed {name}"),
        Change::Live { name, .. } => format!("live {name}"),
        Change::Broken { name, serving: Some(_), .. } => format!("broken {name}"),
        Change::Broken { name, serving: None, .. } => format!("never good {name}"),
        Change::Removed { name } => format!("removed {name}"),
        Change::Outside { name } => format!("outside {name}"),
        Change::TooDeep { name } => format!("too deep {name}"),
        Change::Unreadable { what, .. } => format!("unreadable {}", what.rsplit('/').next().unwrap()),
        _ => format!("{change}"),
    };
    changes.iter().map(word).collect()
}

/// Saves as an editor does: a new file replaces the old one.
fn rename_over(path: &Path, text: &str) {
    let aside = path.with_extension("new");
    fs::write(&aside, text).unwrap();
    fs::rename(&aside, path).unwrap();
}

#[test]
fn a_script_name_is_a_path_within_the_folder() {
    let folder = Folder::new();
    for name in
        ["game.rhai", "games/pin.rhai", "Case.rhai", ".hidden.rhai", ".git/x.rhai", "game.test.rhai", "note.txt"]
    {
        folder.file(&format!("scripts/{name}"), format!("verbose(\"{name}\");"));
    }
    folder.file("scripts-of-others/x.rhai", "");
    folder.file("x.rhai", "");
    let (edited, changes) = EditedFolder::open(folder);
    assert_eq!(changes, ["live Case.rhai", "live game.rhai", "live games/pin.rhai"]);
    for (asked, name) in [("game", "game.rhai"), ("game.rhai", "game.rhai"), ("games/pin", "games/pin.rhai")] {
        assert_eq!(&*edited.library.get(asked).unwrap().name, name);
        assert_eq!(edited.says(asked), name);
    }
    let absolute = edited.folder.path("scripts/game.rhai");
    for name in [
        "",
        ".",
        "/",
        "game.rh",
        "GAME",
        "case",
        "./game",
        "/game",
        "games//pin",
        "games/./pin",
        "games/../game",
        "games",
        "../x",
        "../scripts/game",
        "../scripts-of-others/x",
        "scripts-of-others/x",
        "game\0",
        "game.rhai\0.rhai",
        ".hidden",
        ".git/x",
        "game.test",
        "game.test.rhai",
        "note.txt",
        absolute.to_str().unwrap(),
    ] {
        edited.check_missing(name);
    }
    let names: Vec<_> = edited.library.list().into_iter().map(|listed| listed.name.to_string()).collect();
    assert_eq!(names, ["Case.rhai", "game.rhai", "games/pin.rhai"]);
}

#[test]
fn an_edit_in_place_takes_effect_once_the_file_is_unchanged() {
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);")]);
    let running = edited.library.get("a").unwrap();
    edited.write("a.rhai", "verbose(2);");
    assert_eq!(edited.changes_after(40), [""; 0]);
    assert_eq!(edited.changes_after(99), [""; 0], "99 ms are not enough");
    assert_eq!(edited.says("a"), "1");
    let changes = edited.changes(1);
    let found = edited.library.get("a").unwrap();
    match &changes[..] {
        [Change::Live { version, before, .. }] => {
            assert_eq!(version, found.script.version());
            assert_eq!(before.as_deref(), Some(running.script.version()));
            assert_eq!(
                changes[0].to_string(),
                format!("a.rhai is live, version {version} after {}", before.as_ref().unwrap())
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((says(&found.script), says(&running.script)), ("2".to_owned(), "1".to_owned()), "a call keeps its own");
    // Touched, but not changed: nothing to report.
    edited.write("a.rhai", "verbose(2);");
    assert_eq!(edited.changes_when_quiet(), [""; 0]);
    assert!(Arc::ptr_eq(&edited.library.get("a").unwrap().script, &found.script));
}

#[test]
fn half_a_file_is_never_used() {
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);")]);
    edited.write("a.rhai", "verbose(2);\n");
    assert_eq!(edited.changes_after(10), [""; 0]);
    assert_eq!(edited.changes_after(40), [""; 0]);
    edited.write("a.rhai", "verbose(2);\nverbose(3);");
    assert_eq!(edited.changes_after(20), [""; 0]);
    assert_eq!(edited.changes_after(40), [""; 0], "the first half has been there for 100 ms, but is no longer");
    assert_eq!(edited.says("a"), "1");
    assert_eq!(edited.changes_after(60), ["live a.rhai"]);
    assert_eq!(edited.says("a"), "2 3");
}

#[test]
fn a_file_that_changes_after_the_scan_waits_for_the_next() {
    // Only the compiler finds the import, after the folder was scanned; no earlier scan has seen the file.
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);")]);
    edited.write(".own/words.rhai", "fn word() { 2 }");
    edited.write("a.rhai", "import \".own/words\" as words; verbose(words::word());");
    assert_eq!(edited.changes_when_quiet(), [""; 0]);
    assert_eq!(edited.changes_after(99), [""; 0]);
    assert_eq!(edited.changes_after(1), ["live a.rhai"]);
    edited.write(".own/words.rhai", "fn word() { 3 }");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai"], "hidden files that are imported are watched");
    assert_eq!(edited.says("a"), "3");
}

#[test]
fn modules_that_change_while_they_are_compiled_wait_for_the_next_scan() {
    let folder = Folder::new();
    let first = |n: u32| format!("edit(); fn n() {{ {n} }}");
    folder.file("scripts/a.rhai", r#"import "first" as f; import "second" as s; verbose(f::n()); verbose(s::n());"#);
    folder.file("scripts/first.rhai", first(1));
    let second = folder.file("scripts/second.rhai", "fn n() { 1 }");
    // The top of a module runs when it is imported. Here it edits the next module.
    let armed = Arc::new(AtomicBool::new(false));
    let edit = Arc::clone(&armed);
    let mut module = rhai::Module::new();
    rhai::FuncRegistration::new("edit").in_global_namespace().set_into_module(&mut module, move || {
        if edit.swap(false, Relaxed) {
            fs::write(&second, "fn n() { 22 - 20 }").unwrap();
        }
    });
    let mut language = Language::new();
    language.add(module);
    let now = Time::from_unix(1_000);
    let (library, _) = Library::open(&folder.path("scripts"), &language, now).unwrap();
    assert_eq!(in_short(&library.refresh(now + ms(100))), [""; 0]);
    tick();
    folder.file("scripts/first.rhai", first(2));
    armed.store(true, Relaxed);
    assert_eq!(in_short(&library.refresh(now + ms(140))), [""; 0]);
    assert_eq!(in_short(&library.refresh(now + ms(240))), ["live first.rhai"]);
    assert!(!armed.load(Relaxed), "the edit has been made");
    assert_eq!(says(&library.get("a").unwrap().script), "1 1", "neither is taken without the other");
    assert_eq!(in_short(&library.refresh(now + ms(280))), [""; 0]);
    assert_eq!(in_short(&library.refresh(now + ms(380))), ["live a.rhai", "live second.rhai"]);
    assert_eq!(says(&library.get("a").unwrap().script), "2 2");
}

#[test]
fn edits_by_rename_and_by_delete_and_create_are_noticed() {
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);")]);
    let path = edited.folder.path("scripts/a.rhai");
    rename_over(&path, "verbose(2);");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai"]);
    assert_eq!(edited.says("a"), "2");
    edited.remove("a.rhai");
    assert_eq!(edited.changes_after(40), [""; 0]);
    assert_eq!(edited.says("a"), "2");
    edited.write("a.rhai", "verbose(3);");
    assert_eq!(edited.changes_after(40), [""; 0]);
    assert_eq!(edited.changes_after(60), [""; 0]);
    assert_eq!(edited.changes_after(40), ["live a.rhai"]);
    assert_eq!(edited.says("a"), "3");
}

#[test]
fn a_removed_script_is_not_found_until_it_returns() {
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);"), ("games/b.rhai", "verbose(2);")]);
    let running = edited.library.get("a").unwrap();
    edited.remove("a.rhai");
    fs::remove_dir_all(edited.folder.path("scripts/games")).unwrap();
    assert_eq!(edited.changes_after(40), [""; 0]);
    assert_eq!(edited.changes_after(99), [""; 0]);
    assert_eq!(edited.says("a"), "1");
    assert_eq!(edited.changes_after(1), ["removed a.rhai", "removed games/b.rhai"]);
    edited.check_missing("a");
    assert_eq!(says(&running.script), "1");
    edited.write("a.rhai", "verbose(1);");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai"]);
    assert_eq!(edited.says("a"), "1");
}

#[test]
fn a_broken_edit_changes_nothing_and_is_reported_once() {
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);")]);
    edited.write("a.rhai", "verbose(2);\nverbose(;");
    let broken = [edited.changes(40), edited.changes(100)].concat();
    let [Change::Broken { fault, serving: Some(_), .. }] = &broken[..] else { panic!("{broken:?}") };
    let path = edited.folder.path("scripts/a.rhai");
    assert_eq!((fault.script.as_str(), fault.line, fault.column), (path.to_str().unwrap(), 2, 9));
    assert!(fault.render(false).contains("2 | verbose(;\n  |         ^"), "{}", fault.render(false));
    assert_eq!(edited.says("a"), "1");
    assert!(edited.library.list()[0].fault.is_some());
    // The same text again, and without a request: reported once.
    assert_eq!(edited.changes_after(1_000), [""; 0]);
    edited.write("a.rhai", "verbose(2);\nverbose(;");
    assert_eq!(edited.changes_when_quiet(), [""; 0]);
    edited.now = edited.now + ms(1);
    assert_eq!(in_short(&edited.library.reload(edited.now)), [""; 0]);
    // Another mistake is reported.
    edited.write("a.rhai", "verbose(2);\nverbos(2);\nverbose(;");
    assert_eq!(edited.changes_when_quiet(), ["broken a.rhai"]);
    edited.write("a.rhai", "verbose(2);");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai"]);
    assert_eq!(edited.says("a"), "2");
    assert!(edited.library.list()[0].fault.is_none());
    // An edit that is undone.
    edited.write("a.rhai", "verbose(;");
    assert_eq!(edited.changes_when_quiet(), ["broken a.rhai"]);
    edited.write("a.rhai", "verbose(2);");
    assert_eq!(edited.changes_when_quiet(), ["fixed a.rhai"]);
}

#[test]
fn a_script_that_never_compiled_reports_its_fault() {
    let folder = Folder::new();
    folder.file("scripts/a.rhai", "let x = ;");
    let (mut edited, changes) = EditedFolder::open(folder);
    assert_eq!(changes, ["never good a.rhai"]);
    assert!(edited.fault("a").contains("scripts/a.rhai:1:9: "), "{}", edited.fault("a"));
    edited.write("a.rhai", "let xyz = ;");
    assert_eq!(edited.changes_when_quiet(), ["never good a.rhai"]);
    assert!(edited.fault("a").contains("scripts/a.rhai:1:11: "), "{}", edited.fault("a"));
    edited.write("a.rhai", "verbose(1);");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai"]);
    assert_eq!(edited.says("a"), "1");
}

#[test]
fn an_edited_module_updates_every_script_that_imports_it() {
    let user = r#"import "lib/words" as words; verbose(words::word());"#;
    let mut edited = EditedFolder::new(&[
        ("a.rhai", user),
        ("games/b.rhai", user),
        ("c.rhai", "verbose(0);"),
        ("lib/words.rhai", "fn word() { 1 }"),
    ]);
    let version = edited.library.get("a").unwrap().script.version().to_owned();
    edited.write("lib/words.rhai", "fn word() { 2 }");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai", "live games/b.rhai", "live lib/words.rhai"]);
    assert_eq!((edited.says("a"), edited.says("games/b")), ("2".to_owned(), "2".to_owned()));
    assert_ne!(edited.library.get("a").unwrap().script.version(), version);
    // A broken module breaks them all, and each keeps its last version.
    edited.write("lib/words.rhai", "fn word() { 3 }\nfn (");
    let broken = [edited.changes(40), edited.changes(100)].concat();
    assert_eq!(in_short(&broken), ["broken a.rhai", "broken games/b.rhai", "broken lib/words.rhai"]);
    let Change::Broken { fault, .. } = &broken[0] else { panic!() };
    assert!(fault.script.ends_with("/scripts/lib/words.rhai") && fault.line == 2, "{fault}");
    assert_eq!(edited.says("a"), "2");
    edited.write("lib/words.rhai", "fn word() { 3 }");
    assert_eq!(edited.changes_when_quiet().len(), 3);
    assert_eq!(edited.says("games/b"), "3");
    // A nearer module is used as soon as it exists, and the other one again when it goes.
    edited.write("games/lib/words.rhai", "fn word() { 4 }");
    assert_eq!(edited.changes_when_quiet(), ["live games/b.rhai", "live games/lib/words.rhai"]);
    assert_eq!((edited.says("a"), edited.says("games/b")), ("3".to_owned(), "4".to_owned()));
    edited.remove("games/lib/words.rhai");
    assert_eq!(edited.changes_when_quiet(), ["live games/b.rhai", "removed games/lib/words.rhai"]);
    assert_eq!(edited.says("games/b"), "3");
}

#[test]
fn a_missing_module_may_be_added_later() {
    let folder = Folder::new();
    folder.file("scripts/a.rhai", r#"import "words" as words; verbose(words::word());"#);
    let (mut edited, changes) = EditedFolder::open(folder);
    assert_eq!(changes, ["never good a.rhai"]);
    edited.write("words.rhai", "fn word() { 1 }");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai", "live words.rhai"]);
    assert_eq!(edited.says("a"), "1");
    edited.remove("words.rhai");
    assert_eq!(edited.changes_when_quiet(), ["broken a.rhai", "removed words.rhai"]);
    assert_eq!(edited.says("a"), "1");
}

#[test]
fn a_script_and_its_module_can_be_edited_together() {
    let mut edited = EditedFolder::new(&[
        ("a.rhai", r#"import "words" as words; verbose(words::one());"#),
        ("words.rhai", "fn one() { 1 }"),
    ]);
    // Between the two edits they don't fit together.
    edited.write("words.rhai", "fn two() { 2 }");
    assert_eq!(edited.changes_after(40), [""; 0]);
    assert_eq!(edited.changes_after(40), [""; 0]);
    edited.write("a.rhai", r#"import "words" as words; verbose(words::two());"#);
    assert_eq!(edited.changes_after(19), [""; 0]);
    assert_eq!(edited.changes_after(41), ["live words.rhai"], "by itself it is quiet");
    assert_eq!(edited.says("a"), "1");
    assert_eq!(edited.changes_after(59), ["live a.rhai"]);
    assert_eq!(edited.says("a"), "2");
}

#[test]
fn a_kubernetes_config_map_is_swapped_atomically() {
    let folder = Folder::new();
    let set = |n: u32| {
        folder.file(
            &format!("scripts/..{n}/a.rhai"),
            format!("import \"words\" as w; verbose(w::word()); verbose({n});"),
        );
        folder.file(&format!("scripts/..{n}/words.rhai"), format!("fn word() {{ {n} }}"));
        symlink(format!("..{n}"), folder.path("scripts/..new")).unwrap();
        fs::rename(folder.path("scripts/..new"), folder.path("scripts/..data")).unwrap();
    };
    set(1);
    for name in ["a.rhai", "words.rhai"] {
        symlink(format!("..data/{name}"), folder.path("scripts").join(name)).unwrap();
    }
    set(1_000);
    let path = folder.path("scripts/words.rhai");
    let (library, changes) = Library::open(&folder.path("scripts"), &Language::new(), Time::from_unix(1_000)).unwrap();
    assert_eq!(in_short(&changes), ["live a.rhai", "live words.rhai"]);
    let mut now = Time::from_unix(1_000);
    let mut look = |later: u64| {
        now = now + ms(later);
        library.refresh(now)
    };
    look(100);
    assert_eq!(says(&library.get("a").unwrap().script), "1000 1000");
    set(1_001);
    fs::remove_dir_all(folder.path("scripts/..1000")).unwrap();
    assert_eq!(in_short(&look(40)), [""; 0]);
    assert_eq!(in_short(&look(100)), ["live a.rhai", "live words.rhai"]);
    assert_eq!(says(&library.get("a").unwrap().script), "1001 1001");
    folder.file("scripts/..1001/words.rhai", "fn word() { (1 }");
    look(40);
    let broken = look(100);
    let Change::Broken { fault, .. } = &broken[0] else { panic!("{broken:?}") };
    assert_eq!(fault.script, path.to_str().unwrap(), "as it is seen, not where the link leads");
}

#[test]
fn links_that_lead_out_of_the_folder_are_ignored() {
    let folder = Folder::new();
    folder.file("secret/x.rhai", "verbose(\"secret\");");
    folder.file("scripts/real/a.rhai", r#"import "helper" as h; verbose(h::word());"#);
    folder.file("scripts/real/helper.rhai", "fn word() { 1 }");
    folder.file("scripts/loop/z.rhai", "verbose(2);");
    let link = |to: &str, name: &str| symlink(to, folder.path("scripts").join(name)).unwrap();
    link("real/a.rhai", "a.rhai");
    link("real", "other");
    link("..", "loop/up");
    link(".", "loop/same");
    link("self.rhai", "self.rhai");
    link("nowhere.rhai", "dangling.rhai");
    link("../secret/x.rhai", "out.rhai");
    link("../secret", "outside");
    let (mut edited, mut changes) = EditedFolder::open(folder);
    changes.sort();
    assert_eq!(
        changes,
        [
            "live a.rhai",
            "live loop/z.rhai",
            "live other/a.rhai",
            "live other/helper.rhai",
            "live real/a.rhai",
            "live real/helper.rhai",
            "outside out.rhai",
            "outside outside",
            "unreadable self.rhai",
        ]
    );
    assert_eq!((edited.says("a"), edited.says("other/a")), ("1".to_owned(), "1".to_owned()));
    assert_eq!(edited.changes_after(1_000), [""; 0], "reported once");
    for name in ["out", "outside/x", "loop/up/a", "self", "dangling"] {
        edited.check_missing(name);
    }
    // A link that is changed to lead out removes its script, and one changed back restores it.
    let path = edited.folder.path("scripts/a.rhai");
    fs::remove_file(&path).unwrap();
    symlink("../secret/x.rhai", &path).unwrap();
    assert_eq!(edited.changes_when_quiet(), ["outside a.rhai", "removed a.rhai"]);
    edited.check_missing("a");
    fs::remove_file(&path).unwrap();
    symlink("real/a.rhai", &path).unwrap();
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai"]);
    // Nor does an import lead out.
    edited.write("a.rhai", "");
    edited.write("real/a.rhai", r#"import "../out" as out;"#);
    assert_eq!(edited.changes_when_quiet(), ["broken a.rhai", "broken other/a.rhai", "broken real/a.rhai"]);
}

#[test]
fn the_folder_may_be_a_link_that_is_changed() {
    let folder = Folder::new();
    for n in [1, 2] {
        folder.file(&format!("release-{n}/a.rhai"), format!("import \"words\" as w; verbose(w::word() + {n});"));
        folder.file(&format!("release-{n}/words.rhai"), format!("fn word() {{ {n}0 }}"));
    }
    fs::create_dir(folder.path("release-3")).unwrap();
    folder.file("release-2/new.rhai", "verbose(3);");
    let lead = |to: &str| {
        symlink(to, folder.path("next")).unwrap();
        fs::rename(folder.path("next"), folder.path("scripts")).unwrap();
    };
    lead("release-1");
    let mut now = Time::from_unix(1_000);
    let (library, _) = Library::open(&folder.path("scripts"), &Language::new(), now).unwrap();
    let mut changes_when_quiet = || {
        let early = library.refresh(now + ms(40));
        now = now + ms(140);
        in_short(&[early, library.refresh(now)].concat())
    };
    assert_eq!(changes_when_quiet(), [""; 0]);
    lead("release-2");
    assert_eq!(changes_when_quiet(), ["live a.rhai", "live new.rhai", "live words.rhai"]);
    assert_eq!(says(&library.get("a").unwrap().script), "22");
    lead("release-3");
    assert_eq!(changes_when_quiet(), ["unreadable scripts"], "another folder, and nothing in it: a mistake");
    assert_eq!(says(&library.get("a").unwrap().script), "22");
    lead("release-1");
    assert_eq!(changes_when_quiet(), ["live a.rhai", "removed new.rhai", "live words.rhai"]);
    assert_eq!(says(&library.get("a").unwrap().script), "11");
}

#[test]
fn scripts_stay_while_the_folder_is_missing() {
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);"), ("games/b.rhai", "verbose(2);")]);
    let (here, away) = (edited.folder.path("scripts"), edited.folder.path("away"));
    fs::rename(&here, &away).unwrap();
    assert_eq!(edited.changes_after(40), [""; 0], "it may be in the middle of a swap");
    assert_eq!(edited.changes_after(100), ["unreadable scripts"]);
    assert_eq!(edited.changes_after(1_000), [""; 0], "reported once");
    edited.now = edited.now + ms(1);
    assert_eq!(in_short(&edited.library.reload(edited.now)), [""; 0]);
    assert_eq!((edited.says("a"), edited.says("games/b")), ("1".to_owned(), "2".to_owned()));
    fs::rename(&away, &here).unwrap();
    assert_eq!(edited.changes_when_quiet(), [""; 0]);
    fs::rename(&here, &away).unwrap();
    assert_eq!(edited.changes_when_quiet(), ["unreadable scripts"], "and again when it happens again");
    fs::rename(&away, &here).unwrap();
    edited.write("a.rhai", "verbose(3);");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai"]);
    // The last script of a folder that stays can be removed.
    edited.remove("a.rhai");
    edited.remove("games/b.rhai");
    assert_eq!(edited.changes_when_quiet(), ["removed a.rhai", "removed games/b.rhai"]);
    assert!(Library::open(&away, &Language::new(), edited.now).is_err());
}

#[test]
fn a_script_that_becomes_unreadable_is_reported_and_stays() {
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);"), ("b.rhai", "verbose(2);")]);
    edited.write("a.rhai", vec![b' '; 5 * 1024 * 1024]);
    assert_eq!(edited.changes_when_quiet(), ["broken a.rhai"]);
    assert_eq!(edited.says("a"), "1");
    // A pipe in its place would be waited on for ever.
    edited.remove("a.rhai");
    let made = std::process::Command::new("mkfifo").arg(edited.folder.path("scripts/a.rhai")).status().unwrap();
    assert!(made.success());
    edited.write("b.rhai", r#"import "a" as a;"#);
    assert_eq!(edited.changes_when_quiet(), ["removed a.rhai", "broken b.rhai"]);
    // Root can read everything.
    let path = edited.folder.path("scripts/b.rhai");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_err() {
        assert_eq!(edited.changes_when_quiet(), ["broken b.rhai"]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        edited.write("b.rhai", "verbose(2);");
        assert_eq!(edited.changes_when_quiet(), ["fixed b.rhai"]);
    }
    edited.write("bytes.rhai", b"verbose(\"\xff\");");
    assert_eq!(edited.changes_when_quiet().last().unwrap(), "never good bytes.rhai");
}

#[test]
fn a_reload_compiles_everything_at_once() {
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(1);")]);
    edited.write("a.rhai", "verbose(2);");
    edited.write("b.rhai", "verbose(3);");
    edited.now = edited.now + ms(1);
    assert_eq!(in_short(&edited.library.reload(edited.now)), ["live a.rhai", "live b.rhai"]);
    assert_eq!((edited.says("a"), edited.says("b")), ("2".to_owned(), "3".to_owned()));
    assert_eq!(edited.changes_when_quiet(), [""; 0]);
}

#[test]
fn the_loader_survives_panics_and_endless_modules() {
    let folder = Folder::new();
    for (name, text) in [
        ("a.rhai", r#"import "bad" as bad; verbose(1);"#),
        ("bad.rhai", "fail();"),
        ("c.rhai", r#"import "endless" as e;"#),
        ("endless.rhai", "loop { }"),
        ("d.rhai", r#"import "large" as e;"#),
        ("large.rhai", r#"let x = "12345678"; loop { x += x; }"#),
        ("good.rhai", "verbose(1);"),
    ] {
        folder.file(&format!("scripts/{name}"), text);
    }
    let mut module = rhai::Module::new();
    rhai::FuncRegistration::new("fail").in_global_namespace().set_into_module(&mut module, || -> i64 { panic!("oh") });
    let mut language = Language::new();
    language.add(module);
    let now = Time::from_unix(1_000);
    let (library, changes) = Library::open(&folder.path("scripts"), &language, now).unwrap();
    let text: Vec<String> = changes.iter().map(ToString::to_string).collect();
    for (name, part) in [
        ("a", "compiling it panicked: oh"),
        ("c", "endless.rhai:1:"),
        ("c", "computes for more than 0.1 s while it is imported"),
        ("d", "large.rhai:1:"),
        ("good", "live"),
    ] {
        assert!(text.iter().any(|t| t.starts_with(&format!("{name}.rhai")) && t.contains(part)), "{part}: {text:#?}");
    }
    folder.file("scripts/bad.rhai", "fn better() { }");
    library.refresh(now + ms(40));
    assert_eq!(in_short(&library.refresh(now + ms(200))), ["live a.rhai", "live bad.rhai"]);
}

#[test]
fn imports_are_compiled_once_and_cycles_are_refused() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| folder.file(name, text);
    let load = |name: &str| Host::new().load(&folder.path(name), None);
    // Two paths to one module; `word` is one module for both.
    file("left.rhai", r#"import "lib/word" as w; fn word() { w::word() }"#);
    file("lib/right.rhai", r#"import "word" as w; import "../left" as l; fn word() { w::word() + l::word() }"#);
    file("lib/word.rhai", "fn word() { 21 }");
    file("top.rhai", r#"import "left" as l; import "lib/right" as r; verbose(l::word()); verbose(r::word());"#);
    assert_eq!(says(&load("top.rhai").unwrap()), "21 42");
    // Each imports both of the next level: there are 2^30 paths to the last.
    for floor in 0..30 {
        let next = floor + 1;
        let text = format!("import \"a{next}\" as a; import \"b{next}\" as b; fn n() {{ a::n() }}");
        file(&format!("a{floor}.rhai"), &text);
        file(&format!("b{floor}.rhai"), &text);
    }
    file("a30.rhai", "fn n() { 7 }");
    file("b30.rhai", "fn n() { 7 }");
    assert!(load("a25.rhai").is_ok());
    let error = load("a0.rhai").unwrap_err().to_string();
    assert!(error.contains("the script imports more than 1000 scripts"), "{error}");
    // A circle, also through a link.
    symlink("circle.rhai", folder.path("link.rhai")).unwrap();
    file("circle.rhai", r#"import "link" as l;"#);
    for name in ["circle.rhai", "link.rhai"] {
        let error = load(name).unwrap_err().to_string();
        assert!(error.contains("import each other in a circle"), "{error}");
    }
    // Deeper than any stack.
    for n in 0..2_000 {
        file(&format!("deep{n}.rhai"), &format!("import \"deep{}\" as d;", n + 1));
    }
    let error = load("deep0.rhai").unwrap_err().to_string();
    assert!(error.contains("imports are nested more than 64 scripts deep"), "{error}");
    // A linked module finds its neighbours at its link first, then at its real place.
    file("shop/menu.rhai", r#"import "price" as p; fn price() { p::price() }"#);
    file("shop/price.rhai", "fn price() { 5 }");
    symlink("shop/menu.rhai", folder.path("menu.rhai")).unwrap();
    file("order.rhai", r#"import "menu" as m; verbose(m::price());"#);
    assert_eq!(says(&load("order.rhai").unwrap()), "5");
}

#[test]
fn an_edit_takes_effect_within_two_tenths_of_a_second() {
    // The loader's scans in simulated time: whenever the edit comes, it is live within 0.2 s.
    let mut edited = EditedFolder::new(&[("a.rhai", "verbose(0);"), ("b.rhai", "")]);
    for n in 1..10 {
        let looked = edited.now;
        let next = edited.library.next_scan();
        assert!(next - looked >= ms(40), "{:?}", next - looked);
        // Right after a scan.
        edited.write("a.rhai", format!("verbose({n});"));
        let mut changes = Vec::new();
        while changes.is_empty() {
            edited.now = edited.library.next_scan();
            changes = in_short(&edited.library.refresh(edited.now));
            assert!(edited.now - looked < ms(200), "after {:?}: {changes:?}", edited.now - looked);
        }
        assert_eq!(edited.now - next, ms(100), "exactly 100 ms after it was first seen");
        assert_eq!((changes, edited.says("a")), (vec!["live a.rhai".to_owned()], n.to_string()));
        edited.changes_after(1);
    }
}

/// Callers that call all the time on a thread each, until `over`: what they get always belongs together.
fn call_all_the_time(library: &Library, scripts: u32, over: &AtomicBool, calls: &AtomicUsize) {
    let mut n = 0;
    while !over.load(Relaxed) {
        n = (n + 7) % scripts;
        let script = library.get(&format!("s{n}")).unwrap_or_else(|error| panic!("s{n}: {error}")).script;
        let said = says(&script);
        let (script, module) = said.split_once(' ').unwrap();
        assert_eq!(script, module, "s{n}: torn");
        calls.fetch_add(1, Relaxed);
    }
}

/// A script and the module it imports, in one version.
fn pair(version: usize, broken: bool) -> (String, String) {
    let mistake = if broken { "\n}" } else { "" };
    // Each version has another size, so that one tick of the clock doesn't make two versions look alike.
    let more = " ".repeat(version % 50);
    (
        format!("import \"own/NAME\" as m; verbose({version}); verbose(m::version());{more}"),
        format!("fn version() {{ {version} }}{more}{mistake}"),
    )
}

#[test]
fn a_thousand_edits_disturb_no_call() {
    const SCRIPTS: usize = 20;
    let folder = Folder::new();
    let save = |n: usize, version: usize, broken: bool, half: usize| {
        let (script, module) = pair(version, broken);
        let (name, text) = match half {
            0 => (format!("scripts/s{n}.rhai"), script.replace("NAME", &format!("m{n}"))),
            _ => (format!("scripts/own/m{n}.rhai"), module),
        };
        if version.is_multiple_of(2) && folder.path(&name).exists() {
            rename_over(&folder.path(&name), &text);
        } else {
            folder.file(&name, text);
        }
    };
    for n in 0..SCRIPTS {
        (0..2).for_each(|half| save(n, 0, false, half));
    }
    let mut now = Time::from_unix(1_000);
    let (library, _) = Library::open(&folder.path("scripts"), &Language::new(), now).unwrap();
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut live, mut broken) = (0, 0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| call_all_the_time(&library, SCRIPTS as u32, &over, &calls));
        }
        let mut look = |later: u64| {
            now = now + ms(later);
            for change in library.refresh(now) {
                match change {
                    Change::Live { name, .. } => live += usize::from(name.starts_with('s')),
                    Change::Broken { name, .. } => broken += usize::from(name.starts_with('s')),
                    other => panic!("{other}"),
                }
            }
        };
        for version in 1..=25 {
            // One half of every pair, a scan in between, and the other half: 40 edits, 4 of them of a broken pair.
            for half in [version % 2, 1 - version % 2] {
                (0..SCRIPTS).for_each(|n| save(n, version, (n + version) % 10 == 0, half));
                look(40);
            }
            look(100);
        }
        over.store(true, Relaxed);
    });
    assert_eq!((live, broken), (25 * 18, 25 * 2));
    assert!(calls.load(Relaxed) > 100, "{calls:?}");
}

#[test]
fn a_loader_in_real_time_never_uses_half_a_file() {
    let folder = Folder::new();
    let save = |version: usize, half: usize| {
        let (script, module) = pair(version, false);
        let texts = [("scripts/s0.rhai", script.replace("NAME", "m0")), ("scripts/own/m0.rhai", module)];
        let (name, text) = &texts[half];
        // In place and in pieces: half a script would often be valid.
        let mut file = fs::File::create(folder.path(name)).unwrap();
        for piece in text.as_bytes().chunks(20) {
            std::io::Write::write_all(&mut file, piece).unwrap();
            sleep(ms(5));
        }
    };
    fs::create_dir_all(folder.path("scripts/own")).unwrap();
    (0..2).for_each(|half| save(0, half));
    let watch = Stopwatch::start();
    let (library, _) = Library::open(&folder.path("scripts"), &Language::new(), watch.now()).unwrap();
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut took = Vec::new();
    std::thread::scope(|scope| {
        let loader = || {
            while !over.load(Relaxed) {
                sleep(library.next_scan() - watch.now());
                library.refresh(watch.now());
            }
        };
        scope.spawn(loader);
        scope.spawn(|| call_all_the_time(&library, 1, &over, &calls));
        for version in 1..=8 {
            (0..2).for_each(|half| save(version, half));
            let saved = watch.now();
            while !says(&library.get("s0").unwrap().script).starts_with(&version.to_string()) {
                assert!(watch.now() - saved < ms(10_000), "version {version} is never live");
                sleep(ms(2));
            }
            took.push(watch.now() - saved);
        }
        over.store(true, Relaxed);
    });
    took.sort();
    // This machine may be busy with other tests; in simulated time the bound is exact.
    assert!(took[took.len() / 2] < ms(400), "{took:?}");
}

#[test]
fn scripts_in_folders_that_are_too_deep_are_reported() {
    let folder = Folder::new();
    let deep = |depth: usize| (1..=depth).map(|level| format!("d{level}/")).collect::<String>();
    folder.file(&format!("scripts/{}in.rhai", deep(15)), "noop();");
    folder.file(&format!("scripts/{}out.rhai", deep(16)), "let = 1;");
    let now = Time::from_unix(1_000);
    let (library, changes) = Library::open(&folder.path("scripts"), &Language::new(), now).unwrap();
    let left_out = format!("too deep {}", deep(16).trim_end_matches('/'));
    assert!(in_short(&changes).contains(&left_out), "{changes:?}");
    assert_eq!(library.list().len(), 1);
    // Reported once.
    let again = library.refresh(now + Duration::from_secs(1));
    assert!(in_short(&again).is_empty(), "{again:?}");
    let run = |args: &[&str]| {
        let output = crate::support::process::agi_rhai(args).current_dir(folder.path("")).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = run(&["serve", "--check", "--scripts", "scripts"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("d16 is ignored with everything in it: folders are read 15 deep"), "{said}");
    // The commands that check and test a folder go as deep as it is.
    folder.file(&format!("scripts/{}bad.rhai", deep(90)), "let = 1;");
    folder.file(&format!("scripts/{}a.test.rhai", deep(90)), "fn test_a() { }");
    let (code, said) = run(&["check", "scripts"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("d90/bad.rhai") && said.contains("d16/out.rhai"), "{said}");
    let (code, said) = run(&["test", "scripts"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("d90/a::a"), "{said}");
}

/// Opens a library of a host that checks its scripts.
fn checked(files: &[(&str, &str)]) -> (EditedFolder, Vec<Change>) {
    let folder = Folder::new();
    for (name, text) in files {
        folder.file(&format!("scripts/{name}"), text);
    }
    let mut host = Host::new();
    host.check_scripts();
    let (library, changes) = host.library(&folder.path("scripts")).unwrap();
    let mut edited = EditedFolder { folder, library, now: Time::from_unix(1_000) };
    assert_eq!(edited.changes_when_quiet(), [""; 0], "nothing has changed since");
    (edited, changes)
}

#[test]
fn an_edit_with_an_error_stays_out_until_it_is_fixed() {
    let (mut edited, changes) = checked(&[("a.rhai", "verbose(1);"), ("bad.rhai", "anser();")]);
    assert_eq!(in_short(&changes), ["live a.rhai", "never good bad.rhai"]);
    assert!(edited.fault("bad").contains("no function `anser`; did you mean `answer`?"), "{}", edited.fault("bad"));
    edited.write("a.rhai", "verbose(2);\nanser();");
    assert_eq!(edited.changes_when_quiet(), ["broken a.rhai"]);
    assert_eq!(edited.says("a"), "1");
    // It is reported once for each text.
    assert_eq!(edited.changes_when_quiet(), [""; 0]);
    assert_eq!(in_short(&edited.library.reload(edited.now)), [""; 0]);
    edited.write("a.rhai", "verbose(1);");
    edited.write("bad.rhai", "verbose(3);");
    assert_eq!(edited.changes_when_quiet(), ["fixed a.rhai", "live bad.rhai"]);
    // The table of prompts belongs to the script.
    edited.write("a.prompts", "no colon");
    assert_eq!(edited.changes_when_quiet(), ["broken a.rhai"]);
    edited.write("a.prompts", "a: Colon.");
    assert!(edited.changes_when_quiet().contains(&"fixed a.rhai".to_owned()));
}

#[test]
fn an_import_with_an_error_blocks_all_that_import_it() {
    let (mut edited, _) = checked(&[
        ("lib/.words.rhai", "fn text() { 1 }"),
        ("a.rhai", "import \"lib/.words\" as words; verbose(words::text());"),
        ("b.rhai", "import \"lib/.words\" as words; verbose(words::text());"),
    ]);
    edited.write("lib/.words.rhai", "fn text() { hangup(1, 2); 2 }");
    let changes: Vec<Change> = edited.changes(40).into_iter().chain(edited.changes(100)).collect();
    assert_eq!(in_short(&changes), ["broken a.rhai", "broken b.rhai"]);
    assert_eq!((edited.says("a"), edited.says("b")), ("1".to_owned(), "1".to_owned()));
    // Both are reported with the same fault, so that a log has it once.
    let faults: Vec<String> = changes
        .iter()
        .map(|change| match change {
            Change::Broken { fault, .. } => fault.render(false),
            other => panic!("{other}"),
        })
        .collect();
    assert!(faults[0] == faults[1] && faults[0].contains(".words.rhai:1:13"), "{}", faults[0]);
    edited.write("lib/.words.rhai", "fn text() { 3 }");
    assert_eq!(edited.changes_when_quiet(), ["live a.rhai", "live b.rhai"]);
    assert_eq!(edited.says("b"), "3");
}

#[test]
fn a_warning_keeps_no_edit_out_and_is_reported_once() {
    let warned = |changes: &[Change]| -> Vec<String> {
        let of = |change: &Change| match change {
            Change::Warned { name, warnings } => Some(format!("{name} {}", warnings[0])),
            _ => None,
        };
        changes.iter().filter_map(of).collect()
    };
    let (mut edited, changes) = checked(&[("a.rhai", "let x = 1; verbose(1);")]);
    let first = warned(&changes);
    assert!(first.len() == 1 && first[0].contains("`x` is never read") && first[0].contains("[unused-variable]"));
    assert_eq!(edited.says("a"), "1");
    assert!(warned(&edited.library.reload(edited.now)).is_empty());
    edited.write("a.rhai", "let y = 1; verbose(2);");
    let second: Vec<Change> = edited.changes(40).into_iter().chain(edited.changes(100)).collect();
    assert_eq!(warned(&second).len(), 1);
    assert_eq!(edited.says("a"), "2");
}

#[test]
fn a_script_is_checked_with_the_permissions_and_functions_of_its_host() {
    let folder = Folder::new();
    folder.file("scripts/a.rhai", "exec(\"System\", \"true\"); verbose(price(\"tea\"));");
    let check = |host: &mut Host| {
        host.check_scripts();
        in_short(&host.library(&folder.path("scripts")).unwrap().1)
    };
    assert_eq!(check(&mut Host::new()), ["never good a.rhai"]);
    let mut host = Host::new();
    // What is added after `check_scripts` counts, too.
    host.check_scripts();
    host.allow(["System".to_owned()]);
    let mut module = agi_rhai::script::rhai::Module::new();
    module.set_native_fn("price", |_: &str| Ok(240_i64));
    host.language_mut().add(module);
    assert_eq!(check(&mut host), ["live a.rhai"]);
    host.deny(["System".to_owned()]);
    assert_eq!(check(&mut host), ["never good a.rhai"]);
}
