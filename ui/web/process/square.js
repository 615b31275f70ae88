// The square that blends four texts: its cells, the order in which they are computed, and the condition at each place.
// A place has two coordinates from 0 to 1, to the right and down.

export const SIDE = 7; // cells on each side

/**
 * The cells in the order of computing, in stages: first the corners, then the cells half-way between the corners, then
 * row by row all others.
 * @type {number[][]}
 */
export const STAGES = stages();
export const CELLS = STAGES.flat();

/** Return the cells of each stage, without the cells of earlier stages. */
function stages() {
  const places = Array.from({ length: SIDE }, (_, i) => i);
  const crossed = (/** @type {number[]} */ at) => at.flatMap((row) => at.map((column) => SIDE * row + column));
  const all = [
    crossed([0, SIDE - 1]),
    crossed([0, (SIDE - 1) / 2, SIDE - 1]),
    ...places.map((row) => places.map((column) => SIDE * row + column)),
  ];
  return all.map((stage, i) => stage.filter((cell) => !all.slice(0, i).flat().includes(cell)));
}

/** Return the place of a cell. @param {number} cell @returns {[right: number, down: number]} */
export const placeOf = (cell) => [(cell % SIDE) / (SIDE - 1), Math.floor(cell / SIDE) / (SIDE - 1)];

/** Return the bilinear weights of the four corners at a place. @param {number} right @param {number} down */
export const sharesAt = (right, down) => [
  (1 - right) * (1 - down),
  right * (1 - down),
  (1 - right) * down,
  right * down,
];

/**
 * Return the four cells around a place and their bilinear weights. The cells belong to the finest lattice in which all
 * four are available. Without such a lattice, the list is empty.
 * @param {number} x distance from the left, in cells @param {number} y distance from the top, in cells
 * @param {number} side cells on each side @param {(cell: number) => boolean} has whether a cell is available
 * @returns {[cell: number, share: number][]}
 */
export function cellsAround(x, y, side, has) {
  for (let stride = 1; stride < side; stride++) {
    if ((side - 1) % stride) continue;
    const [left, top] = [x, y].map((at) => Math.min(stride * Math.floor(at / stride), side - 1 - stride));
    const cells = [0, stride, stride * side, stride * (side + 1)].map((more) => side * top + left + more);
    if (cells.every(has)) {
      const part = sharesAt((x - left) / stride, (y - top) / stride);
      return cells.map((cell, i) => [cell, part[i]]);
    }
  }
  return [];
}

/**
 * Return the condition at a place: the bilinear blend of the corners, with each operation rounded to float32 as in
 * `word_square` of ddpm_core.
 * @param {Float32Array[]} states of the corners @param {number} right @param {number} down
 */
export function mixture(states, right, down) {
  const shares = sharesAt(right, down);
  const parts = states.flatMap((state, i) => (shares[i] ? [state.map((value) => Math.fround(shares[i]) * value)] : []));
  return parts.reduce((sum, part) => sum.map((value, i) => value + part[i]));
}
