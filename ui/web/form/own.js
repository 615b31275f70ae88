// The control with which a visitor gives a picture: as a file, by dropping one, or by drawing.

import { button, el } from "../drawing/dom.js";
import { SOURCE } from "../words/source.js";
import { drawPicture } from "./chooser.js";

/**
 * Return the controls of a picture of one's own. root: on which a file may be dropped.
 * @param {HTMLElement} root @param {(file: File) => unknown} take
 */
export function ownPicture(root, take) {
  const input = el("input", { type: "file", accept: "image/*", "aria-label": SOURCE.open });
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) take(file);
    input.value = ""; // choosing the same file again must raise an event
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer?.files ?? [];
    if (file) take(file);
  });
  const upload = el("label", { class: "button upload" }, input, el("span", null, SOURCE.open));
  return el(
    "div",
    { class: "row ways" },
    upload,
    button({ class: "button" }, () => drawPicture(take), SOURCE.draw),
  );
}
