// Arrays that come as text.

/** The bytes of a base64 text. @param {string} text */
export const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** Numbers that come as int16 of a unit. @param {string} text @param {number} unit */
export const numbersOf = (text, unit) => Float32Array.from(new Int16Array(bytes(text).buffer), (v) => v * unit);
