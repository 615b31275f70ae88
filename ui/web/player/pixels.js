// Arithmetic on the pixels of canvases: red, green, blue and opacity, each from 0 to 255.

/**
 * |A − B| in grey levels, times a gain, into A; opaque.
 * @param {Uint8ClampedArray} a
 * @param {Uint8ClampedArray} b
 * @param {number} gain
 */
export function difference(a, b, gain) {
  for (let i = 0; i < a.length; i++) a[i] = i % 4 === 3 ? 255 : Math.abs(a[i] - b[i]) * gain;
}

/**
 * Noise that is the same in every page; opaque.
 * @param {Uint8ClampedArray} pixels
 */
export function fillWithNoise(pixels) {
  for (let i = 0, state = 1; i < pixels.length; i++) {
    state = (state * 48271) % 2147483647;
    pixels[i] = i % 4 === 3 ? 255 : (state / 2147483647) * 255;
  }
}
