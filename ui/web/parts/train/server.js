// What the part is given, ui/parts/training.py.

/** @typedef {{ public: boolean, drawings?: Drawings }} Given */

/**
 * What the sheet is like, ABOUT of ui/training/drawings.py.
 * @typedef {object} Drawings
 * @property {number} side pixels
 * @property {number} units of a stroke's coordinates in a pixel
 * @property {number} fewest
 * @property {number} most
 * @property {string} how they are learned
 */

export {};
