// Converts brush strokes to text. plans/touch.js reads this text.

const CELLS = 16; // a picture has about this many cells on each side; a stroke changes whole cells, as in ui/runs/touch.py

/** @typedef {{ numbers: number, cell: number, side: number }} Sheet numbers: how many numbers x has on each side; cell: how many numbers a cell has on each side; side: the number of cells on each side */

/** Divide a state x into cells. @param {number} numbers the count of numbers in x on each side @returns {Sheet} */
export function sheet(numbers) {
  const cell = Math.max(1, Math.floor((numbers + CELLS / 2) / CELLS));
  return { numbers, cell, side: Math.ceil(numbers / cell) };
}

/**
 * Return the cells whose middle lies in a disc, row by row, each as the text column.row.
 * @param {number[]} centre @param {number} radius in cells @param {number} side the number of cells on each side of the picture
 */
export function disc([x, y], radius, side) {
  const cells = [];
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++)
      if (Math.hypot(column - x, row - y) <= radius) cells.push(`${column}.${row}`);
  return cells;
}

/** Return the text of the strokes with another stroke at its end. @param {string} text @param {number} t the time of the changed x_t @param {string} what the kind of change @param {number} strength @param {Iterable<string>} cells the changed cells */
export const addStroke = (text, t, what, strength, cells) =>
  [...(text ? [text] : []), [t, what, strength, ...cells].join("-")].join("_");

/** Return the text without its last stroke. @param {string} text */
export const removeStroke = (text) => text.split("_").slice(0, -1).join("_");

/** Return a colour in the notation of a stroke, such as 255.0.0. @param {string} hex such as #ff0000 */
export const colour = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join(".");
