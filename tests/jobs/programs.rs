//! `run_program` on real programs.

use super::{Site, listen, processes_with};
use crate::support::process::Process;
use crate::support::server::wait_until;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A script that says what a program answered, or what is wrong.
fn asks(call: &str) -> String {
    format!(
        "answer();
        try {{
            let found = {call};
            verbose(to_json(`${{found.status}}|${{found.output}}|${{found.error}}`));
        }} catch (e) {{
            verbose(`${{e.kind}}: ${{e.message}}`);
        }}"
    )
}

#[test]
fn a_program_gets_its_arguments_as_they_are() {
    let site = Site::new(
        "[program.show]\ncommand = ['/bin/sh', '-c', 'printf \"<%s>\" \"$@\"; cat; printf oops >&2; exit 3', 'sh']\n",
    );
    site.script("t", &asks(r#"run_program("show", ["a b", "$(id)", "; ls", "*", 5], #{ input: "in" })"#));
    site.both_say("t", &[r#"\"3|<a b><$(id)><; ls><*><5>in|oops\""#]);
}

#[test]
fn a_program_inherits_neither_secrets_nor_descriptors_nor_signals() {
    let site = Site::new(
        "[program.env]\ncommand = ['/usr/bin/env']\n[program.fds]\ncommand = ['/bin/ls', '/proc/self/fd']\n
         [program.blocked]\ncommand = ['/bin/grep', 'SigBlk', '/proc/self/status']\n
         [program.raise]\ncommand = ['/bin/sh', '-c', 'kill -s \"$1\" $$', 'sh']\n",
    );
    site.script(
        "t",
        r#"answer();
        for name in ["env", "fds", "blocked"] { verbose(to_json(run_program(name, []).output)); }
        for signal in ["HUP", "PIPE", "TERM"] { verbose(run_program("raise", [signal]).status); }"#,
    );
    // What this very process has inherited, it hands on.
    let inherited = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().replace('\n', "\\\\n").replace('\t', "\\\\t")
    };
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let expected = [
        format!("LANG=C.UTF-8\\\\nPATH={path}\\\\n"),
        inherited("/bin/ls", &["/proc/self/fd"]),
        "SigBlk:\\\\t0000000000000000\\\\n".to_owned(),
    ];
    let quoted = expected.map(|text| format!("\\\"{text}\\\""));
    let expected: Vec<&str> = quoted.iter().map(String::as_str).chain(["129", "141", "143"]).collect();
    site.both_say("t", &expected);
}

#[test]
fn what_a_program_may_not_do_is_an_error_of_its_kind() {
    let site = Site::new(
        "[program.echo]\ncommand = ['/bin/echo']\n[program.dashed]\ncommand = ['/bin/echo', '--']\n
         [program.free]\ncommand = ['/bin/echo']\noptions = true\n[program.none]\ncommand = ['@FOLDER@/none']\n
         [program.endless]\ncommand = ['/usr/bin/yes']\nmax_output = \"10KiB\"\n
         [program.dies]\ncommand = ['/bin/sh', '-c', 'kill -TERM $$']\n",
    );
    let none = site.folder.file("none", "#!/no/such/interpreter\n");
    std::fs::set_permissions(none, std::fs::Permissions::from_mode(0o755)).unwrap();
    let kinds = r#"
        answer();
        fn kind(name, args) { try { return to_json(run_program(name, args).output); } catch (e) { return e.kind; } }
        verbose(kind("echo", ["-n"]));
        verbose(kind("echo", ["a\x00b"]));
        verbose(kind("dashed", ["-n"]));
        verbose(kind("free", ["-e", "x"]));
        verbose(kind("none", []));
        verbose(kind("endless", []));
        verbose(run_program("dies", []).status);
        verbose(run_program("none", [], #{ otherwise: #{ status: 7 } }).status);
    "#;
    site.script("t", kinds);
    let expected =
        ["argument", "argument", "\\\"-- -n\\\\n\\\"", "\\\"x\\\\n\\\"", "unavailable", "failed", "143", "7"];
    let over_agi = site.play("t");
    assert_eq!(over_agi.len(), expected.len(), "{over_agi:?} {}", site.log());
    for (found, expected) in over_agi.iter().zip(expected) {
        assert!(found.starts_with(expected), "{over_agi:?}");
    }
}

#[test]
fn a_program_is_killed_with_its_children_at_the_deadline_and_at_the_hangup() {
    let marker = format!("98765.{}", std::process::id());
    let site = Site::new(&format!(
        "[program.slow]\ncommand = ['/bin/sh', '-c', 'sleep {marker} & sleep {marker}; true']\ntimeout = \"300ms\"\n"
    ));
    site.script("t", &asks(r#"run_program("slow", [])"#));
    let server = site.serve();
    let played = server.call("t").play();
    assert!(played.said()[0].starts_with("unavailable: run_program"), "{:?}", played.said());
    wait_until("all are gone", || processes_with(&marker).is_empty());

    site.script("long", &asks(r#"run_program("slow", [], #{ timeout: 600 })"#));
    server.wait_for_log("long.rhai is live");
    let mut peer = server.call("long");
    peer.answer("ANSWER", "200 result=0");
    wait_until("it runs", || processes_with(&marker).len() >= 3);
    peer.send("HANGUP\n");
    let played = peer.play();
    assert_eq!(played.status(), "HANGUP");
    wait_until("all are gone", || processes_with(&marker).is_empty());

    // No zombie is left either.
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).unwrap_or_default();
    assert_eq!(children.trim(), "");

    // Over AGI, where the process ends with the call.
    let mut call = Process::call(&mut site.one_shot("long"));
    call.answer("ANSWER", "200 result=0");
    wait_until("it runs", || processes_with(&marker).len() >= 3);
    call.hang_up();
    let ended = listen(call);
    assert!(ended.took < Duration::from_secs(30), "{ended:?}");
    wait_until("all are gone", || processes_with(&marker).is_empty());
}
