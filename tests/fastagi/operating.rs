//! Operating the server: signals, systemd, `agi-rhai calls`, HTTP pages, addresses.

use super::scripts;
use crate::support::asterisk::free_address;
use crate::support::process::{Folder, agi_rhai, clear_environment, program};
use crate::support::server::{PATIENCE, Peer, Played, Server, environment, reply, wait_until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const WORDS: (&str, &str) = (
    "words.rhai",
    "if params.does == \"stream\" { stream_file(\"long\", \"12\"); }\n\
     if params.does == \"digit\" { wait_for_digit(600000); }\n\
     if params.does == \"dial\" { exec(\"Dial\", \"x\"); }\n\
     if params.does == \"sleep\" { sleep(600); }\n\
     if params.does == \"loop\" { for i in 0..100000000000 { } }\n\
     verbose(\"no\");\n\
     fn on_hangup(last) { verbose(`gone in <${last.command}>`); }",
);

/// Plays the end of a dialogue that the operator ends, as Asterisk does: another line that comes while a file plays
/// ends that command without a reply, and one that comes during a wait for a key ends it with `result=1`. An
/// application ends by itself.
fn play_interrupted(mut peer: Peer, first: &str, application: Option<Duration>) -> Played {
    let fence = "GET FULL VARIABLE \"agi-rhai: in step\"";
    let in_step = "200 result=1 (agi-rhai: in step)\n";
    match first {
        "" => {}
        _ => {
            assert_eq!(peer.line().as_deref(), Some(fence), "{:#?}", peer.lines);
            match first {
                "stream" => {}
                "digit" => peer.send("200 result=1\n"),
                _ => {
                    std::thread::sleep(application.unwrap());
                    peer.send("200 result=0\n");
                }
            }
            peer.send(in_step);
        }
    }
    peer.play()
}

/// Begins calls that do everything a call can do. Each is at its `first`.
fn calls_in_every_state(server: &Server) -> Vec<(&'static str, Peer)> {
    let lines = [
        ("stream", "STREAM FILE \"long\" \"12\""),
        ("digit", "WAIT FOR DIGIT 600000"),
        ("dial", "EXEC \"Dial\" \"x\""),
        ("sleep", ""),
        ("loop", ""),
    ];
    let mut calls = Vec::new();
    for (does, line) in lines {
        let mut peer = server.call(&format!("words?does={does}"));
        if !line.is_empty() {
            peer.hears(line);
        }
        calls.push((does, peer));
    }
    wait_until("all have begun", || server.rows().iter().filter(|row| row[2] == "words.rhai").count() == lines.len());
    calls
}

#[track_caller]
fn check_ended(calls: Vec<(&'static str, Peer)>, problem: bool) {
    let threads: Vec<_> = calls
        .into_iter()
        .map(|(does, peer)| {
            let first = if matches!(does, "sleep" | "loop") { "" } else { does };
            (does, std::thread::spawn(move || play_interrupted(peer, first, Some(Duration::from_secs(1)))))
        })
        .collect();
    for (does, thread) in threads {
        let played = thread.join().unwrap();
        assert_eq!(played.status(), "HANGUP", "{does}: {played:?}");
        let said = played.said();
        assert!(said.len() == 1 && said[0].starts_with("gone in <"), "{does}: {played:?}");
        if problem {
            assert_eq!(played.variable("AGI_RHAI_ERROR"), Some("ended by the operator"), "{does}: {played:?}");
        }
        assert!(!played.lines.iter().any(|line| line.starts_with("failure")), "{does}: {played:?}");
    }
}

#[test]
fn the_front_page_for_monitoring_leads_to_the_others() {
    let folder = scripts([WORDS]);
    let server = Server::start(&folder, &[]);
    let (status, page) = server.page("/");
    assert_eq!(status, 200, "{page}");
    let links: Vec<&str> = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links, ["/metrics", "/healthz", "/readyz"]);
    for link in links {
        assert_eq!(server.page(link).0, 200, "{link}");
    }
}

#[test]
fn sigterm_drains_and_then_ends_calls() {
    let folder = scripts([WORDS, ("hold.rhai", "wait_for_digit(600000); verbose(\"well\");")]);
    let mut server = Server::start(&folder, &["--drain", "1.5s", "--max-computing", "60"]);
    assert_eq!(server.page("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(server.page("/healthz"), (200, "alive\n".to_owned()));
    let calls = calls_in_every_state(&server);
    let mut well = server.call("hold");
    well.hears("WAIT FOR DIGIT 600000");
    let began = Instant::now();
    server.signal(Signal::TERM);
    server.wait_for_log("stopping: no new calls; 6 calls may continue for 1.5s");
    wait_until("it is not ready", || server.page("/readyz").0 == 503);
    assert_eq!(server.page("/readyz").1, "stopping: no new calls\n");
    assert_eq!(server.page("/healthz").0, 200);
    wait_until("connections are refused", || TcpStream::connect(server.address()).is_err());
    // A call that ends by itself ends as always.
    well.send("200 result=0\n");
    let well = well.play();
    assert_eq!((well.said(), well.status()), (vec!["well"], "SUCCESS"));
    assert_eq!(server.list().len(), 5);
    assert!(began.elapsed() < Duration::from_millis(1400), "too slow to see anything: {:?}", began.elapsed());
    check_ended(calls, true);
    assert!(began.elapsed() >= Duration::from_millis(1500), "{:?}", began.elapsed());
    assert_eq!(server.wait(), Some(0), "{}", server.log());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.wait_for_log("the time is up: ending 5 calls");
    server.wait_for_log("all calls have ended");
    assert!(!server.control.exists(), "the control socket was left behind");
}

#[test]
fn calls_that_do_not_end_after_sigterm_are_cut() {
    let folder = scripts([("hold.rhai", "wait_for_digit(600000);")]);
    let mut server = Server::start(&folder, &["--drain", "0", "--max-on-hangup", "0.1"]);
    let mut silent = server.call("hold");
    silent.hears("WAIT FOR DIGIT 600000");
    let began = Instant::now();
    server.signal(Signal::TERM);
    silent.hears("GET FULL VARIABLE \"agi-rhai: in step\"");
    // Nothing comes back, and it is cut.
    assert_eq!(silent.line(), None);
    assert_eq!(server.wait(), Some(0), "{}", server.log());
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

/// The reply to an interrupted command may come in one piece with the one that resynchronises the line, and both end
/// with a parenthesis. The operator may also ask twice.
#[test]
fn a_second_end_during_an_interrupted_command_keeps_the_line_in_step() {
    let fence = "GET FULL VARIABLE \"agi-rhai: in step\"";
    let script =
        "get_variable(\"SLOW\"); fn on_hangup() { verbose(get_variable(\"A\")); sleep(0.3); verbose(\"saved\"); }";
    let folder = scripts([("slow.rhai", script)]);
    let mut server = Server::start(&folder, &[]);
    let mut peer = server.call("slow");
    peer.hears("GET VARIABLE \"SLOW\"");
    let id = server.column("slow.rhai", "ID").unwrap();
    for _ in 0..2 {
        assert!(server.calls(&["end", &id]).status.success());
    }
    peer.hears(fence);
    std::thread::sleep(Duration::from_millis(200));
    peer.send("200 result=1 (body)\n200 result=1 (agi-rhai: in step)\n");
    peer.answer("GET VARIABLE \"A\"", "200 result=1 (it)");
    peer.answer("VERBOSE \"it\" 1", "200 result=1");
    // It is ending already: nothing is cut.
    let _ = server.calls(&["end", &id]);
    let played = peer.play();
    assert_eq!((played.said().last(), played.status()), (Some(&"saved"), "HANGUP"), "{played:?}");
    server.check_well();
}

#[test]
fn an_application_that_returns_one_repeatedly_keeps_the_line_in_step() {
    let folder = scripts([("often.rhai", "for i in 0..150 { exec(\"Wait\", \"1\"); }")]);
    let server = Server::start(&folder, &[]);
    let peer = server.call("often");
    let played = peer.play_with(|line| {
        let stray = if line.starts_with("EXEC") { "520-Invalid\nUsage\n520 End of proper usage.\n" } else { "" };
        Some(format!("200 result=1\n{stray}").trim_end().to_owned())
    });
    assert_eq!(played.status(), "SUCCESS", "{:?}", server.log());
}

#[test]
fn a_file_that_is_not_a_socket_is_not_replaced_by_the_control_socket() {
    let folder = scripts([("a.rhai", "noop();")]);
    let path = folder.file("precious.txt", "keep me");
    let mut command = agi_rhai(["serve", "--listen", "127.0.0.1:0", "--control", &path]);
    let output = command.args(["--scripts".as_ref(), folder.path("scripts").as_os_str()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "keep me");
}

#[test]
fn many_calls_end_together() {
    const CALLS: usize = 300;
    let folder = scripts([WORDS]);
    let mut server = Server::start(&folder, &["--drain", "0"]);
    let peers: Vec<Peer> = (0..CALLS).map(|_| server.call("words?does=sleep")).collect();
    wait_until("all have begun", || server.metric("agi_rhai_calls_started_total") == CALLS as f64);
    server.signal(Signal::TERM);
    let threads: Vec<_> =
        peers.into_iter().map(|peer| std::thread::spawn(move || play_interrupted(peer, "", None))).collect();
    for thread in threads {
        let played = thread.join().unwrap();
        assert_eq!((played.said(), played.status()), (vec!["gone in <>"], "HANGUP"), "{played:?}");
    }
    assert_eq!(server.wait(), Some(0), "{}", server.log());
}

#[test]
fn an_unread_log_delays_no_call() {
    let folder = scripts([("a.rhai", "for i in 0..20 { print(`${i}`); noop(); }")]);
    let free = free_address();
    let mut command = agi_rhai(["serve", "--log-level", "debug", "--listen", &free.to_string(), "--drain", "0"]);
    command.args(["--scripts".as_ref(), folder.path("scripts").as_os_str()]);
    command.args(["--control".as_ref(), folder.path("control.sock").as_os_str()]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_until("it listens", || TcpStream::connect(free).is_ok());
    // Much more than fits into a pipe.
    for _ in 0..150 {
        let mut peer = Peer::connect(free);
        peer.send(environment("a"));
        assert_eq!(peer.play().status(), "SUCCESS");
    }
    let began = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    wait_until("it ends", || child.try_wait().unwrap().is_some());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut log = Vec::new();
    child.stderr.take().unwrap().read_to_end(&mut log).unwrap();
    assert!(log.len() > 60_000, "{}", log.len());
}

#[test]
fn a_second_sigterm_ends_the_server_at_once() {
    let folder = scripts([("hold.rhai", "wait_for_digit(600000);")]);
    for signals in [[Signal::TERM, Signal::TERM], [Signal::INT, Signal::INT], [Signal::TERM, Signal::INT]] {
        let mut server = Server::start(&folder, &["--drain", "1h"]);
        let mut peer = server.call("hold");
        peer.hears("WAIT FOR DIGIT 600000");
        server.signal(signals[0]);
        server.wait_for_log("1 call may continue for 3600s");
        // SIGHUP still reloads.
        server.signal(Signal::HUP);
        server.wait_for_log("SIGHUP: recompiling all scripts");
        let began = Instant::now();
        server.signal(signals[1]);
        assert_eq!(server.wait(), Some(1));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        server.wait_for_log("stopped by a second signal: cutting off 1 call");
        assert_eq!(peer.line(), None);
    }
}

#[test]
fn connections_before_sigterm_are_served() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    for _ in 0..10 {
        let mut server = Server::start(&folder, &["--drain", "20s"]);
        let address = server.address();
        // The whole server is stopped, so that no connection has been accepted yet when SIGTERM comes.
        server.signal(Signal::STOP);
        let peers: Vec<Peer> = (0..50).map(|_| Peer::connect(address)).collect();
        server.signal(Signal::TERM);
        server.signal(Signal::CONT);
        for mut peer in peers {
            peer.send(environment("a"));
            assert_eq!(peer.play().status(), "SUCCESS", "{}", server.log());
        }
        assert_eq!(server.wait(), Some(0), "{}", server.log());
    }
}

#[test]
fn connections_during_sigterm_are_served_or_refused() {
    let folder = scripts([("a.rhai", "verbose(1);"), ("loop.rhai", "noop(); for i in 0..100000000000 { }")]);
    for _ in 0..4 {
        let mut server = Server::start(&folder, &["--drain", "1h", "--max-computing", "600"]);
        let address = server.address();
        // One thread is busy, so that it is the last to notice the connection.
        let mut busy = server.call("loop");
        busy.answer("NOOP", "200 result=0");
        let callers: Vec<_> = (0..6)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut served = 0;
                    while let Ok(stream) = TcpStream::connect(address) {
                        let mut peer = Peer::over(stream);
                        peer.stream().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                        peer.send(environment("a"));
                        // It ends either way, unlike a call that is accepted and forgotten.
                        if peer.play().status() == "SUCCESS" {
                            served += 1;
                        }
                    }
                    served
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        server.signal(Signal::TERM);
        for caller in callers {
            assert!(caller.join().expect("a call was forgotten") > 0);
        }
        wait_until("only the busy one is left", || server.metric("agi_rhai_calls") == 1.0);
        drop(busy);
        assert_eq!(server.wait(), Some(0), "{}", server.log());
    }
}

#[test]
fn a_call_can_be_listed_shown_and_ended() {
    let folder = scripts([WORDS]);
    let server = Server::start(&folder, &["--max-computing", "60"]);
    assert!(server.list().is_empty());
    let opening = server.connect();
    wait_until("it is listed", || server.rows().len() == 1);
    assert!(server.rows()[0].contains(&"waiting for its environment".to_owned()), "{:?}", server.rows());
    drop(opening);
    wait_until("it is gone", || server.rows().is_empty());
    let mut peer = server.call("words?does=stream");
    peer.hears("STREAM FILE \"long\" \"12\"");
    let row = server.rows().remove(0);
    let expected = ["201", "words.rhai"];
    assert_eq!(&row[1..3], expected, "{row:?}");
    assert_eq!((row[4].as_str(), row[5].as_str(), row[8].as_str()), ("1", "STREAM FILE", "1"), "{row:?}");
    assert_eq!((row[9].as_str(), row[10].as_str()), ("Local/s@game-00000001;1", "127.0.0.1"), "{row:?}");
    let table = String::from_utf8(server.calls(&["list"]).stdout).unwrap();
    assert!(table.starts_with("ID  CALLER  SCRIPT"), "{table}");
    assert!(table.contains("STREAM FILE"), "{table}");
    let id = &row[0];
    // A follower sees the dialogue, with keys masked.
    let mut show = agi_rhai(["calls", "--control", server.control.to_str().unwrap(), "show", id])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = show.stdout.take().unwrap();
    let mut first = [0; 4];
    shown.read_exact(&mut first).unwrap();
    let output = server.calls(&["end", id]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("ending call {id}\n"));
    let played = play_interrupted(peer, "stream", None);
    assert_eq!((played.said(), played.status()), (vec!["gone in <stream_file>"], "HANGUP"), "{played:?}");
    let mut rest = String::new();
    shown.read_to_string(&mut rest).unwrap();
    assert!(show.wait().unwrap().success());
    for line in ["> VERBOSE \"gone in <stream_file>\" 1", "< 200 result=1", "HANGUP"] {
        assert!(rest.contains(line), "no {line:?} in {rest}");
    }
    // The same for calls that do something else.
    let calls = calls_in_every_state(&server);
    for row in server.rows() {
        assert!(server.calls(&["end", &row[0]]).status.success());
    }
    check_ended(calls, true);
    wait_until("all are gone", || server.rows().is_empty());
    for words in [["end", id], ["show", id], ["end", "99999"]] {
        let output = server.calls(&words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let problem = String::from_utf8(output.stderr).unwrap();
        assert!(problem.contains(&format!("there is no call {}", words[1])), "{problem}");
    }
    assert_eq!(server.calls(&["end", "x"]).status.code(), Some(2));
}

#[test]
fn the_control_socket_survives_bad_clients() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    let server = Server::start(&folder, &[]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&server.control).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Clients that send nothing, send too much, or don't read.
    let idle: Vec<UnixStream> = (0..40).filter_map(|_| UnixStream::connect(&server.control).ok()).collect();
    let mut loud = UnixStream::connect(&server.control).unwrap();
    let _ = loud.write_all(&[b'x'; 100_000]);
    // Too many clients: the list is refused with an error, and doesn't seem empty.
    let list = server.calls(&[]);
    assert_eq!(list.status.code(), Some(2), "{list:?}");
    assert!(String::from_utf8_lossy(&list.stderr).contains("too many clients at a time"), "{list:?}");
    wait_until("it answers again", || {
        let Ok(mut stream) = UnixStream::connect(&server.control) else { return false };
        let _ = stream.write_all(b"what\n");
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text == "error: unknown request: use calls, show ID, end ID, watch, about, recordings or recording NAME\n"
    });
    drop(idle);
    assert_eq!(server.status("a"), "SUCCESS");
}

#[test]
fn listing_calls_without_a_server_fails_with_an_explanation() {
    let folder = Folder::new();
    let path = folder.path("no.sock");
    let output = agi_rhai(["calls", "--control", path.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let problem = String::from_utf8(output.stderr).unwrap();
    assert!(problem.contains("no server answers here") && problem.contains("no.sock"), "{problem}");
}

#[test]
fn a_control_socket_that_does_not_answer_is_reported() {
    let folder = Folder::new();
    let path = folder.path("odd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let ask = |words: &[&str]| {
        let began = Instant::now();
        let output = agi_rhai(["calls", "--control", path.to_str().unwrap()].iter().chain(words)).output().unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    // It accepts connections, or the system does for it, and sends nothing.
    for words in [&[][..], &["show", "1"], &["end", "1"]] {
        assert!(ask(words).contains("odd.sock: no answer within 5 s: the server hangs"));
    }
    // As many connections wait as can.
    rustix::net::listen(&listener, 0).unwrap();
    assert!(ask(&[]).contains("odd.sock: the server doesn't accept connections: it hangs"));
    // It closes the connection before its answer or in the middle of it.
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let _ = stream.unwrap().write_all(if number % 2 == 0 { b"" } else { b"7\t201\ta.rhai\n" });
        }
    });
    for _ in 0..2 {
        let error = ask(&[]);
        assert!(error.contains("odd.sock: the connection was closed before the answer was complete"), "{error}");
    }
}

#[test]
fn a_client_that_sends_its_request_too_slowly_is_dropped() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    let server = Server::start(&folder, &[]);
    let began = Instant::now();
    let mut trickling: Vec<UnixStream> = (0..32).map(|_| UnixStream::connect(&server.control).unwrap()).collect();
    while trickling.iter_mut().all(|stream| stream.write_all(b"c").is_ok()) {
        assert!(began.elapsed() < Duration::from_secs(20), "the server still reads from them");
        std::thread::sleep(Duration::from_millis(100));
    }
    wait_until("the calls can be listed", || server.calls(&[]).status.success());
}

/// Runs the server as an unprivileged user with one of the system's limits lowered; `None` where that isn't possible.
fn serve_limited(folder: &Folder, limit: &str, options: &[&str]) -> Option<String> {
    let copy = folder.path("agi-rhai");
    std::fs::copy(program(), &copy).unwrap();
    let mut command = Command::new("prlimit");
    command.arg(limit).args(["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]).arg(&copy).arg("serve");
    command.args(options).args(["--scripts", "."]).current_dir(folder.path("scripts"));
    clear_environment(&mut command);
    let output = command.stdout(Stdio::piped()).output();
    let Some(output) = output.ok().filter(|output| output.status.code() == Some(2)) else {
        eprintln!("SKIPPED: only root can become another user");
        return None;
    };
    Some(String::from_utf8(output.stderr).unwrap())
}

#[test]
fn errors_about_system_limits_say_how_to_raise_them() {
    // A folder that every user may enter.
    let place = std::env::temp_dir().join(format!("agi-rhai-limits-{}", std::process::id()));
    let folder = Folder::at(&place);
    folder.file("scripts/a.rhai", "verbose(1);");
    for count in 1..5 {
        let Some(said) = serve_limited(&folder, &format!("--nproc={count}"), &["--listen", "127.0.0.1:0"]) else {
            return;
        };
        assert!(
            said.contains("limit of threads is reached: raise the number of processes of this user (`ulimit -u`)"),
            "{said}"
        );
        assert!(said.contains("TasksMax="), "{said}");
    }
    for count in [8, 20, 63] {
        let said = serve_limited(&folder, &format!("--nofile={count}"), &["--listen", "127.0.0.1:0"]).unwrap();
        assert!(said.contains("LimitNOFILE="), "{said}");
    }
    let said = serve_limited(&folder, "--nofile=1024", &["--listen", "127.0.0.1:80"]).unwrap();
    assert!(said.contains("ports below 1024 are for root") && said.contains("CAP_NET_BIND_SERVICE"), "{said}");
}

#[test]
fn two_servers_can_run_on_one_machine() {
    let folder = scripts([("a.rhai", "verbose(\"one\");")]);
    let other = scripts([("a.rhai", "verbose(\"two\");")]);
    let mut one = Server::start(&folder, &[]);
    let two = Server::start(&other, &[]);
    assert_eq!((one.call("a").play().said(), two.call("a").play().said()), (vec!["one"], vec!["two"]));
    // Neither an address nor a control socket is taken from the server that has it.
    let taken = one.address().to_string();
    let control = other.path("third.sock");
    let mut third = Server::launch(&other, &["--listen", &taken, "--control", control.to_str().unwrap()], |_| {});
    assert_eq!(third.wait(), Some(2));
    third.wait_for_log(&format!("cannot listen on {taken}: Address already in use"));
    third.wait_for_log("another program listens there, `ss -lnp` shows which");
    let mut third = Server::launch(&other, &["--control", one.control.to_str().unwrap()], |_| {});
    assert_eq!(third.wait(), Some(2));
    third.wait_for_log("for --control: Address already in use");
    assert!(one.list().is_empty(), "it still has its socket");
    // A server that was killed leaves its socket behind, and the next one takes it over.
    one.signal(Signal::KILL);
    one.wait();
    assert!(one.control.exists());
    let output = one.calls(&[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let again = Server::start(&folder, &[]);
    assert!(again.list().is_empty());
}

#[test]
fn listen_addresses_are_accepted_or_refused_with_the_reason() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    let server = Server::start(&folder, &["--listen", "127.0.0.1:0,[::1]:0", "--listen", "127.0.0.2:0"]);
    let addresses = server.addresses();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    for address in addresses {
        let mut peer = Peer::connect(address);
        peer.send(environment("a"));
        assert_eq!(peer.play().status(), "SUCCESS", "{address}");
    }
    drop(server);
    for (listen, reason) in [
        ("unix:/x", "AGI(agi://...) uses TCP only"),
        ("/run/x.sock", "AGI(agi://...) uses TCP only"),
        ("127.0.0.1:x", "isn't an address such as 127.0.0.1:4573"),
        ("127.0.0.1:99999", "isn't an address such as 127.0.0.1:4573"),
        ("192.0.2.1:0", "cannot listen on 192.0.2.1:0: Cannot assign requested address"),
    ] {
        let mut server = Server::launch(&folder, &["--listen", listen], |_| {});
        assert_eq!(server.wait(), Some(2), "{listen}: {}", server.log());
        server.wait_for_log(reason);
    }
    let mut server = Server::launch(&Folder::new(), &["--allow", "10.0.0.0/33"], |_| {});
    assert_eq!(server.wait(), Some(2));
    server.wait_for_log("a network is written as 192.0.2.0/24");
    let mut root = agi_rhai(["serve", "--scripts", "/"]);
    root.args(["--listen", "127.0.0.1:0"]);
    let mut server = Server::run(root, folder.path("x"));
    assert_eq!(server.wait(), Some(2));
    server.wait_for_log("the folder of scripts cannot be /");
}

#[test]
fn systemd_is_notified_of_readiness_watchdog_and_stopping() {
    let folder = scripts([("hold.rhai", "wait_for_digit(600000);")]);
    let path = folder.path("notify.sock");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let hears = || {
        let mut buffer = [0; 1024];
        let length = loop {
            match systemd.recv(&mut buffer) {
                // When the machine stops for a while, the read is interrupted.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                length => break length.unwrap(),
            }
        };
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    let mut server = Server::launch(&folder, &["--drain", "1h"], |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2400000");
    });
    assert_eq!(hears(), "READY=1");
    // By then it serves calls.
    server.wait_ready();
    let mut peer = server.call("hold");
    peer.hears("WAIT FOR DIGIT 600000");
    let mut gaps: Vec<Duration> = (0..3)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(hears(), "WATCHDOG=1");
            began.elapsed()
        })
        .collect();
    gaps.sort_unstable();
    // Twice in the interval systemd expects; once on a machine that stops for a while.
    assert!((Duration::from_millis(600)..Duration::from_millis(2400)).contains(&gaps[1]), "{gaps:?}");
    server.signal(Signal::TERM);
    let mut heard = hears();
    while heard == "WATCHDOG=1" {
        heard = hears();
    }
    assert_eq!(heard, "STOPPING=1");
    // The watchdog is still notified while the server drains.
    assert_eq!(hears(), "WATCHDOG=1");
    peer.send("200 result=0\n");
    peer.play();
    assert_eq!(server.wait(), Some(0));
}

/// Starts a server that inherits this listening socket as from systemd.
fn serve_with_inherited_socket(listener: &TcpListener, folder: &Folder, name: &str) -> Server {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
    let control = folder.path(name);
    command.args(["-c", script, program(), "serve", "--metrics", "127.0.0.1:0", "--listen", "127.0.0.1:1"]);
    command.args(["--scripts".as_ref(), folder.path("scripts").as_os_str(), "--control".as_ref(), control.as_os_str()]);
    crate::support::process::clear_environment(&mut command);
    command.stdin(OwnedFd::from(listener.try_clone().unwrap()));
    let server = Server::run(command, control);
    server.wait_ready();
    server
}

#[test]
fn a_restart_with_an_inherited_socket_refuses_no_call() {
    let folder = scripts([("a.rhai", "noop(); verbose(1);")]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    let calls = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut calls = 0;
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        let mut peer = Peer::connect(address);
                        peer.send(environment("a"));
                        let played = peer.play_with(|line| Some(reply(line).to_owned()));
                        assert_eq!(played.status(), "SUCCESS", "after {calls} calls: {played:?}");
                        calls += 1;
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    calls
                })
            })
            .collect();
        for round in 0..4 {
            let mut server = serve_with_inherited_socket(&listener, &folder, &format!("control{round}.sock"));
            assert_eq!(server.address(), address, "not --listen");
            std::thread::sleep(Duration::from_millis(200));
            server.signal(Signal::TERM);
            assert_eq!(server.wait(), Some(0), "{}", server.log());
        }
        let server = serve_with_inherited_socket(&listener, &folder, "last.sock");
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let calls: usize = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        drop(server);
        calls
    });
    eprintln!("{calls} calls through four restarts");
    assert!(calls > 50, "{calls}");
}

#[test]
fn socket_activation_by_systemd_works() {
    // In Debian's package systemd. Where it is missing, the test above does the same by hand.
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        return;
    }
    let folder = scripts([("a.rhai", "verbose(1);")]);
    let free = free_address();
    let mut command = Command::new("systemd-socket-activate");
    command.arg(format!("--listen={free}")).arg(program());
    command.args(["serve", "--scripts", folder.path("scripts").to_str().unwrap(), "--metrics", "127.0.0.1:0"]);
    command.args(["--control", folder.path("control.sock").to_str().unwrap()]);
    let server = Server::run(command, folder.path("control.sock"));
    server.wait_for_log("Listening on");
    // The first call starts the server, and is served.
    let mut peer = Peer::connect(free);
    peer.send(environment("a"));
    assert_eq!(peer.play().status(), "SUCCESS");
    server.wait_ready();
    assert_eq!(server.address(), free);
    assert!(!server.log().contains("--listen"), "{}", server.log());
}

/// Starts a server with a maximum number of descriptors.
fn with_descriptors(folder: &Folder, max: u32) -> Server {
    let control = folder.path("control.sock");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {max} && exec \"$0\" \"$@\""), program(), "serve"]);
    command.args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    command.args(["--scripts".as_ref(), folder.path("scripts").as_os_str(), "--control".as_ref(), control.as_os_str()]);
    let server = Server::run(command, control);
    server.wait_ready();
    server
}

#[test]
fn a_max_calls_beyond_system_limits_is_warned_about() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    for (descriptors, calls) in [(4000, 2800), (1024, 512)] {
        let server = with_descriptors(&folder, descriptors);
        server.wait_for_log(&format!("--max-calls is 10000, but the system allows only {calls} calls"));
        server.wait_for_log(&format!("at most {calls} calls at a time"));
        assert_eq!(server.status("a"), "SUCCESS");
    }
}

#[test]
fn a_server_without_descriptors_recovers_when_some_are_free() {
    let folder = scripts([("hold.rhai", "wait_for_digit(600000);")]);
    let mut server = with_descriptors(&folder, 120);
    let mut held = server.call("hold");
    held.hears("WAIT FOR DIGIT 600000");
    // Uses up all descriptors, over and over; clients that list the calls take some too.
    for _ in 0..3 {
        let silent: Vec<Peer> = (0..300).map(|_| server.connect()).collect();
        let looking: Vec<_> = (0..20).filter_map(|_| UnixStream::connect(&server.control).ok()).collect();
        server.wait_for_log("cannot accept a connection: Too many open files");
        std::thread::sleep(Duration::from_millis(200));
        drop((silent, looking));
        wait_until("it serves again", || {
            let mut peer = server.connect();
            peer.send(environment("none"));
            peer.play().status() == "NOTFOUND"
        });
    }
    wait_until("only the held call is left", || server.metric("agi_rhai_calls") == 1.0);
    wait_until("the calls can be listed", || server.calls(&[]).status.success());
    assert_eq!(server.list().len(), 1);
    let logged = server.logged("cannot accept a connection");
    assert!(logged <= 10, "logged {logged} times");
    held.send("200 result=0\n");
    assert_eq!(held.play().status(), "SUCCESS");
    server.check_well();
}
