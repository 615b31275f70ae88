import assert from "node:assert/strict";
import { test } from "node:test";
import { write } from "../shared/drawing/dom.js";

globalThis.Text = class {
  constructor(data) {
    this.nodeValue = data;
  }
};

/** An element with some nodes, as far as `write` needs one. */
const element = (...childNodes) => ({
  childNodes,
  get textContent() {
    return this.childNodes.map(({ nodeValue }) => nodeValue).join("");
  },
  replaceChildren(...parts) {
    this.childNodes = parts.map((part) => new Text(part));
  },
});

test("a text that changes keeps its node, so that no selector is matched again", () => {
  const text = new Text("t = 20");
  const node = element(text);
  write(node, "t = 19");
  assert.deepEqual([node.textContent, node.childNodes[0] === text], ["t = 19", true]);
  const filled = element(new Text("2"), new Text(" s"));
  write(filled, "3 s");
  assert.deepEqual([filled.textContent, filled.childNodes.length], ["3 s", 1]);
});
