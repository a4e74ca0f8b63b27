//! AsyncAGI on a real Asterisk, while connections are cut, servers die, and Asterisk itself restarts: nothing is lost, and
//! nothing is played twice.

use crate::http::tls::Authority;
use crate::support::asterisk::{Asterisk, Call, Crowd, Ending, Message, free_port};
use crate::support::cutter::{Cut, Cutter, From};
use crate::support::process::Folder;
use crate::support::server::Server;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How long the end of a call may take whose server is gone.
const ORPHANED: Duration = Duration::from_secs(5);

const PATIENCE: Duration = Duration::from_secs(30);

/// A script that asks, plays, keeps values, and is confused if a value comes late.
const SCRIPT: &str = r#"
    print(`begun ${env.agi_uniqueid}`);
    answer();
    set_variable("STEP", "one");
    database_put("chaos", env.agi_uniqueid, args[0]);
    get_data("beep", 300, 1);
    set_variable("STEP", "two");
    stream_file("beep");
    let step = get_variable("STEP");
    if step != "two" { throw `the step is ${step}`; }
    set_variable("STEP", "three");
    if get_variable("STEP") != "three" { throw "the step is not three"; }
    // None of these waits for a reply, so the connection may be away between them.
    for n in 0..8 { set_variable("STEP", n); sleep(0.03); }
    if get_variable("STEP") != "7" { throw `the step is ${get_variable("STEP")}, not 7`; }
    set_variable("STEP", "done");
    print(`ended ${env.agi_uniqueid}`);
"#;

/// A folder with scripts, and the settings of managers on these ports.
fn folder(asterisk: &Asterisk, ports: &[u16], scripts: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    for (name, text) in scripts {
        folder.file(&format!("scripts/{name}.rhai"), text);
    }
    let (_, user, secret) = asterisk.manager();
    folder.file("secret", secret);
    let managers = ports.iter().enumerate().map(|(number, port)| {
        format!("[manager.pbx{number}]\naddress = \"127.0.0.1:{port}\"\nuser = \"{user}\"\nsecret_file = \"secret\"\n")
    });
    folder.file("agi-rhai.toml", managers.collect::<String>());
    folder
}

/// Starts a server, and waits until it has logged in.
fn serve(folder: &Folder, options: &[&str]) -> Server {
    let config = folder.path("agi-rhai.toml");
    let server = Server::start(folder, &[&["--config", config.to_str().unwrap()], options].concat());
    server.wait_for_log("logged in to the Asterisk");
    server
}

fn async_call(script: &str, args: &[&str]) -> Call {
    Call::request("agi:async", &[&[script], args].concat())
}

/// Returns what the dialplan saw after AGI: AGISTATUS and AGI_RHAI_STATUS.
fn seen(ending: &Ending) -> &str {
    let step = ending.steps.iter().find_map(|step| step.split_once("the dialplan goes on: "));
    step.map_or("", |(_, words)| words.trim_end_matches(')'))
}

/// Returns the unique ids of the channels that are in AsyncAGI.
fn in_agi(asterisk: &Asterisk) -> Vec<String> {
    let mut ami = asterisk.ami();
    ami.action("CoreShowChannels", &[]);
    let mut found = Vec::new();
    while let Some(event) =
        ami.event(Duration::from_secs(5), |event: &Message| event.get("Event").starts_with("CoreShow"))
    {
        if event.is("CoreShowChannelsComplete") {
            break;
        }
        if event.get("ApplicationData").starts_with("agi:async") {
            found.push(event.get("Uniqueid").to_owned());
        }
    }
    found
}

/// Counts how often each call is in the logs of these servers with this word.
fn logged(word: &str, servers: &[&Server]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for server in servers {
        for line in server.log().lines() {
            if let Some((_, rest)) = line.split_once(&format!(" {word} game-")) {
                let id: String = rest.chars().take_while(char::is_ascii_digit).collect();
                *found.entry(format!("game-{id}")).or_default() += 1;
            }
        }
    }
    found
}

/// Reads events until the condition holds.
#[track_caller]
fn listen_until(crowd: &mut Crowd, server: &Server, what: &str, so: impl Fn(&Crowd) -> bool) {
    let begun = Instant::now();
    while !so(crowd) {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}. The server's log:\n{}", server.log());
        crowd.listen(Duration::from_millis(20));
    }
}

/// Waits until nothing more is written to the logs.
fn settle(servers: &[&Server]) {
    let length = || servers.iter().map(|server| server.log().len()).sum::<usize>();
    let mut before = 0;
    while before != length() {
        before = length();
        thread::sleep(Duration::from_millis(300));
    }
}

/// Checks that each call was begun once, and that the dialplan knows which scripts came to their end.
#[track_caller]
fn check_each_is_played_once(crowd: &mut Crowd, endings: &[Ending], servers: &[&Server]) -> (usize, usize) {
    settle(servers);
    let (begun, ended) = (logged("begun", servers), logged("ended", servers));
    let (mut whole, mut lost) = (0, 0);
    let mut wrong = Vec::new();
    for (member, ending) in crowd.members().iter().zip(endings) {
        let id = member.unique_id();
        let (begun, ended) = (begun.get(id).copied().unwrap_or(0), ended.get(id).copied().unwrap_or(0));
        let is_right = match seen(ending) {
            "SUCCESS SUCCESS" => begun == 1 && ended == 1 && ending.variables["STEP"] == "done",
            "SUCCESS LOST" => begun <= 1 && ended == 0,
            _ => false,
        };
        whole += usize::from(ended == 1);
        lost += usize::from(ended == 0);
        if !is_right {
            wrong.push(format!("{id}: begun {begun}, ended {ended}, {:?}, {:?}", seen(ending), ending.variables));
        }
    }
    assert!(wrong.is_empty(), "{} of {} calls: {wrong:#?}\n{}", wrong.len(), endings.len(), servers[0].log());
    (whole, lost)
}

/// Counts the cuts by the first line of the message there, and the command of an action.
fn cuts_by_kind(cutter: &Cutter) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for (_, message, _) in cutter.cuts() {
        let command = message.lines().find_map(|line| line.strip_prefix("Command: "));
        let first = message.lines().next().unwrap_or_default().to_owned();
        *kinds.entry(first).or_default() += 1;
        if let Some(command) = command {
            let verb: Vec<&str> = command.split(' ').take(2).collect();
            *kinds.entry(format!("Command: {}", verb.join(" "))).or_default() += 1;
        }
    }
    kinds
}

#[test]
fn live_a_connection_that_is_cut_anywhere_loses_no_call_and_plays_none_twice() {
    const CALLS: usize = 1000;
    const AT_A_TIME: usize = 120;
    const CUTS: usize = 120;
    /// Longer than a call takes that begins then.
    const CALL: Duration = Duration::from_secs(6);
    const MOMENTS: [&str; 9] = [
        "Event: AsyncAGIStart",
        "Command: NOOP",
        "Command: SET VARIABLE \"AGI_RHAI_CALL",
        "Command: ANSWER",
        "Command: GET DATA",
        "Command: STREAM FILE",
        "Result: 200%20result%3D%20(timeout)",
        "Command: ASYNCAGI BREAK",
        "Event: AsyncAGIEnd",
    ];
    let asterisk = Asterisk::start();
    let cutter = Cutter::to(asterisk.manager().0, |number| {
        let any = [From::Asterisk, From::Server, From::Events, From::Server, From::List];
        // Every third connection lasts long enough for calls to begin.
        let (from, at) = match number % 3 {
            2 => (From::With(MOMENTS[number / 3 % MOMENTS.len()]), 15 + number / 2),
            _ => (any[number % any.len()], 1 + number * 2 / 3),
        };
        let cut = Cut { at, from, half: number % 2 == 0, reset: number % 5 == 0 };
        (number < CUTS).then_some(cut)
    });
    let folder = folder(&asterisk, &[cutter.port], &[("chaos", SCRIPT)]);
    let server = serve(&folder, &[]);
    let begun = Instant::now();
    let mut crowd = asterisk.crowd();
    for number in 0..CALLS {
        assert!(begun.elapsed() < Duration::from_secs(120), "calls are stuck: {}", server.log());
        crowd.place(&async_call("chaos", &[&number.to_string()]));
        listen_until(&mut crowd, &server, "there is room", |crowd| {
            crowd.members().iter().filter(|member| !member.has_ended()).count() < AT_A_TIME
        });
    }
    let last = cutter.cuts().last().unwrap().2;
    while last.elapsed() < ORPHANED + CALL {
        crowd.listen(Duration::from_millis(100));
    }
    assert_eq!(in_agi(&asterisk), Vec::<String>::new(), "{}", server.log());
    let endings = crowd.endings();
    let (whole, lost) = check_each_is_played_once(&mut crowd, &endings, &[&server]);
    assert!(whole >= CALLS / 5 && lost >= CALLS / 50, "{whole} whole, {lost} lost");
    let count = |status: &str| {
        server.metric(&format!("agi_rhai_calls_ended_total{{script=\"chaos.rhai\",status=\"{status}\"}}"))
    };
    assert_eq!((count("SUCCESS"), count("LOST")), (whole as f64, lost as f64));
    let kinds = cuts_by_kind(&cutter);
    let met = |what: &str| cutter.cuts().iter().any(|(_, message, _)| message.contains(what));
    assert!(MOMENTS.iter().all(|what| met(what)), "not at every moment: {kinds:#?}");
}

/// A script that plays beeps one after the other.
const BEEPS: &str = r#"
    print(`begun ${env.agi_uniqueid}`);
    answer();
    for i in 0..to_number(args[0], 10) { stream_file("beep"); set_variable("BEEPS", i + 1); }
    set_variable("STEP", "done");
    print(`ended ${env.agi_uniqueid}`);
"#;
/// A script that asks, and one that plays for six seconds.
const ASKS: &str = r#"
    print(`begun ${env.agi_uniqueid}`);
    answer();
    set_variable("KEY", get_data("demo-congrats", 20000, 1));
    set_variable("STEP", "done");
    print(`ended ${env.agi_uniqueid}`);
"#;
const PLAYS: &str = r#"
    print(`begun ${env.agi_uniqueid}`);
    answer();
    stream_file("silence/6");
    set_variable("STEP", "done");
    print(`ended ${env.agi_uniqueid}`);
"#;

/// Places calls of one script. Returns their numbers.
fn place(crowd: &mut Crowd, count: usize, script: &str, args: &[&str]) -> Vec<usize> {
    (0..count).map(|_| crowd.place(&async_call(script, args))).collect()
}

/// Whether all of these calls have come to a command that begins like this, this often.
fn have_come(crowd: &Crowd, calls: &[usize], command: &str, times: usize) -> bool {
    calls
        .iter()
        .all(|&call| crowd.members()[call].commands().filter(|found| found.starts_with(command)).count() >= times)
}

fn have_ended(crowd: &Crowd, calls: &[usize]) -> bool {
    calls.iter().all(|&call| crowd.members()[call].has_ended())
}

#[track_caller]
fn all_see(crowd: &Crowd, calls: &[usize], what: &str, server: &Server) {
    for &call in calls {
        let ending = crowd.members()[call].ending();
        assert_eq!(seen(&ending), what, "{}: {ending:#?}\n{}", crowd.members()[call].unique_id(), server.log());
    }
}

#[test]
fn live_without_a_connection_prompts_and_questions_go_on_and_new_calls_wait() {
    let asterisk = Asterisk::start();
    let cutter = Cutter::whole(asterisk.manager().0);
    let folder = folder(&asterisk, &[cutter.port], &[("plays", PLAYS), ("asks", ASKS), ("beeps", BEEPS)]);
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let asks = place(&mut crowd, 10, "asks", &[]);
    let plays = place(&mut crowd, 10, "plays", &[]);
    listen_until(&mut crowd, &server, "all are in the middle", |crowd| {
        have_come(crowd, &asks, "GET DATA", 1) && have_come(crowd, &plays, "STREAM FILE", 1)
    });
    cutter.close();
    crowd.listen(Duration::from_secs(1));
    let late = place(&mut crowd, 5, "beeps", &["2"]);
    crowd.listen(Duration::from_secs(2));
    assert!(server.logged("no connection to 127.0.0.1") == 1, "{}", server.log());
    cutter.open();
    listen_until(&mut crowd, &server, "it logs in again", |_| server.logged("logged in to the Asterisk") == 2);
    let begun = Instant::now();
    for (number, &call) in asks.iter().enumerate() {
        crowd.press(call, &number.to_string());
    }
    listen_until(&mut crowd, &server, "all end", |crowd| have_ended(crowd, &[&asks[..], &plays, &late].concat()));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let endings = crowd.endings();
    assert_eq!(check_each_is_played_once(&mut crowd, &endings, &[&server]), (25, 0));
    for (number, &call) in asks.iter().enumerate() {
        assert_eq!(endings[call].variables["KEY"], number.to_string());
    }
}

#[test]
fn live_a_server_that_is_killed_and_started_again_ends_its_orphans_and_plays_what_waits() {
    let asterisk = Asterisk::start();
    let folder = folder(&asterisk, &[asterisk.manager().0], &[("beeps", BEEPS), ("chaos", SCRIPT)]);
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let orphans = place(&mut crowd, 20, "beeps", &["100"]);
    listen_until(&mut crowd, &server, "all play", |crowd| have_come(crowd, &orphans, "STREAM FILE", 2));
    drop(server);
    let waiting = place(&mut crowd, 10, "chaos", &["x"]);
    crowd.listen(Duration::from_secs(1));
    assert_eq!(in_agi(&asterisk).len(), 30);
    let server = serve(&folder, &[]);
    let begun = Instant::now();
    listen_until(&mut crowd, &server, "the orphans end", |crowd| have_ended(crowd, &orphans));
    assert!(begun.elapsed() < ORPHANED, "{:?}", begun.elapsed());
    all_see(&crowd, &orphans, "SUCCESS LOST", &server);
    assert_eq!(server.logged("had lost its server"), 20, "{}", server.log());
    let endings = crowd.endings();
    all_see(&crowd, &waiting, "SUCCESS SUCCESS", &server);
    assert!(waiting.iter().all(|&call| endings[call].variables["STEP"] == "done"));
    settle(&[&server]);
    assert_eq!(logged("begun", &[&server]).len(), 10, "{}", server.log());
    assert!(logged("begun", &[&server]).values().all(|&times| times == 1), "{}", server.log());
}

#[test]
fn live_two_servers_share_the_calls_and_take_over_from_one_another() {
    let asterisk = Asterisk::start();
    let scripts = [("beeps", BEEPS), ("chaos", SCRIPT)];
    let folders = [(); 2].map(|()| folder(&asterisk, &[asterisk.manager().0], &scripts));
    let first = serve(&folders[0], &["--drain", "60s"]);
    let second = serve(&folders[1], &[]);

    // Each call is played by one of them.
    let mut crowd = asterisk.crowd();
    for _ in 0..4 {
        let some = place(&mut crowd, 50, "chaos", &["x"]);
        listen_until(&mut crowd, &first, "they end", |crowd| have_ended(crowd, &some));
    }
    let endings = crowd.endings();
    assert_eq!(check_each_is_played_once(&mut crowd, &endings, &[&first, &second]), (200, 0));
    let shares = [&first, &second].map(|server| logged("begun", &[server]).len());
    assert!(shares.iter().all(|share| *share >= 10), "{shares:?}");

    // One is killed: the other plays new calls at once, and ends those of the dead one.
    let calls = place(&mut crowd, 40, "beeps", &["12"]);
    listen_until(&mut crowd, &first, "all play", |crowd| have_come(crowd, &calls, "STREAM FILE", 2));
    settle(&[&first, &second]);
    let of_first = logged("begun", &[&first]);
    let (orphans, others): (Vec<usize>, Vec<usize>) =
        calls.iter().copied().partition(|&call| of_first.contains_key(crowd.members()[call].unique_id()));
    assert!(!orphans.is_empty() && !others.is_empty(), "all are on one server");
    drop(first);
    let begun = Instant::now();
    let new = place(&mut crowd, 5, "beeps", &["1"]);
    listen_until(&mut crowd, &second, "new ones begin", |crowd| have_come(crowd, &new, "STREAM FILE", 1));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    listen_until(&mut crowd, &second, "orphans end", |crowd| have_ended(crowd, &orphans));
    assert!(begun.elapsed() < ORPHANED, "{:?}", begun.elapsed());
    all_see(&crowd, &orphans, "SUCCESS LOST", &second);
    listen_until(&mut crowd, &second, "all end", |crowd| have_ended(crowd, &calls));
    all_see(&crowd, &others, "SUCCESS SUCCESS", &second);

    // One is stopped: its calls go on to their end, and the other one takes the new ones.
    let mut first = serve(&folders[0], &["--drain", "60s"]);
    // Whose claim comes first is chance: the other server may have been faster for many of them.
    let mut calls = Vec::new();
    while logged("begun", &[&first]).is_empty() {
        assert!(calls.len() < 200, "{}", first.log());
        calls.extend(place(&mut crowd, 20, "beeps", &["12"]));
        listen_until(&mut crowd, &first, "all play", |crowd| have_come(crowd, &calls, "STREAM FILE", 2));
        settle(&[&first]);
    }
    first.signal(Signal::TERM);
    first.wait_for_log("stopping: no new calls");
    settle(&[&first, &second]);
    let before = logged("begun", &[&first]).len();
    assert!(before > 0, "{}", first.log());
    let new = place(&mut crowd, 10, "beeps", &["1"]);
    listen_until(&mut crowd, &second, "all end", |crowd| have_ended(crowd, &[&calls[..], &new].concat()));
    all_see(&crowd, &[&calls[..], &new].concat(), "SUCCESS SUCCESS", &second);
    assert_eq!(first.wait(), Some(0), "{}", first.log());
    assert_eq!((logged("begun", &[&first]).len(), logged("ended", &[&first]).len()), (before, before));

    // One without room leaves calls to the other.
    let small = serve(&folders[0], &["--max-calls", "1"]);
    let calls = place(&mut crowd, 8, "beeps", &["6"]);
    listen_until(&mut crowd, &second, "all end", |crowd| have_ended(crowd, &calls));
    all_see(&crowd, &calls, "SUCCESS SUCCESS", &second);
    assert!(logged("begun", &[&small]).len() <= 3, "{}", small.log());
    // Alone, it turns them away.
    drop(second);
    let calls = place(&mut crowd, 8, "beeps", &["12"]);
    listen_until(&mut crowd, &small, "all end", |crowd| have_ended(crowd, &calls));
    let count = |what: &str| calls.iter().filter(|&&call| seen(&crowd.members()[call].ending()) == what).count();
    assert_eq!((count("SUCCESS SUCCESS"), count("SUCCESS BUSY")), (1, 7), "{}", small.log());
}

#[test]
fn live_one_server_takes_calls_of_two_asterisks_and_by_fastagi() {
    let asterisks = [Asterisk::start(), Asterisk::start()];
    let folder = folder(&asterisks[0], &[], &[("chaos", SCRIPT)]);
    for asterisk in &asterisks {
        asterisk.configure("manager.conf", |text| {
            format!("{text}\n[games]\nsecret = two asterisks\nread = agi\nwrite = agi,reporting\n")
        });
        asterisk.cli("manager reload");
    }
    let managers = asterisks.each_ref().map(|asterisk| format!("games@127.0.0.1:{}", asterisk.manager().0)).join(",");
    let server = Server::launch(&folder, &["--manager", &managers], |command| {
        command.env("AGI_RHAI_MANAGER_SECRET", "two asterisks");
    });
    server.wait_ready();
    wait_for_logins(&server, 2);
    let fastagi = format!("agi://{}/chaos", server.address());
    let mut crowds = asterisks.each_ref().map(Asterisk::crowd);
    for crowd in &mut crowds {
        place(crowd, 15, "chaos", &["x"]);
        for _ in 0..5 {
            crowd.place(&Call::request(&fastagi, &["x"]));
        }
    }
    let mut played = 0;
    for crowd in &mut crowds {
        let endings = crowd.endings();
        played += check_each_is_played_once(crowd, &endings, &[&server]).0;
    }
    assert_eq!(played, 40);
    assert_eq!(server.metric("agi_rhai_calls_ended_total{script=\"chaos.rhai\",status=\"SUCCESS\"}"), 40.0);
}

#[track_caller]
fn wait_for_logins(server: &Server, count: usize) {
    let begun = Instant::now();
    while server.logged("logged in to the Asterisk") < count {
        assert!(begun.elapsed() < PATIENCE, "not {count} logins: {}", server.log());
        thread::sleep(Duration::from_millis(10));
    }
}

/// Adds a manager user for servers, with this secret, or none without.
fn set_user(asterisk: &Asterisk, secret: Option<&str>) {
    asterisk.configure("manager.conf", |text| {
        let kept = text.split("\n[games]").next().unwrap().to_owned();
        let user = secret.map(|secret| format!("\n[games]\nsecret = {secret}\nread = agi\nwrite = agi,reporting\n"));
        format!("{kept}{}", user.unwrap_or_default())
    });
    asterisk.cli("manager reload");
}

#[test]
fn live_a_restart_of_asterisk_needs_nobody() {
    let asterisk = Asterisk::start();
    let folder = folder(&asterisk, &[asterisk.manager().0], &[("asks", ASKS), ("chaos", SCRIPT)]);
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let calls = place(&mut crowd, 10, "asks", &[]);
    listen_until(&mut crowd, &server, "all ask", |crowd| have_come(crowd, &calls, "GET DATA", 1));
    asterisk.remote("core restart now");
    wait_for_logins(&server, 2);
    let count = |status: &str| {
        server.metric(&format!("agi_rhai_calls_ended_total{{script=\"asks.rhai\",status=\"{status}\"}}"))
    };
    assert_eq!((count("HANGUP") + count("LOST"), count("SUCCESS")), (10.0, 0.0), "{}", server.log());
    asterisk.wait_up();
    let mut crowd = asterisk.crowd();
    let calls = place(&mut crowd, 10, "chaos", &["x"]);
    listen_until(&mut crowd, &server, "new calls end", |crowd| have_ended(crowd, &calls));
    all_see(&crowd, &calls, "SUCCESS SUCCESS", &server);
    server.wait_idle();
}

#[test]
fn live_a_manager_that_is_taken_out_and_back_takes_calls_at_once() {
    let asterisk = Asterisk::start();
    let folder = folder(&asterisk, &[asterisk.manager().0], &[("asks", ASKS)]);
    let text = std::fs::read_to_string(folder.path("agi-rhai.toml")).unwrap();
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let calls = place(&mut crowd, 1, "asks", &[]);
    listen_until(&mut crowd, &server, "the first one asks", |crowd| have_come(crowd, &calls, "GET DATA", 1));
    folder.file("agi-rhai.toml", "");
    server.wait_for_log("manager.pbx0: takes no more calls");
    folder.file("agi-rhai.toml", &text);
    server.wait_for_log("manager.pbx0: takes calls again");
    let more = place(&mut crowd, 1, "asks", &[]);
    listen_until(&mut crowd, &server, "the second one asks", |crowd| have_come(crowd, &more, "GET DATA", 1));
    for call in calls.iter().chain(&more) {
        crowd.press(*call, "1");
    }
    listen_until(&mut crowd, &server, "both end", |crowd| have_ended(crowd, &calls) && have_ended(crowd, &more));
    all_see(&crowd, &calls, "SUCCESS SUCCESS", &server);
    all_see(&crowd, &more, "SUCCESS SUCCESS", &server);

    // A user who may do nothing is no connection.
    folder.file("agi-rhai.toml", text.replace("\"rig\"", "\"idle\""));
    server
        .wait_for_log("manager.pbx0: the user may not send commands to calls: `write = agi,reporting` in manager.conf");
    assert_eq!(server.metric("agi_rhai_manager_connected{manager=\"pbx0\"}"), 0.0);
}

#[test]
fn live_a_user_of_the_manager_may_change_under_calls() {
    let asterisk = Asterisk::start();
    set_user(&asterisk, Some("Tr0ub4dor-1"));
    let cutter = Cutter::whole(asterisk.manager().0);
    let folder = folder(&asterisk, &[cutter.port], &[("asks", ASKS)]);
    let text = std::fs::read_to_string(folder.path("agi-rhai.toml")).unwrap();
    folder.file("agi-rhai.toml", text.replace("\"rig\"", "\"games\""));
    folder.file("secret", "Tr0ub4dor-1");
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let calls = place(&mut crowd, 3, "asks", &[]);
    listen_until(&mut crowd, &server, "all ask", |crowd| have_come(crowd, &calls, "GET DATA", 1));

    // The connection outlives it, but not the next login.
    set_user(&asterisk, Some("Tr0ub4dor-2"));
    crowd.press(calls[0], "1");
    listen_until(&mut crowd, &server, "the first one ends", |crowd| have_ended(crowd, &calls[..1]));
    all_see(&crowd, &calls[..1], "SUCCESS SUCCESS", &server);
    cutter.close();
    cutter.open();
    let refused = "manager.pbx0: Asterisk refuses the user `games` (Authentication failed): look at its name, its \
                   secret and who may log in (`permit`, `deny`) in manager.conf";
    server.wait_for_log(&format!("{refused}; the next try is in 10 s"));
    let begun = Instant::now();
    folder.file("secret", "Tr0ub4dor-2");
    wait_for_logins(&server, 2);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    crowd.press(calls[1], "2");
    listen_until(&mut crowd, &server, "the second one ends", |crowd| have_ended(crowd, &calls[..2]));

    // There is no such user any more.
    set_user(&asterisk, None);
    cutter.close();
    cutter.open();
    server.wait_for_log(&format!("{refused}; the next try is in 60 s"));
    assert_eq!(server.logged("the next try is in 10 s"), 2, "{}", server.log());
    set_user(&asterisk, Some("Tr0ub4dor-3"));
    folder.file("secret", "Tr0ub4dor-3");
    wait_for_logins(&server, 3);
    crowd.press(calls[2], "3");
    let endings = crowd.endings();
    all_see(&crowd, &calls, "SUCCESS SUCCESS", &server);
    let keys: Vec<&str> = endings.iter().map(|ending| ending.variables["KEY"].as_str()).collect();
    assert_eq!(keys, ["1", "2", "3"]);
    assert!(!server.log().contains("Tr0ub4dor"), "{}", server.log());
}

#[test]
fn live_a_shutdown_that_is_called_off_only_delays_calls() {
    let asterisk = Asterisk::start();
    let folder = folder(&asterisk, &[asterisk.manager().0], &[("beeps", BEEPS), ("asks", ASKS)]);
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let beeps = place(&mut crowd, 5, "beeps", &["20"]);
    let asks = place(&mut crowd, 5, "asks", &[]);
    listen_until(&mut crowd, &server, "all play", |crowd| {
        have_come(crowd, &beeps, "STREAM FILE", 2) && have_come(crowd, &asks, "GET DATA", 1)
    });
    thread::scope(|scope| {
        // That answers only once it stops.
        scope.spawn(|| asterisk.remote("core stop gracefully"));
        crowd.listen(Duration::from_secs(3));
        let (waiting, ended) = (server.list().len(), have_ended(&crowd, &beeps[..1]));
        asterisk.remote("core abort shutdown");
        assert_eq!((waiting, ended), (10, false), "{}", server.log());
    });
    for &call in &asks {
        crowd.press(call, "7");
    }
    listen_until(&mut crowd, &server, "all end", |crowd| have_ended(crowd, &[&beeps[..], &asks].concat()));
    let endings = crowd.endings();
    assert_eq!(check_each_is_played_once(&mut crowd, &endings, &[&server]), (10, 0));
    assert!(asks.iter().all(|&call| endings[call].variables["KEY"] == "7"));
    assert!(beeps.iter().all(|&call| endings[call].variables["BEEPS"] == "20"));
    assert_eq!(server.logged("logged in to the Asterisk"), 1, "{}", server.log());
}

#[test]
fn live_a_channel_that_is_sent_elsewhere_ends_its_script_and_may_begin_another() {
    let asterisk = Asterisk::start();
    let other = r#"print(`begun ${env.agi_uniqueid}`); noop("other"); stream_file("beep");
        set_variable("OTHER", get_data("silence/3", 5000, 2)); set_variable("STEP", "done");"#;
    let scripts = [("asks", ASKS), ("plays", PLAYS), ("other", other)];
    let folder = folder(&asterisk, &[asterisk.manager().0], &scripts);
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let mut ami = asterisk.ami();
    let asks = place(&mut crowd, 3, "asks", &[]);
    let plays = place(&mut crowd, 3, "plays", &[]);
    let all = [&asks[..], &plays].concat();
    listen_until(&mut crowd, &server, "all play", |crowd| {
        have_come(crowd, &asks, "GET DATA", 1) && have_come(crowd, &plays, "STREAM FILE", 1)
    });
    let ended = |script: &str, status: &str| {
        server.metric(&format!("agi_rhai_calls_ended_total{{script=\"{script}.rhai\",status=\"{status}\"}}"))
    };
    let mut redirect = |channel: &str| {
        let word = [("Channel", channel), ("Variable", "RIG_AGI"), ("Value", "agi:async,other")];
        assert_eq!(ami.action("Setvar", &word).get("Response"), "Success");
        let there = [("Channel", channel), ("Context", "game"), ("Exten", "agi"), ("Priority", "1")];
        assert_eq!(ami.action("Redirect", &there).get("Response"), "Success");
    };
    for &call in &all {
        redirect(crowd.members()[call].channel());
    }
    listen_until(&mut crowd, &server, "the others ask", |crowd| have_come(crowd, &all, "GET DATA \"silence/3\"", 1));
    for &call in &all {
        crowd.press(call, "4");
    }
    thread::sleep(Duration::from_millis(200));
    for &call in &all {
        crowd.press(call, "2");
    }
    listen_until(&mut crowd, &server, "all end", |crowd| have_ended(crowd, &all));
    all_see(&crowd, &all, "SUCCESS SUCCESS", &server);
    assert!(all.iter().all(|&call| crowd.members()[call].ending().variables["OTHER"] == "42"));
    server.wait_idle();
    assert_eq!((ended("asks", "HANGUP"), ended("plays", "HANGUP"), ended("other", "SUCCESS")), (3.0, 3.0, 6.0));
    assert!(logged("ended", &[&server]).is_empty(), "{}", server.log());
}

/// Nothing tells that a bridge has taken a channel: only the list of channels does, after 15 to 30 s.
#[test]
fn live_a_channel_that_a_bridge_takes_ends_its_script_and_may_begin_another() {
    let asterisk = Asterisk::start();
    let other = r#"print(`begun ${env.agi_uniqueid}`); stream_file("beep"); set_variable("STEP", "done");"#;
    let asks = r#"answer(); wait_for_digit(600000);"#;
    let folder = folder(&asterisk, &[asterisk.manager().0], &[("asks", asks), ("other", other)]);
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let mut ami = asterisk.ami();
    let calls = place(&mut crowd, 2, "asks", &[]);
    listen_until(&mut crowd, &server, "both wait", |crowd| have_come(crowd, &calls, "WAIT FOR DIGIT", 1));
    let channels: Vec<String> = calls.iter().map(|&call| crowd.members()[call].channel().to_owned()).collect();
    let both = [("Channel1", channels[0].as_str()), ("Channel2", &channels[1])];
    assert_eq!(ami.action("Bridge", &both).get("Response"), "Success");
    let begun = Instant::now();
    while !server.list().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(35), "{:?}\n{}", server.list(), server.log());
        crowd.listen(Duration::from_millis(100));
    }
    let channel = channels[0].as_str();
    ami.action("Setvar", &[("Channel", channel), ("Variable", "RIG_AGI"), ("Value", "agi:async,other")]);
    let there = [("Channel", channel), ("Context", "game"), ("Exten", "agi"), ("Priority", "1")];
    assert_eq!(ami.action("Redirect", &there).get("Response"), "Success");
    listen_until(&mut crowd, &server, "the other one ends", |crowd| have_ended(crowd, &calls[..1]));
    all_see(&crowd, &calls[..1], "SUCCESS SUCCESS", &server);
    assert_eq!(crowd.members()[calls[0]].ending().variables["STEP"], "done");
    assert_eq!(logged("begun", &[&server]).len(), 1);
}

/// Connections are cut where one session of a channel ends and its next one begins. Neither may be missed, and the end of
/// the first may not end the second.
#[test]
fn live_two_sessions_of_a_channel_are_both_played_wherever_connections_are_cut() {
    const CALLS: usize = 60;
    const MOMENTS: [&str; 4] =
        ["Event: AsyncAGIEnd", "Command: ASYNCAGI BREAK", "Event: AsyncAGIStart", "\"AGI_RHAI_CALL\" \"left "];
    let asterisk = Asterisk::start();
    let cutter = Cutter::to(asterisk.manager().0, |number| {
        let from = From::With(MOMENTS[number % MOMENTS.len()]);
        let cut = Cut { at: 1 + number / 2, from, half: number % 2 == 1, reset: number % 3 == 0 };
        (number < 16).then_some(cut)
    });
    let script =
        r#"print(`begun ${env.agi_uniqueid}`); set_variable("STEP", "done"); print(`ended ${env.agi_uniqueid}`);"#;
    let folder = folder(&asterisk, &[cutter.port], &[("short", script)]);
    let server = serve(&folder, &[]);
    let mut crowd = asterisk.crowd();
    let calls: Vec<usize> = (0..CALLS)
        .map(|_| {
            crowd.listen(Duration::from_millis(100));
            crowd.place(&async_call("short", &[]).twice())
        })
        .collect();
    listen_until(&mut crowd, &server, "all end", |crowd| have_ended(crowd, &calls));
    all_see(&crowd, &calls, "SUCCESS SUCCESS", &server);
    settle(&[&server]);
    let (begun, ended) = (logged("begun", &[&server]), logged("ended", &[&server]));
    assert_eq!((begun.len(), ended.len()), (CALLS, CALLS));
    assert!(begun.values().chain(ended.values()).all(|&times| times == 2), "{begun:#?}\n{}", server.log());
    assert!(cutter.cuts().len() >= 12, "{:#?}", cuts_by_kind(&cutter));
}

/// Something that isn't the manager of an Asterisk, at a port of its own. It does this with each connection.
fn stand_in(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Lets a server log in, as a manager does.
fn log_in(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"Asterisk Call Manager/11.0.0\r\n")?;
    for answer in ["Response: Success\r\nChallenge: 123456789\r\n\r\n", "Response: Success\r\n\r\n"] {
        let mut action = Vec::new();
        while !action.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            action.push(byte[0]);
        }
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

#[test]
fn live_what_is_no_manager_is_named_and_disturbs_nobody() {
    let asterisk = Asterisk::start();
    let ssh = stand_in(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n");
        thread::sleep(PATIENCE);
    });
    // HTTP speaks only when asked.
    let http = stand_in(|stream| {
        thread::sleep(PATIENCE);
        drop(stream);
    });
    let closes = stand_in(drop);
    let endless = stand_in(|mut stream| {
        let text = [b'x'; 4096];
        while stream.write_all(&text).is_ok() {}
    });
    let nobody = free_port();
    let ports = [asterisk.manager().0, ssh, http, closes, endless, nobody];
    let folder = folder(&asterisk, &ports, &[("chaos", SCRIPT)]);
    let server = serve(&folder, &[]);
    for what in [
        format!("manager.pbx1: what answers at 127.0.0.1:{ssh} is no manager of an Asterisk; the next try is in 10 s"),
        format!(
            "manager.pbx2: no connection to 127.0.0.1:{http}: it sent no greeting (TLS is `tls = true`) within 10 s"
        ),
        format!("manager.pbx3: no connection to 127.0.0.1:{closes}: it closed the connection"),
        format!("manager.pbx4: what answers at 127.0.0.1:{endless} is no manager of an Asterisk"),
        format!("manager.pbx5: no connection to 127.0.0.1:{nobody}: Connection refused"),
    ] {
        server.wait_for_log(&what);
    }
    play_some(&asterisk, &server);
    // Each is told once, and not at each try.
    assert!(server.log().lines().count() < 200, "{}", server.log());
    assert_eq!(server.logged("manager.pbx5"), 1, "{}", server.log());
}

/// Plays calls from this Asterisk by both ways.
fn play_some(asterisk: &Asterisk, server: &Server) {
    let mut crowd = asterisk.crowd();
    let mut calls = place(&mut crowd, 10, "chaos", &["x"]);
    calls.push(crowd.place(&Call::request(&format!("agi://{}/chaos", server.address()), &["x"])));
    listen_until(&mut crowd, server, "all end", |crowd| have_ended(crowd, &calls));
    all_see(&crowd, &calls, "SUCCESS SUCCESS", server);
}

#[test]
fn live_a_manager_that_sends_nonsense_is_left_and_nothing_grows() {
    let asterisk = Asterisk::start();
    // A line without end, bytes of any value, a half of an event, and calls that nobody will ever hear of again.
    let endless = stand_in(|mut stream| {
        let _ = log_in(&mut stream);
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let noise = stand_in(|mut stream| {
        let _ = log_in(&mut stream);
        let bytes: Vec<u8> = (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for _ in 0..50 {
            let _ = stream.write_all(&bytes);
            let _ = stream.write_all(b"\r\n\r\nEvent: AsyncAGIExec\r\nUniqueid: \xff\r\nCommandId: agi-rhai::\r\n\r\n");
        }
    });
    let half = stand_in(|mut stream| {
        let _ = log_in(&mut stream);
        let _ = stream.write_all(b"Event: AsyncAGIStart\r\nUniq");
        thread::sleep(PATIENCE);
    });
    let flood = stand_in(|mut stream| {
        let _ = log_in(&mut stream);
        let env = format!("agi_request%3A%20async%0Aagi_channel%3A%20x%0A{}", "a".repeat(1500));
        for number in 0_u64.. {
            let event = format!("Event: AsyncAGIStart\r\nUniqueid: {number}\r\nEnv: {env}\r\n\r\n");
            if stream.write_all(event.as_bytes()).is_err() {
                return;
            }
        }
    });
    let ports = [asterisk.manager().0, endless, noise, half];
    let folder = folder(&asterisk, &ports, &[("chaos", SCRIPT)]);
    let mut server = serve(&folder, &[]);
    wait_for_logins(&server, 4);
    for _ in 0..5 {
        play_some(&asterisk, &server);
    }
    server.wait_for_log(
        "manager.pbx1: the connection was lost, with 0 calls under way: a message of the manager has no end",
    );
    server.wait_for_log("manager.pbx3: the connection was lost, with 0 calls under way: the manager answers nothing");
    assert!(server.peak_rss() < 200 * 1024, "{} KiB", server.peak_rss());
    for manager in ["manager.pbx1", "manager.pbx2"] {
        assert!(server.logged(manager) < 60, "{}", server.log());
    }
    assert_eq!(server.logged("manager.pbx0"), 1, "{}", server.log());

    let text = std::fs::read_to_string(folder.path("agi-rhai.toml")).unwrap();
    let other = text.replace("[manager.pbx0]", "[manager.flood]").split("\n[").next().unwrap().to_owned();
    let other = other.replace(&asterisk.manager().0.to_string(), &flood.to_string());
    folder.file("agi-rhai.toml", format!("{text}\n{other}\n"));
    server.wait_for_log("manager.flood: logged in");
    thread::sleep(Duration::from_secs(10));
    assert!(server.peak_rss() < 400 * 1024, "{} KiB", server.peak_rss());
    play_some(&asterisk, &server);
    server.check_well();
}

#[test]
fn live_a_manager_with_tls_is_trusted_by_its_certificate() {
    let asterisk = Asterisk::start();
    let (authority, certificates, port) = (Authority::new(), Folder::new(), free_port());
    authority.issue_to(&certificates);
    for name in ["server.pem", "server.key"] {
        std::fs::copy(certificates.path(name), asterisk.agi_dir().join(name)).unwrap();
    }
    let inside = |name: &str| asterisk.inside(&asterisk.agi_dir().join(name));
    asterisk.configure("manager.conf", |text| {
        let tls = format!(
            "tlsenable = yes\ntlsbindaddr = 127.0.0.1:{port}\ntlscertfile = {}\ntlsprivatekey = {}\n",
            inside("server.pem"),
            inside("server.key")
        );
        text.replacen("enabled = yes\n", &format!("enabled = yes\n{tls}"), 1)
    });
    asterisk.cli("manager reload");
    let folder = folder(&asterisk, &[port], &[("chaos", SCRIPT)]);
    let plain = std::fs::read_to_string(folder.path("agi-rhai.toml")).unwrap();
    let launch = |more: &str| {
        let config = folder.file("agi-rhai.toml", format!("{plain}{more}"));
        Server::start(&folder, &["--config", &config])
    };
    // Without a certificate to trust, with another one, and without TLS.
    let server = launch("tls = true\n");
    server.wait_for_log(&format!("manager.pbx0: no connection to 127.0.0.1:{port}: TLS: "));
    assert!(server.log().contains("ca_file"), "{}", server.log());
    drop(server);
    let other = Authority::new();
    let server = launch(&format!("tls = true\nca_file = \"{}\"\n", other.file));
    server.wait_for_log(&format!("manager.pbx0: no connection to 127.0.0.1:{port}: TLS: "));
    drop(server);
    let server = launch("");
    server.wait_for_log(&format!("manager.pbx0: no connection to 127.0.0.1:{port}: "));
    drop(server);

    let server = launch(&format!("tls = true\nca_file = \"{}\"\n", authority.file));
    server.wait_for_log("logged in to the Asterisk");
    let mut crowd = asterisk.crowd();
    let calls = place(&mut crowd, 50, "chaos", &["x"]);
    listen_until(&mut crowd, &server, "all end", |crowd| have_ended(crowd, &calls));
    let endings = crowd.endings();
    assert_eq!(check_each_is_played_once(&mut crowd, &endings, &[&server]), (50, 0));
}
