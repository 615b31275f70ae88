// Symbols in texts: their names for screen readers, and a tilde that is visible in every browser.

/** Names of letters with marks, and of ∇. Screen readers can't say these; they can say other Greek letters, √ and ×. @type {Record<string, string>} */
const WORDS = { α: "alpha", β: "beta", ε: "epsilon", μ: "mu", σ: "sigma", "∇": "gradient of" };
/** @type {Record<string, string>} */
const MARKS = { "\u0302": "hat", "\u0303": "tilde", "\u0304": "bar" };
const TILDE = "\u0303"; // WebKit draws this tilde so small that β̃ looks like β
const LOW = "₀₁₂₃₄₅₆₇₈₉₊₋ₜ";
const HIGH = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻";
const PLAIN = "0123456789+-t"; // the plain characters for the characters of LOW and HIGH, in the same order
const MARK = Object.keys(MARKS).join("");
const UNDER = "_[tT0](?![\\p{L}\\d_]|\\.\\p{L})"; // a subscript that Unicode lacks, written as in x_T
const SYMBOL = new RegExp(
  `(∇|(?:\\d·)?\\d+[${HIGH}]+|(?<![\\p{L}_])(?:ᾱ|\\p{L}(?=[${MARK}${LOW}${HIGH}]|${UNDER}))[${MARK}]?(?:[${LOW}]+|${UNDER})?[${HIGH}]*(?![\\p{L}\\p{M}]))`,
  "gu",
);

/** Replace the symbols of a text by words, for a screen reader. @param {string} text */
export const spoken = (text) => text.replace(SYMBOL, (symbol) => nameOf(symbol));

/** Return a symbol in words. @param {string} symbol */
function nameOf(symbol) {
  const [, base, low, high] = symbol.match(`^(.*?)(_.|[${LOW}]*)([${HIGH}]*)$`) ?? [symbol, symbol, "", ""];
  return named(base, plain(low.replace("_", "")), plain(high));
}

/** Replace subscripts and superscripts by usual characters. @param {string} text */
const plain = (text) => text.replace(/./gu, (one) => PLAIN[Math.max(LOW.indexOf(one), HIGH.indexOf(one))] ?? one);

/** Return a symbol in words. @param {string} base a letter and its mark, or a number @param {string} low the subscript @param {string} [high] the superscript */
function named(base, low, high = "") {
  const [letter, mark = ""] = base.normalize("NFD");
  const guess = letter === "x" && MARKS[mark] === "hat";
  const what = guess ? "the guess of x" : /\d/.test(letter) ? base.replace("·", " times ") : (WORDS[letter] ?? letter);
  const sign = (/** @type {string} */ text) => text.replace(/[-−]/g, " minus ").replace("+", " plus ");
  const under = low === "0" ? "zero" : `${letter === "x" && /^t/i.test(low) ? "at time " : ""}${sign(low)}`;
  const power = high === "2" ? "squared" : high && `to the${sign(` ${high}`)}`;
  return [what, guess ? "" : MARKS[mark], under, power].filter(Boolean).join(" ").replace(/ +/g, " ");
}

/** Split a text into nodes, so that each symbol is an element with a name. @param {string} text @returns {(Node | string)[]} */
export function symbols(text) {
  const parts = text.split(SYMBOL);
  return parts.map((part, i) => (i % 2 ? symbol(part, nameOf(part)) : part));
}

/** Make a symbol with a subscript. @param {string} letter with its mark @param {string} index */
export function indexed(letter, index) {
  const sub = document.createElement("sub");
  sub.append(index);
  return symbol(letter, named(letter, index), sub);
}

/**
 * Give names to the symbols in the page's own HTML, in texts and attributes. A `sub` belongs to the letter before it.
 * @param {Element} root
 */
export function nameSymbols(root) {
  for (const sub of root.querySelectorAll("sub")) {
    const before = sub.previousSibling;
    const [letter] = (before instanceof Text && before.data.match(/\p{L}\p{M}?$/u)) || [];
    if (!(before instanceof Text) || !letter) continue;
    before.splitText(before.length - letter.length).remove();
    before.after(indexed(letter, sub.textContent ?? ""));
    sub.remove();
  }
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const found = [];
  while (texts.nextNode()) found.push(/** @type {Text} */ (texts.currentNode));
  for (const text of found)
    if (!text.parentElement?.closest("math, [role=img]")) text.replaceWith(...symbols(text.data));
  for (const node of root.querySelectorAll("[alt], [aria-label], [title]"))
    for (const { name, value } of [...node.attributes]) attribute(node, name, value);
}

const SAID = ["alt", "aria-label", "aria-valuetext"];

/** Set an attribute. If a screen reader says it, its symbols are replaced by words. @param {Element} node @param {string} name @param {string} value */
export function attribute(node, name, value) {
  const words = spoken(value);
  node.setAttribute(name, SAID.includes(name) ? words : value);
  if (name === "title" && words !== value) node.setAttribute("aria-description", words);
}

/** Make the element of a symbol. @param {string} text @param {string} name @param {...Node} more nodes after the text */
function symbol(text, name, ...more) {
  const node = document.createElement("span");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", name);
  node.append(text, ...more);
  if (text[1] !== TILDE) return node;
  const letter = document.createElement("span");
  const mark = document.createElement("i");
  letter.className = "tilde"; // CSS draws a tilde and hides the mark, which stays in copied text
  mark.append(TILDE);
  letter.append(text[0], mark);
  node.replaceChildren(letter, text.slice(2), ...more);
  return node;
}
