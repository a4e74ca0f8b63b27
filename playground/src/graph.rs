//! Graphs of scripts.

use crate::Refusal;
use crate::fault;
use crate::files::Files;
use agi_rhai::internals::disk;
use agi_rhai::internals::graph::{Graph, Span, Unfold};
use agi_rhai::script::Language;
use agi_rhai::tools::check::Checker;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// What to draw.
#[derive(Debug, Deserialize)]
pub struct Request {
    #[serde(default)]
    files: Files,
    /// The script.
    script: String,
    /// The ids of the functions that are unfolded.
    #[serde(default)]
    unfolded: Vec<String>,
    /// Whether all are.
    #[serde(default)]
    all: bool,
}

/// Returns the graph of a script, or why it isn't one.
pub fn graph(request: Request) -> Result<Value, Refusal> {
    request.files.give();
    let path = Path::new(&request.script);
    let bytes = disk::read(path).map_err(|error| format!("{}: {error}", request.script))?;
    let text = String::from_utf8_lossy(&bytes);
    let unfold = if request.all { Unfold::All } else { Unfold::Some(&request.unfolded) };
    Ok(match Graph::new(&Checker::new(&Language::new()), path, &text, unfold) {
        Ok(graph) => object(&graph),
        Err(problem) => json!({ "fault": fault::object(&problem) }),
    })
}

fn object(graph: &Graph) -> Value {
    let span = |span: &Span| json!({ "file": span.file, "first": span.first, "last": span.last });
    let spans = |all: &[Span]| all.iter().map(span).collect::<Vec<_>>();
    let group = |group: Option<usize>| group.and_then(|at| graph.groups.get(at)).map(|group| &group.id);
    let node = |at: usize| graph.nodes.get(at).map(|node| &node.id);
    json!({
        "fault": null,
        "nodes": graph.nodes.iter().map(|node| json!({
            "id": node.id,
            "kind": node.kind.name(),
            "title": node.title,
            "detail": node.detail,
            "spans": spans(&node.spans),
            "covers": spans(&node.covers),
            "folded": node.folded,
            "group": group(node.group),
        })).collect::<Vec<_>>(),
        "edges": graph.edges.iter().map(|edge| json!({
            "from": node(edge.from),
            "to": node(edge.to),
            "label": edge.label,
            "back": edge.back,
        })).collect::<Vec<_>>(),
        "groups": graph.groups.iter().map(|of| json!({
            "id": of.id,
            "title": of.title,
            "parent": group(of.parent),
            "span": span(&of.span),
        })).collect::<Vec<_>>(),
    })
}
