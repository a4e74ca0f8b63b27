//! Good and bad peers at once for a while, after which nothing leaks. `AGI_RHAI_SOAK` sets the length in seconds.

use super::{NEIGHBOUR, Neighbour, scripts};
use crate::support::server::{Peer, Server, environment, wait_until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

const PEERS: usize = 24;

/// Plays one call. Good calls are checked; bad ones only have to end.
fn play(server: &Server, kind: usize, seed: usize) -> bool {
    let environment = environment(["good", "deep", "busy", "fault"][seed % 4]);
    let mut peer = server.connect();
    match kind % 12 {
        0 => drop(peer),
        1 => peer.reset(),
        2 => peer.send(&environment.as_bytes()[..seed % environment.len()]),
        3 => peer.send("GET / HTTP/1.1\r\n\r\n\n\n"),
        4 => {
            peer.send(&environment);
            drop(peer);
        }
        5 => {
            peer.send(&environment);
            peer.line();
            peer.send("200 resu");
            peer.reset();
        }
        6 => {
            peer.send(&environment);
            peer.line();
            for _ in 0..200 {
                peer.send("HANGUP\n");
            }
            peer.play();
        }
        7 => {
            peer.send(&environment);
            peer.line();
            peer.send("HANGUP\n200 result=0\n");
            let played = peer.play_with(|_| Some("511 Command Not Permitted on a dead channel".to_owned()));
            assert!(!played.lines.is_empty());
        }
        kind => {
            let script = ["good", "deep", "busy", "fault"][kind % 4];
            peer.send(self::environment(script));
            let played = peer.play();
            let expected = if script == "fault" { "FAILURE" } else { "SUCCESS" };
            assert_eq!(played.status(), expected, "{script}: {played:?}");
            return true;
        }
    }
    false
}

#[test]
fn a_mix_of_good_and_bad_peers_leaks_nothing() {
    let seconds = std::env::var("AGI_RHAI_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let folder = scripts([
        NEIGHBOUR,
        (
            "good.rhai",
            "answer(); stream_file(\"a\"); let x = get_data(\"b\", 100, 3); sleep(0.005); verbose(x);\n\
                       fn on_hangup() { verbose(\"gone\"); }",
        ),
        (
            "deep.rhai",
            "fn f(n) { if n == 0 { noop(); 0 } else { let a = [n, \"x\"]; f(n - 1) + a[0] } } verbose(f(40));",
        ),
        ("busy.rhai", "noop(); let a = []; for i in 0..500 { a.push(`${i}`); } state.a = a; verbose(state.a.len());"),
        ("fault.rhai", "noop(); let a = [1]; a.map(|x| no_such(x));"),
    ]);
    let mut server = Server::start(&folder, &[]);
    let (over, good, bad) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut before = (0, 0, 0);
    std::thread::scope(|scope| {
        for number in 0..PEERS {
            let (server, over, good, bad) = (&server, &over, &good, &bad);
            scope.spawn(move || {
                let mut seed = number;
                while !over.load(Relaxed) {
                    seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
                    let count = if play(server, seed >> 8, seed >> 4) { good } else { bad };
                    count.fetch_add(1, Relaxed);
                    std::thread::sleep(Duration::from_millis(3));
                }
            });
        }
        // By then everything that is allocated once has been.
        std::thread::sleep(Duration::from_secs(2));
        before = (server.rss(), server.fds(), server.threads());
        let neighbour = Neighbour::of(&server);
        let (mut round, began) = (0, Instant::now());
        while began.elapsed() < Duration::from_secs(seconds) {
            round += 1;
            folder.file("scripts/edited.rhai", format!("verbose({round}); // {}", "x".repeat(round % 100)));
            std::thread::sleep(Duration::from_millis(150));
            assert_eq!(server.page("/healthz").0, 200);
            server.list();
        }
        over.store(true, Relaxed);
        neighbour.check("everything", Duration::from_millis(300));
    });
    server.wait_idle();
    wait_until("its descriptors are released", || server.fds() <= before.1);
    let (rss, fds, threads) = before;
    wait_until("its threads are gone", || server.threads() <= threads);
    let (good, bad) = (good.into_inner(), bad.into_inner());
    let grown = server.rss().saturating_sub(rss);
    eprintln!(
        "{good} good calls and {bad} bad ones: memory grew from {rss} KiB by {grown} KiB, {fds} descriptors before, {} after",
        server.fds()
    );
    assert!(good > 50 && bad > 50);
    assert!(grown < 8 * 1024, "{grown} KiB");
    let sum = |name: &str| -> f64 {
        let page = server.page("/metrics").1;
        let counts = page.lines().filter(|line| line.starts_with(name)).map(|line| line.rsplit(' ').next().unwrap());
        counts.map(|count| count.parse::<f64>().unwrap()).sum()
    };
    wait_until("every call has ended", || sum("agi_rhai_calls_started_total ") == sum("agi_rhai_calls_ended_total{"));
    server.check_well();
    let mut last: Peer = server.call("good");
    assert!(last.line().is_some());
}
