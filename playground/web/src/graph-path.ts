// Which nodes of a graph a call has passed, by the lines of its commands.

import type { Drawn, DrawnNode } from "./protocol";

export interface Passed {
  /** How often each node was passed. */
  nodes: Map<string, number>;
  /** How often each edge was, by both of its ends: see `edgeKey`. */
  edges: Map<string, number>;
  /** The node at which the call is. */
  now: string | null;
}

export const edgeKey = (from: string, to: string): string => `${from}\n${to}`;

/** Nodes at which no command is sent. */
const SILENT = new Set(["start", "decision", "loop", "end", "after-hangup"]);

/** Finds the nodes of lines. */
export class Lines {
  readonly #own = new Map<string, DrawnNode[]>();
  readonly #folded = new Map<string, DrawnNode[]>();

  constructor(drawn: Drawn) {
    const add = (map: Map<string, DrawnNode[]>, node: DrawnNode, file: string, line: number) => {
      const key = `${file}:${line}`;
      const known = map.get(key);
      if (!known) map.set(key, [node]);
      else if (!known.includes(node)) known.push(node);
    };
    for (const node of drawn.nodes) {
      for (const { file, first, last } of node.spans) {
        for (let line = first; line <= last; line++) add(this.#own, node, file, line);
      }
      for (const { file, first, last } of node.covers) {
        for (let line = first; line <= last; line++) add(this.#folded, node, file, line);
      }
    }
  }

  /** Returns the nodes of a line: those that are written in it, or else functions in which it is folded. */
  at(file: string, line: number): DrawnNode[] {
    const key = `${file}:${line}`;
    return this.#own.get(key) ?? this.#folded.get(key) ?? [];
  }

  /** Returns the nodes of a line, or of the last one above it that has any. */
  near(file: string, line: number): DrawnNode[] {
    for (let at = line; at > 0; at--) {
      const found = this.at(file, at);
      if (found.length > 0) return found;
    }
    return [];
  }
}

/** Follows a call through the graph. */
export function passed(
  drawn: Drawn,
  lines: Lines,
  places: { script: string; line: number }[],
  isOver: boolean,
): Passed {
  const result: Passed = { nodes: new Map(), edges: new Map(), now: null };
  const byId = new Map(drawn.nodes.map((node) => [node.id, node]));
  const next = new Map<string, string[]>();
  for (const { from, to } of drawn.edges) next.set(from, [...(next.get(from) ?? []), to]);
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  const start = drawn.nodes.find(({ kind }) => kind === "start") ?? drawn.nodes[0];
  if (!start) return result;
  let now = start.id;
  let before = 0;
  count(result.nodes, now);

  /** Returns the shortest way to one of these nodes, through nodes that send nothing if there is such a way. */
  const way = (to: (id: string) => boolean, through: (node: DrawnNode) => boolean): string[] | null => {
    const came = new Map<string, string>();
    const open = [now];
    for (const id of open) {
      for (const other of next.get(id) ?? []) {
        if (to(other)) {
          const found = [other, id];
          for (let at = id; at !== now;) {
            at = came.get(at) ?? now;
            found.push(at);
          }
          return found.reverse();
        }
        const node = byId.get(other);
        if (!node || came.has(other) || other === now || !through(node)) continue;
        came.set(other, id);
        open.push(other);
      }
    }
    return null;
  };
  const silent = (node: DrawnNode) => SILENT.has(node.kind);
  const go = (found: string[]) => {
    found.slice(1).forEach((id, index) => {
      count(result.nodes, id);
      count(result.edges, edgeKey(found[index] as string, id));
    });
    now = found.at(-1) as string;
  };
  for (const { script, line } of places) {
    // A function that is called in this line sends nothing here, but in its own lines.
    const sends = ({ folded, covers }: DrawnNode) =>
      !folded || covers.some(({ file, first, last }) => file === script && first <= line && line <= last);
    const found = lines.at(script, line).filter(sends);
    if (found.length === 0) continue;
    const isOne = (id: string) => found.some((node) => node.id === id);
    const first = byId.get(now)?.spans[0];
    // Still there, or once more.
    const isAgain = isOne(now) && first?.first === line && line < before && !byId.get(now)?.folded;
    before = line;
    if (isOne(now) && !isAgain) continue;
    const path = way(isOne, silent) ?? way(isOne, (node) => silent(node) || node.kind === "function");
    if (path) go(path);
    else if (!isAgain) {
      now = (found[0] as DrawnNode).id;
      count(result.nodes, now);
    }
  }
  if (isOver) {
    const end = way((id) => ["end", "hang-up", "fault"].includes(byId.get(id)?.kind ?? ""), silent);
    if (end) go(end);
  }
  result.now = now;
  return result;
}
