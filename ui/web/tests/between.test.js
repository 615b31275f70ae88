import assert from "node:assert/strict";
import { test } from "node:test";
import { Sketches } from "../parts/between/sketches.js";
import { clockByHand } from "./clock.mjs";

const CELLS = { kind: "cells", cells: [0], x: [] };

/** What stands around the sketches, with a clock that `wait` moves. known: what is said of the student's run, one after another. preload: of a client without a server. */
function around({ known = [{ auto: true, seconds: 2 }], preload = undefined } = {}) {
  const log = [];
  const { clock, wait } = clockByHand(100);
  const values = { checkpoint: "emoji", a: "fox", steps: 20, guidance: "" };
  const panel = {
    ...{ part: "between", stream: { active: false }, description: { auto: false }, isRun: false },
    form: { values, fields: Object.keys(values).map((name) => ({ name })) },
    ...{ difference: "other", isOnScreen: true, sketch: "none" },
    side: new EventTarget(),
    showSketch(words, isShown) {
      panel.sketch = isShown ? "over" : "none";
      log.push(words || "none");
    },
  };
  const own = { checkpoint: "student", steps: 3, eta: 0 };
  const asked = [];
  const page = {
    given: { models: [{ ref: "student", ready: true }] },
    knowledge: {
      catalogue: { sketch: (ref) => (ref === "emoji" ? own : null) },
      describe: async () => (known.length > 1 ? known.shift() : known[0]),
      order: async (part, values) => ({ part, plan: { values }, shown: (result) => ({ ...result, words: true }) }),
    },
    client: {
      preload: preload && ((refs) => preload.push(...refs)),
      ask: (_, what, { run }) => log.push(`${what} ${run}`),
      run({ part, plan: { values } }, take) {
        asked.push({ part, values, take });
        return () => log.push("left");
      },
    },
  };
  const sketches = new Sketches(page, panel, (result) => log.push(result?.kind ?? "back"), clock);
  return { log, values, panel, asked, sketches, wait };
}

test("a student draws the words that were changed, and no other way", async () => {
  const { log, asked, sketches, wait } = around();
  sketches.describe();
  await wait(500);
  assert.deepEqual(asked[0].values, { checkpoint: "student", a: "fox", steps: 3, guidance: "" });
  asked[0].take({ run: "1", state: "running", results: [{ kind: "plan" }, CELLS] });
  sketches.describe(); // the same once more
  asked[0].take({ run: "1", state: "finished", results: [CELLS] });
  assert.deepEqual(log, ["plan", "cells", "Quick sketches in 3 steps", "cells", "Quick sketches in 3 steps"]);
  for (const change of [
    (all) => Object.assign(all.values, { guidance: 2 }),
    (all) => Object.assign(all.panel.description, { auto: true }),
    (all) => Object.assign(all.panel, { difference: "" }),
    (all) => Object.assign(all.panel.stream, { active: true }),
  ]) {
    const other = around();
    change(other);
    other.sketches.describe();
    await other.wait(3000);
    assert.deepEqual(other.asked, []);
  }
});

test("other words stop the sketches that are drawn, and the words of the run bring its pictures back", async () => {
  const { log, values, panel, asked, sketches, wait } = around();
  sketches.describe();
  await wait(500);
  asked[0].take({ run: "1", state: "running", results: [CELLS] });
  values.a = "owl";
  sketches.describe();
  assert.deepEqual(log.slice(2), ["left", "stop 1", "none"]);
  await wait(500);
  asked[0].take({ run: "1", state: "running", results: [CELLS] }); // too late
  asked[1].take({ run: "2", state: "finished", results: [CELLS] });
  values.a = "fox";
  panel.isRun = true;
  sketches.describe();
  assert.deepEqual(log.slice(5), ["cells", "Quick sketches in 3 steps", "none", "back"]);
});

/** Change a word by hand. */
function type({ values, panel }) {
  values.a += "es";
  panel.side.dispatchEvent(new Event("input"));
}

test("in a browser alone the student is fetched for words by hand, and not waited for for ever", async () => {
  const preload = [];
  const missing = { auto: false, seconds: null };
  const one = around({ preload, known: [missing, missing, { auto: false, seconds: 5 }] });
  one.sketches.describe();
  await one.wait(3000);
  assert.deepEqual([preload, one.asked.length], [[], 0], "not because of a link");
  type(one);
  one.sketches.describe();
  await one.wait(3000);
  assert.deepEqual([preload, one.asked.length], [["student"], 1]);
  const never = [];
  const other = around({ preload: never, known: [missing] });
  type(other);
  other.sketches.describe();
  await other.wait(120_000);
  assert.ok(never.length < 32 && !other.asked.length);
  const slow = around({ preload: never, known: [{ auto: false, seconds: 9 }] });
  slow.sketches.describe();
  await slow.wait(3000);
  assert.deepEqual(slow.asked, []);
});
