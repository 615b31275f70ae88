// What a run of the server keeps, from its bytes: see ui/export/kept.py.

/** @import { Picture } from "../files/pictures.js" */

/** @typedef {{ at: number, type: "uint8" | "float32", shape: number[] }} Packed an array in the head */

/** The content, whose arrays of uint8 are pictures, (N, H, W, C), and those of float32 numbers. @param {ArrayBuffer} content */
export function unpacked(content) {
  const size = new DataView(content).getUint32(0, true);
  const head = new TextDecoder().decode(new Uint8Array(content, 4, size));
  /** @param {Packed} packed */
  const array = ({ at, type, shape }) => {
    const n = shape.reduce((all, one) => all * one, 1);
    const start = 4 + size + at;
    if (type === "float32") return new Float32Array(content.slice(start, start + 4 * n));
    return pictures(new Uint8Array(content, start, n), shape);
  };
  return JSON.parse(head, (_, value) => (value?.type && value.shape ? array(value) : value));
}

/** @param {Uint8Array} levels @param {number[]} shape @returns {Picture[]} */
function pictures(levels, [n, height, width, channels]) {
  const one = height * width * channels;
  const data = (/** @type {number} */ i) => levels.subarray(i * one, (i + 1) * one);
  return Array.from({ length: n }, (_, i) => ({ width, height, channels, data: data(i) }));
}
