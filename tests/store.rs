//! The store, on each of its backends.

mod boards;
mod faults;
mod jobs;
mod processes;
mod values;

use crate::support::backend::{Backend, is_skipped, postgres, program};
use crate::support::process::Folder;
use agi_rhai::internals::Store;
use agi_rhai::service::Settings;
use agi_rhai::transport::{Answer, FailureKind, Request};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;
use tokio::runtime::Handle;

/// A store, and what has to stay while it is used.
pub struct Kept {
    pub name: &'static str,
    /// The table `[store]`.
    pub settings: String,
    pub store: Arc<Store>,
    _server: Option<Arc<dyn std::any::Any>>,
    _folder: Option<Folder>,
}

/// Starts a Redis which keeps what it is told, so that it can be killed.
///
/// # Errors
/// It isn't installed.
pub fn start_redis(options: &'static [&'static str]) -> Result<Backend, String> {
    let server = program("redis-server", "redis-server")?;
    Ok(Backend::start(Backend::new_folder(), move |folder, port| {
        let mut command = Command::new(&server);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(folder);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]).args(options);
        command
    }))
}

/// Returns a store with these settings, which connects at its first use.
pub fn store(settings: &str) -> Result<Store, String> {
    let folder = Folder::new();
    let file = folder.file("agi-rhai.toml", format!("[store]\n{settings}\n"));
    let settings = Settings::read(file.as_ref()).map_err(|mistake| mistake.to_string())?;
    Store::new(settings.store.as_ref(), None).map_err(|failure| failure.message)
}

/// Returns an empty store of each kind.
pub fn stores() -> Vec<Kept> {
    let folder = Folder::new();
    let file = format!("url = {:?}", format!("sqlite:{}", folder.path("store.sqlite").display()));
    let mut found = vec![kept("SQLite", file, None, Some(folder))];
    match start_redis(&[]) {
        Ok(redis) => {
            let url = format!("url = 'redis://127.0.0.1:{}/0'", redis.port);
            found.push(kept("Redis", url, Some(Arc::new(redis)), None));
        }
        lack => assert!(is_skipped("the store in Redis", lack.map(drop))),
    }
    match postgres() {
        Ok(server) => {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let database = format!("store{}", COUNT.fetch_add(1, Relaxed));
            server.sql(&format!("create database {database} owner ivr"));
            let url = format!("url = '{}'", server.url.replace("/crm", &format!("/{database}")));
            found.push(kept("PostgreSQL", url, Some(server), None));
        }
        lack => assert!(is_skipped("the store in PostgreSQL", lack.map(drop))),
    }
    found
}

fn kept(name: &'static str, settings: String, server: Option<Arc<dyn std::any::Any>>, folder: Option<Folder>) -> Kept {
    // The machine may be busy.
    let settings = settings + "\ntimeout = '20s'";
    let store = Arc::new(store(&settings).expect(name));
    Kept { name, settings, store, _server: server, _folder: folder }
}

/// Runs what waits for a store, on one runtime, as in the program.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    let handle = RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    });
    handle.block_on(future)
}

/// Runs a test on an empty store of each kind.
pub fn on_each(test: impl AsyncFn(&Kept)) {
    for kept in stores() {
        // The output of a failing test says which it was.
        eprintln!("on {}:", kept.name);
        run(test(&kept));
    }
}

/// Asks a store as a script does.
pub async fn ask(store: &Store, function: &str, arguments: Value) -> Answer {
    let mut request = Request::new(function, "");
    for (name, value) in arguments.as_object().expect("arguments by name") {
        request = request.with(name, value.clone());
    }
    store.answer(&request).await
}

/// Asks a store for what it can't do.
#[track_caller]
pub fn fails(answer: Answer, kind: FailureKind, part: &str) {
    let failure = answer.expect_err(part);
    assert_eq!(failure.kind, kind, "{failure}");
    assert!(failure.message.contains(part), "{failure}");
    assert!(!failure.message.contains(|c: char| c.is_control()), "{failure:?}");
}

pub async fn get(store: &Store, key: &str) -> Value {
    ask(store, "store_get", json!({ "key": key })).await.expect(key)
}

pub async fn put(store: &Store, key: &str, value: Value) {
    ask(store, "store_put", json!({ "key": key, "value": value })).await.expect(key);
}

pub async fn add(store: &Store, key: &str, n: Value) -> Answer {
    ask(store, "store_add", json!({ "key": key, "n": n })).await
}
