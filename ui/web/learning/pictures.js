// The pictures that a network learns.

/**
 * @typedef {object} Pictures
 * @property {"digits" | "drawings" | "own"} kind
 * @property {Uint8Array} images count × side × side × channels
 * @property {number} count
 * @property {28 | 32} side pixels
 * @property {1 | 3} channels
 * @property {Uint16Array | null} labels
 * @property {string[]} classes the names of the labels
 * @property {Uint8Array} originals the pictures that samples are compared with: drawings before they were varied
 */

export {};
