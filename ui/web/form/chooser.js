// The two ways to a picture of one's own: a file that is chosen, or a drawing.

import { el } from "../drawing/dom.js";

/**
 * Open the browser's file chooser. This must happen during the click: browsers refuse it later.
 * @param {(file: File) => unknown} take
 */
export function choosePicture(take) {
  const chooser = el("input", { type: "file", accept: "image/*", hidden: true });
  chooser.addEventListener("change", () => chooser.files?.[0] && take(chooser.files[0]));
  for (const over of ["change", "cancel"]) chooser.addEventListener(over, () => chooser.remove());
  document.body.append(chooser); // Safari drops a chooser that is not in the document
  chooser.click();
}

/** Open the drawing pad. @param {(file: File) => unknown} take */
export const drawPicture = async (take) => (await import("./pad.js")).openPad(take);
