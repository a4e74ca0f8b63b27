// The editor: CodeMirror, with the answers of the language server.

import {
  autocompletion,
  type Completion,
  type CompletionContext,
  closeBrackets,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, indentUnit } from "@codemirror/language";
import { type Diagnostic as Finding, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import {
  Compartment,
  EditorState,
  type Extension,
  StateEffect,
  StateField,
  type Text,
  Transaction,
} from "@codemirror/state";
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
import { el, visible } from "./dom";
import { markdown } from "./markdown";
import type { CompletionItem, Diagnostic, Hover, Position } from "./protocol";
import { highlighting, rhai, table } from "./rhai";

/** Asks the language server about the file that is shown. */
export type Ask = (method: string, params: Record<string, unknown>, slot: string | null) => Promise<unknown>;

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

function offset(doc: Text, { line, character }: Position): number {
  if (line >= doc.lines) return doc.length;
  const { from, to } = doc.line(line + 1);
  return Math.min(from + character, to);
}

function position(doc: Text, at: number): Position {
  const line = doc.lineAt(at);
  return { line: line.number - 1, character: at - line.from };
}

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
  readonly #changed: (name: string, text: string) => void;
  readonly #ask: Ask;
  readonly #language = new Compartment();
  #timer = 0;

  constructor(parent: HTMLElement, ask: Ask, changed: (name: string, text: string) => void) {
    this.#ask = ask;
    this.#changed = changed;
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
    const kept = this.#states.get(name);
    this.view.setState(kept && kept.doc.toString() === text ? kept : this.#state(name, text));
    this.#caret = 0;
    this.#atCaret();
    this.check();
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
    const { from } = doc.line(Math.max(1, Math.min(line, doc.lines)));
    this.view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
    this.view.focus();
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
    this.onFindings(
      findings.map(({ from, severity, message }) => ({ line: doc.lineAt(from).number, severity, message })),
    );
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

  /** Takes what was found. */
  onFindings: (found: { line: number; severity: string; message: string }[]) => void = () => {};

  #state(name: string, text: string): EditorState {
    const isScript = name.endsWith(".rhai");
    const extensions: Extension[] = [
      lineNumbers(),
      lintGutter(),
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
      autocompletion({ override: [(context) => this.#complete(context)], icons: false }),
      hoverTooltip((view, at) => this.#hover(view, at)),
      // Escape, then Tab leaves the editor.
      keymap.of([
        { key: "Mod-Enter", run: () => (this.onCall(), true) },
        ...completionKeymap,
        ...lintKeymap,
        ...defaultKeymap,
        ...historyKeymap,
        indentWithTab,
      ]),
      EditorView.contentAttributes.of({ "aria-label": name === "" ? "Script" : name, spellcheck: "false" }),
      EditorView.updateListener.of((update) => {
        if (update.selectionSet || update.docChanged) this.#atCaret();
        if (!update.docChanged) return;
        this.check(200);
        this.#changed(this.#name, update.state.doc.toString());
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
  ".cm-gutter-lint": { width: "14px" },
  ".cm-lint-marker": { width: "9px", height: "9px", content: "none", borderRadius: "50%", marginTop: "5px" },
  ".cm-lint-marker-error": { backgroundColor: "var(--bad)" },
  ".cm-lint-marker-warning": { backgroundColor: "var(--warn)" },
});
