//! The rules of the house, checked on the source text.

mod circles;
mod names;

use agi_rhai::command::{COMMANDS, Command};
use agi_rhai::internals::VOCABULARY;
use std::path::{Path, PathBuf};

/// A source file: its path within the package and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Returns the lines of the program: no comments, and nothing from the file's own tests on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let program = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        program
            .lines()
            .enumerate()
            .map(|(n, line)| (n + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with("target") && name != "build" {
                files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        if root.join(folder).is_dir() {
            files(&root.join(folder), &mut found);
        }
    }
    found.sort();
    assert!(found.len() > 10, "the source files weren't found");
    let source = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(),
    };
    found.into_iter().map(source).collect()
}

/// Returns the module that a source file is, from the root of `src/`.
fn module(source: &Source) -> Vec<String> {
    let within = source.path.strip_prefix("src/").unwrap().trim_end_matches(".rs");
    let mut module: Vec<String> = within.split('/').map(str::to_owned).collect();
    module.pop_if(|last| ["mod", "main", "lib"].contains(&last.as_str()));
    module
}

/// Returns what a `use` imports: each path, and its name here.
fn use_paths(tree: &syn::UseTree, before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let with = |name: &syn::Ident| [before.to_vec(), vec![name.to_string()]].concat();
    match tree {
        syn::UseTree::Path(path) => use_paths(&path.tree, &with(&path.ident), found),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| use_paths(tree, before, found)),
        syn::UseTree::Name(name) => found.push((with(&name.ident), name.ident.to_string())),
        syn::UseTree::Rename(name) => found.push((with(&name.ident), name.rename.to_string())),
        syn::UseTree::Glob(_) => found.push((before.to_vec(), "*".to_owned())),
    }
}

/// Whether a line contains this as a whole word.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let starts = !word.starts_with(part) || !line[..at].ends_with(part);
        let ends = !word.ends_with(part) || !line[at + word.len()..].starts_with(part);
        starts && ends
    })
}

/// Checks that these words occur in the program only in these places.
#[track_caller]
fn check_only_in(words: &[&str], places: &[&str], because: &str) {
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        if places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for (number, line) in source.code() {
            if let Some(word) = words.iter().find(|word| has_word(line, word)) {
                wrong.push(format!("{}:{number}: `{word}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "only in {places:?} ({because}):\n{}", wrong.join("\n"));
}

#[test]
fn everything_has_its_place() {
    check_only_in(
        &["rhai::", "use rhai"],
        &["src/script/", "src/world/", "src/ivr/", "src/tools/"],
        "the language is a detail of the scripts",
    );
    check_only_in(
        &["std::net", "TcpStream", "TcpListener"],
        &["src/transport/", "src/host/", "src/bin/agi-rhai/serve.rs", "src/bin/agi-rhai/studio/", "src/service/"],
        "the wire; the program hands the server its listeners, and has the studio; services are at addresses",
    );
    check_only_in(&["Instant", "SystemTime", "thread::sleep"], &["src/clock/"], "time belongs to the peer");
    check_only_in(&["stdout()"], &["src/host/stdio.rs", "src/bin/"], "standard output is the protocol");
    check_only_in(
        &["println!", "print!", "eprintln!", "eprint!"],
        &[],
        "they panic when the output is closed: the program prints through `out.rs`",
    );
    check_only_in(&["stderr()"], &["src/bin/"], "a library logs by tracing");
    check_only_in(
        &["writeln!(stdout()", "stdout().write_all", "stderr().write_all"],
        &["src/bin/agi-rhai/out.rs", "src/bin/agi-rhai/logging.rs"],
        "they escape what is printed",
    );
    check_only_in(&["clap", "anyhow", "signal_hook", "tracing_subscriber"], &["src/bin/"], "the program's business");
    check_only_in(
        &["unsafe", "unsafe_code"],
        &["src/bin/agi-rhai/memory.rs", "src/host/coroutine.rs", "src/stack/"],
        "only the allocator and the handling of stacks need it",
    );
    check_only_in(&["info_span!", "span!", "instrument"], &["src/host/fastagi/call.rs"], "one span a call");
    check_only_in(&["todo!", "unimplemented!", "dbg!"], &[], "finished work only");
    check_only_in(&["super::super"], &[], "name the folder, so that its layer shows");
}

/// Returns the string literals in a line, as they are written.
fn literals(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find('"') {
        let (before, text) = (&rest[..at], &rest[at + 1..]);
        if before.ends_with('\'') && text.starts_with('\'') {
            rest = text;
            continue;
        }
        let end = if before.ends_with("r#") {
            text.find("\"#")
        } else {
            let mut escaped = false;
            text.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
        };
        let end = end.unwrap_or(text.len());
        found.push(&text[..end]);
        rest = text.get(end + 1..).unwrap_or_default();
    }
    found
}

/// Files that may name commands, and why.
const MAY_NAME_COMMANDS: [(&str, &str); 1] =
    [("src/script/explain/habits.rs", "suggests them for names that other languages use")];

/// Whether a name is also a function of tests, in the files about tests.
fn is_for_tests(path: &str, name: &str) -> bool {
    path.starts_with("src/tools/testing/") && VOCABULARY.iter().any(|function| function.name == name)
}

#[test]
fn commands_are_named_in_their_table_only() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        if ["src/command/", "src/pbx/"].iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        let may_name = MAY_NAME_COMMANDS.iter().any(|(path, _)| *path == source.path);
        // Examples of functions quote what is sent.
        let has_examples = ["Example {", "example("].iter().any(|declares| source.text.contains(declares));
        for (number, line) in source.code() {
            for literal in literals(line) {
                let names = |command: &&&Command| {
                    let verb = command.verb;
                    let sends = literal.strip_prefix(verb).is_some_and(|rest| rest.starts_with(' '));
                    literal == command.function.name && !may_name && !is_for_tests(&source.path, literal)
                        || literal == verb && verb.contains(' ')
                        || sends && !has_examples
                };
                if let Some(command) = COMMANDS.iter().find(names) {
                    wrong.push(format!("{}:{number}: `{}` in {literal:?}", source.path, command.function.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these name commands; use a column of their rows:\n{}", wrong.join("\n"));
}

#[test]
fn literals_are_found() {
    assert_eq!(literals(r#"a("b", '"', "c\"d", x) == b"e""#), ["b", "c\\\"d", "e"]);
    assert_eq!(literals("r#\"a \"b\" c\"#, \"d\""), ["a \"b\" c", "d"]);
}

/// Lines with numbers that are never 1: limits, lengths above them, and arms for other numbers.
const NEVER_ONE: &[&str] = &[
    "is a text of {} bytes: a line to Asterisk holds",
    "the {limit} bytes Asterisk takes",
    "lets this program open {descriptors} files",
    "{} commands or sleeps while",
    "counts.join(\" or \")",
    "{min} or {max} arguments",
    "{min} to {max} arguments",
    "none of its {lines} lines",
];

/// What messages count.
const COUNTED: [&str; 28] = [
    "arguments",
    "bytes",
    "calls",
    "characters",
    "commands",
    "connections",
    "digits",
    "edits",
    "entries",
    "errors",
    "events",
    "faults",
    "files",
    "functions",
    "keys",
    "levels",
    "lines",
    "parts",
    "problems",
    "prompts",
    "recordings",
    "replies",
    "scripts",
    "steps",
    "tests",
    "threads",
    "tries",
    "warnings",
];

/// Returns the plural noun that follows a number in a literal: `calls` in `{} calls`. A constant is a limit.
fn counted(literal: &str) -> Option<&'static str> {
    literal.match_indices("} ").find_map(|(at, _)| {
        let name = literal[..at].rsplit('{').next().unwrap_or_default();
        let is_constant = name.len() > 1 && !name.contains(|c: char| c.is_ascii_lowercase());
        let rest = &literal[at + 2..];
        let word = &rest[..rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len())];
        COUNTED.into_iter().find(|noun| *noun == word && !is_constant)
    })
}

#[test]
fn one_of_something_is_not_called_several() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.path != "src/plural.rs") {
        for (number, line) in source.code() {
            if line.trim_start().starts_with("//") || NEVER_ONE.iter().any(|exempt| line.contains(exempt)) {
                continue;
            }
            if let Some(word) = literals(line).into_iter().find_map(counted) {
                wrong.push(format!("{}:{number}: {word}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "write these numbers with `plural`:\n{}", wrong.join("\n"));
}

#[test]
fn counted_nouns_are_found() {
    assert_eq!(counted("{} calls may go on"), Some("calls"));
    assert_eq!(counted("{at}: {left} lines"), Some("lines"));
    assert_eq!(counted("{name} has {} of it, and {MAX_PARTS} parts"), None);
}

/// The folders of the library, the lowest layer first.
const LAYERS: [&[&str]; 12] = [
    &["accents", "audio", "calendar", "clock", "disk", "histogram", "plural", "similar", "stack", "sync", "utf8"],
    &["agi", "pbx"],
    &["command"],
    &["transport"],
    &["session"],
    &["service"],
    &["script"],
    &["world"],
    &["ivr"],
    &["host"],
    &["tools"],
    &["bin"],
];

fn layer(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&folder))
}

/// Returns the folder or file below `src/` that a source belongs to.
fn folder(path: &str) -> &str {
    let within = path.strip_prefix("src/").unwrap();
    within.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Returns the names after `crate::` in a line, including those in braces.
fn imports(line: &str) -> Vec<&str> {
    let end = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let behind = line.split("crate::").skip(1).flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => list.split(',').map(str::trim).collect::<Vec<_>>(),
        None => vec![rest],
    });
    behind.map(|text| &text[..end(text)]).filter(|name| !name.is_empty()).collect()
}

#[test]
fn a_folder_uses_only_lower_layers() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.path != "src/lib.rs") {
        let own = folder(&source.path);
        let Some(height) = layer(own) else {
            wrong.push(format!("{}: in no layer: name it in {}", source.path, file!()));
            continue;
        };
        if own == "bin" {
            continue;
        }
        for (number, line) in source.code() {
            for name in imports(line) {
                let lower = layer(name).is_some_and(|other| other < height);
                if name != own && !lower {
                    wrong.push(format!("{}:{number}: uses `{name}`", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a folder uses only lower layers:\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_found() {
    assert_eq!(imports("use crate::{agi::Reply, clock};"), ["agi", "clock"]);
    assert_eq!(imports("pub fn f(a: crate::agi::Reply, b: crate::pbx::IncomingCall)"), ["agi", "pbx"]);
    assert!(has_word("a rhai::x", "rhai::") && !has_word("agi_rhai::x", "rhai::") && !has_word("println!", "print!"));
}

/// Whether a line over 120 columns can't be broken: a text, a link, the row of a table.
fn is_one_text(line: &str) -> bool {
    line.contains('"') || line.contains("://") || line.trim_start().starts_with("//! |")
}

#[test]
fn every_file_is_tidy() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "tests", "benches", "examples", "fuzz"]) {
        if !source.text.starts_with("//!") && !source.text.starts_with("#!") {
            wrong.push(format!("{}:1: a file begins with `//!` and what it is for", source.path));
        }
        for (number, line) in source.text.lines().enumerate() {
            let number = number + 1;
            if source.path.starts_with("src/") && line.chars().count() > 120 && !is_one_text(line) {
                wrong.push(format!("{}:{number}: more than 120 columns", source.path));
            }
            if line.ends_with([' ', '\t']) && !source.path.starts_with("tests/") {
                wrong.push(format!("{}:{number}: a blank at the end", source.path));
            }
            // In parts, so that this file doesn't contain what it forbids.
            for (one, other) in [("crates", ".io"), ("index.", "crates"), ("pypi", ".org"), ("registry.", "npmjs")] {
                if line.contains(&format!("{one}{other}")) {
                    wrong.push(format!("{}:{number}: the name of a registry's host", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
