//! Whole calls on a real Asterisk: the games played to their end, hangups everywhere, and every way a call can end.

use crate::support::asterisk::{Call, Ending, Running, asterisk, render};
use crate::support::machine::Server;
use std::fs;
use std::path::Path;
use std::sync::{LazyLock, Once};
use std::thread;
use std::time::{Duration, Instant};

/// How a script is reached from the dialplan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// `AGI(agi-rhai,SCRIPT)`: a process for each call.
    Agi,
    /// `AGI(agi://HOST/SCRIPT)`: one server for all.
    FastAgi,
    /// `AGI(agi:async,SCRIPT)`: a server that is logged in to the manager interface.
    AsyncAgi,
}

/// The server that all these tests share.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&[]));

/// The server for their calls by AsyncAGI.
pub static MANAGED: LazyLock<Server> = LazyLock::new(|| Server::start_managed(asterisk(), &["game", "dead"], &[]));

impl Way {
    /// Saves a script where this way of calling looks for it.
    fn script(self, name: &str, text: &str) {
        let text = text.replace("live-WAY", &self.family());
        match self {
            Way::Agi => asterisk().script(name, &text),
            Way::FastAgi => SERVER.script(name, &text),
            Way::AsyncAgi => MANAGED.script(name, &text),
        }
    }

    pub fn call(self, script: &str, args: &[&str]) -> Call {
        match self {
            Way::Agi => Call::script(script, args),
            Way::FastAgi => Call::request(&SERVER.url(script), args),
            Way::AsyncAgi => {
                LazyLock::force(&MANAGED);
                Call::by_manager(script, args)
            }
        }
    }

    /// Returns the log that the operator sees.
    fn log(self) -> String {
        match self {
            Way::Agi => asterisk().stderr(),
            Way::FastAgi => SERVER.log(),
            Way::AsyncAgi => MANAGED.log(),
        }
    }

    /// Waits for this text in that log, where it is a server's.
    fn wait_log(self, text: &str) {
        match self {
            Way::Agi => assert!(self.log().contains(text), "{}", self.log()),
            Way::FastAgi => SERVER.wait_log(0, text),
            Way::AsyncAgi => MANAGED.wait_log(0, text),
        }
    }

    /// Returns the status of Asterisk's own at the end of a call. AsyncAGI has no line that tells it of a failure.
    fn agistatus(self, status: &'static str) -> &'static str {
        if self == Way::AsyncAgi && status == "FAILURE" { "SUCCESS" } else { status }
    }

    /// Returns what the dialplan learns of a hangup. AsyncAGI takes no commands after one.
    fn hung_up(self) -> &'static str {
        if self == Way::AsyncAgi { "" } else { "HANGUP" }
    }

    /// Returns what `on_hangup` of a script has noted under this key: in AstDB, or where that is out of reach, in the
    /// log.
    fn noted(self, key: &str) -> Option<String> {
        if self != Way::AsyncAgi {
            return value_after_hangup(&self.family(), key);
        }
        let mark = format!("noted {key}: ");
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.log();
            let line = log.lines().find_map(|line| line.split_once(&mark));
            if line.is_some() || Instant::now() > until {
                return line.map(|(_, rest)| rest.split(" script=").next().unwrap_or_default().to_owned());
            }
        }
    }

    /// Returns a caller's number that only this way uses.
    fn number(self, number: &str) -> String {
        format!("7{}{number}", self as usize)
    }

    /// Returns the family of AstDB that scripts call `live-WAY`, since all ways share the database.
    fn family(self) -> String {
        format!("live-{self:?}")
    }
}

/// Runs a test in all ways at the same time. The thread's name says which one fails.
fn in_all_ways(test: impl Fn(Way) + Sync) {
    thread::scope(|scope| {
        for way in [Way::Agi, Way::FastAgi, Way::AsyncAgi] {
            let test = &test;
            thread::Builder::new().name(format!("{way:?}")).spawn_scoped(scope, move || test(way)).unwrap();
        }
    });
}

pub fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

/// What a script of [`in_all_ways`] calls to note something, also where no command is possible any more.
fn with_note(script: &str) -> String {
    format!(
        "{script}\nfn note(key, value) {{ print(`noted ${{key}}: ${{value}}`); database_put(\"live-WAY\", key, value); }}"
    )
}

/// Plays a script of this name with a silent caller to its end.
fn play_silently(way: Way, name: &str, script: &str) -> (Running, Ending) {
    way.script(name, script);
    let mut call = asterisk().call(way.call(name, &[]));
    let ending = call.wait_end();
    (call, ending)
}

/// Returns the commands so far.
pub fn commands(call: &Running) -> Vec<String> {
    call.executed().into_iter().map(|executed| executed.command).collect()
}

pub fn ends(ending: &Ending, agistatus: &str, status: &str, went_on: bool) {
    let ended = (ending.agistatus.as_str(), ending.status.as_str(), ending.went_on);
    assert_eq!(ended, (agistatus, status, went_on), "{ending:?}");
}

/// Returns a value of AstDB that a script writes after a hangup: the call's end may come earlier.
pub fn value_after_hangup(family: &str, key: &str) -> Option<String> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let value = asterisk().database_get(family, key);
        if value.is_some() || Instant::now() > until {
            return value;
        }
        pause(50);
    }
}

// ---- the subtraction game

/// How the caller answers.
#[derive(Clone, Copy, PartialEq)]
enum Player {
    Right,
    Wrong,
    Silent,
    Star,
}

/// The game in half a minute instead of three. Over AsyncAGI each command takes up to a tenth of a second more.
fn short_game(way: Way) -> &'static str {
    static WRITTEN: [Once; 3] = [Once::new(), Once::new(), Once::new()];
    WRITTEN[way as usize].call_once(|| {
        let game = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/subtraction.rhai")).unwrap();
        assert_eq!(game.matches("elapsed() < 180").count(), 1, "the game's length is not where it was");
        let length = if way == Way::AsyncAgi { 26 } else { 22 };
        way.script("short-subtraction.rhai", &game.replace("elapsed() < 180", &format!("elapsed() < {length}")));
    });
    "short-subtraction.rhai"
}

/// Returns the number in `SAY NUMBER 12 ""`.
fn spoken(command: &str) -> Option<i64> {
    command.strip_prefix("SAY NUMBER ")?.split(' ').next()?.parse().ok()
}

/// Plays the game and checks every command on the way.
fn subtraction(way: Way, number: &str, player: Player) {
    let mut call = asterisk().call(way.call(short_game(way), &[]).caller_id(&format!("Player <{number}>")));
    let (mut sums, mut right) = (0, 0);
    let expect = |call: &mut Running, wanted: &str| {
        let command = call.command().unwrap_or_default();
        assert_eq!(command, wanted, "{}", call.story());
    };
    expect(&mut call, "ANSWER");
    expect(&mut call, r#"STREAM FILE "subtraction-game-welcome" """#);
    loop {
        let command = call.command().expect("the game goes on");
        if command.starts_with("DATABASE PUT") {
            assert_eq!(command, format!(r#"DATABASE PUT "subtraction" "{number}" "{right}""#));
            break;
        }
        assert_eq!(command, r#"STREAM FILE "subtraction-game-next" """#);
        let big = spoken(&call.command().unwrap()).expect("the greater number");
        expect(&mut call, r#"STREAM FILE "subtraction-game-minus" """#);
        let small = spoken(&call.command().unwrap()).expect("the smaller number");
        assert!((10..=31).contains(&big) && (0..=big).contains(&small), "{big} - {small}");
        expect(&mut call, r#"GET DATA "subtraction-game-equals" 5000 2"#);
        pause(400);
        match player {
            Player::Right if big - small < 10 => call.press(&format!("{}#", big - small)),
            Player::Right => call.press(&(big - small).to_string()),
            Player::Wrong => call.press(&format!("{:02}", big - small + 1)),
            Player::Silent => {}
            Player::Star => call.press("*#"),
        }
        sums += 1;
        if player == Player::Right {
            right += 1;
            expect(&mut call, r#"STREAM FILE "subtraction-game-good" """#);
        } else {
            expect(&mut call, r#"STREAM FILE "subtraction-game-wrong" """#);
            expect(&mut call, &format!(r#"SAY NUMBER {} """#, big - small));
        }
    }
    assert!(sums >= 2, "only {sums} sums in half a minute");
    expect(&mut call, r#"STREAM FILE "subtraction-game-timesup" """#);
    expect(&mut call, &format!(r#"SAY NUMBER {right} """#));
    expect(&mut call, r#"STREAM FILE "subtraction-game-right" """#);
    expect(&mut call, &format!(r#"SAY NUMBER {sums} """#));
    expect(&mut call, r#"STREAM FILE "subtraction-game-pct" """#);
    expect(&mut call, &format!(r#"SAY NUMBER {} """#, right * 100 / sums));
    expect(&mut call, r#"STREAM FILE "subtraction-game-percent" """#);
    expect(&mut call, r#"STREAM FILE "vm-goodbye" """#);
    call.wait_for(r#"SET VARIABLE "AGI_RHAI_VERSION""#);
    expect(&mut call, r#"SET VARIABLE "AGI_RHAI_STATUS" "SUCCESS""#);
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    assert_eq!(asterisk().database_get("subtraction", number), Some(right.to_string()));
    // Every prompt exists and is played.
    let dialogue = render(&call.transcript());
    assert!(!dialogue.contains("result=-1") && !dialogue.contains("endpos=0"), "{dialogue}");
}

/// All at the same time, since it takes half a minute; its name makes it one of the first.
#[test]
fn live_all_games_can_be_played() {
    let games = [("1", Player::Right), ("2", Player::Wrong), ("3", Player::Silent), ("4", Player::Star)];
    in_all_ways(|way| {
        thread::scope(|scope| {
            for (number, player) in games {
                scope.spawn(move || subtraction(way, &way.number(number), player));
            }
            scope.spawn(move || guess(way));
            scope.spawn(move || memory(way));
        });
    });
}

/// A caller who hangs up in the middle keeps the score.
#[test]
fn live_subtraction_keeps_the_score_at_a_hangup() {
    in_all_ways(|way| {
        let mut call =
            asterisk().call(way.call(short_game(way), &[]).caller_id(&format!("Gone <{}>", way.number("5"))));
        call.wait_for("GET DATA");
        call.hangup();
        ends(&call.wait_end(), "HANGUP", way.hung_up(), false);
        if way == Way::AsyncAgi {
            // The game keeps the score in AstDB, which needs a command.
            way.wait_log("database_put: is not possible after the hangup: over AsyncAGI");
        } else {
            assert_eq!(value_after_hangup("subtraction", &way.number("5")).as_deref(), Some("0"));
        }
    });
}

// ---- the other games

/// The number is found by bisection.
fn guess(way: Way) {
    let number = way.number("11");
    let mut call = asterisk().call(way.call("guess.rhai", &[]).caller_id(&format!("Guesser <{number}>")));
    call.wait_for(r#"STREAM FILE "guess-welcome""#);
    pause(700);
    call.press("#");
    let (mut low, mut high, mut guesses) = (1, 100, 0);
    loop {
        call.wait_for("GET DATA");
        let guess = (low + high) / 2;
        guesses += 1;
        pause(100);
        call.press(&format!("{guess}#"));
        let answer = call.command().unwrap();
        match answer.as_str() {
            r#"STREAM FILE "guess-higher" """# => low = guess + 1,
            r#"STREAM FILE "guess-lower" """# => high = guess - 1,
            r#"STREAM FILE "guess-found" """# => break,
            _ => panic!("{answer}\n{}", call.story()),
        }
    }
    assert!(guesses <= 7);
    assert_eq!(call.wait_for("SAY NUMBER"), format!(r#"SAY NUMBER {guesses} """#));
    call.wait_for(r#"STREAM FILE "guess-new-best""#);
    call.wait_for(r#"GET DATA "guess-again""#);
    pause(200);
    call.press("2");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    assert_eq!(asterisk().database_get("guess", &number), Some(guesses.to_string()));
}

/// Two rows right, then a mistake; and the record holder's name is recorded.
fn memory(way: Way) {
    // Each way has a record of its own, which the other could break otherwise.
    let game = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/memory.rhai")).unwrap();
    let own = game.replace("\"memory\"", "\"live-WAY\"").replace("memory-name", "live-WAY-name");
    assert_ne!(own, game, "the record is not where it was");
    way.script("own-memory.rhai", &own);
    let mut call = asterisk().call(way.call("own-memory.rhai", &["4"]));
    call.wait_for(r#"GET DATA "memory-welcome""#);
    pause(700);
    call.press("5");
    for length in 4.. {
        let row = call.wait_for("SAY DIGITS");
        let row = row.split('"').nth(1).unwrap().to_owned();
        assert_eq!(row.len(), length, "{row}");
        call.wait_for("GET DATA");
        pause(600);
        if length == 6 {
            // As many stars instead of the row.
            call.press("******");
            break;
        }
        call.press(&row);
        call.wait_for(r#"STREAM FILE "memory-good""#);
    }
    assert_eq!(call.wait_for("SAY NUMBER"), r#"SAY NUMBER 5 """#);
    call.wait_for(r#"GET DATA "memory-record""#);
    pause(300);
    call.press("1");
    call.wait_for("RECORD FILE");
    pause(900);
    call.press("#");
    call.wait_for(r#"STREAM FILE "auth-thankyou""#);
    let ending = call.wait_end();
    ends(&ending, "SUCCESS", "SUCCESS", true);
    assert_eq!(ending.variables["MEMORY_SCORE"], "5");
    assert_eq!(asterisk().database_get(&way.family(), "record").as_deref(), Some("5"));
    let name = asterisk().database_get(&way.family(), "name").expect("the name's file is kept");
    assert!(name.ends_with(&format!("/{}-name", way.family())), "{name}");
}

// ---- hangups

/// Runs a script, hangs up this long after a command begins, and returns what `on_hangup` noted in AstDB.
fn hang_up_during(way: Way, name: &str, script: &str, command: &str, after: u64) -> (Running, Option<String>) {
    let file = format!("hangup/{name}.rhai");
    let note = format!(
        r#"fn on_hangup(last) {{ note("{name}", `${{last.command}} ${{last.line}} ${{last.result}} ${{state.note}}`); }}"#
    );
    way.script(&file, &with_note(&format!("state.note = \"kept\";\n{script}\n{note}")));
    let mut running = asterisk().call(way.call(&file, &[]));
    running.wait_for(command);
    pause(after);
    running.hangup();
    let ending = running.wait_end();
    ends(&ending, "HANGUP", way.hung_up(), false);
    assert!(!commands(&running).iter().any(|command| command.contains("not reached")), "{}", running.story());
    // The dialplan doesn't wait for a script that ends with its call.
    assert!(ending.lasted < Duration::from_secs(8), "{ending:?}");
    let noted = way.noted(name);
    if way == Way::AsyncAgi {
        // Without a command, AstDB is out of reach. That is told, and `on_hangup` may catch it.
        let log = way.log();
        let place = format!("hangup/{name}.rhai:");
        assert!(
            log.lines().any(|line| line.contains(&place)
                && line.contains("database_put: is not possible after the hangup: over AsyncAGI, Asterisk takes no")),
            "{log}"
        );
    }
    (running, noted)
}

#[test]
fn live_a_hangup_ends_a_prompt() {
    in_all_ways(|way| {
        let script = "answer();\nstream_file(\"demo-congrats\");\nnoop(\"not reached\");";
        let (_, noted) = hang_up_during(way, "prompt", script, "STREAM FILE", 600);
        assert_eq!(noted.as_deref(), Some("stream_file 3  kept"));
    });
}

#[test]
fn live_a_hangup_ends_get_data() {
    in_all_ways(|way| {
        let script = "answer();\nlet x = get_data(\"beep\", 60000, 4);\nnoop(\"not reached\");";
        let (_, noted) = hang_up_during(way, "data", script, "GET DATA", 900);
        assert!(noted.as_deref().is_some_and(|noted| noted.starts_with("get_data 3 ")), "{noted:?}");
    });
}

#[test]
fn live_a_hangup_ends_wait_for_digit() {
    in_all_ways(|way| {
        let script =
            "answer();\ntry { wait_for_digit(60000); } catch { noop(\"not reached\"); }\nnoop(\"not reached\");";
        let (_, noted) = hang_up_during(way, "digit", script, "WAIT FOR DIGIT", 500);
        assert_eq!(noted.as_deref(), Some("wait_for_digit 3  kept"));
    });
}

#[test]
fn live_a_hangup_ends_sleep() {
    in_all_ways(|way| {
        let script = "answer();\nnoop(\"begin\");\nsleep(60);\nnoop(\"not reached\");";
        let (_, noted) = hang_up_during(way, "sleep", script, "NOOP", 500);
        assert!(noted.as_deref().is_some_and(|noted| noted.ends_with(" kept")), "{noted:?}");
    });
}

#[test]
fn live_a_hangup_ends_a_computing_script() {
    in_all_ways(|way| {
        // With a command now and then, or the host would stop it for computing too long.
        let script =
            "answer();\nnoop(\"begin\");\nloop { let n = 0; while n < 20000 { n += 1; } get_variable(\"X\"); }";
        let (_, noted) = hang_up_during(way, "computing", script, "NOOP", 500);
        assert!(noted.as_deref().is_some_and(|noted| noted.ends_with(" kept")), "{noted:?}");
    });
}

#[test]
fn live_a_hangup_ends_a_script_that_sends_no_commands() {
    in_all_ways(|way| {
        // 300 ms are less than the second it may compute.
        let script = "answer();\nnoop(\"begin\");\nloop { }";
        let (_, noted) = hang_up_during(way, "spinning", script, "NOOP", 300);
        assert!(noted.as_deref().is_some_and(|noted| noted.ends_with(" kept")), "{noted:?}");
    });
}

#[test]
fn live_a_hangup_ends_a_recording() {
    in_all_ways(|way| {
        let script = "answer();\nlet r = record_file(\"live-WAY\", \"gsm\", \"#\", 60000);\nnoop(\"not reached\");";
        let script = format!("{script}\nfn on_hangup(last) {{ note(\"recording\", last.result.seconds); }}");
        way.script("hangup/recording.rhai", &with_note(&script));
        let mut call = asterisk().call(way.call("hangup/recording.rhai", &[]).sounding());
        call.wait_for("RECORD FILE");
        pause(1500);
        call.hangup();
        ends(&call.wait_end(), "HANGUP", way.hung_up(), false);
        let seconds: f64 = way.noted("recording").expect("on_hangup has not run").parse().unwrap();
        assert!((1.0..2.5).contains(&seconds), "{seconds}");
        let recorded = format!("{}.gsm", way.family());
        let folders = [asterisk().sounds_dir(), asterisk().sounds_dir().join("en")];
        assert!(folders.iter().any(|folder| folder.join(&recorded).exists()));
    });
}

#[test]
fn live_redirect_counts_as_a_hangup() {
    in_all_ways(|way| {
        let script = "answer();\nwait_for_digit(60000);\nfn on_hangup() { note(\"redirect\", 1); }";
        way.script("hangup/redirect.rhai", &with_note(script));
        let mut call = asterisk().call(way.call("hangup/redirect.rhai", &[]));
        call.wait_for("WAIT FOR DIGIT");
        let channel = call.channel();
        call.action("Redirect", &[("Channel", &channel), ("Context", "landed"), ("Exten", "other"), ("Priority", "2")]);
        let ending = call.wait_end();
        assert_eq!((ending.agistatus.as_str(), ending.status.as_str()), ("HANGUP", way.hung_up()));
        assert!(ending.steps.iter().any(|step| step.starts_with("landed,other,2 ")), "{ending:?}");
        assert_eq!(way.noted("redirect").as_deref(), Some("1"));
    });
}

#[test]
fn live_a_hangup_by_the_script_ends_it() {
    in_all_ways(|way| {
        let script = "answer(); hangup(); noop(\"not reached\"); fn on_hangup() { note(\"own\", 1); }";
        let (call, ending) = play_silently(way, "hangup/own.rhai", &with_note(script));
        ends(&ending, "HANGUP", way.hung_up(), false);
        assert!(!commands(&call).iter().any(|command| command.contains("not reached")));
        assert_eq!(way.noted("own").as_deref(), Some("1"));
    });
}

#[test]
fn live_asterisk_leaves_at_the_hangup() {
    in_all_ways(|way| {
        // With AGIEXITONHANGUP Asterisk is gone before on_hangup can do anything; the script ends all the same.
        way.script(
            "hangup/exit.rhai",
            "answer(); wait_for_digit(60000); noop(\"not reached\"); fn on_hangup() { noop(\"bye\"); }",
        );
        let mut call = asterisk().call(way.call("hangup/exit.rhai", &[]).variable("AGIEXITONHANGUP", "true"));
        call.wait_for("WAIT FOR DIGIT");
        call.hangup();
        let ending = call.wait_end();
        assert_eq!(ending.agistatus, "HANGUP");
        assert!(ending.lasted < Duration::from_secs(10), "{ending:?}");
    });
}

#[test]
fn live_a_hangup_without_a_notice_is_detected() {
    in_all_ways(|way| {
        // AGISIGHUP=false: only the failed command shows the hangup.
        let script = "answer(); wait_for_digit(60000); noop(\"not reached\"); fn on_hangup() { note(\"quiet\", 1); }";
        way.script("hangup/quiet.rhai", &with_note(script));
        let mut call = asterisk().call(way.call("hangup/quiet.rhai", &[]).variable("AGISIGHUP", "false"));
        call.wait_for("WAIT FOR DIGIT");
        call.hangup();
        let ending = call.wait_end();
        assert_eq!((ending.agistatus.as_str(), ending.status.as_str()), ("HANGUP", way.hung_up()));
        assert_eq!(way.noted("quiet").as_deref(), Some("1"));
    });
}

// ---- how calls end

#[test]
fn live_the_end_of_the_script_is_success() {
    in_all_ways(|way| {
        let (_, ending) = play_silently(way, "ends/success.rhai", "answer();");
        ends(&ending, "SUCCESS", "SUCCESS", true);
        assert_eq!(ending.error, "");
    });
}

#[test]
fn live_exit_ends_the_script_with_success() {
    in_all_ways(|way| {
        let (call, ending) = play_silently(
            way,
            "ends/exit.rhai",
            "fn leave() { exit(); } try { leave(); } catch { } noop(\"not reached\");",
        );
        ends(&ending, "SUCCESS", "SUCCESS", true);
        let commands = commands(&call);
        assert!(commands[0].starts_with(r#"SET VARIABLE "AGI_RHAI_VERSION""#), "{commands:?}");
        assert_eq!(commands[1..], [r#"SET VARIABLE "AGI_RHAI_STATUS" "SUCCESS""#]);
    });
}

#[test]
fn live_a_fault_is_reported() {
    in_all_ways(|way| {
        let (mut call, ending) = play_silently(way, "ends/fault.rhai", "answer();\nlet x = 1;\nx.nonsense();");
        ends(&ending, way.agistatus("FAILURE"), "FAILURE", true);
        assert!(ending.error.contains("ends/fault.rhai:3:"), "{ending:?}");
        assert!(ending.error.contains("nonsense"), "{ending:?}");
        // The operator sees it on Asterisk's console.
        let console = asterisk().console();
        let shown = console
            .lines()
            .any(|line| line.contains("agi-rhai: ") && line.contains("ends/fault.rhai:3:") && !line.contains("AGI Rx"));
        assert!(shown, "{}", call.story());
        // And in the log, with its line of the script.
        assert!(way.log().contains("x.nonsense()"), "{}", way.log());
    });
}

#[test]
fn live_a_syntax_error_is_reported() {
    in_all_ways(|way| {
        let (_, ending) = play_silently(way, "ends/syntax.rhai", "answer();\nlet = 5;\n");
        ends(&ending, way.agistatus("FAILURE"), "FAILURE", true);
        assert!(ending.error.contains("ends/syntax.rhai:2:"), "{ending:?}");
    });
}

#[test]
fn live_a_refused_command_can_be_caught() {
    in_all_ways(|way| {
        let (_, ending) = play_silently(way, "ends/refused.rhai", "\n\nset_priority(\"no-such\");");
        ends(&ending, way.agistatus("FAILURE"), "FAILURE", true);
        assert!(ending.error.contains("ends/refused.rhai:3:"), "{ending:?}");
        let (_, ending) = play_silently(
            way,
            "ends/caught.rhai",
            "try { set_priority(\"no-such\"); } catch (e) { set_variable(\"KIND\", e.kind); }",
        );
        assert_eq!((ending.status.as_str(), ending.variables["KIND"].as_str()), ("SUCCESS", "refused"));
    });
}

#[test]
fn live_an_endless_loop_is_stopped() {
    in_all_ways(|way| {
        let (_, ending) = play_silently(way, "ends/endless.rhai", "answer();\nloop {\n}");
        ends(&ending, way.agistatus("FAILURE"), "FAILURE", true);
        assert!(ending.error.contains("ends/endless.rhai:"), "{ending:?}");
    });
}

#[test]
fn live_a_missing_script_is_reported() {
    in_all_ways(|way| {
        let mut call = asterisk().call(way.call("no-such-script.rhai", &[]));
        let ending = call.wait_end();
        ends(&ending, way.agistatus("FAILURE"), "NOTFOUND", true);
        assert!(ending.error.contains("no-such-script.rhai"), "{ending:?}");
    });
    // Without the program, Asterisk itself reports it.
    let ending = asterisk().call(Call::agi("no-such-program,x")).wait_end();
    assert_eq!((ending.agistatus.as_str(), ending.status.as_str()), ("NOTFOUND", ""));
}

#[test]
fn live_a_missing_sound_fails_no_call() {
    in_all_ways(|way| {
        way.script(
        "ends/sound.rhai",
        "answer(); stream_file(\"no-such-prompt\"); set_variable(\"KEYS\", get_data(\"no-such-question\", 5000, 2)); stream_file(\"beep\");",
    );
        let mut call = asterisk().call(way.call("ends/sound.rhai", &[]));
        if way == Way::AsyncAgi {
            // There, Asterisk ends the session of a command that fails, and the dialplan goes on.
            ends(&call.wait_end(), "FAILURE", "", true);
            assert_eq!(commands(&call).last().unwrap(), "STREAM FILE \"no-such-prompt\" \"\"");
            way.wait_log(
                "the session with Asterisk broke off: Asterisk ends AsyncAGI when STREAM FILE fails: probably, its sound \
                 file is missing",
            );
        }
        // A question without its prompt isn't such a command.
        way.script(
            "ends/question.rhai",
            "answer(); set_variable(\"KEYS\", get_data(\"no-such-question\", 5000, 2)); stream_file(\"beep\");",
        );
        if way == Way::AsyncAgi {
            call = asterisk().call(way.call("ends/question.rhai", &[]));
        }
        call.wait_for("GET DATA \"no-such-question\"");
        call.wait_for("GET DATA \"\" 5000 2");
        pause(200);
        call.press("42");
        let ending = call.wait_end();
        assert_eq!(
            (ending.status.as_str(), ending.went_on, ending.variables["KEYS"].as_str()),
            ("SUCCESS", true, "42")
        );
        // Asterisk's own status counts a missing file as a failure; therefore dialplans should test ours.
        if way != Way::AsyncAgi {
            assert_eq!(ending.agistatus, "FAILURE");
        }
        for missing in ["no-such-prompt", "no-such-question"] {
            let log = way.log();
            let told = log.lines().any(|line| line.contains("sound file missing") && line.contains(missing));
            assert!(told, "{missing}: {log}");
        }
    });
}

#[test]
fn live_a_script_can_start_on_a_dead_channel() {
    in_all_ways(|way| {
        way.script(
        "ends/dead.rhai",
        "database_put(\"live-WAY\", \"k\", env.agi_extension); noop(\"before\"); stream_file(\"beep\"); noop(\"not reached\");\
         fn on_hangup() { database_put(\"live-WAY\", \"bye\", 1); }",
    );
        let mut call = asterisk().call(way.call("ends/dead.rhai", &[]).dead());
        let ending = call.wait_end();
        if way == Way::AsyncAgi {
            // Asterisk ends such a session before anything was sent.
            ends(&ending, "HANGUP", "", false);
            assert_eq!(commands(&call), [""; 0]);
            return;
        }
        assert_eq!(ending.status, "HANGUP", "{}", call.story());
        assert!(!commands(&call).iter().any(|command| command.contains("not reached")), "{}", call.story());
        assert_eq!(value_after_hangup(&way.family(), "k").as_deref(), Some("h"));
        assert_eq!(value_after_hangup(&way.family(), "bye").as_deref(), Some("1"));
        // Commands that Asterisk permits on a dead channel aren't taken for a hangup.
        way.script("ends/dead-well.rhai", "set_variable(\"WELL\", get_variable(\"EXTEN\"));");
        let ending = asterisk().call(way.call("ends/dead-well.rhai", &[]).dead()).wait_end();
        assert_eq!((ending.status.as_str(), ending.variables["WELL"].as_str()), ("SUCCESS", "h"));
        assert_eq!((ending.agistatus.as_str(), ending.went_on), ("SUCCESS", true));
    });
}

#[test]
fn live_go_to_continues_elsewhere_in_the_dialplan() {
    in_all_ways(|way| {
        let (_, ending) = play_silently(
            way,
            "ends/landing.rhai",
            "answer(); go_to(\"landed\", \"other\", 2); noop(\"not reached\");",
        );
        assert_eq!((ending.agistatus.as_str(), ending.status.as_str()), ("SUCCESS", "SUCCESS"));
        let landed: Vec<_> = ending.steps.iter().filter(|step| step.starts_with("landed")).collect();
        assert_eq!(landed[0], "landed,other,2 NoOp(landed at 2)");
        // Without extension and priority: the first line of `s`.
        let (_, ending) = play_silently(way, "ends/landing-first.rhai", "go_to(\"landed\");");
        let landed: Vec<_> = ending.steps.iter().filter(|step| step.starts_with("landed")).collect();
        assert_eq!(landed[0], "landed,s,1 NoOp(landed at 1)");
        let (_, ending) = play_silently(way, "ends/landing-label.rhai", "go_to(\"landed\", \"other\", \"label\");");
        assert!(ending.steps.contains(&"landed,other,3 NoOp(landed at 3)".to_owned()), "{ending:?}");
    });
}

#[test]
fn live_a_denied_application_is_refused() {
    in_all_ways(|way| {
        let (call, ending) = play_silently(way, "ends/denied.rhai", "exec(\"System\", \"true\");");
        ends(&ending, way.agistatus("FAILURE"), "FAILURE", true);
        assert!(ending.error.contains("System") && ending.error.contains("--allow-exec System"), "{ending:?}");
        assert!(!commands(&call).iter().any(|command| command.starts_with("EXEC")));
    });
}

// ---- how calls begin

const SETS_ARGUMENTS: &str =
    "for i in 0..args.len() { set_variable(`ARG_${i}`, args[i]); } set_variable(\"COUNT\", args.len());";

/// Returns what `SETS_ARGUMENTS` set.
fn arguments_set(ending: &Ending) -> Vec<String> {
    assert_eq!(ending.status, "SUCCESS", "{ending:?}");
    let count: usize = ending.variables["COUNT"].parse().unwrap();
    (0..count).map(|i| ending.variables[&format!("ARG_{i}")].clone()).collect()
}

#[test]
fn live_arguments_reach_the_script() {
    in_all_ways(|way| {
        way.script("args.rhai", SETS_ARGUMENTS);
        let args = ["-x", "a,b", "say \"hi\"", "", "grüße ☎", "--help", "(x)[y]", "a b"];
        let ending = asterisk().call(way.call("args.rhai", &args)).wait_end();
        assert_eq!(arguments_set(&ending), args);
        // Without its extension, and without arguments.
        let ending = asterisk().call(way.call("args", &[])).wait_end();
        assert_eq!(arguments_set(&ending), Vec::<String>::new());
    });
    // Options stand before the script.
    let ending = asterisk().call(Call::agi("agi-rhai,--log-level=debug,--seed=1,args.rhai,a")).wait_end();
    assert_eq!(arguments_set(&ending), ["a"]);
}

#[test]
fn live_a_script_can_be_executed_by_its_hashbang() {
    let program = asterisk().inside(&asterisk().agi_dir().join("agi-rhai"));
    asterisk().program("itself.rhai", &format!("#!{program}\n{SETS_ARGUMENTS}"));
    let ending = asterisk().call(Call::agi("itself.rhai,-x,b")).wait_end();
    assert_eq!(arguments_set(&ending), ["-x", "b"]);
    assert_eq!(ending.agistatus, "SUCCESS");
    // As scripts are usually started, found by `env` in the PATH: here the folder of the program.
    let folder = asterisk().inside(&asterisk().agi_dir());
    asterisk().program("by-env.rhai", &format!("#!/usr/bin/env -S PATH={} agi-rhai\n{SETS_ARGUMENTS}", folder));
    let ending = asterisk().call(Call::agi("by-env.rhai,a")).wait_end();
    assert_eq!(arguments_set(&ending), ["a"]);
}

#[test]
fn live_eagi_works_like_agi() {
    asterisk().script("eagi.rhai", "answer(); set_variable(\"ENHANCED\", env.agi_enhanced); stream_file(\"demo-congrats\", \"#\", 200000); wait_for_digit(500);");
    let ending = asterisk().call(Call::script("eagi.rhai", &[]).eagi().sounding()).wait_end();
    ends(&ending, "SUCCESS", "SUCCESS", true);
    assert_eq!(ending.variables["ENHANCED"], "1.0");
}

#[test]
fn live_two_scripts_run_on_one_channel() {
    in_all_ways(|way| {
        way.script("twice.rhai", "set_variable(\"RUNS\", to_number(get_variable(\"RUNS\"), 0) + 1);");
        let ending = asterisk().call(way.call("twice.rhai", &[]).twice()).wait_end();
        ends(&ending, "SUCCESS", "SUCCESS", true);
        assert_eq!(ending.variables["RUNS"], "2");
    });
}

#[test]
fn live_values_that_look_like_the_protocol_stay_values() {
    in_all_ways(|way| {
        // Line ends, parentheses and words of the protocol in values.
        let script = "answer(); set_variable(\"AGIEXECFULL\", true); exec(\"Set\", \"V=one${STRFTIME(0,UTC,%n)}HANGUP${STRFTIME(0,UTC,%n)}200 result=1) (x)\"); \
                  let v = get_variable(\"V\"); set_variable(\"LENGTH\", v.len()); set_variable(\"SAME\", v == \"one\\nHANGUP\\n200 result=1) (x)\"); stream_file(\"beep\");";
        let (mut call, ending) = play_silently(way, "values.rhai", script);
        assert_eq!(ending.status, "SUCCESS");
        assert!(commands(&call).iter().any(|command| command.starts_with("STREAM FILE")), "{}", call.story());
        assert_eq!(ending.variables["SAME"], "1", "{ending:?}");
    });
}

#[test]
fn live_ten_calls_at_once() {
    in_all_ways(|way| {
        way.script("many.rhai", "answer(); for i in 0..20 { set_variable(\"N\", i); } set_variable(\"MINE\", env.agi_uniqueid); wait_for_digit(200);");
        let mut calls: Vec<Running> = (0..10).map(|_| asterisk().call(way.call("many.rhai", &[]))).collect();
        let mut ids: Vec<String> = calls
            .iter_mut()
            .map(|call| {
                let ending = call.wait_end();
                ends(&ending, "SUCCESS", "SUCCESS", true);
                ending.variables["MINE"].clone()
            })
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 10);
    });
}
