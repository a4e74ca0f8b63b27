//! Follows all ways through a script, and makes nodes of what they meet.
//!
//! A way ends loose until it is known where it leads. It carries what is known of variables on it. So where a script
//! decides by what a menu returned, each key's way leads straight to what the script does then, and there is no node
//! for the decision.

use super::node::{Edge, Graph, Group, Node, NodeKind, Span, Unfold};
use super::source::Source;
use super::value::{Facts, Value, common};
use crate::tools::check::{KnownFunctions, ScriptFunction};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// How many nodes a graph has at most; beyond that, functions stay folded.
pub(super) const MOST_NODES: usize = 1000;
/// How deeply functions are unfolded at most.
const DEEPEST: usize = 12;
/// How many characters a title has at most.
pub(super) const LONGEST_TITLE: usize = 240;

/// A way whose end isn't known yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Way {
    pub from: usize,
    pub label: String,
    /// The value of what was evaluated last.
    pub value: Value,
    pub facts: Facts,
}

pub(super) type Ways = Vec<Way>;

/// A loop that is being followed: where ways leave it, and where they go on with the next round.
#[derive(Default)]
pub(super) struct Loop {
    pub breaks: Ways,
    pub continues: Ways,
}

/// A `try` that is being followed: the nodes in it that may fail, and the ways that throw.
#[derive(Default)]
pub(super) struct Try {
    pub nodes: Vec<usize>,
    pub throws: Ways,
}

/// A function that is being followed, or the script itself.
pub(super) struct Frame {
    pub source: usize,
    pub group: Option<usize>,
    pub loops: Vec<Loop>,
    pub tries: Vec<Try>,
    pub returns: Ways,
    /// At which depth its variables are. A closure has those of its function.
    pub depth: usize,
    /// The functions around it.
    pub calls: Vec<(usize, String, usize)>,
}

/// What is known of a function.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// Whether it does something that belongs into a graph.
    pub acts: bool,
    /// What it may return; nothing if it never does.
    pub returns: Vec<Value>,
    /// Its lines, and those of the functions that it calls.
    pub covers: BTreeSet<Span>,
}

pub(super) struct Walker<'a> {
    pub known: &'a KnownFunctions,
    pub sources: Vec<Rc<Source>>,
    pub unfolds: Unfold<'a>,
    pub graph: Graph,
    pub frames: Vec<Frame>,
    pub summaries: HashMap<(usize, String, usize), Option<Rc<Summary>>>,
    /// How often each function is called in each group.
    pub called: BTreeMap<String, usize>,
    /// The functions that have been unfolded because all are: each is, where it is called first.
    unfolded: BTreeSet<(usize, String, usize)>,
}

impl<'a> Walker<'a> {
    pub fn new(known: &'a KnownFunctions, sources: Vec<Rc<Source>>, unfolds: Unfold<'a>) -> Self {
        Self {
            known,
            sources,
            unfolds,
            graph: Graph::default(),
            frames: Vec::new(),
            summaries: HashMap::new(),
            called: BTreeMap::new(),
            unfolded: BTreeSet::new(),
        }
    }

    /// Follows the whole script.
    pub fn walk(&mut self) -> Graph {
        self.frames.push(Frame::of(0));
        let main = Rc::clone(&self.sources[0]);
        let span = Span { file: main.name.clone(), first: 1, last: 1 };
        let stem = main.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let start = self.node(NodeKind::Start, stem, String::new(), vec![span]);
        let ways = self.statements(&main.statements, vec![Way::from(start)]);
        let ways = [ways, std::mem::take(&mut self.frame().returns)].concat();
        self.end(&main.statements, &ways);
        self.frames.clear();
        for ((name, params), function) in &main.functions {
            // It gets the call's status, or nothing.
            if name == "on_hangup" && *params < 2 && self.summary(0, function).acts {
                self.frames.push(Frame::of(0));
                let span = main.head(name, *params).map(|(_, span)| Span { last: span.first, ..span.clone() });
                let title = "The caller has hung up".to_owned();
                let start = self.node(NodeKind::AfterHangup, title, String::new(), span.into_iter().collect());
                let ways = self.statements(&function.statements, vec![Way::from(start)]);
                let ways = [ways, std::mem::take(&mut self.frame().returns)].concat();
                self.end(&function.statements, &ways);
                self.frames.clear();
            }
        }
        std::mem::take(&mut self.graph)
    }

    /// Ends the script after its last statement.
    fn end(&mut self, statements: &[rhai::Stmt], ways: &[Way]) {
        if !ways.is_empty() {
            let last = statements.last().map_or(1, |statement| crate::script::place(statement.position()).0);
            let span = Span { file: self.sources[0].name.clone(), first: last, last };
            let end = self.node(NodeKind::End, "The script ends".to_owned(), String::new(), vec![span]);
            self.connect(ways, end);
        }
    }

    pub fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::of(0));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    pub fn source(&mut self) -> Rc<Source> {
        let source = self.frame().source;
        Rc::clone(&self.sources[source])
    }

    pub fn depth(&mut self) -> usize {
        self.frame().depth
    }

    /// Makes a node.
    pub fn node(&mut self, kind: NodeKind, title: String, detail: String, spans: Vec<Span>) -> usize {
        let group = self.frame().group;
        let node = Node { id: String::new(), kind, title, detail, spans, covers: Vec::new(), folded: false, group };
        self.graph.nodes.push(node);
        self.graph.nodes.len() - 1
    }

    /// Leads ways to a node.
    pub fn connect(&mut self, ways: &[Way], to: usize) {
        for way in ways {
            self.graph.edges.push(Edge { from: way.from, to, label: way.label.clone(), back: false });
        }
    }

    /// Leads ways to a new node. Returns the way on from it.
    pub fn step(&mut self, ways: &[Way], kind: NodeKind, title: String, detail: String, span: Span) -> Way {
        let facts = common(&ways.iter().map(|way| &way.facts).collect::<Vec<_>>());
        let go_on = |from| Way { from, label: String::new(), value: Value::Result(from, false), facts: facts.clone() };
        if let Some(before) = self.continues(ways, kind) {
            let node = &mut self.graph.nodes[before];
            if node.title.chars().count() < LONGEST_TITLE {
                node.title.push_str(if kind == NodeKind::Prompt { " " } else { ", " });
                node.title.push_str(&title);
            }
            node.spans.push(span);
            return go_on(before);
        }
        let node = self.node(kind, title, detail, vec![span]);
        self.connect(ways, node);
        if let Some(tried) = self.frame().tries.last_mut()
            && matches!(
                kind,
                NodeKind::Service | NodeKind::Function | NodeKind::Record | NodeKind::Dialplan | NodeKind::Dial
            )
        {
            tried.nodes.push(node);
        }
        go_on(node)
    }

    /// Returns the node that another one of this kind is a part of: one prompt follows the other.
    fn continues(&mut self, ways: &[Way], kind: NodeKind) -> Option<usize> {
        let [first, others @ ..] = ways else { return None };
        let before = first.from;
        let is_same = |way: &Way| way.from == before && way.label.is_empty();
        let node = &self.graph.nodes[before];
        let merges = matches!(kind, NodeKind::Prompt | NodeKind::Data)
            && node.kind == kind
            && node.group == self.frames.last().and_then(|frame| frame.group)
            && is_same(first)
            && others.iter().all(is_same)
            && !self.graph.edges.iter().any(|edge| edge.from == before);
        merges.then_some(before)
    }

    /// Makes a point where ways meet. On the way on from there, nothing is known of these variables.
    pub fn junction(&mut self, ways: &[Way], unknown: &BTreeSet<String>) -> (usize, Way) {
        let node = self.node(NodeKind::Junction, String::new(), String::new(), Vec::new());
        self.connect(ways, node);
        let mut facts = common(&ways.iter().map(|way| &way.facts).collect::<Vec<_>>());
        facts.retain(|(_, name), _| !unknown.contains(name));
        (node, Way { from: node, label: String::new(), value: Value::Unknown, facts })
    }

    /// Whether the function with this id is unfolded.
    pub fn is_unfolded(&mut self, id: &str, key: &(usize, String, usize)) -> bool {
        let calls = &self.frame().calls;
        let fits = calls.len() < DEEPEST;
        let calls_itself = calls.contains(key);
        if self.graph.nodes.len() > MOST_NODES || !fits {
            return false;
        }
        match self.unfolds {
            Unfold::All => !calls_itself && self.unfolded.insert(key.clone()),
            Unfold::Some(ids) => ids.iter().any(|other| other == id),
        }
    }

    /// Returns the id of a function's node: the functions around it, its name, and which of its calls it is.
    pub fn function_id(&mut self, name: &str) -> String {
        let group = self.frame().group;
        let around = group.map_or_else(String::new, |group| format!("{}/", self.graph.groups[group].id));
        let id = format!("{around}{name}");
        let count = self.called.entry(id.clone()).or_default();
        *count += 1;
        if *count == 1 { id } else { format!("{id}#{count}") }
    }

    /// Follows a function that is unfolded.
    pub fn unfold(
        &mut self,
        (source, function): (usize, &Rc<ScriptFunction>),
        id: String,
        key: (usize, String, usize),
        args: &[Vec<Value>],
        mut ways: Ways,
    ) -> Ways {
        let file = Rc::clone(&self.sources[source]);
        let line = Span { file: file.name.clone(), first: function.start.0, last: function.start.0 };
        let span = file.head(&function.name, function.params.len()).map_or(line, |(_, span)| span.clone());
        let parent = self.frame().group;
        self.graph.groups.push(Group { id, title: function.name.clone(), parent, span });
        let depth = self.frames.iter().map(|frame| frame.depth).max().unwrap_or(0) + 1;
        for (at, way) in ways.iter_mut().enumerate() {
            for (param, value) in function.params.iter().zip(args.get(at).into_iter().flatten()) {
                way.facts.insert((depth, param.clone()), value.clone());
            }
        }
        let calls = [self.frame().calls.clone(), vec![key]].concat();
        let group = Some(self.graph.groups.len() - 1);
        self.frames.push(Frame { group, depth, calls, ..Frame::of(source) });
        let body = self.statements(&function.statements, ways);
        let frame = self.frames.pop();
        let mut ends = [body, frame.map(|frame| frame.returns).unwrap_or_default()].concat();
        for way in &mut ends {
            way.facts.retain(|(at, _), _| *at < depth);
        }
        merged(ends)
    }

    /// Returns what is known of a function.
    pub fn summary(&mut self, source: usize, function: &Rc<ScriptFunction>) -> Rc<Summary> {
        let key = (source, function.name.clone(), function.params.len());
        match self.summaries.get(&key) {
            Some(Some(known)) => return Rc::clone(known),
            // It calls itself.
            Some(None) => {
                return Rc::new(Summary { acts: false, returns: vec![Value::Unknown], covers: BTreeSet::new() });
            }
            None => {}
        }
        self.summaries.insert(key.clone(), None);
        let mut alone = Walker::new(self.known, self.sources.clone(), Unfold::Some(&[]));
        alone.summaries = std::mem::take(&mut self.summaries);
        alone.frames.push(Frame::of(source));
        let start = alone.node(NodeKind::Junction, String::new(), String::new(), Vec::new());
        let body = alone.statements(&function.statements, vec![Way::from(start)]);
        let returns = std::mem::take(&mut alone.frame().returns);
        let mut summary = Summary { acts: alone.graph.nodes.len() > 1, ..Summary::default() };
        // A decision alone matters to nobody.
        summary.acts &= alone
            .graph
            .nodes
            .iter()
            .any(|node| !matches!(node.kind, NodeKind::Junction | NodeKind::Decision | NodeKind::Loop));
        for way in body.iter().chain(&returns) {
            let value = match &way.value {
                value if value.is_constant() => value.clone(),
                Value::Something | Value::Result(_, true) => Value::Something,
                _ => Value::Unknown,
            };
            if !summary.returns.contains(&value) {
                summary.returns.push(value);
            }
        }
        let head = self.sources[source].head(&function.name, function.params.len());
        summary.covers.extend(head.map(|(_, span)| span.clone()));
        summary.covers.extend(alone.graph.nodes.iter().flat_map(|node| node.covers.iter().cloned()));
        self.summaries = alone.summaries;
        let summary = Rc::new(summary);
        self.summaries.insert(key, Some(Rc::clone(&summary)));
        summary
    }
}

impl Way {
    pub fn from(node: usize) -> Self {
        Self { from: node, label: String::new(), value: Value::Unit, facts: Facts::new() }
    }

    pub fn with(mut self, value: Value) -> Self {
        self.value = value;
        self
    }
}

impl Frame {
    pub fn of(source: usize) -> Self {
        Self {
            source,
            group: None,
            loops: Vec::new(),
            tries: Vec::new(),
            returns: Ways::new(),
            depth: 0,
            calls: Vec::new(),
        }
    }
}

/// Leaves out ways that are there twice.
pub(super) fn merged(ways: Ways) -> Ways {
    let mut kept = Ways::new();
    for way in ways {
        if !kept.contains(&way) {
            kept.push(way);
        }
    }
    kept
}
