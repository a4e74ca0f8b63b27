//! The checker: what is wrong with a script, found without running it.

mod asterisk;
mod flow;
mod imports;
mod prompts;
mod rules;
mod text;
mod walk;
mod words;

pub use asterisk::OLDEST_ASTERISK;
pub use rules::{RULES, Rule};

use super::fault::{self, Fault};
use super::functions::Language;
use super::import::{Loader, Places, plain};
use crate::agi::printable;
use crate::command::Permissions;
use crate::stack;
use annotate_snippets::Level;
use imports::{Edited, Imported};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use text::{Place, Text};
use words::Words;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It goes wrong when the line runs.
    Error,
    /// It is most likely a mistake.
    Warning,
}

/// Something the checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule, such as `unknown-function`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What would be right, where that is known.
    pub hint: Option<String>,
    /// The script.
    pub script: String,
    /// The line, from 1; 0 where it has none.
    pub line: usize,
    /// The column in characters, from 1; 0 where it has none.
    pub column: usize,
    /// How many characters from there are meant.
    pub width: usize,
    /// The text of the line.
    pub source: String,
}

impl Finding {
    /// The finding with its line of source and the place marked below it, over several lines.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let marked = (self.line > 0).then_some((self.line, self.column, self.width));
        let level = if self.severity == Severity::Error { Level::ERROR } else { Level::WARNING };
        let title = (level, Some(self.rule), self.message.as_str());
        fault::render(title, &self.script, marked, &self.source, &[], self.hint.as_deref(), colour)
    }
}

/// In one line: `game.rhai:12:5: error: what is wrong; what would be right [rule]`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        let (script, message) = (printable(&self.script), printable(&self.message));
        write!(f, "{script}:{}:{}: {severity}: {message}", self.line, self.column)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {}", printable(hint))?;
        }
        write!(f, " [{}]", self.rule)
    }
}

/// Checks scripts. To be kept and used again: making one collects the functions there are.
#[derive(Clone, Debug)]
pub struct Checker {
    language: Language,
    /// The language of scripts that are tests.
    tests: Language,
    words: Arc<Words>,
    /// The words of scripts that are tests.
    test_words: Arc<Words>,
    /// The folder below which imports are found, besides the one of each script.
    pub folder: Option<PathBuf>,
    /// Folders of sound files, to tell which prompts have none; empty: not told.
    pub sounds: Vec<PathBuf>,
    /// The version of Asterisk the scripts are for: commands it does not have are told.
    pub asterisk: Option<u32>,
    /// What scripts may have Asterisk run.
    pub permissions: Permissions,
    /// Texts that are newer than the files of these paths: what an editor has not saved yet.
    pub texts: BTreeMap<PathBuf, String>,
}

impl Checker {
    /// A checker of scripts in this language.
    #[must_use]
    pub fn new(language: &Language) -> Self {
        Self {
            language: language.clone(),
            tests: Language::of_tests(),
            words: Arc::new(Words::new(language)),
            test_words: Arc::new(Words::new(&Language::of_tests())),
            folder: None,
            sounds: Vec::new(),
            asterisk: None,
            permissions: Permissions::default(),
            texts: BTreeMap::new(),
        }
    }

    /// What is wrong with the script of this path, whose text may be newer than the file; in the order of its lines.
    #[must_use]
    pub fn check(&self, path: &Path, text: &str) -> Vec<Finding> {
        let text = plain(text);
        let mut engine = self.language(path).compiler();
        engine.set_strict_variables(false);
        let parts = Text::new(&engine, &text);
        let mut report = Report {
            script: path.to_string_lossy().into_owned(),
            text: &parts,
            findings: Vec::new(),
            imports: Vec::new(),
        };
        match engine.compile_with_scope(Language::scope(), &text) {
            Err(error) => {
                let fault = Fault::of_parse(&report.script, &error, self.language(path), &[]);
                report.syntax(&fault, error.err_type());
            }
            Ok(ast) => {
                walk::walk(self, path, &engine, &ast, &mut report);
                prompts::unknown_phrases(self, path, &ast, &mut report);
                self.load(path, &text, &mut report);
            }
        }
        report.unknown_rules();
        report.finish()
    }

    /// What is wrong with the tables of prompts and phrases beside the script of this path; the findings are in the
    /// tables.
    #[must_use]
    pub fn check_table(&self, path: &Path, text: &str) -> Vec<Finding> {
        let text = plain(text);
        let mut engine = self.language(path).compiler();
        engine.set_strict_variables(false);
        engine
            .compile_with_scope(Language::scope(), &text)
            .map_or_else(|_| Vec::new(), |ast| prompts::table(self, path, &engine, &ast))
    }

    fn is_test(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".test.rhai"))
    }

    fn language(&self, path: &Path) -> &Language {
        if Self::is_test(path) { &self.tests } else { &self.language }
    }

    fn words(&self, path: &Path) -> &Words {
        if Self::is_test(path) { &self.test_words } else { &self.words }
    }

    /// What is wrong with the file of this path, if it is no script.
    fn fault_of(&self, path: &Path) -> Option<Box<Fault>> {
        let text = plain(&self.files().text(path)?);
        let name = path.to_string_lossy();
        let error = self.language(path).compiler().compile_with_scope(Language::scope(), &text).err()?;
        Some(Fault::of_parse(&name, &error, self.language(path), &[]))
    }

    fn files(&self) -> Edited<'_> {
        Edited(&self.texts)
    }

    fn places(&self, script: &Path) -> Places {
        let beside = script.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Places::new(beside, self.folder.as_deref())
    }

    /// Compiles the script as a call would, with all it imports: what the walk did not find is told here.
    fn load(&self, path: &Path, text: &str, report: &mut Report<'_, '_>) {
        let mut files = self.files();
        let compiled = stack::maybe_grow(|| {
            let mut loader = Loader::new(self.language(path), Some(self.places(path)), &mut files);
            loader.compile(&report.script, text).map(|_| ())
        });
        let Err(fault) = compiled else { return };
        let broken = report.has(&rules::BROKEN_IMPORT) || report.has(&rules::MISSING_IMPORT);
        if fault.script != report.script {
            let below = |imported: &Rc<Imported>| {
                imports::all(std::slice::from_ref(imported)).iter().any(|imported| imported.name == fault.script)
            };
            let way = report.imports.iter().find(|(_, imported)| below(imported)).or(report.imports.first());
            if let (Some((place, _)), false) = (way, broken) {
                let message = format!("the script it imports has a fault: {fault}");
                report.add(&rules::BROKEN_IMPORT, *place, message, None);
            }
            return;
        }
        let place = (fault.line, fault.column);
        if let Some((place, _)) = report.imports.iter().find(|((line, _), _)| *line == fault.line) {
            if !broken {
                report.add(&rules::BROKEN_IMPORT, *place, fault.message.clone(), fault.hint.clone());
            }
            return;
        }
        let told = [&rules::UNDEFINED_VARIABLE, &rules::UNDEFINED_IMPORT].iter().any(|rule| report.has(rule));
        if !told && !broken {
            report.add(&rules::UNDEFINED_VARIABLE, place, fault.message.clone(), fault.hint.clone());
        }
    }
}

/// The findings of one script.
struct Report<'a, 'b> {
    script: String,
    text: &'b Text<'a>,
    findings: Vec<Finding>,
    /// What the script imports, and where.
    imports: Vec<(Place, Rc<Imported>)>,
}

impl Report<'_, '_> {
    fn add(&mut self, rule: &'static Rule, place: Place, message: String, hint: Option<String>) {
        let width = self.text.width(place);
        self.add_wide(rule, place, width, message, hint);
    }

    fn add_wide(&mut self, rule: &'static Rule, place: Place, width: usize, message: String, hint: Option<String>) {
        let (line, column) = place;
        self.findings.push(Finding {
            rule: rule.name,
            severity: rule.severity,
            message,
            hint,
            script: self.script.clone(),
            line,
            column,
            width,
            source: self.text.line(line).to_owned(),
        });
    }

    fn has(&self, rule: &Rule) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule.name)
    }

    fn syntax(&mut self, fault: &Fault, error: &rhai::ParseErrorType) {
        let (message, hint, place) = explain(fault, error, self.text);
        self.add(&rules::SYNTAX, place, message, hint);
    }

    fn unknown_rules(&mut self) {
        let known: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        let unknown: Vec<_> = self.text.unknown_rules(&known).map(|(rule, place)| (rule.to_owned(), place)).collect();
        for (rule, place) in unknown {
            let hint = words::near(&rule, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let width = rule.chars().count().max(1);
            self.add_wide(&rules::UNKNOWN_RULE, place, width, format!("no rule `{rule}`"), hint);
        }
    }

    fn finish(self) -> Vec<Finding> {
        let text = self.text;
        let mut findings = self.findings;
        findings.retain(|finding| !text.allows(finding.rule, finding.line));
        findings.sort_by(|a, b| (a.line, a.column, a.severity, a.rule).cmp(&(b.line, b.column, b.severity, b.rule)));
        findings.dedup();
        findings
    }
}

/// A fault of syntax in words for people who meet it for the first time: what, what would be right, and where.
fn explain(fault: &Fault, error: &rhai::ParseErrorType, text: &Text<'_>) -> (String, Option<String>, Place) {
    use rhai::{LexError, ParseErrorType as E};
    let here = (fault.line, fault.column);
    let word = text.words.iter().position(|word| word.start >= here);
    let found = word.map(|at| &text.words[at]).filter(|word| word.start == here);
    let before = word.unwrap_or(text.words.len()).checked_sub(1).map(|at| &text.words[at]);
    let written = found.map(|word| word.token.to_string());
    let behind = before.map_or(here, |word| (word.end.0, word.end.1.saturating_sub(1).max(1)));
    let hint = |hint: &str| Some(hint.to_owned());
    match (error, written.as_deref(), before.map(|word| word.token.to_string()).as_deref()) {
        (E::MissingToken(..), Some("elsif" | "elif" | "elseif"), _) => {
            (fault.message.clone(), hint("write `else if`"), here)
        }
        (E::MissingToken(..), Some("and"), _) => ("`and` is no word of Rhai".to_owned(), hint("write `&&`"), here),
        (E::MissingToken(..), Some("or"), _) => ("`or` is no word of Rhai".to_owned(), hint("write `||`"), here),
        (E::MissingToken(..), _, Some("not")) => ("`not` is no word of Rhai".to_owned(), hint("write `!`"), behind),
        (E::MissingToken(..), _, Some("function" | "def" | "func" | "sub")) => {
            (fault.message.clone(), hint("a function begins with `fn`: `fn play() { ... }`"), behind)
        }
        (E::MissingToken(token, _), _, _) if token == ";" => (
            "a `;` is missing".to_owned(),
            hint("each statement ends with `;`, unless it ends with a block in braces"),
            behind,
        ),
        (E::MissingToken(token, why), _, _) => (format!("`{token}` is missing {why}"), None, here),
        (E::Reserved(name) | E::BadInput(LexError::ImproperSymbol(name, _)), _, _) if name == "eval" => {
            ("`eval` is off".to_owned(), None, here)
        }
        (E::Reserved(name), _, _) => {
            let hint = match name.as_str() {
                "null" | "nil" | "void" => hint("what is absent is written as `()`"),
                "var" => hint("a variable begins with `let`: `let x = 5;`"),
                "goto" => hint("`go_to(context, extension, priority)` sends the call on in the dialplan"),
                "case" => hint("the cases of a `switch` are written as `\"1\" => ...,`"),
                "match" => hint("write `switch`"),
                _ => hint("choose another name: Rhai keeps this word for itself"),
            };
            (format!("`{name}` cannot be used here"), hint, here)
        }
        (E::BadInput(LexError::MalformedChar(_)), _, _) => {
            ("a text stands in double quotes; single quotes hold one character".to_owned(), hint("write \"...\""), here)
        }
        (E::BadInput(LexError::UnterminatedString), _, _) => (
            "a text has no end: the closing quote is missing".to_owned(),
            hint("a text in \"...\" ends on its line"),
            here,
        ),
        (E::BadInput(LexError::ImproperSymbol(symbol, _)), _, _) if symbol == "=" => {
            ("`=` sets a variable and does not compare".to_owned(), hint("write `==`"), here)
        }
        (E::BadInput(LexError::ImproperSymbol(symbol, why)), _, _) => {
            let why = why.trim();
            let why = if why.is_empty() { format!("`{symbol}` does not belong here") } else { why.to_owned() };
            (why, None, here)
        }
        (E::BadInput(LexError::UnexpectedInput(input)), _, _) if input == "++" || input == "--" => {
            (format!("there is no `{input}`"), Some(format!("write `x {}= 1`", &input[..1])), here)
        }
        (E::BadInput(LexError::UnexpectedInput(input)), _, _) => {
            (format!("`{input}` does not belong here"), None, here)
        }
        (E::UnexpectedEOF, _, _) => ("the script ends in the middle of something".to_owned(), None, behind),
        _ => (fault.message.clone(), fault.hint.clone(), here),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checker() -> &'static Checker {
        static CHECKER: std::sync::OnceLock<Checker> = std::sync::OnceLock::new();
        CHECKER.get_or_init(|| Checker::new(&Language::new()))
    }

    /// Whether Rhai finds all names of a text defined, and what the walk alone finds of them.
    fn names(text: &str) -> Option<(Option<rhai::ParseError>, Vec<Finding>)> {
        let checker = checker();
        let mut engine = checker.language.compiler();
        let strict = engine.compile_with_scope(Language::scope(), text).err();
        engine.set_strict_variables(false);
        let ast = engine.compile_with_scope(Language::scope(), text).ok()?;
        let parts = Text::new(&engine, text);
        let mut report =
            Report { script: "test.rhai".to_owned(), text: &parts, findings: Vec::new(), imports: Vec::new() };
        walk::walk(checker, Path::new("test.rhai"), &engine, &ast, &mut report);
        let names = [rules::UNDEFINED_VARIABLE.name, rules::UNDEFINED_IMPORT.name];
        Some((strict, report.finish().into_iter().filter(|finding| names.contains(&finding.rule)).collect()))
    }

    #[track_caller]
    fn agree(text: &str) {
        let Some((strict, found)) = names(text) else { return };
        // What Rhai looks at only when it runs: constants, exports, imports in closures.
        let later = |f: &&Finding| {
            f.message.contains("has no constant")
                || f.source.chars().take(f.column - 1).collect::<String>().ends_with("export ")
                || (f.rule == rules::UNDEFINED_IMPORT.name && text.contains('|'))
        };
        match strict {
            None => assert!(found.iter().all(|f| later(&f)), "a false alarm: {found:#?}\n{text}"),
            Some(error) => {
                let first = found.iter().any(|f| (f.line, f.column) == text::place(error.position()));
                assert!(first, "{error} is not among {found:#?}\n{text}");
            }
        }
    }

    /// Expressions and statements over few names, so that many are defined, and many are not.
    fn scripts() -> impl Strategy<Value = String> {
        let name = || prop::sample::select(vec!["a", "b", "c", "f", "g", "state", "env", "m"]);
        let leaf = prop_oneof![
            4 => name().prop_map(str::to_owned),
            1 => Just("1".to_owned()),
            1 => Just("global::K".to_owned()),
            1 => name().prop_map(|n| format!("m::{n}")),
            1 => Just("this".to_owned()),
        ];
        let expr = leaf.prop_recursive(3, 12, 3, move |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
                (inner.clone(), name()).prop_map(|(a, p)| format!("{a}.{p}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
                (inner.clone(), name(), inner.clone()).prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
                (name(), inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
                (name(), inner.clone()).prop_map(|(f, a)| format!("m::{f}({a})")),
                (name(), inner.clone()).prop_map(|(p, a)| format!("|{p}| {a}")),
                (name(), inner.clone()).prop_map(|(p, a)| format!("|{p}| {{ let c = {a}; || c + {p} }}")),
                inner.clone().prop_map(|a| format!("`x${{{a}}}y`")),
                inner.clone().prop_map(|a| format!("#{{ a: {a} }}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("if {a} == 1 {{ {b} }} else {{ 2 }}")),
                (name(), inner.clone(), inner).prop_map(|(n, a, b)| format!("{{ let {n} = {a}; {b} }}")),
            ]
        });
        let statement = prop_oneof![
            (name(), expr.clone()).prop_map(|(n, e)| format!("let {n} = {e};")),
            Just("const K = 1;".to_owned()),
            (name(), expr.clone()).prop_map(|(n, e)| format!("{n} = {e};")),
            (name(), expr.clone()).prop_map(|(n, e)| format!("{n} += {e};")),
            (name(), expr.clone()).prop_map(|(n, e)| format!("{n}.x = {e};")),
            expr.clone().prop_map(|e| format!("{e};")),
            (expr.clone(), expr.clone()).prop_map(|(a, b)| format!("switch {a} {{ 1 => {b}, _ => {{ {a} }} }}")),
            Just("import \"m\" as m;".to_owned()),
            name().prop_map(|n| format!("export {n};")),
        ];
        let statement = statement.prop_recursive(3, 16, 4, move |inner| {
            let block = prop::collection::vec(inner, 0..4).prop_map(|all| all.join(" "));
            let (one, other) = (block.clone(), block.clone());
            prop_oneof![
                block.clone().prop_map(|b| format!("{{ {b} }}")),
                (expr.clone(), one, block.clone())
                    .prop_map(|(e, a, b)| format!("if {e} == 1 {{ {a} }} else {{ {b} }}")),
                (expr.clone(), block.clone()).prop_map(|(e, b)| format!("while {e} == 1 {{ {b} }}")),
                (name(), expr.clone(), block.clone()).prop_map(|(n, e, b)| format!("for {n} in {e} {{ {b} }}")),
                (block.clone(), expr.clone()).prop_map(|(b, e)| format!("do {{ {b} }} while {e} == 1;")),
                (name(), block.clone(), other).prop_map(|(n, a, b)| format!("try {{ {a} }} catch ({n}) {{ {b} }}")),
            ]
        });
        let body = prop::collection::vec(statement.clone(), 0..4).prop_map(|all| all.join(" "));
        let functions = prop::collection::vec((name(), body), 0..3).prop_map(|all| {
            let mut names: BTreeSet<&'static str> = BTreeSet::new();
            let one = |(name, body): (&'static str, String)| {
                if names.insert(name) { format!("fn {name}(a) {{ {body} }}\n") } else { String::new() }
            };
            all.into_iter().map(one).collect::<Vec<_>>()
        });
        (prop::collection::vec(statement, 0..6), functions).prop_map(|(mut all, functions)| {
            for (at, function) in functions.into_iter().enumerate() {
                all.insert((at * 2).min(all.len()), function);
            }
            all.join("\n")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// What Rhai takes has no undefined name, and what it does not take is found where Rhai stops.
        #[test]
        fn names_are_what_rhai_takes_them_for(script in scripts()) {
            agree(&script);
        }

        #[test]
        fn nothing_panics(text in "[a-z0-9 {}()\"`$.,;|=:#/*\\n-]{0,60}") {
            let _ = checker().check(Path::new("test.rhai"), &text);
        }
    }

    #[test]
    fn names_that_need_care() {
        for text in [
            "fn g() { 1 } let h = g; h",
            "let h = g; fn g() { 1 }",
            "fn g() { g + 1 }",
            "fn g(a) { } fn a(a) { { g += g; } }",
            "fn g() { 1 } g = 2; fn f() { g = 2; }",
            "fn g() { 1 } fn g(x) { [x].map(g) }",
            "let x = 1; let f = |y| || x + y + z;",
            "let x = 1; { let x = 2; } x",
            "for (i, n) in [1] { i + n } n",
            "try { throw 1 } catch (e) { e } e",
            "let a = [1]; a[a[0]].b[c] = 1;",
            "let t = `a ${ `b ${t}` }`;",
            "let x = 1; export x as y; export z;",
            "fn f() { this.x + x }",
            "let x = 1; fn f() { || x }",
            "const K = 1; fn f() { global::K + global::L }",
            "import \"m\" as m; fn f() { m::g() } m::X",
            "fn f() { m::g() } import \"m\" as m;",
            "{ import \"m\" as m; m::g(); } m::g();",
            "switch x { 1 if y => z, 2..4 => w, _ => v }",
            "do { let inside = 1; } while inside == 1;",
            "fn f() { import \"m\" as m; }\nfn g() { m::x }",
            "try { } catch (e) { import \"m\" as m; }\nfn g() { m::x }",
        ] {
            agree(text);
        }
    }
}
