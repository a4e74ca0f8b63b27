//! What the pages say is so: their scripts run, their dialogues and faults are the true ones, their commands work.
//!
//! * A `rhai` block runs on a simulated call and must not fault. A first line `// the caller PLAN` says what the caller
//!   does; without one, the caller stays silent. A first line `// NAME.rhai` is the file it is saved as.
//! * A `rhai,fault` block must fault. The `text` block behind it is what the log then shows.
//! * A `text` block behind a `rhai` block, starting with `C: `, is the dialogue of that call.
//! * An `sh` line with ` phone ` is run by bash, in a folder with the scripts of the repository and those of the page.
//! * A dialplan is an `ini` block.
//! * `rust` blocks are run by rustdoc: see the end of `src/lib.rs`.

#[path = "../examples/embed.rs"]
#[allow(dead_code, reason = "its `main` is for people")]
mod embed;

use agi_rhai::command::reference;
use agi_rhai::pbx::{Call, Channel, Plan};
use agi_rhai::script::{BUILTINS, Script};
use agi_rhai::transport::Simulator;
use agi_rhai::{Fault, Host, Outcome, Session, Status};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAM: &str = env!("CARGO_BIN_EXE_agi-rhai");
const REFERENCE: &str = "docs/commands.md";

/// The pages people write; the reference is written by the program.
fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(Path::new(PROJECT).join("docs")).unwrap();
    let mut names: Vec<String> =
        docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_string_lossy())).collect();
    names.retain(|name| has_ending(name, "md") && name != REFERENCE);
    names.push("README.md".to_owned());
    names.sort();
    names.into_iter().map(|name| (name.clone(), fs::read_to_string(Path::new(PROJECT).join(name)).unwrap())).collect()
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == ending)
}

/// A fenced block of a page.
struct Block {
    /// Page and line, for the message of a failing test.
    place: String,
    kind: String,
    text: String,
}

fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(kind)) => {
                let place = format!("{page}:{}", number + 1);
                open = Some(Block { place, kind: kind.to_owned(), text: String::new() });
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block has no end");
    found
}

/// The name a block is saved under, from its first line.
fn file_name(block: &Block) -> Option<&str> {
    let name = block.text.lines().next()?.strip_prefix("// ")?.split_whitespace().next()?.trim_end_matches(':');
    has_ending(name, "rhai").then_some(name)
}

/// What a block does on a simulated call, and the dialogue.
fn run(block: &Block) -> (Outcome, Vec<String>) {
    let host = Host::new();
    let plan = block.text.lines().find_map(|line| line.strip_prefix("// the caller ")).unwrap_or_default();
    let plan: Plan = plan.parse().unwrap_or_else(|error| panic!("{}: {error}", block.place));
    let call = Call { callerid: Some("201".to_owned()), ..Call::default() };
    let simulator = Simulator::new(Channel::new(call, Box::new(plan)));
    let transcript = simulator.transcript();
    let session = Session::begin(Box::new(simulator)).unwrap();
    let outcome = match compile(&host, block) {
        Ok(script) => host.run(session, &script, vec!["first".to_owned(), "second".to_owned()]),
        Err(fault) => Outcome {
            status: Status::Failure,
            fault: Some(fault),
            commands: 0,
            missing_sounds: 0,
            length: std::time::Duration::ZERO,
            seed: 0,
        },
    };
    let transcript = transcript.lock().unwrap().clone();
    (outcome, transcript)
}

fn compile(host: &Host, block: &Block) -> Result<Script, Box<Fault>> {
    host.compile(file_name(block).unwrap_or("example.rhai"), &block.text)
}

#[test]
fn every_script_of_the_pages_runs() {
    let mut count = 0;
    for (page, text) in pages() {
        let blocks = blocks(&page, &text);
        for (at, block) in blocks.iter().enumerate() {
            let next = blocks.get(at + 1).filter(|next| next.kind == "text");
            match block.kind.as_str() {
                // One that imports its neighbours is run in its folder, below.
                "rhai" if !block.text.contains("import \"") => {
                    count += 1;
                    let (outcome, dialogue) = run(block);
                    if let Some(fault) = outcome.fault {
                        panic!("{}: {}", block.place, fault.render(false));
                    }
                    assert_eq!(outcome.missing_sounds, 0, "{}: a sound file Asterisk does not bring", block.place);
                    if let Some(next) = next.filter(|next| next.text.starts_with("C: ")) {
                        assert_eq!(next.text.trim_end(), dialogue.join("\n"), "{}: the dialogue", next.place);
                    }
                }
                "rhai,fault" => {
                    count += 1;
                    let (outcome, _) = run(block);
                    let fault = outcome.fault.unwrap_or_else(|| panic!("{}: no fault", block.place));
                    if let Some(next) = next {
                        assert_eq!(next.text.trim_end(), fault.render(false), "{}: the fault", next.place);
                    }
                }
                "rhai" | "rust" | "rust,no_run" | "sh" | "ini" | "text" | "toml" | "yaml" => {}
                other => {
                    panic!("{}: what is {other:?}? The blocks the tests know are told in tests/docs.rs", block.place)
                }
            }
        }
    }
    assert!(count > 10, "only {count} scripts found in the pages");
}

/// A folder with the scripts of the repository and those a page tells to save.
fn folder(page: &str, blocks: &[Block]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{}", page.replace('/', "-")));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("lib")).unwrap();
    symlink(Path::new(PROJECT).join("scripts"), folder.join("scripts")).unwrap();
    for block in blocks.iter().filter(|block| block.kind == "rhai") {
        if let Some(name) = file_name(block) {
            fs::write(folder.join(name), &block.text).unwrap();
        }
    }
    folder
}

#[test]
fn every_phone_call_of_the_pages_works() {
    let program = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for (page, text) in pages() {
        let blocks = blocks(&page, &text);
        let folder = folder(&page, &blocks);
        for block in blocks.iter().filter(|block| block.kind == "sh") {
            for line in block.text.lines().filter(|line| line.contains(" phone ")) {
                count += 1;
                let line = line.replace("cargo run --release -- ", "agi-rhai ");
                let output = Command::new("bash")
                    .args(["-c", &format!("set -o pipefail; {line}")])
                    .current_dir(&folder)
                    .env("PATH", &path)
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                let complaint = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}: `{line}`\n{said}{complaint}", block.place);
                assert!(said.contains("Call ended: "), "{}: `{line}` says\n{said}{complaint}", block.place);
            }
        }
        // Scripts that import others run among the files of their page.
        for block in blocks.iter().filter(|block| block.kind == "rhai" && block.text.contains("import \"")) {
            let name = file_name(block).unwrap_or_else(|| panic!("{}: it imports, but has no name", block.place));
            let host = Host::new();
            let script = host.load(&folder.join(name), None).unwrap_or_else(|error| panic!("{}: {error}", block.place));
            let session =
                Session::begin(Box::new(Simulator::new(Channel::new(Call::default(), Box::new(Plan::silent())))));
            let outcome = host.run(session.unwrap(), &script, vec![]);
            assert!(outcome.fault.is_none(), "{}: {:?}", block.place, outcome.fault);
        }
    }
    assert!(count > 0);
}

#[test]
fn every_dialplan_of_the_pages_is_one() {
    let help = help();
    let mut count = 0;
    for (page, text) in pages() {
        let saved: Vec<String> = blocks(&page, &text).iter().filter_map(|b| file_name(b).map(str::to_owned)).collect();
        for block in blocks(&page, &text).iter().filter(|block| block.kind == "ini") {
            for line in block.text.lines().map(|line| line.split(';').next().unwrap().trim()) {
                if line.is_empty() || (line.starts_with('[') && line.ends_with(']')) {
                    continue;
                }
                let wrong = || panic!("{}: no line of a dialplan: {line}", block.place);
                let step =
                    line.strip_prefix("exten => ").or_else(|| line.strip_prefix("same => ")).unwrap_or_else(wrong);
                let called = step.find('(').unwrap_or_else(|| wrong().len());
                assert!(step.ends_with(')'), "{}: no call of an application: {line}", block.place);
                let balance = step.chars().map(|c| i32::from(c == '(') - i32::from(c == ')')).sum::<i32>();
                assert_eq!(balance, 0, "{}: brackets: {line}", block.place);
                let Some((_, agi)) = step.split_once("AGI(") else { continue };
                count += 1;
                assert!(called < step.len());
                // Asterisk parts arguments at the commas outside quotes.
                let mut quoted = false;
                let comma = |c| {
                    quoted ^= c == '"';
                    c == ',' && !quoted
                };
                let words = agi.strip_suffix(')').unwrap().split(comma).map(|word| word.trim_matches('"'));
                let words: Vec<&str> = words.collect();
                let (program, rest) = if words[0] == "agi-rhai" { (true, &words[1..]) } else { (false, &words[..]) };
                let script = rest.iter().find(|word| !word.starts_with('-')).unwrap();
                for option in rest.iter().take_while(|word| word.starts_with('-')) {
                    assert!(program && help.contains(option.split('=').next().unwrap()), "{}: {option}", block.place);
                }
                let name = script.trim_end_matches(".rhai").to_owned() + ".rhai";
                let shipped = Path::new(PROJECT).join("scripts").join(&name).is_file();
                assert!(shipped || saved.contains(&name), "{}: there is no script {name}", block.place);
            }
        }
    }
    assert!(count > 2);
}

fn help() -> String {
    String::from_utf8(Command::new(PROGRAM).arg("--help").output().unwrap().stdout).unwrap()
}

/// The words of a text that begin like this.
fn words<'a>(text: &'a str, start: &'a str) -> Vec<&'a str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut words: Vec<&str> =
        text.split(|c| !part(c)).filter(|word| word.starts_with(start) && word.len() > start.len()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn operating_tells_every_option_and_no_other() {
    let page = fs::read_to_string(Path::new(PROJECT).join("docs/operating.md")).unwrap();
    let (help, page) = (help(), page.as_str());
    let ours = |words: Vec<&str>| -> Vec<String> {
        // `--fast` is the simulated phone's; `---` is a line of a table.
        words
            .iter()
            .filter(|w| !["--help", "--version", "--fast", "---"].contains(w))
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(ours(words(page, "--")), ours(words(&help, "--")), "the page, then --help");
    let in_help = words(&help, "AGI_RHAI_");
    for name in words(page, "AGI_RHAI_") {
        assert!(in_help.contains(&name), "docs/operating.md tells of {name}, --help does not");
    }
    for name in in_help {
        assert!(page.contains(name), "docs/operating.md does not tell of {name}");
    }
}

#[test]
fn the_reference_is_the_table() {
    let page = reference::page(BUILTINS);
    let path = Path::new(PROJECT).join(REFERENCE);
    if std::env::var_os("AGI_RHAI_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "{REFERENCE} is not what the tables say: AGI_RHAI_BLESS=1 cargo test writes it anew");
}

/// Links between the pages lead somewhere.
#[test]
fn every_link_of_the_pages_leads_to_a_file() {
    for (page, text) in pages() {
        let beside = Path::new(PROJECT).join(&page).parent().unwrap().to_owned();
        for (at, _) in text.match_indices("](") {
            let target = &text[at + 2..];
            let target = &target[..target.find(')').unwrap()];
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                assert!(beside.join(file).exists(), "{page}: no {target}");
            }
        }
    }
}

#[test]
fn the_example_answers_a_simulated_caller() {
    let (outcome, dialogue) = embed::simulated("presses 12 after 3s").unwrap();
    assert_eq!(outcome.status, Status::Success);
    assert!(dialogue.contains(&r#"C: SAY NUMBER 40 """#.to_owned()), "{dialogue:#?}");
    assert!(dialogue.contains(&r#"C: DATABASE PUT "PJSIP/100-00000001" "asked" "12""#.to_owned()), "{dialogue:#?}");
    let (_, dialogue) = embed::simulated("presses 99 after 3s").unwrap();
    assert!(dialogue.contains(&r#"C: STREAM FILE "invalid" """#.to_owned()), "{dialogue:#?}");
}

/// A hangup inside an embedder's function ends the script as it does in a command.
#[test]
fn the_example_ends_at_a_hangup() {
    for plan in ["presses 12 after 3s, hangs up when \"number 40\"", "hangs up after 1s"] {
        let (outcome, _) = embed::simulated(plan).unwrap();
        assert_eq!((outcome.status, outcome.fault.map(|f| f.to_string())), (Status::Hangup, None), "{plan}");
    }
}

#[test]
fn the_example_speaks_over_any_stream() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let asterisk = std::thread::spawn(move || {
        theirs.write_all(b"agi_channel: Test/1\nagi_version: 22.10.1\nagi_threadid: 1\n\n").unwrap();
        let mut lines = BufReader::new(theirs.try_clone().unwrap());
        let mut heard = Vec::new();
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap_or(0) > 0 {
            let reply = match line.split(' ').next().unwrap().trim_end() {
                "ANSWER" | "SAY" => "200 result=0\n",
                "GET" => "200 result=15\n",
                _ => "200 result=1\n",
            };
            theirs.write_all(reply.as_bytes()).unwrap();
            heard.push(std::mem::take(&mut line));
        }
        heard
    });
    let outcome = embed::over(ours.try_clone().unwrap(), ours).unwrap();
    assert_eq!(outcome.status, Status::Success);
    let heard = asterisk.join().unwrap();
    assert!(heard.contains(&"SAY NUMBER 0 \"\"\n".to_owned()), "{heard:?}");
}
