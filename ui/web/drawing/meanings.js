// An expandable line that explains the symbols of a part.

import { EVERYWHERE, MEANINGS, TITLE } from "../words/meanings.js";
import { el } from "./dom.js";

/** Create an expandable line with the meanings of these symbols, and of the symbols that every part explains. @param {...keyof typeof MEANINGS} names */
export function meanings(...names) {
  const rows = [...EVERYWHERE, ...names].flatMap((name) => [el("dt", null, name), el("dd", null, MEANINGS[name])]);
  return el("details", { class: "legend" }, el("summary", null, TITLE), el("dl", null, ...rows));
}
