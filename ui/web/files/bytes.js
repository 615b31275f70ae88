// Builds the bytes of files: numbers, texts, joined parts, and a checksum.

/** Return a number in `bytes` bytes, the least significant first (little endian). @param {number} n */
export const little = (n, bytes = 2) => Array.from({ length: bytes }, (_, i) => Math.floor(n / 256 ** i) & 255);

/** Return the bytes of a text in UTF-8. @param {string} text */
export const utf8 = (text) => new TextEncoder().encode(text);

/** Return all parts as one array. @param {(Uint8Array | number[])[]} parts @returns {Uint8Array<ArrayBuffer>} */
export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** Return the CRC-32 of bytes, the checksum of PNG and ZIP. @param {Uint8Array} bytes */
export function checksum(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
