//! What calls of functions do: those of the host, by the columns of their declarations, and those of the script.

use super::expressions::function_in;
use super::node::{NodeKind, Span};
use super::source::clip;
use super::value::Value;
use super::walker::{LONGEST_TITLE, Walker, Way, Ways, merged};
use crate::command::{Access, After, Function, Hears, Kind, Need, Plays, Returns, Type, Waits};
use crate::script::{BUILTINS, Place};
use crate::tools::check::{ScriptFunction, chosen};
use crate::world::SERVICES;
use rhai::{Expr, FnCallExpr, Stmt};
use std::rc::Rc;

/// What a function of the host does in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Prompt,
    /// It asks; the caller may give no answer.
    Ask,
    /// It asks for yes or no.
    Confirm,
    /// It asks, and returns what it has heard.
    Collect,
    /// It asks to choose one of the choices in the argument with this index.
    Menu(usize),
    Dial,
    Record,
    Service,
    Data,
    Dialplan,
    Wait,
    End,
    HangUp,
}

impl Walker<'_> {
    /// Returns what a function of the host does, called with so many arguments; `None` if it only computes, or does
    /// something that nobody hears.
    fn act(&self, function: &'static Function, args: usize) -> Option<Act> {
        let of = |kind: fn(Kind) -> bool| function.params.iter().position(|param| kind(param.kind));
        if let Some(command) = self.known.command(function) {
            let is_played = command.plays != Plays::Nothing;
            return match command {
                _ if command.after == After::Ends => Some(Act::End),
                _ if command.after == After::HangsUp => (args == 0).then_some(Act::HangUp),
                _ if command.hears == Hears::Voice => Some(Act::Record),
                _ if matches!(command.access, Access::SetsEntry | Access::DeletesEntry | Access::DeletesEntries) => {
                    Some(Act::Data)
                }
                _ if command.access == Access::Anything => Some(Act::Dialplan),
                _ if matches!(command.hears, Hears::Digits { .. } | Hears::Speech | Hears::Text | Hears::Character) => {
                    Some(Act::Collect)
                }
                _ if command.hears == Hears::Key && command.waits != Waits::Unbounded => Some(Act::Collect),
                _ => is_played.then_some(Act::Prompt),
            };
        }
        if let Some(choices) = of(|kind| kind == Kind::Choices) {
            return Some(Act::Menu(choices));
        }
        if matches!(function.returns, Returns::Never) {
            return Some(Act::End);
        }
        if of(|kind| kind == Kind::DialTarget).is_some() {
            return Some(Act::Dial);
        }
        if SERVICES.iter().any(|service| std::ptr::eq(*service, function)) {
            return of(|kind| matches!(kind, Kind::Options(_))).map(|_| Act::Service);
        }
        if function.params.first().is_some_and(|param| param.kind == Kind::Parts) {
            let says = function.params.iter().any(|param| param.kind == Kind::Keys && param.need != Need::Required);
            return Some(match function.returns {
                _ if says => Act::Prompt,
                Returns::OwnKeys { .. } => Act::Ask,
                _ if function.returns.value_type() == Type::BoolOrUnit => Act::Confirm,
                _ => Act::Collect,
            });
        }
        let takes_time = BUILTINS.iter().any(|builtin| std::ptr::eq(*builtin, function))
            && of(|kind| kind == Kind::Seconds).is_some();
        takes_time.then_some(Act::Wait)
    }

    /// Returns the function of the script or of an import that a call means.
    fn script_function_of(&mut self, call: &FnCallExpr) -> Option<(usize, Rc<ScriptFunction>)> {
        let key = (call.name.to_string(), call.args.len());
        let own = self.frame().source;
        if call.namespace.is_empty() {
            return self.sources[own].functions.get(&key).map(|function| (own, Rc::clone(function)));
        }
        let alias = call.namespace.path.first().map(|name| name.name.to_string())?;
        let import = *self.sources[own].imports.get(&alias)?;
        self.sources[import].functions.get(&key).map(|function| (import, Rc::clone(function)))
    }

    /// Whether a call does something that belongs into the graph.
    pub fn call_matters(&mut self, call: &FnCallExpr, is_method: bool) -> bool {
        if call.op_token.is_some() {
            return false;
        }
        let source = self.frame().source;
        for arg in &call.args {
            if let Some(function) = function_in(arg).and_then(|name| self.function_named(source, &name))
                && self.summary(source, &function).acts
            {
                return true;
            }
        }
        if let Some((source, function)) = self.script_function_of(call) {
            let summary = self.summary(source, &function);
            return summary.acts || summary.returns.is_empty();
        }
        if !call.namespace.is_empty() {
            return false;
        }
        match self.known.declared(call.name.as_str()) {
            Some(function) => self.act(function, call.args.len() + usize::from(is_method)).is_some(),
            // A function in a variable.
            None => is_method && call.name == "call",
        }
    }

    /// Follows a call.
    pub fn call(&mut self, call: &FnCallExpr, at: Place, mut ways: Ways) -> Ways {
        if let Some((source, function)) = self.script_function_of(call) {
            ways = self.arguments(call, None, ways);
            let args: Vec<Vec<Value>> =
                ways.iter().map(|way| call.args.iter().map(|arg| self.value(arg, way)).collect()).collect();
            return self.script_function(source, &function, at, &args, ways);
        }
        let declared = if call.namespace.is_empty() { self.known.declared(call.name.as_str()) } else { None };
        let act = declared.and_then(|function| Some((function, self.act(function, call.args.len())?)));
        let Some((function, act)) = act else {
            ways = self.arguments(call, None, ways);
            return ways.into_iter().map(|way| way.with(Value::Unknown)).collect();
        };
        ways = self.arguments(call, Some(act), ways);
        if ways.is_empty() {
            return ways;
        }
        self.host_function(function, act, call, at, ways)
    }

    /// Follows what arguments do before the call. The functions that a question gets are called in it.
    fn arguments(&mut self, call: &FnCallExpr, act: Option<Act>, mut ways: Ways) -> Ways {
        let asks = matches!(act, Some(Act::Ask | Act::Collect | Act::Confirm | Act::Menu(_)));
        for arg in &call.args {
            if function_in(arg).is_some() {
                ways = self.handed(arg, ways);
            } else if !(asks && matches!(arg, Expr::Map(..))) && self.matters_expr(arg) {
                ways = self.expr(arg, ways);
            }
        }
        ways
    }

    /// Follows a function that another one gets, and probably calls once.
    fn handed(&mut self, arg: &Expr, ways: Ways) -> Ways {
        let source = self.frame().source;
        let Some(name) = function_in(arg) else { return ways };
        let Some(function) = self.function_named(source, &name) else { return ways };
        if !self.summary(source, &function).acts {
            return ways;
        }
        self.closure(source, &name, ways, &[])
    }

    /// Follows a method.
    pub fn method(&mut self, call: &FnCallExpr, at: Place, ways: Ways) -> Ways {
        let Some((way, _)) = ways.split_first() else { return ways };
        if call.name == "call"
            && let Value::Function(source, name) = way.value.clone()
            && ways.iter().all(|other| other.value == way.value)
        {
            let args: Vec<Value> = call.args.iter().map(|arg| self.value(arg, way)).collect();
            return self.closure(source, &name, ways, &args);
        }
        let source = self.source();
        if self.script_function_of(call).is_none() && self.known.declared(call.name.as_str()).is_none() {
            // Such as `for_each`: once for each element.
            let acts = call.args.iter().any(|arg| {
                let of = self.frames.last().map_or(0, |frame| frame.source);
                function_in(arg)
                    .and_then(|name| self.function_named(of, &name))
                    .is_some_and(|function| self.summary(of, &function).acts)
            });
            if acts {
                let way = self.step(&ways, NodeKind::Loop, call.name.to_string(), String::new(), source.line(at));
                let each = Way { label: "each".to_owned(), ..way.clone().with(Value::Unit) };
                let back = call.args.iter().fold(vec![each], |ways, arg| self.handed(arg, ways));
                self.connect(&back, way.from);
                return vec![Way { label: "then".to_owned(), ..way.with(Value::Unknown) }];
            }
        }
        self.call(call, at, ways)
    }

    /// Follows a function of the script: into it if it is unfolded.
    pub fn script_function(
        &mut self,
        source: usize,
        function: &Rc<ScriptFunction>,
        at: Place,
        args: &[Vec<Value>],
        ways: Ways,
    ) -> Ways {
        let summary = self.summary(source, function);
        if !summary.acts && !summary.returns.is_empty() {
            let value = match &summary.returns[..] {
                [value] if value.is_constant() => value.clone(),
                values if values.iter().all(|value| !matches!(value, Value::Unit | Value::Unknown)) => Value::Something,
                _ => Value::Unknown,
            };
            return ways.into_iter().map(|way| way.with(value.clone())).collect();
        }
        let id = self.function_id(&function.name);
        let key = (source, function.name.clone(), function.params.len());
        if self.is_unfolded(&id, &key) {
            return self.unfold((source, function), id, key, args, ways);
        }
        let file = self.source();
        let detail = self.sources[source].head(&function.name, function.params.len());
        let detail = detail.map_or_else(String::new, |(comment, _)| comment.clone());
        let way = self.step(&ways, NodeKind::Function, function.name.clone(), detail, file.span(at));
        let node = &mut self.graph.nodes[way.from];
        node.id = id;
        node.folded = true;
        node.covers = summary.covers.iter().cloned().collect();
        match &summary.returns[..] {
            [] => Ways::new(),
            [value] if value.is_constant() => vec![way.clone().with(value.clone())],
            values => {
                let is_something = values.iter().all(|value| !matches!(value, Value::Unit | Value::Unknown));
                let from = way.from;
                vec![way.with(Value::Result(from, is_something))]
            }
        }
    }

    fn host_function(
        &mut self,
        function: &'static Function,
        act: Act,
        call: &FnCallExpr,
        at: Place,
        ways: Ways,
    ) -> Ways {
        let source = self.source();
        let span = source.span(at);
        let said = |walker: &mut Self| walker.said(function, call, &ways);
        let text = |at: usize| {
            call.args.get(at).map_or_else(String::new, |arg| match Value::literal(arg) {
                Some(Value::Text(text)) => text,
                Some(Value::Int(number)) => number.to_string(),
                _ => format!("{{{}}}", source.expression(arg)),
            })
        };
        match act {
            Act::Prompt => {
                let title = said(self);
                if title.is_empty() {
                    return ways;
                }
                vec![self.step(&ways, NodeKind::Prompt, title, String::new(), span)]
            }
            Act::Ask | Act::Collect | Act::Confirm => {
                let title = said(self);
                let title = if title.is_empty() { "Waits for keys".to_owned() } else { title };
                let way = self.step(&ways, NodeKind::Question, title, String::new(), span);
                let node = way.from;
                let outcome = |label: &str, value| Way { label: label.to_owned(), ..way.narrowed(node, &value) };
                let outcomes = match act {
                    Act::Confirm => vec![
                        outcome("yes", Value::Bool(true)),
                        outcome("no", Value::Bool(false)),
                        outcome("no answer", Value::Unit),
                    ],
                    Act::Ask => {
                        let answered = outcome("", Value::Result(node, true));
                        let mut all = self.judged(call, node, vec![answered]);
                        all.push(outcome("no answer", Value::Unit));
                        all
                    }
                    _ => vec![way.clone().with(Value::Result(node, true))],
                };
                merged(outcomes)
            }
            Act::Menu(choices) => self.menu(function, call, choices, span, &ways),
            Act::Dial => {
                let title = text(0);
                vec![self.step(&ways, NodeKind::Dial, title, String::new(), span)]
            }
            Act::Record => {
                let way = self.step(&ways, NodeKind::Record, text(0), String::new(), span);
                let node = way.from;
                vec![way.with(Value::Result(node, true))]
            }
            Act::Service => {
                let detail = if call.args.len() > 1 { text(1) } else { String::new() };
                let detail: String = clip(&detail.split_whitespace().collect::<Vec<_>>().join(" "), 100);
                let title = format!("{} {}", function.name, clip(&text(0), 60));
                vec![self.step(&ways, NodeKind::Service, title, detail, span)]
            }
            Act::Data => {
                let key = (0..call.args.len().min(2)).map(text).collect::<Vec<_>>().join("/");
                let title = format!("{} {key}", function.name);
                vec![self.step(&ways, NodeKind::Data, title, String::new(), span).with(Value::Unknown)]
            }
            Act::Dialplan => {
                let args = (0..call.args.len()).map(text).collect::<Vec<_>>().join(", ");
                let title = clip(&format!("{} {args}", function.name), 80);
                vec![self.step(&ways, NodeKind::Dialplan, title, String::new(), span)]
            }
            Act::Wait => vec![self.step(&ways, NodeKind::Wait, format!("{} s", text(0)), String::new(), span)],
            Act::End | Act::HangUp => {
                let kind = if act == Act::End { NodeKind::End } else { NodeKind::HangUp };
                let goes_on = (0..call.args.len()).map(text).collect::<Vec<_>>().join(", ");
                let title = match (act, goes_on.as_str()) {
                    (Act::HangUp, _) => "Hangs up".to_owned(),
                    (_, "") => "The script ends".to_owned(),
                    (_, place) => format!("The dialplan goes on at {place}"),
                };
                self.step(&ways, kind, title, String::new(), span);
                Ways::new()
            }
        }
    }

    /// Follows the function that decides whether an answer is right, if anybody hears of it.
    fn judged(&mut self, call: &FnCallExpr, question: usize, ways: Ways) -> Ways {
        let source = self.frame().source;
        let options = call.args.iter().filter_map(|arg| match arg {
            Expr::Map(map, _) => Some(map.0.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>()),
            _ => None,
        });
        let options: Vec<Expr> = options.flatten().collect();
        for option in options {
            let Some(name) = function_in(&option) else { continue };
            let Some(function) = self.function_named(source, &name) else { continue };
            let summary = self.summary(source, &function);
            if !summary.acts && !summary.returns.is_empty() {
                continue;
            }
            let mut right = Ways::new();
            for way in self.closure(source, &name, ways.clone(), &[Value::Something]) {
                let mut accepted = way.clone();
                accepted.value = Value::Something;
                let label = |text: &str| if way.label.is_empty() { text.to_owned() } else { way.label.clone() };
                match way.value {
                    Value::Bool(true) => right.push(accepted),
                    Value::Bool(false) | Value::Text(_) | Value::Int(_) | Value::Something => {
                        let wrong = Way { label: label("wrong"), ..way.clone() };
                        self.connect(&[wrong], question);
                    }
                    _ => {
                        let wrong = Way { label: label("wrong"), ..way.clone() };
                        self.connect(&[wrong], question);
                        accepted.label = label("right");
                        right.push(accepted);
                    }
                }
            }
            return right;
        }
        ways
    }

    fn menu(
        &mut self,
        function: &'static Function,
        call: &FnCallExpr,
        choices: usize,
        span: Span,
        ways: &[Way],
    ) -> Ways {
        let title = self.said(function, call, ways);
        let way = self.step(ways, NodeKind::Menu, title, String::new(), span);
        let node = way.from;
        let outcome = |label: String, value| Way { label, ..way.narrowed(node, &value) };
        let mut done = Ways::new();
        let source = self.frame().source;
        match call.args.get(choices) {
            Some(Expr::Map(map, _)) => {
                for (key, choice) in &map.0 {
                    let label = keys(key.as_str());
                    let choice = chosen(choice);
                    let mut way = outcome(label, Value::Something);
                    if let Some(name) = function_in(choice) {
                        done.extend(self.closure(source, &name, vec![way], &[Value::Something]));
                    } else {
                        way.value = self.value(choice, &way);
                        done.push(way);
                    }
                }
            }
            _ => done.push(outcome("choice".to_owned(), Value::Something)),
        }
        done.push(outcome("no choice".to_owned(), Value::Unit));
        merged(done)
    }

    /// Returns what a call says.
    fn said(&mut self, function: &'static Function, call: &FnCallExpr, ways: &[Way]) -> String {
        let param = match self.known.command(function).map(|command| command.plays) {
            Some(Plays::Sound(param)) => param,
            Some(Plays::Nothing) => return String::new(),
            _ => 0,
        };
        let known = super::value::common(&ways.iter().map(|way| &way.facts).collect::<Vec<_>>());
        let way = Way { facts: known, ..Way::from(0) };
        let said = call.args.get(param).map_or_else(String::new, |arg| self.parts(arg, &way));
        clip(&said, LONGEST_TITLE)
    }

    /// Returns the words of parts.
    fn parts(&mut self, parts: &Expr, way: &Way) -> String {
        let source = self.source();
        let member = |map: &[(rhai::Ident, Expr)], name: &str| {
            map.iter().find(|(member, _)| member.as_str() == name).map(|(_, value)| value.clone())
        };
        match parts {
            Expr::Array(parts, _) => {
                let said = parts.iter().map(|part| self.parts(part, way)).filter(|said| !said.is_empty());
                said.collect::<Vec<_>>().join(" ")
            }
            Expr::Map(map, _) => {
                let member = |name| member(&map.0, name);
                let named = ["text", "digits", "number", "date", "duration", "spell", "phonetic"];
                if let Some(phrase) = member("phrase") {
                    return match Value::literal(&phrase) {
                        Some(Value::Text(name)) => source.phrase(&name),
                        _ => part_of(&source.expression(&phrase)),
                    };
                }
                match named.into_iter().find_map(member) {
                    Some(value) => match Value::literal(&value) {
                        Some(Value::Text(text)) => text,
                        _ => part_of(&source.expression(&value)),
                    },
                    None => part_of(&source.expression(parts)),
                }
            }
            Expr::Stmt(block) => match block.statements() {
                [statement @ (Stmt::If(..) | Stmt::Switch(..))] => self.alternatives(statement, way).join(" / "),
                [Stmt::Expr(expr)] => self.parts(expr, way),
                _ => "…".to_owned(),
            },
            other => match self.value(other, way) {
                Value::Text(name) => source.said(&name),
                Value::Int(number) => number.to_string(),
                _ => part_of(&source.expression(other)),
            },
        }
    }

    /// Returns what is said of which the script chooses one.
    fn alternatives(&mut self, statement: &Stmt, way: &Way) -> Vec<String> {
        let mut said = Vec::new();
        let mut add = |walker: &mut Self, statements: &[Stmt]| {
            let found = match statements {
                [Stmt::Expr(expr)] => vec![walker.parts(expr, way)],
                [statement @ (Stmt::If(..) | Stmt::Switch(..))] => walker.alternatives(statement, way),
                _ => Vec::new(),
            };
            said.extend(found.into_iter().filter(|text| !text.is_empty()));
        };
        match statement {
            Stmt::If(x, _) => {
                add(self, x.body.statements());
                add(self, x.branch.statements());
            }
            Stmt::Switch(x, _) => {
                for case in &x.1.expressions {
                    add(self, &[Stmt::Expr(Box::new(case.rhs.clone()))]);
                }
            }
            _ => {}
        }
        said
    }
}

/// Shows what is said only when the script runs.
fn part_of(source: &str) -> String {
    format!("{{{}}}", clip(source, 32))
}

/// Shows the keys of a choice: `_[1-5]` are 1-5.
fn keys(pattern: &str) -> String {
    let Some(rest) = pattern.strip_prefix('_') else { return pattern.to_owned() };
    match rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(range) if !range.contains('[') => range.to_owned(),
        _ => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_without_the_signs_of_a_pattern() {
        for (pattern, shown) in [("1", "1"), ("_[1-5]", "1-5"), ("_1XX", "1XX"), ("_[12][34]", "[12][34]")] {
            assert_eq!(keys(pattern), shown);
        }
    }
}
