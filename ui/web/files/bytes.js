// Bytes of files: numbers, texts, parts, and their checksum.

/** The number in so many bytes, the last ones first. @param {number} n */
export const little = (n, bytes = 2) => Array.from({ length: bytes }, (_, i) => Math.floor(n / 256 ** i) & 255);

/** @param {string} text */
export const utf8 = (text) => new TextEncoder().encode(text);

/** @param {(Uint8Array | number[])[]} parts @returns {Uint8Array<ArrayBuffer>} */
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

/** CRC-32, as PNG and ZIP have it. @param {Uint8Array} bytes */
export function checksum(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
