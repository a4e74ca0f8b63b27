//! The operator's file `agi-rhai.toml`: what it may hold, where it is, and its edits while calls run.

use crate::support::process::{Ended, Folder, Process, agi_rhai};
use crate::support::server::{Server, wait_until};
use agi_rhai::Fault;
use agi_rhai::service::Settings;
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// A password that must not be shown anywhere.
const SECRET: &str = "hunter2";

/// Reads a file of this text.
fn read(text: &str) -> Result<Settings, String> {
    let folder = Folder::new();
    folder.file("empty.password", "");
    folder.file("lines.password", "a\nb\n");
    let file = folder.file("agi-rhai.toml", text);
    let read = Settings::read(Path::new(&file)).map_err(|error| {
        let rendered = Fault::from(&*error).render(false);
        for shown in [&rendered, &error.to_string(), &format!("{error:?}")] {
            assert!(!shown.contains(SECRET), "{shown}");
        }
        assert!(rendered.contains(&error.message), "{rendered}");
        error.to_string()
    });
    read.map_err(|error| error.replace(&folder.path("").display().to_string(), ""))
}

/// A file, and what is wrong with it.
const MISTAKES: &[(&str, &str)] = &[
    (
        "[http.web]\nurl = \"http://a/\"\ntimout = \"2s\"",
        "3:1: `timout` isn't a setting of `[http.web]`; did you mean `timeout`?",
    ),
    (
        "[http.web]\nurl = \"http://a/\"\nfrobnicate = 1",
        "3:1: `frobnicate` isn't a setting of `[http.web]`; it has url, headers, token_file, ca_file, timeout, max_body, \
         methods, at_once",
    ),
    ("[http.web]\ntimeout = \"2s\"", "1:7: `[http.web]` lacks `url`"),
    (
        "[http.web]\nurl = \"http://a/\"\ntimeout = 2",
        "3:11: expected a length of time with its unit, such as \"2s\", \"500ms\" or \"1m\", not a whole number",
    ),
    (
        "[http.web]\nurl = \"http://a/\"\ntimeout = \"2 sec\"",
        "3:11: this isn't a length of time with its unit, such as \"2s\", \"500ms\" or \"1m\"; did you mean \"2s\"?",
    ),
    (
        "[http.web]\nurl = \"http://a/\"\ntimeout = \"0s\"",
        "3:11: this isn't a length of time with its unit, such as \"2s\", \"500ms\" or \"1m\"",
    ),
    (
        "[http.web]\nurl = \"http://a/\"\nmax_body = \"256KB\"",
        "3:12: this isn't a number of bytes with its unit, such as \"64KiB\" or \"1MiB\"; did you mean \"256KiB\"?",
    ),
    ("[http.web]\nurl = \"http://a/\"\nat_once = 0", "3:11: expected a whole number from 1 to 10000"),
    ("[http.web]\nurl = \"http://a/\"\nat_once = \"many\"", "3:11: expected a whole number, not a text"),
    (
        "[http.web]\nurl = \"http://a/\"\nmethods = [\"GET\", \"post\"]",
        "3:19: scripts have no function for `post`; did you mean `POST`?",
    ),
    ("[http.web]\nurl = \"http://a/\"\nheaders = \"Bearer hunter2\"", "3:11: expected a table, not a text"),
    (
        "[http.web]\nurl = \"http://a/\"\nheaders = { a = \"hunter2\\nb: c\" }",
        "3:11: the value of a header is one line of text",
    ),
    ("[http.web]\nurl = \"htpp://user:hunter2@a/\"", "2:7: `htpp://` isn't possible here; did you mean `http://`?"),
    ("[http.web]\nurl = \"hunter2:x\"", "2:7: this isn't an address; an address begins with http:// or https://"),
    ("[http.web]\nurl = \"http:///path\"", "2:7: the address has no host: it begins with http://"),
    (
        "[http]\nurl = \"http://hunter2/\"",
        "2:1: services of this kind have names, as in `[http.NAME]`; a script asks a service by its name",
    ),
    ("[http.\"a b\"]\nurl = \"http://a/\"", "1:1: the name of a service is made of letters, digits, `_` and `-`"),
    ("[http.web]\nurl = \"http://a/?key=${AGI_RHAI_NOT_SET}\"", "2:7: the environment has no `AGI_RHAI_NOT_SET`"),
    (
        "[http.web]\nurl = \"http://${hunter2\"",
        "2:7: a variable of the environment is written as `${NAME}`; `$${` stands for `${` itself",
    ),
    (
        "[http.web]\nurl = \"http://a/\"\ntoken_file = \"nowhere\"",
        "3:14: cannot read nowhere: No such file or directory (os error 2)",
    ),
    (
        "[sql.crm]\nurl = \"postgres://u@db/x\"\npassword = \"hunter2\"",
        "3:1: `password` isn't a setting of `[sql.crm]`; did you mean `password_file`?",
    ),
    ("[sql.crm]\nurl = \"postgres://u@db/x\"\npassword_file = \"empty.password\"", "3:17: empty.password is empty"),
    (
        "[sql.crm]\nurl = \"postgres://u@db/x\"\npassword_file = \"lines.password\"",
        "3:17: lines.password holds more than one line of text",
    ),
    ("[sql.crm]\nurl = \"postgres://u:hunter2@db/x", "2:7: invalid basic string, expected `\"`"),
    ("[sql.crm]\nurl \"postgres://u:hunter2@db/x\"", "2:1: key with no value, expected `=`"),
    ("[sqll.crm]\nurl = \"sqlite:x\"", "1:2: `sqll` is neither a kind of service nor an option; did you mean `sql`?"),
    ("[store]\nurl = 5", "2:7: expected a text, not a whole number"),
    ("store = \"hunter2\"", "1:1: `store` is a table: `[store]`"),
    (
        "[mail.office]\nurl = \"smtp://a\"\nfrom = \"x\"\nto = []",
        "3:8: the sender is a mail address; such as \"ivr@example.net\"",
    ),
    (
        "[program.x]\ncommand = []",
        "2:11: the command is empty; it is the program and its first arguments: [\"/usr/games/fortune\", \"-s\"]",
    ),
    ("[program.x]\ncommand = [\"/nowhere/x\", \"--password=hunter2\"]", "2:11: there is no program /nowhere/x"),
    ("[program.x]\ncommand = \"ls\"", "2:11: expected a list of texts, not a text"),
    (
        "[manager.pbx1]\naddress = \"ami://pbx1\"\nuser = \"agi\"\nsecret = \"hunter2\"",
        "2:11: the address is a host and a port, without `://`; such as \"pbx1:5038\"",
    ),
    (
        "[manager.pbx1]\naddress = \"pbx1:x\"\nuser = \"agi\"\nsecret = \"hunter2\"",
        "2:11: `address` isn't a host and a port, such as pbx1:5038",
    ),
    (
        "[manager.pbx1]\naddress = \"pbx1\"\nuser = \"agi\"",
        "3:8: `[manager.pbx1]` lacks the secret of this user; `secret_file` names a file that holds it",
    ),
    (
        "[manager.pbx1]\naddress = \"pbx1\"\nuser = \"agi\"\nport = 5038",
        "4:1: `port` isn't a setting of `[manager.pbx1]`; it has address, user, secret, secret_file, tls, ca_file, \
         contexts, scripts",
    ),
    (
        "[manager.pbx1]\naddress = \"pbx1\"\nuser = \"agi\"\nsecret = \"hunter2\"\nca_file = \"/x\"",
        "5:11: certificates are for a manager with `tls = true`",
    ),
    ("[callout]\nspool = \"/nowhere\"\ntargets = []", "2:9: there is no folder /nowhere"),
    ("[callout]\nspool = \"/tmp\"", "1:2: `[callout]` lacks `targets`"),
    (
        "[callout]\ntargets = []",
        "1:2: `[callout]` has either a `spool` or a `manager`; `spool` is a folder of Asterisk, `manager` the name \
         of a `[manager.NAME]`",
    ),
    (
        "[callout]\ntargets = []\nspool = \"/tmp\"\nmanager = \"pbx\"",
        "4:11: `[callout]` has either a `spool` or a `manager`; `spool` is a folder of Asterisk, `manager` the name \
         of a `[manager.NAME]`",
    ),
    (
        "[callout]\ntargets = []\nmanager = \"pxb\"\n[manager.pbx]\naddress = \"a\"\nuser = \"u\"\nsecret = \"hunter2\"",
        "3:11: there is no `[manager.pxb]`; did you mean `pbx`?",
    ),
    (
        "[callout]\ntargets = []\nmanager = \"pbx\"\nagi = \"agi://a\"",
        "4:7: `agi` goes with `spool`; with a `manager`, the dialplan's `script_context` runs scripts",
    ),
    (
        "[callout]\ntargets = []\nspool = \"/tmp\"\nscript_context = \"a\"",
        "4:18: `script_context` goes with `manager`; with a `spool`, `agi` says what runs a script",
    ),
    (
        "[callout]\ntargets = []\nmanager = \"pbx\"\nscript_context = \"a\\nb\"",
        "4:18: `script_context` can't be `a\\nb`",
    ),
    // What only a client knows.
    ("[http.web]\nurl = \"http://a/#hunter2\"", "2:7: `url` holds a `#`, and what follows it would never be sent"),
    (
        "[http.web]\nurl = \"http://[hunter2]/\"",
        "2:7: `url` isn't an address such as `https://api.example.net/v2/`: invalid IPv6 address",
    ),
    (
        "[http.web]\nurl = \"http://a/\"\nheaders = { \"a b\" = \"hunter2\" }",
        "3:11: `headers`: `a b` can't be the name of a header",
    ),
    (
        "[http.web]\nurl = \"http://a/\"\nheaders = { host = \"hunter2\" }",
        "3:11: `headers`: the header `host` is set by agi-rhai itself",
    ),
    ("[http.web]\nurl = \"http://a/\"\nheaders = { a = \"hunter2\", A = \"b\" }", "3:11: `headers` gives `a` twice"),
    (
        "[http.web]\nurl = \"http://u:hunter2@a/\"\nheaders = { authorization = \"hunter2\" }",
        "3:11: only one of `authorization` in `headers`, `token_file` and a user in `url` can say who asks",
    ),
    (
        "[http.web]\nurl = \"https://a/\"\nca_file = \"lines.password\"",
        "3:11: lines.password can't be used: it holds no `BEGIN CERTIFICATE`",
    ),
    ("[sql.crm]\nurl = \"postgres://u:hunter2@db:99999/x\"", "2:7: its `url` can't be used: invalid port number"),
    (
        "[sql.crm]\nurl = \"mysql://u:hunter2@db/x?ssl=1\"",
        "2:7: its `url` has a parameter that isn't among charset, collation, socket, ssl-ca, ssl-cert, ssl-key, ssl-mode, \
         timezone",
    ),
    (
        "[sql.crm]\nurl = \"sqlite:nowhere.db\"",
        "2:7: there is no file nowhere.db; `?mode=rwc` at the end of the address creates it",
    ),
    ("[sql.crm]\nurl = \"sqlite:///nowhere/crm.db?mode=rwc\"", "2:7: there is no folder /nowhere"),
    ("[store]\nurl = \"sqlite:/nowhere/store.sqlite\"", "2:7: there is no folder /nowhere"),
    ("[store]\nurl = \"redis://u:hunter2@h:port/x\"", "2:7: `[store] url` is not `redis://HOST:PORT/NUMBER`"),
    (
        "[mail.office]\nurl = \"smtp://u:hunter2@a?tls=maybe\"\nfrom = \"ivr@a\"\nto = [\"*\"]",
        "2:7: its `url` in agi-rhai.toml must be such as `smtp://localhost`, `smtp://mail.example.net?tls=required` \
         (STARTTLS) or `smtps://name@mail.example.net`",
    ),
    (
        "[mail.office]\nurl = \"smtp://a\"\nfrom = \"ivr@@a\"\nto = [\"*\"]",
        "3:8: its `from` in agi-rhai.toml, `ivr@@a`, isn't an address",
    ),
    (
        "[mail.office]\nurl = \"smtp://a\"\nfrom = \"ivr@a\"\nto = [\"office\"]",
        "4:7: no mail address matches this; it is an address with `*` for any text, such as \"*@example.net\"",
    ),
    ("[program.x]\ncommand = [\"./lines.password\"]", "2:11: there is no program ./lines.password"),
];

#[test]
fn a_mistake_has_its_place_and_a_hint_and_no_secret() {
    for (text, expected) in MISTAKES {
        let error = read(text).expect_err(text);
        assert_eq!(error, format!("agi-rhai.toml:{expected}"), "{text}");
    }
}

#[test]
fn variables_and_files_are_part_of_the_settings_and_never_shown() {
    let folder = Folder::new();
    folder.file("crm.password", format!("{SECRET}\n"));
    folder.file("token", format!("{SECRET}\r\n"));
    // Every test has a PATH.
    let path = std::env::var("PATH").unwrap();
    let file = folder.file(
        "agi-rhai.toml",
        "[http.web]\nurl = \"http://a/\"\nheaders = { a = \"<${PATH}>\", b = \"$${PATH}\" }\ntoken_file = \"token\"\n\
         timeout = \"1.5s\"\nmax_body = \"2MiB\"\n\
         [sql.crm]\nurl = \"postgres://hunter2@db/x\"\npassword_file = \"crm.password\"\n",
    );
    let settings = Settings::read(Path::new(&file)).unwrap();
    let web = &settings.http["web"];
    assert_eq!((&*web.headers["a"].0, &*web.headers["b"].0), (&*format!("<{path}>"), "${PATH}"));
    assert_eq!(web.token.as_ref().unwrap().0, SECRET);
    assert_eq!((web.timeout.unwrap().0, web.max_body.unwrap().0), (Duration::from_millis(1500), 2 * 1024 * 1024));
    assert_eq!(settings.sql["crm"].password.as_ref().unwrap().0, SECRET);
    let shown = format!("{settings:?}");
    assert!(!shown.contains(SECRET) && !shown.contains(&path), "{shown}");
}

/// Plays a call of a process of its own.
fn call(folder: &Folder, prepare: impl FnOnce(&mut std::process::Command), args: &[&str]) -> Ended {
    let mut command = agi_rhai(args);
    command.current_dir(folder.path("")).env("AST_AGI_DIR", folder.path("scripts"));
    prepare(&mut command);
    Process::call(&mut command).end()
}

/// Prints why the program of this name can't be run, or what it writes.
const RUNS: &str = r#"
    try { print("it says " + run_program(args[0], []).output); } catch (error) { print(`${error.kind}: ${error.message}`); }
"#;

fn says(word: &str) -> String {
    format!("[program.x]\ncommand = [\"echo\", \"{word}\"]\n")
}

#[test]
fn the_file_is_named_or_in_the_folder_of_the_scripts_or_beside_the_script() {
    let folder = Folder::new();
    folder.file("scripts/run.rhai", RUNS);
    folder.file("other/run.rhai", RUNS);
    folder.file("scripts/agi-rhai.toml", says("beside"));
    let named = folder.file("named.toml", says("named"));
    let run = |args: &[&str]| call(&folder, |_| {}, args);
    run(&["run.rhai", "x"]).code(0).says("it says beside");
    let other = folder.path("other/run.rhai");
    run(&[other.to_str().unwrap(), "x"]).code(0).says("agi-rhai.toml has no `[program.x]`");
    run(&["--scripts", "scripts", other.to_str().unwrap(), "x"]).code(0).says("it says beside");
    run(&["--config", &named, "run.rhai", "x"]).code(0).says("it says named");
    let by_variable = |command: &mut std::process::Command| {
        command.env("AGI_RHAI_CONFIG", &named);
    };
    call(&folder, by_variable, &["run.rhai", "x"]).code(0).says("it says named");
    // The phone finds the same one.
    let mut phone = agi_rhai(["phone", "--plain", "--log-level=info", "scripts/run.rhai", "x"]);
    let output = phone.current_dir(folder.path("")).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("it says beside"), "{said}");
}

#[test]
fn a_broken_file_fails_no_call_but_what_asks_a_service() {
    let folder = Folder::new();
    folder.file("scripts/run.rhai", RUNS);
    folder.file("scripts/hello.rhai", "print(\"hello\");");
    folder.file("scripts/agi-rhai.toml", "[program.x]\ncomand = [\"ls\"]\n");
    let problem = "agi-rhai.toml:2:1: `comand` isn't a setting of `[program.x]`; did you mean `command`?";
    let ended = call(&folder, |_| {}, &["run.rhai", "x"]);
    ended
        .code(0)
        .says("ERROR no service can be asked: ")
        .says(problem)
        .says("argument: run_program: no service can be");
    call(&folder, |_| {}, &["hello.rhai"]).code(0).says("hello").says(problem);
    let missing = call(&folder, |_| {}, &["--config=nowhere.toml", "hello.rhai"]);
    missing.code(0).says("nowhere.toml: cannot read it: No such file").says("hello");
    // A server doesn't start, and says why.
    let scripts = folder.path("scripts");
    for options in [&["serve", "--check"][..], &["serve", "--listen=127.0.0.1:0"], &["check"], &["test"]] {
        let output = agi_rhai(options).current_dir(&scripts).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {said}");
        assert!(said.contains("`comand` isn't a setting"), "{options:?}: {said}");
    }
}

#[test]
fn the_file_holds_options_which_the_environment_and_the_command_line_override() {
    let folder = Folder::new();
    folder.file("scripts/hello.rhai", "print(\"hello\");");
    let at_most = |variable: Option<&str>, options: &[&str]| {
        let server = Server::launch(&folder, options, |command| {
            command.envs(variable.map(|value| ("AGI_RHAI_MAX_CALLS", value)));
        });
        server.wait_ready();
        let log = server.log();
        log.split("at most ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    };
    assert_eq!(at_most(None, &[]), "10000");
    folder.file(
        "scripts/agi-rhai.toml",
        "max_calls = 7\nlog_level = \"info\"\nallow = [\"127.0.0.1\", \"10.0.0.0/8\"]\n",
    );
    assert_eq!(at_most(None, &[]), "7");
    assert_eq!(at_most(Some("8"), &[]), "8");
    assert_eq!(at_most(Some("8"), &["--max-calls=9"]), "9");
    // A process per call, and relative paths, which begin at the file.
    folder.file("scripts/agi-rhai.toml", "log = \"./call.log\"\nmax_calls = 7\n");
    call(&folder, |_| {}, &["hello.rhai"]).code(0);
    assert!(fs::read_to_string(folder.path("scripts/call.log")).unwrap().contains("hello"));
    // The file may say where the scripts are.
    let file = folder.file("elsewhere/ivr.toml", "scripts = \"../scripts\"\nlog_level = \"off\"\n");
    let elsewhere = |command: &mut std::process::Command| {
        command.env("AST_AGI_DIR", "/nowhere");
    };
    let ended = call(&folder, elsewhere, &["--config", &file, "hello"]);
    ended.code(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_wrong_value_of_an_option_has_its_place() {
    for (text, expected) in [
        ("max_calls = 0", "1:13: `max_calls`: it is a whole number from 1 to 100000000"),
        ("max_calls = true", "1:13: expected a text or a number"),
        ("max_calls = [1, 2]", "1:13: expected one value"),
        ("redact = \"yes\"", "1:10: expected true or false"),
        ("drain = \"soon\"", "1:9: `drain`: a length of time is written as 30s, 2m or 1h, and is 0 s to a year"),
        ("allow = [\"10.0.0.0/8\", \"x\"]", "1:9: `allow`: a network is written as 192.0.2.0/24"),
        ("max-calls = 5", "1:1: `max-calls` is neither a kind of service nor an option; did you mean `max_calls`?"),
        ("check = true", "1:1: `check` is neither a kind of service nor an option"),
        ("config = \"x\"", "1:1: `config` is neither a kind of service nor an option"),
        ("listen = { a = 1 }", "1:10: expected a value of the option `listen`"),
    ] {
        let folder = Folder::new();
        folder.file("agi-rhai.toml", text);
        folder.file("hello.rhai", "print(\"hello\");");
        let ended = call(&folder, |_| {}, &[folder.path("hello.rhai").to_str().unwrap()]);
        ended.code(0).says("hello").says(&format!("agi-rhai.toml:{expected}"));
    }
}

/// Every option of `serve` may be in the file, but for those that are about one start.
#[test]
fn every_option_of_the_server_may_be_in_the_file() {
    let help = agi_rhai(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let long: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("      --"))
        .map(|option| option.split([' ', '[']).next().unwrap())
        .collect();
    assert!(long.len() > 20, "{long:?}");
    let folder = Folder::new();
    folder.file("hello.rhai", "print(\"hello\");");
    // A manager has a table.
    let others = ["check", "config", "help", "manager", "manager-secret-file", "version"];
    for option in long.iter().filter(|option| !others.contains(*option)) {
        let name = option.replace('-', "_");
        folder.file("agi-rhai.toml", format!("{name} = {{}}"));
        let ended = call(&folder, |_| {}, &[folder.path("hello.rhai").to_str().unwrap()]);
        ended.code(0).says(&format!("expected a value of the option `{name}`"));
    }
}

#[test]
fn edits_are_taken_over_while_calls_run() {
    let folder = Folder::new();
    folder.file("scripts/run.rhai", RUNS.replace("args[0]", "\"x\""));
    let server = Server::start(&folder, &[]);
    let said = |line: &str, before: usize| {
        wait_until(line, || server.logged(line) > before);
    };
    let run = || drop(server.call("run").play());
    run();
    server.wait_for_log("agi-rhai.toml has no `[program.x]`");
    // It needn't be there at the start.
    folder.file("scripts/agi-rhai.toml", says("one"));
    server.wait_for_log("agi-rhai.toml: program.x added");
    run();
    server.wait_for_log("it says one");
    // A mistake changes nothing, and is reported once.
    folder.file("scripts/agi-rhai.toml", format!("{}outptu = 1\n", says("two")));
    server.wait_for_log("the services stay as they were: ");
    server.wait_for_log("agi-rhai.toml:3:1: `outptu` isn't a setting of `[program.x]`; it has ");
    run();
    said("it says one", 1);
    assert_eq!(server.metric("agi_rhai_config_broken"), 1.0);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(server.logged("the services stay as they were"), 1);
    folder.file("scripts/agi-rhai.toml", says("one"));
    server.wait_for_log("agi-rhai.toml is fixed");
    assert_eq!(server.metric("agi_rhai_config_broken"), 0.0);
    folder.file("scripts/agi-rhai.toml", says("three"));
    server.wait_for_log("agi-rhai.toml: program.x changed");
    run();
    server.wait_for_log("it says three");
    // Options are for the next start.
    folder.file("scripts/agi-rhai.toml", format!("max_calls = 3\n{}", says("three")));
    server.wait_for_log("agi-rhai.toml: changed for the next start only: max_calls");
    // A file that is gone is a mistake, too.
    fs::remove_file(folder.path("scripts/agi-rhai.toml")).unwrap();
    server.wait_for_log("agi-rhai.toml: it is gone");
    run();
    said("it says three", 1);
    assert_eq!(server.metric("agi_rhai_service_requests_total{service=\"program.x\"}"), 4.0);
}

#[test]
fn a_changed_password_is_taken_over() {
    let folder = Folder::new();
    folder.file("scripts/hello.rhai", "print(\"hello\");");
    let text = "[sql.crm]\nurl = \"postgres://u@127.0.0.1:1/x\"\npassword_file = \"crm.password\"\n";
    folder.file("scripts/crm.password", "one");
    folder.file("scripts/agi-rhai.toml", text);
    let server = Server::start(&folder, &[]);
    folder.file("scripts/crm.password", SECRET);
    server.wait_for_log("agi-rhai.toml: sql.crm changed");
    fs::remove_file(folder.path("scripts/crm.password")).unwrap();
    server.wait_for_log("agi-rhai.toml:3:17: cannot read ");
    folder.file("scripts/crm.password", SECRET);
    server.wait_for_log("agi-rhai.toml is fixed");
    assert!(!server.log().contains(SECRET), "{}", server.log());
}

/// Serves `ok` to every request, on any number of connections. Returns its address.
#[test]
fn an_edited_certificate_is_taken_over() {
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    let folder = Folder::new();
    folder.file("scripts/hello.rhai", "print(\"hello\");");
    folder.file("scripts/ca.pem", authority("one"));
    folder.file("scripts/agi-rhai.toml", "[http.web]\nurl = \"https://127.0.0.1:1/\"\nca_file = \"ca.pem\"\n");
    let server = Server::start(&folder, &[]);
    folder.file("scripts/ca.pem", authority("other"));
    server.wait_for_log("http.web changed");
    folder.file("scripts/ca.pem", "no certificate");
    server.wait_for_log("ca.pem can't be used: it holds no `BEGIN CERTIFICATE`");
}

fn web() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty() && stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_thousand_edits_under_load_fail_no_call() {
    const EDITS: usize = 1_000;
    let address = web();
    let folder = Folder::new();
    folder.file("scripts/ask.rhai", r#"for i in 0..3 { if http_get("web", "x").body != "ok" { throw "no answer"; } }"#);
    let file = |edit: usize| format!("[http.web]\nurl = \"http://{address}/\"\ntimeout = \"{}s\"\n", 30 + edit);
    let replace = |text: String| {
        folder.file("scripts/new", text);
        fs::rename(folder.path("scripts/new"), folder.path("scripts/agi-rhai.toml")).unwrap();
    };
    replace(file(0));
    let server = Server::start(&folder, &["--log-level=info"]);
    let (done, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    assert_eq!(server.status("ask"), "SUCCESS", "{}", server.log());
                    calls.fetch_add(1, Relaxed);
                }
            });
        }
        let (mut good, mut broken) = (0, 0);
        for edit in 1..=EDITS {
            let (line, count) = if edit % 10 == 0 {
                let text = file(edit);
                // Cut off at different places behind the address, or misspelt.
                let text =
                    if edit % 20 == 0 { text.replace("timeout", "timeuot") } else { text[..text.len() - 3].to_owned() };
                replace(text);
                broken += 1;
                ("the services stay as they were: ", broken)
            } else {
                replace(file(edit));
                good += 1;
                ("agi-rhai.toml: http.web changed", good)
            };
            // Most are taken over at once; some are noticed.
            if edit > 20 {
                server.signal(Signal::HUP);
            }
            wait_until(line, || server.logged(line) >= count);
        }
        done.store(true, Relaxed);
        assert_eq!((server.logged("the services stay as they were: "), good + broken), (EDITS / 10, EDITS));
    });
    let calls = calls.into_inner();
    assert!(calls > 20, "{calls}");
    // Clients of before are gone with their connections.
    wait_until("connections are closed", || server.fds() < 100);
    assert_eq!(server.metric("agi_rhai_service_requests_total{service=\"http.web\"}"), 3.0 * calls as f64);
    assert_eq!(server.metric("agi_rhai_service_failures_total{service=\"http.web\",kind=\"unavailable\"}"), 0.0);
}

#[test]
fn the_state_folder_is_named_or_systemds_or_the_users() {
    let folder = Folder::new();
    folder.file("scripts/count.rhai", "print(`count ${store_add(\"calls\", 1)}`);");
    folder.file("scripts/idle.rhai", "print(\"idle\");");
    let run = |script: &str, variables: &[(&str, &str)], args: &[&str]| {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, value.replace('~', folder.path("").to_str().unwrap().trim_end_matches('/'))))
            .collect();
        let prepare = |command: &mut std::process::Command| {
            command.env_remove("STATE_DIRECTORY").env_remove("XDG_STATE_HOME").env_remove("HOME");
            command.envs(variables);
        };
        call(&folder, prepare, &[args, &[script]].concat())
    };
    let all = [("STATE_DIRECTORY", "~/systemd:~/second"), ("XDG_STATE_HOME", "~/xdg"), ("HOME", "~/home")];
    for (variables, args, expected) in [
        (&all[..], &["--state=named"][..], "named"),
        (&all, &[], "systemd"),
        (&all[1..], &[], "xdg/agi-rhai"),
        (&all[2..], &[], "home/.local/state/agi-rhai"),
    ] {
        assert!(!folder.path(expected).exists());
        run("idle.rhai", variables, args).code(0).says("idle");
        assert!(!folder.path(expected).exists(), "it isn't made before it is used");
        run("count.rhai", variables, args).code(0).says("count 1");
        let mode = fs::metadata(folder.path(expected)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "{expected}");
        run("count.rhai", variables, args).code(0).says("count 2");
    }
    run("count.rhai", &[("AGI_RHAI_STATE", "~/variable")], &[]).code(0).says("count 1");
    assert!(folder.path("variable").exists());
    // In the file, relative to it.
    folder.file("scripts/agi-rhai.toml", "state = \"of-file\"");
    run("count.rhai", &all, &[]).code(0).says("count 1");
    assert!(folder.path("scripts/of-file").exists());
}

/// What isn't known on this machine doesn't keep the checker from refusing what is known.
#[test]
fn the_checker_refuses_what_no_client_can_use() {
    let folder = Folder::new();
    folder.file("ask.rhai", "print(\"hello\");");
    let elsewhere = "[sql.crm]\nurl = \"sqlite:/nowhere/crm.db\"\n[http.far]\nurl = \"${AGI_RHAI_NOT_SET}\"\n\
                     [http.news]\nurl = \"https://a/\"\ntoken_file = \"/nowhere\"\nca_file = \"/nowhere\"\n";
    for (more, expected) in [
        ("", None),
        ("[http.web]\nurl = \"http://a/#b\"\n", Some("agi-rhai.toml:10:7: `url` holds a `#`")),
        ("[http.web]\nurl = \"http://a/\"\nheaders = { host = \"b\" }\n", Some("agi-rhai.toml:11:11: `headers`:")),
        ("[sql.web]\nurl = \"postgres://db:99999/x\"\n", Some("agi-rhai.toml:10:7: its `url` can't be used")),
    ] {
        folder.file("agi-rhai.toml", format!("{elsewhere}{more}"));
        let output = agi_rhai(["check", "ask.rhai"]).current_dir(folder.path("")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        match expected {
            None => assert_eq!(output.status.code(), Some(0), "{said}"),
            Some(words) => {
                let (place, words) = words.split_at(words.find(": ").unwrap());
                assert!(
                    output.status.code() == Some(2) && said.contains(place) && said.contains(&words[2..]),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn the_checker_knows_the_names_of_services() {
    let folder = Folder::new();
    let names = "let a = http_get(\"wether\", \"x\");\nlet b = http_post(\"weather\", \"x\", ());\n\
                  let c = http_get(\"weather\", \"x\");\nlet d = sql_run(\"crm\", \"delete from a\");\n\
                  let e = sql_row(\"crm\", \"select 1\");\nconst NAME = \"mial\";\nmail(NAME, #{ to: \"a@b\", subject: \"\", text: \"\" });\n\
                  print(`${a}${b}${c}${d}${e}`);\n";
    folder.file("ask.rhai", names);
    let check = |args: &[&str]| {
        let output = agi_rhai(["check"].iter().chain(args)).current_dir(folder.path("")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said.into_owned())
    };
    // A script may be checked on another machine.
    let (code, said) = check(&["ask.rhai"]);
    assert!(code == Some(0) && !said.contains("unknown-service"), "{said}");
    // Variables that aren't set and files that aren't there don't matter.
    folder.file(
        "agi-rhai.toml",
        "[http.weather]\nurl = \"${AGI_RHAI_NOT_SET}\"\nmethods = [\"GET\"]\ntimeout = \"${AGI_RHAI_NOT_SET}\"\n\
         [sql.crm]\nurl = \"postgres://db/x\"\nread_only = true\npassword_file = \"/nowhere\"\n",
    );
    for args in [&["ask.rhai"][..], &["."], &[]] {
        let (code, said) = check(args);
        assert_eq!((code, said.matches("error[unknown-service]").count()), (Some(1), 4), "{said}");
        for line in [
            "http_get: agi-rhai.toml has no `[http.wether]`",
            "did you mean \"weather\"?",
            "http_post: `methods` of `[http.weather]` doesn't allow POST",
            "sql_run: `[sql.crm]` is `read_only`",
            "mail: agi-rhai.toml has no `[mail.mial]`",
        ] {
            assert!(said.contains(line), "no {line} in {said}");
        }
    }
    // Whom scripts may call and write to, and paths, as far as they stand in the script.
    let script = "call_out(\"SIP/1\", #{ script: \"x\" });\ncall_out(\"PJSIP/1\", #{ script: \"x\" });\n\
                  call_out(\"Local/1@in\", #{ script: \"x\" });\ncall_out(`SIP/${caller(\"1\")}`, #{ script: \"x\" });\n\
                  mail(\"office\", #{ to: [\"Ann <a@example.net>\", \"A@EXAMPLE.NET\", \"Eve <a@example.net.evil>\"], subject: \"\", text: \"\" });\n\
                  mail(\"office\", #{ to: \"b@example.com\", subject: \"\", text: \"\" });\n\
                  http_get(\"web\", \"/a/../../b\");\nhttp_get(\"web\", `/a/${caller(\"1\")}?b=..`);\nhttp_get(\"web\", \"a/b?c=..\");\n";
    folder.file("ask.rhai", script);
    folder.file(
        "agi-rhai.toml",
        "[http.web]\nurl = \"http://a/\"\n[callout]\nspool = \"/x\"\ntargets = [\"PJSIP/*\"]\n\
         [mail.office]\nurl = \"smtp://x\"\nfrom = \"a@b.c\"\nto = [\"*@example.net\"]\n",
    );
    let (code, said) = check(&["ask.rhai"]);
    assert_eq!((code, said.matches("error[unknown-service]").count()), (Some(1), 5), "{said}");
    for line in [
        "call_out: `SIP/1` may not be called: `targets` in agi-rhai.toml doesn't allow it",
        "`targets` of `[callout]` allows PJSIP/*",
        "call_out: `Local/1@in` may not be called",
        "mail: `a@example.net.evil` may not be written to",
        "mail: `b@example.com` may not be written to",
        "`to` of `[mail.office]` allows *@example.net",
        "http_get: `/a/../../b` is no path below the `url` of the service",
    ] {
        assert!(said.contains(line), "no {line} in {said}");
    }
    // What only a call file can do.
    folder.file(
        "later.rhai",
        "let at = ();\ncall_out(\"PJSIP/1\", #{ script: \"x\", at: time_at(2030, 1, 1), retries: 2 });\n\
         call_out(\"PJSIP/1\", #{ script: \"x\", at: at, retries: 0 });\n",
    );
    assert_eq!(check(&["later.rhai"]).0, Some(0));
    let manager = "[callout]\nmanager = \"pbx\"\ntargets = [\"PJSIP/*\"]\n[manager.pbx]\naddress = \"a\"\nuser = \"u\"\n\
                   secret_file = \"elsewhere\"\n";
    folder.file("agi-rhai.toml", manager);
    let (code, said) = check(&["later.rhai"]);
    assert_eq!((code, said.matches("error[unknown-service]").count()), (Some(1), 2), "{said}");
    for line in ["call_out: `at` needs a `spool` in `[callout]`", "call_out: `retries` needs a `spool` in `[callout]`"]
    {
        assert!(said.contains(line), "no {line} in {said}");
    }
    // A hangup ends AsyncAGI.
    folder.file("agi-rhai.toml", "[callout]\nspool = \"/x\"\ntargets = []\n");
    folder.file("late.rhai", "answer();\nfn on_hangup() { database_put(\"a\", \"b\", 1); }\n");
    let (_, said) = check(&["late.rhai"]);
    assert!(!said.contains("async-agi"), "{said}");
    folder.file("agi-rhai.toml", "[manager.pbx1]\naddress = \"pbx1\"\nuser = \"agi\"\nsecret = \"x\"\n");
    let (_, said) = check(&["late.rhai"]);
    assert!(said.contains("warning[async-agi]: `database_put` does not work after the hangup"), "{said}");
    // Not if the manager takes no calls.
    let out = "[manager.out]\naddress = \"pbx1\"\nuser = \"agi\"\nsecret = \"x\"\ncontexts = []\n";
    folder.file("agi-rhai.toml", out);
    let (_, said) = check(&["late.rhai"]);
    assert!(!said.contains("async-agi"), "{said}");
    // Who has no `[callout]` allows nobody.
    folder.file(
        "agi-rhai.toml",
        "[http.web]\nurl = \"http://a/\"\n[mail.office]\nurl = \"smtp://x\"\nfrom = \"a@b.c\"\nto = [\"*\"]\n",
    );
    let (_, said) = check(&["ask.rhai"]);
    assert_eq!(said.matches("agi-rhai.toml has no `[callout]`").count(), 4, "{said}");
    assert_eq!(said.matches("may not be written to").count(), 0, "{said}");
    // A server warns, and runs it: the service may come later.
    folder.file("scripts/ask.rhai", names);
    folder.file("scripts/agi-rhai.toml", "[sql.crm]\nurl = \"postgres://127.0.0.1:1/x\"\n");
    let server = Server::start(&folder, &[]);
    server.wait_for_log("http_get: agi-rhai.toml has no `[http.wether]`");
    assert_eq!(server.metric("agi_rhai_broken_scripts"), 0.0);
    assert_eq!(server.logged("WARN"), 4, "{}", server.log());
}
