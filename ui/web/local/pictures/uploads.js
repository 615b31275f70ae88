// Pictures of one's own in the worker: unpacked from their text for the translated ui/pictures/as_text.py.
import { base64, bytes, unpacked } from "../../shared/run/bytes.js";
import { $, ValueError } from "../python.js";

/** The bytes of pictures as text, by their text. @type {Map<string, Uint8Array>} */
const contents = new Map();

/** Unpack a picture as text beforehand: `from_text` of ui/pictures/as_text.py is asked for it at once. @param {unknown} text */
export async function unpack(text) {
  if (!text || contents.has(String(text))) return;
  const found = await Promise.resolve(String(text))
    .then(bytes)
    .then(unpacked)
    .catch(() => new Uint8Array());
  contents.set(String(text), found);
}

/** What the translated ui/pictures/as_text.py needs. */
export function natives() {
  const error = class extends Error {};
  $.native("zlib", {
    error,
    decompressobj: () => ({ decompress: (/** @type {any} */ { text }) => contents.get(text) ?? new Uint8Array() }),
    compress: stored,
  });
  $.native("base64", {
    b64decode(/** @type {string} */ text) {
      try {
        return Object.assign(bytes(text), { text });
      } catch {
        throw new ValueError("not base64");
      }
    },
    urlsafe_b64encode: (/** @type {Uint8Array} */ content) => ({
      decode: () => base64(content).replaceAll("+", "-").replaceAll("/", "_"),
    }),
  });
  $.native("ui.pictures.as_text", { uncovered });
  $.native("numpy", {
    prod: (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1),
    frombuffer: (/** @type {Uint8Array} */ data) => ({
      reshape: (/** @type {number[]} */ [, height, width, channels]) => ({ width, height, channels, data }),
    }),
    linspace: (/** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ n) => ({
      tolist: () =>
        Array.from({ length: n }, (_, i) => $.float(i === n - 1 ? high : low + i * ((high - low) / (n - 1)))),
    }),
    ascontiguousarray: (/** @type {any} */ x) => ({ tobytes: () => x.data }),
  });
}

/** Which pixels are left: those whose cell, a bit of side × side, is 0. @param {Uint8Array} cells @param {number} side @param {number} size */
function uncovered(cells, side, size) {
  const at = (/** @type {number} */ i) => Math.floor(((i + 0.5) * side) / size);
  const data = Uint8Array.from({ length: size * size }, (_, i) => {
    const cell = at(Math.floor(i / size)) * side + at(i % size);
    return 1 - ((cells[cell >> 3] >> (7 - (cell & 7))) & 1);
  });
  const known = { data, all: () => data.every(Boolean), any: () => data.some(Boolean), astype: () => known };
  return known;
}

/** Bytes as zlib has them, without packing them: a script is to have them at once. @param {Uint8Array} content */
function stored(content) {
  const out = new Uint8Array(content.length + 11);
  const n = content.length;
  out.set([0x78, 1, 1, n & 255, n >> 8, ~n & 255, (~n >> 8) & 255]);
  out.set(content, 7);
  let [a, b] = [1, 0];
  for (const byte of content) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  out.set([b >> 8, b & 255, a >> 8, a & 255], n + 7);
  return out;
}
