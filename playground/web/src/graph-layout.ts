// Where the nodes and edges of a graph are.

import { Graph, layout } from "@dagrejs/dagre";
import type { Drawn, DrawnEdge, DrawnNode } from "./protocol";

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point {
  width: number;
  height: number;
}

export interface PlacedEdge extends DrawnEdge {
  points: Point[];
  /** The middle of its label. */
  at: Point | null;
}

export interface Placed {
  nodes: Map<string, Box>;
  groups: Map<string, Box>;
  edges: PlacedEdge[];
  width: number;
  height: number;
}

export interface Sizes {
  node: (node: DrawnNode) => { width: number; height: number };
  label: (text: string) => { width: number; height: number };
}

/** What the title of an unfolded function takes above its nodes, and the room around them. */
const HEAD = 26;
const AROUND = 12;

/** Returns the part of a graph that follows from a node, with the node. */
export function following(drawn: Drawn, begin: string): Drawn {
  const reached = new Set([begin]);
  for (const id of reached) {
    for (const { from, to } of drawn.edges) if (from === id) reached.add(to);
  }
  const nodes = drawn.nodes.filter(({ id }) => reached.has(id));
  const used = new Set<string>();
  const parents = new Map(drawn.groups.map(({ id, parent }) => [id, parent]));
  for (let { group } of nodes) {
    for (; group !== null && !used.has(group); group = parents.get(group) ?? null) used.add(group);
  }
  return {
    fault: null,
    nodes,
    edges: drawn.edges.filter(({ from, to }) => reached.has(from) && reached.has(to)),
    groups: drawn.groups.filter(({ id }) => used.has(id)),
  };
}

/** Places a graph from top to bottom. */
export function place(drawn: Drawn, sizes: Sizes): Placed {
  const graph = new Graph({ compound: true, multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 28, edgesep: 18, ranksep: 44, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  const inGroup = (id: string) => `group ${id}`;
  for (const group of drawn.groups) graph.setNode(inGroup(group.id), {});
  for (const node of drawn.nodes) {
    graph.setNode(node.id, { ...sizes.node(node) });
    if (node.group !== null) graph.setParent(node.id, inGroup(node.group));
  }
  for (const group of drawn.groups) {
    if (group.parent !== null) graph.setParent(inGroup(group.id), inGroup(group.parent));
  }
  for (const { from, to, label, back } of drawn.edges) {
    const size = label === "" ? { width: 0, height: 0 } : sizes.label(label);
    // What leads back is turned around for the layout, so that all else goes down.
    const [tail, head] = back && from !== to ? [to, from] : [from, to];
    graph.setEdge(tail, head, { ...size, labelpos: "c", weight: back ? 1 : 2, minlen: 1 }, String(back));
  }
  layout(graph);
  const box = (id: string): Box => {
    const { x, y, width, height } = graph.node(id) as unknown as Box;
    return { x: x - width / 2, y: y - height / 2, width, height };
  };
  const nodes = new Map(drawn.nodes.map(({ id }) => [id, box(id)]));
  const edges = drawn.edges.map((edge): PlacedEdge => {
    const isTurned = edge.back && edge.from !== edge.to;
    const [tail, head] = isTurned ? [edge.to, edge.from] : [edge.from, edge.to];
    const { points, x, y } = graph.edge(tail, head, String(edge.back)) as unknown as {
      points: Point[];
      x?: number;
      y?: number;
    };
    const way = isTurned ? points.toReversed() : [...points];
    const at = edge.label !== "" && x !== undefined && y !== undefined ? { x, y } : null;
    return { ...edge, points: way, at };
  });
  route(nodes, edges);
  const groups = around(drawn, nodes, edges);
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  const see = ({ x, y, width, height }: Box) => {
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x + width), Math.max(bottom, y + height)];
  };
  for (const box of [...nodes.values(), ...groups.values()]) see(box);
  for (const { points, at, label } of edges) {
    for (const { x, y } of points) see({ x, y, width: 0, height: 0 });
    if (at) {
      const { width, height } = sizes.label(label);
      see({ x: at.x - width / 2, y: at.y - height / 2, width, height });
    }
  }
  if (nodes.size === 0) return { nodes, groups, edges, width: 0, height: 0 };
  const move = (point: Point) => {
    point.x -= left;
    point.y -= top;
  };
  for (const box of [...nodes.values(), ...groups.values()]) move(box);
  for (const { points, at } of edges) {
    points.forEach(move);
    if (at) move(at);
  }
  return { nodes, groups, edges, width: right - left, height: bottom - top };
}

/** Lets edges leave nodes below and arrive above, each at a place of its own, and pass others straight. */
function route(nodes: Map<string, Box>, edges: PlacedEdge[]): void {
  const middle = ({ y, height }: Box) => Math.round(y + height / 2);
  // Nodes of a rank have one middle; the tallest says how far the rank goes.
  const ranks = new Map<number, number>();
  for (const box of nodes.values()) ranks.set(middle(box), Math.max(ranks.get(middle(box)) ?? 0, box.height));
  const ends = new Map<string, { edge: PlacedEdge; isFirst: boolean; x: number }[]>();
  for (const edge of edges) {
    if (edge.from === edge.to || edge.points.length < 2) continue;
    const downwards = edge.back ? edge.points.toReversed() : edge.points;
    const [tail, head] = edge.back ? [edge.to, edge.from] : [edge.from, edge.to];
    const inner = downwards.slice(1, -1);
    const [from, to] = [nodes.get(tail) as Box, nodes.get(head) as Box];
    const [after, before] = [inner[0] ?? { x: to.x + to.width / 2 }, inner.at(-1) ?? { x: from.x + from.width / 2 }];
    for (const [id, isFirst, x] of [
      [tail, true, after.x],
      [head, false, before.x],
    ] as const) {
      const key = `${id}\n${String(isFirst)}`;
      ends.set(key, [...(ends.get(key) ?? []), { edge, isFirst, x }]);
    }
    edge.points = inner.flatMap((point) => {
      const height = ranks.get(Math.round(point.y));
      if (height === undefined) return [point];
      return [
        { x: point.x, y: point.y - height / 2 },
        { x: point.x, y: point.y + height / 2 },
      ];
    });
  }
  for (const [key, places] of ends) {
    const [id = "", isBelow] = key.split("\n");
    const { x, y, width, height } = nodes.get(id) as Box;
    places.sort((a, b) => a.x - b.x);
    const room = Math.max(0, width - 36);
    const step = Math.min(26, places.length > 1 ? room / (places.length - 1) : 0);
    const centre = x + width / 2;
    const mean = places.reduce((sum, place) => sum + place.x, 0) / places.length;
    const spread = (step * (places.length - 1)) / 2;
    const around = Math.max(x + 18 + spread, Math.min(mean, x + width - 18 - spread));
    // A node with one edge has it in its middle, unless it can go straight.
    const from = places.length === 1 && Math.abs(mean - centre) > width / 2 - 18 ? centre : around;
    const edgeOf = isBelow === "true" ? y + height : y;
    const tall = ranks.get(middle({ x, y, width, height })) ?? height;
    const rank = isBelow === "true" ? y + height / 2 + tall / 2 : y + height / 2 - tall / 2;
    places.forEach(({ edge, isFirst }, index) => {
      const at = from - spread + index * step;
      const both = [
        { x: at, y: edgeOf },
        { x: at, y: rank + (isBelow === "true" ? 4 : -9) },
      ];
      edge.points = isFirst ? [...both, ...edge.points] : [...edge.points, ...both.reverse()];
    });
  }
  for (const edge of edges) if (edge.back && edge.from !== edge.to) edge.points.reverse();
}

/** Returns the boxes of unfolded functions: around their nodes, and around the functions unfolded in them. */
function around(drawn: Drawn, nodes: Map<string, Box>, edges: PlacedEdge[]): Map<string, Box> {
  const boxes = new Map<string, Box>();
  const of = new Map(drawn.nodes.map(({ id, group }) => [id, group]));
  const parents = new Map(drawn.groups.map(({ id, parent }) => [id, parent]));
  const depth = (id: string | null): number => (id === null ? 0 : 1 + depth(parents.get(id) ?? null));
  const inner = drawn.groups.toSorted((a, b) => depth(b.id) - depth(a.id));
  for (const { id } of inner) {
    const inside = [...nodes].filter(([node]) => of.get(node) === id).map(([, box]) => box);
    for (const other of drawn.groups) {
      const box = other.parent === id ? boxes.get(other.id) : undefined;
      if (box) inside.push(box);
    }
    for (const edge of edges) {
      if (of.get(edge.from) !== id || of.get(edge.to) !== id) continue;
      for (const { x, y } of edge.points) inside.push({ x, y, width: 0, height: 0 });
    }
    if (inside.length === 0) continue;
    const x = Math.min(...inside.map((box) => box.x)) - AROUND;
    const y = Math.min(...inside.map((box) => box.y)) - HEAD;
    const right = Math.max(...inside.map((box) => box.x + box.width)) + AROUND;
    const bottom = Math.max(...inside.map((box) => box.y + box.height)) + AROUND;
    boxes.set(id, { x, y, width: right - x, height: bottom - y });
  }
  return boxes;
}

/** Returns the path of an edge, with round corners. */
export function curve(points: Point[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  const number = (value: number) => value.toFixed(1);
  const to = ({ x, y }: Point) => `${number(x)} ${number(y)}`;
  let path = `M${to(first)}`;
  let before = first;
  rest.forEach((point, index) => {
    const next = rest[index + 1];
    if (!next) {
      path += `L${to(point)}`;
      return;
    }
    const [arrives, leaves] = [
      Math.hypot(point.x - before.x, point.y - before.y),
      Math.hypot(next.x - point.x, next.y - point.y),
    ];
    const radius = Math.min(22, arrives / 2, leaves / 2);
    const on = (from: Point, length: number): Point =>
      length === 0
        ? point
        : { x: point.x + ((from.x - point.x) * radius) / length, y: point.y + ((from.y - point.y) * radius) / length };
    path += `L${to(on(before, arrives))}Q${to(point)} ${to(on(next, leaves))}`;
    before = point;
  });
  return path;
}

/** Returns the head of the arrow at the end of an edge. */
export function arrow(points: Point[]): string {
  const end = points.at(-1);
  const before = points.findLast((point) => end && Math.hypot(point.x - end.x, point.y - end.y) > 1);
  if (!end || !before) return "";
  const length = Math.hypot(end.x - before.x, end.y - before.y);
  const [dx, dy] = [(end.x - before.x) / length, (end.y - before.y) / length];
  const at = (along: number, beside: number) =>
    `${(end.x - dx * along - dy * beside).toFixed(1)} ${(end.y - dy * along + dx * beside).toFixed(1)}`;
  return `M${at(0, 0)}L${at(9, 4.5)}L${at(9, -4.5)}Z`;
}
