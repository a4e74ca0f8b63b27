//! A store in a file of SQLite, for one machine and any number of processes.
//!
//! Two tasks have a connection each: one writes, and one reads without waiting for it. The writer takes all requests
//! that are there and commits them in one transaction, so that many calls at a time share the cost of a commit. Each
//! gets its answer after the commit.

mod file;
mod statements;
mod worker;

use super::operation::Operation;
use crate::transport::Answer;
use file::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use worker::Worker;

/// A store in a file of SQLite.
#[derive(Debug)]
pub(super) struct Sqlite {
    file: Arc<File>,
    reader: Worker,
    writer: Worker,
}

impl Sqlite {
    /// Creates the store without opening its file yet, whose folder is created if need be if it is the host's own.
    pub fn new(path: PathBuf, has_own_folder: bool) -> Self {
        let file = Arc::new(File::new(path, has_own_folder));
        Self { reader: Worker::new(Arc::clone(&file)), writer: Worker::new(Arc::clone(&file)), file }
    }

    /// Returns what messages call it.
    pub fn name(&self) -> &str {
        self.file.name()
    }

    /// Carries out an operation, for which whoever asks waits no longer than this.
    pub async fn run(&self, operation: Operation, timeout: Duration) -> Answer {
        let worker = if operation.only_reads() { &self.reader } else { &self.writer };
        worker.ask(operation, timeout).await
    }
}
