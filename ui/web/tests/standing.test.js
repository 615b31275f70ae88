import assert from "node:assert/strict";
import { test } from "node:test";
import { Asking } from "../run/asking.js";
import { NEXT, Standing } from "../run/standing.js";

const READY = { active: false, left: null, progress: null, words: "Ready" };
const RUNNING = { active: true, left: 9, progress: 0.5, words: "Running" };

/** A standing to which these events have happened. */
function after(...events) {
  const standing = new Standing();
  for (const event of events) standing.on(event);
  return standing;
}

test("each state of the table can be reached, and each event leads to a state of its own region", () => {
  for (const [region, states] of Object.entries(NEXT)) {
    const names = Object.keys(states);
    const reached = [new Standing().state[region]];
    for (const state of reached)
      for (const next of Object.values(states[state])) if (!reached.includes(next)) reached.push(next);
    assert.deepEqual(reached.toSorted(), names.toSorted(), region);
  }
});

test("an example is shown until the first picture of a run, whose pictures are awaited meanwhile", () => {
  const same = () => false;
  const standing = after("example");
  standing.words.example = "Recorded";
  assert.deepEqual(standing.line(READY, false, "Run", null), ["Recorded", "", true]);
  assert.equal(standing.difference(false, same), "");
  standing.on("edit");
  assert.equal(standing.difference(false, same), "other");
  assert.equal(
    standing.difference(false, () => true),
    "",
    "the values are as they were",
  );
  for (const event of ["start", "begin"]) standing.on(event);
  assert.deepEqual([standing.difference(true, same), standing.isExample], ["awaited", false]);
  assert.deepEqual(standing.line(RUNNING, true, "Run", null), ["Running", "9 s left", false, 0.5]);
  standing.on("picture");
  assert.equal(standing.difference(true, same), "");
  standing.on("edit");
  assert.equal(standing.difference(true, same), "other");
  assert.deepEqual(standing.line(READY, true, "Run, 5 s", null), ["Settings changed", "Run, 5 s", false]);
});

test("a sketch covers what is shown until the first picture of a run, and what is said of one until that begins", () => {
  const standing = after("example", "edit", "cover");
  standing.words.sketch = "A sketch";
  assert.equal(
    standing.difference(false, () => false),
    "",
  );
  assert.deepEqual(standing.line(READY, false, "Run", null), ["A sketch", "Run", false]);
  standing.on("begin");
  assert.equal(standing.state.sketch, "over");
  standing.on("picture");
  assert.equal(standing.state.sketch, "none");
  assert.equal(after("await", "begin").state.sketch, "none");
});

test("a mistake of the form goes when the form is right, that of a run when a field is changed", () => {
  const standing = new Standing();
  const mistake = { field: "steps", error: "Too many" };
  standing.blame("refuse", [mistake]);
  standing.on("edit");
  assert.deepEqual(standing.wrong, [mistake]);
  standing.on("accept");
  assert.deepEqual(standing.wrong, []);
  standing.blame("fail", [mistake]);
  standing.on("accept");
  assert.deepEqual(standing.wrong, [mistake]);
  standing.on("edit");
  assert.deepEqual(standing.wrong, []);
});

test("a press runs whatever it takes, a change only what is quick, and a link takes back a press", () => {
  const follows = (events, ...is) => after(...events).afterEstimate(...is);
  for (const auto of [true, false, null]) assert.equal(follows(["demand"], auto, true, false), "begin");
  const changed = [true, false, null].map((auto) => follows(["change"], auto, true, false));
  assert.deepEqual(changed, ["begin", "", "again"]);
  assert.equal(follows(["demand", "change"], false, true, false), "begin");
  assert.equal(follows(["demand", "link"], false, true, false), "");
  assert.equal(follows(["change"], true, true, true), "", "it is there");
  assert.equal(follows(["demand"], true, false, false), "", "it is not possible");
  const standing = after("demand");
  standing.afterEstimate(true, true, false);
  assert.equal(standing.afterEstimate(true, true, false), "", "one reason begins one run");
});

/** What asks, of a form with a model. `answer(...)` answers the oldest question; `asked` are those without an answer; `log` has what happens. */
function asking(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const [log, asked] = [[], []];
  const ask = (what) => new Promise((resolve) => asked.push({ what, resolve }));
  const panel = {
    ...{ part: "watch", standing: new Standing(), isRun: false },
    form: { fields: [], refs: ["tiny", null], values: {} },
    page: { knowledge: { about: (ref) => ask(ref), describe: () => ask("describe") }, client: {} },
    start: () => log.push("start"),
    describe: ({ estimate }) => log.push(estimate),
  };
  const answer = async (content) => {
    asked.shift().resolve(content);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { asking: new Asking(panel), panel, log, asked, answer, wait: (ms) => t.mock.timers.tick(ms) };
}

test("what a run takes is asked once the models are known and the form rests, and only the newest answer counts", async (t) => {
  const { asking: one, log, asked, answer, wait, panel } = asking(t);
  one.later(0);
  wait(100);
  assert.deepEqual(asked, [], "no model is known");
  const [older, newer] = [one.models(), one.models()];
  await answer({ here: true });
  await answer({ here: true });
  assert.deepEqual([await older, await newer], [null, [{ here: true }, null]]);
  one.later(120);
  wait(100);
  one.later(120);
  wait(100);
  assert.deepEqual(asked, [], "the form does not rest");
  wait(20);
  one.later(120);
  await answer({ estimate: "of before", auto: true });
  wait(120);
  panel.standing.on("change");
  await answer({ estimate: "now", auto: true });
  assert.deepEqual(log, ["now", "start"]);
});

test("a time that is not known yet is asked again, and so is what is refused for now; the reason to run stays", async (t) => {
  const { asking: one, log, asked, answer, wait, panel } = asking(t);
  const models = one.models();
  await answer({ here: true });
  await models;
  panel.standing.on("change");
  one.later(0);
  wait(0);
  await answer({ estimate: "unknown", auto: null });
  wait(500);
  await answer({ error: "Too many at once", again: 3 });
  wait(2999);
  assert.deepEqual(asked, []);
  wait(1);
  await answer({ estimate: "quick", auto: true });
  assert.deepEqual(log, ["unknown", undefined, "quick", "start"]);
});
