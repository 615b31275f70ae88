// The lines that show a part in other people's pages.

import assert from "node:assert/strict";
import test from "node:test";
import { figureOf } from "../parts/index.js";
import { elementOf, frameOf } from "../run/embed.js";

Object.assign(globalThis, { document: { baseURI: "https://lab.example/", title: "Grid · DDPM Lab" } });

test("a part is embedded as its figure with the present values, or as itself", () => {
  const shown = figureOf("forward", { t: 300 });
  assert.ok(shown);
  const frame = frameOf(shown, "https://lab.example/?tab=forward", "figure.html");
  assert.match(frame, /^<iframe src="https:\/\/lab\.example\/figure\.html\?name=noise&t=300"/);
  const element = elementOf(shown, "figure.js");
  assert.match(element, /src="https:\/\/lab\.example\/figure\.js"><\/script><ddpm-figure name="noise" t="300">/);
  assert.equal(figureOf("grid", {}), undefined);
  const grid = frameOf(undefined, "https://lab.example/?tab=grid", "figure.html");
  assert.match(grid, /^<iframe src="https:\/\/lab\.example\/\?tab=grid"/);
});
