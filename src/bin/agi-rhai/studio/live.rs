//! The live calls of a server, and its recordings: what its control socket tells, for the page.
//!
//! | below `/api/live` | |
//! |---|---|
//! | GET | the server: its version, the folders of its scripts and recordings |
//! | GET `/calls` | the calls and what changes, as events: `began` with each connection to the server, `changes`, `problem` |
//! | GET `/calls/ID` | the dialogue of a call, as events: `line`, `over`, `problem` |
//! | DELETE `/calls/ID` | ends a call |
//! | GET `/recordings` | the recorded calls |
//! | GET `/recordings/NAME` | the text of one |
//!
//! Each reader has a connection of its own to the server. What a browser doesn't read isn't read here, either, and the
//! server then tells less often what has changed: nobody waits for it, and nothing is kept for it.

use super::answer::{Answer, Events, bytes, json, no_method, refusal};
use super::server::{Answering, Part, Request};
use anyhow::{Context, Result, anyhow};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// How long the server may take to answer, and for a recording.
const PATIENCE: Duration = Duration::from_secs(5);
const RECORDING_PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two attempts to reach a server that is away.
const RETRY: Duration = Duration::from_secs(1);
/// The most readers of events at a time. The server has room for a few more clients, such as `agi-rhai calls`.
const READERS: usize = 24;
/// How many events may wait for a slow reader: few, since what comes later tells the same.
const WAITING: usize = 4;
/// The interval at which a reader is told that the studio is there, while nothing happens.
const BEAT: Duration = Duration::from_secs(5);

/// What a server says of itself.
#[derive(Deserialize)]
struct About {
    scripts: PathBuf,
}

/// A server, by its control socket.
#[derive(Clone)]
pub struct Live {
    socket: Arc<Path>,
    readers: Arc<Semaphore>,
}

/// Why there is no answer.
struct Problem {
    status: StatusCode,
    why: String,
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        refusal(problem.status, &problem.why)
    }
}

impl Live {
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.into(), readers: Arc::new(Semaphore::new(READERS)) }
    }

    /// Returns the folder of the server's scripts.
    ///
    /// # Errors
    /// The server doesn't answer.
    pub fn scripts(&self) -> Result<PathBuf> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let text = runtime.block_on(self.ask("about", PATIENCE)).map_err(|problem| anyhow!(problem.why))?;
        let about: About = serde_json::from_str(&text).context("the server's answer can't be read")?;
        Ok(about.scripts)
    }

    fn away(&self, why: &io::Error) -> Problem {
        let why = match why.kind() {
            io::ErrorKind::NotFound => "no server is there".to_owned(),
            io::ErrorKind::ConnectionRefused => "the server has ended".to_owned(),
            io::ErrorKind::PermissionDenied => "only the server's user and root may use its socket".to_owned(),
            _ => why.to_string(),
        };
        Problem { status: StatusCode::BAD_GATEWAY, why: format!("{}: {why}", self.socket.display()) }
    }

    /// Sends a request. Returns the lines of the answer.
    async fn send(&self, request: &str) -> Result<Lines<BufReader<UnixStream>>, Problem> {
        let connected = async {
            let mut stream = UnixStream::connect(&*self.socket).await?;
            stream.write_all(format!("{request}\n").as_bytes()).await?;
            Ok(stream)
        };
        let slow = || Err(io::Error::other("the server doesn't accept connections: it hangs"));
        let stream = timeout(PATIENCE, connected).await.unwrap_or_else(|_| slow());
        stream.map(|stream| BufReader::new(stream).lines()).map_err(|error| self.away(&error))
    }

    /// Returns the next line of an answer; none at its end.
    async fn line(&self, lines: &mut Lines<BufReader<UnixStream>>) -> Result<Option<String>, Problem> {
        match lines.next_line().await {
            Ok(Some(line)) if line.is_empty() => Ok(None),
            Ok(Some(line)) => match line.strip_prefix("error: ") {
                Some(why) => Err(Problem { status: StatusCode::NOT_FOUND, why: why.to_owned() }),
                None => Ok(Some(line)),
            },
            Ok(None) => Err(self.away(&io::Error::other("the server has closed the connection"))),
            Err(error) => Err(self.away(&error)),
        }
    }

    /// Asks the server something. Returns the whole answer.
    async fn ask(&self, request: &str, patience: Duration) -> Result<String, Problem> {
        let all = async {
            let mut lines = self.send(request).await?;
            let mut text = String::new();
            while let Some(line) = self.line(&mut lines).await? {
                text.push_str(&line);
                text.push('\n');
            }
            Ok(text)
        };
        let slow = || Err(self.away(&io::Error::other("no answer: the server hangs")));
        timeout(patience, all).await.unwrap_or_else(|_| slow())
    }

    async fn recordings(&self) -> Result<Answer, Problem> {
        let text = self.ask("recordings", RECORDING_PATIENCE).await?;
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let count = lines.next().and_then(|first| first.get("recordings").cloned());
        Ok(json(StatusCode::OK, &json!({ "count": count, "calls": lines.collect::<Vec<_>>() })))
    }

    async fn answer(self, request: Request) -> Result<Answer, Problem> {
        let missing =
            || Problem { status: StatusCode::NOT_FOUND, why: "there is no such part of the studio".to_owned() };
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let is_get = request.method == Method::GET;
        match path[..] {
            ["calls", id] if request.method == Method::DELETE => {
                let said = self.ask(&format!("end {}", number(id)?), PATIENCE).await?;
                Ok(json(StatusCode::OK, &json!({ "said": said.trim_end() })))
            }
            ["calls", _] if !is_get => Ok(no_method("GET, DELETE")),
            [] | ["calls"] | ["recordings"] | ["recordings", _] if !is_get => Ok(no_method("GET")),
            [] => Ok(bytes(StatusCode::OK, "application/json", self.ask("about", PATIENCE).await?)),
            ["calls"] | ["calls", _] => {
                let id = path.get(1).map(|id| number(id)).transpose()?;
                let (events, answer) = Events::holding(WAITING);
                tokio::spawn(async move {
                    let Ok(_place) = Arc::clone(&self.readers).try_acquire_owned() else {
                        let why = format!("{READERS} pages and dialogues are open: close some of them");
                        events.send("problem", &json!({ "problem": why })).await;
                        return;
                    };
                    match id {
                        Some(id) => self.follow(id, &events).await,
                        None => self.watch(&events).await,
                    }
                });
                Ok(answer)
            }
            ["recordings"] => self.recordings().await,
            ["recordings", name] => {
                // A name with a blank or a line break would be another request.
                if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                    return Err(missing());
                }
                let text = self.ask(&format!("recording {name}"), RECORDING_PATIENCE).await?;
                Ok(bytes(StatusCode::OK, "text/plain; charset=utf-8", text))
            }
            _ => Err(missing()),
        }
    }

    /// Tells of the calls, until the reader is gone. A server that is away may come back.
    async fn watch(&self, events: &Events) {
        loop {
            let problem = tokio::select! {
                problem = self.changes(events) => problem,
                () = events.closed() => return,
            };
            let Some(problem) = problem else { return };
            if !events.send("problem", &json!({ "problem": problem.why })).await
                || timeout(RETRY, events.closed()).await.is_ok()
            {
                return;
            }
        }
    }

    /// Passes on what changes. Returns why that is over; nothing if the reader is gone.
    async fn changes(&self, events: &Events) -> Option<Problem> {
        let mut lines = match self.send("watch").await {
            Ok(lines) => lines,
            Err(problem) => return Some(problem),
        };
        if !events.send("began", &json!({})).await {
            return None;
        }
        loop {
            let Ok(line) = timeout(BEAT, self.line(&mut lines)).await else {
                if !events.beat().await {
                    return None;
                }
                continue;
            };
            match line {
                Ok(Some(line)) => {
                    if !events.send_json("changes", &line).await {
                        return None;
                    }
                }
                Ok(None) => return Some(self.away(&io::Error::other("the server has closed the connection"))),
                Err(problem) => return Some(problem),
            }
        }
    }

    /// Tells the dialogue of a call, until it ends or the reader is gone.
    async fn follow(&self, id: u64, events: &Events) {
        let told = async {
            let mut lines = self.send(&format!("show {id}")).await?;
            // The first line says which call it is.
            self.line(&mut lines).await?;
            while let Some(line) = self.line(&mut lines).await? {
                if !events.send("line", &line).await {
                    break;
                }
            }
            Ok(())
        };
        let beats = async {
            while events.beat().await {
                sleep(BEAT).await;
            }
        };
        let over: Result<(), Problem> = tokio::select! {
            over = told => over,
            () = beats => return,
            () = events.closed() => return,
        };
        match over {
            Ok(()) => events.send("over", &json!({})).await,
            Err(problem) => events.send("problem", &json!({ "problem": problem.why })).await,
        };
    }
}

/// Reads the number of a call.
fn number(text: &str) -> Result<u64, Problem> {
    let missing = || Problem { status: StatusCode::NOT_FOUND, why: format!("there is no call {text}") };
    text.parse().map_err(|_| missing())
}

impl Part for Live {
    fn answer(&self, request: Request) -> Answering {
        let this = self.clone();
        Box::pin(async move { this.answer(request).await.unwrap_or_else(Answer::from) })
    }
}
