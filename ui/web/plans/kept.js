// Which pictures of a run are kept and shown, as in ui/pictures/encoded.py.

import { round } from "../process/floats.js";
import { LOSSLESS } from "./facts.js";

const FRAME_BYTES = 18e6; // bytes that the frames of one run may take on the network

/** About how many bytes a picture takes: 3 per pixel as BMP, 0.9 per pixel as JPEG, 1.05 per number as PNG. @param {number} size @param {number} channels */
function bytes(size, channels) {
  if (channels === 2 || channels === 4) return size ** 2 * 1.05 * channels + 300;
  return size <= LOSSLESS ? size ** 2 * 3 + 300 : size ** 2 * 0.9 + 750;
}

/**
 * The indices of the steps whose frames are kept: all, or if there are too many, as many as fit into FRAME_BYTES and at most
 * `most`. They are evenly spaced, and the first and the last step are among them.
 * @param {number} steps @param {number} size @param {number} count pictures in a frame, those of other lanes included
 * @param {number} channels @param {number} [most]
 */
export function keptSteps(steps, size, count, channels, most = 1e6) {
  return fitting(steps, 2 * count * bytes(size, channels), most);
}

/**
 * Choose how many steps are kept when the size of a frame is known.
 * @param {number} steps
 * @param {number} frame bytes of the frame of a step
 * @param {number} [most]
 */
export function fitting(steps, frame, most = 1e6) {
  return new Set(thin([...Array(steps).keys()], Math.max(2, Math.min(most, Math.floor(FRAME_BYTES / frame)))));
}

/** Choose at most `most` frames, evenly spaced, always with the last one. @template T @param {T[]} frames @param {number} most @returns {T[]} */
export function thin(frames, most) {
  const last = frames.length - 1;
  const n = Math.min(frames.length, most);
  const at = Array.from({ length: n }, (_, i) =>
    i && i === n - 1 ? 0 : round(last + (n > 1 ? i * (-last / (n - 1)) : 0)),
  );
  return at.reverse().map((i) => frames[i]);
}
