// What an editor shows of Rhai, and of tables of prompts and phrases.

import {
  HighlightStyle,
  StreamLanguage,
  type StringStream,
  foldService,
  syntaxHighlighting,
} from "@codemirror/language";
import { tags } from "@lezer/highlight";

const KEYWORDS = new Set(
  (
    "let const if else switch while loop do until for in break continue return throw try catch fn private import export " +
    "as this global"
  ).split(" "),
);
const OTHERS = new Set(["Fn", "call", "curry", "is_def_var", "is_def_fn", "type_of", "print", "debug", "eval"]);

interface State {
  /** How deep comments are nested. */
  comment: number;
  /** The texts in backticks around this place, each with the braces that are open in its `${}`. */
  texts: number[];
  inText: boolean;
}

function token(stream: StringStream, state: State): string | null {
  if (state.comment > 0) {
    while (!stream.eol()) {
      if (stream.match("*/")) {
        state.comment--;
        if (state.comment === 0) break;
      } else if (stream.match("/*")) state.comment++;
      else stream.next();
    }
    return "comment";
  }
  if (state.inText) {
    while (!stream.eol()) {
      if (stream.match("${")) {
        state.inText = false;
        state.texts.push(0);
        return "string";
      }
      if (stream.next() === "`") {
        state.inText = false;
        return "string";
      }
    }
    return "string";
  }
  if (stream.eatSpace()) return null;
  if (stream.sol() && stream.match("#!")) {
    stream.skipToEnd();
    return "comment";
  }
  if (stream.match("//")) {
    stream.skipToEnd();
    return "comment";
  }
  if (stream.match("/*")) {
    state.comment = 1;
    return "comment";
  }
  if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return "string";
  if (stream.match(/^'(?:[^'\\]|\\.)+'/)) return "string";
  if (stream.eat("`")) {
    state.inText = true;
    return "string";
  }
  if (stream.match(/^(?:0x[\da-f_]+|0o[0-7_]+|0b[01_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:e[+-]?\d+)?)/i)) return "number";
  const word = stream.match(/^[A-Za-z_]\w*/);
  if (word && typeof word !== "boolean") {
    const name = word[0];
    if (name === "true" || name === "false") return "bool";
    if (KEYWORDS.has(name)) return "keyword";
    if (stream.match(/^\s*\(/, false)) return OTHERS.has(name) ? "keyword" : "function";
    if (stream.match(/^\s*:(?!:)/, false)) return "propertyName";
    return "variableName";
  }
  const letter = stream.next();
  if (state.texts.length > 0) {
    const top = state.texts.length - 1;
    if (letter === "{") state.texts[top]!++;
    if (letter === "}" && state.texts[top]!-- === 0) {
      state.texts.pop();
      state.inText = true;
      return "string";
    }
  }
  return letter && /[-+*/%=<>!&|?^~.:]/.test(letter) ? "operator" : "punctuation";
}

export const rhai = StreamLanguage.define<State>({
  name: "rhai",
  startState: () => ({ comment: 0, texts: [], inText: false }),
  copyState: (state) => ({ ...state, texts: [...state.texts] }),
  token,
  languageData: {
    commentTokens: { line: "//", block: { open: "/*", close: "*/" } },
    closeBrackets: { brackets: ["(", "[", "{", '"', "`"] },
  },
  tokenTable: { function: tags.function(tags.variableName) },
});

/** A table: `name: words`, `[language]`, and comments after `;`. */
export const table = StreamLanguage.define<{ words: boolean }>({
  name: "table",
  startState: () => ({ words: false }),
  token(stream, state) {
    if (stream.sol()) {
      state.words = false;
      if (stream.match(/^\s*;/) || stream.match(/^\s*#/)) {
        stream.skipToEnd();
        return "comment";
      }
      if (stream.match(/^\s*\[.*/)) return "keyword";
      if (stream.match(/^[^:]+(?=:)/)) return "propertyName";
    }
    if (!state.words && stream.eat(":")) {
      state.words = true;
      return "punctuation";
    }
    if (stream.match(/^\{\w*\}/)) return "number";
    stream.next();
    return null;
  },
  languageData: { commentTokens: { line: ";" } },
});

/** What can be folded: what is indented below a line; in a table, a language. */
export const folding = foldService.of((state, start) => {
  const { doc } = state;
  const line = doc.lineAt(start);
  const depth = (text: string) => (/^\s*$/.test(text) ? Infinity : text.search(/\S/));
  const isHeading = (text: string) => /^\s*\[[^\]]*\]\s*$/.test(text);
  const own = depth(line.text);
  const isIn = isHeading(line.text) ? (text: string) => !isHeading(text) : (text: string) => depth(text) > own;
  let end = line.to;
  for (let number = line.number + 1; number <= doc.lines; number++) {
    const { text, to } = doc.line(number);
    if (!isIn(text)) break;
    if (text.trim() !== "") end = to;
  }
  return own < Infinity && end > line.to ? { from: line.to, to: end } : null;
});

export const highlighting = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.keyword, color: "var(--code-keyword)" },
    { tag: tags.bool, color: "var(--code-number)" },
    { tag: tags.number, color: "var(--code-number)" },
    { tag: tags.string, color: "var(--code-string)" },
    { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
    { tag: tags.function(tags.variableName), color: "var(--code-function)" },
    { tag: tags.propertyName, color: "var(--code-property)" },
  ]),
);
