//! Graphs of small scripts, as text.

use super::*;
use crate::script::Language;
use std::fmt::Write;

/// Writes a graph as text: a node with its kind, title and lines, and below it its edges.
pub(super) fn shown(graph: &Graph) -> String {
    let mut text = String::new();
    let group = |node: &Node| node.group.map_or_else(String::new, |group| format!("{} / ", graph.groups[group].id));
    for (at, node) in graph.nodes.iter().enumerate() {
        let lines: Vec<String> = node.spans.iter().map(|span| span.first.to_string()).collect();
        writeln!(text, "{}{} [{}] {}", group(node), node.kind.name(), node.title, lines.join(",")).unwrap();
        for edge in graph.edges.iter().filter(|edge| edge.from == at) {
            let arrow = if edge.back { "<-" } else { "->" };
            let to = &graph.nodes[edge.to];
            let label = if edge.label.is_empty() { String::new() } else { format!("{}: ", edge.label) };
            writeln!(text, "  {arrow} {label}{} [{}]", to.kind.name(), to.title).unwrap();
        }
    }
    text
}

pub(super) fn graph_of(path: &str, text: &str, unfold: Unfold<'_>) -> Graph {
    let checker = Checker::new(&Language::new());
    Graph::new(&checker, Path::new(path), text, unfold).unwrap()
}

#[test]
#[ignore = "prints"]
fn print_all() {
    for entry in std::fs::read_dir("scripts").unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if !name.ends_with(".rhai") || name.ends_with(".test.rhai") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for unfold in [Unfold::Some(&[]), Unfold::All] {
            let graph = graph_of(&name, &text, unfold);
            std::eprintln!("=== {name} {unfold:?}\n{}", shown(&graph));
        }
    }
}

#[test]
#[ignore = "prints"]
fn debug_one() {
    let text = "fn test(a, b) { }\nlet x = 1;\nstate.passed = 1;\nsay([\"a\", state.passed, \"b\"]);\nsay([\"a\", state.passed, \"b\", state.tests, \"c\"]);\nverbose(`${x} = ${env[\"a\"]}`);\nsay([\"a\", state.passed, \"b\"]);\ntest(\"a\", || { say(\"x\"); x != \"\" });\nsay([\"a\", state.passed, \"b\"]);\ntest(\"R\", || stream_file(\"a\").ended_by != \"h\" );say([\"a\", state.passed, \"b\"]);";
    std::eprintln!("{}", shown(&graph_of("a.rhai", text, Unfold::All)));
}
