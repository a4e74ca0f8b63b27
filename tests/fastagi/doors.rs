//! Who may call, and which scripts can be requested.

use super::scripts;
use crate::support::process::Folder;
use crate::support::server::{Peer, Played, Server, environment, wait_until};
use agi_rhai::Host;
use agi_rhai::host::fastagi::{self, Admission};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

fn call_from(from: &str, server: &Server) -> Played {
    let mut peer = Peer::connect_from(from, server.address()).unwrap();
    peer.send(environment("a"));
    peer.play()
}

#[test]
fn only_peers_in_allowed_networks_may_call() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    let server = Server::start(&folder, &["--allow", "127.0.0.2/31,127.0.0.9"]);
    for from in ["127.0.0.2", "127.0.0.3", "127.0.0.9"] {
        assert_eq!(call_from(from, &server).status(), "SUCCESS", "{from}");
    }
    let began = Instant::now();
    for _ in 0..50 {
        for from in ["127.0.0.1", "127.0.0.4"] {
            let asked = Instant::now();
            let played = call_from(from, &server);
            assert!(played.lines.is_empty(), "{from}: {played:?}");
            assert!(asked.elapsed() < Duration::from_secs(1), "closed at once: {:?}", asked.elapsed());
        }
    }
    server.wait_for_log("connection from 127.0.0.1 closed: its address is in no network that may call (allow)");
    let logged = server.logged("is in no network that may call");
    let most = began.elapsed().as_secs() as usize + 1;
    assert!((1..=most).contains(&logged), "logged {logged} times in {:?}", began.elapsed());
    assert_eq!(server.metric("agi_rhai_calls_refused_total{reason=\"not_allowed\"}"), 100.0);
    assert_eq!(server.metric("agi_rhai_calls_started_total"), 3.0);
    // The next line counts the warnings that were suppressed.
    std::thread::sleep(Duration::from_millis(1010));
    call_from("127.0.0.1", &server);
    server.wait_for_log("more of the kind since the last line");
}

#[test]
fn by_default_only_this_machine_may_call() {
    let usual = Admission::default();
    for (address, may) in [
        ("127.0.0.1", true),
        ("127.255.0.9", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("::ffff:10.0.0.1", false),
        ("10.0.0.1", false),
        ("192.168.1.7", false),
        ("0.0.0.0", false),
        ("::", false),
        ("::2", false),
        ("fe80::1", false),
        ("2001:db8::1", false),
        // The old form, which isn't a loopback address.
        ("::127.0.0.1", false),
    ] {
        assert_eq!(usual.allows(address.parse().unwrap()), may, "{address}");
    }
    let folder = scripts([("a.rhai", "verbose(1);")]);
    let server = Server::start(&folder, &[]);
    assert_eq!(call_from("127.0.0.7", &server).status(), "SUCCESS");
    drop(server);
    let server = Server::start(&folder, &["--listen", "[::1]:0"]);
    assert!(server.address().is_ipv6());
    assert_eq!(server.status("a"), "SUCCESS");
}

#[test]
fn an_ipv4_address_mapped_to_ipv6_counts_as_ipv4() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    // Like a systemd socket for both families: peers over IPv4 have mapped addresses.
    let listener = TcpListener::bind("[::ffff:127.0.0.1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = Host::new();
    let (library, _) = host.library(&folder.path("scripts")).unwrap();
    let admission =
        Admission { allow: vec!["127.0.0.2/32".parse().unwrap()], max_calls_per_peer: Some(1), ..Admission::default() };
    let server = fastagi::Server::start(host, library, admission, vec![listener]).unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let call = |from| {
        let mut peer = Peer::connect_from(from, to).unwrap();
        peer.send(environment("a"));
        peer
    };
    assert!(call("127.0.0.1").play().lines.is_empty());
    let mut peer = call("127.0.0.2");
    peer.hears("VERBOSE \"1\" 1");
    assert_eq!(server.live()[0].peer.to_string(), "127.0.0.2");
    assert_eq!(call("127.0.0.2").play().status(), "BUSY", "the same address, however it is written");
    peer.send("200 result=1\n");
    assert_eq!(peer.play().status(), "SUCCESS");
    wait_until("the call has ended", || server.calls() == 0);
    server.join();
}

#[test]
fn a_request_cannot_reach_files_outside_the_folder() {
    let folder = scripts([("game.rhai", "verbose(\"game\");"), ("games/pin.rhai", "verbose(\"pin\");")]);
    let outside = "verbose(\"outside\");";
    for name in ["x.rhai", "scripts-of-others/x.rhai", "scripts.rhai", "elsewhere/x.rhai"] {
        folder.file(name, outside);
    }
    folder.file("scripts/.hidden.rhai", outside);
    folder.file("scripts/game.test.rhai", outside);
    folder.file("scripts/note.txt", outside);
    symlink(folder.path("x.rhai"), folder.path("scripts/link.rhai")).unwrap();
    symlink(folder.path("elsewhere"), folder.path("scripts/linked")).unwrap();
    symlink("../x.rhai", folder.path("scripts/games/up.rhai")).unwrap();
    symlink("game.rhai", folder.path("scripts/inside.rhai")).unwrap();
    let mut server = Server::start(&folder, &[]);
    for (name, said) in [
        ("game", "game"),
        ("game.rhai", "game"),
        ("game?x=1", "game"),
        ("%67ame", "game"),
        ("games%2Fpin", "pin"),
        ("games/pin.rhai?", "pin"),
        ("inside", "game"),
    ] {
        assert_eq!(server.call(name).play().said(), [said], "{name}");
    }
    let absolute = folder.path("x").to_str().unwrap().to_owned();
    let within = folder.path("scripts/game.rhai").to_str().unwrap().to_owned();
    let encoded = within.replace('/', "%2f");
    for name in [
        "",
        "?x=1",
        "?",
        ".",
        "..",
        "/",
        "//",
        "../x",
        "../x.rhai",
        "..%2fx",
        "%2e%2e%2fx",
        "%2e%2e/x.rhai",
        "%252e%252e%252fx",
        "..\\x",
        "games/../../x",
        "games/../game",
        "./game",
        "games/./pin",
        "games//pin",
        "/game",
        "game/",
        "game.rhai/",
        "games",
        "games/",
        "GAME",
        "Game.rhai",
        "game.RHAI",
        "../scripts-of-others/x",
        "../scripts",
        "link",
        "linked/x",
        "games/up",
        ".hidden",
        "game.test",
        "game.test.rhai",
        "note.txt",
        "note",
        "game%00",
        "game%00.rhai",
        "game.rhai%00x",
        "%00",
        "game%3fx=1",
        "%2567ame",
        "game%20",
        " game",
        "game\t",
        "%ff%fe",
        "g\u{e4}me",
        &absolute,
        &within,
        &encoded,
        &"a".repeat(10_000),
        &"../".repeat(2000),
    ] {
        let played = server.call(name).play();
        assert_eq!(played.status(), "NOTFOUND", "{name:?}: {played:?}");
        assert!(played.said().is_empty(), "{name:?}: {played:?}");
    }
    // `AGI(agi://host)` names no script.
    let mut peer = server.connect();
    peer.send(environment("x").replace("agi_network_script: x\n", ""));
    assert_eq!(peer.play().status(), "NOTFOUND");
    // No part of a requested name becomes a label.
    let page = server.page("/metrics").1;
    assert!(!page.contains("hidden") && page.contains("{script=\"\",status=\"NOTFOUND\"}"), "{page}");
    server.check_well();
}

#[test]
fn parameters_are_percent_decoded_once() {
    let script =
        "for name in params.keys() { verbose(`${name}=${params[name]}`); } for a in args { verbose(`<${a}>`); }";
    let folder = scripts([("echo.rhai", script)]);
    let server = Server::start(&folder, &[]);
    let check = |query: &str, expected: &[&str]| {
        let played = server.call(&format!("echo?{query}")).play();
        let mut said = played.said();
        said.retain(|text| *text != "<game.rhai>");
        assert_eq!(said, expected, "{query}: {played:?}");
    };
    check("", &[]);
    check("a=1&b=2", &["a=1", "b=2"]);
    check("to=+49301234&x=a+b", &["to=+49301234", "x=a+b"]);
    check("to=%2B49%20301", &["to=+49 301"]);
    check("a=%2525", &["a=%25"]);
    check("a=%26b%3D2", &["a=&b=2"]);
    check("a=1&a=2", &["a=2"]);
    check("a&b=", &["a=", "b="]);
    check("&&a=1&", &["a=1"]);
    check("a=b=c?d", &["a=b=c?d"]);
    check("a=%zz%4", &["a=%zz%4"]);
    check("a=%c3%a9", &["a=\u{e9}"]);
    check("n%61me=x", &["name=x"]);
}

#[test]
fn control_characters_from_a_caller_are_escaped_in_the_log_and_the_list() {
    let folder = Folder::new();
    folder.file("scripts/hold.rhai", "wait_for_digit(60000);");
    let server = Server::start(&folder, &["--log-level", "debug"]);
    let mut peer = server.connect();
    let evil = environment("hold")
        .replace("agi_callerid: 201", "agi_callerid: \u{1b}[31m9\t9")
        .replace("agi_channel: Local", "agi_channel: \u{1b}]0;x\u{7}Local");
    peer.send(evil);
    peer.hears("WAIT FOR DIGIT 60000");
    let list = server.list();
    assert_eq!(list.len(), 1, "{list:?}");
    assert!(list[0].contains("\\u{1b}[31m9\\t9"), "{list:?}");
    peer.send("200 result=0\n");
    peer.play();
    server.call("no\u{1b}[31m%0aERROR such").play();
    let mut bad = server.connect();
    bad.send("GET / HTTP/1.1\u{1b}[31m\r\n\n\n");
    bad.play();
    server.wait_for_log("no call from");
    server.wait_for_log("NOTFOUND");
    let log = server.log();
    assert!(!log.contains('\u{1b}') && !log.contains('\u{7}'), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("ERROR")), "{log}");
}
