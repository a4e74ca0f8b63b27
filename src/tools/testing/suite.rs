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
    lines: Vec<Option<usize>>,
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

    /// Returns the line in which a test begins.
    pub fn line(&self, test: &str) -> Option<usize> {
        let at = self.tests.iter().position(|name| name == test)?;
        self.lines[at]
    }

    /// Returns the seed of a test, which doesn't depend on other tests.
    pub fn seed(&self, seed: u64, test: &str) -> u64 {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = file.bytes().chain("::".bytes()).chain(test.bytes());
        let name =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        // Short, since failures show it, but long enough that the calls of tests don't share seeds.
        (name ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 34
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
            text.lines().position(begins).map_or(usize::MAX, |at| at + 1)
        };
        let functions = script.ast.iter_functions().filter(|function| function.params.is_empty());
        let mut tests: Vec<(usize, String)> = functions
            .filter_map(|function| Some((line_of(function.name), function.name.strip_prefix("test_")?.to_owned())))
            .collect();
        tests.sort();
        let lines = tests.iter().map(|(line, _)| Some(*line).filter(|line| *line != usize::MAX)).collect();
        Self { tests: tests.into_iter().map(|(_, name)| name).collect(), lines, path, script: Arc::new(script) }
    }
}
