// Arrays that come as text.

/** The bytes of a base64 text. @param {string} text */
export const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
