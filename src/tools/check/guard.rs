//! The checker as a guard: a host that has it runs no script with an error.

use super::Depth;
use super::checker::Checker;
use super::finding::Finding;
use super::rules::{self, Severity};
use crate::host::Host;
use crate::script::{Fault, Found, InspectedFile, Inspection, Inspector, Script, around, errors_of_imports};
use crate::stack;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Host {
    /// Has the checker judge every script that this host compiles or loads, with the host's language and permissions.
    ///
    /// A script with an error is then treated as one that doesn't compile: it isn't run, and in a
    /// [`Library`](crate::script::Library) an edit with an error stays out, while calls get the last good version.
    ///
    /// ```
    /// use agi_rhai::Host;
    ///
    /// let mut host = Host::new();
    /// host.check_scripts();
    /// let fault = host.compile("typo.rhai", "anser();").unwrap_err();
    /// assert_eq!(fault.to_string(), "typo.rhai:1:1: no function `anser`; did you mean `answer`? [unknown-function]");
    /// ```
    pub fn check_scripts(&mut self) {
        self.set_inspector(|host| {
            let mut checker = Checker::new(host.language());
            checker.permissions = host.permissions().clone();
            checker.services = host.known_services().cloned();
            Arc::new(checker)
        });
    }
}

impl Inspector for Checker {
    fn inspect(&self, file: &InspectedFile<'_>) -> Inspection {
        // Imports and tables as they were compiled, whatever is on the disk by now.
        let texts = file.sources.iter().map(|source| (PathBuf::from(&source.name), source.text.clone())).collect();
        let mut checker = Cow::Borrowed(self);
        if !file.sources.is_empty() {
            checker.to_mut().texts = texts;
        }
        let depth = match (file.is_compiled, file.warnings) {
            (false, _) => Depth::Whole,
            (true, true) => Depth::Compiled,
            (true, false) => Depth::CompiledErrors,
        };
        let mut findings = stack::maybe_grow(|| checker.check_here(file.path, file.text, file.ast, depth));
        if file.with_tables {
            findings.extend(checker.check_table_here(file.path, file.text, depth));
        }
        let mut inspection = Inspection::default();
        for finding in findings {
            match finding.severity {
                _ if !file.with_tables && finding.missing.is_some() => {
                    let name = finding.missing.clone().unwrap_or_default();
                    // The importing script is known here, and doesn't define it either.
                    let finding = Finding { severity: Severity::Error, ..finding };
                    inspection.missing.push((name, finding.into_fault()));
                }
                // The operator may add it at any time, and then the script works.
                Severity::Error if finding.rule == rules::UNKNOWN_SERVICE.name => {
                    let finding = Finding { severity: Severity::Warning, ..finding };
                    inspection.warnings.extend(file.warnings.then(|| finding.into_fault()));
                }
                Severity::Error => inspection.errors.push(finding.into_fault()),
                Severity::Warning if file.warnings => inspection.warnings.push(finding.into_fault()),
                Severity::Warning => {}
            }
        }
        inspection
    }
}

impl Checker {
    /// Returns the errors of the scripts that this one imports.
    pub(super) fn check_imports(&self, path: &Path) -> Vec<Finding> {
        let loaded = Script::load_from(&mut self.files(), path, self.folder.as_deref(), self.language(path));
        match loaded {
            // What only tests can call is known only in their own files.
            Ok(script) if !Self::is_test(path) => {
                errors_of_imports(self, &script).into_iter().map(Finding::of_fault).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Finding {
    fn of_fault(fault: Fault) -> Self {
        let Fault { message, hint, script, line, column, source, found, .. } = fault;
        let (rule, width) = found.map_or((rules::BROKEN_IMPORT.name, 1), |found| (found.rule, found.width));
        let severity = Severity::Error;
        let (before, source) = around(&source, column);
        let source = source.to_owned();
        Self { rule, severity, message, hint, script, line, column, width, source, before, missing: None }
    }

    fn into_fault(self) -> Fault {
        let Self { rule, severity, message, hint, script, line, column, width, source, .. } = self;
        let is_warning = severity == Severity::Warning;
        Fault {
            hint,
            line,
            column,
            source,
            found: Some(Found { rule, width, is_warning }),
            ..Fault::new(&script, message)
        }
    }
}
