// Where the essay is, and where visitors find what cards of earlier versions said: people have their addresses.

/** Of cards that are gone: the essay's section, the card or the lesson that says it. @type {Record<string, { section?: string, card?: string, lesson?: string }>} */
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

/** The address of a section of the essay, which index.html links; "" where there is no essay. @param {string} section */
export function essayAt(section) {
  const link = document.querySelector("#essay");
  return link instanceof HTMLAnchorElement ? `${link.href}#${section}` : "";
}
