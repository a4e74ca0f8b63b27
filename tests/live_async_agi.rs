//! AsyncAGI on a real Asterisk: how scripts are named, values and arguments that don't fit into one event, what operators
//! do with such calls, and what they read. `live.rs` and `live_commands.rs` test what AsyncAGI has in common with AGI.

use crate::live::{MANAGED, commands, ends, pause};
use crate::support::asterisk::{Call, Ending, Running, asterisk};
use crate::support::machine::Server;
use crate::support::process::{Folder, agi_rhai};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A server of its own, and the context of its calls.
struct Own {
    server: Server,
    context: &'static str,
}

impl Own {
    fn start(options: &[&str]) -> Own {
        let context = asterisk().context();
        Own { server: Server::start_managed(asterisk(), &[context], options), context }
    }

    fn call(&self, script: &str, args: &[&str]) -> Running {
        asterisk().call(Call::by_manager(script, args).context(self.context))
    }
}

/// Plays a script on the shared server with a silent caller.
fn play(name: &str, script: &str, args: &[&str]) -> Ending {
    MANAGED.script(name, script);
    asterisk().call(Call::by_manager(name, args)).wait_end()
}

const SETS_ALL: &str =
    "for i in 0..args.len() { set_variable(`ARG_${i}`, args[i]); } set_variable(\"COUNT\", args.len());
    for name in params.keys() { set_variable(\"P_\" + name, params[name]); }";

#[test]
fn live_async_agi_scripts_are_named_by_an_argument_or_a_variable() {
    MANAGED.script("async/named.rhai", SETS_ALL);
    let count = |ending: &Ending| ending.variables["COUNT"].clone();
    // With and without its extension, and with a query.
    for name in ["async/named.rhai", "async/named"] {
        let ending = asterisk().call(Call::by_manager(name, &["a"])).wait_end();
        ends(&ending, "SUCCESS", "SUCCESS", true);
        assert_eq!((ending.variables["ARG_0"].as_str(), count(&ending).as_str()), ("a", "1"));
    }
    let ending = asterisk().call(Call::by_manager("async/named?table=5&seats=%31%2C2", &["x"])).wait_end();
    let get = |name: &str| ending.variables[name].as_str();
    assert_eq!((get("P_table"), get("P_seats"), get("ARG_0"), get("COUNT")), ("5", "1,2", "x", "1"));
    // By the variable, if there is no argument, or an empty one.
    for request in ["agi:async", "agi:async,"] {
        let call = Call::agi(request).variable("AGI_RHAI_SCRIPT", "async/named?table=7");
        let ending = asterisk().call(call).wait_end();
        ends(&ending, "SUCCESS", "SUCCESS", true);
        assert_eq!((ending.variables["P_table"].as_str(), count(&ending).as_str()), ("7", "0"), "{request}");
    }
    // No script is named, or there is none of the name; nothing outside the folder can be reached.
    for (request, shown) in [
        ("agi:async", "no script is named"),
        ("agi:async,async/absent", "no script async/absent"),
        ("agi:async,../log", "no script ../log"),
    ] {
        let ending = asterisk().call(Call::agi(request)).wait_end();
        ends(&ending, "SUCCESS", "NOTFOUND", true);
        assert!(ending.error.contains(shown), "{request}: {}", ending.error);
    }
}

#[test]
fn live_async_agi_passes_any_arguments() {
    MANAGED.script("async/odd.rhai", SETS_ALL);
    let odd = ["say \"hi\"", "a:b", "50%", "%41", "grüße ☎", " a  b ", "", "x;y|z", "(1)[2]", "-x", "a,b", "\\n"];
    let many: Vec<String> = (0..60).map(|n| format!("argument{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for args in [&odd[..], &many[..]] {
        let ending = asterisk().call(Call::by_manager("async/odd", args)).wait_end();
        ends(&ending, "SUCCESS", "SUCCESS", true);
        let count: usize = ending.variables["COUNT"].parse().unwrap();
        let passed: Vec<&str> = (0..count).map(|n| ending.variables[&format!("ARG_{n}")].as_str()).collect();
        assert_eq!(passed, args);
    }
    // What is lost of an environment that is too long once it is encoded is told.
    let special = "%".repeat(600);
    let said = MANAGED.log().len();
    let ending = asterisk().call(Call::by_manager("async/odd", &[&special, "last"])).wait_end();
    ends(&ending, "SUCCESS", "LOST", true);
    MANAGED.wait_log(said, "the environment is too long for AsyncAGI: pass fewer or shorter arguments");
}

/// A reply is told in events of 1,024 bytes at most.
#[test]
fn live_async_agi_reads_values_of_any_length() {
    let script = r#"
        answer();
        set_variable("CHECK", "in step");
        let piece = "";
        while piece.len() < 500 { piece += "0123456789"; }
        set_variable("P", piece);
        let wrong = [];
        let sizes = [2000, 5000, 20000];
        for size in 1000..1030 { sizes.push(size); }
        for tens in 90..111 { sizes.push(tens * 10); }
        for size in sizes {
            let template = "";
            for n in 0..(size / 500) { template += "${P}"; }
            template += "${P:0:" + (size % 500) + "}";
            let value = get_full_variable(template);
            if value == () || value.len() != size { wrong.push([size, to_debug(value).len()]); continue; }
            let expected = "";
            for n in 0..(size / 500) { expected += piece; }
            expected += piece.sub_string(0, size % 500);
            if value != expected { wrong.push([size, "another value"]); }
            if get_variable("CHECK") != "in step" { wrong.push([size, "out of step"]); }
        }
        set_variable("WRONG", to_debug(wrong));"#;
    MANAGED.script("async/lengths.rhai", script);
    // Where there is sound, a command takes 20 ms instead of 100.
    let ending = asterisk().call(Call::by_manager("async/lengths.rhai", &[]).sounding()).wait_end();
    ends(&ending, "SUCCESS", "SUCCESS", true);
    assert_eq!(ending.variables["WRONG"], "[]");
}

#[test]
fn live_async_agi_says_what_does_not_fit() {
    let script = r#"
        answer();
        let piece = "";
        while piece.len() < 400 { piece += "é"; }
        set_variable("P", piece.sub_string(0, 200));
        let seen = "";
        try { let value = get_full_variable("${P}${P}"); seen = `read ${value.len()}`; } catch (e) { seen = e.message; }
        set_variable("SEEN", seen);
        set_variable("NEXT", get_full_variable("<${EXTEN}>"));
        let line = "";
        while line.len() < 2000 { line += "x"; }
        try { set_variable("LONG", line); } catch (e) { set_variable("LINE", e.message); }
        // The longest line that fits, and one more.
        set_variable("LONG", line.sub_string(0, 1013 - "SET VARIABLE \"LONG\" \"\"".len()));
        set_variable("LENGTH", get_full_variable("${LEN(${LONG})}"));
        try { set_variable("LONG", line.sub_string(0, 1014 - "SET VARIABLE \"LONG\" \"\"".len())); }
        catch (e) { set_variable("MORE", "refused"); }
        set_variable("LAST", get_variable("EXTEN"));"#;
    let ending = play("async/too-long.rhai", script, &[]);
    ends(&ending, "SUCCESS", "SUCCESS", true);
    let get = |name: &str| ending.variables.get(name).map_or("", String::as_str);
    assert!(get("SEEN").contains("its value is too long for AsyncAGI"), "{ending:?}");
    assert!(get("SEEN").contains("read it in parts, such as `${NAME:0:300}`"), "{ending:?}");
    assert!(get("LINE").contains("longer than the 1013 bytes Asterisk takes"), "{ending:?}");
    assert_eq!((get("NEXT"), get("LENGTH"), get("MORE"), get("LAST")), ("<agi>", "991", "refused", "agi"));
}

// ---- what the operator does

#[test]
fn live_async_agi_calls_are_listed_shown_and_ended() {
    let own = Own::start(&[]);
    let server = &own.server;
    server.save("menu", "answer();\n\nlet x = get_data(\"beep\", 60000, 4);\nset_variable(\"GOT\", x);");
    server.save("question", "answer();\nget_data(\"\", 6000, 4);\nnoop(\"not reached\");");
    server.script(
        "sleeps",
        "answer();\nsleep(60);\nnoop(\"not reached\");\nfn on_hangup() { set_variable(\"BYE\", 1); }",
    );
    let mut menu = asterisk().call(Call::by_manager("menu", &[]).context(own.context).caller_id("Ann <7301>"));
    let channel = menu.channel();
    let listed = server.wait_call(&channel, "GET DATA");
    assert_eq!((&*listed.caller, &*listed.script, &*listed.line), ("7301", "menu.rhai", "3"));
    let shown = std::thread::scope(|scope| {
        let shown = scope.spawn(|| server.calls_program(&["show", &listed.id]));
        pause(500);
        menu.press("12#");
        shown.join().unwrap()
    });
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("< 200 result=••") && shown.contains("> SET VARIABLE \"GOT\" \"12\" "), "{shown}");
    ends(&menu.wait_end(), "SUCCESS", "SUCCESS", true);
    // Between two commands, a call ends at once. A question can't be interrupted: the dialplan goes on when it is over.
    // What is played can be stopped by a user with the right `call`.
    let stopping = asterisk().context();
    let table = asterisk().manager_table(&[stopping]).replace("\"agi\"", "\"agi-call\"");
    let may_stop = Server::start_with_table(&table, &[]);
    may_stop.script("prompt", "answer();\nstream_file(\"demo-congrats\");\nnoop(\"not reached\");");
    let ended = [
        (server, own.context, "sleeps", "ANSWER", 0..2000),
        (server, own.context, "question", "GET DATA", 3000..9000),
        (&may_stop, stopping, "prompt", "STREAM FILE", 0..2500),
    ];
    std::thread::scope(|scope| {
        for (server, context, script, command, lasts) in ended {
            scope.spawn(move || {
                let mut call = asterisk().call(Call::by_manager(script, &[]).context(context));
                call.wait_for(command);
                pause(900);
                let channel = call.channel();
                let id = server.calls().into_iter().find(|call| call.channel == channel).expect("it is listed").id;
                let begun = Instant::now();
                let said = server.calls_program(&["end", &id]);
                assert!(said.status.success(), "{said:?}");
                let ending = call.wait_end();
                let took = begun.elapsed();
                assert!(!commands(&call).iter().any(|command| command.contains("not reached")), "{}", call.story());
                ends(&ending, "SUCCESS", "HANGUP", true);
                assert!(lasts.contains(&(took.as_millis() as u64)), "{script}: {took:?}");
                assert_eq!(ending.error, "ended by the operator");
            });
        }
    });
    assert!(server.calls().is_empty(), "{:?}", server.calls());
}

#[test]
fn live_async_agi_recordings_can_be_replayed() {
    let folder = Folder::new();
    let records = folder.path("records");
    std::fs::create_dir_all(&records).unwrap();
    let own = Own::start(&["--record", records.to_str().unwrap()]);
    own.server.save(
        "keys",
        "answer();\nlet x = get_data(\"beep\", 3000, 2);\nset_variable(\"GOT\", x);\nnoop(get_full_variable(\"${EXTEN}\"));\n\
         stream_file(\"digits/1\");",
    );
    own.server.script("gone", "answer();\nwait_for_digit(20000);\nfn on_hangup() { print(\"bye\"); noop(\"bye\"); }");
    let mut keys = own.call("keys", &["a b"]);
    keys.wait_for("GET DATA");
    pause(700);
    keys.press("12");
    ends(&keys.wait_end(), "SUCCESS", "SUCCESS", true);
    let mut gone = own.call("gone", &[]);
    gone.wait_for("WAIT FOR DIGIT");
    gone.hangup();
    ends(&gone.wait_end(), "HANGUP", "", false);
    own.server.wait_log(0, "status=HANGUP");
    let count = || std::fs::read_dir(&records).unwrap().count();
    let until = Instant::now() + Duration::from_secs(10);
    while count() < 2 && Instant::now() < until {
        pause(50);
    }
    let scripts = own.server.scripts();
    let replayed = agi_rhai([Path::new("replay"), Path::new("--scripts"), &scripts, &records]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&replayed.stdout), String::from_utf8_lossy(&replayed.stderr));
    assert!(replayed.status.success() && said.contains("2 the same"), "{said}");
}

#[test]
fn live_async_agi_edits_and_metrics() {
    let page = format!("127.0.0.1:{}", crate::support::asterisk::free_port());
    let own = Own::start(&["--metrics", &page]);
    own.server.script("edited", "answer(); noop(\"first\"); wait_for_digit(20000); noop(\"first again\");");
    let mut first = own.call("edited", &[]);
    first.wait_for("WAIT FOR DIGIT");
    own.server.script("edited", "answer(); noop(\"second\");");
    let mut second = own.call("edited", &[]);
    ends(&second.wait_end(), "SUCCESS", "SUCCESS", true);
    assert!(commands(&second).contains(&"NOOP \"second\"".to_owned()), "{}", second.story());
    first.press("1");
    ends(&first.wait_end(), "SUCCESS", "SUCCESS", true);
    assert!(commands(&first).contains(&"NOOP \"first again\"".to_owned()), "{}", first.story());
    let metrics = || {
        let mut stream = TcpStream::connect(&page).unwrap();
        write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let wanted = "agi_rhai_calls_ended_total{script=\"edited.rhai\",status=\"SUCCESS\"} 2";
    let until = Instant::now() + Duration::from_secs(10);
    while !metrics().contains(wanted) {
        assert!(Instant::now() < until, "{}", metrics());
        pause(50);
    }
}

#[test]
fn live_async_agi_a_full_server_says_busy() {
    let own = Own::start(&["--max-calls", "1"]);
    own.server.script("wait", "answer(); wait_for_digit(20000);");
    let mut first = own.call("wait", &[]);
    first.wait_for("WAIT FOR DIGIT");
    let second = own.call("wait", &[]).wait_end();
    ends(&second, "SUCCESS", "BUSY", true);
    first.press("1");
    ends(&first.wait_end(), "SUCCESS", "SUCCESS", true);
    // There is room again.
    let mut third = own.call("wait", &[]);
    third.wait_for("WAIT FOR DIGIT");
    third.hangup();
    ends(&third.wait_end(), "HANGUP", "", false);
}

#[test]
fn live_async_agi_calls_go_on_while_the_server_drains() {
    let mut own = Own::start(&["--drain", "20s"]);
    own.server.script("stay", "answer(); set_variable(\"KEY\", wait_for_digit(20000)); stream_file(\"beep\");");
    let mut call = own.call("stay", &[]);
    call.wait_for("WAIT FOR DIGIT");
    let said = own.server.log().len();
    own.server.process.signal("TERM");
    own.server.wait_log(said, "no new calls; 1 call may continue for 20s");
    pause(300);
    call.press("5");
    let ending = call.wait_end();
    ends(&ending, "SUCCESS", "SUCCESS", true);
    assert_eq!(ending.variables["KEY"], "5");
    assert_eq!(own.server.process.wait(), Some(0), "{}", own.server.log());
    let log = own.server.log()[said..].to_owned();
    assert!(log.contains("all calls have ended"), "{log}");
    assert!(!log.contains(" WARN ") && !log.contains(" ERROR "), "{log}");
}

/// Wherever the caller hangs up, the script ends and `on_hangup` runs, without commands.
#[test]
fn live_async_agi_a_hangup_is_noticed_anywhere() {
    const WHERE: [(&str, &str, &str); 4] = [
        ("question", "get_data(\"beep\", 20000, 4);", "GET DATA"),
        ("prompt", "stream_file(\"demo-congrats\");", "STREAM FILE"),
        ("pause", "sleep(20);", "ANSWER"),
        ("between", "loop { let n = 0; while n < 2000 { n += 1; } get_variable(\"X\"); }", "GET VARIABLE"),
    ];
    let own = Own::start(&[]);
    for (name, step, _) in WHERE {
        let caught = "try { database_put(\"a\", \"b\", 1); } catch (e) { print(`NAME refused: ${e.message}`); }";
        let on_hangup = format!(
            "fn on_hangup(last) {{ print(`NAME heard ${{last.command}}`); {caught} print(\"NAME went on\"); }}"
        );
        let text = format!("answer();\n{step}\nnoop(\"not reached\");\n{on_hangup}").replace("NAME", name);
        own.server.script(name, &text);
        let (_, _, command) = WHERE.into_iter().find(|(found, ..)| *found == name).unwrap();
        let mut call = own.call(name, &[]);
        call.wait_for(command);
        pause(900);
        call.hangup();
        ends(&call.wait_end(), "HANGUP", "", false);
        assert!(!commands(&call).iter().any(|command| command.contains("not reached")), "{}", call.story());
        own.server.wait_log(0, &format!("{name} went on"));
        let log = own.server.log();
        assert!(log.contains(&format!("{name} refused: database_put: is not possible after the hangup")), "{log}");
    }
    let log = own.server.log();
    assert!(!log.contains(" ERROR ") && !log.contains("panic"), "{log}");
}

/// Callers of every script who press keys at random places and hang up. `live_ivr_examples.rs` and others play them to
/// their ends.
#[test]
fn live_async_agi_plays_every_script() {
    let own = Own::start(&[]);
    let said = own.server.log().len();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name.ends_with(".rhai") && !name.ends_with(".test.rhai")).collect();
    assert!(names.len() >= 18, "{names:?}");
    let play = |name: &str| {
        let call = Call::by_manager(name, &["Local/busy@callees"]).context(own.context).caller_id("Ann <7399>");
        let mut call = asterisk().call(call.sounding());
        call.wait_for("");
        for keys in ["1", "2#", "1"] {
            pause(2500);
            call.type_keys(keys, Duration::from_millis(120));
        }
        pause(1500);
        call.hangup();
        let ending = call.wait_end();
        let story = call.story();
        match ending.status.as_str() {
            "" => assert_eq!(ending.agistatus, "HANGUP", "{name}: {story}"),
            "SUCCESS" => {}
            // Some need services.
            _ => assert!(ending.error.contains("agi-rhai.toml"), "{name}: {ending:?}"),
        }
        assert!(commands(&call).len() >= 2, "{name}: {story}");
    };
    std::thread::scope(|scope| {
        let play = &play;
        for name in &names {
            std::thread::Builder::new().name(name.clone()).spawn_scoped(scope, move || play(name)).unwrap();
        }
    });
    let log = own.server.log()[said..].to_owned();
    for line in log.lines().filter(|line| line.contains(" ERROR ") || line.contains(" WARN ")) {
        let known = ["agi-rhai.toml", "is not possible after the hangup: over AsyncAGI"];
        assert!(known.iter().any(|known| line.contains(known)), "{line}");
    }
}
