import assert from "node:assert/strict";
import { test } from "node:test";
import { blockOf, offersPlaces } from "../parts/network/attention.js";

test("a layer is in the block that its name says", () => {
  const names = [
    "down_blocks.2.attentions.0",
    "mid_block.attentions.0",
    "up_blocks.0.attentions.1.transformer_blocks.0.attn1",
  ];
  assert.deepEqual(names.map(blockOf), ["down 3", "middle", "up 1"]);
});

test("places are offered where pictures need attention, or nobody has measured it", () => {
  const attends = [{ name: "middle", shape: [8, 4, 4], parts: "2 resnets, 1 attention", attentions: 1 }];
  const figures = (unit, whole, all) => ({ unit, whole, off: { attention: { all } } });
  assert.equal(offersPlaces(attends, null), true);
  assert.equal(offersPlaces([{ ...attends[0], parts: "2 resnets", attentions: 0 }], null), false);
  assert.equal(offersPlaces(attends, figures("right", 0.99, 0.98)), false);
  assert.equal(offersPlaces(attends, figures("right", 0.99, 0.5)), true);
  assert.equal(offersPlaces(attends, figures("rms", 0, 0.31)), true);
});
