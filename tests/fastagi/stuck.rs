//! Peers that are slow, silent, broken or malicious: each call ends in bounded time and memory, and no other call
//! notices.

use super::{NEIGHBOUR, Neighbour, scripts};
use crate::support::process::ENVIRONMENT;
use crate::support::server::{Peer, Server, environment, wait_until};
use agi_rhai::clock::Time;
use agi_rhai::transport::{Got, Stream, Wait, Wire};
use agi_rhai::{Host, Outcome, Session, Status};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A wire with simulated time. Each piece arrives at a time counted from the piece before.
struct SimulatedWire {
    now: Time,
    pieces: VecDeque<(Duration, Vec<u8>)>,
    /// Bytes that arrive again and again after the pieces.
    rest: Option<(Duration, &'static [u8])>,
    next: Option<Time>,
    /// The maximum that is read; more would be a leak.
    read: usize,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Wire for SimulatedWire {
    fn now(&self) -> Time {
        self.now
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        let (Wait::Opening(until) | Wait::Reply(until) | Wait::Pause(until) | Wait::Wakeup(until)) = wait;
        let next = self.pieces.front().map(|(length, _)| *length).or(self.rest.map(|(length, _)| length));
        let Some(next) = next else {
            assert!(until != Time::NEVER, "it waits forever");
            self.now = self.now.max(until);
            return Ok(Got::Nothing);
        };
        let at = *self.next.get_or_insert(self.now + next);
        if at > until {
            self.now = self.now.max(until);
            return Ok(Got::Nothing);
        }
        self.now = self.now.max(at);
        self.next = None;
        let piece = self.pieces.pop_front().map(|(_, piece)| piece);
        let piece = piece.unwrap_or_else(|| self.rest.map(|(_, piece)| piece.to_vec()).unwrap_or_default());
        self.read += piece.len();
        assert!(self.read < 4 * 1024 * 1024, "it keeps reading");
        bytes.extend_from_slice(&piece);
        Ok(Got::Bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sent.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }
}

/// Plays a script against such a wire. Returns how it ended, and after how many simulated seconds.
fn run_simulated(
    script: &str,
    pieces: &[(u64, &str)],
    rest: Option<(u64, &'static str)>,
) -> (Result<Outcome, String>, f64) {
    let pieces = pieces.iter().map(|(ms, piece)| (Duration::from_millis(*ms), piece.as_bytes().to_vec())).collect();
    let rest = rest.map(|(ms, piece)| (Duration::from_millis(ms), piece.as_bytes()));
    let began = Time::from_unix(1000);
    let now = Arc::new(Mutex::new(began));
    let line = SimulatedWire { now: began, pieces, rest, next: None, read: 0, sent: Arc::default() };
    let watched = Timed { line, now: Arc::clone(&now) };
    let host = Host::new();
    let script = host.compile("stuck.rhai", script).unwrap();
    let outcome = match Session::begin(Box::new(Stream::over(watched))) {
        Ok(session) => Ok(host.run(session, &script, vec![])),
        Err(error) => Err(format!("{error:#}")),
    };
    let took = (*now.lock().unwrap() - began).as_secs_f64();
    (outcome, took)
}

/// Reports the simulated time.
struct Timed {
    line: SimulatedWire,
    now: Arc<Mutex<Time>>,
}

impl Wire for Timed {
    fn now(&self) -> Time {
        self.line.now()
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        let got = self.line.read(bytes, wait);
        *self.now.lock().unwrap() = self.line.now();
        got
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.line.write(bytes)
    }
}

#[track_caller]
fn check_lost(script: &str, pieces: &[(u64, &str)], rest: Option<(u64, &'static str)>, between: (f64, f64)) {
    let mut all = vec![(0, ENVIRONMENT)];
    all.extend(pieces);
    let (outcome, took) = run_simulated(script, &all, rest);
    assert_eq!(outcome.unwrap().status, Status::Lost, "{script}, {pieces:?}, {rest:?}");
    assert!((between.0..=between.1).contains(&took), "{script}, {pieces:?}, {rest:?}: {took} s");
}

#[test]
fn every_wait_times_out() {
    // Nothing, or next to nothing, in place of the opening block.
    for (pieces, rest) in [
        (vec![], None),
        (vec![(0, "agi_network: yes\n")], None),
        (vec![], Some((1000, "x"))),
        (vec![(0, "agi_x: ")], Some((300, "y"))),
    ] {
        let (outcome, took) = run_simulated("", &pieces, rest);
        assert!(outcome.as_ref().unwrap_err().contains("within 10 s"), "{outcome:?}");
        assert!((10.0..11.0).contains(&took), "{pieces:?}, {rest:?}: {took} s");
    }
    // An endless opening block.
    let (outcome, took) = run_simulated(
        "",
        &[],
        Some((0, "agi_arg: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n")),
    );
    assert!(outcome.is_err() && took < 1.0, "{outcome:?} {took}");
    let (outcome, took) =
        run_simulated("", &[], Some((0, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")));
    assert!(outcome.is_err() && took < 1.0, "{outcome:?} {took}");
    // No reply: the command's own time and half a minute.
    check_lost("wait_for_digit(5000);", &[], None, (35.0, 36.0));
    check_lost("noop();", &[], None, (30.0, 31.0));
    check_lost("get_data(\"x\", 5000, 4); noop();", &[(100, "200 result=\n")], None, (30.0, 31.0));
    // A reply that begins and never ends, arrives byte by byte, or isn't a reply.
    check_lost("noop();", &[(10, "200 res")], None, (30.0, 31.0));
    check_lost("noop();", &[(10, "200 result=1 (")], Some((1000, "x")), (30.0, 31.0));
    check_lost("exec(\"Wait\", \"1\");", &[(10, "520-Invalid\n")], Some((1000, "usage\n")), (30.0, 31.0));
    check_lost("wait_for_digit(600000);", &[(10, "200 r")], Some((500, "e")), (30.0, 31.0));
    check_lost("exec(\"Wait\", \"1\");", &[], Some((100, "what\n")), (9.0, 11.0));
    check_lost("noop(); sleep(600);", &[(10, "200 result=0\n")], Some((100, "200 result=1\n")), (9.0, 11.0));
    check_lost("noop(); sleep(600);", &[(10, "200 result=0\n")], Some((100, "520 no\n")), (9.0, 11.0));
    check_lost(
        "noop();",
        &[],
        Some((0, "200 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")),
        (0.0, 1.0),
    );
    // A hangup first; then the notices go on.
    for script in [
        "exec(\"Wait\", \"1\");",
        "sleep(600); fn on_hangup() { loop { noop(); } }",
        "sleep(600); fn on_hangup() { loop { sleep(0.01); } }",
    ] {
        let (outcome, took) = run_simulated(script, &[(0, ENVIRONMENT)], Some((100, "HANGUP\n")));
        assert_eq!(outcome.unwrap().status, Status::Hangup);
        assert!(took <= 11.0, "{script}: {took} s");
    }
}

/// The script of a whole dialogue, and the replies to its lines.
const DIALOGUE: (&str, &str) = (
    "dialogue.rhai",
    "answer(); get_variable(\"X\"); stream_file(\"hello\", \"12\"); try { set_priority(\"no\"); } catch { }\n\
     wait_for_digit(100);\n\
     fn on_hangup() { database_put(\"a\", \"b\", \"c\"); }",
);
const REPLIES: [&str; 7] = [
    "200 result=0\n",
    "200 result=1 (Anna\n(5))\n",
    "200 result=50 endpos=8000\n",
    "520-Invalid command syntax.  Proper usage follows:\n Usage: SET PRIORITY <priority>\n520 End of proper usage.\n",
    "HANGUP\n200 result=-1\n",
    "200 result=1\n",
    "200 result=1\n",
];

/// Plays the dialogue up to this byte of what Asterisk sends.
fn play_up_to(server: &Server, cut: usize) -> Peer {
    let environment = environment("dialogue");
    let mut peer = server.connect();
    peer.send(&environment.as_bytes()[..cut.min(environment.len())]);
    let mut left = cut.saturating_sub(environment.len());
    for reply in REPLIES {
        if left == 0 || peer.line().is_none() {
            break;
        }
        let length = left.min(reply.len());
        peer.send(&reply.as_bytes()[..length]);
        left -= length;
    }
    peer
}

#[test]
fn a_call_ends_at_once_wherever_its_connection_is_cut() {
    let folder = scripts([DIALOGUE, NEIGHBOUR]);
    let mut server = Server::start(&folder, &[]);
    let whole = environment("dialogue").len() + REPLIES.iter().map(|reply| reply.len()).sum::<usize>();
    let mut peer = play_up_to(&server, whole);
    assert_eq!(peer.lines.len(), 7, "{:#?}", peer.lines);
    assert_eq!(peer.line(), Some("SET VARIABLE \"AGI_RHAI_STATUS\" \"HANGUP\"".to_owned()), "{:#?}", peer.lines);
    drop(peer);
    server.wait_idle();
    let (fds, threads, rss) = (server.fds(), server.threads(), server.rss());
    let neighbour = Neighbour::of(&server);
    for cut in 0..whole {
        // Closed in order, by a reset, and with only the peer's own direction closed.
        let peer = play_up_to(&server, cut);
        match cut % 3 {
            0 => drop(peer),
            1 => peer.reset(),
            _ => {
                peer.stream().shutdown(std::net::Shutdown::Write).unwrap();
                // The call ends by itself and at once: nothing more can arrive.
                let began = Instant::now();
                peer.play_with(|_| Some(String::new()));
                assert!(began.elapsed() < Duration::from_secs(5), "cut at {cut}: {:?}", began.elapsed());
            }
        }
    }
    wait_until("only the neighbour call is left", || server.metric("agi_rhai_calls") == 1.0);
    neighbour.check("lines cut at every byte", Duration::from_millis(200));
    server.wait_idle();
    assert!(server.fds() <= fds + 1, "{} descriptors, {fds} before", server.fds());
    wait_until("its threads are gone", || server.threads() <= threads);
    let grown = server.rss().saturating_sub(rss);
    eprintln!("{whole} cuts: memory grew by {grown} KiB");
    assert!(grown < 20 * 1024, "{grown} KiB");
    server.check_well();
    assert!(!server.log().contains("the host"), "{}", server.log());
}

#[test]
fn a_bad_peer_takes_a_slot_only_for_limited_time() {
    let folder = scripts([
        NEIGHBOUR,
        ("hold.rhai", "wait_for_digit(600000);"),
        ("sleep.rhai", "noop(); sleep(600);"),
        ("loop.rhai", "noop(); for i in 0..100000000000 { }"),
        ("flood.rhai", "let t = \"x\"; while t.len() < 1500 { t += t; } loop { set_variable(\"X\", t); }"),
    ]);
    let mut server = Server::start(&folder, &["--max-computing", "60"]);
    // Resources that are allocated once.
    for _ in 0..20 {
        server.status("none");
    }
    server.wait_idle();
    let (fds, threads, rss) = (server.fds(), server.threads(), server.rss());
    let neighbour = Neighbour::of(&server);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let server = &server;
        let mut bad = Vec::new();
        let mut bads = |name: &'static str, play: fn(&mut Peer)| {
            for _ in 0..3 {
                bad.push(scope.spawn(move || {
                    let mut peer = server.connect();
                    play(&mut peer);
                    // Whatever the peer sends, the call ends.
                    while peer.line().is_some() {}
                    (name, began.elapsed())
                }));
            }
        };
        bads("silent", |_| {});
        bads("half an environment", |peer| peer.send(&environment("hold")[..200]));
        bads("a byte a second", |peer| {
            for byte in environment("hold").bytes().take(12) {
                peer.send([byte]);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        bads("a line without end", |peer| send_endlessly(peer, b"agi_x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"));
        bads("lines without end", |peer| send_endlessly(peer, b"agi_x: y\n"));
        bads("garbage", |peer| {
            let garbage: Vec<u8> = (0..10_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            peer.send(garbage);
            peer.send("\n\n\n");
        });
        bads("a reply without end", |peer| {
            peer.send(environment("hold"));
            peer.line();
            peer.send("200 result=1 (");
            send_endlessly(peer, b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
        });
        bads("a usage without end", |peer| {
            peer.send(environment("hold"));
            peer.line();
            peer.send("520-Invalid\n");
            send_endlessly(peer, b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
        });
        bads("nonsense for a reply", |peer| {
            peer.send(environment("hold"));
            peer.line();
            send_endlessly(peer, b"What do you want?\n");
        });
        bads("hangups while waiting", |peer| {
            peer.send(environment("hold"));
            peer.line();
            send_endlessly(peer, b"HANGUP\n");
        });
        bads("hangups while sleeping", |peer| {
            peer.send(environment("sleep"));
            peer.answer("NOOP", "200 result=0");
            send_endlessly(peer, b"HANGUP\n");
        });
        bads("replies while sleeping", |peer| {
            peer.send(environment("sleep"));
            peer.answer("NOOP", "200 result=0");
            send_endlessly(peer, b"200 result=1\n");
        });
        bads("interim replies without end while waiting", |peer| {
            peer.send(environment("hold"));
            peer.line();
            send_endlessly(peer, b"100 Trying\n");
        });
        bads("interim replies without end while sleeping", |peer| {
            peer.send(environment("sleep"));
            peer.answer("NOOP", "200 result=0");
            send_endlessly(peer, b"100 Trying\n");
        });
        bads("a line without end while computing", |peer| {
            peer.send(environment("loop"));
            peer.answer("NOOP", "200 result=0");
            send_endlessly(peer, b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        });
        for bad in bad {
            let (name, ended) = bad.join().unwrap();
            assert!(ended < Duration::from_secs(25), "{name} ended after {ended:?} only");
        }
    });
    eprintln!("all bad peers were gone after {:?}", began.elapsed());
    neighbour.check("bad peers", Duration::from_millis(300));
    server.wait_idle();
    assert!(server.fds() <= fds + 1, "{} descriptors, {fds} before", server.fds());
    wait_until("its threads are gone", || server.threads() <= threads);
    let grown = server.rss().saturating_sub(rss);
    eprintln!("memory grew by {grown} KiB");
    assert!(grown < 40 * 1024, "{grown} KiB");
    server.check_well();
}

/// Sends this until the other end takes no more.
fn send_endlessly(peer: &mut Peer, piece: &[u8]) {
    let piece = piece.repeat(100);
    while peer.stream().write_all(&piece).is_ok() {}
}

#[test]
fn a_peer_that_does_not_read_takes_bounded_memory_and_can_be_ended() {
    let flood = "let t = \"x\"; while t.len() < 4096 { t += t; } loop { set_variable(\"X\", t); }";
    let folder = scripts([("flood.rhai", flood), NEIGHBOUR]);
    let mut server = Server::start(&folder, &[]);
    let neighbour = Neighbour::of(&server);
    let rss = server.rss();
    // It replies without reading, until the connection is full and nothing more is sent.
    let peer = server.call("flood");
    wait_until("it has begun", || server.column("flood.rhai", "COMMANDS").is_some());
    let commands = || server.column("flood.rhai", "COMMANDS").unwrap().parse().unwrap();
    let (mut answered, mut still) = (0, 0);
    while still < 20 {
        let sent: u64 = commands();
        still = if sent > answered { 0 } else { still + 1 };
        for _ in answered..sent {
            peer.stream().write_all(b"200 result=1\n").unwrap();
        }
        answered = sent;
        std::thread::sleep(Duration::from_millis(if still > 0 { 10 } else { 0 }));
    }
    assert!(answered > 10, "{answered} commands");
    let grown = server.rss().saturating_sub(rss);
    eprintln!("a peer that does not read: full after {answered} commands, memory grew by {grown} KiB");
    assert!(grown < 20 * 1024, "{grown} KiB");
    let id = server.column("flood.rhai", "ID").unwrap();
    let began = Instant::now();
    assert!(server.calls(&["end", &id]).status.success());
    wait_until("it is ended", || server.metric("agi_rhai_calls") == 1.0);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(peer);
    neighbour.check("a peer that does not read", Duration::from_millis(200));
    server.wait_idle();
    server.check_well();
}

#[test]
fn a_hangup_is_noticed_at_once() {
    let gone = "fn on_hangup() { verbose(\"gone\"); }";
    let doing = [
        ("sleep.rhai", "noop(); sleep(600);"),
        ("sleeps.rhai", "noop(); loop { try { [1].map(|x| sleep(600)) } catch { } }"),
        ("compute.rhai", "noop(); for i in 0..100000000000 { }"),
        ("call.rhai", "noop(); fn f(n) { if n > 0 { f(n - 1) } } loop { f(20); }"),
    ];
    let files: Vec<(&str, String)> = doing.iter().map(|(name, text)| (*name, format!("{text}\n{gone}"))).collect();
    let folder = scripts(files.iter().map(|(name, text)| (*name, text.as_str())));
    folder.file("scripts/wait.rhai", format!("noop(); wait_for_digit(600000); verbose(\"no\");\n{gone}"));
    let mut server = Server::start(&folder, &["--max-computing", "60"]);
    for script in ["sleep", "sleeps", "compute", "call", "wait"] {
        // The notice, and the end of the connection without one.
        for notified in [true, false] {
            let mut peer = server.call(script);
            peer.answer("NOOP", "200 result=0");
            if script == "wait" {
                peer.hears("WAIT FOR DIGIT 600000");
            } else {
                std::thread::sleep(Duration::from_millis(30));
            }
            let began = Instant::now();
            if notified {
                peer.send(if script == "wait" { "200 result=-1\nHANGUP\n" } else { "HANGUP\n" });
                if script == "wait" {
                    // A -1 has many causes.
                    peer.answer("CHANNEL STATUS", "511 Command Not Permitted on a dead channel");
                }
                peer.hears("VERBOSE \"gone\" 1");
                assert!(began.elapsed() < Duration::from_millis(500), "{script}: {:?}", began.elapsed());
                eprintln!("a hangup while it does {script}: {:?}", began.elapsed());
                peer.send("200 result=1\n");
                assert_eq!(peer.play().status(), "HANGUP");
            } else {
                drop(peer);
                server.wait_idle();
                assert!(began.elapsed() < Duration::from_secs(2), "{script}: {:?}", began.elapsed());
            }
        }
    }
    server.check_well();
}

#[test]
fn replies_in_two_packets_are_acknowledged_at_once() {
    let script = "for i in 0..40 { noop(); }\n\
                  for i in 0..15 { try { set_priority(\"no\"); } catch { } }\n\
                  for i in 0..15 { gosub(\"a\", \"b\", 1); }\n\
                  noop(); try { wait_for_digit(1000); } catch { }\n\
                  fn on_hangup() { for i in 0..15 { noop(); } }";
    let folder = scripts([("two.rhai", script)]);
    let server = Server::start(&folder, &[]);
    let mut peer = server.call("two");
    // Like Asterisk's sockets: a second piece is sent when the first has been acknowledged.
    peer.stream().set_nodelay(false).unwrap();
    let mut times = Vec::new();
    let mut two = |peer: &mut Peer, first: &str, second: &str| {
        let began = Instant::now();
        peer.send(first);
        peer.send(second);
        let line = peer.line();
        times.push(began.elapsed());
        line
    };
    peer.line();
    for _ in 0..40 {
        peer.send("200 result=0\n");
        peer.line();
    }
    for _ in 0..15 {
        two(
            &mut peer,
            "520-Invalid command syntax.  Proper usage follows:\n",
            " Usage: it\n520 End of proper usage.\n",
        );
    }
    for _ in 0..15 {
        two(&mut peer, "100 result=0 Trying...\n", "200 result=0 Gosub complete\n");
    }
    peer.send("200 result=0\n");
    peer.hears("WAIT FOR DIGIT 1000");
    let mut line = two(&mut peer, "HANGUP\n", "200 result=-1\n");
    while line.as_deref() == Some("NOOP") {
        line = two(&mut peer, "HANGUP\n", "200 result=0\n");
    }
    peer.send("200 result=1\n");
    peer.play();
    times.sort_unstable();
    let slow = times.iter().filter(|time| **time >= Duration::from_millis(30)).count();
    eprintln!(
        "{} replies in two pieces: half in {:?}, all in {:?}",
        times.len(),
        times[times.len() / 2],
        times[times.len() - 1]
    );
    assert!(times.len() >= 45, "{}", times.len());
    // A busy machine may delay some of them; the system's delayed acknowledgement would delay each.
    assert!(slow * 5 < times.len(), "{slow} of {} took as long as a delayed acknowledgement: {times:?}", times.len());
}

#[test]
fn connections_probe_silent_peers() {
    let folder = scripts([("hold.rhai", "wait_for_digit(600000);")]);
    let server = Server::start(&folder, &[]);
    let mut peer = server.call("hold");
    peer.hears("WAIT FOR DIGIT 600000");
    let (local, remote) = (server.address().port(), peer.stream().local_addr().unwrap().port());
    // The timers of a connection as the system shows them: 02 is keepalive's. Columns: local, remote, state, queues,
    // timer.
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = [local, remote].map(|port| format!("0100007F:{port:04X}"));
    let timer = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields[1..3] == ends).then(|| fields[5].to_owned())
    });
    let timer = timer.expect("the server's end of the connection");
    let (kind, when) = timer.split_once(':').unwrap();
    assert_eq!(kind, "02", "no keepalive: {timer}");
    let seconds = u64::from_str_radix(when, 16).unwrap() / 100;
    assert!((20..=31).contains(&seconds), "it is asked after {seconds} s");
}
