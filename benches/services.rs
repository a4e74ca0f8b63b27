//! Measures what asking a service costs beyond the client library, and how many numbers the store adds to:
//! `cargo bench --bench services`, or one part of it: `cargo bench --bench services -- http`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on is none")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures real time and prints it")]
#![allow(clippy::pedantic, reason = "as in the tests")]

#[path = "services/store.rs"]
mod store;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use agi_rhai::service::{Services, Settings};
use agi_rhai::transport::{Pipes, Stream};
use agi_rhai::{Host, Session};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Measures something, and returns whether it missed its goal.
type Part = fn() -> bool;

/// The parts, by the names that choose them on the command line.
const PARTS: &[(&str, Part)] = &[("http", http), ("sql", sql), ("store", store::measure)];

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let mut missed = false;
    for (name, part) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            missed |= part();
        }
    }
    if missed {
        std::process::exit(1);
    }
}

fn goal(name: &str, figure: f64, max: f64) -> bool {
    let met = figure <= max;
    println!("  {name}: {figure:.1} (goal: at most {max:.1}) {}", if met { "met" } else { "MISSED" });
    !met
}

/// Rounds of a measurement, in each of which the script and the library take turns.
const ROUNDS: usize = 41;
/// Requests in a round, of each of the two.
const REQUESTS: usize = 200;

/// Compares a function of scripts with what the library alone takes for the same, in microseconds a request: prints
/// both, and returns the median of the differences of neighbours.
fn compare(what: &str, mut script: impl FnMut() -> Duration, mut alone: impl FnMut() -> Duration) -> f64 {
    let per_request = |took: Duration| took.as_secs_f64() * 1e6 / REQUESTS as f64;
    // The first round connects and fills the caches.
    let mut rounds: Vec<(f64, f64)> =
        (0..=ROUNDS).map(|_| (per_request(script()), per_request(alone()))).skip(1).collect();
    let median = |key: &dyn Fn(&(f64, f64)) -> f64, rounds: &mut Vec<(f64, f64)>| {
        rounds.sort_by(|a, b| key(a).total_cmp(&key(b)));
        key(&rounds[rounds.len() / 2])
    };
    let of_script = median(&|round| round.0, &mut rounds);
    let of_library = median(&|round| round.1, &mut rounds);
    let more = median(&|round| round.0 - round.1, &mut rounds);
    println!("{what}, median of {ROUNDS} rounds: {of_script:.1} us a request; the library alone {of_library:.1} us");
    more
}

/// A call whose script evaluates an expression [`REQUESTS`] times whenever it is asked to.
struct Caller {
    asterisk: UnixStream,
    times: Arc<Mutex<Vec<Duration>>>,
}

impl Caller {
    fn new(settings: &str, expression: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("agi-rhai-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("agi-rhai.toml");
        std::fs::write(&file, settings).unwrap();
        let mut host = Host::new();
        host.set_services(Services::new(Settings::read(&file).unwrap()));
        std::fs::remove_dir_all(&folder).unwrap();
        let mut module = rhai::Module::new();
        let (times, began) = (Arc::new(Mutex::new(Vec::new())), Mutex::new(Instant::now()));
        let taken = Arc::clone(&times);
        module.set_native_fn("measure", move |begins: bool| {
            let mut began = began.lock().unwrap();
            if begins {
                *began = Instant::now()
            } else {
                taken.lock().unwrap().push(began.elapsed())
            }
            Ok(())
        });
        host.language_mut().add(module);
        // The limit of operations is per wait for Asterisk.
        let script = format!(
            "while get_variable(\"ON\") != () {{ measure(true); for i in 0..{REQUESTS} {{ {expression}; }} \
             measure(false); noop(); }}"
        );
        let script = host.compile("bench.rhai", &script).unwrap();
        let (line, mut asterisk) = UnixStream::pair().unwrap();
        asterisk.write_all(b"agi_request: bench\nagi_uniqueid: 1.1\n\n").unwrap();
        std::thread::spawn(move || {
            let pipes = Pipes::new(line.try_clone().unwrap(), line, None);
            let outcome = host.run(Session::begin(Box::new(Stream::over(pipes))).unwrap(), &script, vec![]);
            // The line breaks when the measurement is over.
            assert!(outcome.fault.is_none(), "{outcome:?}");
        });
        Self { asterisk, times }
    }

    /// Lets the script do a round, and returns how long it took.
    fn round(&mut self) -> Duration {
        let mut lines = BufReader::new(self.asterisk.try_clone().unwrap());
        let mut line = String::new();
        for reply in ["200 result=1 (1)\n", ""] {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the call has ended");
            self.asterisk.write_all(reply.as_bytes()).unwrap();
        }
        assert_eq!(line, "NOOP\n");
        let took = self.times.lock().unwrap().pop().unwrap();
        self.asterisk.write_all(b"200 result=0\n").unwrap();
        took
    }
}

/// A web API on this machine that answers at once and keeps its connections.
fn web_api() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                    if line == "\r\n" {
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"celsius\":21}";
                        stream.write_all(answer).unwrap();
                    }
                    line.clear();
                }
            });
        }
    });
    address
}

/// What `http_get` costs beyond the same request by hyper, on a connection that is kept.
fn http() -> bool {
    let address = web_api();
    let mut caller = Caller::new(
        &format!("[http.api]\nurl = \"http://{address}/v1/\"\ntimeout = \"10s\""),
        r#"if http_get("api", "weather").body.celsius != 21 { throw "no answer" }"#,
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url: http::Uri = format!("http://{address}/v1/weather").parse().unwrap();
    let alone = || {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..REQUESTS {
                let response = client.get(url.clone()).await.unwrap();
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 14);
            }
            began.elapsed()
        })
    };
    let more = compare("`http_get` on loopback, kept alive", || caller.round(), alone);
    goal("microseconds more than by the library alone", more, 150.0)
}

/// What `sql_value` costs beyond the same query by sqlx, on a connection of its pool.
fn sql() -> bool {
    let database = match support::backend::postgres() {
        Ok(database) => database,
        Err(why) => {
            println!("`sql_value` isn't measured: {why}");
            return false;
        }
    };
    database.sql_in("crm", "create table people (number varchar(20) primary key, name text)");
    database.sql_in("crm", "insert into people select n::text, 'Anna' from generate_series(1, 10000) n");
    database.sql_in("crm", "grant select on people to ivr; analyze people");
    let mut caller = Caller::new(
        &format!("[sql.crm]\nurl = {:?}\ntimeout = \"10s\"", database.url),
        r#"if sql_value("crm", "select name from people where number = :number", #{ number: "4930" }) != "Anna" { throw "no answer" }"#,
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pool = {
        let _runtime = runtime.enter();
        sqlx::postgres::PgPoolOptions::new().connect_lazy(&database.url).unwrap()
    };
    let alone = || {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..REQUESTS {
                let query = sqlx::query_scalar("select name from people where number = $1").bind("4930");
                let name: String = query.fetch_one(&pool).await.unwrap();
                assert_eq!(name, "Anna");
            }
            began.elapsed()
        })
    };
    let more = compare("`sql_value` on PostgreSQL on loopback", || caller.round(), alone);
    goal("microseconds more than by the library alone", more, 100.0)
}
