//! The findings of one script.

use super::finding::Finding;
use super::imports::Imported;
use super::rules::{self, RULES, Rule, Severity};
use super::text::{Place, Text};
use crate::script::nearest;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

/// The findings of one script.
pub(super) struct Report<'a, 'b> {
    pub script: String,
    pub text: &'b Text<'a>,
    pub findings: Vec<Finding>,
    /// The rules of the findings, and their places.
    pub places: HashSet<(&'static str, Place)>,
    /// The imports of the script, and their places.
    pub imports: Vec<(Place, Rc<Imported>)>,
    /// Whether the script only defines things, for others to import.
    pub is_library: bool,
    /// The sound files that the script names, apart from Asterisk's own.
    pub played: Vec<String>,
}

impl<'a, 'b> Report<'a, 'b> {
    pub fn new(script: String, text: &'b Text<'a>) -> Self {
        Self {
            script,
            text,
            findings: Vec::new(),
            places: HashSet::new(),
            imports: Vec::new(),
            is_library: false,
            played: Vec::new(),
        }
    }

    pub fn add(&mut self, rule: &'static Rule, place: Place, message: String, hint: Option<String>) {
        let width = self.text.width(place);
        self.add_wide(rule, place, width, message, hint);
    }

    /// Adds a finding that fails in some calls only.
    pub fn doubt(&mut self, rule: &'static Rule, place: Place, message: String, hint: Option<String>) {
        self.add(rule, place, message, hint);
        if let Some(finding) = self.findings.last_mut() {
            finding.severity = Severity::Warning;
        }
    }

    /// Adds the finding that a function doesn't exist. Where the script is imported, another file may define it.
    pub fn missing(
        &mut self,
        function: &str,
        rule: &'static Rule,
        place: Place,
        message: String,
        hint: Option<String>,
    ) {
        if !self.is_library {
            return self.add(rule, place, message, hint);
        }
        let elsewhere = "a script that imports this one may define it".to_owned();
        self.doubt(rule, place, message, hint.or(Some(elsewhere)));
        if let Some(finding) = self.findings.last_mut() {
            finding.missing = Some(function.to_owned());
        }
    }

    pub fn add_wide(&mut self, rule: &'static Rule, place: Place, width: usize, message: String, hint: Option<String>) {
        let (line, column) = place;
        let is_caught = rule.can_be_caught && self.text.is_tried(place);
        let (before, source) = self.text.around(place);
        self.places.insert((rule.name, place));
        self.findings.push(Finding {
            rule: rule.name,
            severity: if is_caught { Severity::Warning } else { rule.severity },
            missing: None,
            message,
            hint,
            script: self.script.clone(),
            line,
            column,
            width,
            source: source.to_owned(),
            before,
        });
    }

    pub fn has(&self, rule: &Rule) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule.name)
    }

    pub fn has_at(&self, rule: &Rule, place: Place) -> bool {
        self.places.contains(&(rule.name, place))
    }

    pub fn unknown_rules(&mut self) {
        let known: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        let unknown: Vec<_> = self.text.unknown_rules(&known).map(|(rule, place)| (rule.to_owned(), place)).collect();
        for (rule, place) in unknown {
            let hint = nearest(&rule, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let width = rule.chars().count().max(1);
            self.add_wide(&rules::UNKNOWN_RULE, place, width, format!("no rule `{rule}`"), hint);
        }
    }

    pub fn finish(self) -> Vec<Finding> {
        let text = self.text;
        let mut findings = self.findings;
        findings.retain(|finding| !text.allows(finding.rule, finding.line));
        findings.sort_by(|a, b| (a.line, a.column, a.severity, a.rule).cmp(&(b.line, b.column, b.severity, b.rule)));
        findings.dedup();
        findings
    }
}
