// Moves and resizes squares of a picture. All lengths of a square are in units of the picture's shorter side.

/** @typedef {{ left: number, top: number, side: number }} Square */

/**
 * Return the square inside the picture that is nearest to the wanted square.
 * @param {Square} wanted
 * @param {number} width pixels of the picture
 * @param {number} height
 * @returns {Square}
 */
export function inside({ left, top, side }, width, height) {
  const short = Math.min(width, height);
  const s = Math.min(1, Math.max(0.05, side));
  /** @param {number} v @param {number} length */
  const clamp = (v, length) => Math.min(Math.max(0, v), Math.max(0, length / short - s));
  return { left: clamp(left, width), top: clamp(top, height), side: s };
}

/**
 * Return the largest square, in the middle of the picture.
 * @param {number} width
 * @param {number} height
 * @returns {Square}
 */
export function middle(width, height) {
  const short = Math.min(width, height);
  return { left: (width / short - 1) / 2, top: (height / short - 1) / 2, side: 1 };
}

/**
 * Return a square of another size around the same centre, moved inside the picture.
 * @param {Square} square
 * @param {number} side
 * @param {number} width
 * @param {number} height
 */
export function resized({ left, top, side: before }, side, width, height) {
  const by = (before - side) / 2;
  return inside({ left: left + by, top: top + by, side }, width, height);
}
