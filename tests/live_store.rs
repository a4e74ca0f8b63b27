//! The store on the real Asterisk: each backend over AGI and FastAGI, and a league that two servers share.

use crate::live::ends;
use crate::store::{ask, run, start_redis, store, stores};
use crate::support::asterisk::{Call, Ending, Running, asterisk};
use crate::support::backend::is_skipped;
use crate::support::machine::Server;
use crate::support::process::Folder;
use serde_json::json;
use std::fs;
use std::time::Duration;

/// Uses every function of the store. Its argument keeps the calls apart.
const SCRIPT: &str = r#"
    answer();
    let p = args[0];
    set_variable("NONE", store_get(p + "none") == ());
    store_put(p + "map", #{ list: [1, 2.5, "ä\n"], none: (), deep: #{ yes: true } });
    set_variable("MAP", to_json(store_get(p + "map")));
    store_put(p + "soon", "over", #{ expires: 0.3 });
    set_variable("SUMS", `${store_add(p + "n", 40)} ${store_add(p + "n", 2)} ${store_add(p + "f", 0.5)}`);
    set_variable("KEYS", store_keys(p).len());
    wait_for_digit(500);
    set_variable("SOON", store_get(p + "soon") == ());
    store_del(p + "map");
    set_variable("LEFT", to_json(store_keys(p)));
    for player in [["ann", 5], ["bob", 7], ["cid", 7], ["ann", 9], ["bob", 1]] {
        board_put(p, player[0], player[1]);
    }
    let top = "";
    for entry in board_top(p, 2) { top += `${entry.rank}. ${entry.name} ${entry.score}; `; }
    set_variable("TOP", top);
    set_variable("RANKS", `${board_rank(p, "bob")} ${board_rank(p, "cid")} ${board_rank(p, "dan") == ()}`);
    try { store_add(p + "map", "x"); } catch (e) { set_variable("KIND", e.kind); }
"#;

#[track_caller]
fn check(ending: &Ending, prefix: &str) {
    ends(ending, "SUCCESS", "SUCCESS", true);
    let found = |name: &str| ending.variables.get(name).map_or("", String::as_str);
    assert_eq!((found("NONE"), found("SOON"), found("KIND")), ("1", "1", "argument"));
    assert_eq!(found("MAP"), r#"{"deep":{"yes":true},"list":[1,2.5,"ä\n"],"none":null}"#);
    assert_eq!((found("SUMS"), found("KEYS")), ("40 42 0.5", "4"));
    assert_eq!(found("LEFT"), format!(r#"["{prefix}f","{prefix}n"]"#));
    assert_eq!((found("TOP"), found("RANKS")), ("1. ann 9; 2. bob 7; ", "2 2 true"));
}

#[test]
fn live_each_store_answers_over_agi_and_fastagi() {
    let asterisk = asterisk();
    asterisk.script("store.rhai", SCRIPT);
    for kept in stores() {
        // A process of Asterisk's sees only the folder of Asterisk, which is where its file is then.
        let mut settings = kept.settings.clone();
        let name = kept.name.to_lowercase();
        if kept.name == "SQLite" {
            let folder = asterisk.agi_dir().join("store");
            fs::create_dir_all(&folder).unwrap();
            settings = format!("url = 'sqlite:{}/one-shot.sqlite'", asterisk.inside(&folder));
        }
        let config = asterisk.agi_dir().join(format!("{name}.toml"));
        fs::write(&config, format!("[store]\n{settings}\n")).unwrap();
        let config = format!("--config={}", asterisk.inside(&config));
        eprintln!("on {} over AGI", kept.name);
        check(&asterisk.call(Call::request("agi-rhai", &[&config, "store.rhai", "one:"])).wait_end(), "one:");

        eprintln!("on {} over FastAGI", kept.name);
        let folder = Folder::new();
        let config = folder.file("agi-rhai.toml", format!("[store]\n{}\n", kept.settings));
        let server = Server::start(&["--config", &config]);
        server.script("store.rhai", SCRIPT);
        check(&asterisk.call(Call::request(&server.url("store.rhai"), &["fast:"])).wait_end(), "fast:");
        if kept.name != "SQLite" {
            // Both used the same store.
            let keys = run(ask(&kept.store, "store_keys", json!({ "prefix": "" }))).unwrap();
            assert_eq!(keys, json!(["fast:f", "fast:n", "one:f", "one:n"]));
        }
    }
}

/// Plays the league: the first sum is answered rightly, the others not at all.
fn play(call: &mut Running) -> i64 {
    let number = |command: String| -> i64 { command.split(' ').nth(2).unwrap().parse().unwrap() };
    call.wait_for("STREAM FILE \"subtraction-game-next\"");
    let big = number(call.wait_for("SAY NUMBER"));
    let small = number(call.wait_for("SAY NUMBER"));
    call.wait_for("GET DATA \"subtraction-game-equals\"");
    call.type_keys(&format!("{}#", big - small), Duration::from_millis(120));
    call.wait_for("STREAM FILE \"subtraction-game-good\"");
    call.wait_for("STREAM FILE \"subtraction-game-timesup\"");
    let score = number(call.wait_for("SAY NUMBER"));
    assert_eq!(score, 1);
    score
}

#[test]
fn live_two_servers_share_a_league() {
    let redis = match start_redis(&["--requirepass", "geheim"]) {
        Ok(redis) => redis,
        lack => return assert!(is_skipped("live_two_servers_share_a_league", lack.map(drop))),
    };
    let folder = Folder::new();
    folder.file("password", "geheim\n");
    let password = folder.path("password");
    let settings = format!("url = 'redis://127.0.0.1:{}/0'\npassword_file = '{}'", redis.port, password.display());
    let config = folder.file("agi-rhai.toml", format!("[store]\n{settings}\n"));
    let servers = [Server::start(&["--config", &config]), Server::start(&["--config", &config])];
    let place = |server: &Server, number: &str| {
        let request = server.url("subtraction-league.rhai");
        asterisk().call(Call::request(&request, &["5"]).caller_id(&format!("Player <{number}>")))
    };
    let mut first = place(&servers[0], "7401");
    play(&mut first);
    ends(&first.wait_end(), "SUCCESS", "SUCCESS", true);

    // The other server knows who leads, and that this player is as good.
    let mut second = place(&servers[1], "7402");
    second.wait_for("STREAM FILE \"league-best\"");
    second.wait_for("SAY DIGITS \"7401\"");
    play(&mut second);
    second.wait_for("STREAM FILE \"league-place\"");
    second.wait_for("SAY NUMBER 1 ");
    second.wait_for("SAY DIGITS \"7401\"");
    second.wait_for("SAY DIGITS \"7402\"");
    ends(&second.wait_end(), "SUCCESS", "SUCCESS", true);
    let store = store(&settings).unwrap();
    let top = run(ask(&store, "board_top", json!({ "board": "subtraction", "n": 9 }))).unwrap();
    let entry = |name: &str| json!({ "rank": 1, "name": name, "score": 1 });
    assert_eq!(top, json!([entry("7401"), entry("7402")]));

    // Redis goes down: the game goes on without the league.
    redis.kill();
    let mut third = place(&servers[0], "7403");
    play(&mut third);
    third.wait_for("STREAM FILE \"vm-goodbye\"");
    ends(&third.wait_end(), "SUCCESS", "SUCCESS", true);
    let log = servers[0].log();
    assert!(log.contains("board_put") && !log.contains("geheim"), "{log}");
}
