// Converts bytes to text and back, compresses them, and parses JSON.

/** Return the bytes of a text in base64 or base64url. @param {string} text */
export const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

/** Return bytes as base64, in pieces that `String.fromCharCode` can take. @param {Uint8Array} content */
export function base64(content) {
  let text = "";
  for (let i = 0; i < content.length; i += 32768) text += String.fromCharCode(...content.subarray(i, i + 32768));
  return btoa(text);
}

/**
 * Return the content as a stream that `stream` compresses or decompresses.
 * @param {Uint8Array} content @param {CompressionStream | DecompressionStream} stream
 */
const through = (content, stream) => new Blob([/** @type {any} */ (content)]).stream().pipeThrough(stream);

/** Return all bytes of a stream. @param {ReadableStream} stream */
const whole = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());

/** Compress bytes in the format of zlib. @param {Uint8Array} content */
export const packed = (content) => whole(through(content, new CompressionStream("deflate")));

/**
 * Return a stream of the decompressed bytes.
 * @param {Uint8Array} content @param {CompressionFormat} format @returns {ReadableStream<Uint8Array>}
 */
export const unpacking = (content, format = "deflate") => through(content, new DecompressionStream(format));

/** Decompress the bytes that `packed` has made. @param {Uint8Array} content */
export const unpacked = (content) => whole(unpacking(content));

/**
 * Parse a text, or bytes in UTF-8, as a JSON object. Return null if the content is no JSON object.
 * @param {string | Uint8Array} content @returns {Record<string, any> | null}
 */
export function jsonObject(content) {
  try {
    const text = typeof content === "string" ? content : new TextDecoder("utf-8", { fatal: true }).decode(content);
    const found = JSON.parse(text);
    return found instanceof Object && !Array.isArray(found) ? found : null;
  } catch {
    return null; // JSON.parse and TextDecoder report invalid content only by errors
  }
}
