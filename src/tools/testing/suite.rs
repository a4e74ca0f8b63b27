//! A file of tests.

use crate::script::Script;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of tests, compiled.
#[derive(Debug)]
pub struct Suite {
    pub(super) script: Arc<Script>,
    pub(super) path: PathBuf,
    tests: Vec<String>,
}

impl Suite {
    /// Returns the names of its tests without `test_`, in the order of the file.
    pub fn tests(&self) -> &[String] {
        &self.tests
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn new(path: PathBuf, script: Script) -> Self {
        let text = script.sources.first().map_or("", |source| source.text.as_str());
        let line_of = |name: &str| {
            let begins = |line: &str| {
                let line = line.trim_start();
                let line = line.strip_prefix("private ").map_or(line, str::trim_start);
                let rest = line.strip_prefix("fn ").and_then(|line| line.trim_start().strip_prefix(name));
                rest.is_some_and(|rest| rest.trim_start().starts_with('('))
            };
            text.lines().position(begins).unwrap_or(usize::MAX)
        };
        let functions = script.ast.iter_functions().filter(|function| function.params.is_empty());
        let mut tests: Vec<(usize, String)> = functions
            .filter_map(|function| Some((line_of(function.name), function.name.strip_prefix("test_")?.to_owned())))
            .collect();
        tests.sort();
        Self { tests: tests.into_iter().map(|(_, name)| name).collect(), path, script: Arc::new(script) }
    }
}
