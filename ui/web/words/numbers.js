// Writes numbers as papers do: 0.21, 2.7, 27, 4·10⁻⁵.

/** Write a whole number in superscript. @param {number} whole */
const superscript = (whole) =>
  (whole < 0 ? "⁻" : "") + [...String(Math.abs(whole))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");

/** Write a number with two significant digits. @param {number} v 0 or more */
export function number(v) {
  if (v === 0) return "0";
  if (!Number.isFinite(v)) return "∞";
  if (v >= 9.95) return String(Math.round(v));
  if (v >= 0.00095) return v.toPrecision(2);
  const [digit, exponent] = v.toExponential(0).split("e");
  return `${digit}·10${superscript(Number(exponent))}`;
}

/** Write a number that may be negative. @param {number} v */
export const signed = (v) => (v < 0 ? `−${number(-v)}` : number(v));

/** Write a number from 0 to 1, such as ᾱ, with enough digits to differ from 1: 0.9999. @param {number} v */
export function fraction(v) {
  if (v <= 0.95 || v >= 1) return number(v);
  return v.toFixed(Math.max(2, Math.ceil(-Math.log10(1 - v) - 1e-6)));
}

/** Write a number with `digits` decimals. @param {number} v */
export const fixed = (v, digits = 4) => v.toFixed(digits);

/** Write a power of ten. @param {number} exponent a whole number */
export function power(exponent) {
  if (exponent === 0) return "1";
  return exponent === 1 ? "10" : `10${superscript(exponent)}`;
}
