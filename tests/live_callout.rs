//! Calls out and jobs on the real Asterisk.

use crate::support::asterisk::{Call, asterisk};
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
