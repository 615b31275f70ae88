// Resizes pictures with exactly the results of Pillow (its Resample.c and Reduce.c): first across, then down, with
// weights of 22 bits. Levels are rounded in between.

/** @typedef {import("../messages/protocol.d.ts").Picture} Picture */
/** @typedef {[left: number, top: number, right: number, bottom: number]} Box */
/** @typedef {"bicubic" | "lanczos"} Filter */

const ONE = 2 ** 22; // the integer that stands for the weight 1

/** Return sin(πx) / πx. @param {number} x */
const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** The reach of each filter, and its weight at a distance x from the centre, in pixels. */
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
 * Return for each new pixel along an axis the weights of the old pixels, and the index of the first of these old
 * pixels.
 * @param {number} length old pixels of the axis @param {number} from begin of the used part @param {number} to its end
 * @param {number} n number of new pixels @param {Filter} filter
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

/**
 * Resize a picture along one axis.
 * @param {Picture} picture @param {ReturnType<typeof weightsOf>} found weights for each new pixel
 * @param {boolean} across whether the axis is horizontal @returns {Picture}
 */
function along({ width, height, channels, data }, found, across) {
  const size = across ? { width: found.length, height } : { width, height: found.length };
  const out = new Uint8ClampedArray(size.width * size.height * channels);
  const step = across ? channels : width * channels; // distance in `data` between neighbours along the axis
  const run = across ? channels : width * channels; // number of consecutive values in `data` with the same weights
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

/**
 * Return for each new pixel of an axis the index of the nearest old pixel.
 * @param {number} from begin of the used part @param {number} to its end @param {number} n number of new pixels
 */
function nearestOf(from, to, n) {
  const step = (to - from) / n;
  let at = from + step / 2; // sums up the steps as Pillow does: at the edge of two pixels, rounding decides which pixel is nearest
  return Array.from({ length: n }, () => {
    const found = Math.floor(at);
    at += step;
    return found;
  });
}

/** Resize a part of a picture by taking the nearest pixels. @param {Picture} picture @param {number} width @param {number} height @param {Box} box the part @returns {Picture} */
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
 * Resize a part of a picture, as Pillow's `Image.resize` does.
 * @param {Picture} picture @param {number} width @param {number} height @param {Filter | "nearest"} filter
 * @param {Box} [box] the part; by default the whole picture
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
 * Return a picture whose pixels are the means of blocks, as Pillow's `Image.reduce` does. The last block of a row or
 * column may be smaller.
 * @param {Picture} picture @param {number} across width of a block, pixels @param {number} down height
 * @returns {Picture}
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
      const share = Math.trunc(Math.fround(2 ** 24 / n)); // 1 / n in units of 2⁻²⁴, as Pillow rounds it
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

/** Return x / 255, rounded. @param {number} x product of two levels */
const over255 = (x) => (((x + 128) >> 8) + x + 128) >> 8;

/**
 * Multiply the colours of a picture by its alpha, if it has alpha. This must happen before colours are averaged.
 * @param {Picture} picture @returns {Picture}
 */
function premultiplied(picture) {
  const { channels, data } = picture;
  if (channels % 2) return picture;
  const out = data.slice();
  for (let alpha = channels - 1; alpha < out.length; alpha += channels)
    if (out[alpha] < 255) for (let i = alpha - channels + 1; i < alpha; i++) out[i] = over255(out[i] * out[alpha]);
  return { ...picture, data: out };
}

/**
 * Divide the colours of a picture by its alpha. This is the inverse of `premultiplied`, up to rounding.
 * @param {Picture} picture @returns {Picture}
 */
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
