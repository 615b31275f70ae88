// The control with which a visitor chooses or drops a picture file, or draws a picture.

import { button, el } from "../drawing/dom.js";
import { SOURCE } from "../words/source.js";
import { drawPicture } from "./chooser.js";

/** @import { Page } from "../app.js" */

/**
 * Make the buttons for a visitor's own picture.
 * @param {Page} page @param {HTMLElement} root the element on which a file may be dropped @param {(file: File) => unknown} take gets the picture
 */
export function ownPicture(page, root, take) {
  const input = el("input", { type: "file", accept: "image/*", "aria-label": SOURCE.open });
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) take(file);
    input.value = ""; // otherwise choosing the same file again would raise no event
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
    button({ class: "button" }, () => drawPicture(page, take), SOURCE.draw),
  );
}
