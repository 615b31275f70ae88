import assert from "node:assert/strict";
import { test } from "node:test";
import { write } from "../drawing/dom.js";

class Node {
  childNodes = [];
  get firstChild() {
    return this.childNodes[0];
  }
  get textContent() {
    return this.nodeValue ?? this.childNodes.map(({ textContent }) => textContent).join("");
  }
  append(...parts) {
    for (const part of parts) this.childNodes.push(typeof part === "string" ? new Text(part) : part);
  }
  replaceChildren(...parts) {
    this.childNodes = [];
    this.append(...parts);
  }
  isEqualNode({ textContent }) {
    return textContent === this.textContent;
  }
}
globalThis.Text = class extends Node {
  constructor(nodeValue) {
    super();
    this.nodeValue = nodeValue;
  }
};
globalThis.Element = class extends Node {
  setAttribute(name, value) {
    this[{ "aria-label": "ariaLabel" }[name] ?? name] = value;
  }
};
globalThis.document = { createElement: () => new Element() };

/** An element with some nodes, as far as `write` needs one. */
const element = (...parts) => {
  const node = new Element();
  node.append(...parts);
  return node;
};

test("a text that changes keeps its node, so that no selector is matched again", () => {
  const text = new Text("t = 20");
  const node = element(text);
  write(node, "t = 19");
  assert.deepEqual([node.textContent, node.childNodes[0] === text], ["t = 19", true]);
  const filled = element(new Text("2"), new Text(" s"));
  write(filled, "3 s");
  assert.deepEqual([filled.textContent, filled.childNodes.length], ["3 s", 1]);
});

test("a symbol that changes keeps its node, and is said anew", () => {
  const node = element();
  write(node, "SNR 4·10⁻⁵");
  const [, symbol] = node.childNodes;
  write(node, "SNR 3·10⁻⁴");
  assert.equal(node.childNodes[1], symbol);
  assert.deepEqual([node.textContent, symbol.ariaLabel], ["SNR 3·10⁻⁴", "3 times 10 to the minus 4"]);
  write(node, "SNR 0.002");
  assert.deepEqual([node.textContent, node.childNodes.length], ["SNR 0.002", 1]);
});
