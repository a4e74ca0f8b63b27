//! What goes wrong with a store, and what is said about it.

use super::{Kept, add, ask, fails, get, put, run, start_redis, store};
use crate::support::backend::{Backend, Database, is_skipped, program, start_postgres};
use crate::support::process::Folder;
use agi_rhai::internals::Store;
use agi_rhai::transport::FailureKind::Unavailable;
use agi_rhai::transport::Request;
use futures_util::future::join;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn on_file(folder: &Folder) -> Store {
    store(&format!("url = 'sqlite:{}'", folder.path("store.sqlite").display())).expect("a store")
}

#[test]
fn a_wrong_address_is_refused_without_repeating_its_password() {
    let folder = Folder::new();
    let file = folder.file("file", "text");
    certificates(&folder);
    for (settings, part) in [
        ("url = 'redis://u:geheim@h:port/x'", "is not `redis://HOST:PORT/NUMBER`"),
        ("url = 'postgres://u:geheim@h:port/x'", "is not `postgres://USER@HOST:PORT/DATABASE`"),
        ("url = 'sqlite:'", "is not `sqlite:` and the path of a file"),
        ("url = 'sqlite::memory:'", "is not `sqlite:` and the path of a file"),
        ("url = 'sqlite:/x'\npassword_file = 'FILE'", "takes no `password_file`"),
        ("url = 'redis://h'\nca_file = 'CA'", "does not begin with `rediss://`"),
    ] {
        let settings = settings.replace("FILE", &file).replace("CA", &folder.path("ca.pem").display().to_string());
        let error = store(&settings).expect_err(part);
        assert!(error.contains(part) && !error.contains("geheim"), "{error}");
    }
    let none = Store::new(None, None).expect_err("no folder");
    assert!(none.message.contains("there is no folder for the store: name one by --state"), "{none}");
}

#[test]
fn the_state_folder_is_created_and_the_file_is_nobody_elses() {
    let folder = Folder::new();
    let state = folder.path("var/agi-rhai");
    let store = Store::new(None, Some(&state)).expect("a store");
    run(put(&store, "key", json!(1)));
    assert_eq!(state.metadata().unwrap().mode() & 0o777, 0o700);
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        assert_eq!(state.join(name).metadata().unwrap().mode() & 0o777, 0o600, "{name}");
    }
    // A folder that the operator names isn't created: it may be the mount point of a disk that is missing.
    let url = format!("url = 'sqlite:{}'", folder.path("no/store.sqlite").display());
    let refused = super::store(&url).expect_err("it is missing");
    assert!(refused.contains(":2:7: there is no folder "), "{refused}");
    fs::create_dir(folder.path("no")).unwrap();
    let missing = super::store(&url).unwrap();
    fs::remove_dir(folder.path("no")).unwrap();
    fails(
        run(add(&missing, "n", json!(1))),
        Unavailable,
        "no/store.sqlite can't be created: its folder does not exist",
    );
    // It works as soon as it is there.
    fs::create_dir(folder.path("no")).unwrap();
    assert_eq!(run(add(&missing, "n", json!(1))), Ok(json!(1)));
}

#[test]
fn a_damaged_foreign_or_newer_file_is_reported_by_its_path() {
    let folder = Folder::new();
    folder.file("store.sqlite", "This is a letter, and no database, however long it is. ".repeat(100));
    fails(run(add(&on_file(&folder), "n", json!(1))), Unavailable, "store.sqlite is damaged or no database");
    fs::remove_file(folder.path("store.sqlite")).unwrap();
    run(add(&on_file(&folder), "n", json!(1))).unwrap();
    // Damaged in the middle while it is in use.
    let store = on_file(&folder);
    run(async {
        for n in 0..200 {
            put(&store, &format!("key{n}"), json!("x".repeat(1_000))).await;
        }
    });
    drop(store);
    std::thread::sleep(Duration::from_millis(300));
    let mut bytes = fs::read(folder.path("store.sqlite")).unwrap();
    assert!(bytes.len() > 100_000, "the journal went into the file: {}", bytes.len());
    bytes[4096..].fill(0xff);
    let _ = fs::remove_file(folder.path("store.sqlite-wal"));
    fs::write(folder.path("store.sqlite"), bytes).unwrap();
    let answer = run(ask(&on_file(&folder), "store_get", json!({ "key": "key7" })));
    fails(answer, Unavailable, "is damaged or no database: restore it from a backup, or move it away");

    let sqlite = |name: &str, text: &'static str| {
        let path = folder.path(name);
        run(async {
            use sqlx::Connection;
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
            let mut connection = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
        super::store(&format!("url = 'sqlite:{}'", path.display())).unwrap()
    };
    let foreign = sqlite("crm.sqlite", "create table customer (name)");
    fails(run(add(&foreign, "n", json!(1))), Unavailable, "crm.sqlite is a database of something else");
    let newer = sqlite("newer.sqlite", "pragma user_version = 7");
    fails(run(add(&newer, "n", json!(1))), Unavailable, "newer.sqlite was written by a newer version of agi-rhai");
}

#[test]
fn a_file_that_is_removed_while_it_is_open_is_made_anew() {
    let folder = Folder::new();
    let store = on_file(&folder);
    run(async {
        assert_eq!(add(&store, "n", json!(1)).await, Ok(json!(1)));
        for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
            fs::remove_file(folder.path(name)).unwrap();
        }
        assert_eq!(get(&store, "n").await, Value::Null);
        assert_eq!(add(&store, "n", json!(1)).await, Ok(json!(1)));
        assert_eq!(get(&on_file(&folder), "n").await, json!(1), "another process sees it");
    });
}

/// Stands in for another process that writes to the store, until it rolls back.
async fn holding_the_lock(folder: &Folder) -> sqlx::sqlite::SqliteConnection {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path("store.sqlite"));
    let mut other = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("begin immediate").execute(&mut other).await.unwrap();
    other
}

#[test]
fn a_process_that_holds_the_lock_delays_writers_and_not_readers() {
    let folder = Folder::new();
    let store = on_file(&folder);
    run(async {
        put(&store, "key", json!(1)).await;
        let mut other = holding_the_lock(&folder).await;
        let before = Instant::now();
        let store = Arc::new(store);
        let late = tokio::spawn({
            let store = Arc::clone(&store);
            async move { add(&store, "key", json!(1)).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(get(&store, "key").await, json!(1));
        assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
        fails(late.await.unwrap(), Unavailable, "store.sqlite was locked by another process for 1.6 s");
        assert!(before.elapsed() < Duration::from_secs(2), "within the deadline: {:?}", before.elapsed());
        sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
        assert_eq!(add(&store, "key", json!(1)).await, Ok(json!(2)), "what failed wasn't done");
    });
}

/// The deadline that a script gives counts, whether the store's own is shorter or longer.
#[test]
fn a_script_may_wait_longer_for_a_locked_store() {
    let folder = Folder::new();
    let store = on_file(&folder);
    run(async {
        put(&store, "key", json!(1)).await;
        let mut other = holding_the_lock(&folder).await;
        let within = |seconds: u64| {
            let mut request = Request::new("store_add", "").with("key", "key").with("n", 1);
            request.timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            request
        };
        let (long, short, own) = (within(60), within(1), within(0));
        let began = Instant::now();
        let impatient = async {
            let (short, own) = join(store.answer(&short), store.answer(&own)).await;
            fails(short, Unavailable, "locked by another process for 0.8 s");
            fails(own, Unavailable, "locked by another process for 1.6 s");
            assert!(began.elapsed() >= Duration::from_millis(1600), "{:?}", began.elapsed());
            sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
        };
        let (patient, ()) = join(store.answer(&long), impatient).await;
        assert_eq!(patient, Ok(json!(2)), "what failed wasn't done");
    });
}

/// The same on PostgreSQL, whose store ends statements itself.
#[test]
fn live_a_script_may_wait_longer_for_a_locked_row() {
    let postgres = match start_postgres() {
        Ok(postgres) => postgres,
        lack => return assert!(is_skipped("a locked row", lack.map(drop))),
    };
    let store = store(&format!("url = '{}'\ntimeout = '500ms'", postgres.url)).unwrap();
    run(async {
        use sqlx::Connection;
        let add = |timeout: Option<Duration>| {
            let mut request = Request::new("store_add", "").with("key", "key").with("n", 1);
            request.timeout = timeout;
            request
        };
        let patient = add(Some(Duration::from_secs(60)));
        // The first one makes the tables, which may take longer here than the store's own deadline.
        assert_eq!(store.answer(&patient).await, Ok(json!(1)));
        let mut other = sqlx::PgConnection::connect(&postgres.url).await.unwrap();
        sqlx::raw_sql("begin; select * from agi_rhai_value for update").execute(&mut other).await.unwrap();
        let impatient = async {
            let began = Instant::now();
            fails(store.answer(&add(None)).await, Unavailable, "statement timeout");
            assert!(began.elapsed() >= Duration::from_millis(500));
            sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
        };
        let (answer, ()) = join(store.answer(&patient), impatient).await;
        assert_eq!(answer, Ok(json!(2)));
        // The longer limit was that of one request.
        sqlx::raw_sql("begin; select * from agi_rhai_value for update").execute(&mut other).await.unwrap();
        fails(store.answer(&add(None)).await, Unavailable, "statement timeout");
    });
}

/// Root may write what is read-only, so this runs as somebody else.
#[test]
fn a_read_only_disk_or_a_full_one_is_reported_by_its_path() {
    let folder = Folder::new();
    if !rustix::process::geteuid().is_root() {
        assert!(is_skipped("a full disk", Err("only root can mount one".to_owned())));
        return;
    }
    // A namespace of our own, so that the mounts end with the process.
    let script = r#"
        set -e
        mount -t tmpfs -o size=400k tmpfs "$1"
        "$2" --exact store::faults::disk --ignored --nocapture
        mount -o remount,ro "$1"
        DISK_IS=read-only "$2" --exact store::faults::disk --ignored --nocapture
    "#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(folder.path("")).arg(std::env::current_exe().unwrap());
    let output = command.env("DISK", folder.path("")).output().expect("unshare of util-linux");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + String::from_utf8_lossy(&output.stderr).as_ref();
    if text.contains("Operation not permitted") || text.contains("permission denied") {
        assert!(is_skipped("a full disk", Err("nothing can be mounted here".to_owned())));
        return;
    }
    assert!(output.status.success(), "{text}");
}

/// Runs on a small disk.
#[test]
#[ignore = "the test before runs it"]
fn disk() {
    let Ok(path) = std::env::var("DISK") else { return };
    let store = store(&format!("url = 'sqlite:{path}/store.sqlite'")).expect("a store");
    run(async {
        if std::env::var("DISK_IS").is_ok() {
            let answer = ask(&store, "store_put", json!({ "key": "key", "value": 2 })).await;
            fails(answer, Unavailable, "read-only");
            return;
        }
        put(&store, "key", json!(1)).await;
        let large = "x".repeat(50_000);
        let mut failed = None;
        for n in 0..20 {
            let put = json!({ "key": format!("large{n}"), "value": large });
            if let Err(failure) = ask(&store, "store_put", put).await {
                failed = Some(failure);
                break;
            }
        }
        let failure = failed.expect("the disk is too small");
        assert_eq!(failure.kind, Unavailable);
        assert!(failure.message.contains("store.sqlite can't be written: the disk is full"), "{failure}");
        assert_eq!(get(&store, "key").await, json!(1), "what was there stays readable");
    });
}

#[test]
fn a_request_that_is_dropped_does_no_harm_to_others() {
    super::on_each(async |kept: &Kept| {
        let store = &kept.store;
        for n in 0..300_u64 {
            // Dropped after a while: before it was sent, meanwhile, or never.
            let dropped = tokio::time::timeout(Duration::from_micros(n * 37 % 3_000), add(store, "n", json!(1)));
            let _ = dropped.await;
        }
        let n = add(store, "n", json!(0)).await.expect("a number");
        assert!((0..=300).contains(&n.as_i64().unwrap()), "each counts once or not at all: {n}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let settled = add(store, "n", json!(0)).await.expect("a number").as_i64().unwrap();
        for n in 1..=50 {
            assert_eq!(add(store, "n", json!(1)).await, Ok(json!(settled + n)));
        }
    });
}

/// A server that can be killed, stopped and started again.
trait Server {
    fn backend(&self) -> &Backend;
    fn start_again(&self);
}

impl Server for Backend {
    fn backend(&self) -> &Backend {
        self
    }

    fn start_again(&self) {
        Backend::start_again(self);
    }
}

impl Server for Database {
    fn backend(&self) -> &Backend {
        &self.backend
    }

    fn start_again(&self) {
        Database::start_again(self);
    }
}

/// Asks until it is answered, at most this often.
async fn recovers(store: &Store, times: usize) -> Value {
    for time in 1.. {
        match ask(store, "store_get", json!({ "key": "key" })).await {
            Ok(value) => return value,
            Err(failure) if time < times => eprintln!("{failure}"),
            Err(failure) => panic!("it doesn't recover: {failure}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!()
}

fn survives(server: &dyn Server, url: &str) {
    let store = store(&format!("url = '{url}'\ntimeout = '1s'")).expect("a store");
    run(async {
        put(&store, "key", json!(7)).await;
        // Stopped: each request ends at its deadline.
        let paused = server.backend().pause();
        for _ in 0..3 {
            let before = Instant::now();
            let request = ask(&store, "store_get", json!({ "key": "key" }));
            let answer = tokio::time::timeout(Duration::from_millis(1_000), request).await;
            if let Ok(answer) = answer {
                fails(answer, Unavailable, "1 s");
            }
            assert!(before.elapsed() < Duration::from_millis(1_500), "{:?}", before.elapsed());
        }
        drop(paused);
        assert_eq!(recovers(&store, 20).await, json!(7));
        // Killed: what is asked meanwhile fails at once.
        server.backend().kill();
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..3 {
            let answer = ask(&store, "store_get", json!({ "key": "key" })).await;
            let failure = answer.expect_err("nobody is there");
            assert_eq!(failure.kind, Unavailable);
            assert!(!failure.message.contains("geheim"), "{failure}");
        }
        server.start_again();
        assert_eq!(recovers(&store, 20).await, json!(7));
        assert_eq!(add(&store, "key", json!(1)).await, Ok(json!(8)));
        // What stays unused over a restart costs no request. All requests to Redis share one connection, which may break
        // with one on its way.
        if url.starts_with("postgres") {
            server.backend().kill();
            server.start_again();
            assert_eq!(get(&store, "key").await, json!(8));
        }
    });
}

#[test]
fn a_redis_that_is_stopped_or_killed_is_used_again_when_it_is_back() {
    match start_redis(&["--requirepass", "geheim/123"]) {
        Ok(redis) => survives(&redis, &format!("redis://:geheim%2F123@127.0.0.1:{}/0", redis.port)),
        lack => assert!(is_skipped("a Redis that is killed", lack.map(drop))),
    }
}

#[test]
fn a_postgresql_that_is_stopped_or_killed_is_used_again_when_it_is_back() {
    match start_postgres() {
        Ok(postgres) => survives(&postgres, &postgres.url.clone()),
        lack => assert!(is_skipped("a PostgreSQL that is killed", lack.map(drop))),
    }
}

#[test]
fn a_password_comes_from_its_file() {
    let redis = match start_redis(&["--requirepass", "geheim/123"]) {
        Ok(redis) => redis,
        lack => return assert!(is_skipped("a password", lack.map(drop))),
    };
    let folder = Folder::new();
    let file = folder.file("password", "geheim/123\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("url = 'redis://127.0.0.1:{}/0'", redis.port);
    let right = store(&format!("{url}\npassword_file = '{file}'")).unwrap();
    assert_eq!(run(add(&right, "n", json!(1))), Ok(json!(1)));
    let none = store(&url).unwrap();
    fails(run(add(&none, "n", json!(1))), Unavailable, "/0 asks for a password: `password_file` names one");
    fs::write(&file, "wrong").unwrap();
    let wrong = store(&format!("{url}\npassword_file = '{file}'")).unwrap();
    fails(run(add(&wrong, "n", json!(1))), Unavailable, "/0 refuses the user or the password");
}

/// An authority's certificate, and a server's certificate with its key, in a folder.
fn certificates(folder: &Folder) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    folder.file("ca.pem", issuer.pem());
    folder.file("server.pem", certificate.pem());
    folder.file("server.key", key.serialize_pem());
}

#[test]
fn redis_over_tls_has_to_be_known_to_an_authority() {
    let folder = Folder::new();
    certificates(&folder);
    let path = |name: &str| folder.path(name).display().to_string();
    let server = match program("redis-server", "redis-server") {
        Ok(server) => server,
        Err(why) => return assert!(is_skipped("redis over TLS", Err(why))),
    };
    let options: Vec<String> = [
        "--port",
        "0",
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        &path("ca.pem"),
        "--tls-cert-file",
        &path("server.pem"),
        "--tls-key-file",
        &path("server.key"),
    ]
    .map(str::to_owned)
    .to_vec();
    let redis = Backend::start(Backend::new_folder(), move |folder, port| {
        let mut command = Command::new(&server);
        command.args(&options).args(["--tls-port", &port.to_string(), "--dir"]).arg(folder);
        command
    });
    let known = |host: &str| format!("url = 'rediss://{host}:{}/0'\nca_file = '{}'", redis.port, path("ca.pem"));
    let trusted = store(&known("localhost")).unwrap();
    assert_eq!(run(add(&trusted, "n", json!(1))), Ok(json!(1)));
    // Another name than that in the certificate, and an authority that nobody knows.
    let other = store(&known("127.0.0.1")).unwrap();
    fails(run(add(&other, "n", json!(1))), Unavailable, "can't be reached");
    let stranger = store(&format!("url = 'rediss://localhost:{}/0'", redis.port)).unwrap();
    fails(run(add(&stranger, "n", json!(1))), Unavailable, "nobody known here; `ca_file` names an authority to trust");
}

#[test]
fn postgresql_over_tls_has_to_be_known_to_an_authority() {
    let database = match start_postgres() {
        Ok(database) => database,
        lack => return assert!(is_skipped("PostgreSQL over TLS", lack.map(drop))),
    };
    let folder = Folder::new();
    certificates(&folder);
    database.speak_tls(&folder);
    let url = database.url.replace("127.0.0.1", "localhost");
    let known = store(&format!("url = '{url}'\nca_file = '{}'", folder.path("ca.pem").display())).unwrap();
    assert_eq!(run(add(&known, "n", json!(1))), Ok(json!(1)));
    let secure = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where ssl and usename = 'ivr'";
    assert_ne!(database.sql(secure), "0");
    // An authority that nobody knows, another one, and another name than that in the certificate.
    let advice = "nobody known here; `ca_file` names an authority to trust";
    let stranger = store(&format!("url = '{url}?sslmode=verify-full'")).unwrap();
    fails(run(add(&stranger, "n", json!(1))), Unavailable, advice);
    let other = Folder::new();
    certificates(&other);
    let other = store(&format!("url = '{url}'\nca_file = '{}'", other.path("ca.pem").display())).unwrap();
    fails(run(add(&other, "n", json!(1))), Unavailable, advice);
    let misnamed = format!("url = '{}'\nca_file = '{}'", database.url, folder.path("ca.pem").display());
    fails(run(add(&store(&misnamed).unwrap(), "n", json!(1))), Unavailable, "can't be reached");
}

#[test]
fn a_server_that_talks_nonsense_ends_no_more_than_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let nonsense: [&[u8]; 5] =
            [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\xff\x1b[2J\r\n", b"$99999999999\r\n", b"*-5\r\n", b""];
        for (n, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let mut buffer = [0; 1024];
            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(nonsense[n % nonsense.len()]);
        }
    });
    for url in [format!("redis://:geheim@127.0.0.1:{port}/0"), format!("postgres://u:geheim@127.0.0.1:{port}/d")] {
        let store = store(&format!("url = '{url}'\ntimeout = '1s'")).unwrap();
        run(async {
            for _ in 0..6 {
                let request = tokio::time::timeout(Duration::from_secs(2), add(&store, "n", json!(1)));
                let Ok(answer) = request.await else { continue };
                let failure = answer.expect_err("nonsense");
                assert!(!failure.message.contains("geheim"), "{failure}");
                assert!(!failure.message.contains(|c: char| c.is_control()), "{failure:?}");
            }
        });
    }
}
