// The graph of the script: what callers hear and are asked, and where that leads.

import { NoAnswer } from "./client";
import type { Desk } from "./desk";
import { el, get, setText, visible } from "./dom";
import { type Box, type Placed, arrow, curve, following, place } from "./graph-layout";
import { Lines, type Passed, edgeKey, passed } from "./graph-path";
import { lineCounts } from "./live-calls";
import type { Drawn, DrawnNode } from "./protocol";

/** What may be laid over the graph. */
export type Layer = "tests" | "storm" | "live";
/** Counts or texts by `file:line`. A count of 0 is a line that was never reached. */
export type Overlay = Map<string, number | string>;

const LAYERS: Record<Layer | "call", string> = {
  call: "This call",
  tests: "Tests",
  storm: "Storm",
  live: "Live calls",
};

/** What a node does, as it is shown above its title; and what a screen reader says if that is more. */
const KINDS: Record<string, string> = {
  start: "Start",
  "after-hangup": "After the hangup",
  prompt: "Says",
  question: "Asks",
  "menu-of-keys": "Menu",
  call: "Dials",
  record: "Records",
  service: "Service",
  data: "Database",
  dialplan: "Dialplan",
  wait: "Waits",
  function: "Function",
  decision: "If",
  loop: "While",
  end: "End",
  "hang-up": "End",
  fault: "Fault",
};
const kindOf = ({ kind, title }: DrawnNode): string =>
  kind === "loop" && / in /.test(title) ? "For each" : (KINDS[kind] ?? kind);
/** Nodes that say what they are by their shape. */
const PLAIN = new Set(["start", "end", "hang-up", "after-hangup"]);

const SVG = "http://www.w3.org/2000/svg";
const WIDEST = 230;
const LINES = 4;
const LINE = 17;
const TALL_KIND = 15;
const [SMALLEST, LARGEST] = [0.08, 2.5];
/** So many nodes are unfolded at once: more are no picture, and take long. */
const MOST = 110;
/** A graph that is larger than its pane is shown from its beginning, and not smaller than this. */
const READABLE = 0.62;

function svg<T extends keyof SVGElementTagNameMap>(
  tag: T,
  attributes: Record<string, string | number>,
  ...children: (Node | string)[]
): SVGElementTagNameMap[T] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Lays counts or texts over the graph, or takes them away. */
export let overlay: (layer: Layer, values: Overlay | null) => void = () => {};

/** How many places of a live call are kept. */
const MOST_PLACES = 500;

/** A live call that is followed through the graph of its script. */
export interface Followed {
  id: number;
  script: string;
  /** Where it is. */
  file: string;
  line: number;
  isOver: boolean;
}

/** Follows a live call, or goes on with that if it `begins` no other one; null ends it. */
export let follow: (call: Followed | null, begins?: boolean) => void = () => {};

export function graphPane(desk: Desk): void {
  const pane = new Pane(desk);
  overlay = (layer, values) => pane.overlay(layer, values);
  follow = (call, begins) => pane.follow(call, begins);
  let wereThere = false;
  lineCounts.subscribe(() => {
    const values: Overlay = new Map();
    for (const file of Object.keys(desk.project().files)) {
      for (const [line, count] of lineCounts.in(file)) values.set(`${file}:${line}`, count);
    }
    // Once there was a call, the switch stays.
    wereThere ||= values.size > 0;
    if (wereThere) overlay("live", values);
  });
}

/** Returns the unfolded functions of a graph, from its beginning, as long as their nodes aren't too many. */
function fitting(drawn: Drawn): string[] {
  const kept: string[] = [];
  let count = drawn.nodes.filter(({ group }) => group === null).length;
  for (const { id, parent } of drawn.groups) {
    const own = drawn.nodes.filter(({ group }) => group === id).length;
    if ((parent !== null && !kept.includes(parent)) || count + own > MOST) continue;
    count += own;
    kept.push(id);
  }
  return kept;
}

interface Shown {
  element: SVGGElement;
  node: DrawnNode;
  key: string;
}

class Pane {
  readonly #desk: Desk;
  readonly #pane = get("pane-graph");
  readonly #view = svg("g", {});
  readonly #groups = svg("g", {});
  readonly #edges = svg("g", { "aria-hidden": "true" });
  readonly #heads = svg("g", {});
  readonly #nodes = svg("g", { role: "group", "aria-label": "Steps of the script" });
  readonly #svg: SVGSVGElement;
  readonly #problem = el("p", { class: "graph-problem", role: "status", hidden: true });
  readonly #empty = el("p", { class: "graph-empty", hidden: true }, "The script says nothing yet.");
  readonly #begin = el("button", { type: "button", class: "small chip", hidden: true });
  readonly #leave = el("button", { type: "button", class: "small chip", id: "graph-leave", hidden: true });
  readonly #fold = el("button", { type: "button", class: "small" }, "Unfold all");
  readonly #layers = el("fieldset", { class: "layers" }, el("legend", { class: "hidden" }, "Shown on the graph"));
  readonly #measure = document.createElement("canvas").getContext("2d");
  readonly #shown = new Map<string, Shown>();
  readonly #widths = new Map<string, number>();
  readonly #overlays = new Map<Layer, Overlay>();
  readonly #on = new Set<Layer | "call">(["call", "tests", "storm", "live"]);
  #whole: Drawn | null = null;
  #drawn: Drawn | null = null;
  #placed: Placed | null = null;
  #lines: Lines | null = null;
  #script = "";
  #unfolded: string[] = [];
  #all = false;
  #start: string | null = null;
  #current: string | null = null;
  #scale = 1;
  #x = 0;
  #y = 0;
  #stale = true;
  #asked = 0;
  #marked = "";
  #followed: Followed | null = null;
  /** Where the followed call was so far. */
  #places: { script: string; line: number }[] = [];
  /** Where the call is. */
  #now: string | null = null;
  readonly #pointers = new Map<number, { x: number; y: number }>();
  #dragged = 0;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#view.append(this.#groups, this.#edges, this.#heads, this.#nodes);
    this.#svg = svg("svg", { class: "graph", role: "group", "aria-label": "Graph of the script" }, this.#view);
    const button = (text: string, name: string, run: () => void) => {
      const made = el("button", { type: "button", class: "small icon", "aria-label": name, title: name }, text);
      made.addEventListener("click", run);
      return made;
    };
    const zoom = el(
      "div",
      { class: "zoom" },
      button("−", "Smaller", () => this.#zoom(1 / 1.3)),
      button("+", "Larger", () => this.#zoom(1.3)),
      button("⤢", "All of it", () => this.#fit(true)),
    );
    const bar = el("div", { class: "graph-bar" }, this.#fold, this.#leave, this.#begin, this.#layers, zoom);
    const canvas = el("div", { class: "graph-canvas" }, this.#svg, this.#empty);
    this.#pane.append(bar, this.#problem, canvas);
    this.#fold.addEventListener("click", () => {
      const unfolds = !this.#all && this.#unfolded.length === 0;
      this.#all = unfolds;
      this.#unfolded = [];
      void this.#ask(true);
    });
    this.#begin.addEventListener("click", () => this.#beginAt(null));
    this.#leave.addEventListener("click", () => this.follow(null));
    this.#leave.title = "Show the script that the phone calls again";
    this.#drawLayers();

    desk.on("edited", () => this.#edited());
    desk.on("moved", () => this.#mark());
    desk.on("viewed", () => this.#edited());
    desk.on("caret", (file, line) => this.#caret(file, line));
    new ResizeObserver(() => {
      if (this.#isSeen && (this.#stale || !this.#placed)) this.#edited();
      else if (this.#isSeen && !this.#isMoved) this.#fit();
    }).observe(canvas);
    this.#listen(canvas);
  }

  get #isSeen(): boolean {
    return this.#pane.offsetWidth > 0;
  }

  /** Whether somebody has moved what is seen. */
  #isMoved = false;

  overlay(layer: Layer, values: Overlay | null): void {
    const isOther = this.#overlays.has(layer) !== (values !== null);
    if (values) this.#overlays.set(layer, values);
    else this.#overlays.delete(layer);
    if (isOther) this.#drawLayers();
    this.#mark(true);
  }

  follow(call: Followed | null, begins = true): void {
    if (!begins && this.#followed?.id !== call?.id) return;
    const isOther = this.#followed?.id !== call?.id;
    this.#followed = call;
    this.#leave.hidden = call === null;
    if (isOther) this.#places = [];
    if (call) {
      setText(this.#leave, call.isOver ? `Call ${call.id} is over ✕` : `Call ${call.id} ✕`);
      const last = this.#places.at(-1);
      if (last?.script !== call.file || last.line !== call.line) {
        this.#places.push({ script: call.file, line: call.line });
        if (this.#places.length > MOST_PLACES) this.#places.shift();
      }
    }
    if (this.#script !== this.#called()) this.#edited();
    this.#mark(true);
  }

  /** Returns the script that is drawn. */
  #called(): string {
    const { files, script } = this.#desk.project();
    const live = this.#followed?.script;
    // A call names its script as the dialplan does.
    return [live, `${live}.rhai`].find((name) => name !== undefined && Object.hasOwn(files, name)) ?? script;
  }

  #drawLayers(): void {
    const layers = (Object.keys(LAYERS) as (Layer | "call")[]).filter(
      (layer) => layer === "call" || this.#overlays.has(layer),
    );
    const legend = this.#layers.firstElementChild as Element;
    this.#layers.replaceChildren(
      legend,
      ...layers.map((layer) => {
        const box = el("input", { type: "checkbox", checked: this.#on.has(layer) });
        box.addEventListener("change", () => {
          if (box.checked) this.#on.add(layer);
          else this.#on.delete(layer);
          this.#mark(true);
        });
        return el("label", { class: `check layer-${layer}` }, box, LAYERS[layer]);
      }),
    );
  }

  // What is drawn.

  #edited(): void {
    this.#stale = true;
    if (this.#isSeen) void this.#ask();
  }

  async #ask(keeps = false): Promise<void> {
    this.#stale = false;
    const script = this.#called();
    const isOther = script !== this.#script;
    if (isOther) {
      this.#script = script;
      this.#unfolded = [];
      this.#all = false;
      this.#start = null;
    }
    const asked = ++this.#asked;
    const began = performance.now();
    const request = { files: this.#desk.files(), script, unfolded: this.#unfolded, all: this.#all };
    let drawn: Drawn;
    try {
      drawn = await this.#desk.helper.ask("graph", request, "graph");
    } catch (error) {
      if (error instanceof NoAnswer && error.cancelled) return;
      this.#tell(String(error instanceof Error ? error.message : error));
      return;
    }
    if (asked !== this.#asked) return;
    if (this.#all && drawn.groups.length > 0 && drawn.nodes.length > MOST) {
      this.#all = false;
      this.#unfolded = fitting(drawn);
      return this.#ask(keeps);
    }
    if (drawn.fault) {
      const { line, message } = drawn.fault;
      const where = line === null ? "" : `Line ${line}: `;
      this.#tell(`${where}${message}${this.#whole && !isOther ? ". This is the graph as it was before." : "."}`);
      if (!isOther) return;
      drawn = { ...drawn, fault: null, nodes: [], edges: [], groups: [] };
    } else this.#tell(null);
    this.#whole = drawn;
    if (this.#start !== null && !drawn.nodes.some(({ id }) => id === this.#start)) this.#start = null;
    this.#draw(isOther, keeps);
    this.#svg.dataset["took"] = String(Math.round(performance.now() - began));
  }

  #tell(problem: string | null): void {
    this.#problem.hidden = problem === null;
    setText(this.#problem, visible(problem ?? ""));
  }

  #draw(isOther: boolean, keeps = false): void {
    if (!this.#whole) return;
    const before = this.#placed;
    const drawn = this.#start === null ? this.#whole : following(this.#whole, this.#start);
    this.#drawn = drawn;
    this.#lines = new Lines(drawn);
    const label = (text: string) => ({ width: this.#width(text, "label") + 10, height: 18 });
    this.#placed = place(drawn, { node: (node) => this.#size(node), label });
    this.#empty.hidden = drawn.nodes.length > 2;
    this.#drawNodes(this.#placed, drawn);
    this.#drawGroups(this.#placed, drawn);
    this.#drawEdges(this.#placed);
    const hasFunctions = this.#whole.nodes.some(({ folded }) => folded) || this.#whole.groups.length > 0;
    this.#fold.hidden = !hasFunctions;
    setText(this.#fold, this.#whole.groups.length > 0 ? "Fold all" : "Unfold all");
    const begin = this.#whole.nodes.find(({ id }) => id === this.#start);
    this.#begin.hidden = !begin;
    if (begin) {
      setText(this.#begin, `From “${visible(begin.title.slice(0, 24))}” ✕`);
      this.#begin.title = "Show the whole graph again";
    }
    if (isOther || !before || before.nodes.size < 3) {
      this.#isMoved = false;
      this.#fit();
    } else this.#stay(before, this.#placed, keeps);
    if (this.#current === null || !this.#shown.has(this.#current)) this.#current = drawn.nodes[0]?.id ?? null;
    this.#rove();
    this.#mark(true);
  }

  /** Keeps a node that is seen where it is, so that nothing jumps about. */
  #stay(before: Placed, now: Placed, keeps: boolean): void {
    if (!this.#isMoved && !keeps) {
      this.#fit();
      return;
    }
    const { width, height } = this.#svg.getBoundingClientRect();
    const middle = { x: (width / 2 - this.#x) / this.#scale, y: (height / 2 - this.#y) / this.#scale };
    const away = ({ x, y, width: w, height: h }: Box) => Math.hypot(x + w / 2 - middle.x, y + h / 2 - middle.y);
    const kept = [...before.nodes].filter(([id]) => now.nodes.has(id));
    const isFocused = this.#current !== null && now.nodes.has(this.#current) && before.nodes.has(this.#current);
    const anchor = isFocused && keeps ? this.#current : kept.sort(([, a], [, b]) => away(a) - away(b))[0]?.[0];
    const [was, is] = [before.nodes.get(anchor ?? ""), now.nodes.get(anchor ?? "")];
    if (was && is) {
      this.#x += (was.x + was.width / 2 - is.x - is.width / 2) * this.#scale;
      this.#y += (was.y - is.y) * this.#scale;
    }
    this.#move();
  }

  #width(text: string, style: "title" | "label" | "kind"): number {
    const key = `${style} ${text}`;
    let width = this.#widths.get(key);
    if (width === undefined) {
      const family = getComputedStyle(document.body).fontFamily;
      const size = { title: "13px", label: "550 11.5px", kind: "600 10.5px" }[style];
      if (this.#measure) this.#measure.font = `${size} ${family}`;
      width = this.#measure?.measureText(text).width ?? text.length * 7;
      this.#widths.set(key, width);
    }
    return width;
  }

  /** Breaks a title into lines. */
  #broken(node: DrawnNode): string[] {
    const lines: string[] = [];
    let line = "";
    const words = visible(node.title).split(" ").filter(Boolean);
    for (let word of words) {
      while (this.#width(word, "title") > WIDEST) {
        let part = word;
        while (this.#width(part, "title") > WIDEST) part = part.slice(0, -1);
        if (line !== "") lines.push(line);
        lines.push(part);
        line = "";
        word = word.slice(part.length);
      }
      const longer = line === "" ? word : `${line} ${word}`;
      if (this.#width(longer, "title") > WIDEST) {
        lines.push(line);
        line = word;
      } else line = longer;
    }
    if (line !== "") lines.push(line);
    if (lines.length <= LINES) return lines;
    const last = `${lines[LINES - 1] ?? ""} …`;
    return [...lines.slice(0, LINES - 1), last];
  }

  #size(node: DrawnNode): { width: number; height: number } {
    const lines = this.#broken(node);
    const widest = Math.max(40, ...lines.map((line) => this.#width(line, "title")));
    const isPlain = PLAIN.has(node.kind);
    const kind = isPlain ? 0 : this.#width(kindOf(node), "kind") + (node.folded ? 30 : 0);
    const sides = ["decision", "loop"].includes(node.kind) ? 44 : 30;
    return {
      width: Math.ceil(Math.max(widest, kind) + sides),
      height: lines.length * LINE + (isPlain ? 14 : 16 + TALL_KIND),
    };
  }

  #drawNodes(placed: Placed, drawn: Drawn): void {
    const seen = new Set<string>();
    for (const node of drawn.nodes) {
      const box = placed.nodes.get(node.id);
      if (!box) continue;
      seen.add(node.id);
      const key = JSON.stringify([node, box.width, box.height]);
      let shown = this.#shown.get(node.id);
      if (!shown) {
        const element = svg("g", { class: "node", role: "button", tabindex: -1 });
        element.dataset["id"] = node.id;
        shown = { element, node, key: "" };
        this.#shown.set(node.id, shown);
      }
      shown.node = node;
      if (shown.key !== key) {
        shown.key = key;
        shown.element.replaceChildren(...this.#parts(node, box));
        shown.element.dataset["kind"] = node.kind;
      }
      shown.element.setAttribute("transform", `translate(${box.x.toFixed(1)} ${box.y.toFixed(1)})`);
      this.#nodes.append(shown.element);
    }
    for (const [id, { element }] of this.#shown) {
      if (seen.has(id)) continue;
      element.remove();
      this.#shown.delete(id);
    }
  }

  #parts(node: DrawnNode, { width, height }: Box): SVGElement[] {
    const parts: SVGElement[] = [];
    if (["decision", "loop"].includes(node.kind)) {
      const cut = 13;
      const corners = [
        [cut, 0],
        [width - cut, 0],
        [width, height / 2],
        [width - cut, height],
        [cut, height],
        [0, height / 2],
      ];
      parts.push(svg("polygon", { class: "shape", points: corners.map((corner) => corner.join(",")).join(" ") }));
    } else {
      const rx = PLAIN.has(node.kind) ? height / 2 : 8;
      parts.push(svg("rect", { class: "shape", width, height, rx }));
    }
    if (node.kind === "function") {
      parts.push(svg("path", { class: "sides", d: `M6 0V${height}M${width - 6} 0V${height}` }));
    } else if (!PLAIN.has(node.kind) && !["decision", "loop"].includes(node.kind)) {
      parts.push(svg("path", { class: "stripe", d: `M4 9V${height - 9}` }));
    }
    const isPlain = PLAIN.has(node.kind);
    let y = isPlain ? 19 : 20;
    const middle = width / 2;
    if (!isPlain) {
      parts.push(svg("text", { class: "kind", x: middle, y }, `${kindOf(node)} `));
      y += TALL_KIND + 2;
    }
    for (const line of this.#broken(node)) {
      parts.push(svg("text", { class: "title", x: middle, y }, `${line} `));
      y += LINE;
    }
    if (node.folded) {
      const unfold = svg(
        "g",
        { class: "unfold", transform: `translate(${width - 18} 12)` },
        svg("title", {}, "Unfold (U)"),
        svg("rect", { x: -9, y: -9, width: 18, height: 18, rx: 5 }),
        svg("path", { d: "M-4 0H4M0 -4V4" }),
      );
      parts.push(unfold);
    }
    const hint = [node.title, node.detail, this.#where(node)].filter(Boolean).join("\n");
    parts.push(svg("title", {}, visible(hint)));
    return parts;
  }

  #where({ spans }: DrawnNode): string {
    const [first] = spans;
    if (!first) return "";
    const others = spans.length > 1 ? ` and ${spans.length - 1} more` : "";
    const file = first.file === this.#script ? "" : `${first.file}, `;
    return `${file}line ${first.first}${others}`;
  }

  #drawGroups(placed: Placed, drawn: Drawn): void {
    const frames: SVGElement[] = [];
    this.#heads.replaceChildren(
      ...drawn.groups.flatMap(({ id, title, span }) => {
        const box = placed.groups.get(id);
        if (!box) return [];
        const { x, y, width, height } = box;
        const at = `translate(${x.toFixed(1)} ${y.toFixed(1)})`;
        frames.push(svg("rect", { class: "frame", transform: at, width, height, rx: 12 }));
        const fold = svg(
          "g",
          {
            class: "fold",
            role: "button",
            tabindex: 0,
            "aria-label": `Fold ${visible(title)}`,
            transform: "translate(17 14)",
          },
          svg("title", {}, "Fold"),
          svg("rect", { x: -9, y: -9, width: 18, height: 18, rx: 5 }),
          svg("path", { d: "M-4 0H4" }),
        );
        const away = () => this.#foldOne(id);
        fold.addEventListener("click", away);
        fold.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          event.stopPropagation();
          away();
        });
        const name = svg("text", { class: "name", x: 32, y: 18 }, visible(title));
        name.addEventListener("click", () => {
          if (this.#dragged < 5) this.#desk.goTo(span.file, span.first);
        });
        const back = svg("rect", {
          class: "back",
          x: 4,
          y: 3,
          width: this.#width(title, "label") + 36,
          height: 22,
          rx: 8,
        });
        return [svg("g", { class: "group", transform: at }, back, name, fold)];
      }),
    );
    this.#groups.replaceChildren(...frames);
  }

  #drawEdges(placed: Placed): void {
    const lines: SVGElement[] = [];
    const labels: SVGElement[] = [];
    for (const { from, to, label, back, points, at } of placed.edges) {
      const edge = svg(
        "g",
        { class: back ? "edge back" : "edge" },
        svg("path", { class: "line", d: curve(points) }),
        svg("path", { class: "head", d: arrow(points) }),
      );
      edge.dataset["key"] = edgeKey(from, to);
      lines.push(edge);
      if (!at) continue;
      const width = this.#width(label, "label") + 8;
      const text = svg(
        "g",
        { class: "label", transform: `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})` },
        svg("rect", { x: -width / 2, y: -8.5, width, height: 17, rx: 5 }),
        svg("text", { y: 4 }, visible(label)),
      );
      text.dataset["key"] = edgeKey(from, to);
      labels.push(text);
    }
    this.#edges.replaceChildren(...lines, ...labels);
  }

  // What is laid over it.

  /** Shows the way of the call, and what else is known of the lines. */
  #mark(always = false): void {
    if (!this.#isSeen || !this.#drawn || !this.#lines) return;
    const way = this.#way();
    const now = way?.now ?? null;
    const state = way ? `${now} ${[...way.nodes.values()].join()} ${[...way.edges.values()].join()}` : "";
    if (!always && state === this.#marked) return;
    this.#marked = state;
    const isRunning = this.#followed !== null || this.#desk.call.phase === "running";
    const isFollowed = isRunning && this.#pointers.size === 0;
    if (now !== null && now !== this.#now && isFollowed && !this.#nodes.contains(document.activeElement)) {
      this.#reveal(now);
    }
    this.#now = now;
    for (const [id, { element, node }] of this.#shown) {
      const count = way?.nodes.get(id) ?? 0;
      element.classList.toggle("passed", count > 0);
      element.classList.toggle("now", now === id);
      const tests = this.#on.has("tests") ? this.#firsts("tests", node) : [];
      const isCovered = tests.some((value) => typeof value === "number" && value > 0);
      element.classList.toggle("covered", isCovered);
      element.classList.toggle("uncovered", tests.length > 0 && !isCovered);
      const storm = this.#on.has("storm") ? this.#values("storm", node) : [];
      const problems = storm.filter((value): value is string => typeof value === "string");
      element.classList.toggle("troubled", problems.length > 0);
      const reached = this.#on.has("storm") ? this.#firsts("storm", node) : [];
      element.classList.toggle(
        "unreached",
        reached.length === node.spans.length && reached.every((value) => value === 0),
      );
      const live = this.#on.has("live") ? this.#values("live", node) : [];
      const calls = live.reduce<number>((sum, value) => sum + (typeof value === "number" ? value : 0), 0);
      element.classList.toggle("live", calls > 0);
      const badges: [string, string, string][] = [];
      if (count > 1) badges.push(["times", `×${count}`, `passed ${count} times`]);
      if (calls > 0) badges.push(["calls", String(calls), calls === 1 ? "1 call is here" : `${calls} calls are here`]);
      if (problems.length > 0) badges.push(["trouble", "!", problems.join("\n")]);
      this.#badges(id, element, badges);
      const notes = [
        PLAIN.has(node.kind) ? "" : kindOf(node),
        `${visible(node.title)},`,
        visible(this.#where(node)),
        now === id ? ", the call is here" : count === 1 ? ", passed" : "",
        ...badges.map(([, , text]) => `, ${visible(text)}`),
        tests.length === 0 ? "" : isCovered ? ", run by tests" : ", run by no test",
        node.folded ? ", U unfolds it" : "",
      ];
      element.setAttribute("aria-label", notes.filter(Boolean).join(" ").replaceAll(" ,", ","));
    }
    for (const element of this.#edges.children as Iterable<Element>) {
      const count = way?.edges.get((element as SVGElement).dataset["key"] ?? "") ?? 0;
      element.classList.toggle("passed", count > 0);
    }
  }

  #way(): Passed | null {
    const { call } = this.#desk;
    if (!this.#on.has("call") || !this.#drawn || !this.#lines) return null;
    if (this.#followed) return passed(this.#drawn, this.#lines, this.#places, false);
    if (call.phase === "idle" || !call.story) return null;
    const places = call.story.places.filter(({ at }) => at <= call.position);
    const isOver = call.story.over && call.position >= call.story.length;
    return passed(this.#drawn, this.#lines, places, isOver);
  }

  /** Returns what is known of the lines in which a node begins: whether it was run at all. */
  #firsts(layer: Layer, { spans }: DrawnNode): (number | string)[] {
    const values = this.#overlays.get(layer);
    return spans.flatMap(({ file, first }) => values?.get(`${file}:${first}`) ?? []);
  }

  /** Returns what is known of all lines of a node. */
  #values(layer: Layer, { spans, covers }: DrawnNode): (number | string)[] {
    const values = this.#overlays.get(layer);
    if (!values) return [];
    const found: (number | string)[] = [];
    for (const { file, first, last } of [...spans, ...covers]) {
      for (let line = first; line <= last; line++) {
        const value = values.get(`${file}:${line}`);
        if (value !== undefined) found.push(value);
      }
    }
    return found;
  }

  #badges(id: string, element: SVGGElement, badges: [string, string, string][]): void {
    const box = this.#placed?.nodes.get(id);
    const state = JSON.stringify(badges);
    if (!box || element.dataset["badges"] === state) return;
    element.dataset["badges"] = state;
    for (const badge of element.querySelectorAll(".badge")) badge.remove();
    let x = box.width + 6;
    for (const [kind, text, hint] of badges) {
      const width = Math.max(20, this.#width(text, "label") + 12);
      x -= width;
      element.append(
        svg(
          "g",
          { class: `badge ${kind}`, "aria-hidden": "true", transform: `translate(${x.toFixed(1)} -9)` },
          svg("title", {}, visible(hint)),
          svg("rect", { width, height: 18, rx: 9 }),
          svg("text", { x: width / 2, y: 13 }, text),
        ),
      );
      x -= 4;
    }
  }

  // Where one is.

  #caret(file: string, line: number): void {
    const found = this.#lines?.near(file, line) ?? [];
    const [first] = found;
    for (const [id, { element }] of this.#shown) element.classList.toggle("caret", first?.id === id);
    if (!first) return;
    this.#current = first.id;
    this.#rove();
    if (this.#isSeen && !this.#pane.contains(document.activeElement)) this.#reveal(first.id);
  }

  /** One node at a time is reached by Tab; the arrow keys go from one to the other. */
  #rove(): void {
    for (const [id, { element }] of this.#shown) element.setAttribute("tabindex", id === this.#current ? "0" : "-1");
  }

  #focus(id: string): void {
    this.#current = id;
    this.#rove();
    this.#shown.get(id)?.element.focus({ preventScroll: true });
    this.#reveal(id);
  }

  /** Moves what is seen so that a node is in it. */
  #reveal(id: string): void {
    const box = this.#placed?.nodes.get(id);
    if (!box) return;
    const { width, height } = this.#svg.getBoundingClientRect();
    const margin = 24;
    const [left, top] = [box.x * this.#scale + this.#x, box.y * this.#scale + this.#y];
    const [right, bottom] = [left + box.width * this.#scale, top + box.height * this.#scale];
    if (left < margin) this.#x += margin - left;
    else if (right > width - margin) this.#x -= right - width + margin;
    if (top < margin) this.#y += margin - top;
    else if (bottom > height - margin) this.#y -= bottom - height + margin;
    this.#move();
  }

  #goTo(id: string): void {
    const span = this.#shown.get(id)?.node.spans[0];
    if (span) this.#desk.goTo(span.file, span.first);
  }

  #beginAt(id: string | null): void {
    this.#start = id;
    if (id !== null) this.#current = id;
    this.#isMoved = false;
    this.#draw(true);
    if (this.#current !== null) this.#focus(this.#current);
  }

  #unfold(id: string): void {
    if (!this.#shown.get(id)?.node.folded) return;
    if (this.#all) {
      // What is folded in spite of that calls itself.
      this.#unfolded = this.#whole?.groups.map((group) => group.id) ?? [];
      this.#all = false;
    }
    this.#unfolded.push(id);
    void this.#ask(true);
  }

  #foldOne(id: string): void {
    const groups = this.#whole?.groups ?? [];
    const isIn = (group: string) => group === id || group.startsWith(`${id}/`);
    this.#unfolded = groups.map((group) => group.id).filter((group) => !isIn(group));
    this.#all = false;
    this.#current = id;
    void this.#ask(true).then(() => this.#focus(id));
  }

  // Moving and zooming.

  #move(): void {
    this.#view.setAttribute(
      "transform",
      `translate(${this.#x.toFixed(2)} ${this.#y.toFixed(2)}) scale(${this.#scale.toFixed(4)})`,
    );
  }

  #zoom(factor: number, at?: { x: number; y: number }): void {
    const { width, height } = this.#svg.getBoundingClientRect();
    const { x, y } = at ?? { x: width / 2, y: height / 2 };
    const scale = Math.max(SMALLEST, Math.min(LARGEST, this.#scale * factor));
    this.#x = x - ((x - this.#x) * scale) / this.#scale;
    this.#y = y - ((y - this.#y) * scale) / this.#scale;
    this.#scale = scale;
    this.#isMoved = true;
    this.#move();
  }

  /** Shows all of the graph; or, if that would be too small to read, its beginning. */
  #fit(all = false): void {
    const { width, height } = this.#svg.getBoundingClientRect();
    if (!this.#placed || width === 0 || height === 0) return;
    const margin = 16;
    const [wide, tall] = [this.#placed.width + 2 * margin, this.#placed.height + 2 * margin];
    const whole = Math.min(width / wide, height / tall, 1.15);
    this.#scale = all ? whole : Math.max(whole, Math.min(READABLE, 1));
    const first = this.#placed.nodes.get(this.#drawn?.nodes[0]?.id ?? "");
    const isWhole = wide * this.#scale <= width + 1;
    const middle = isWhole || !first ? this.#placed.width / 2 : first.x + first.width / 2;
    this.#x = width / 2 - middle * this.#scale;
    this.#y = Math.max(margin * this.#scale, (height - this.#placed.height * this.#scale) / 2);
    if (all) this.#isMoved = false;
    this.#move();
  }

  #listen(canvas: HTMLElement): void {
    const node = (event: Event) => (event.target as Element).closest<SVGGElement>(".node");
    const local = ({ clientX, clientY }: { clientX: number; clientY: number }) => {
      const { left, top } = this.#svg.getBoundingClientRect();
      return { x: clientX - left, y: clientY - top };
    };
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const step = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
        if (event.ctrlKey || event.metaKey) {
          this.#zoom(Math.exp((-event.deltaY * step) / 240), local(event));
          return;
        }
        const [dx, dy] = event.shiftKey ? [event.deltaY, event.deltaX] : [event.deltaX, event.deltaY];
        this.#x -= dx * step;
        this.#y -= dy * step;
        this.#isMoved = true;
        this.#move();
      },
      { passive: false },
    );
    this.#svg.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button !== 0) return;
      this.#pointers.set(event.pointerId, local(event));
      if (this.#pointers.size === 1) this.#dragged = 0;
    });
    this.#svg.addEventListener("pointermove", (event) => {
      const before = this.#pointers.get(event.pointerId);
      if (!before) return;
      const now = local(event);
      const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
      this.#dragged += Math.hypot(now.x - before.x, now.y - before.y);
      if (this.#dragged >= 5 && !this.#svg.hasPointerCapture(event.pointerId)) {
        this.#svg.setPointerCapture(event.pointerId);
        canvas.classList.add("dragged");
      }
      if (other) {
        const [far, was] = [
          Math.hypot(now.x - other.x, now.y - other.y),
          Math.hypot(before.x - other.x, before.y - other.y),
        ];
        if (was > 0) this.#zoom(far / was, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
      }
      if (this.#dragged >= 5) {
        const share = other ? 0.5 : 1;
        this.#x += (now.x - before.x) * share;
        this.#y += (now.y - before.y) * share;
        this.#isMoved = true;
        this.#move();
      }
      this.#pointers.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel"] as const) {
      this.#svg.addEventListener(end, (event) => {
        this.#pointers.delete(event.pointerId);
        canvas.classList.remove("dragged");
      });
    }
    this.#svg.addEventListener("click", (event) => {
      const id = node(event)?.dataset["id"];
      if (id === undefined || this.#dragged >= 5) return;
      this.#current = id;
      this.#rove();
      if ((event.target as Element).closest(".unfold")) this.#unfold(id);
      else this.#goTo(id);
    });
    this.#svg.addEventListener("contextmenu", (event) => {
      const id = node(event)?.dataset["id"];
      if (id === undefined) return;
      event.preventDefault();
      this.#beginAt(id);
    });
    this.#svg.addEventListener("focusin", (event) => {
      const id = node(event)?.dataset["id"];
      if (id === undefined) return;
      this.#current = id;
      this.#rove();
      if (this.#pointers.size === 0) this.#reveal(id);
    });
    canvas.addEventListener("keydown", (event) => this.#key(event, node(event)?.dataset["id"] ?? null));
  }

  #key(event: KeyboardEvent, id: string | null): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys: Record<string, () => void> = {
      "+": () => this.#zoom(1.3),
      "=": () => this.#zoom(1.3),
      "-": () => this.#zoom(1 / 1.3),
      "0": () => this.#fit(true),
      Escape: () => {
        if (this.#start !== null) this.#beginAt(null);
      },
    };
    if (id !== null) {
      Object.assign(keys, {
        Enter: () => this.#goTo(id),
        " ": () => this.#goTo(id),
        b: () => this.#beginAt(id),
        u: () => this.#unfold(id),
        ArrowDown: () => this.#step(id, "next"),
        ArrowUp: () => this.#step(id, "before"),
        ArrowLeft: () => this.#step(id, "left"),
        ArrowRight: () => this.#step(id, "right"),
        Home: () => this.#drawn?.nodes[0] && this.#focus(this.#drawn.nodes[0].id),
      });
    }
    const run = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!run) return;
    event.preventDefault();
    event.stopPropagation();
    run();
  }

  /** Goes along an edge, or to what is beside a node. */
  #step(id: string, to: "next" | "before" | "left" | "right"): void {
    const { nodes, edges } = this.#placed ?? {};
    const here = nodes?.get(id);
    if (!nodes || !edges || !here) return;
    const middle = ({ x, y, width, height }: Box) => ({ x: x + width / 2, y: y + height / 2 });
    const me = middle(here);
    const box = (other: string) => middle(nodes.get(other) as Box);
    let found: string[];
    if (to === "next" || to === "before") {
      const [mine, other] = to === "next" ? (["from", "to"] as const) : (["to", "from"] as const);
      const linked = edges.filter((edge) => edge[mine] === id && edge[other] !== id);
      // What leads down first.
      found = linked.toSorted((a, b) => Number(a.back) - Number(b.back)).map((edge) => edge[other]);
      if (linked.length > 1 && !linked[0]?.back) {
        found.sort((a, b) => Math.abs(box(a).x - me.x) - Math.abs(box(b).x - me.x));
      }
    } else {
      const sign = to === "left" ? -1 : 1;
      const away = (other: string) => {
        const { x, y } = box(other);
        return (x - me.x) * sign + Math.abs(y - me.y) * 3;
      };
      const beside = [...nodes.keys()].filter((other) => {
        const { x, y } = box(other);
        return (x - me.x) * sign > 8 && Math.abs(y - me.y) < 140;
      });
      found = beside.sort((a, b) => away(a) - away(b));
    }
    const [next] = found;
    if (next !== undefined) this.#focus(next);
  }
}
