// Writes strokes on a picture as text; plans/touch.js reads this text.

const CELLS = 16; // approximate number of cells on each side, as in ui/runs/touch.py

/** @typedef {{ numbers: number, cell: number, side: number }} Sheet numbers: of x on each side; cell: numbers on each side of a cell; side: cells on each side */

/** Divide an x with this many numbers on each side into cells, which strokes change as a whole. @param {number} numbers @returns {Sheet} */
export function sheet(numbers) {
  const cell = Math.max(1, Math.floor((numbers + CELLS / 2) / CELLS));
  return { numbers, cell, side: Math.ceil(numbers / cell) };
}

/**
 * Return the cells whose middle lies in a disc, row by row, as column.row.
 * @param {number[]} centre @param {number} radius @param {number} side
 */
export function disc([x, y], radius, side) {
  const cells = [];
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++)
      if (Math.hypot(column - x, row - y) <= radius) cells.push(`${column}.${row}`);
  return cells;
}

/** Return the text with one stroke more. @param {string} text @param {number} t @param {string} what @param {number} strength @param {Iterable<string>} cells */
export const addStroke = (text, t, what, strength, cells) =>
  [...(text ? [text] : []), [t, what, strength, ...cells].join("-")].join("_");

/** Return the text without its last stroke. @param {string} text */
export const removeStroke = (text) => text.split("_").slice(0, -1).join("_");

/** Return a colour as a stroke contains it, such as 255.0.0. @param {string} hex such as #ff0000 */
export const colour = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join(".");
