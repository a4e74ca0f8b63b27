//! The state of a walk over a script, and how it begins.

use super::known::{ImportedModule, Later, Otherwise, Uses, Variable};
use super::scope::Scope;
use crate::script::{Explanation, Names};
use crate::tools::check::checker::Checker;
use crate::tools::check::flow::{Flow, Functions, ScriptFunction, functions};
use crate::tools::check::imports::{self, Imported, Reader, TextsAndNames, paths};
use crate::tools::check::known_functions::KnownFunctions;
use crate::tools::check::prompts::Prompts;
use crate::tools::check::report::Report;
use crate::tools::check::rules::Rule;
use crate::tools::check::text::Place;
use rhai::{AST, ASTNode, Engine, Expr};
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

/// The state of a walk over a script.
pub(super) struct Walk<'a, 'r, 't> {
    pub checker: &'a Checker,
    pub path: &'a Path,
    pub known: &'a KnownFunctions,
    pub functions: &'a Functions,
    pub closures: HashMap<String, Rc<ScriptFunction>>,
    pub flow: Flow<'a>,
    pub reader: Reader<'a>,
    pub said: TextsAndNames,
    pub imported: Vec<Rc<Imported>>,
    /// Explains names that don't exist, if there are any.
    pub names: OnceCell<Names<'a>>,
    pub report: &'a mut Report<'r, 't>,
    pub prompts: Prompts,
    pub variables: Vec<Variable>,
    /// The numbers of the variables, by name.
    pub by_name: HashMap<String, Vec<usize>>,
    pub scope: Scope,
    /// How many variables in scope are at the top level of the script.
    pub top_level: usize,
    /// The numbers of parameters of the script's functions, by name.
    pub counts: HashMap<String, BTreeSet<usize>>,
    pub modules: Vec<ImportedModule>,
    /// The variables of `for` loops.
    pub loop_variables: BTreeSet<usize>,
    pub later: Vec<Later>,
    /// What functions return if their services are unavailable.
    pub otherwise: Vec<Otherwise>,
    pub uses: Uses,
    /// The names of variables that do not exist.
    pub undefined: BTreeSet<String>,
    /// The name of the current function; `None` at the top level of the script.
    pub function: Option<String>,
    /// The number of that function; 0 at the top level of the script.
    pub number: usize,
    /// Whether the walk is in `on_hangup`, outside of any `try`.
    pub after_hangup: bool,
    /// Whether a call with `!` lets a function see all variables.
    pub open: bool,
    /// The functions that the script asks for with `is_def_fn`.
    pub probed: BTreeSet<String>,
    /// Whether warnings are wanted.
    pub warnings: bool,
}

/// Walks over a script, and reports its mistakes.
/// Without `warnings`, it doesn't search for what only they are about.
pub fn walk<'t>(
    checker: &'t Checker,
    path: &Path,
    engine: &Engine,
    ast: &AST,
    report: &mut Report<'_, 't>,
    warnings: bool,
) {
    let known = checker.known_functions(path);
    let (functions, closures) = functions(ast);
    let mut counts: HashMap<String, BTreeSet<usize>> = HashMap::new();
    for (name, params) in functions.keys() {
        counts.entry(name.clone()).or_default().insert(*params);
    }
    let reader = Reader::new(engine, checker.files(), checker.places(path));
    let imported: Vec<Rc<Imported>> = paths(ast).iter().filter_map(|name| reader.import(path, name)).collect();
    let imported = imports::all(&imported);
    let prompts = if warnings { Prompts::new(checker, path, &imported) } else { Prompts::none() };
    let mut walk = Walk {
        checker,
        path,
        known,
        flow: Flow::new(known, &functions),
        functions: &functions,
        closures,
        reader,
        said: TextsAndNames::of(ast),
        imported,
        names: OnceCell::new(),
        report,
        prompts,
        variables: Vec::new(),
        by_name: HashMap::new(),
        scope: Scope::default(),
        top_level: 0,
        counts,
        modules: Vec::new(),
        loop_variables: BTreeSet::new(),
        later: Vec::new(),
        otherwise: Vec::new(),
        uses: Uses::default(),
        undefined: BTreeSet::new(),
        function: None,
        number: 0,
        after_hangup: false,
        open: false,
        probed: probed(ast),
        warnings,
    };
    walk.script(ast);
}

/// Returns the functions that the script asks for with `is_def_fn`.
fn probed(ast: &AST) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _))) = nodes.last()
            && call.name == "is_def_fn"
            && let Some(Expr::StringConstant(name, _)) = call.args.first()
        {
            found.insert(name.to_string());
        }
        true
    });
    found
}

impl Walk<'_, '_, '_> {
    /// Reports a function that doesn't exist, unless the script asks whether it does.
    pub(super) fn missing(&mut self, name: &str, rule: &'static Rule, explanation: Explanation) {
        if !self.probed.contains(name) {
            let Explanation { place, message, hint } = explanation;
            self.report.missing(name, rule, place, message, hint);
        }
    }

    pub(super) fn add(&mut self, rule: &'static Rule, at: Place, message: String, hint: Option<String>) {
        self.report.add(rule, at, message, hint);
    }

    /// Reports a mistake as it is explained everywhere.
    pub(super) fn explain(&mut self, rule: &'static Rule, explanation: Explanation) {
        self.report.add(rule, explanation.place, explanation.message, explanation.hint);
    }
}
