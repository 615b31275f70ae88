// The two ways to a picture of one's own: a file that is chosen, or a drawing.

import { el } from "../drawing/dom.js";

/** Open the browser's chooser of files: at once, as browsers allow it only then. @param {(file: File) => unknown} take */
export function choosePicture(take) {
  const chooser = el("input", { type: "file", accept: "image/*", hidden: true });
  chooser.addEventListener("change", () => chooser.files?.[0] && take(chooser.files[0]));
  for (const over of ["change", "cancel"]) chooser.addEventListener(over, () => chooser.remove());
  document.body.append(chooser); // Safari forgets one that is nowhere
  chooser.click();
}

/** Open the drawing pad. @param {(file: File) => unknown} take */
export const drawPicture = async (take) => (await import("./pad.js")).openPad(take);
