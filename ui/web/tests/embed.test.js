// The lines that show a part in other people's pages.

import assert from "node:assert/strict";
import test from "node:test";
import { embeds } from "../run/embed.js";

const GIVEN = { frame: "figure.html", figures: "figure.js" };
Object.assign(globalThis, { document: { baseURI: "https://lab.example/", title: "Grid · DDPM Lab" } });

test("a part is embedded as its figure with the present values, or as itself", () => {
  const lines = embeds("forward", { t: 300 }, "https://lab.example/?tab=forward", GIVEN).map(
    ({ copy }) => copy?.() ?? "",
  );
  assert.match(lines[0], /^<iframe src="https:\/\/lab\.example\/figure\.html\?name=noise&t=300"/);
  assert.match(lines[1], /src="https:\/\/lab\.example\/figure\.js"><\/script><ddpm-figure name="noise" t="300">/);
  const grid = embeds("grid", {}, "https://lab.example/?tab=grid", GIVEN);
  assert.equal(grid.length, 1);
  assert.match(grid[0].copy?.() ?? "", /^<iframe src="https:\/\/lab\.example\/\?tab=grid"/);
  assert.equal(embeds("forward", { t: 3 }, "", { ...GIVEN, figures: "" }).length, 1); // an app has no module for other sites
});
