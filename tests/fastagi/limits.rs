//! The maximum number of calls, and the calls beyond it.

use super::{NEIGHBOUR, Neighbour, scripts};
use crate::support::server::{Peer, Server, environment, many_descriptors, wait_until};
use std::time::{Duration, Instant};

const WAITS_FOR_KEY: (&str, &str) = ("hold.rhai", "wait_for_digit(60000); verbose(\"well\");");

/// Begins calls that wait for a key.
fn hold_calls(server: &Server, count: usize) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..count).map(|_| server.call("hold")).collect();
    for peer in &mut peers {
        peer.hears("WAIT FOR DIGIT 60000");
    }
    peers
}

/// Presses a key in each call and checks that it ends well.
#[track_caller]
fn end_calls_well(peers: Vec<Peer>) {
    for mut peer in peers {
        peer.send("200 result=0\n");
        let played = peer.play();
        assert_eq!((played.said(), played.status()), (vec!["well"], "SUCCESS"));
    }
}

#[test]
fn calls_beyond_the_maximum_are_answered_busy_at_once() {
    let folder = scripts([WAITS_FOR_KEY, NEIGHBOUR, ("loop.rhai", "for i in 0..1000000000 { }")]);
    let mut server = Server::start(&folder, &["--max-calls", "8", "--max-computing", "60"]);
    let neighbour = Neighbour::of(&server);
    let mut peers = hold_calls(&server, 5);
    // Two that compute all the time: one on each thread of a machine with two processors.
    let computing = [server.call("loop"), server.call("loop")];
    wait_until("all calls have begun", || server.metric("agi_rhai_calls") == 8.0);
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let began = Instant::now();
            let played = server.call("hold").play();
            let took = began.elapsed();
            assert_eq!(played.lines, ["SET VARIABLE \"AGI_RHAI_STATUS\" \"BUSY\""]);
            took
        })
        .collect();
    times.sort_unstable();
    eprintln!("BUSY while two compute: half in {:?}, 99 % in {:?}, all in {:?}", times[99], times[197], times[199]);
    assert!(times[99] < Duration::from_millis(50), "{:?}", times[99]);
    assert_eq!(server.metric("agi_rhai_calls_refused_total{reason=\"max_calls\"}"), 200.0);
    server.wait_for_log("turned away with BUSY");
    let logged = server.logged("turned away with BUSY: at most 8 calls at a time (max_calls)");
    assert!((1..=5).contains(&logged), "logged {logged} times");
    // There is room again as soon as a call has ended.
    for _ in 0..20 {
        let mut peer = peers.pop().unwrap();
        peer.send("200 result=0\n");
        assert_eq!(peer.play().status(), "SUCCESS");
        let mut peer = server.call("hold");
        peer.hears("WAIT FOR DIGIT 60000");
        peers.push(peer);
    }
    drop(computing);
    end_calls_well(peers);
    neighbour.check("a full server", Duration::from_millis(200));
    server.wait_idle();
    server.check_well();
}

#[test]
fn a_refused_call_is_closed_after_a_second() {
    let folder = scripts([WAITS_FOR_KEY]);
    let server = Server::start(&folder, &["--max-calls", "1"]);
    let peers = hold_calls(&server, 1);
    let before = server.fds();
    // They send nothing, half of the opening block, or nothing after it.
    let mut silent: Vec<Peer> = (0..300).map(|_| server.connect()).collect();
    for (number, peer) in silent.iter_mut().enumerate() {
        let environment = environment("hold");
        peer.send(&environment.as_bytes()[..[0, 100, environment.len()][number % 3]]);
    }
    let took = wait_until("all are closed", || server.fds() <= before);
    eprintln!("300 refused calls that do not answer: closed after {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(server.status("hold"), "BUSY");
    end_calls_well(peers);
}

#[test]
fn a_call_that_has_ended_frees_its_slot_before_its_connection_closes() {
    let folder = scripts([("a.rhai", "noop();")]);
    let server = Server::start(&folder, &["--max-calls", "1", "--max-calls-per-peer", "1"]);
    for number in 0..2_000 {
        // None is answered BUSY: the previous call has ended, and its slot is free.
        assert_eq!(server.status("a"), "SUCCESS", "call {number}");
    }
}

#[test]
fn max_calls_per_peer_limits_each_asterisk() {
    let folder = scripts([WAITS_FOR_KEY]);
    let server = Server::start(&folder, &["--max-calls", "5", "--max-calls-per-peer", "2"]);
    let call = |from: &str| {
        let mut peer = Peer::connect_from(from, server.address()).unwrap();
        peer.send(environment("hold"));
        peer
    };
    let hold = |from: &str| {
        let mut peer = call(from);
        peer.hears("WAIT FOR DIGIT 60000");
        peer
    };
    let mut peers = vec![hold("127.0.0.2"), hold("127.0.0.2"), hold("127.0.0.3")];
    assert_eq!(call("127.0.0.2").play().status(), "BUSY");
    server.wait_for_log(
        "call from 127.0.0.2 turned away with BUSY: at most 2 calls from one address (max_calls_per_peer)",
    );
    peers.push(hold("127.0.0.3"));
    assert_eq!(call("127.0.0.3").play().status(), "BUSY");
    peers.push(hold("127.0.0.4"));
    // One peer's share is used up, and then the whole server is full.
    assert_eq!(call("127.0.0.4").play().status(), "BUSY");
    assert_eq!(server.metric("agi_rhai_calls_refused_total{reason=\"max_calls_per_peer\"}"), 2.0);
    assert_eq!(server.metric("agi_rhai_calls_refused_total{reason=\"max_calls\"}"), 1.0);
    // Refused calls don't count.
    end_calls_well(vec![peers.remove(0)]);
    peers.push(hold("127.0.0.2"));
    end_calls_well(peers);
    server.wait_idle();
    let again: Vec<Peer> =
        ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3", "127.0.0.4"].into_iter().map(hold).collect();
    end_calls_well(again);
}

#[test]
fn thousands_of_calls_leak_nothing() {
    let folder = scripts([NEIGHBOUR]);
    let mut server = Server::start(&folder, &[]);
    // Memory that the first calls take once.
    for _ in 0..50 {
        server.status("none");
    }
    let (fds, threads, rss) = (server.fds(), server.threads(), server.rss());
    let neighbour = Neighbour::of(&server);
    for round in 0..8 {
        let peers: Vec<Peer> = (0..500).map(|_| server.connect()).collect();
        for (number, mut peer) in peers.into_iter().enumerate() {
            match (number + round) % 3 {
                0 => drop(peer),
                1 => peer.reset(),
                _ => peer.send("agi_network: yes\n"),
            }
        }
    }
    wait_until("only the neighbour call is left", || server.metric("agi_rhai_calls") == 1.0);
    neighbour.check("4,000 that come and go", Duration::from_millis(200));
    server.wait_idle();
    wait_until("descriptors are released", || server.fds() <= fds + 1);
    wait_until("its threads are gone", || server.threads() <= threads);
    let grown = server.rss().saturating_sub(rss);
    eprintln!("4,000 connections: memory grew from {rss} KiB by {grown} KiB");
    assert!(grown < 20 * 1024, "{grown} KiB");
    server.check_well();
}

#[test]
fn two_thousand_calls_wait_at_the_same_time() {
    const CALLS: usize = 2_000;
    many_descriptors();
    let folder = scripts([WAITS_FOR_KEY, NEIGHBOUR]);
    let mut server = Server::start(&folder, &[]);
    let before = server.rss();
    let neighbour = Neighbour::of(&server);
    let peers = hold_calls(&server, CALLS);
    assert_eq!(server.metric("agi_rhai_calls") as usize, CALLS + 1);
    assert_eq!(server.list().len(), CALLS + 1);
    // Longer than the time after which a waiting call returns memory.
    std::thread::sleep(Duration::from_millis(1500));
    let each = (server.rss() - before) / CALLS as u64;
    eprintln!("{CALLS} calls held: {each} KiB each");
    assert!(each < 100, "{each} KiB a call");
    end_calls_well(peers);
    neighbour.check("2,000 calls", Duration::from_millis(500));
    server.wait_idle();
    server.check_well();
}

#[test]
fn a_call_resumes_with_its_stack_intact() {
    // Each waits at a different depth, for longer than it takes until the unused part of its stack is returned.
    let script = "fn deep(n) { if n == 0 { wait_for_digit(60000); 0 } else { let a = [n, `${n}`]; \
                  let r = deep(n - 1) + a[0]; if a[1] != `${n}` { throw \"spoilt\" } r } }\n\
                  verbose(deep(params.n.parse_int()));";
    let folder = scripts([("deep.rhai", script)]);
    let mut server = Server::start(&folder, &[]);
    for _ in 0..2 {
        let mut peers: Vec<Peer> = (0..56).map(|depth| server.call(&format!("deep?n={depth}"))).collect();
        for peer in &mut peers {
            peer.hears("WAIT FOR DIGIT 60000");
        }
        std::thread::sleep(Duration::from_millis(1300));
        for (depth, mut peer) in peers.into_iter().enumerate() {
            peer.send("200 result=0\n");
            let played = peer.play();
            assert_eq!(played.said(), [(depth * (depth + 1) / 2).to_string()], "{played:?}");
        }
    }
    server.check_well();
}
