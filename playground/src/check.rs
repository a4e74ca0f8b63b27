//! Checking scripts.

use crate::Refusal;
use crate::files::Files;
use agi_rhai::script::Language;
use agi_rhai::tools::check::{Checker, Finding, Severity};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What to check.
#[derive(Debug, Deserialize)]
pub struct Request {
    #[serde(default)]
    files: Files,
    /// The scripts.
    scripts: Vec<String>,
    /// The version of Asterisk, such as 22.
    asterisk: Option<u32>,
}

/// Returns the findings, as `agi-rhai check --format json` writes them.
pub fn check(request: Request) -> Result<Vec<Value>, Refusal> {
    request.files.give();
    let mut checker = Checker::new(&Language::new());
    checker.asterisk = request.asterisk;
    let mut findings: Vec<Finding> = Vec::new();
    for script in request.scripts {
        let found = checker.check_file(&PathBuf::from(&script)).map_err(|error| format!("{script}: {error}"))?;
        for finding in found {
            // An import may be among the scripts itself.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(findings.iter().map(object).collect())
}

fn object(finding: &Finding) -> Value {
    json!({
        "file": finding.script,
        "line": finding.line,
        "column": finding.column,
        "width": finding.width,
        "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
        "rule": finding.rule,
        "message": finding.message,
        "hint": finding.hint,
        "source": finding.source,
    })
}
