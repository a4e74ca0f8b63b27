//! Web APIs: what scripts send and get, what keeps them below the address of the operator, and servers that behave badly.

pub mod backend;
mod bounds;
mod requests;
pub mod tls;

use crate::support::process::{ENVIRONMENT, Folder};
use agi_rhai::service::{Services, Settings};
use agi_rhai::transport::{Pipes, Stream};
use agi_rhai::{Host, Session};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Creates services from the text of a settings file.
#[track_caller]
fn services(settings: &str) -> Services {
    let folder = Folder::new();
    let file = folder.file("agi-rhai.toml", settings);
    Services::new(Settings::read(file.as_ref()).unwrap())
}

/// What a function of a script returned or threw, and how long that took.
#[derive(Debug)]
struct Answer {
    /// What it returned; a map of `kind` and `message` if it threw.
    value: Value,
    took: Duration,
}

impl Answer {
    /// Expects a failure of this kind, with these words in its message, within this time.
    #[track_caller]
    fn fails(&self, kind: &str, words: &[&str], within: Duration) {
        assert_eq!(self.value["kind"], kind, "{self:?}");
        let message = self.value["message"].as_str().unwrap();
        for word in words {
            assert!(message.contains(word), "no {word:?} in {message:?}");
        }
        assert!(!message.contains("secret") && !message.contains(char::is_control), "{message:?}");
        assert!(self.took < within, "{self:?}");
    }
}

/// Evaluates an expression in a call. The other end of its line is an Asterisk that replies to each command.
#[track_caller]
fn ask(services: &Services, expression: &str) -> Answer {
    let (sender, results) = channel();
    let mut module = rhai::Module::new();
    module.set_native_fn("result", move |text: &str| {
        let _ = sender.send(text.to_owned());
        Ok(())
    });
    let mut host = Host::new();
    host.set_services(services.clone());
    host.language_mut().add(module);
    let script = format!(
        "let answer; try {{ answer = {expression}; }} catch (error) {{ answer = #{{ kind: error.kind, message: \
         error.message }}; }} result(to_json(answer));"
    );
    let script = host.compile("ask.rhai", &script).unwrap();
    let (line, mut asterisk) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let _ = asterisk.write_all(ENVIRONMENT.as_bytes());
        for _ in BufReader::new(asterisk.try_clone().unwrap()).lines().map_while(Result::ok) {
            let _ = asterisk.write_all(b"200 result=1\n");
        }
    });
    let began = Instant::now();
    let pipes = Pipes::new(line.try_clone().unwrap(), line, None);
    let outcome = host.run(Session::begin(Box::new(Stream::over(pipes))).unwrap(), &script, vec![]);
    let took = began.elapsed();
    let text = results.try_recv().unwrap_or_else(|_| panic!("{expression}: {outcome:?}"));
    Answer { value: serde_json::from_str(&text).unwrap(), took }
}
