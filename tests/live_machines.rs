//! Several machines: behind HAProxy, and found by DNS, with the configuration the pages show. A machine that dies in
//! the middle of calls costs only those calls their script.

use crate::live::pause;
use crate::support::asterisk::{Asterisk, Call, Crowd, Ending, can_set_name_server, free_port};
use crate::support::backend::{is_skipped, program};
use crate::support::machine::{ChildProcess, Server};
use crate::support::process::Folder;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

/// The script of these tests: a call of a second, or of as many tenths as requested.
const SCRIPT: &str = r#"answer();
    for i in 0..to_number(params.tenths, 10) { if wait_for_digit(100) != "" { throw "whose key?"; } }
    set_variable("DONE", params.n);"#;

/// Returns a file of docs/many-machines with these replacements, each of which must occur.
fn documented(name: &str, instead: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/many-machines").join(name);
    let mut text = fs::read_to_string(path).unwrap();
    for (from, to) in instead {
        assert!(text.contains(from), "docs/many-machines/{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// Two servers, each with its page for health checks.
struct TwoServers {
    servers: [Server; 2],
    pages: [u16; 2],
}

impl TwoServers {
    fn start() -> TwoServers {
        let pages = [free_port(), free_port()];
        let servers = pages.map(|page| Server::start(&TwoServers::options(&format!("127.0.0.1:{page}"))));
        for server in &servers {
            server.script("load.rhai", SCRIPT);
        }
        TwoServers { servers, pages }
    }

    fn options(page: &str) -> [&str; 4] {
        ["--metrics", page, "--drain", "20s"]
    }

    fn start_again(&mut self, number: usize) {
        self.servers[number].start_again(&TwoServers::options(&format!("127.0.0.1:{}", self.pages[number])));
    }

    fn ports(&self) -> [String; 2] {
        [0, 1].map(|number: usize| self.servers[number].port.to_string())
    }

    /// Returns how many calls each has ended, by its log.
    fn ended(&self) -> [usize; 2] {
        [0, 1].map(|number: usize| self.servers[number].log().matches("call ended script=").count())
    }
}

/// Places this many calls one after the other, half of them by the dialplan of the pages, which retries.
fn load(crowd: &mut Crowd, machines: &str, count: usize) {
    for _ in 0..count {
        let n = crowd.members().len();
        let script = format!("load.rhai?n={n}");
        let call = if n.is_multiple_of(2) {
            Call::agi(&format!("{machines}/{script}"))
        } else {
            Call::shared(&script, machines)
        };
        crowd.place(&call);
        crowd.listen(Duration::from_millis(25));
    }
}

fn check_ended_well(n: usize, ending: &Ending) -> bool {
    let done = ending.variables.get("DONE").is_some_and(|done| *done == n.to_string());
    ending.status == "SUCCESS" && ending.agistatus == "SUCCESS" && ending.went_on && done
}

/// Returns how often the dialplan called for the script.
fn tries(ending: &Ending) -> usize {
    ending.steps.iter().filter(|step| step.contains("AGI(") && step.contains("load.rhai")).count()
}

#[track_caller]
fn all_well(endings: &[Ending]) {
    for (n, ending) in endings.iter().enumerate() {
        assert!(check_ended_well(n, ending), "call {n}: {ending:#?}");
    }
}

/// One machine dies under load and comes back; then both are restarted in order, also under load.
fn check_survival(asterisk: &Asterisk, two: &mut TwoServers, machines: &str) {
    // The first one is killed in the middle of its calls.
    let mut crowd = asterisk.crowd();
    load(&mut crowd, machines, 60);
    let (killed, on_it) = (Instant::now(), two.servers[0].calls().len());
    two.servers[0].process.signal("KILL");
    two.servers[0].process.wait();
    load(&mut crowd, machines, 60);
    let endings = crowd.endings();
    assert!(on_it >= 3 && two.ended()[1] >= 20, "both should get calls: {on_it} were cut, {:?}", two.ended());
    let mut cut = 0;
    for (n, ending) in endings.iter().enumerate() {
        assert!(ending.went_on && ending.lasted < Duration::from_secs(20), "call {n}: {ending:#?}");
        let placed = crowd.members()[n].placed;
        if !check_ended_well(n, ending) {
            // Asterisk takes the end of the connection for the end of the script.
            assert_eq!((ending.agistatus.as_str(), ending.status.as_str()), ("SUCCESS", ""), "call {n}: {ending:#?}");
            assert!(n.is_multiple_of(2) && placed < killed, "call {n} should have survived: {ending:#?}");
            cut += 1;
        } else if tries(ending) > 1 {
            assert!(placed < killed, "call {n} needed a second try: {ending:#?}");
            cut += 1;
        }
    }
    assert!(cut >= 1 && cut <= on_it + 2, "{cut} calls of {on_it} were cut");

    // It comes back, and gets calls again; then each is ended in order and restarted. No call is lost.
    two.start_again(0);
    pause(1500);
    for number in [0, 1] {
        let before = two.ended();
        let mut crowd = asterisk.crowd();
        // Some calls last longer than it takes to notice that the machine takes no more.
        for n in 0..6 {
            crowd.place(&Call::agi(&format!("{machines}/load.rhai?n={n}&tenths=40")));
        }
        load(&mut crowd, machines, 30);
        two.servers[number].process.signal("TERM");
        load(&mut crowd, machines, 40);
        assert_eq!(two.servers[number].process.wait(), Some(0), "{}", two.servers[number].log());
        two.start_again(number);
        load(&mut crowd, machines, 60);
        let endings = crowd.endings();
        all_well(&endings);
        for (n, ending) in endings.iter().enumerate() {
            assert_eq!(tries(ending), 1, "call {n}: {ending:#?}");
        }
        let after = two.ended();
        assert!((0..2).all(|number| after[number] >= before[number] + 5), "{before:?} {after:?}");
    }
}

#[test]
fn live_calls_behind_haproxy_survive_a_dead_machine() {
    let haproxy = program("haproxy", "haproxy");
    if is_skipped("live_many_machines_behind_haproxy", haproxy.clone().map(drop)) {
        return;
    }
    let mut two = TwoServers::start();
    let (folder, port, ports) = (Folder::new(), free_port(), two.ports());
    let machine = |number: usize| format!("127.0.0.1:{} port {}", ports[number], two.pages[number]);
    let config = documented(
        "haproxy.cfg",
        &[
            ("192.0.2.10:4573", format!("127.0.0.1:{port}")),
            ("192.0.2.11:4573 port 9150", machine(0)),
            ("192.0.2.12:4573 port 9150", machine(1)),
        ],
    );
    let config = folder.file("haproxy.cfg", config);
    let _haproxy =
        ChildProcess::start(Command::new(haproxy.unwrap()).args(["-db", "-q", "-f", &config]).stdout(Stdio::null()));
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < until, "HAProxy does not start");
        pause(20);
    }
    pause(1500);
    check_survival(&Asterisk::start(), &mut two, &format!("agi://127.0.0.1:{port}"));
}

/// Starts a DNS server for the test, if that is possible.
fn name_server() -> Result<Ipv4Addr, String> {
    can_set_name_server()?;
    let number = std::process::id();
    let address = Ipv4Addr::new(127, 53, (number >> 8) as u8, number as u8);
    UdpSocket::bind((address, 53)).map_err(|error| format!("port 53 of {address}: {error}"))?;
    TcpListener::bind((address, 53)).map_err(|error| format!("port 53 of {address}: {error}"))?;
    Ok(address)
}

#[test]
fn live_calls_found_by_dns_survive_a_dead_machine() {
    let may = program("dnsmasq", "dnsmasq-base").and_then(|dnsmasq| Ok((dnsmasq, name_server()?)));
    if is_skipped("live_many_machines_found_by_dns", may.clone().map(drop)) {
        return;
    }
    let (dnsmasq, address) = may.unwrap();
    let mut two = TwoServers::start();
    let (folder, ports) = (Folder::new(), two.ports());
    let zone = |ranks: [&str; 2]| {
        let rank = |number: usize| format!("games{}.games.test,{},{}", number + 1, ports[number], ranks[number]);
        documented(
            "dnsmasq.conf",
            &[
                ("games1.games.test,4573,10,50", rank(0)),
                ("games2.games.test,4573,10,50", rank(1)),
                ("192.0.2.11", "127.0.0.1".to_owned()),
                ("192.0.2.12", "127.0.0.1".to_owned()),
            ],
        )
    };
    let serve = |text: &str| {
        let config = folder.file("dnsmasq.conf", text);
        let mut command = Command::new(&dnsmasq);
        command.args([
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--user=root",
            "--group=root",
        ]);
        command.args([
            format!("--listen-address={address}"),
            format!("--conf-file={config}"),
            "--pid-file=".to_owned(),
        ]);
        let kept = ChildProcess::start(command.args(["--log-facility=-", "--quiet-dhcp"]).stderr(Stdio::null()));
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((address, 53)).is_err() {
            assert!(Instant::now() < until, "dnsmasq does not start with {text}");
            pause(20);
        }
        kept
    };
    let asterisk = Asterisk::start_asking(address);
    let names = serve(&zone(["10,50", "10,50"]));
    check_survival(&asterisk, &mut two, "hagi://games.test");
    drop(names);

    // The first rank gets all calls, whatever its weight.
    let names = serve(&zone(["20,90", "10,10"]));
    let before = two.ended();
    let mut crowd = asterisk.crowd();
    load(&mut crowd, "hagi://games.test", 30);
    let count = crowd.endings().len();
    let after = two.ended();
    assert_eq!([after[0] - before[0], after[1] - before[1]], [0, count]);
    // The second rank gets them when the first refuses.
    two.servers[1].process.signal("KILL");
    two.servers[1].process.wait();
    let mut crowd = asterisk.crowd();
    load(&mut crowd, "hagi://games.test", 20);
    all_well(&crowd.endings());
    // When both refuse, and when there is no such name, the dialplan learns it at once.
    two.servers[0].process.signal("KILL");
    two.servers[0].process.wait();
    let mut crowd = asterisk.crowd();
    crowd.place(&Call::agi("hagi://games.test/load.rhai"));
    crowd.place(&Call::agi("hagi://nowhere.test/load.rhai"));
    crowd.place(&Call::shared("load.rhai", "hagi://games.test"));
    let endings = crowd.endings();
    for ending in &endings {
        assert_eq!((ending.agistatus.as_str(), ending.status.as_str(), ending.went_on), ("FAILURE", "", true));
    }
    assert!(endings[..2].iter().all(|ending| ending.lasted < Duration::from_secs(5)), "{endings:#?}");
    assert!(endings[2].steps.iter().any(|step| step.contains("Playback(all-circuits-busy-now)")), "{endings:#?}");
    two.start_again(0);
    two.start_again(1);
    drop(names);

    // Within a rank, the shares follow the weights: here 20 to 80.
    let _names = serve(&zone(["10,20", "10,80"]));
    let before = two.ended();
    let mut crowd = asterisk.crowd();
    load(&mut crowd, "hagi://games.test", 60);
    crowd.endings();
    let after = two.ended();
    let shares = [after[0] - before[0], after[1] - before[1]];
    assert!(shares[0] >= 1 && shares[0] < shares[1], "{shares:?}");
}
