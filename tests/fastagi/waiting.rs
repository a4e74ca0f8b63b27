//! Functions of an embedder that wait: for a future, or for a closure that blocks. No other call waits with them.

use crate::support::process::Folder;
use crate::support::server::{Peer, environment, wait_until};
use agi_rhai::host::fastagi::{self, Admission, listen_on};
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::Call;
use agi_rhai::transport::{Pipes, Simulator, Stream};
use agi_rhai::{Host, Session, Status};
use rhai::{EvalAltResult, Module, NativeCallContext};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

type Waited = Result<(), Box<EvalAltResult>>;

/// Counts the futures that were dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Returns a host with `wait_for_future(ms)`, `block(ms)` and `panic_there()`, and the number of futures dropped.
fn host() -> (Host, Arc<AtomicUsize>) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let mut module = Module::new();
    module.set_native_fn("wait_for_future", move |context: NativeCallContext, ms: i64| -> Waited {
        let dropped = Dropped(Arc::clone(&count));
        Call::of(&context)?.wait_for(async move {
            let _dropped = dropped;
            tokio::time::sleep(Duration::from_millis(ms as u64)).await;
        })
    });
    module.set_native_fn("block", |context: NativeCallContext, ms: i64| -> Waited {
        Call::of(&context)?.blocking(move || std::thread::sleep(Duration::from_millis(ms as u64)))
    });
    module.set_native_fn("panic_there", |context: NativeCallContext| -> Waited {
        Call::of(&context)?.blocking(|| panic!("there"))
    });
    let mut host = Host::new();
    host.language_mut().add(module);
    (host, dropped)
}

struct Running {
    server: fastagi::Server,
    address: SocketAddr,
    _folder: Folder,
}

fn serve(host: Host, scripts: &[(&str, &str)]) -> Running {
    let folder = Folder::new();
    for (name, text) in scripts {
        folder.file(&format!("scripts/{name}.rhai"), text);
    }
    let (library, changes) = host.library(&folder.path("scripts")).unwrap();
    assert!(changes.iter().all(|change| !format!("{change:?}").contains("Broken")), "{changes:?}");
    let listener = listen_on("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let server = fastagi::Server::start(host, library, Admission::default(), vec![listener]).unwrap();
    Running { server, address, _folder: folder }
}

impl Running {
    fn call(&self, script: &str) -> Peer {
        let mut peer = Peer::connect(self.address);
        peer.send(environment(script));
        peer
    }
}

#[test]
fn calls_that_wait_leave_their_thread_to_others() {
    let scripts = [
        ("future", "wait_for_future(1000); verbose(\"well\");"),
        ("closure", "block(1000); verbose(\"well\");"),
        ("neighbour", "while get_variable(\"ON\") != () { }"),
    ];
    let running = serve(host().0, &scripts);
    let began = Instant::now();
    let waiting: Vec<Peer> = (0..400).map(|n| running.call(["future", "closure"][n % 2])).collect();
    let mut neighbour = running.call("neighbour");
    let mut slowest = Duration::ZERO;
    let mut commands = 0;
    let mut last = Instant::now();
    while began.elapsed() < Duration::from_millis(900) {
        neighbour.hears("GET VARIABLE \"ON\"");
        slowest = slowest.max(last.elapsed());
        commands += 1;
        std::thread::sleep(Duration::from_millis(1));
        last = Instant::now();
        neighbour.send("200 result=1 (yes)\n");
    }
    eprintln!("{commands} commands beside 400 calls that wait, the slowest took {slowest:?}");
    assert!(commands > 50, "{commands}");
    for peer in waiting {
        let played = peer.play();
        assert_eq!((played.status(), played.said()), ("SUCCESS", vec!["well"]), "{played:?}");
    }
    // One after the other, they would take 400 s.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    neighbour.hears("GET VARIABLE \"ON\"");
    neighbour.send("200 result=0\n");
    assert_eq!(neighbour.play().status(), "SUCCESS");
    running.server.join();
}

#[test]
fn a_hangup_ends_the_wait_and_drops_the_future() {
    let (host, dropped) = host();
    let running = serve(host, &[("future", "wait_for_future(60000);"), ("closure", "block(3000);")]);
    for script in ["future", "closure"] {
        let mut peer = running.call(script);
        wait_until("it waits", || running.server.calls() == 1);
        std::thread::sleep(Duration::from_millis(100));
        let began = Instant::now();
        peer.send("HANGUP\n");
        assert_eq!(peer.play().status(), "HANGUP");
        assert!(began.elapsed() < Duration::from_secs(1), "{script}: {:?}", began.elapsed());
        wait_until("the call has ended", || running.server.calls() == 0);
    }
    assert_eq!(dropped.load(SeqCst), 1);
    running.server.join();
}

#[test]
fn on_hangup_can_wait_although_the_connection_is_closed() {
    let (mut host, dropped) = host();
    // However busy the machine is.
    host.limits_mut().on_hangup = Duration::from_secs(60);
    // It computes for some milliseconds first, in which the host looks at the line.
    let script = "wait_for_digit(1000);\nfn on_hangup() { for n in 0..2000 { } wait_for_future(200); block(10); wait_for_future(1); }";
    let running = serve(host, &[("late", script)]);
    let mut peers: Vec<Peer> = (0..300).map(|_| running.call("late")).collect();
    for peer in &mut peers {
        peer.hears("WAIT FOR DIGIT 1000");
    }
    let began = Instant::now();
    drop(peers);
    wait_until("all have waited twice", || dropped.load(SeqCst) == 600);
    wait_until("all calls have ended", || running.server.calls() == 0);
    // One after the other, they would take a minute.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    running.server.join();
}

#[test]
fn on_hangup_waits_only_as_long_as_it_may() {
    let (mut host, _) = host();
    host.limits_mut().on_hangup = Duration::from_millis(300);
    let running = serve(host, &[("late", "noop();\nfn on_hangup() { wait_for_future(60000); }")]);
    let mut peer = running.call("late");
    peer.hears("NOOP");
    let began = Instant::now();
    peer.send("HANGUP\n200 result=0\n");
    let played = peer.play();
    assert!(played.variable("AGI_RHAI_ERROR").unwrap().contains("on_hangup"), "{played:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    running.server.join();
}

#[test]
fn a_panic_in_a_closure_ends_only_its_own_call() {
    let running = serve(host().0, &[("bad", "panic_there();"), ("good", "block(1);")]);
    let played = running.call("bad").play();
    assert_eq!(played.status(), "FAILURE");
    assert!(played.variable("AGI_RHAI_ERROR").unwrap().contains("panic_there: a function of the program panicked"));
    assert_eq!(running.call("good").play().status(), "SUCCESS");
    running.server.join();
}

#[test]
fn every_transport_can_wait() {
    let (host, _) = host();
    let script = host.compile("wait.rhai", "wait_for_future(30); block(30); answer();").unwrap();
    // In simulated time, a wait for something real takes none.
    let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(Plan::default())));
    let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
    assert_eq!((outcome.status, outcome.length), (Status::Success, Duration::ZERO));
    let canned = "agi_request: x\nagi_channel: x\n\n200 result=0\n200 result=1\n200 result=1\n";
    let stream = Stream::new(canned.as_bytes(), std::io::sink());
    let outcome = host.run(Session::begin(Box::new(stream)).unwrap(), &script, vec![]);
    assert_eq!(outcome.status, Status::Success, "{:?}", outcome.fault);
    assert!(outcome.length >= Duration::from_millis(60), "{:?}", outcome.length);
    // Pipes, which hear a hangup meanwhile.
    let (asterisk, call) = UnixStream::pair().unwrap();
    std::io::Write::write_all(&mut &asterisk, b"agi_request: x\nagi_channel: x\n\n").unwrap();
    let stream = Stream::over(Pipes::new(call.try_clone().unwrap(), call, None));
    let hangs_up = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(asterisk);
    });
    let script = host.compile("long.rhai", "wait_for_future(100); block(60000);").unwrap();
    let outcome = host.run(Session::begin(Box::new(stream)).unwrap(), &script, vec![]);
    assert_eq!(outcome.status, Status::Hangup, "{:?}", outcome.fault);
    assert!(outcome.length < Duration::from_secs(5), "{:?}", outcome.length);
    hangs_up.join().unwrap();
}
