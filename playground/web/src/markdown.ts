// A little Markdown, as the help on functions uses it, as elements: paragraphs, lists, code.

import { el } from "./dom";

export function markdown(text: string): HTMLElement {
  const all = el("div", { class: "help" });
  let list: HTMLElement | null = null;
  let code: string[] | null = null;
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) {
      if (code) all.append(el("pre", {}, code.join("\n")));
      code = code ? null : [];
      list = null;
    } else if (code) {
      code.push(line);
    } else if (line.startsWith("* ") || line.startsWith("- ")) {
      if (!list) all.append((list = el("ul")));
      list.append(el("li", {}, ...inline(line.slice(2))));
    } else if (line.trim() !== "") {
      list = null;
      all.append(el("p", {}, ...inline(line.replace(/^#+ /, ""))));
    }
  }
  if (code?.length) all.append(el("pre", {}, code.join("\n")));
  return all;
}

function inline(text: string): (Node | string)[] {
  return text
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .split(/(`[^`]+`)/)
    .filter((part) => part !== "")
    .map((part) =>
      part.startsWith("`") && part.endsWith("`") && part.length > 2 ? el("code", {}, part.slice(1, -1)) : part,
    );
}
