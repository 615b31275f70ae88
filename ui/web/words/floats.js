// Writes floats as Python does.

/** Write a float as Python's `repr` does. @param {number} x */
export function floatText(x) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return padded(x.toExponential());
  if (Object.is(x, -0)) return "-0.0";
  return Number.isInteger(x) ? `${x}.0` : String(x);
}

/** Write a number with at most `digits` significant digits, as `%g` does: 0.5, 2, 1e-05. @param {number} x @param {number} [digits] */
export function general(x, digits = 6) {
  if (!Number.isFinite(x)) return floatText(x);
  const [mantissa, power] = rounded(x, digits).split("e");
  const exponent = Number(power);
  const shorter = (/** @type {string} */ text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent < -4 || exponent >= digits) return `${shorter(mantissa)}${padded(`e${power}`)}`;
  return shorter(Number(`${mantissa}e${power}`).toFixed(digits - 1 - exponent));
}

/** Write a number with `digits` significant digits and an exponent. Python rounds ties to even; JavaScript rounds them up. @param {number} x @param {number} digits */
function rounded(x, digits) {
  const [exact, power] = x.toExponential(100).split("e");
  const end = exact.indexOf(".") + digits;
  const kept = exact.slice(0, end).replace(/\.$/, "");
  const even = /^50*$/.test(exact.slice(end)) && Number(kept.at(-1)) % 2 === 0;
  return even ? `${kept}e${power}` : x.toExponential(digits - 1);
}

/** Give the exponent at least two digits: 1e-5 becomes 1e-05. @param {string} text */
const padded = (text) => text.replace(/e([+-])(\d)$/, "e$10$2");
