// The strokes of a touch as text: ui/runs/touch.py reads the same.

const CELLS = 16; // a side, about: as in ui/runs/touch.py

/** @typedef {{ numbers: number, cell: number, side: number }} Sheet numbers of x a side, those of a cell, cells a side */

/** What can be touched of an x with so many numbers a side. @param {number} numbers @returns {Sheet} */
export function sheet(numbers) {
  const cell = Math.max(1, Math.floor((numbers + CELLS / 2) / CELLS));
  return { numbers, cell, side: Math.ceil(numbers / cell) };
}

/**
 * The cells of a disc, row by row; of a small one the cell itself.
 * @param {number[]} centre @param {number} radius @param {number} side
 */
export function disc([x, y], radius, side) {
  const cells = [];
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++)
      if (Math.hypot(column - x, row - y) <= radius) cells.push(`${column}.${row}`);
  return cells;
}

/** With one more stroke. @param {string} text @param {number} t @param {string} what @param {number} strength @param {Iterable<string>} cells */
export const added = (text, t, what, strength, cells) =>
  [...(text ? [text] : []), [t, what, strength, ...cells].join("-")].join("_");

/** Without the last stroke. @param {string} text */
export const undone = (text) => text.split("_").slice(0, -1).join("_");

/** A colour of a stroke. @param {string} hex as `#ff0000` */
export const colour = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join(".");
