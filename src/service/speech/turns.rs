//! Turns at making the same file: whoever comes second finds it made.

use crate::sync::lock;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

/// Who makes which file at the moment.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<PathBuf, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Returns the lock of whoever makes this file.
    pub fn at(&self, file: &Path) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = lock(&self.0);
        if let Some(turn) = turns.get(file).and_then(Weak::upgrade) {
            return turn;
        }
        // Few files are being made at a time.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(file.to_owned(), Arc::downgrade(&turn));
        turn
    }
}
