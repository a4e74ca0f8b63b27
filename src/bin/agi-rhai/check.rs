//! `agi-rhai check`: finds mistakes in scripts without running them.

use crate::common::ExecOptions;
use crate::config::{ConfigOptions, folder_of_paths};
use crate::files::files_of;
use crate::out;
use crate::terminal::shows_colour;
use crate::value_parsers::asterisk_version;
use agi_rhai::internals::plural;
use agi_rhai::script::Language;
use agi_rhai::tools::check::{Checker, Finding, RULES, Severity};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Finds mistakes in scripts without running them
///
/// Misspelt names, wrong arguments, missing variables, prompts without words or sound files, code that never runs, and
/// more. A comment `// agi-rhai: allow(RULE)` on a line, or on the line above it, silences a rule there.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Rules: `agi-rhai check --rules` lists them.\nExit codes: 0 nothing found, or warnings only; 1 errors \
                  (with --strict: warnings, too); 2 wrong usage, or a file that cannot be read."
)]
pub struct CheckOptions {
    /// Scripts, and folders, which are searched with all folders below them; without a path, the scripts folder or else
    /// the current folder. Hidden files and what git ignores are skipped, unless named
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Folder of imports, besides that of each script
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    scripts: Option<PathBuf>,

    /// Folder of sound files, to find prompts without one in each language; may be given several times
    #[arg(long, value_name = "DIR")]
    sounds: Vec<PathBuf>,

    /// Version of Asterisk the scripts are for, such as 16 or 22.10: commands and applications it lacks are reported
    #[arg(long, value_name = "VERSION", value_parser = asterisk_version)]
    asterisk: Option<u32>,

    #[command(flatten)]
    pub config: ConfigOptions,

    #[command(flatten)]
    exec: ExecOptions,

    /// Format of the findings: text, one JSON object per line, SARIF 2.1.0, or annotations for GitHub Actions
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Fails also on warnings
    #[arg(long)]
    strict: bool,

    /// Lists the rules without checking anything
    #[arg(long)]
    rules: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
    Sarif,
    Github,
}

impl CheckOptions {
    /// Returns the folder of the scripts.
    pub fn folder_of_scripts(&self) -> PathBuf {
        folder_of_paths(self.scripts.as_deref(), self.paths.first().map(PathBuf::as_path))
    }
}

pub fn check(options: &CheckOptions) -> ExitCode {
    if let Some(mistake) = options.config.rendered_mistake(shows_colour(&io::stderr())) {
        out::stderr_line(mistake);
        return ExitCode::from(2);
    }
    let outcome = if options.rules { Ok(rules()) } else { run(options) };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            out::error(error);
            ExitCode::from(2)
        }
    }
}

fn rules() -> u8 {
    for rule in RULES {
        out::line(format_args!("{:<21}{:<9}{}", rule.name, word(rule.severity), rule.summary));
    }
    0
}

fn run(options: &CheckOptions) -> io::Result<u8> {
    let mut checker = Checker::new(&Language::new());
    checker.folder.clone_from(&options.scripts);
    checker.sounds.clone_from(&options.sounds);
    checker.asterisk = options.asterisk;
    checker.permissions = options.exec.permissions();
    checker.services = options.config.known_services();
    if let Some(folder) = options.sounds.iter().chain(&options.scripts).find(|folder| !folder.is_dir()) {
        return Err(io::Error::other(format!("no folder {}", folder.display())));
    }
    let files = files_of(&options.paths, options.scripts.as_deref())?;
    let (mut findings, mut known) = (Vec::new(), HashSet::new());
    for path in &files {
        let found = checker.check_file(path);
        let found = found.map_err(|error| io::Error::other(format!("cannot read {}: {error}", path.display())))?;
        // An import may be among the files itself.
        for finding in found {
            if known.insert(finding.to_string()) {
                findings.push(finding);
            }
        }
    }
    match options.format {
        Format::Human => out::line(human(&findings, files.len())),
        Format::Json => {
            for finding in &findings {
                out::json(object(finding));
            }
        }
        Format::Sarif => out::json(format_args!("{:#}", sarif(&findings))),
        Format::Github => {
            for finding in &findings {
                out::line(annotation(finding));
            }
        }
    }
    let failed = findings.iter().any(|finding| options.strict || finding.severity == Severity::Error);
    Ok(u8::from(failed))
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn human(findings: &[Finding], files: usize) -> String {
    let colour = shows_colour(&io::stdout());
    let findings_shown: String = findings.iter().map(|finding| format!("{}\n\n", finding.render(colour))).collect();
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let found = match (errors, warnings) {
        (0, 0) => "nothing found".to_owned(),
        (0, warnings) => plural(warnings, "warning"),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    format!("{findings_shown}{} checked: {found}", plural(files, "script"))
}

/// Returns a finding as JSON.
fn object(finding: &Finding) -> Value {
    json!({
        "file": finding.script,
        "line": finding.line,
        "column": finding.column,
        "width": finding.width,
        "severity": word(finding.severity),
        "rule": finding.rule,
        "message": finding.message,
        "hint": finding.hint,
        "source": finding.source,
    })
}

fn with_hint(finding: &Finding) -> String {
    match &finding.hint {
        Some(hint) => format!("{}; {hint}", finding.message),
        None => finding.message.clone(),
    }
}

/// Returns all findings as a SARIF 2.1.0 log.
fn sarif(findings: &[Finding]) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name,
                "shortDescription": { "text": rule.summary },
                "help": { "text": rule.help },
                "defaultConfiguration": { "level": word(rule.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut location = json!({ "artifactLocation": { "uri": uri(&finding.script) } });
            if finding.line > 0 {
                location["region"] = json!({
                    "startLine": finding.line,
                    "startColumn": finding.column.max(1),
                    "endColumn": finding.column.max(1) + finding.width,
                    "snippet": { "text": finding.source },
                });
            }
            json!({
                "ruleId": finding.rule,
                "ruleIndex": RULES.iter().position(|rule| rule.name == finding.rule),
                "level": word(finding.severity),
                "message": { "text": with_hint(finding) },
                "locations": [{ "physicalLocation": location }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "agi-rhai",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// Returns a path as a URI reference: relative paths as they are, absolute ones as `file:`.
fn uri(path: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');
    let path = path.strip_prefix("./").unwrap_or(path);
    let encoded = utf8_percent_encode(path, KEPT);
    if path.starts_with('/') { format!("file://{encoded}") } else { encoded.to_string() }
}

/// Returns a finding as a command of GitHub Actions.
fn annotation(finding: &Finding) -> String {
    let text = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |value: &str| text(value).replace(':', "%3A").replace(',', "%2C");
    let mut place = format!("file={}", property(&finding.script));
    if finding.line > 0 {
        let column = finding.column.max(1);
        let end = column + finding.width.max(1) - 1;
        let _ = write!(place, ",line={},col={column},endColumn={end}", finding.line);
    }
    format!("::{} {place},title={}::{}", word(finding.severity), property(finding.rule), text(&with_hint(finding)))
}
