//! Faults, endless loops, memory and panics of one script affect only its own call.

use super::{NEIGHBOUR, Neighbour, in_background, scripts};
use crate::support::process::Folder;
use crate::support::server::{Peer, Server, environment, wait_until};
use agi_rhai::Host;
use agi_rhai::host::fastagi::{self, Admission, listen_on};
use rhai::{FuncRegistration, Module};
use std::time::{Duration, Instant};

/// Returns a number of calls with at least two on each thread.
fn two_calls_per_thread() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns scripts 64 functions deep, in the ways that use the most stack.
fn deepest_scripts() -> Vec<(&'static str, String)> {
    let recursive = |body: &str| {
        format!("fn f(n) {{ if n == 0 {{ 0 }} else {{ {body} }} }}\nfor i in 0..3 {{ f(62); }}\nverbose(\"deep\");")
    };
    let nested = |open: &str, close: &str| {
        let (open, close) = (open.repeat(5), close.repeat(5));
        recursive(&format!("{open} f(n - 1) {close}"))
    };
    vec![
        ("plain.rhai", recursive("f(n - 1)")),
        (
            "method.rhai",
            recursive("n.g()").replace("f(62)", "62.g()") + "\nfn g() { if this == 0 { 0 } else { (this - 1).g() } }",
        ),
        ("pointer.rhai", recursive("Fn(\"f\").call(n - 1)")),
        ("operators.rhai", nested("1 + (2 * ", ")")),
        ("blocks.rhai", nested("if true { switch 1 { 1 => { try {", "} catch { } } } }")),
        ("loops.rhai", recursive("for i in 0..1 { while true { do { f(n - 1); } while false; break; } } 0")),
        ("text.rhai", recursive("`${`${`${f(n - 1)}`}`}`; 0")),
        ("arrays.rhai", recursive(&format!("{}f(n - 1){}; 0", "[#{ a: ".repeat(5), "}]".repeat(5)))),
        (
            "closures.rhai",
            "fn f(n) { if n == 0 { 0 } else { [n].map(|x| f(x - 1)) } }\nf(30);\nverbose(\"deep\");".to_owned(),
        ),
        (
            "data.rhai",
            "let a = []; for i in 0..2000 { a = [a]; } let m = #{}; for i in 0..1000 { m = #{ m: m }; }\n\
                       print(a); print(m); let t = `${a}`; let b = a == a; verbose(\"deep\");"
                .to_owned(),
        ),
        ("mixed.rhai", "let a = []; for i in 0..1000 { a = [#{ a: a }]; } print(a); verbose(\"deep\");".to_owned()),
        ("endless.rhai", "fn f(n) { f(n + 1) + 1 }\nf(1);".to_owned()),
        ("sort.rhai", "fn f(n) { let a = [1, 2]; a.sort(|x, y| { f(n + 1); 0 }); }\nf(1);".to_owned()),
    ]
}

#[test]
fn the_deepest_permitted_scripts_fit_on_the_stack() {
    let deepest = deepest_scripts();
    let folder = scripts(deepest.iter().map(|(name, text)| (*name, text.as_str())).chain([NEIGHBOUR]));
    let mut server = Server::start(&folder, &["--max-computing", "60", "--max-memory", "64"]);
    let neighbour = Neighbour::of(&server);
    for (name, _) in &deepest {
        let played = server.call(name).play();
        assert!(server.is_alive(), "{name} has ended the server: {}", server.log());
        let expected = played.status() == "SUCCESS" && (played.said() == ["deep"] || *name == "sort.rhai")
            || played.status() == "FAILURE"
                && played.variable("AGI_RHAI_ERROR").is_some_and(|error| error.contains(name));
        assert!(expected, "{name}: {played:?}");
        let error: String = played.variable("AGI_RHAI_ERROR").unwrap_or_default().chars().rev().take(80).collect();
        eprintln!("{name}: {} {}", played.status(), error.chars().rev().collect::<String>());
    }
    neighbour.check("the deepest scripts", Duration::from_secs(2));
    server.check_well();
}

#[test]
fn a_fault_ends_only_its_own_call() {
    let bad = [
        ("fault.rhai", "noop();\n1 + no_such();", "fault.rhai:2:5"),
        ("throw.rhai", "throw #{ a: 1 };", "throw.rhai:1:1"),
        ("loop.rhai", "loop { let x = 1; }", "computes for more than 0.3 s"),
        ("tries.rhai", "loop { try { loop { let x = 1; } } catch { } }", "computes for more than 0.3 s"),
        (
            "memory.rhai",
            "fn more(n) { let t = \"x\"; while t.len() < 100000 { t += t; } more(n + 1); }\nmore(0);",
            "more than 4 MiB of memory",
        ),
        (
            "state.rhai",
            "let t = \"x\"; while t.len() < 1000 { t += t; } loop { state[`${state.len()}`] = t + 1; }",
            "too large",
        ),
        ("text.rhai", "let s = \"x\"; loop { s += s; }", "too large"),
        ("array.rhai", "let a = []; loop { a.push(1); }", "too large"),
        ("deep.rhai", "fn f(x) { f(x + 1) } f(1);", "too deep"),
        (
            "print.rhai",
            "let s = \"x\"; while s.len() < 1000 { s += s; } loop { print(s); }",
            "prints more than 1024 KiB",
        ),
    ];
    let folder = scripts(bad.map(|(name, text, _)| (name, text)).into_iter().chain([NEIGHBOUR]));
    let options = ["--unchecked", "--max-computing", "0.3", "--max-memory", "4"];
    let mut server = Server::start(&folder, &options);
    for _ in 0..2 {
        server.call("memory").play();
    }
    let rss = server.rss();
    let neighbour = Neighbour::of(&server);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for (name, _, _) in &bad {
            for _ in 0..2 {
                let server = &server;
                scope.spawn(move || {
                    let played = server.call(name).play();
                    assert_eq!(played.status(), "FAILURE", "{played:?}");
                    assert!(played.variable("AGI_RHAI_ERROR").unwrap().contains(name), "{played:?}");
                    assert_eq!(played.lines.last().unwrap(), "failure");
                });
            }
        }
    });
    for (name, _, expected) in &bad {
        let played = server.call(name).play();
        assert!(played.variable("AGI_RHAI_ERROR").unwrap().contains(expected), "{name}: {played:?}");
        let (counted, count) =
            (format!("agi_rhai_faults_total{{script=\"{name}\"}}"), if *name == "memory.rhai" { 5.0 } else { 3.0 });
        wait_until("all are counted", || server.metric(&counted) == count);
    }
    eprintln!("{} faults took {:?}", bad.len() * 3, began.elapsed());
    neighbour.check("scripts with faults", Duration::from_millis(300));
    let grown = server.rss().saturating_sub(rss);
    eprintln!("memory grew by {grown} KiB");
    assert!(grown < 60 * 1024, "{grown} KiB");
    server.wait_idle();
    server.check_well();
}

#[test]
fn the_memory_limit_applies_to_each_call_separately() {
    // A number of texts of half a MiB each, in twice the room; each in a variable of its own.
    let texts = |from: usize, to: usize| -> String {
        (from..to).map(|number| format!("let t{number} = t + \"{number}\";\n")).collect()
    };
    let half = "let t = \"x\"; while t.len() < 500000 { t += t; }\n";
    // 6 MiB, a wait, 4 more, a wait, and 8 more: too much together, though no part is too much by itself.
    let script = format!(
        "{half}{}noop();\n{}noop();\nfor i in 0..5000 {{ let x = i; }}\nverbose(\"well\"); noop();\n{}for i in 0..5000 {{ let x = i; }}\nverbose(\"too much\");",
        texts(0, 6),
        texts(6, 10),
        texts(10, 18),
    );
    let folder = scripts([("hold.rhai", script.as_str()), NEIGHBOUR]);
    let mut server = Server::start(&folder, &["--max-computing", "60"]);
    let mut peers: Vec<Peer> = (0..two_calls_per_thread()).map(|_| server.call("hold")).collect();
    for peer in &mut peers {
        peer.hears("NOOP");
    }
    // All hold 8 MiB by now, and go on one after the other, each on a thread that holds twice as much.
    for _ in 0..2 {
        for peer in &mut peers {
            peer.send("200 result=0\n");
            let line = peer.line().unwrap();
            assert!(["NOOP", "VERBOSE \"well\" 1"].contains(&line.as_str()), "{line}");
        }
    }
    // Memory of other calls that come and go is not charged to them, nor is what those calls release.
    for _ in 0..20 {
        assert_eq!(server.status("none"), "NOTFOUND");
    }
    for mut peer in peers {
        peer.send("200 result=1\n");
        let played = peer.play();
        assert_eq!((played.said(), played.status()), (vec!["well"], "FAILURE"), "{played:?}");
        assert!(played.variable("AGI_RHAI_ERROR").unwrap().contains("more than 16 MiB of memory"), "{played:?}");
    }
    server.wait_idle();
    server.check_well();
}

#[test]
fn the_computing_limit_applies_to_each_call_separately() {
    let script = "noop(); let n = params.n.parse_int(); for i in 0..n { let x = i * 2; } noop(); for i in 0..n { let x = i; } verbose(\"well\");";
    let folder = scripts([("work.rhai", script), ("loop.rhai", "loop { let x = 1; }"), NEIGHBOUR]);
    let mut server = Server::start(&folder, &["--max-computing", "0.5"]);
    let play = |server: &Server, n: u64| {
        let began = Instant::now();
        let played = server.call(&format!("work?n={n}")).play();
        assert_eq!(played.said(), ["well"], "{n}: {played:?}");
        began.elapsed()
    };
    // This many turns take an eighth of a second of this machine's time.
    let once = play(&server, 20_000).as_secs_f64() / 2.0;
    let turns = (20_000.0 * 0.125 / once) as u64;
    let neighbour = Neighbour::of(&server);
    let began = Instant::now();
    // With ten other calls on its thread, each of both parts takes longer than the limit.
    std::thread::scope(|scope| {
        for _ in 0..5 * two_calls_per_thread() {
            let server = &server;
            scope.spawn(move || play(server, turns));
        }
    });
    eprintln!("{} calls of 2 x 0.125 s of computing took {:?}", 5 * two_calls_per_thread(), began.elapsed());
    // The neighbour waits for at most one time slice of one call.
    neighbour.check("ten that compute", Duration::from_millis(300));
    // A call that doesn't end is stopped, though it shares its thread.
    let endless: Vec<_> = (0..two_calls_per_thread()).map(|_| in_background(server.call("loop"))).collect();
    for endless in endless {
        assert_eq!(endless.join().unwrap(), "FAILURE");
    }
    server.check_well();
}

#[test]
fn a_panic_in_an_embedders_function_ends_only_its_own_call() {
    let folder = Folder::new();
    folder.file("scripts/bad.rhai", "noop(); boom(\"x\");\nfn on_hangup() { boom(\"again\"); }");
    folder.file("scripts/late.rhai", "sleep(600);\nfn on_hangup() { boom(\"late\"); }");
    folder.file("scripts/good.rhai", "while get_variable(\"ON\") != () { } verbose(\"well\");");
    let mut module = Module::new();
    FuncRegistration::new("boom")
        .in_global_namespace()
        .set_into_module(&mut module, |what: &str| -> i64 { panic!("a mistake of the embedder's: {what}") });
    let mut host = Host::new();
    host.language_mut().add(module);
    let (library, changes) = host.library(&folder.path("scripts")).unwrap();
    assert_eq!(changes.len(), 3, "{changes:?}");
    let listener = listen_on("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let server = fastagi::Server::start(host, library, Admission::default(), vec![listener]).unwrap();
    let call = |script: &str| {
        let mut peer = Peer::connect(address);
        peer.send(environment(script));
        peer
    };
    let mut good = call("good");
    good.hears("GET VARIABLE \"ON\"");
    for _ in 0..10 {
        let played = call("bad").play();
        assert_eq!(played.status(), "FAILURE");
        let error = played.variable("AGI_RHAI_ERROR").unwrap();
        assert!(error.contains("a function panicked: a mistake of the embedder's: x"), "{error}");
        let mut late = call("late");
        wait_until("it sleeps", || {
            server.live().iter().any(|live| live.script().is_some_and(|found| &*found.name == "late.rhai"))
        });
        late.send("HANGUP\n");
        let played = late.play();
        assert!(played.variable("AGI_RHAI_ERROR").unwrap().contains("late"), "{played:?}");
        // The other calls, on both threads, go on.
        good.send("200 result=1 (yes)\n");
        good.hears("GET VARIABLE \"ON\"");
    }
    good.send("200 result=0\n");
    assert_eq!(good.play().status(), "SUCCESS");
    wait_until("no call is left", || server.calls() == 0 && server.live().is_empty());
    assert!(server.metrics(0).contains("agi_rhai_faults_total{script=\"bad.rhai\"} 10"));
    server.join();
}
