// Pictures made smaller and larger as Pillow does it, digit for digit (its Resample.c and Reduce.c): weights of 22 binary
// digits, first across and then down, with whole levels in between.

/** @typedef {import("../messages/protocol.d.ts").Picture} Picture */
/** @typedef {[left: number, top: number, right: number, bottom: number]} Box */
/** @typedef {"bicubic" | "lanczos"} Filter */

const ONE = 2 ** 22; // the weight 1

/** @param {number} x */
const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** How far each filter reaches, and its weight at a distance x from the centre. */
const FILTERS = {
  bicubic: {
    reach: 2,
    weight(/** @type {number} */ x) {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
    },
  },
  lanczos: { reach: 3, weight: (/** @type {number} */ x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * The weights of each new pixel along one axis, and the first old pixel that they are of.
 * @param {number} length of the axis @param {number} from @param {number} to the part of it that is taken
 * @param {number} n new pixels @param {Filter} filter
 */
function weightsOf(length, from, to, n, filter) {
  const { reach, weight } = FILTERS[filter];
  const [left, scale] = [Math.fround(from), Math.fround(Math.fround(to) - Math.fround(from)) / n];
  const wide = Math.max(1, scale);
  return Array.from({ length: n }, (_, i) => {
    const centre = left + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach * wide + 0.5));
    const end = Math.min(length, Math.trunc(centre + reach * wide + 0.5));
    const own = Array.from({ length: end - first }, (_, j) => weight((j + first - centre + 0.5) * (1 / wide)));
    const sum = own.reduce((a, b) => a + b, 0);
    return { first, weights: own.map((one) => Math.trunc((one / sum) * ONE + (one / sum < 0 ? -0.5 : 0.5))) };
  });
}

/** One axis of a picture. @param {Picture} picture @param {ReturnType<typeof weightsOf>} found @param {boolean} across @returns {Picture} */
function along({ width, height, channels, data }, found, across) {
  const size = across ? { width: found.length, height } : { width, height: found.length };
  const out = new Uint8ClampedArray(size.width * size.height * channels);
  const step = across ? channels : width * channels; // from a pixel to the next one of the axis
  const run = across ? channels : width * channels; // values that have the same weights
  for (const [i, { first, weights }] of found.entries())
    for (let line = 0; line < (across ? height : 1); line++) {
      const from = line * width * channels + first * step;
      const to = across ? (line * size.width + i) * channels : i * run;
      for (let at = 0; at < run; at++) {
        let sum = ONE / 2;
        for (let j = 0; j < weights.length; j++) sum += data[from + at + j * step] * weights[j];
        out[to + at] = Math.floor(sum / ONE);
      }
    }
  return { ...size, channels, data: new Uint8Array(out.buffer) };
}

/** The pixel of an axis that is nearest to each new one. @param {number} from @param {number} to the part that is taken @param {number} n new pixels */
function nearestOf(from, to, n) {
  const step = (to - from) / n;
  let at = from + step / 2; // added up, as in C: at the edge of two pixels the last digit decides
  return Array.from({ length: n }, () => {
    const found = Math.floor(at);
    at += step;
    return found;
  });
}

/** @param {Picture} picture @param {number} width @param {number} height @param {Box} box @returns {Picture} */
function nearest({ width: wide, channels, data }, width, height, [left, top, right, bottom]) {
  const columns = nearestOf(left, right, width);
  const lines = nearestOf(top, bottom, height).flatMap((row) =>
    columns.flatMap((column) => [
      ...data.subarray((row * wide + column) * channels, (row * wide + column + 1) * channels),
    ]),
  );
  return { width, height, channels, data: Uint8Array.from(lines) };
}

/**
 * A part of a picture in another size, as `Image.resize` of Pillow.
 * @param {Picture} picture @param {number} width @param {number} height @param {Filter | "nearest"} filter @param {Box} [box]
 */
export function resized(picture, width, height, filter, box = [0, 0, picture.width, picture.height]) {
  if (filter === "nearest") return nearest(picture, width, height, box);
  const [left, top, right, bottom] = box;
  const across = left || right !== picture.width || width !== picture.width;
  const down = top || bottom !== picture.height || height !== picture.height;
  if (!across && !down) return picture;
  let out = premultiplied(picture);
  if (across) out = along(out, weightsOf(out.width, left, right, width, filter), true);
  if (down) out = along(out, weightsOf(out.height, top, bottom, height, filter), false);
  return straight(out);
}

/**
 * Means of blocks, as `Image.reduce` of Pillow; blocks at the right and the lower edge may be smaller.
 * @param {Picture} picture @param {number} across pixels of a block @param {number} down @returns {Picture}
 */
export function reduced(picture, across, down) {
  if (across === 1 && down === 1) return picture;
  const { width, height, channels, data } = premultiplied(picture);
  const size = { width: Math.ceil(width / across), height: Math.ceil(height / down) };
  const out = new Uint8Array(size.width * size.height * channels);
  for (let y = 0, to = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++) {
      const [right, bottom] = [Math.min(width, (x + 1) * across), Math.min(height, (y + 1) * down)];
      const n = (right - x * across) * (bottom - y * down);
      const share = Math.trunc(Math.fround(2 ** 24 / n)); // of 2²⁴
      for (let c = 0; c < channels; c++, to++) {
        let sum = n >> 1;
        for (let row = y * down; row < bottom; row++)
          for (
            let at = (row * width + x * across) * channels + c;
            at < (row * width + right) * channels;
            at += channels
          )
            sum += data[at];
        out[to] = Math.floor((sum * share) / 2 ** 24);
      }
    }
  return straight({ ...size, channels, data: out });
}

/** x / 255 of a product of two levels, rounded. @param {number} x */
const over255 = (x) => (((x + 128) >> 8) + x + 128) >> 8;

/** A picture whose colours are times their alpha, where it has any: so they are mixed. @param {Picture} picture @returns {Picture} */
function premultiplied(picture) {
  const { channels, data } = picture;
  if (channels % 2) return picture;
  const out = data.slice();
  for (let alpha = channels - 1; alpha < out.length; alpha += channels)
    if (out[alpha] < 255) for (let i = alpha - channels + 1; i < alpha; i++) out[i] = over255(out[i] * out[alpha]);
  return { ...picture, data: out };
}

/** What `premultiplied` was made of, as far as it can be told. @param {Picture} picture @returns {Picture} */
function straight(picture) {
  const { channels, data } = picture;
  if (channels % 2) return picture;
  const out = data.slice();
  for (let alpha = channels - 1; alpha < out.length; alpha += channels)
    if (out[alpha] % 255)
      for (let i = alpha - channels + 1; i < alpha; i++)
        out[i] = Math.min(255, Math.floor((255 * out[i]) / out[alpha]));
  return { ...picture, data: out };
}
