// Lets the visitor choose a picture file, or draw a picture.

import { el } from "../drawing/dom.js";

/** @import { Page } from "../app.js" */

/**
 * Open the browser's file chooser. Call this during a click, because browsers refuse it later.
 * @param {(file: File) => unknown} take gets the file
 */
export function choosePicture(take) {
  const chooser = el("input", { type: "file", accept: "image/*", hidden: true });
  chooser.addEventListener("change", () => chooser.files?.[0] && take(chooser.files[0]));
  for (const over of ["change", "cancel"]) chooser.addEventListener(over, () => chooser.remove());
  document.body.append(chooser); // Safari drops a chooser that is not in the document
  chooser.click();
}

/** Open the drawing pad. @param {Page} page @param {(file: File) => unknown} take gets the drawing */
export const drawPicture = async (page, take) => (await page.loaded(import("./pad.js")))?.openPad(take);
