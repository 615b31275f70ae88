// Chooses the best 256 colours for a picture, as a GIF has at most 256.

/** @import { Picture } from "../pictures/resize.js" */

/**
 * A picture with a palette. colours: red, green and blue of each colour of the palette. pixels: for each pixel, the
 * number of its colour.
 * @typedef {{ colours: Uint8Array, pixels: Uint8Array }} Indexed
 */

const MOST = 256;
const LEVELS = 64; // number of grey levels; 64 look like 256, and files with noise are a third smaller
const GREYS = Uint8Array.from({ length: 3 * LEVELS }, (_, i) => levelOf(Math.floor(i / 3)));
const NEAREST = Uint8Array.from({ length: 256 }, (_, level) => Math.round((level * (LEVELS - 1)) / 255));
const BITS = 6; // if a picture has more than MOST colours, only this many bits of each channel tell colours apart
const BINS = 1 << (3 * BITS);

/**
 * Return a picture with its palette. A colour picture keeps its exact colours if they are at most MOST.
 * @param {Picture} picture of 1 or 3 channels @returns {Indexed}
 */
export function indexed({ channels, data }) {
  if (channels === 1) return { colours: GREYS, pixels: data.map((level) => NEAREST[level]) };
  return exactly(data) ?? nearly(data);
}

/** Return the grey value 0…255 of grey level i. @param {number} i 0…LEVELS − 1 */
function levelOf(i) {
  return Math.round((i * 255) / (LEVELS - 1));
}

/**
 * Return a picture with all its colours, or null if there are more than MOST colours.
 * @param {Uint8Array} data @returns {Indexed | null}
 */
function exactly(data) {
  /** @type {Map<number, number>} */
  const known = new Map();
  const pixels = new Uint8Array(data.length / 3);
  let [last, number] = [-1, 0];
  for (let i = 0, at = 0; at < data.length; i++, at += 3) {
    const colour = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    if (colour !== last) {
      number = known.get(colour) ?? known.size;
      if (number === MOST) return null;
      known.set(colour, number);
      last = colour;
    }
    pixels[i] = number;
  }
  return { colours: Uint8Array.from([...known.keys()].flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255])), pixels };
}

/** For each bin of similar colours: the number of its pixels, and the sum of these pixels' values in each channel. */
const bins = { pixels: new Uint32Array(BINS), sums: new Float64Array(3 * BINS) };
/** For each bin, the number of its colour in the palette. */
const numbers = new Uint8Array(BINS);

/** Return the number of the bin for a colour. @param {number} r @param {number} g @param {number} b */
const binOf = (r, g, b) => ((r >> (8 - BITS)) << (2 * BITS)) | ((g >> (8 - BITS)) << BITS) | (b >> (8 - BITS));

/**
 * Reduce a picture to at most MOST colours. A box is a set of bins that share a colour. The box with the largest error
 * is cut at its mean, until there are MOST boxes.
 * @param {Uint8Array} data red, green and blue of each pixel @returns {Indexed}
 */
function nearly(data) {
  bins.pixels.fill(0);
  bins.sums.fill(0);
  for (let at = 0; at < data.length; at += 3) {
    const bin = binOf(data[at], data[at + 1], data[at + 2]);
    bins.pixels[bin] += 1;
    for (let c = 0; c < 3; c++) bins.sums[3 * bin + c] += data[at + c];
  }
  const order = new Uint32Array(BINS);
  let n = 0;
  for (let bin = 0; bin < BINS; bin++) if (bins.pixels[bin]) order[n++] = bin;
  const boxes = [box(order, 0, n)];
  while (boxes.length < MOST) {
    const worst = boxes.reduce((one, other) => (other.error > one.error ? other : one));
    if (!worst.error) break;
    const middle = cut(order, worst);
    boxes.splice(boxes.indexOf(worst), 1, box(order, worst.start, middle), box(order, middle, worst.end));
  }
  for (const [i, { start, end }] of boxes.entries()) for (let k = start; k < end; k++) numbers[order[k]] = i;
  const pixels = new Uint8Array(data.length / 3);
  for (let i = 0, at = 0; at < data.length; i++, at += 3)
    pixels[i] = numbers[binOf(data[at], data[at + 1], data[at + 2])];
  return { colours: Uint8Array.from(boxes.flatMap(({ means }) => means.map(Math.round))), pixels };
}

/**
 * Return the box of the bins `order[start…end − 1]`. means: its mean colour. error: the sum of the squared distances
 * from this mean. channel: the channel with the largest part of the error.
 * @typedef {{ start: number, end: number, means: number[], error: number, channel: number }} Box
 * @param {Uint32Array} order @param {number} start @param {number} end @returns {Box}
 */
function box(order, start, end) {
  let pixels = 0;
  const [sums, squares] = [new Float64Array(3), new Float64Array(3)];
  for (let k = start; k < end; k++) {
    const bin = order[k];
    const count = bins.pixels[bin];
    pixels += count;
    for (let c = 0; c < 3; c++) {
      const sum = bins.sums[3 * bin + c];
      sums[c] += sum;
      squares[c] += (sum * sum) / count;
    }
  }
  const errors = end - start > 1 ? Array.from(squares, (square, c) => square - sums[c] ** 2 / pixels) : [0, 0, 0];
  const channel = errors.indexOf(Math.max(...errors));
  const error = errors.reduce((sum, one) => sum + one, 0);
  return { start, end, means: Array.from(sums, (sum) => sum / pixels), error: Math.max(0, error), channel };
}

/**
 * Sort the bins of a box in place: first the bins up to the box's mean, then the bins above. Return the index in
 * `order` of the first bin above.
 * @param {Uint32Array} order @param {Box} box
 */
function cut(order, { start, end, means, channel }) {
  let [low, high] = [start, end - 1];
  while (low <= high) {
    const bin = order[low];
    if (bins.sums[3 * bin + channel] / bins.pixels[bin] <= means[channel]) low += 1;
    else {
      order[low] = order[high];
      order[high--] = bin;
    }
  }
  return Math.min(Math.max(low, start + 1), end - 1);
}
