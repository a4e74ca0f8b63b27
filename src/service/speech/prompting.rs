//! Prompts without a recording, and texts that are known before anybody calls: the side of the services.

use crate::service::{Kind, Services, runtime};
use crate::transport::{Answer, Failure, FailureKind, Remote, Request};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;
use tracing::warn;

/// How long to wait for an engine that speaks for calls.
const WHILE_BUSY: Duration = Duration::from_millis(200);
/// How long to wait before an engine is tried again that didn't speak.
const TRY_AGAIN: Duration = Duration::from_secs(60);

impl Services {
    /// Returns the same services for the call of a script that consists of these files, whose prompts without a
    /// recording are spoken; `None` if the operator doesn't want that.
    pub(crate) fn with_tables_of<'a>(&self, scripts: impl Iterator<Item = &'a str>) -> Option<Self> {
        let is_wanted = self.settings().speech.as_ref().is_some_and(|speech| speech.missing_prompts);
        is_wanted.then(|| {
            let tables = scripts.map(|script| Path::new(script).with_extension("prompts")).collect();
            Self { prompts: self.prompts.with_tables(tables), ..self.clone() }
        })
    }

    /// Whether prompts without a recording are spoken in this call.
    pub(crate) fn speaks_prompts(&self) -> bool {
        self.prompts.are_spoken()
    }

    /// Answers a request for a prompt. If it can't be spoken, that is logged, and it is played as if there was a
    /// recording.
    pub(in crate::service) async fn prompt(self, request: Request, remote: Option<Remote>) -> Answer {
        let name = request.text("prompt").to_owned();
        let Some(text) = self.prompts.text(request, self.settings()).await else { return Ok(json!({ "file": name })) };
        let spoken = async { self.service(&text)?.answer(&text).await };
        match spoken.await {
            Ok(answer) => self.reachable(Ok(answer), remote),
            Err(Failure { message, .. }) => {
                warn!(prompt = name, "a prompt without a recording isn't spoken: {message}");
                Ok(json!({ "file": name }))
            }
        }
    }

    /// Has these texts and prompts spoken in the background, each for the script of its services, one after the other,
    /// and only while their engines have nothing to say to calls. They take the place of those that were given before.
    pub(crate) fn speak_ahead(&self, texts: Vec<(Self, Request)>) {
        // What isn't used starts no thread.
        let runtime = if texts.is_empty() { None } else { runtime().ok() };
        let task = runtime.map(|runtime| runtime.spawn(speak(texts)).abort_handle());
        self.prompts.speak_ahead(task);
    }
}

/// Speaks texts, again and again until each was spoken. What an engine can't do is logged once.
async fn speak(mut texts: Vec<(Services, Request)>) {
    let mut reported = BTreeSet::new();
    loop {
        let mut failing = BTreeSet::new();
        let mut left = Vec::new();
        for (services, text) in texts {
            let settings = services.settings();
            let Some(text) = services.prompts.text(text, settings.clone()).await else { continue };
            // If nobody speaks its language, the call that comes to it is told so.
            let Ok(engine) = Kind::Speech.service(&text, &settings).map(str::to_owned) else { continue };
            if failing.contains(&engine) {
                left.push((services, text));
                continue;
            }
            let Ok(service) = services.service(&text) else { continue };
            while !service.guard.is_idle() {
                sleep(WHILE_BUSY).await;
            }
            match service.answer(&text).await {
                Err(failure) if failure.kind != FailureKind::Argument => {
                    if reported.insert(engine.clone()) {
                        let message = &failure.message;
                        warn!(engine, "texts can't be spoken ahead of calls, which is tried again: {message}");
                    }
                    failing.insert(engine);
                    left.push((services, text));
                }
                _ => {}
            }
        }
        if left.is_empty() {
            return;
        }
        texts = left;
        sleep(TRY_AGAIN).await;
    }
}
