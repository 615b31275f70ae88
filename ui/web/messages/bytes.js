// Arrays and objects that come and go as text.

/** The bytes of a text, base64 or base64url. @param {string} text */
export const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

/** @param {Uint8Array} content */
export function base64(content) {
  let text = "";
  for (let i = 0; i < content.length; i += 32768) text += String.fromCharCode(...content.subarray(i, i + 32768));
  return btoa(text);
}

/** Bytes on their way through a compression of zlib, or back. @param {Uint8Array} content @param {CompressionStream | DecompressionStream} stream */
const through = (content, stream) => new Blob([/** @type {any} */ (content)]).stream().pipeThrough(stream);

/** @param {ReadableStream} stream */
const whole = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());

/** @param {Uint8Array} content */
export const packed = (content) => whole(through(content, new CompressionStream("deflate")));

/** Unpack the bytes that `packed` made, piece by piece. @param {Uint8Array} content @param {CompressionFormat} format @returns {ReadableStream<Uint8Array>} */
export const unpacking = (content, format = "deflate") => through(content, new DecompressionStream(format));

/** @param {Uint8Array} content */
export const unpacked = (content) => whole(unpacking(content));

/**
 * The object that a text is as JSON, or bytes in UTF-8; null for anything else.
 * @param {string | Uint8Array} content @returns {Record<string, any> | null}
 */
export function jsonObject(content) {
  try {
    const text = typeof content === "string" ? content : new TextDecoder("utf-8", { fatal: true }).decode(content);
    const found = JSON.parse(text);
    return found instanceof Object && !Array.isArray(found) ? found : null;
  } catch {
    return null; // JSON.parse and TextDecoder have no other way to say what is no JSON and no UTF-8
  }
}
