// What goes wrong, in the reader's language where the catalogue has words for it, else in English.

import { h } from "./dom.js";
import { here, t } from "./text.js";

/** A problem as a text, or as an element that says in which language it is. */
export function said(problem) {
  const key = `problem.${problem.code}`;
  if (here().has(key)) return t(key, problem.values ?? {});
  return h("span", { lang: "en" }, problem.sentence || problem.message || String(problem.code));
}

/** The same as a text alone. */
export function saidText(problem) {
  const words = said(problem);
  return typeof words === "string" ? words : words.textContent;
}
