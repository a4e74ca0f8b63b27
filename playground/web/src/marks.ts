// What tests say of the lines of the editor: which of them ran, and where one failed.

import { RangeSet, RangeSetBuilder, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, GutterMarker, gutter, WidgetType } from "@codemirror/view";
import { el, visible } from "./dom";

/** What is known of the lines of a file. */
export interface LineMarks {
  /** The lines that can run, and whether tests ran them. */
  ran: [number, boolean][];
  /** Where a test or its script failed, and how. */
  failures: [number, string][];
}

/** The maximum length of what is shown behind a line. */
const LONGEST = 140;

const marked = StateEffect.define<LineMarks>();

class Ran extends GutterMarker {
  constructor(readonly ran: boolean) {
    super();
  }
  override eq(other: Ran): boolean {
    return other.ran === this.ran;
  }
  override toDOM(): Node {
    const text = this.ran ? "A test runs this line" : "No test runs this line";
    return el("span", { class: this.ran ? "cm-ran" : "cm-not-ran", title: text });
  }
}
const RAN = new Ran(true);
const NOT_RAN = new Ran(false);

class Failure extends WidgetType {
  constructor(readonly text: string) {
    super();
  }
  override eq(other: Failure): boolean {
    return other.text === this.text;
  }
  override toDOM(): HTMLElement {
    const short = this.text.length > LONGEST ? `${this.text.slice(0, LONGEST)} …` : this.text;
    return el("span", { class: "cm-failure", title: visible(this.text) }, visible(short));
  }
}

const gutterMarks = StateField.define<RangeSet<GutterMarker>>({
  create: () => RangeSet.empty,
  update(marks, transaction) {
    let next = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(marked)) continue;
      const { doc } = transaction.state;
      const builder = new RangeSetBuilder<GutterMarker>();
      for (const [line, ran] of effect.value.ran) {
        if (line > doc.lines) break;
        const { from } = doc.line(line);
        builder.add(from, from, ran ? RAN : NOT_RAN);
      }
      next = builder.finish();
    }
    return next;
  },
});

const failures = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let next = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(marked)) continue;
      const { doc } = transaction.state;
      const decorations = effect.value.failures
        .filter(([line]) => line >= 1 && line <= doc.lines)
        .flatMap(([line, text]) => {
          const { from, to } = doc.line(line);
          const widget = Decoration.widget({ widget: new Failure(text), side: 1 });
          return [Decoration.line({ class: "cm-failed" }).range(from), widget.range(to)];
        });
      next = Decoration.set(decorations, true);
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Shows the marks of lines, which stay with their lines when one writes. */
export const lineMarks = [
  gutterMarks,
  failures,
  gutter({ class: "cm-gutter-ran", markers: (view) => view.state.field(gutterMarks) }),
  EditorView.theme({
    ".cm-gutter-ran": { width: "4px" },
    ".cm-gutter-ran .cm-gutterElement": { padding: "0" },
    ".cm-ran, .cm-not-ran": { display: "block", width: "3px", height: "100%" },
    ".cm-ran": { backgroundColor: "color-mix(in srgb, var(--good) 55%, transparent)" },
    ".cm-not-ran": {
      backgroundImage: "repeating-linear-gradient(var(--warn) 0 3px, transparent 3px 6px)",
    },
    ".cm-failed": { backgroundColor: "var(--bad-back)" },
    ".cm-failure": {
      marginLeft: "2ch",
      color: "var(--bad)",
      fontFamily: "var(--sans)",
      fontSize: "12.5px",
      whiteSpace: "pre",
    },
  }),
];

export function showMarks(view: EditorView, marks: LineMarks): void {
  view.dispatch({ effects: marked.of(marks) });
}
