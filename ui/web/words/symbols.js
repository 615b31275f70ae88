// Symbols in a text: what a screen reader says of each, and a tilde that every browser draws.

/** @type {Record<string, string>} */
const SPOKEN = {
  β̃ₜ: "beta tilde t",
  β̃: "beta tilde",
  βₜ: "beta t",
  μ̃ₜ: "mu tilde t",
  μ̃: "mu tilde",
  "x̂₀": "the guess of x zero",
  "x₀": "x zero",
  xₜ: "x at time t",
  ᾱₜ: "alpha bar t",
  ᾱ: "alpha bar",
};
const TILDE = "\u0303"; // WebKit draws it so small that β̃ looks like β
const SYMBOL = new RegExp(`(${Object.keys(SPOKEN).join("|")})`);

/** A text whose symbols are elements with a name. @param {string} text @returns {(Node | string)[]} */
export function symbols(text) {
  if (!SYMBOL.test(text)) return [text];
  return text.split(SYMBOL).map((part, i) => (i % 2 ? symbol(part) : part));
}

/** @param {string} text */
function symbol(text) {
  const node = document.createElement("span");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", SPOKEN[text]);
  node.append(text);
  if (text[1] !== TILDE) return node;
  const letter = document.createElement("span");
  const mark = document.createElement("i");
  letter.className = "tilde"; // CSS draws one, and hides the mark, which stays for who copies the text
  mark.append(TILDE);
  letter.append(text[0], mark);
  node.replaceChildren(letter, text.slice(2));
  return node;
}
