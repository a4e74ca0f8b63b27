//! Calls out and jobs on the real Asterisk.

use crate::jobs::mail::MailServer;
use crate::live::{ends, pause};
use crate::support::asterisk::{Call, asterisk, free_port};
use crate::support::backend::is_skipped;
use crate::support::process::Folder;
use crate::support::server::Server;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Waits for a value that a script puts into AstDB.
#[track_caller]
fn wait_for(key: &str) -> String {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = asterisk().database_get("callout", key) {
            return value;
        }
        assert!(Instant::now() < until, "nobody has put {key}: {}\n{}", asterisk().stderr(), asterisk().console());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a folder of scripts with an operator's file of its own.
fn install() {
    let agi = asterisk().agi_dir();
    let spool = asterisk().inside(&agi.parent().unwrap().join("spool"));
    asterisk().script(
        "callout/agi-rhai.toml",
        &format!(
            "state = '{spool}/state'\nlog_level = 'debug'\n[callout]\nspool = '{spool}/outgoing'\n\
             targets = ['Local/*@callees', 'PJSIP/*']\n[program.touch]\ncommand = ['/usr/bin/touch', '--']\n"
        ),
    );
    std::fs::create_dir_all(agi.parent().unwrap().join("spool/state")).unwrap();
    asterisk().script(
        "callout/rung.rhai",
        r#"
        answer();
        database_put("callout", get_variable("KEY"), `${get_variable("NAME")}, ${env.agi_callerid}, ${now()}`);
        "#,
    );
}

#[test]
fn live_calls_out_are_made_now_and_later() {
    install();
    asterisk().script(
        "callout/order.rhai",
        r##"
        answer();
        let options = #{ script: "callout/rung.rhai", callerid: "\"Front; desk\" <4711>", wait: 10 };
        options.variables = #{ KEY: "now", NAME: "Zoë; 50% ${x}" };
        call_out("Local/stays@callees", options);
        options.at = now() + 3;
        options.variables.KEY = "later";
        set_variable("ID", call_out("Local/stays@callees", options));
        database_put("callout", "ordered", now());
        try { call_out("PJSIP/1&PJSIP/2", options); } catch (e) { database_put("callout", "refused", e.kind); }
        "##,
    );
    let mut call = asterisk().call(Call::script("callout/order.rhai", &[]));
    call.wait_end();
    assert_eq!(wait_for("refused"), "argument");
    let ordered: u64 = wait_for("ordered").parse().unwrap();
    let soon = wait_for("now");
    assert!(soon.starts_with("Zoë; 50% ${x}, 4711, "), "{soon}");
    let later = wait_for("later");
    let at: u64 = later.rsplit(", ").next().unwrap().parse().unwrap();
    assert!((ordered + 2..ordered + 25).contains(&at), "ordered at {ordered}, called at {later}");
    // Asterisk removes what it has done.
    let outgoing = asterisk().agi_dir().parent().unwrap().join("spool/outgoing");
    let until = Instant::now() + Duration::from_secs(30);
    while std::fs::read_dir(&outgoing).unwrap().count() > 0 {
        assert!(Instant::now() < until, "call files are left: {}", asterisk().console());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a folder of scripts that call out over a manager connection of this user.
fn install_manager(folder: &str, user: &str, secret: &str, port: u16, more: &str) {
    asterisk().script(
        &format!("{folder}/agi-rhai.toml"),
        &format!(
            "state = '{}/state'\n[callout]\nmanager = 'pbx'\ntargets = ['Local/*@callees', 'PJSIP/*']\n{more}\
             [manager.pbx]\naddress = '127.0.0.1:{port}'\nuser = '{user}'\nsecret = '{secret}'\ncontexts = []\n",
            asterisk().inside(&spool())
        ),
    );
    asterisk().script(
        &format!("{folder}/rung.rhai"),
        r#"
        answer();
        database_put("callout", get_variable("KEY"), `${get_variable("NAME")}|${env.agi_callerid}|${env.agi_uniqueid}`);
        "#,
    );
}

#[test]
fn live_calls_out_are_made_over_a_manager_that_may_do_nothing_else() {
    let (port, _, secret) = asterisk().manager();
    install_manager("managed", "out", secret, port, "");
    asterisk().script(
        "managed/order.rhai",
        r##"
        answer();
        let options = #{ script: "managed/rung.rhai", callerid: "\"Front; desk, 1\" <4711>", wait: 10 };
        options.variables = #{ KEY: "managed", NAME: "Zoë; 50% ${x}, \"[1\" \\ (" };
        database_put("callout", "managed-id", call_out("Local/stays@callees", options));
        options.remove("script");
        options.context = "agi-rhai-out";
        options.variables = #{ KEY: "managed-dialplan", AGI_RHAI_SCRIPT: "managed/rung" };
        call_out("Local/stays@callees", options);
        fn refused(key, target, options) {
            try { call_out(target, options); } catch (e) { database_put("callout", key, `${e.kind}: ${e.message}`); }
        }
        let script = "managed/rung.rhai";
        refused("managed-two", "PJSIP/1&PJSIP/2", #{ script: script });
        refused("managed-header", "PJSIP/1", #{ script: script, callerid: "1\r\nApplication: System" });
        refused("managed-at", "PJSIP/1", #{ script: script, at: now() + 60 });
        refused("managed-retries", "PJSIP/1", #{ script: script, retries: 1 });
        refused("managed-nowhere", "PJSIP/1", #{ context: "nowhere" });
        database_put("callout", "managed-began", now());
        "##,
    );
    asterisk().call(Call::script("managed/order.rhai", &[])).wait_end();
    wait_for("managed-began");
    let id = wait_for("managed-id");
    assert_eq!(wait_for("managed"), format!("Zoë; 50% ${{x}}, \"[1\" \\ (|4711|{id}"));
    assert!(wait_for("managed-dialplan").contains("|4711|agi-rhai-"));
    for (key, expected) in [
        ("managed-two", "argument: "),
        ("managed-header", "must be one line, without control characters"),
        ("managed-at", "`at` needs a `spool` in `[callout]`"),
        ("managed-retries", "`retries` needs a `spool` in `[callout]`"),
        ("managed-nowhere", "its dialplan has no `s` in `[nowhere]` at priority 1"),
    ] {
        let said = wait_for(key);
        assert!(said.starts_with("argument: ") && said.contains(expected), "{key}: {said}");
    }
}

#[test]
fn live_a_call_over_a_manager_rings_as_long_as_the_script_says() {
    let (port, _, secret) = asterisk().manager();
    install_manager("ringing", "out", secret, port, "");
    asterisk().script(
        "ringing/order.rhai",
        r#"
        answer();
        call_out("Local/rings@callees", #{ context: "landed", wait: 3 });
        database_put("callout", "ringing", "now");
        "#,
    );
    let rings = || asterisk().cli("core show channels concise").contains("rings@callees");
    asterisk().call(Call::script("ringing/order.rhai", &[])).wait_end();
    wait_for("ringing");
    let began = Instant::now();
    pause(1500);
    assert!(rings(), "3 s aren't 3 ms");
    while rings() {
        assert!(began.elapsed() < Duration::from_secs(20), "it rings on");
        pause(50);
    }
}

#[test]
fn live_a_manager_that_makes_no_call_is_told_apart() {
    let (port, _, secret) = asterisk().manager();
    let nobody = free_port();
    for (folder, user, secret, port, more, expected) in [
        ("no-right", "idle", secret, port, "", "argument: call_out: the user of `manager.pbx` may not make calls"),
        (
            "no-secret",
            "out",
            "wrong",
            port,
            "",
            "unavailable: call_out: `manager.pbx`: Asterisk refuses the user `out`",
        ),
        ("no-asterisk", "out", secret, nobody, "", "unavailable: call_out: no connection to `manager.pbx`"),
        (
            "no-context",
            "out",
            secret,
            port,
            "script_context = 'nowhere'\n",
            "argument: call_out: `manager.pbx`: its dialplan has no `s` in `[nowhere]`, which would run the script",
        ),
    ] {
        install_manager(folder, user, secret, port, more);
        asterisk().script(
            &format!("{folder}/order.rhai"),
            &format!(
                "answer();\ntry {{ call_out(\"Local/stays@callees\", #{{ script: \"{folder}/rung.rhai\" }}); }}\n\
                 catch (e) {{ database_put(\"callout\", \"{folder}\", `${{e.kind}}: ${{e.message}}`); }}\n"
            ),
        );
        asterisk().call(Call::script(&format!("{folder}/order.rhai"), &[])).wait_end();
        let said = wait_for(folder);
        assert!(said.contains(expected), "{folder}: {said}");
    }
}

#[test]
fn live_a_call_over_a_manager_may_come_by_async_agi() {
    let (port, user, secret) = asterisk().manager();
    let folder = Folder::new();
    folder.file(
        "scripts/agi-rhai.toml",
        format!(
            "[callout]\nmanager = 'out'\ntargets = ['Local/*@callees']\nscript_context = 'agi-rhai-out-async'\n\
             [manager.out]\naddress = '127.0.0.1:{port}'\nuser = 'out'\nsecret = '{secret}'\ncontexts = []\n\
             [manager.pbx]\naddress = '127.0.0.1:{port}'\nuser = '{user}'\nsecret = '{secret}'\n\
             contexts = ['agi-rhai-out-async']\n"
        ),
    );
    let order = "call_out(\"Local/stays@callees\", #{ script: \"rung.rhai\", variables: #{ NAME: \"Ann\" } });";
    folder.file("scripts/order.rhai", order);
    let rung = "answer();\ndatabase_put(\"callout\", \"async\", `${get_variable(\"NAME\")} ${env.agi_request}`);\n";
    folder.file("scripts/rung.rhai", rung);
    let server = Server::start(&folder, &[]);
    server.wait_for_log("manager.pbx: logged in");
    assert_eq!(server.status("order"), "SUCCESS", "{}", server.log());
    assert_eq!(wait_for("async"), "Ann async");
    assert!(!server.log().contains("manager.out"), "a manager without a context takes no calls: {}", server.log());
}

#[test]
fn live_jobs_run_behind_the_call() {
    install();
    let run = asterisk().agi_dir().parent().unwrap().to_owned();
    let done = run.join("spool/done");
    let inside = asterisk().inside(&done);
    asterisk().script(
        "callout/leaves.rhai",
        &format!(
            r#"
            answer();
            after_call("later", "{inside}");
            set_variable("LEFT", "1");
            fn later(path) {{ sleep(2); run_program("touch", [path]); }}
            "#
        ),
    );
    let began = Instant::now();
    asterisk().call(Call::script("callout/leaves.rhai", &[])).wait_end();
    assert!(began.elapsed() < Duration::from_secs(20) && !done.exists(), "the dialplan doesn't wait for the job");
    let until = Instant::now() + Duration::from_secs(30);
    while !done.exists() {
        assert!(Instant::now() < until, "the job doesn't run: {}", asterisk().stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Installs an example in a folder of its own, with this file of the operator.
fn install_example(folder: &str, names: &[&str], settings: &str) {
    let spool = asterisk().inside(&spool());
    std::fs::create_dir_all(spool_of(folder)).unwrap();
    let settings = format!("state = '{spool}/{folder}'\n{settings}").replace("@SPOOL@", &spool);
    asterisk().script(&format!("{folder}/agi-rhai.toml"), &settings);
    for name in names {
        let script = format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR"));
        asterisk().script(&format!("{folder}/{name}"), &std::fs::read_to_string(script).unwrap());
    }
}

fn spool() -> PathBuf {
    asterisk().agi_dir().parent().unwrap().join("spool")
}

fn spool_of(folder: &str) -> PathBuf {
    spool().join(folder)
}

#[test]
fn live_example_messages_mails_the_recording() {
    let server = MailServer::start();
    if is_skipped("mail", server.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let exim = server.unwrap();
    let settings = format!(
        "[mail.office]\nurl = 'smtp://127.0.0.1:{}'\nfrom = 'ivr@example.net'\nto = ['*@example.net']\n\
         attach = ['@SPOOL@']\n",
        exim.0.port
    );
    install_example("mailing", &["messages.rhai", "messages.prompts"], &settings);
    let place = || {
        let call = Call::script("mailing/messages.rhai", &[]).sounding().caller_id("Anna <7315>");
        let mut call = asterisk().call(call);
        call.wait_for("RECORD FILE");
        pause(2500);
        call
    };
    let mut content = place();
    content.press("#");
    content.wait_for("GET DATA");
    pause(300);
    content.press("1");
    content.wait_for("STREAM FILE \"messages-sent\"");
    ends(&content.wait_end(), "SUCCESS", "SUCCESS", true);
    // Most people hang up.
    let mut hurried = place();
    hurried.hangup();
    ends(&hurried.wait_end(), "HANGUP", "HANGUP", false);
    let until = Instant::now() + Duration::from_secs(60);
    while exim.mails().len() < 2 {
        assert!(Instant::now() < until, "{:?}\n{}", exim.mails().len(), asterisk().stderr());
        pause(50);
    }
    for mail in exim.mails() {
        assert!(mail.contains("Subject: Message from 7315") && mail.contains("To: office@example.net"), "{mail}");
        // The beginning of a recording, and two seconds of it.
        assert!(mail.contains("\r\nUklGR") || mail.contains("\nUklGR"), "{mail}");
        assert!(mail.len() > 20_000, "{} bytes", mail.len());
    }
}

#[test]
fn live_example_wakeup_orders_a_call_which_can_be_put_off() {
    let settings = "[callout]\nspool = '@SPOOL@/later'\ntargets = ['PJSIP/*', 'Local/*@callees']\n";
    std::fs::create_dir_all(spool_of("later")).unwrap();
    let names = ["wakeup.rhai", "wakeup.prompts", "wakeup-call.rhai", "wakeup-call.prompts"];
    install_example("waking", &names, settings);
    let ordered = || {
        let found = std::fs::read_dir(spool_of("later")).unwrap().flatten();
        found.map(|file| (std::fs::read_to_string(file.path()).unwrap(), file.metadata().unwrap().mtime()))
    };
    let mut call = asterisk().call(Call::script("waking/wakeup.rhai", &[]).caller_id("Anna <7316>"));
    call.wait_for("GET DATA \"wakeup-time\"");
    pause(300);
    call.type_keys("0630", Duration::from_millis(120));
    call.wait_for("GET DATA \"wakeup-right\"");
    pause(300);
    call.press("1");
    call.wait_for("STREAM FILE \"wakeup-ordered\"");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    let (text, at) = ordered().next().expect("no call is ordered");
    assert!(text.starts_with("Channel: PJSIP/7316\nWaitTime: 40\nMaxRetries: 2\nApplication: AGI\n"), "{text}");
    assert!(text.contains("Data: agi-rhai,wakeup-call.rhai\nSetvar: WAKEUP_PHONE=PJSIP/7316\n"), "{text}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!(at > now && at <= now + 86_400 && at % 60 == 0, "{at}");

    let woken = Call::script("waking/wakeup-call.rhai", &[]).variable("WAKEUP_PHONE", "Local/stays@callees");
    let mut woken = asterisk().call(woken);
    woken.wait_for("GET DATA \"wakeup-snooze\"");
    pause(300);
    woken.press("1");
    woken.wait_for("STREAM FILE \"wakeup-ten-minutes\"");
    ends(&woken.wait_end(), "SUCCESS", "SUCCESS", true);
    let (_, at) = ordered().find(|(text, _)| text.starts_with("Channel: Local/stays@callees\n")).expect("no second");
    assert!((now + 500..now + 700).contains(&at), "{at} at {now}");
}
