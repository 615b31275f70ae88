// Arithmetic on float32 arrays that rounds each operation as PyTorch does, and pictures with 256 levels.

const f32 = Math.fround;

/** @typedef {[weight: number, array: Float32Array]} Term */

/**
 * Return the sum of coefficients × arrays, added from the left. The coefficients are float64, and are rounded to float32 once.
 * @param {Term} term @param {Term[]} rest
 */
export function combine(term, ...rest) {
  const first = f32(term[0]);
  const sum = term[1].map((value) => first * value);
  for (const [weight, array] of rest) {
    const rounded = f32(weight);
    for (let i = 0; i < sum.length; i++) sum[i] += f32(rounded * array[i]);
  }
  return sum;
}

/** Return a − b. @param {Float32Array} a @param {Float32Array} b */
export const minus = (a, b) => a.map((value, i) => value - b[i]);

/** Return a / divisor. @param {Float32Array} a @param {number} divisor is rounded to float32 */
export function over(a, divisor) {
  const rounded = f32(divisor);
  return a.map((value) => value / rounded);
}

/** Limit each value to [−1, 1]. @param {Float32Array} a */
export const clamp = (a) => a.map((value) => Math.min(Math.max(value, -1), 1));

/** Return the nearest whole number; a half goes to the even neighbour. @param {number} value */
export function round(value) {
  const near = Math.floor(value + 0.5);
  return near - value === 0.5 && near % 2 ? near - 1 : near;
}

/**
 * Convert an image in [−1, 1] with the channels outermost to levels 0 to 255 with the channels innermost.
 * @param {Float32Array} x @param {number} channels
 */
export function toUint8(x, channels) {
  const pixels = x.length / channels;
  const levels = clamp(x).map((value) => round(f32(f32(value + 1) * 127.5)));
  return Uint8Array.from(levels, (_, i) => levels[(i % channels) * pixels + Math.floor(i / channels)]);
}

/** Convert levels to an image, the inverse of `toUint8`. @param {Uint8Array} levels @param {number} channels */
export function fromUint8(levels, channels) {
  const pixels = levels.length / channels;
  return Float32Array.from(levels, (_, i) => f32(levels[(i % pixels) * channels + Math.floor(i / pixels)] / 127.5) - 1);
}

/** Join rows of equal length into one array. @param {Float32Array[]} rows */
export function flat(rows) {
  const whole = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
  for (const [i, row] of rows.entries()) whole.set(row, i * row.length);
  return whole;
}
