// What the language server knows of a text, in the editor: definitions, references, renaming, fixes, signatures, the
// outline.

import {
  type EditorState,
  type Extension,
  Prec,
  RangeSet,
  StateEffect,
  StateField,
  type Text,
} from "@codemirror/state";
import {
  EditorView,
  GutterMarker,
  type Tooltip,
  type ViewUpdate,
  ViewPlugin,
  gutter,
  keymap,
  showTooltip,
} from "@codemirror/view";
import { el, visible } from "./dom";
import { markdown } from "./markdown";
import { pick } from "./picker";
import type {
  CodeAction,
  Diagnostic,
  DocumentSymbol,
  Location,
  Position,
  Range,
  SignatureHelp,
  WorkspaceEdit,
} from "./protocol";

/** Asks the language server about the file that is shown. */
export type Ask = (method: string, params: Record<string, unknown>, slot: string | null) => Promise<unknown>;

/** Edits of files, by their names. */
export type Edits = Map<string, { range: Range; newText: string }[]>;

/** What the page does for it. */
export interface Host {
  ask: Ask;
  /** The file that is shown. */
  name: () => string;
  /** Returns the text of a file. */
  text: (name: string) => string | undefined;
  /** Shows a place, from which one can come back. */
  lead: (name: string, position: Position) => void;
  back: () => boolean;
  /** Edits files, and says what was done. */
  edit: (edits: Edits, what: string) => void;
  say: (text: string) => void;
}

export function offset(doc: Text, { line, character }: Position): number {
  if (line >= doc.lines) return doc.length;
  const { from, to } = doc.line(line + 1);
  return Math.min(from + character, to);
}

export function position(doc: Text, at: number): Position {
  const line = doc.lineAt(at);
  return { line: line.number - 1, character: at - line.from };
}

/** Returns the name of a file that the language server knows as this. */
function nameOf(uri: string): string {
  return decodeURIComponent(uri.replace(/^file:\/\/\//, ""));
}

export function editsOf({ changes }: WorkspaceEdit): Edits {
  return new Map(Object.entries(changes ?? {}).map(([uri, edits]) => [nameOf(uri), edits]));
}

const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

// Something beside the caret: the field for a new name, a list of fixes, why something can't be done.

const beside = StateEffect.define<Tooltip | null>();

const besideCaret = StateField.define<Tooltip | null>({
  create: () => null,
  update(tooltip, transaction) {
    for (const effect of transaction.effects) if (effect.is(beside)) return effect.value;
    // It belongs to a place of this text.
    return transaction.docChanged || (transaction.selection && tooltip) ? null : tooltip;
  },
  provide: (field) => showTooltip.from(field),
});

function close(view: EditorView): boolean {
  if (view.state.field(besideCaret) === null) return false;
  view.dispatch({ effects: beside.of(null) });
  view.focus();
  return true;
}

/** Says something beside a place of the text, until one goes on. */
function tell(view: EditorView, at: number, text: string): void {
  const dom = el("div", { class: "cm-told", role: "alert" }, visible(text));
  view.dispatch({ effects: beside.of({ pos: at, above: true, create: () => ({ dom }) }) });
}

// Renaming.

function rename(host: Host): (view: EditorView) => boolean {
  return (view) => {
    const { doc, selection } = view.state;
    const at = selection.main.head;
    const asked = { position: position(doc, at) };
    host.ask("textDocument/prepareRename", asked, "rename").then(
      (answer) => {
        const found = answer as { range: Range; placeholder: string } | null;
        if (view.state.doc !== doc) return;
        if (!found) tell(view, at, "there is no name here to rename");
        else askName(host, view, asked, offset(doc, found.range.start), found.placeholder);
      },
      (error: unknown) => {
        if (view.state.doc === doc) tell(view, at, reason(error));
      },
    );
    return true;
  };
}

function askName(host: Host, view: EditorView, asked: { position: Position }, pos: number, name: string): void {
  const { doc } = view.state;
  const field = el("input", { "aria-label": `New name of ${name}`, value: name, spellcheck: "false", size: 24 });
  const problem = el("p", { role: "alert" });
  problem.hidden = true;
  const dom = el("div", { class: "cm-rename" }, field, problem);
  field.addEventListener("input", () => (problem.hidden = true));
  dom.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") close(view);
    else if (event.key === "Enter") {
      host.ask("textDocument/rename", { ...asked, newName: field.value }, "rename").then(
        (answer) => {
          if (view.state.doc !== doc || field.value === name) return void close(view);
          close(view);
          const edits = editsOf(answer as WorkspaceEdit);
          const count = [...edits.values()].reduce((sum, { length }) => sum + length, 0);
          const where = edits.size > 1 ? `in ${edits.size} files` : `in ${host.name()}`;
          host.edit(edits, `${name} is ${field.value} now, ${count === 1 ? "once" : `${count} times`} ${where}`);
        },
        (error: unknown) => {
          problem.textContent = visible(reason(error));
          problem.hidden = false;
        },
      );
    } else return;
    event.preventDefault();
  });
  field.addEventListener("blur", () => {
    // Clicked elsewhere.
    if (dom.isConnected)
      window.setTimeout(() => dom.isConnected && !dom.contains(view.root.activeElement) && close(view));
  });
  const mounted = () => {
    field.focus();
    field.select();
  };
  view.dispatch({ effects: beside.of({ pos, above: false, create: () => ({ dom, mount: mounted }) }) });
}

// Definitions and references.

function define(host: Host, view: EditorView, at: number): void {
  const { doc } = view.state;
  host.ask("textDocument/definition", { position: position(doc, at) }, "definition").then(
    (answer) => {
      const found = answer as Location | null;
      if (view.state.doc !== doc) return;
      if (found) host.lead(nameOf(found.uri), found.range.start);
      else tell(view, at, "nothing in these files defines this");
    },
    () => {},
  );
}

function references(host: Host): (view: EditorView) => boolean {
  return (view) => {
    const { doc, selection } = view.state;
    const at = selection.main.head;
    const asked = { position: position(doc, at), context: { includeDeclaration: true } };
    host.ask("textDocument/references", asked, "references").then(
      (answer) => {
        const found = (answer as Location[] | null) ?? [];
        if (found.length === 0) return tell(view, at, "there is no name here that is used elsewhere");
        const title = found.length === 1 ? "1 place" : `${found.length} places`;
        pick(
          title,
          found.map(({ uri, range }) => {
            const name = nameOf(uri);
            const line = (host.text(name) ?? "").split("\n")[range.start.line] ?? "";
            const choose = () => host.lead(name, range.start);
            return { label: line.trim(), detail: `${name}, line ${range.start.line + 1}`, choose };
          }),
        );
      },
      () => {},
    );
    return true;
  };
}

// The outline.

const KINDS: Record<number, string> = { 2: "import", 12: "function", 13: "variable", 14: "constant", 15: "" };

export function outline(host: Host): void {
  host.ask("textDocument/documentSymbol", {}, "outline").then(
    (answer) => {
      const found = (answer as DocumentSymbol[] | null) ?? [];
      if (found.length === 0) return host.say(`${host.name()} has no functions`);
      pick(
        `Functions and variables of ${host.name()}`,
        found.map(({ name, kind, detail, selectionRange }) => {
          const what = KINDS[kind] ?? "";
          const label = kind === 12 ? (detail ?? name) : name;
          const more = kind === 15 ? (detail ?? "") : `${what}, line ${selectionRange.start.line + 1}`;
          return { label, detail: more, choose: () => host.lead(host.name(), selectionRange.start) };
        }),
      );
    },
    () => {},
  );
}

// Fixes.

const setFixes = StateEffect.define<Map<number, CodeAction[]>>();

/** The fixes for mistakes, by the positions of their lines. */
const fixes = StateField.define<Map<number, CodeAction[]>>({
  create: () => new Map(),
  update(known, transaction) {
    for (const effect of transaction.effects) if (effect.is(setFixes)) return effect.value;
    // They are for the text as it was.
    return transaction.docChanged ? new Map() : known;
  },
});

/** Returns the fixes for each of these mistakes, and offers them beside their lines. */
export async function offerFixes(host: Host, view: EditorView, found: Diagnostic[]): Promise<CodeAction[][]> {
  const { doc } = view.state;
  const range = { start: position(doc, 0), end: position(doc, doc.length) };
  const asked = { range, context: { diagnostics: found } };
  const actions = found.length > 0 ? await host.ask("textDocument/codeAction", asked, "fixes").catch(() => []) : [];
  if (view.state.doc !== doc) return [];
  const key = ({ range, message, code }: Diagnostic) => JSON.stringify([range, message, code]);
  const each = found.map((one) =>
    (actions as CodeAction[]).filter(({ diagnostics }) => diagnostics?.some((other) => key(other) === key(one))),
  );
  const lines = new Map<number, CodeAction[]>();
  for (const [index, { range }] of found.entries()) {
    const { from } = doc.lineAt(offset(doc, range.start));
    const fixes = each[index] ?? [];
    if (fixes.length > 0) lines.set(from, [...(lines.get(from) ?? []), ...fixes]);
  }
  view.dispatch({ effects: setFixes.of(lines) });
  return each;
}

/** Does what a fix says. */
export function fix(host: Host, { title, edit }: CodeAction): void {
  if (!edit) return;
  const edits = editsOf(edit);
  const elsewhere = [...edits.keys()].filter((name) => name !== host.name());
  host.edit(edits, elsewhere.length > 0 ? `${title}: done` : "");
}

function menu(host: Host, view: EditorView, line: number): boolean {
  const known = view.state.field(fixes).get(line) ?? [];
  const actions = [...known].sort((one, other) => Number(other.isPreferred ?? 0) - Number(one.isPreferred ?? 0));
  if (actions.length === 0) {
    tell(view, view.state.selection.main.head, "there is no fix for this line");
    return true;
  }
  const buttons = actions.map((action) => {
    const button = el("button", { type: "button", role: "menuitem" }, visible(action.title));
    button.addEventListener("click", () => {
      close(view);
      fix(host, action);
    });
    return button;
  });
  const dom = el("div", { class: "cm-menu", role: "menu", "aria-label": "Fixes" }, ...buttons);
  dom.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = buttons.indexOf(view.root.activeElement as HTMLButtonElement);
    if (step !== undefined) buttons[(at + step + buttons.length) % buttons.length]?.focus();
    else if (event.key === "Escape" || event.key === "Tab") close(view);
    else return;
    event.preventDefault();
  });
  const pos = Math.max(line, Math.min(view.state.selection.main.head, view.state.doc.lineAt(line).to));
  view.dispatch({ effects: beside.of({ pos, create: () => ({ dom, mount: () => buttons[0]?.focus() }) }) });
  return true;
}

class Bulb extends GutterMarker {
  override toDOM(): Node {
    return el("span", { class: "cm-bulb", title: "Fixes (Ctrl+.)" });
  }
}
const bulb = new Bulb();

function lightbulbs(host: Host): Extension {
  return gutter({
    class: "cm-bulbs",
    markers: ({ state }) => {
      const { from } = state.doc.lineAt(state.selection.main.head);
      return state.field(fixes).has(from) ? RangeSet.of([bulb.range(from)]) : RangeSet.empty;
    },
    lineMarkerChange: (update) => update.selectionSet || update.startState.field(fixes) !== update.state.field(fixes),
    domEventHandlers: {
      mousedown(view, { from }, event) {
        if (!view.state.field(fixes).has(from)) return false;
        event.preventDefault();
        return menu(host, view, from);
      },
    },
  });
}

// The signature of the function that is being called.

const setSignature = StateEffect.define<Tooltip | null>();

const signature = StateField.define<Tooltip | null>({
  create: () => null,
  update(tooltip, transaction) {
    for (const effect of transaction.effects) if (effect.is(setSignature)) return effect.value;
    return tooltip && transaction.docChanged ? { ...tooltip, pos: transaction.changes.mapPos(tooltip.pos) } : tooltip;
  },
  provide: (field) => showTooltip.from(field),
});

function described({ signatures, activeSignature, activeParameter }: SignatureHelp): HTMLElement | null {
  const one = signatures[activeSignature ?? 0];
  if (!one) return null;
  const active = one.parameters?.[one.activeParameter ?? activeParameter ?? -1];
  const { label } = one;
  let [from, to] = [0, 0];
  if (typeof active?.label === "string") {
    from = label.indexOf(active.label, label.indexOf("("));
    to = from + active.label.length;
  } else if (active) [from, to] = active.label;
  if (from < 0) [from, to] = [0, 0];
  const text = (doc: string | { value: string } | undefined) => (typeof doc === "string" ? doc : (doc?.value ?? ""));
  const shown = visible(text(active?.documentation)) || visible(text(one.documentation)).split("\n\n")[0] || "";
  return el(
    "div",
    { class: "cm-signature" },
    el(
      "code",
      {},
      visible(label.slice(0, from)),
      el("b", {}, visible(label.slice(from, to))),
      visible(label.slice(to)),
    ),
    ...(shown ? [markdown(shown)] : []),
  );
}

function askSignature(host: Host, view: EditorView): boolean {
  const { doc, selection } = view.state;
  const at = selection.main.head;
  host.ask("textDocument/signatureHelp", { position: position(doc, at) }, "signature").then(
    (answer) => {
      if (view.state.doc !== doc || view.state.selection.main.head !== at) return;
      const dom = answer ? described(answer as SignatureHelp) : null;
      if (dom === null && view.state.field(signature) === null) return;
      const tooltip = dom && { pos: at, above: true, strictSide: true, create: () => ({ dom }) };
      view.dispatch({ effects: setSignature.of(tooltip) });
    },
    () => {},
  );
  return true;
}

function signatures(host: Host): Extension {
  return [
    signature,
    ViewPlugin.define((view) => ({
      update(update: ViewUpdate) {
        if (!update.docChanged && !update.selectionSet) return;
        let begins = false;
        if (update.docChanged && update.transactions.some((one) => one.isUserEvent("input"))) {
          update.changes.iterChanges((_from, _to, _start, _end, text) => (begins ||= /[(,]/.test(text.toString())));
        }
        if (begins || update.state.field(signature) !== null) window.setTimeout(() => askSignature(host, view));
      },
    })),
    EditorView.domEventHandlers({
      blur: (_, view) => {
        if (view.state.field(signature)) view.dispatch({ effects: setSignature.of(null) });
      },
    }),
  ];
}

/** All of it, with its keys. */
export function assistance(host: Host): Extension {
  const atCaret = (state: EditorState) => state.doc.lineAt(state.selection.main.head).from;
  const leads = (on: boolean) => (_: Event, view: EditorView) => void view.dom.classList.toggle("cm-leads", on);
  return [
    besideCaret,
    fixes,
    lightbulbs(host),
    signatures(host),
    Prec.high(
      keymap.of([
        { key: "Escape", run: close },
        {
          key: "Escape",
          run: (view) => {
            if (view.state.field(signature) === null) return false;
            view.dispatch({ effects: setSignature.of(null) });
            return true;
          },
        },
        { key: "F2", run: rename(host) },
        { key: "F12", run: (view) => (define(host, view, view.state.selection.main.head), true) },
        { key: "Shift-F12", run: references(host) },
        { key: "Alt-ArrowLeft", mac: "Ctrl--", run: () => host.back() },
        { key: "Mod-.", run: (view) => menu(host, view, atCaret(view.state)) },
        { key: "Mod-Shift-o", run: () => (outline(host), true) },
        { key: "Mod-Shift-Space", run: (view) => askSignature(host, view) },
      ]),
    ),
    EditorView.domEventHandlers({
      mousedown: (event, view) => {
        if (!(event.ctrlKey || event.metaKey) || event.button !== 0) return false;
        const at = view.posAtCoords({ x: event.clientX, y: event.clientY });
        if (at === null) return false;
        define(host, view, at);
        return true;
      },
      mousemove: (event, view) => leads(event.ctrlKey || event.metaKey)(event, view),
      mouseleave: leads(false),
    }),
  ];
}
