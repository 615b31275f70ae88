// The square between four words: which cells it has, and in which order they are computed.

export const SIDE = 7; // cells

/** The shares of the four corners at a place, 0 to 1. @param {number} right @param {number} down */
export const sharesAt = (right, down) => [
  (1 - down) * (1 - right),
  (1 - down) * right,
  down * (1 - right),
  down * right,
];

/** The cell that is nearest to a place. @param {number} right 0 to 1 @param {number} down */
export const cellAt = (right, down) => SIDE * Math.round(down * (SIDE - 1)) + Math.round(right * (SIDE - 1));

/** The place of a cell, 0 to 1. @param {number} cell @returns {[right: number, down: number]} */
export const placeOf = (cell) => [(cell % SIDE) / (SIDE - 1), Math.floor(cell / SIDE) / (SIDE - 1)];

/** All cells, from coarse to fine: the corners, what is half-way between them, the rest. */
export const ORDER = [6, 3, 1].flatMap((stride, i, all) =>
  Array.from({ length: SIDE * SIDE }, (_, cell) => cell).filter((cell) => {
    const on = (/** @type {number} */ by) => !((cell % SIDE) % by) && !(Math.floor(cell / SIDE) % by);
    return on(stride) && !all.slice(0, i).some(on);
  }),
);
