//! The checker, which finds mistakes in scripts without running them.
//!
//! A [`Checker`] returns [`Finding`]s, each of which breaks one of the [`RULES`].

mod answering;
mod ast;
mod checker;
mod finding;
mod flow;
mod guard;
mod imports;
mod known_functions;
mod methods;
mod outside;
mod prompts;
mod report;
mod rules;
mod text;
mod trial;
mod walk;

pub(in crate::tools) use ast::{chosen, closure, pointer};
pub use checker::Checker;
pub use finding::Finding;
pub(in crate::tools) use flow::{Functions, ScriptFunction, functions, is_true};
pub(in crate::tools) use known_functions::KnownFunctions;
pub use rules::{RULES, Rule, Severity};

use crate::script::{Fault, Language, Loader, parse, without_shebang};
use crate::stack;
use crate::utf8::decode;
use imports::Imported;
use report::Report;
use rhai::AST;
use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::rc::Rc;
use text::Text;

/// How much of a script is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Whole,
    /// The script is known to compile with all its imports.
    Compiled,
    /// The same, and only errors are wanted.
    CompiledErrors,
}

impl Checker {
    /// Reads the script at this path. Returns the findings in it and in the tables beside it, and the errors of the
    /// scripts it imports.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn check_file(&self, path: &Path) -> io::Result<Vec<Finding>> {
        let bytes = self.files().bytes(path)?;
        Ok(match decode(&bytes) {
            Ok(text) => [self.check(path, text), self.check_table(path, text), self.check_imports(path)].concat(),
            Err(error) => vec![Finding::of_encoding(&rules::SYNTAX, path, error)],
        })
    }

    /// Returns the findings in the script at this path, in the order of its lines. The text may be newer than the
    /// file.
    #[must_use]
    pub fn check(&self, path: &Path, text: &str) -> Vec<Finding> {
        stack::maybe_grow(|| self.check_here(path, text, None, Depth::Whole))
    }

    /// Returns the sound files that the script at this path and the table of phrases beside it name, apart from
    /// Asterisk's own.
    ///
    /// # Errors
    /// The file cannot be read.
    #[cfg(feature = "speech")]
    pub(crate) fn played(&self, path: &Path) -> io::Result<Vec<String>> {
        let bytes = self.files().bytes(path)?;
        // What isn't a script is the checker's business.
        let Ok(text) = decode(&bytes) else { return Ok(Vec::new()) };
        Ok(stack::maybe_grow(|| {
            let text = without_shebang(text);
            let mut engine = Language::compiler();
            engine.set_strict_variables(false);
            let parts = Text::new(&engine, &text);
            let mut report = Report::new(path.to_string_lossy().into_owned(), &parts);
            if let Ok(ast) = parse(&engine, &text) {
                walk::walk(self, path, &engine, &ast, &mut report, true);
            }
            report.played.extend(prompts::played_by_phrases(self, path));
            report.played
        }))
    }

    /// Checks a text. `parsed` is what it was compiled to, if that is known.
    fn check_here(&self, path: &Path, text: &str, parsed: Option<&AST>, depth: Depth) -> Vec<Finding> {
        let text = without_shebang(text);
        let mut engine = Language::compiler();
        engine.set_strict_variables(false);
        let parts = Text::new(&engine, &text);
        let mut report = Report::new(path.to_string_lossy().into_owned(), &parts);
        match parsed.map_or_else(|| parse(&engine, &text).map(Cow::Owned), |ast| Ok(Cow::Borrowed(ast))) {
            Err(error) => {
                let fault = Fault::of_parse(&report.script, &error, &text, self.language(path));
                report.add(&rules::SYNTAX, (fault.line, fault.column), fault.message, fault.hint);
            }
            Ok(ast) => {
                walk::walk(self, path, &engine, &ast, &mut report, depth != Depth::CompiledErrors);
                if depth != Depth::CompiledErrors {
                    prompts::unknown_phrases(self, path, &ast, &mut report);
                }
                if depth == Depth::Whole {
                    self.load(path, &text, &mut report);
                }
            }
        }
        if depth != Depth::CompiledErrors {
            report.unknown_rules();
        }
        report.finish()
    }

    /// Returns the findings in the tables of prompts and phrases beside the script at this path.
    #[must_use]
    pub fn check_table(&self, path: &Path, text: &str) -> Vec<Finding> {
        self.check_table_here(path, text, Depth::Whole)
    }

    fn check_table_here(&self, path: &Path, text: &str, depth: Depth) -> Vec<Finding> {
        if depth == Depth::CompiledErrors {
            // The table of phrases was compiled with the script.
            return prompts::table(self, path, None);
        }
        if !prompts::has_table(self, path) {
            return Vec::new();
        }
        let text = without_shebang(text);
        let mut engine = Language::compiler();
        engine.set_strict_variables(false);
        stack::maybe_grow(|| {
            parse(&engine, &text).map_or_else(|_| Vec::new(), |ast| prompts::table(self, path, Some((&engine, &ast))))
        })
    }

    /// Compiles the script as a call would, with all its imports, to report what the walk didn't find.
    fn load(&self, path: &Path, text: &str, report: &mut Report<'_, '_>) {
        let mut files = self.files();
        let mut loader = Loader::new(self.language(path), Some(self.places(path)), &mut files);
        let compiled = loader.compile(&report.script, text).map(|_| ());
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn checker() -> &'static Checker {
        static CHECKER: std::sync::OnceLock<Checker> = std::sync::OnceLock::new();
        CHECKER.get_or_init(|| Checker::new(&Language::new()))
    }

    /// Returns what Rhai says about the names in a text, and what the walk alone finds.
    fn names(text: &str) -> Option<(Option<rhai::ParseError>, Vec<Finding>)> {
        let checker = checker();
        let mut engine = Language::compiler();
        let strict = engine.compile_with_scope(Language::scope(), text).err();
        engine.set_strict_variables(false);
        let ast = engine.compile_with_scope(Language::scope(), text).ok()?;
        let parts = Text::new(&engine, text);
        let mut report = Report::new("test.rhai".to_owned(), &parts);
        walk::walk(checker, Path::new("test.rhai"), &engine, &ast, &mut report, true);
        let names = [rules::UNDEFINED_VARIABLE.name, rules::UNDEFINED_IMPORT.name];
        Some((strict, report.finish().into_iter().filter(|finding| names.contains(&finding.rule)).collect()))
    }

    #[track_caller]
    fn agree(text: &str) {
        let Some((strict, found)) = names(text) else { return };
        // Rhai checks these only at run time: constants, exports, imports in closures.
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

    /// Generates expressions and statements with few names, so that many are defined and many aren't.
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

        /// A script that Rhai accepts has no undefined names; otherwise there is a finding where Rhai stops.
        #[test]
        fn names_are_resolved_as_rhai_does(script in scripts()) {
            agree(&script);
        }

        #[test]
        fn nothing_panics(text in "[a-z0-9 {}()\"`$.,;|=:#/*\\n-]{0,60}") {
            let _ = checker().check(Path::new("test.rhai"), &text);
        }
    }

    #[test]
    fn tricky_names_are_resolved_as_rhai_does() {
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
