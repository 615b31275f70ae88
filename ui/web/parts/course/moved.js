// The essay's address, and the replacements of cards that only earlier versions had. The addresses of these cards must
// still work.

/** For each removed card, its replacement: a section of the essay, another card or a lesson. @type {Record<string, { section?: string, card?: string, lesson?: string }>} */
export const MOVED = {
  why: { section: "draw" },
  forward: { section: "destroy" },
  reverse: { section: "jump" },
  shapes: { lesson: "noising" },
  loss: { section: "guess" },
  predict: { section: "same" },
  variance: { section: "step" },
  slow: { card: "solvers" },
  student: { section: "few" },
  "one-path": { section: "same" },
  words: { section: "words" },
};

/** Return the address of a section of the essay; "" if index.html has no link to the essay. @param {string} section */
export function essayAt(section) {
  const link = document.querySelector("#essay");
  return link instanceof HTMLAnchorElement ? `${link.href}#${section}` : "";
}
