//! The folder's part of the studio: its files are read, written, and watched.

use super::answer::{Answer, Events, bytes, done, json, no_method, refusal};
use super::changes::View;
use super::folder::{Folder, LARGEST_TEXT, Refusal};
use super::names::{self, Kind};
use super::server::{Answering, Part, Request};
use agi_rhai::clock::Stopwatch;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The interval between looks at the folder. A look that takes long is followed by a pause as many times as long.
const INTERVAL: Duration = Duration::from_millis(300);
const PAUSE: u32 = 10;
/// The interval at which a reader of events is told that the studio is there, in looks.
const BEAT: u32 = 15;

/// The parts of the studio that a folder has.
pub fn parts(folder: &Arc<Folder>) -> Vec<(&'static str, Arc<dyn Part>)> {
    vec![
        ("files", Arc::new(Files(Arc::clone(folder))) as Arc<dyn Part>),
        ("sounds", Arc::new(Sounds(Arc::clone(folder)))),
        ("changes", Arc::new(Changed(Arc::clone(folder)))),
    ]
}

/// `files`: all of them with their texts, or one.
struct Files(Arc<Folder>);
/// `sounds`: all of them with their sizes, or the bytes of one.
struct Sounds(Arc<Folder>);
/// `changes`: the whole folder, then what changes in it, as events.
struct Changed(Arc<Folder>);

/// The new name of a file.
#[derive(Deserialize)]
struct NewName {
    name: String,
}

impl Part for Files {
    fn answer(&self, request: Request) -> Answering {
        let folder = Arc::clone(&self.0);
        on_disk(move || match (request.path.is_empty(), &request.method) {
            (true, &Method::GET) => {
                let mut view = View::default();
                match view.look(&folder) {
                    Ok(_) => json(StatusCode::OK, &whole(&folder, &view)),
                    Err(error) => refused(&Refusal::from(error)),
                }
            }
            (true, _) => no_method("GET"),
            (false, &(Method::GET | Method::PUT | Method::DELETE | Method::POST)) => {
                one(&folder, &request).unwrap_or_else(|refusal| refused(&refusal))
            }
            (false, _) => no_method("GET, PUT, DELETE, POST"),
        })
    }
}

impl Part for Sounds {
    fn answer(&self, request: Request) -> Answering {
        let folder = Arc::clone(&self.0);
        on_disk(move || {
            if request.method != Method::GET {
                return no_method("GET");
            }
            if request.path.is_empty() {
                let mut view = View::default();
                return match view.look(&folder) {
                    Ok(_) => json(StatusCode::OK, &view.sounds()),
                    Err(error) => refused(&Refusal::from(error)),
                };
            }
            let sound = names::path(&request.path, Kind::Sound).map_err(Refusal::Name);
            match sound.and_then(|path| folder.sound(&path)) {
                Ok(sound) => bytes(StatusCode::OK, "application/octet-stream", sound),
                Err(refusal) => refused(&refusal),
            }
        })
    }
}

impl Part for Changed {
    fn answer(&self, request: Request) -> Answering {
        let folder = Arc::clone(&self.0);
        Box::pin(async move {
            if request.method != Method::GET {
                return no_method("GET");
            }
            if !request.path.is_empty() {
                return refusal(StatusCode::NOT_FOUND, "there is no such part of the studio");
            }
            let (events, answer) = Events::new();
            tokio::spawn(watch(folder, events));
            answer
        })
    }
}

/// Reads or changes one file. A change names by its hash what it is a change of.
fn one(folder: &Folder, request: &Request) -> Result<Answer, Refusal> {
    let path = names::path(&request.path, Kind::Text).map_err(Refusal::Name)?;
    if request.method == Method::GET {
        let text = folder.read(&path)?;
        let etag = text.hash.clone();
        return Ok(tagged(bytes(StatusCode::OK, "text/plain; charset=utf-8", text.text), &etag));
    }
    let tag = |name: header::HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
    let is_new = tag(header::IF_NONE_MATCH) == Some("*");
    let hash = tag(header::IF_MATCH).map(|tag| tag.trim_matches('"'));
    let unnamed = || {
        let what = "If-Match with the file's hash, or If-None-Match: * for a new file";
        Ok(refusal(StatusCode::PRECONDITION_REQUIRED, what))
    };
    match (&request.method, hash) {
        (&Method::PUT, hash) => {
            if request.body.len() as u64 > LARGEST_TEXT {
                return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, "the text is too large"));
            }
            let Ok(text) = std::str::from_utf8(&request.body) else {
                return Err(Refusal::Unfit("it isn't text in UTF-8"));
            };
            let new = match hash {
                Some(hash) if !is_new => folder.replace(&path, hash, text)?,
                None if is_new => folder.create(&names::new_path(&request.path).map_err(Refusal::Name)?, text)?,
                _ => return unnamed(),
            };
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok(tagged(json(status, &json!({ "hash": new })), &new))
        }
        (&Method::DELETE, Some(hash)) => {
            folder.remove(&path, hash)?;
            Ok(done())
        }
        (&Method::POST, Some(hash)) => {
            let Ok(NewName { name }) = serde_json::from_slice(&request.body) else {
                return Ok(refusal(StatusCode::BAD_REQUEST, "expected the new name: {\"name\": \"menu.rhai\"}"));
            };
            let new = names::new_path(&names::split(&name)).map_err(Refusal::Name)?;
            folder.rename(&path, hash, &new)?;
            Ok(done())
        }
        _ => unnamed(),
    }
}

fn tagged(mut answer: Answer, hash: &str) -> Answer {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{hash}\"")) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

fn refused(refusal: &Refusal) -> Answer {
    let current = match refusal {
        Refusal::Changed(current) => json!(current),
        _ => Value::Null,
    };
    json(refusal.status(), &json!({ "error": refusal.to_string(), "current": current }))
}

fn whole(folder: &Folder, view: &View) -> Value {
    let name = folder.path().file_name().unwrap_or(folder.path().as_os_str());
    json!({
        "folder": folder.path().to_string_lossy(),
        "name": name.to_string_lossy(),
        "files": view.texts(),
        "sounds": view.sounds(),
        "cut": view.is_cut,
        "config": folder.has_config(),
    })
}

/// Tells one reader of the folder, until the reader is gone.
async fn watch(folder: Arc<Folder>, events: Events) {
    let view = Arc::new(Mutex::new(View::default()));
    let mut problem = None;
    let mut is_first = true;
    let mut beat = 0;
    loop {
        let (folder, looked_at) = (Arc::clone(&folder), Arc::clone(&view));
        let first = is_first;
        let clock = Stopwatch::start();
        let start = clock.now();
        let seen = spawn_blocking(move || {
            let mut view = looked_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let (changes, has_other_sounds) = view.look(&folder)?;
            let mut news: Vec<(&str, Value)> = Vec::new();
            if first {
                news.push(("whole", whole(&folder, &view)));
                return Ok(news);
            }
            if !changes.changed.is_empty() || !changes.gone.is_empty() {
                news.push(("changed", json!(changes)));
            }
            if has_other_sounds {
                news.push(("sounds", json!(view.sounds())));
            }
            Ok::<_, std::io::Error>(news)
        });
        let (news, now) = match seen.await {
            Ok(Ok(news)) => (news, None),
            Ok(Err(error)) => (Vec::new(), Some(error.to_string())),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        is_first &= now.is_some();
        let mut is_there = true;
        if now != problem {
            is_there &= events.send("problem", &json!({ "problem": now })).await;
            problem = now;
        }
        for (name, value) in &news {
            is_there &= events.send(name, value).await;
        }
        beat += 1;
        if beat % BEAT == 0 {
            is_there &= events.beat().await;
        }
        let pause = INTERVAL.max((clock.now() - start) * PAUSE);
        if !is_there || timeout(pause, events.closed()).await.is_ok() {
            return;
        }
    }
}

/// Does what waits for the disk.
fn on_disk(work: impl FnOnce() -> Answer + Send + 'static) -> Answering {
    Box::pin(async move {
        spawn_blocking(work)
            .await
            .unwrap_or_else(|error| refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
    })
}
