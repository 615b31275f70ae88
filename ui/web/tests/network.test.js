import assert from "node:assert/strict";
import { test } from "node:test";
import { measured } from "../parts/network/words.js";
import { fitting } from "../plans/kept.js";

const RUN = { off: "attention", graft: "", first: 1, last: 0, steps: 20, sampler: "ddim" };

test("what was measured is said of the runs that it was measured on, and of no others", () => {
  const digits = { steps: 20, seeds: 200, unit: "right", whole: 0.99, off: { attention: { all: 0.98, first: 0.99 } } };
  assert.match(measured(RUN, digits), /^196 of 200 runs .*, 198 with nothing switched off\.$/);
  assert.match(measured({ ...RUN, last: 10 }, digits), /^198 of 200 runs .*, as many as with nothing switched off\.$/);
  assert.equal(measured({ ...RUN, steps: 10 }, digits), "");
  assert.equal(measured({ ...RUN, off: "time" }, digits), "");
  const photos = { ...digits, seeds: 8, unit: "rms", whole: 0, off: { attention: { all: 0.312 } } };
  assert.match(measured(RUN, photos), /^In 8 runs .* about 40 grey levels/);
});

test("of a long run as many steps are kept as fit, with both ends", () => {
  assert.deepEqual([...fitting(10, 18e6 / 3.5)], [0, 4, 9]);
  assert.deepEqual([...fitting(3, 1e9)], [0, 2]);
  assert.equal(fitting(1000, 1).size, 1000);
});
