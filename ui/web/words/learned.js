// The words of the figure that learns to draw digits.

const amount = (/** @type {number} */ count) => count.toLocaleString("en");

export const LEARNED = {
  n: "after",
  ends: /** @type {[string, string]} */ (["the beginning", "the end"]),
  at: (/** @type {number} */ images) => `${amount(images)} pictures`,
  samples: "Twenty digits that the network draws at this moment",
  loss: "How wrong its guesses are:",
  recorded: "This is a recorded training.",
  train: "Train one here, now",
  stop: "Stop",
  again: "Train another one",
  begins: "Loading 3,000 digits…",
  learns: (/** @type {number} */ images, /** @type {number} */ left) =>
    `It has seen ${amount(images)} pictures. About ${Math.ceil(left)} s are left.`,
  over: (/** @type {number} */ images, /** @type {boolean} */ stopped) =>
    `${stopped ? "Stopped" : "Finished"} after ${amount(images)} pictures. It learned this in your browser.`,
  compare: "Are they copies?",
  similar: "The most similar digits that it has seen:",
  unreachable: "The recorded training could not be loaded. Load the page again.",
};
