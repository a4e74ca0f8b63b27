//! Databases as scripts ask them: SQLite here, PostgreSQL and MariaDB in the live lane.

mod asterisk;
mod cancelling;
mod names;
mod reading;
mod sick;
mod sqlite;
mod tls;
mod types;

use crate::support::backend::{Database, is_skipped};
use crate::support::process::Folder;
use agi_rhai::service::{Services, Settings};
use agi_rhai::transport::Stream;
use agi_rhai::{Host, Session, Status};
use rhai::Module;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

/// An Asterisk that agrees to everything.
#[derive(Clone)]
struct Agreeable(Arc<Mutex<VecDeque<u8>>>);

impl Write for Agreeable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(b"200 result=1\n");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Agreeable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().read(buffer)
    }
}

/// Runs a test on a real database that tests share; it is skipped, loudly, where that isn't installed.
fn on(test: &str, database: Result<Arc<Database>, String>, more: &str, check: impl FnOnce(&Crm, &Database)) {
    match database {
        Ok(database) => check(&Crm::at(&database.url, more), &database),
        Err(why) => drop(is_skipped(test, Err(why))),
    }
}

/// The database `crm`, as scripts reach it.
struct Crm(Services);

impl Crm {
    /// A database with this address and further settings.
    fn at(url: &str, more: &str) -> Self {
        let settings = format!("[sql.crm]\nurl = {url:?}\n{more}");
        let folder = Folder::new();
        let file = folder.file("agi-rhai.toml", settings);
        Self(Services::new(Settings::read(file.as_ref()).unwrap()))
    }

    /// Returns what an expression of a script gives, or the kind and message of its error.
    fn ask(&self, expression: &str) -> Result<Value, String> {
        let given = Arc::new(Mutex::new(None));
        let mut module = Module::new();
        for (name, is_value) in [("give", true), ("give_error", false)] {
            let to = Arc::clone(&given);
            module.set_native_fn(name, move |text: &str| {
                let text = text.to_owned();
                *to.lock().unwrap() = Some(if is_value { Ok(text) } else { Err(text) });
                Ok(())
            });
        }
        let mut host = Host::new();
        host.set_services(self.0.clone());
        host.language_mut().add(module);
        // The texts of scripts end on their lines; those of these tests may go on.
        let expression = expression.lines().map(str::trim_start).collect::<Vec<_>>().join(" ");
        let script = format!(
            "try {{ give(to_json({expression})); }} catch (e) {{ give_error(`${{e.kind}}: ${{e.message}}`); }}"
        );
        let script = host.compile("sql.rhai", &script).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
        let opening = b"agi_request: sql\nagi_version: 22.10.1\nagi_callerid: unknown\nagi_threadid: 1\n\n";
        let line = Agreeable(Arc::new(Mutex::new(opening.iter().copied().collect())));
        let session = Session::begin(Box::new(Stream::new(line.clone(), line))).unwrap();
        let outcome = host.run(session, &script, vec![]);
        assert_eq!(outcome.status, Status::Success, "{:?}", outcome.fault.map(|fault| fault.render(false)));
        let given = given.lock().unwrap().take().expect("it gives a value or an error");
        given.map(|json| serde_json::from_str(&json).unwrap())
    }

    /// Checks what an expression gives.
    #[track_caller]
    fn gives(&self, expression: &str, value: Value) {
        assert_eq!(self.ask(expression), Ok(value), "{expression}");
    }

    /// Checks that an expression fails with this kind and message, of which `…` stands for any part.
    #[track_caller]
    fn fails(&self, expression: &str, message: &str) {
        let error = self.ask(expression).expect_err(expression);
        let mut rest = error.as_str();
        for (at, part) in message.split('…').enumerate() {
            let found = rest.find(part).filter(|found| at > 0 || *found == 0);
            let Some(found) = found else { panic!("{expression}\n  fails: {error}\n  not:   {message}") };
            rest = &rest[found + part.len()..];
        }
        assert!(message.ends_with('…') || rest.is_empty(), "{expression}\n  fails: {error}\n  not:   {message}");
    }
}
