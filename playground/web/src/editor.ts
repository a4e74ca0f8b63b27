// The editor: CodeMirror, with the answers of the language server.

import {
  autocompletion,
  type Completion,
  type CompletionContext,
  closeBrackets,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab, isolateHistory } from "@codemirror/commands";
import { bracketMatching, codeFolding, foldGutter, foldKeymap, indentUnit } from "@codemirror/language";
import {
  type Diagnostic as Finding,
  lintGutter,
  lintKeymap,
  previousDiagnostic,
  setDiagnostics,
} from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension, StateEffect, StateField, Transaction } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightSpecialChars,
  hoverTooltip,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { type Ask, type Edits, assistance, fix, offerFixes, offset, outline, position } from "./assist";
import { el, visible } from "./dom";
import { markdown } from "./markdown";
import { type LineMarks, lineMarks, showMarks } from "./marks";
import type { CompletionItem, Diagnostic, Hover } from "./protocol";
import { folding, highlighting, rhai, table } from "./rhai";

/** What the page does for the editor. */
export interface Page {
  ask: Ask;
  /** Takes a text that has changed. */
  changed: (name: string, text: string) => void;
  /** Returns the text of a file. */
  text: (name: string) => string | undefined;
  /** Shows a file, by `Editor.show`. */
  show: (name: string) => void;
  /** Shows a notice, with a way to undo. */
  say: (text: string, undo?: () => void) => void;
}

const running = StateEffect.define<number | null>();

const runningLine = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let next = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(running)) continue;
      const { doc } = transaction.state;
      const line = effect.value;
      next =
        line === null || line < 1 || line > doc.lines
          ? Decoration.none
          : Decoration.set([Decoration.line({ class: "cm-running" }).range(doc.line(line).from)]);
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const KINDS: Record<number, string> = {
  3: "function",
  6: "variable",
  14: "keyword",
  21: "constant",
  12: "text",
  17: "text",
  10: "property",
  5: "property",
};

export class Editor {
  readonly view: EditorView;
  #name = "";
  readonly #states = new Map<string, EditorState>();
  /** With which marks a file has been shown last. */
  readonly #marked = new Map<string, Map<string, LineMarks>>();
  readonly #page: Page;
  readonly #ask: Ask;
  readonly #assistance: Extension;
  readonly #language = new Compartment();
  /** Where somebody was before they were led elsewhere. */
  readonly #visited: { name: string; at: number }[] = [];
  #timer = 0;
  #marks = new Map<string, LineMarks>();

  constructor(parent: HTMLElement, page: Page) {
    this.#page = page;
    this.#ask = page.ask;
    this.#assistance = assistance(this.#host());
    // In a shadow root its styles need no exception in the page's policy.
    const root = parent.attachShadow({ mode: "open" });
    this.view = new EditorView({ parent: root, root, state: this.#state("", "") });
  }

  /** Forgets all files. */
  clear(): void {
    this.#states.clear();
    this.#name = "";
  }

  forget(name: string): void {
    this.#states.delete(name);
    if (this.#name === name) this.#name = "";
  }

  /** Shows a file. */
  show(name: string, text: string): void {
    if (this.#name !== "") this.#states.set(this.#name, this.view.state);
    this.#name = name;
    const state = this.#states.get(name);
    const kept = state?.doc.toString() === text ? state : undefined;
    this.view.setState(kept ?? this.#state(name, text));
    this.#caret = 0;
    // Those of a kept file have moved with its text.
    if (!kept || this.#marked.get(name) !== this.#marks) this.#mark();
    this.#atCaret();
    this.check();
  }

  /** Marks lines of files. */
  mark(marks: Map<string, LineMarks>): void {
    this.#marks = marks;
    this.#mark();
  }

  #mark(): void {
    showMarks(this.view, this.#marks.get(this.#name) ?? { ran: [], failures: [] });
    this.#marked.set(this.#name, this.#marks);
  }

  #host() {
    return {
      ask: this.#ask,
      name: () => this.#name,
      text: this.#page.text,
      lead: (name: string, place: { line: number; character: number }) => {
        if (this.#page.text(name) === undefined) return this.#page.say(`${name} is not among the files here`);
        this.#visited.push({ name: this.#name, at: this.view.state.selection.main.head });
        if (name !== this.#name) this.#page.show(name);
        this.#select(offset(this.view.state.doc, place));
      },
      back: () => {
        const before = this.#visited.pop();
        if (!before || this.#page.text(before.name) === undefined) return true;
        if (before.name !== this.#name) this.#page.show(before.name);
        this.#select(Math.min(before.at, this.view.state.doc.length));
        return true;
      },
      edit: (edits: Edits, what: string) => this.edit(edits, what),
      say: (text: string) => this.#page.say(text),
    };
  }

  #select(at: number): void {
    this.view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
    this.view.focus();
  }

  /** Shows a list of what is in the file. */
  outline(): void {
    outline(this.#host());
  }

  /** Edits files. Each edit can be undone in its file, and all together from the notice of what was done. */
  edit(edits: Edits, what: string): void {
    const before = new Map<string, string>();
    for (const [name, changes] of edits) {
      const text = this.#page.text(name);
      if (text === undefined) continue;
      before.set(name, text);
      this.#edit(name, (state) =>
        changes.map(({ range, newText }) => ({
          from: offset(state.doc, range.start),
          to: offset(state.doc, range.end),
          insert: newText,
        })),
      );
    }
    if (what === "") return;
    const after = new Map([...before.keys()].map((name) => [name, this.#page.text(name)]));
    this.#page.say(what, () => {
      for (const [name, text] of before) {
        const now = this.#page.text(name);
        if (now === after.get(name)) this.#edit(name, (state) => [{ from: 0, to: state.doc.length, insert: text }]);
        else this.#page.say(`${name} has been edited since, and is left as it is`);
      }
    });
  }

  #edit(name: string, changes: (state: EditorState) => { from: number; to: number; insert: string }[]): void {
    if (name === this.#name) {
      this.view.dispatch({ changes: changes(this.view.state), userEvent: "input" });
      return;
    }
    const text = this.#page.text(name) ?? "";
    const kept = this.#states.get(name);
    const state = kept && kept.doc.toString() === text ? kept : this.#state(name, text);
    const { state: next } = state.update({ changes: changes(state), userEvent: "input" });
    this.#states.set(name, next);
    this.#page.changed(name, next.doc.toString());
  }

  /** Takes another text of a file. The caret stays where it is. */
  update(name: string, text: string): void {
    this.#states.delete(name);
    if (this.#name !== name) return;
    const old = this.view.state.doc.toString();
    const shorter = Math.min(old.length, text.length);
    let from = 0;
    while (from < shorter && old[from] === text[from]) from++;
    let same = 0;
    while (same < shorter - from && old[old.length - 1 - same] === text[text.length - 1 - same]) same++;
    this.view.dispatch({
      changes: { from, to: old.length - same, insert: text.slice(from, text.length - same) },
      // So that undoing it brings back what was here, and no earlier text.
      annotations: isolateHistory.of("full"),
    });
  }

  /** Marks the line at which the script is, and shows it, unless one writes elsewhere. */
  markLine(line: number | null): void {
    const { state, hasFocus } = this.view;
    const effects: StateEffect<unknown>[] = [running.of(line)];
    if (line !== null && line <= state.doc.lines && !hasFocus) {
      effects.push(EditorView.scrollIntoView(state.doc.line(line).from, { y: "nearest", yMargin: 60 }));
    }
    this.view.dispatch({ effects, annotations: Transaction.addToHistory.of(false) });
  }

  /** Goes to a line. */
  goTo(line: number): void {
    const { doc } = this.view.state;
    this.#select(doc.line(Math.max(1, Math.min(line, doc.lines))).from);
  }

  /** Asks what is wrong with the text, soon. */
  check(delay = 0): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#check(), delay);
  }

  async #check(): Promise<void> {
    const [name, doc] = [this.#name, this.view.state.doc];
    let found: unknown;
    try {
      found = await this.#ask("diagnostics", {}, "diagnostics");
    } catch {
      // Asked again, or the module has no answer: what was found before stays.
      return;
    }
    if (this.#name !== name || this.view.state.doc !== doc || !Array.isArray(found)) return;
    const findings = (found as Diagnostic[]).map(({ range, severity, message, code }): Finding => {
      const from = offset(doc, range.start);
      const to = Math.max(offset(doc, range.end), from);
      const shown: Finding = { from, to, severity: severity === 1 ? "error" : "warning", message: visible(message) };
      if (code !== undefined) shown.source = code;
      return shown;
    });
    this.view.dispatch(setDiagnostics(this.view.state, findings));
    this.onChecked(name, found as Diagnostic[]);
    const fixes = await offerFixes(this.#host(), this.view, found as Diagnostic[]);
    if (this.#name !== name || this.view.state.doc !== doc || fixes.every(({ length }) => length === 0)) return;
    const withFixes = findings.map((finding, index): Finding => {
      const actions = (fixes[index] ?? []).map((action) => ({
        name: visible(action.title),
        apply: () => fix(this.#host(), action),
      }));
      return { ...finding, actions };
    });
    this.view.dispatch(setDiagnostics(this.view.state, withFixes));
  }

  /** Takes the line of the caret. */
  onCaret: (name: string, line: number) => void = () => {};
  #caret = 0;

  #atCaret(): void {
    const { state } = this.view;
    const line = state.doc.lineAt(state.selection.main.head).number;
    if (line === this.#caret) return;
    this.#caret = line;
    this.onCaret(this.#name, line);
  }

  /** Calls the script. */
  onCall: () => void = () => {};

  /** Takes what was found in the file. */
  onChecked: (name: string, found: Diagnostic[]) => void = () => {};

  #state(name: string, text: string): EditorState {
    const isScript = name.endsWith(".rhai");
    const extensions: Extension[] = [
      lineNumbers(),
      lintGutter(),
      codeFolding(),
      foldGutter({
        markerDOM: (open) => el("span", { class: open ? "cm-open" : "cm-closed", title: open ? "Fold" : "Unfold" }),
      }),
      folding,
      this.#assistance,
      search({ top: true }),
      highlightSelectionMatches(),
      history(),
      drawSelection(),
      highlightSpecialChars(),
      highlightActiveLine(),
      bracketMatching(),
      closeBrackets(),
      indentUnit.of("    "),
      EditorState.tabSize.of(4),
      this.#language.of(isScript ? rhai : table),
      highlighting,
      runningLine,
      lineMarks,
      autocompletion({ override: [(context) => this.#complete(context)], icons: false }),
      hoverTooltip((view, at) => this.#hover(view, at)),
      // Escape, then Tab leaves the editor.
      keymap.of([
        { key: "Mod-Enter", run: () => (this.onCall(), true) },
        ...completionKeymap,
        ...lintKeymap,
        { key: "Shift-F8", run: previousDiagnostic },
        ...searchKeymap,
        ...foldKeymap,
        ...defaultKeymap,
        ...historyKeymap,
        indentWithTab,
      ]),
      EditorView.contentAttributes.of({ "aria-label": name === "" ? "Script" : name, spellcheck: "false" }),
      EditorView.updateListener.of((update) => {
        if (update.selectionSet || update.docChanged) this.#atCaret();
        if (!update.docChanged) return;
        this.#page.changed(this.#name, update.state.doc.toString());
      }),
      theme,
    ];
    return EditorState.create({ doc: text, extensions });
  }

  async #complete(context: CompletionContext) {
    const word = context.matchBefore(/[\w"#:.-]+$/);
    if (!context.explicit && !context.matchBefore(/(?:[A-Za-z_]\w{0,}|#\{\s*)$/)) return null;
    if (!context.explicit && !word) return null;
    const { doc } = context.state;
    let answer: unknown;
    try {
      answer = await this.#ask("textDocument/completion", { position: position(doc, context.pos) }, "completion");
    } catch {
      return null;
    }
    const items = (
      Array.isArray(answer) ? answer : ((answer as { items?: unknown } | null)?.items ?? [])
    ) as CompletionItem[];
    if (items.length === 0) return null;
    const first = items.find((item) => item.textEdit)?.textEdit;
    const from = first ? offset(doc, first.range.start) : (context.matchBefore(/\w*$/)?.from ?? context.pos);
    const options = items.map((item): Completion => {
      const option: Completion = { label: item.label, boost: rank(item), apply: insertion(item) };
      if (item.detail !== undefined) option.detail = item.detail;
      const kind = KINDS[item.kind ?? 0];
      if (kind !== undefined) option.type = kind;
      option.info = () => this.#info(item);
      return option;
    });
    return { from, options, validFor: /^[\w-]*$/ };
  }

  async #info(item: CompletionItem): Promise<HTMLElement | null> {
    let { documentation } = item;
    if (documentation === undefined) {
      const resolved = await this.#ask("completionItem/resolve", { ...item }, "resolve").catch(() => null);
      documentation = (resolved as CompletionItem | null)?.documentation;
    }
    if (documentation === undefined) return null;
    return markdown(visible(typeof documentation === "string" ? documentation : documentation.value));
  }

  async #hover(view: EditorView, at: number) {
    let hover: Hover | null;
    try {
      hover = (await this.#ask(
        "textDocument/hover",
        { position: position(view.state.doc, at) },
        "hover",
      )) as Hover | null;
    } catch {
      return null;
    }
    if (!hover) return null;
    const { contents, range } = hover;
    const text = typeof contents === "string" ? contents : contents.value;
    const { doc } = view.state;
    return {
      pos: range ? offset(doc, range.start) : at,
      end: range ? offset(doc, range.end) : at,
      above: true,
      create: () => ({ dom: el("div", { class: "cm-help" }, markdown(visible(text))) }),
    };
  }
}

/** How early a completion is offered: what the script has itself, then short names. */
function rank({ label, sortText }: CompletionItem): number {
  return (sortText?.startsWith("0") ? 50 : 0) - Math.min(label.length, 40);
}

/** What a completion inserts: without the places of a snippet, and with the caret at the first one. */
function insertion(item: CompletionItem) {
  return (view: EditorView, _: Completion, from: number, to: number): void => {
    const text = item.textEdit?.newText ?? item.insertText ?? item.label;
    let caret: number | null = null;
    let plain = "";
    for (const part of text.split(/(\$\{\d+(?::[^}]*)?\}|\$\d+)/)) {
      const place = /^\$\{?(\d+)(?::([^}]*))?\}?$/.exec(part);
      if (!place) plain += part;
      else {
        caret ??= plain.length;
        plain += place[2] ?? "";
      }
    }
    view.dispatch({
      changes: { from, to, insert: plain },
      selection: { anchor: from + (caret ?? plain.length) },
      userEvent: "input.complete",
    });
  };
}

/** Returns what makes a text of a file look as it does in the editor. */
export function looks(name: string, label: string): Extension[] {
  return [
    lineNumbers(),
    highlightSpecialChars(),
    name.endsWith(".rhai") ? rhai : table,
    highlighting,
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
    theme,
  ];
}

/** The shape of the lightbulb. */
const BULB = encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M8 1a5 5 0 0 0-3 9c.6.5 1 1.100 1 2h4c0-.9.4-1.500 1-2a5 5 0 0 0-3-9zM6 13h4v1.200H6zM6.700 14.800h2.600L8 15.600z"/></svg>',
).replaceAll("'", "%27");

const theme = EditorView.theme({
  "&": { height: "100%", fontSize: "var(--code-size)", backgroundColor: "var(--surface)", color: "var(--text)" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "none" },
  ".cm-activeLine": { backgroundColor: "var(--line-active)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--selection)",
  },
  ".cm-running": { backgroundColor: "var(--running)", boxShadow: "inset 3px 0 0 var(--accent)" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--selection)", outline: "none" },
  ".cm-tooltip": {
    backgroundColor: "var(--raised)",
    color: "var(--text)",
    border: "1px solid var(--border)",
    borderRadius: "8px",
    boxShadow: "var(--shadow)",
    maxWidth: "min(560px, 90vw)",
    overflow: "hidden",
  },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "13px" },
  ".cm-completionDetail": { opacity: "0.75" },
  ".cm-help, .cm-completionInfo": { padding: "8px 12px", maxHeight: "300px", overflow: "auto", fontSize: "13px" },
  ".help p": { margin: "4px 0" },
  ".help ul": { margin: "4px 0", paddingLeft: "20px" },
  ".help pre": {
    margin: "6px 0",
    padding: "6px 8px",
    backgroundColor: "var(--sunken)",
    borderRadius: "6px",
    whiteSpace: "pre-wrap",
    fontFamily: "var(--mono)",
    fontSize: "12.5px",
  },
  ".help code": { fontFamily: "var(--mono)", fontSize: "12.5px" },
  ".cm-diagnostic": { whiteSpace: "pre-wrap", fontFamily: "var(--sans)", fontSize: "13px", padding: "6px 10px" },
  ".cm-lintRange-error": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--bad) 1.5px",
    textUnderlineOffset: "3px",
  },
  ".cm-lintRange-warning": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--warn) 1.5px",
    textUnderlineOffset: "3px",
  },
  ".cm-gutter-lint": { width: "12px" },
  ".cm-foldGutter span": { cursor: "pointer" },
  ".cm-foldGutter .cm-open::before": { content: '"⌄"', opacity: "0" },
  ".cm-gutters:hover .cm-open::before": { opacity: "1" },
  ".cm-foldGutter .cm-closed::before": { content: '"›"', fontWeight: "700", color: "var(--accent)" },
  ".cm-foldGutter": { width: "12px", textAlign: "center" },
  ".cm-foldPlaceholder": {
    backgroundColor: "var(--sunken)",
    border: "1px solid var(--border)",
    color: "var(--muted)",
    borderRadius: "5px",
    padding: "0 6px",
    margin: "0 4px",
  },
  ".cm-bulbs": { width: "12px" },
  ".cm-bulb": {
    display: "block",
    width: "14px",
    height: "1.55em",
    marginLeft: "-1px",
    cursor: "pointer",
    backgroundColor: "var(--warn)",
    mask: `url("data:image/svg+xml,${BULB}") center / 14px no-repeat`,
  },
  "&.cm-leads .cm-line span:hover": { textDecoration: "underline", cursor: "pointer" },
  ".cm-told, .cm-signature": { padding: "6px 10px", fontSize: "13px", maxWidth: "560px" },
  ".cm-told": { color: "var(--bad)" },
  ".cm-signature code": { fontFamily: "var(--mono)" },
  ".cm-signature b": { color: "var(--accent)" },
  ".cm-rename": { padding: "6px" },
  ".cm-rename input": {
    font: "inherit",
    fontFamily: "var(--mono)",
    padding: "3px 8px",
    border: "1px solid var(--accent)",
    borderRadius: "6px",
    backgroundColor: "var(--surface)",
    color: "var(--text)",
  },
  ".cm-rename p": { margin: "6px 4px 2px", maxWidth: "420px", fontSize: "13px", color: "var(--bad)" },
  ".cm-menu": { display: "flex", flexDirection: "column", padding: "4px" },
  ".cm-menu button": {
    padding: "5px 10px",
    border: "none",
    borderRadius: "5px",
    background: "none",
    color: "inherit",
    font: "inherit",
    fontSize: "13px",
    textAlign: "left",
    cursor: "pointer",
  },
  ".cm-menu button:hover, .cm-menu button:focus": {
    backgroundColor: "var(--accent)",
    color: "var(--on-accent)",
    outline: "none",
  },
  ".cm-diagnosticAction": {
    font: "inherit",
    padding: "2px 8px",
    margin: "4px 6px 0 0",
    border: "1px solid var(--border)",
    borderRadius: "6px",
    backgroundColor: "var(--surface)",
    color: "var(--text)",
    cursor: "pointer",
  },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)", borderColor: "var(--border)" },
  ".cm-panels-top": { borderBottom: "1px solid var(--border)" },
  ".cm-panel.cm-dialog": { padding: "6px 30px 6px 8px", fontSize: "13px" },
  ".cm-panel.cm-search": { padding: "6px 30px 6px 8px", fontSize: "13px" },
  ".cm-panel.cm-search label": { fontSize: "12.5px", whiteSpace: "nowrap" },
  ".cm-panel :is(input:not([type=checkbox]), button)": {
    font: "inherit",
    padding: "3px 8px",
    border: "1px solid var(--border)",
    borderRadius: "6px",
    background: "var(--surface)",
    color: "var(--text)",
  },
  ".cm-panel :is(button[name=close], .cm-dialog-close)": {
    border: "none",
    background: "none",
    fontSize: "18px",
    right: "6px",
  },
  ".cm-searchMatch": { backgroundColor: "var(--found)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--selection)", outline: "1px solid var(--accent)" },
  ".cm-selectionMatch": { backgroundColor: "var(--found)" },
  ".cm-lint-marker": { width: "9px", height: "9px", content: "none", borderRadius: "50%", marginTop: "5px" },
  ".cm-lint-marker-error": { backgroundColor: "var(--bad)" },
  ".cm-lint-marker-warning": { backgroundColor: "var(--warn)" },
});
