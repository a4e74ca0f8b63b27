//! Mends a graph when all ways have been followed: leaves out what decides nothing, and merges what is equal.

use super::node::{Edge, Graph, Node, NodeKind};
use std::collections::{BTreeMap, BTreeSet};

/// How many words of a title tell a node from others.
const TELLING: usize = 32;

/// Mends a graph.
pub(super) fn mended(mut graph: Graph) -> Graph {
    loop {
        merge_edges(&mut graph.edges);
        let Some((node, to)) = graph.nodes.iter().enumerate().find_map(|(at, node)| needless(&graph, at, node)) else {
            break;
        };
        bypass(&mut graph, node, to);
    }
    let kept = reached(&graph);
    keep(&mut graph, &kept);
    name(&mut graph.nodes);
    mark_back(&mut graph);
    graph
}

/// Returns a node that decides nothing, and where it leads; `None` if it is a loop that does nothing but wait.
fn needless(graph: &Graph, at: usize, node: &Node) -> Option<(usize, Option<usize>)> {
    if !matches!(node.kind, NodeKind::Junction | NodeKind::Decision | NodeKind::Loop) || is_gone(graph, at) {
        return None;
    }
    let next: BTreeSet<usize> = graph.edges.iter().filter(|edge| edge.from == at).map(|edge| edge.to).collect();
    let others: Vec<usize> = next.iter().copied().filter(|to| *to != at).collect();
    match others[..] {
        [to] => Some((at, Some(to))),
        [] => Some((at, None)),
        _ => None,
    }
}

/// Whether a node has been left out already.
fn is_gone(graph: &Graph, at: usize) -> bool {
    !graph.edges.iter().any(|edge| edge.from == at || edge.to == at)
}

fn bypass(graph: &mut Graph, node: usize, to: Option<usize>) {
    graph.edges.retain(|edge| edge.from != node);
    match to {
        Some(to) => graph.edges.iter_mut().filter(|edge| edge.to == node).for_each(|edge| edge.to = to),
        None => graph.edges.retain(|edge| edge.to != node),
    }
}

/// Merges edges between the same nodes. One that is taken otherwise makes the labels of the others needless.
fn merge_edges(edges: &mut Vec<Edge>) {
    let mut merged: Vec<Edge> = Vec::new();
    let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for edge in edges.drain(..) {
        let Some(&at) = known.get(&(edge.from, edge.to)) else {
            known.insert((edge.from, edge.to), merged.len());
            merged.push(edge);
            continue;
        };
        let before = &mut merged[at];
        if before.label.is_empty() || edge.label.is_empty() {
            before.label.clear();
        } else {
            for part in edge.label.split(", ") {
                if !before.label.split(", ").any(|known| known == part) {
                    before.label.push_str(", ");
                    before.label.push_str(part);
                }
            }
        }
    }
    *edges = merged;
}

/// Returns the nodes to which a call, or the end of one, leads.
fn reached(graph: &Graph) -> BTreeSet<usize> {
    let is_root = |node: &Node| matches!(node.kind, NodeKind::Start | NodeKind::AfterHangup);
    let roots = graph.nodes.iter().enumerate().filter(|(_, node)| is_root(node)).map(|(at, _)| at);
    let mut open: Vec<usize> = roots.collect();
    let mut found: BTreeSet<usize> = BTreeSet::new();
    while let Some(at) = open.pop() {
        if found.insert(at) {
            open.extend(graph.edges.iter().filter(|edge| edge.from == at).map(|edge| edge.to));
        }
    }
    found
}

/// Keeps these nodes, and the groups that have some.
fn keep(graph: &mut Graph, kept: &BTreeSet<usize>) {
    let index: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let mut at = 0;
    graph.nodes.retain(|_| {
        at += 1;
        kept.contains(&(at - 1))
    });
    graph.edges.retain_mut(|edge| match (index.get(&edge.from), index.get(&edge.to)) {
        (Some(from), Some(to)) => {
            (edge.from, edge.to) = (*from, *to);
            true
        }
        _ => false,
    });
    let mut used: BTreeSet<usize> = BTreeSet::new();
    for node in &graph.nodes {
        let mut group = node.group;
        while let Some(at) = group {
            used.insert(at);
            group = graph.groups[at].parent;
        }
    }
    let groups: BTreeMap<usize, usize> = used.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let of = |group: Option<usize>| group.and_then(|group| groups.get(&group).copied());
    let mut at = 0;
    graph.groups.retain(|_| {
        at += 1;
        used.contains(&(at - 1))
    });
    graph.groups.iter_mut().for_each(|group| group.parent = of(group.parent));
    graph.nodes.iter_mut().for_each(|node| node.group = of(node.group));
}

/// Gives each node an id: what it is and says, and which of those that are equal.
fn name(nodes: &mut [Node]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes.iter_mut().filter(|node| node.id.is_empty()) {
        let title: String = node.title.chars().take(TELLING).collect();
        let group = node.group.map_or_else(String::new, |group| format!("{group}/"));
        let key = format!("{group}{} {title}", node.kind.name());
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        node.id = if *count == 1 { key } else { format!("{key}#{count}") };
    }
}

/// Marks the edges that lead back to a node through which every way to them has come in a search from the roots.
fn mark_back(graph: &mut Graph) {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
    for (at, edge) in graph.edges.iter().enumerate() {
        next[edge.from].push(at);
    }
    // 0 is a node that hasn't been met, 1 one on the way here, 2 one that is done.
    let mut state = vec![0_u8; graph.nodes.len()];
    for root in 0..graph.nodes.len() {
        if state[root] != 0 {
            continue;
        }
        state[root] = 1;
        let mut way = vec![(root, 0)];
        while let Some((node, at)) = way.last_mut() {
            let Some(&edge) = next[*node].get(*at) else {
                state[*node] = 2;
                way.pop();
                continue;
            };
            *at += 1;
            let to = graph.edges[edge].to;
            match state[to] {
                0 => {
                    state[to] = 1;
                    way.push((to, 0));
                }
                1 => graph.edges[edge].back = true,
                _ => {}
            }
        }
    }
}
