//! The counters, Prometheus' page, its HTTP server, and the dashboard and alerts made from it.

use crate::support::backend::{is_skipped, program};
use crate::support::process::Folder;
use agi_rhai::command::{COMMANDS, Command, Function, Returns};
use agi_rhai::host::http::{self, Answer, Pages};
use agi_rhai::host::metrics::{CONTENT_TYPE, Gauges, Metrics, Refused};
use agi_rhai::internals::jobs::{JobRunner, ScriptFiles};
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::service::{Services, Settings};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Session, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command as Program, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const DASHBOARD: &str = "docs/grafana-dashboard.json";
const ALERTS: &str = "docs/alerts.yml";
const PAGE: &str = "docs/operating.md";

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A metric as the page shows it.
#[derive(Debug)]
struct Family {
    kind: String,
    /// By the full name and the labels.
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// Parses the page as strictly as the format is defined, and more: one block per metric, with help and type.
fn parse(page: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    assert!(page.ends_with('\n'));
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(text.ends_with('.'), "{line}");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            let family = Family { kind: kind.to_owned(), samples: Vec::new() };
            assert!(families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
            current = name.to_owned();
            continue;
        }
        let (name, labels, value) = sample(line);
        assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
        let family = families.get_mut(&current).unwrap();
        let ending = name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} below {current}"));
        let endings: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(endings.contains(&ending), "{line}");
        assert_eq!(family.kind == "counter", current.ends_with("_total"), "{line}");
        family.samples.push((name, labels, value));
    }
    families
}

/// Parses one line: name, labels in braces with their escapes, a blank, a number.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
    let (head, value) = line.rsplit_once(' ').unwrap();
    let mut labels = BTreeMap::new();
    let name = match head.split_once('{') {
        None => head,
        Some((name, rest)) => {
            let mut chars = rest.chars();
            loop {
                let label: String = chars.by_ref().take_while(|c| *c != '=').collect();
                assert!(is_name(&label), "{line}");
                assert_eq!(chars.next(), Some('"'), "{line}");
                let mut text = String::new();
                loop {
                    match chars.next().unwrap() {
                        '"' => break,
                        '\\' => text.push(match chars.next().unwrap() {
                            'n' => '\n',
                            c @ ('\\' | '"') => c,
                            c => panic!("\\{c} in {line}"),
                        }),
                        c => text.push(c),
                    }
                }
                assert!(labels.insert(label, text).is_none(), "{line}");
                match chars.next() {
                    Some(',') => {}
                    Some('}') => break,
                    other => panic!("{other:?} in {line}"),
                }
            }
            assert_eq!(chars.next(), None, "{line}");
            name
        }
    };
    assert!(is_name(name), "{line}");
    (name.to_owned(), labels, value.parse().unwrap())
}

/// Returns the value of one series.
#[track_caller]
fn value(page: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: BTreeMap<_, _> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let families = parse(page);
    let mut all = families.values().flat_map(|family| &family.samples);
    all.find(|(n, l, _)| n == name && *l == labels).map(|(_, _, value)| *value)
}

/// Returns services of which one was asked something.
fn asked_services() -> Services {
    let folder = Folder::new();
    let config = folder.file(
        "agi-rhai.toml",
        "[program.echo]\ncommand = [\"echo\"]\nat_once = 7\n[program.unused]\ncommand = [\"ls\"]",
    );
    let services = Services::new(Settings::read(config.as_ref()).unwrap());
    let mut host = Host::new();
    host.set_services(services.clone());
    let script = host.compile("ask.rhai", r#"try { run_program("echo", ["x"]) } catch {} "#).unwrap();
    let nobody: Plan = "".parse().unwrap();
    let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(nobody)));
    let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
    assert_eq!(outcome.status, Status::Success, "{:?}", outcome.fault);
    services
}

/// Makes metrics with something in each counter.
fn counted_metrics() -> Metrics {
    let metrics = Metrics::new(2);
    let services = asked_services();
    let mut host = Host::new();
    host.set_services(services.clone());
    JobRunner::new(host, Box::new(ScriptFiles(None))).unwrap().count_left().unwrap();
    metrics.set_services(services);
    metrics.set_scripts(["guess", "memory"]);
    for status in [Status::Success, Status::Hangup, Status::Failure, Status::NotFound, Status::Lost] {
        metrics.started();
        metrics.ended(if status == Status::NotFound { "" } else { "guess" }, status);
    }
    metrics.fault("guess");
    Refused::ALL.into_iter().for_each(|why| metrics.refused(why));
    metrics.reload(true);
    metrics.reload(false);
    metrics.missing_sounds(3);
    metrics.set_manager("pbx1", Some(true));
    metrics.set_manager("pbx2", Some(false));
    metrics.shard(0).command(COMMANDS[0], micros(1_500), micros(7));
    metrics.shard(1).command(COMMANDS[0], micros(90), micros(80_000));
    metrics
}

const NOW: Gauges = Gauges {
    calls: 7,
    max_calls: 500,
    scripts: 2,
    broken_scripts: 1,
    log_lines_dropped: 4,
    stuck_calls: 1,
    recordings_lost: 3,
    broken_config: true,
};

/// Runs promtool if it is installed (from the Debian package `prometheus`).
fn promtool(args: &[&str], input: &str) {
    let program = program("promtool", "prometheus");
    if is_skipped(&format!("promtool {}", args.join(" ")), program.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let mut program = Program::new(program.unwrap())
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}: {said}");
}

#[test]
fn the_page_has_prometheus_format() {
    let page = counted_metrics().render(&NOW);
    for (name, labels, count) in [
        ("agi_rhai_build_info", &[("version", env!("CARGO_PKG_VERSION"))][..], 1.0),
        ("agi_rhai_calls", &[], 7.0),
        ("agi_rhai_max_calls", &[], 500.0),
        ("agi_rhai_calls_started_total", &[], 5.0),
        ("agi_rhai_calls_ended_total", &[("script", "guess"), ("status", "HANGUP")], 1.0),
        ("agi_rhai_calls_ended_total", &[("script", ""), ("status", "NOTFOUND")], 1.0),
        ("agi_rhai_calls_refused_total", &[("reason", "max_calls_per_peer")], 1.0),
        ("agi_rhai_faults_total", &[("script", "guess")], 1.0),
        ("agi_rhai_faults_total", &[("script", "memory")], 0.0),
        ("agi_rhai_reloads_total", &[("result", "bad")], 1.0),
        ("agi_rhai_missing_sounds_total", &[], 3.0),
        ("agi_rhai_scripts", &[], 2.0),
        ("agi_rhai_broken_scripts", &[], 1.0),
        ("agi_rhai_log_lines_dropped_total", &[], 4.0),
        ("agi_rhai_recordings_lost_total", &[], 3.0),
        ("agi_rhai_config_broken", &[], 1.0),
        ("agi_rhai_manager_connected", &[("manager", "pbx1")], 1.0),
        ("agi_rhai_manager_connected", &[("manager", "pbx2")], 0.0),
        ("agi_rhai_service_requests_total", &[("service", "program.echo")], 1.0),
        ("agi_rhai_service_requests_total", &[("service", "program.unused")], 0.0),
        ("agi_rhai_service_failures_total", &[("service", "program.unused"), ("kind", "unavailable")], 0.0),
        ("agi_rhai_service_requests", &[("service", "program.echo")], 0.0),
        ("agi_rhai_service_max_requests", &[("service", "program.echo")], 7.0),
        ("agi_rhai_service_max_requests", &[("service", "program.unused")], 32.0),
        ("agi_rhai_service_failing", &[("service", "program.echo")], 0.0),
        ("agi_rhai_jobs_total", &[("result", "done")], 0.0),
        ("agi_rhai_jobs", &[("state", "waiting")], 0.0),
        ("agi_rhai_jobs_oldest_seconds", &[], 0.0),
        ("agi_rhai_service_seconds_count", &[("service", "program.echo")], 1.0),
    ] {
        assert_eq!(value(&page, name, labels), Some(count), "{name}{labels:?}");
    }
    promtool(&["check", "metrics"], &page);
    // A page without anything counted is valid too.
    let page = Metrics::new(0).render(&Gauges::default());
    assert!(!page.contains("command="), "{page}");
    parse(&page);
    promtool(&["check", "metrics"], &page);
}

#[test]
fn histograms_are_cumulative() {
    let metrics = Metrics::new(3);
    // At a bound, above it, above all of them, and longer than can be counted.
    let lengths = [0, 10_000, 10_001, 50_000_000, 50_000_001, 61_000_000_000].map(Duration::from_nanos);
    for (worker, length) in lengths.into_iter().enumerate() {
        metrics.shard(worker).command(COMMANDS[3], length, Duration::ZERO);
    }
    let page = metrics.render(&NOW);
    let verb = COMMANDS[3].verb;
    let histogram = &parse(&page)["agi_rhai_command_asterisk_seconds"];
    let buckets: Vec<(f64, f64)> = histogram
        .samples
        .iter()
        .filter(|(name, ..)| name.ends_with("_bucket"))
        .map(|(_, labels, count)| {
            assert_eq!(labels["command"], verb);
            (labels["le"].parse().unwrap(), *count)
        })
        .collect();
    assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{buckets:?}");
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, 6.0)));
    for (bound, count) in [(0.000_01, 2.0), (0.000_025, 3.0), (0.05, 4.0), (0.1, 5.0), (60.0, 5.0)] {
        assert!(buckets.contains(&(bound, count)), "{bound}: {count} in {buckets:?}");
    }
    let whole = |name| value(&page, name, &[("command", verb)]).unwrap();
    assert_eq!(whole("agi_rhai_command_asterisk_seconds_count"), 6.0);
    assert!((whole("agi_rhai_command_asterisk_seconds_sum") - 61.100_020_002).abs() < 1e-9);
    assert_eq!(whole("agi_rhai_command_script_seconds_count"), 6.0);
    assert_eq!(whole("agi_rhai_command_script_seconds_sum"), 0.0);
    metrics.shard(0).command(COMMANDS[3], Duration::MAX, Duration::MAX);
    parse(&metrics.render(&NOW));
}

/// A command as an embedder may have made.
static EMBEDDER_COMMAND: Command = Command {
    function: Function { name: "own", summary: "Own.", params: &[], returns: Returns::Key, examples: &[] },
    verb: "OWN",
    ..Command::UNSTATED
};

#[test]
fn each_command_has_its_own_count() {
    let metrics = Metrics::new(2);
    for (place, command) in COMMANDS.iter().copied().chain([&EMBEDDER_COMMAND]).enumerate() {
        for time in 0..=place {
            metrics.shard(time % 2).command(command, micros(1), micros(1));
        }
    }
    let page = metrics.render(&NOW);
    for (place, verb) in COMMANDS.iter().map(|command| command.verb).chain(["other"]).enumerate() {
        let count = value(&page, "agi_rhai_command_script_seconds_count", &[("command", verb)]);
        assert_eq!(count, Some((place + 1) as f64), "{verb}");
    }
    promtool(&["check", "metrics"], &page);
}

#[test]
fn nothing_is_lost_between_threads() {
    let metrics = Metrics::new(2);
    thread::scope(|scope| {
        for worker in 0..4 {
            let metrics = &metrics;
            scope.spawn(move || {
                for _ in 0..5_000 {
                    metrics.started();
                    metrics.shard(worker).command(COMMANDS[1], micros(20), micros(20));
                    metrics.ended("guess", Status::Success);
                }
            });
        }
    });
    let page = metrics.render(&NOW);
    let verb = COMMANDS[1].verb;
    let count = Some(20_000.0);
    assert_eq!(value(&page, "agi_rhai_calls_started_total", &[]), count);
    assert_eq!(value(&page, "agi_rhai_calls_ended_total", &[("script", "guess"), ("status", "SUCCESS")]), count);
    assert_eq!(value(&page, "agi_rhai_command_asterisk_seconds_count", &[("command", verb)]), count);
    assert_eq!(value(&page, "agi_rhai_command_asterisk_seconds_sum", &[("command", verb)]), Some(0.4));
}

#[test]
fn only_the_last_hundred_removed_scripts_are_shown() {
    let metrics = Metrics::new(1);
    let shown = || {
        let page = metrics.render(&Gauges::default());
        let faults = page.lines().filter_map(|line| line.strip_prefix("agi_rhai_faults_total{script=\""));
        faults.map(|line| line.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    metrics.ended("", Status::NotFound);
    for day in 0..1000 {
        metrics.set_scripts([format!("day{day}.rhai").as_str(), "always.rhai"]);
        metrics.ended(&format!("day{day}.rhai"), Status::Success);
        metrics.ended("always.rhai", Status::Success);
    }
    let scripts = shown();
    // The existing ones, the last 100 that are gone, and calls without a script.
    assert_eq!(scripts.len(), 103, "{scripts:?}");
    let is_shown = |name: &str| scripts.iter().any(|script| script == name);
    assert!(is_shown("") && is_shown("always.rhai") && is_shown("day999.rhai") && is_shown("day899.rhai"));
    assert!(!is_shown("day898.rhai"));
    let count = |script: &str, status: &str| {
        value(
            &metrics.render(&Gauges::default()),
            "agi_rhai_calls_ended_total",
            &[("script", script), ("status", status)],
        )
    };
    // No existing script has lost a call; one that comes back goes on from its count.
    assert_eq!((count("always.rhai", "SUCCESS"), count("", "NOTFOUND")), (Some(1000.0), Some(1.0)));
    metrics.set_scripts(["day950.rhai", "always.rhai"]);
    metrics.ended("day950.rhai", Status::Success);
    assert_eq!(count("day950.rhai", "SUCCESS"), Some(2.0));
    // Calls that outlive their script count, and displace no existing one.
    for late in 0..500 {
        metrics.ended(&format!("late{late}.rhai"), Status::Hangup);
    }
    assert_eq!((count("late499.rhai", "HANGUP"), count("day950.rhai", "SUCCESS")), (Some(1.0), Some(2.0)));
    assert_eq!(shown().len(), 103);
}

#[test]
fn labels_are_escaped() {
    let metrics = Metrics::new(1);
    for script in ["a\"b", "a\\b", "a\\\"", "a\nb", "ä, {x=\"y\"} 1", "\\n"] {
        metrics.fault(script);
        let page = metrics.render(&NOW);
        assert_eq!(value(&page, "agi_rhai_faults_total", &[("script", script)]), Some(1.0), "{page}");
    }
    promtool(&["check", "metrics"], &metrics.render(&NOW));
}

#[test]
#[cfg(target_os = "linux")]
fn process_metrics_are_shown() {
    let metrics = Metrics::new(1);
    let page = metrics.render(&NOW);
    let number = |name| value(&page, name, &[]).unwrap_or_else(|| panic!("no {name} in {page}"));
    assert!((1e6..1e11).contains(&number("process_resident_memory_bytes")));
    assert!((0.0..1e5).contains(&number("process_cpu_seconds_total")));
    assert!(number("process_threads") >= 2.0);
    assert!(number("process_open_fds") >= 3.0);
    assert!(number("process_max_fds") >= number("process_open_fds"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    // To a few seconds: the machine reports its start in whole seconds, and its clock may have been set.
    let age = now - number("process_start_time_seconds");
    assert!((-5.0..100_000.0).contains(&age), "{age}");
}

/// Returns the words in a text that are names of metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("agi_rhai_") || word.starts_with("process_")).collect()
}

/// Returns the labels in `by (...)`, braces and legends.
fn labels(expression: &str) -> Vec<&str> {
    let by = expression.split("by (").skip(1).flat_map(|rest| rest.split(')').next().unwrap().split(','));
    let within = expression.split('{').skip(1).flat_map(|rest| rest.split('}').next().unwrap().split(','));
    by.chain(within.filter_map(|matcher| matcher.split(['=', '!']).next())).map(str::trim).collect()
}

/// Collects every text with this key, at any depth.
fn texts<'a>(json: &'a serde_json::Value, key: &str, found: &mut Vec<&'a str>) {
    match json {
        serde_json::Value::Array(list) => list.iter().for_each(|json| texts(json, key, found)),
        serde_json::Value::Object(map) => {
            found.extend(map.get(key).and_then(serde_json::Value::as_str));
            map.values().for_each(|json| texts(json, key, found));
        }
        _ => {}
    }
}

#[test]
fn dashboard_and_alerts_use_existing_metrics() {
    let page = counted_metrics().render(&NOW);
    let families = parse(&page);
    let samples = || families.values().flat_map(|family| &family.samples);
    let known: BTreeSet<&str> = samples().map(|(name, ..)| name.as_str()).collect();
    let mut known_labels: BTreeSet<&str> = samples().flat_map(|(_, labels, _)| labels.keys()).map(|l| &**l).collect();
    known_labels.extend(["instance", "job"]);

    let dashboard: serde_json::Value = serde_json::from_str(&file(DASHBOARD)).unwrap();
    let mut expressions = Vec::new();
    texts(&dashboard, "expr", &mut expressions);
    assert!(expressions.len() > 10);
    let alerts = file(ALERTS);
    let from = expressions.len();
    expressions.extend(alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")));
    assert!(expressions.len() > from + 5);
    for expression in expressions {
        assert!(!names(expression).is_empty() || expression.contains("up{"), "{expression}");
        for name in names(expression) {
            assert!(known.contains(name), "no {name}: {expression}");
        }
        for label in labels(expression) {
            assert!(known_labels.contains(label), "no label {label}: {expression}");
        }
    }
    for name in names(&alerts) {
        assert!(known.contains(name), "no {name} in {ALERTS}");
    }
    // The documentation names all of them, and no others.
    let documented = file(PAGE);
    let documented: BTreeSet<&str> =
        names(&documented).into_iter().filter(|name| families.contains_key(*name)).collect();
    assert_eq!(documented, families.keys().map(String::as_str).collect::<BTreeSet<_>>());

    // Every panel lies within the grid and has its own number.
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        let grid = &panel["gridPos"];
        assert!(grid["x"].as_u64().unwrap() + grid["w"].as_u64().unwrap() <= 24, "{panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
}

#[test]
fn the_alert_rules_pass_promtool() {
    promtool(&["check", "rules", ALERTS], "");
    promtool(&["test", "rules", "tests/alerts.test.yml"], "");
}

/// Serves three pages. Returns the server and its address.
fn server() -> (Pages, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = counted_metrics();
    let pages = http::serve(listener, move |path| match path {
        "/metrics" => Some(Answer { status: 200, content_type: CONTENT_TYPE, body: metrics.render(&NOW) }),
        "/healthz" => Some(Answer::text(200, "well\n")),
        "/readyz" => Some(Answer::text(503, "draining\n")),
        "/long" => Some(Answer::text(200, "x".repeat(3_000_000))),
        "/endless" => Some(Answer::text(200, "x".repeat(20_000_000))),
        "/bad" => panic!("a fault of the page, made by the test"),
        _ => None,
    });
    (pages.unwrap(), address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Sends these bytes and returns everything received until the connection ends.
fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_ref()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

#[test]
fn pages_are_served() {
    let (_pages, address) = server();
    let reply = get(address, "/metrics");
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let length = format!("Content-Length: {}", body.len());
    let lines: Vec<&str> = head.split("\r\n").collect();
    assert_eq!(lines, ["HTTP/1.1 200 OK", &format!("Content-Type: {CONTENT_TYPE}"), &length, "Connection: close"]);
    assert_eq!(value(body, "agi_rhai_calls", &[]), Some(7.0));

    assert!(get(address, "/readyz").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(get(address, "/healthz?verbose=1").ends_with("\r\n\r\nwell\n"));
    let head = ask(address, "HEAD /healthz HTTP/1.0\n\n");
    assert!(head.contains("\r\nContent-Length: 5\r\n") && head.ends_with("close\r\n\r\n"), "{head}");
    // All of a page too long to be sent at once.
    assert_eq!(get(address, "/long").split_once("\r\n\r\n").unwrap().1.len(), 3_000_000);
}

#[test]
fn bad_requests_are_refused() {
    let (pages, address) = server();
    let huge = format!("GET /metrics HTTP/1.1\r\nCookie: {}", "a".repeat(100_000));
    for (request, status) in [
        (&b"GET /nothing HTTP/1.1\r\n\r\n"[..], 404),
        (b"GET /metrics/ HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"BREW /metrics HTTP/1.1\r\n\r\n", 405),
        (b"get /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\n\n", 400),
        (b" \0\xff\xfe\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),
        (huge.as_bytes(), 400),
        (&[0xff; 50_000], 400),
        (b"GET /bad HTTP/1.1\r\n\r\n", 500),
    ] {
        let reply = ask(address, request);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{:?}: {reply}", request.escape_ascii().to_string());
        assert_eq!(reply.contains("\r\nAllow: GET, HEAD\r\n"), status == 405);
    }
    // Half a request, and one that ends before it began.
    assert_eq!(ask_and_close(address, b"GET /metrics HTT"), "");
    assert_eq!(ask_and_close(address, b""), "");
    assert!(ask_and_close(address, b"GET /healthz HTTP/1.1\r\n\r\n").ends_with("well\n"));
    assert!(get(address, "/healthz").ends_with("well\n"));
    // Once given up, it is gone.
    drop(pages);
    let gone = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(gone.elapsed() < Duration::from_secs(5));
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends these bytes and closes its own direction.
fn ask_and_close(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// Waits for the server to close this client's connection. Returns whether it did.
fn is_dropped(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn silent_clients_delay_no_other_client() {
    let (_pages, address) = server();
    let mut silent = Vec::new();
    let mut fastest = Duration::MAX;
    // More than once, since the machine may be busy.
    for _ in 0..5 {
        silent.extend((0..20).map(|_| connect(address)));
        let asked = Instant::now();
        assert!(get(address, "/metrics").starts_with("HTTP/1.1 200 OK\r\n"));
        fastest = fastest.min(asked.elapsed());
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    assert!(silent.iter_mut().all(is_dropped));
}

#[test]
fn slow_clients_are_dropped() {
    let (_pages, address) = server();
    // A client that doesn't read a page that exceeds the system's buffers.
    let mut deaf = connect(address);
    deaf.write_all(b"GET /endless HTTP/1.1\r\n\r\n").unwrap();
    // A client that needs five seconds to send its request.
    let mut slow = connect(address);
    for byte in b"GET /metrics HTTP/1.1\r\n\r\n" {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(200));
    }
    let mut reply = Vec::new();
    assert!(slow.read_to_end(&mut reply).is_err() || reply.is_empty());
    assert!(is_dropped(&mut deaf));
    // A client that takes its time, but not too much of it, gets its page.
    let mut patient = connect(address);
    for part in ["GET /hea", "lthz HTTP/1.1\r", "\n\r", "\n"] {
        patient.write_all(part.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    let mut reply = String::new();
    patient.read_to_string(&mut reply).unwrap();
    assert!(reply.ends_with("well\n"), "{reply}");
}
