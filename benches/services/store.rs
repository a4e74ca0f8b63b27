//! How many numbers a server adds to in a file of SQLite.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// At least this many in a second, from one server with many calls.
const GOAL: f64 = 5_000.0;
const ROUNDS: usize = 5;

/// Ends the server and removes its folder.
struct Running(Child, PathBuf);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = fs::remove_dir_all(&self.1);
    }
}

pub fn measure() -> bool {
    // Where this program is built: a real disk, which a temporary folder need not be.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-{}", std::process::id()));
    fs::create_dir_all(folder.join("scripts")).unwrap();
    let script = "for n in 0..to_number(params.times) { store_add(params.key, 1) }\n\
                  set_variable(\"SUM\", store_get(params.key));";
    fs::write(folder.join("scripts/add.rhai"), script).unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut server = Command::new(env!("CARGO_BIN_EXE_agi-rhai"));
    server.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--control"]).arg(folder.join("control"));
    server.arg("--scripts").arg(folder.join("scripts")).arg("--state").arg(folder.join("state"));
    let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _running = Running(server, folder);
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < until, "the server does not start");
        thread::sleep(Duration::from_millis(20));
    }

    println!("store_add on SQLite, from one server:");
    println!("  calls   a second (median of {ROUNDS})   lowest");
    let mut best = 0.0_f64;
    for (calls, times) in [(1, 500), (8, 500), (32, 200), (64, 200), (256, 50)] {
        let key = format!("n{calls}");
        let mut rates: Vec<f64> = (0..ROUNDS).map(|_| round(port, &key, calls, times)).collect();
        rates.sort_unstable_by(f64::total_cmp);
        let sum = call(port, &format!("add?key={key}&times=1")).expect("a sum");
        assert_eq!(sum, (ROUNDS * calls * times + 1).to_string(), "none is lost");
        println!("  {calls:5}   {:10.0}   {:20.0}", rates[ROUNDS / 2], rates[0]);
        best = best.max(rates[ROUNDS / 2]);
    }
    let met = best >= GOAL;
    println!("  at best: {best:.0} a second (goal: at least {GOAL:.0}) {}", if met { "met" } else { "MISSED" });
    !met
}

/// Returns how many additions were made in a second.
fn round(port: u16, key: &str, calls: usize, times: usize) -> f64 {
    let start = Instant::now();
    let request = format!("add?key={key}&times={times}");
    thread::scope(|scope| {
        for _ in 0..calls {
            scope.spawn(|| call(port, &request).expect("a sum"));
        }
    });
    (calls * times) as f64 / start.elapsed().as_secs_f64()
}

/// Places a call. Returns what it sets `SUM` to.
fn call(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let environment = format!(
        "agi_network: yes\nagi_network_script: {request}\nagi_request: agi://127.0.0.1/{request}\n\
         agi_channel: PJSIP/alice-00000001\nagi_callerid: 201\nagi_uniqueid: 1.1\n\n"
    );
    stream.write_all(environment.as_bytes()).unwrap();
    let mut sum = None;
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(value) = line.strip_prefix("SET VARIABLE \"SUM\" ") {
            sum = Some(value.trim_matches('"').to_owned());
        }
        stream.write_all(b"200 result=1\n").unwrap();
    }
    sum
}
