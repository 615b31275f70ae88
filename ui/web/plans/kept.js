// Which pictures of a run are kept and shown, as in ui/pictures/encoded.py.

import { round } from "../process/floats.js";
import { LOSSLESS } from "./facts.js";

const FRAME_BYTES = 18e6; // of the frames of one run on their way to the page

/** A picture's bytes, about: 3 a pixel as BMP, .9 as JPEG, 1.05 a number as PNG. @param {number} size @param {number} channels */
function bytes(size, channels) {
  if (channels === 2 || channels === 4) return size ** 2 * 1.05 * channels + 300;
  return size <= LOSSLESS ? size ** 2 * 3 + 300 : size ** 2 * 0.9 + 750;
}

/**
 * The step indices whose frames are kept: all, or as many as fit into FRAME_BYTES, at most `most`, evenly spaced, with both
 * ends.
 * @param {number} steps @param {number} size @param {number} count pictures in a frame, those of other lanes included
 * @param {number} channels @param {number} [most]
 */
export function keptSteps(steps, size, count, channels, most = 1e6) {
  return fitting(steps, 2 * count * bytes(size, channels), most);
}

/** The same, where a step's frame has so many bytes. @param {number} steps @param {number} frame @param {number} [most] */
export function fitting(steps, frame, most = 1e6) {
  return new Set(thin([...Array(steps).keys()], Math.max(2, Math.min(most, Math.floor(FRAME_BYTES / frame)))));
}

/** At most so many of the frames, evenly, always with the last one. @template T @param {T[]} frames @param {number} most @returns {T[]} */
export function thin(frames, most) {
  const last = frames.length - 1;
  const n = Math.min(frames.length, most);
  const at = Array.from({ length: n }, (_, i) =>
    i && i === n - 1 ? 0 : round(last + (n > 1 ? i * (-last / (n - 1)) : 0)),
  );
  return at.reverse().map((i) => frames[i]);
}
