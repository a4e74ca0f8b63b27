//! A task that has a connection, and carries out what it is asked in order.

use super::file::{File, Unopened};
use super::statements;
use crate::clock::{Stopwatch, Time};
use crate::service::runtime;
use crate::service::store::operation::Operation;
use crate::sync::lock;
use crate::transport::{Answer, Failure};
use sqlx::sqlite::SqliteConnection;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The most operations in one transaction, so that a crowd doesn't make the first one wait for the last.
const MAX_BATCH: usize = 256;

/// The time between two attempts while another process writes.
const BREATHER: Duration = Duration::from_millis(10);

/// A task that has a connection. It starts with the first operation.
#[derive(Debug)]
pub(super) struct Worker {
    file: Arc<File>,
    clock: Stopwatch,
    queue: Mutex<Option<mpsc::Sender<Asked>>>,
}

/// An operation, and where its answer goes.
struct Asked {
    operation: Operation,
    /// How long it may wait while another process writes, and until when.
    patience: Duration,
    until: Time,
    answer: oneshot::Sender<Answer>,
}

/// A connection, and what is known of it.
struct Open {
    connection: SqliteConnection,
    /// Which file it is.
    identity: Option<(u64, u64)>,
    /// Whether commits survive a loss of power.
    is_durable: bool,
}

impl Worker {
    pub fn new(file: Arc<File>) -> Self {
        Self { file, clock: Stopwatch::start(), queue: Mutex::default() }
    }

    /// Has an operation carried out, for which whoever asks waits no longer than this. If nobody waits for it any more,
    /// it is skipped, unless it has begun.
    pub async fn ask(&self, operation: Operation, timeout: Duration) -> Answer {
        let (sender, answer) = oneshot::channel();
        let gone = || Failure::unavailable("the task of the store has failed: this is a bug in agi-rhai");
        let queue = self.queue()?;
        // Less than the deadline, so that the failure says why.
        let patience = timeout.mul_f64(0.8);
        let until = self.clock.now() + patience;
        queue.send(Asked { operation, patience, until, answer: sender }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn queue(&self) -> Result<mpsc::Sender<Asked>, Failure> {
        let mut queue = lock(&self.queue);
        if let Some(queue) = queue.as_ref().filter(|queue| !queue.is_closed()) {
            return Ok(queue.clone());
        }
        let no_thread = |error| Failure::unavailable(format!("no thread for services: {error}"));
        let runtime = runtime().map_err(no_thread)?;
        let (sender, receiver) = mpsc::channel(MAX_BATCH);
        runtime.spawn(work(Arc::clone(&self.file), self.clock, receiver));
        Ok(queue.insert(sender).clone())
    }
}

/// Carries out what is asked until nobody can ask any more.
async fn work(file: Arc<File>, clock: Stopwatch, mut queue: mpsc::Receiver<Asked>) {
    let mut open = None;
    let mut batch = Vec::new();
    loop {
        if batch.is_empty() {
            if queue.recv_many(&mut batch, MAX_BATCH).await == 0 {
                break;
            }
        } else {
            // It was busy, and those who have come meanwhile get their turn with the others.
            while batch.len() < MAX_BATCH
                && let Ok(asked) = queue.try_recv()
            {
                batch.push(asked);
            }
        }
        match carry_out(&file, &mut open, &mut batch).await {
            Ok(()) => {}
            Err(Undone::Busy) => {
                // It may not have waited: setting up the journal doesn't.
                tokio::time::sleep(BREATHER).await;
                let now = clock.now();
                for asked in batch.extract_if(.., |asked| asked.until <= now) {
                    let _ = asked.answer.send(Err(file.locked_for(asked.patience)));
                }
            }
            Err(Undone::Failed(failure)) => {
                open = None;
                for asked in batch.drain(..) {
                    let _ = asked.answer.send(Err(failure.clone()));
                }
            }
        }
    }
    if let Some(Open { connection, .. }) = open {
        // The last one to close the file tidies up its journal.
        let _ = sqlx::Connection::close(connection).await;
    }
}

/// Why a batch wasn't carried out.
enum Undone {
    /// Another process is writing. What has no answer yet is to be tried again.
    Busy,
    Failed(Failure),
}

/// Carries out a batch and answers it. After a failure, the batch holds what has no answer yet.
async fn carry_out(file: &File, open: &mut Option<Open>, batch: &mut Vec<Asked>) -> Result<(), Undone> {
    batch.retain(|asked| !asked.answer.is_closed());
    if batch.is_empty() {
        return Ok(());
    }
    // Somebody may have removed or replaced the file.
    if open.as_ref().is_some_and(|open| open.identity != file.identity()) {
        *open = None;
    }
    let open = if let Some(open) = open {
        open
    } else {
        let connection = match file.open().await {
            Ok(connection) => connection,
            Err(Unopened::Busy) => return Err(Undone::Busy),
            Err(Unopened::Refused(failure)) => return Err(Undone::Failed(failure)),
        };
        // A new connection is in SQLite's own mode, which is durable.
        open.insert(Open { connection, identity: file.identity(), is_durable: true })
    };
    match in_one_transaction(open, batch).await {
        Ok(answers) => {
            answer(batch, answers);
            return Ok(());
        }
        Err(error) if super::file::code(&error) == Some(super::file::BUSY) => {
            undo(open).await;
            return Err(Undone::Busy);
        }
        // One alone is answered by its own failure.
        Err(error) if batch.len() < 2 => return Err(Undone::Failed(file.failure(&error))),
        Err(_) => undo(open).await,
    }
    // One of them fails all: so each gets a transaction of its own.
    let mut alone = Vec::with_capacity(1);
    while !batch.is_empty() {
        alone.push(batch.remove(0));
        match in_one_transaction(open, &alone).await {
            Ok(answers) => answer(&mut alone, answers),
            Err(error) => {
                undo(open).await;
                for asked in alone.drain(..) {
                    let _ = asked.answer.send(Err(file.failure(&error)));
                }
            }
        }
    }
    Ok(())
}

fn answer(batch: &mut Vec<Asked>, answers: Vec<Answer>) {
    for (asked, answer) in batch.drain(..).zip(answers) {
        // Nobody waits any more if the call has ended.
        let _ = asked.answer.send(answer);
    }
}

/// Ends a transaction that may have begun.
async fn undo(open: &mut Open) {
    // There is none if SQLite itself has undone it.
    let _ = sqlx::raw_sql("rollback").execute(&mut open.connection).await;
}

/// Carries out a batch, whole or not at all.
async fn in_one_transaction(open: &mut Open, batch: &[Asked]) -> Result<Vec<Answer>, sqlx::Error> {
    let only_reads = batch.iter().all(|asked| asked.operation.only_reads());
    let connection = &mut open.connection;
    let mut answers = Vec::with_capacity(batch.len());
    if only_reads {
        for asked in batch {
            answers.push(statements::run(connection, &asked.operation).await?);
        }
        return Ok(answers);
    }
    let is_durable = batch.iter().any(|asked| asked.operation.is_durable());
    if is_durable != open.is_durable {
        // Values survive the end of the process in either mode. Without the power, the last ones may be lost; in
        // return, a commit needn't wait for the disk.
        let mode = if is_durable { "pragma synchronous = full" } else { "pragma synchronous = normal" };
        sqlx::raw_sql(mode).execute(&mut *connection).await?;
        open.is_durable = is_durable;
    }
    // It is to write from the start: a transaction that began by reading couldn't wait for others.
    sqlx::query("begin immediate").execute(&mut *connection).await?;
    for asked in batch {
        answers.push(statements::run(connection, &asked.operation).await?);
    }
    sqlx::query("commit").execute(connection).await?;
    Ok(answers)
}
