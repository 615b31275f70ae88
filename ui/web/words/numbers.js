// Numbers as the paper's readers write them: 0.21, 2.7, 27, 4·10⁻⁵.

/** @param {number} whole */
const superscript = (whole) =>
  (whole < 0 ? "⁻" : "") + [...String(Math.abs(whole))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");

/** @param {number} v from 0 on; two digits that count */
export function number(v) {
  if (v === 0) return "0";
  if (!Number.isFinite(v)) return "∞";
  if (v >= 9.95) return String(Math.round(v));
  if (v >= 0.00095) return v.toPrecision(2);
  const [digit, exponent] = v.toExponential(0).split("e");
  return `${digit}·10${superscript(Number(exponent))}`;
}

/** @param {number} v */
export const signed = (v) => (v < 0 ? `−${number(-v)}` : number(v));

/**
 * A share of 1, such as ᾱ: with the digits that tell it from 1, as in 0.9999.
 * @param {number} v
 */
export function fraction(v) {
  if (v <= 0.95 || v >= 1) return number(v);
  return v.toFixed(Math.max(2, Math.ceil(-Math.log10(1 - v) - 1e-6)));
}

/** @param {number} v from 0 to 1, with `digits` of them */
export const fixed = (v, digits = 4) => v.toFixed(digits);

/** A power of ten. @param {number} exponent whole */
export function power(exponent) {
  if (exponent === 0) return "1";
  return exponent === 1 ? "10" : `10${superscript(exponent)}`;
}
