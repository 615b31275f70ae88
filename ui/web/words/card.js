// The words of the card to save or share.

import { at, NOISE_NAME } from "./figures.js";

export const CARD = {
  title: "How noise becomes a picture",
  t: NOISE_NAME,
  at,
  ends: /** @type {[string, string]} */ (["a little", "nothing else"]),
  first: (/** @type {"ours" | "reader" | "link"} */ whose) =>
    whose === "reader" ? "I drowned my drawing in noise." : "A digit drowned in noise.",
  draws: "A network looks for a picture in it…",
  second: (/** @type {boolean} */ alike) =>
    alike ? "A neural network brought it back." : "A neural network found this in it.",
  address: (/** @type {string} */ address) => `Try it with your own: ${address}`,
  local: "Made with DDPM Lab.",
  name: (/** @type {string} */ text) => `A card: the picture, four steps on the way, and a new picture. ${text}`,
  file: "noise-becomes-a-picture.png",
  save: "Save the card",
  saved: "Saved.",
  copy: "Copy a link",
  copied: "Copied. Whoever opens the link gets this picture.",
  share: "Share",
  other: "Other noise",
};
