// Choose the pictures of a run that are kept and shown, as ui/pictures/encoded.py does.

import { round } from "../process/floats.js";
import { LOSSLESS } from "./facts.js";

const FRAME_BYTES = 18e6; // largest total size of a run's frames, in bytes

/** Estimate the size of an encoded picture. BMP takes 3 bytes per pixel, JPEG 0.9 per pixel, and PNG 1.05 per value. @param {number} size @param {number} channels */
function bytes(size, channels) {
  if (channels === 2 || channels === 4) return size ** 2 * 1.05 * channels + 300;
  return size <= LOSSLESS ? size ** 2 * 3 + 300 : size ** 2 * 0.9 + 750;
}

/**
 * Return the indices of the steps whose frames are kept: all steps, or as many as fit into FRAME_BYTES, and at most
 * `most`. Kept steps are evenly spaced, with the first and the last step.
 * @param {number} steps @param {number} size @param {number} count pictures in a frame, in all lanes together
 * @param {number} channels @param {number} [most]
 */
export function keptSteps(steps, size, count, channels, most = 1e6) {
  return fitting(steps, 2 * count * bytes(size, channels), most);
}

/**
 * Return the indices of the steps that are kept, for a known size of a frame.
 * @param {number} steps
 * @param {number} frame bytes of the frame of a step
 * @param {number} [most]
 */
export function fitting(steps, frame, most = 1e6) {
  return new Set(thin([...Array(steps).keys()], Math.max(2, Math.min(most, Math.floor(FRAME_BYTES / frame)))));
}

/** Return at most `most` frames, evenly spaced, always with the last one. @template T @param {T[]} frames @param {number} most @returns {T[]} */
export function thin(frames, most) {
  const last = frames.length - 1;
  const n = Math.min(frames.length, most);
  const at = Array.from({ length: n }, (_, i) =>
    i && i === n - 1 ? 0 : round(last + (n > 1 ? i * (-last / (n - 1)) : 0)),
  );
  return at.reverse().map((i) => frames[i]);
}
