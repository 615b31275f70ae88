// The parts of the page in the worker: Python's parts, whose computations are computed here. Those that the first page does
// not need, and what Python has written for them, are loaded when they are asked for.
import { once } from "../lab.js";
import { ValueError } from "../python.js";
import { sampling } from "./sampling.js";

/** @import { Lab } from "../lab.js" */
/** @typedef {any} Part describe, request, and `questions`; `before` gets ready what Python's code wants at once */

/** @param {string} sentence @returns {Part} a part that says why it computes nothing here */
function absent(sentence) {
  const refuse = () => {
    throw new ValueError(sentence);
  };
  return { describe: refuse, request: refuse, questions: { look: refuse, start: refuse } };
}

/** @param {Lab} lab @returns {(name: string) => Promise<Part>} */
export function parts(lab) {
  const { installed } = lab.knowledge.answers;
  const watch = once(async () => sampling(lab));
  const more = (/** @type {() => Promise<(lab: Lab) => Part>} */ load) =>
    once(async () => {
      await lab.more();
      return (await load())(lab);
    });
  /** @type {Record<string, () => Promise<Part>>} */
  const makers = {
    ...{ watch, compare: watch, grid: watch },
    latents: more(async () => (await import("./latents.js")).latents),
    repair: more(async () => (await import("./repair.js")).repair),
    between: more(async () => (await import("./between.js")).between),
    plane: more(async () => (await import("./plane.js")).plane),
    forward: more(async () => (await import("./forward.js")).forward),
    likelihood: async () => absent(installed.likelihood),
    train: async () => absent(installed.train),
    course: async () => ({ questions: { cards: () => lab.json("cards.json") } }),
  };
  return (name) => makers[name]();
}
