// A run that is changed by hand, in the worker: it begins at a state that the run before it has kept, and gives what the
// whole run gives.
import assert from "node:assert/strict";
import { test } from "node:test";
import { lanes } from "../computing/sampling.js";
import { Run } from "../local/jobs.js";
import { Pool } from "../local/pool.js";
import { formsFor } from "../parts/index.js";
import { planner as watch } from "../parts/watch/plan.js";
import { check } from "../plans/fields.js";
import { schedule } from "../process/schedule.js";
import { Catalogue } from "../words/catalogue.js";

const catalogue = new Catalogue({ embedded: [], guidance: {}, script: {} });
const STEPS = 8;
const SIZE = 16;
const timed = schedule({});
const known = { student: null, optimised: null, source: null, variance: "beta", prediction: "epsilon", gamma: null };
const process = { ...timed, ...known, channels: 1, size: SIZE, clip: true };
const facts = {
  ...{ ref: "toy", schedule: timed, process, image_size: SIZE, channels: 1, factor: 1, ...known, snr: null },
  ...{
    num_classes: 0,
    null_label: null,
    class_names: null,
    clip: true,
    latent: false,
    takes_words: false,
    corrections: 1,
  },
};
const [EARLIER, LATE] = [625, 250]; // t: the run has these states
const stroke = (t, cell) => `${t}-noise-100-${cell}.3`;

/** A run of Watch in a worker. evaluated: how often its network was evaluated. */
async function ran(touch, from = null, values = {}) {
  let evaluated = 0;
  const network = async (x) => {
    evaluated += 1;
    return x.map((value) => 0.3 * Math.tanh(value));
  };
  const model = { ...process, network, pictureSize: SIZE, pictureChannels: 1, words: null, decode: null };
  const checkpoints = {
    ...{ files: { isFull: false }, onGpu: new Set(), isLoaded: () => true, learn() {}, note() {}, pace: () => 1 },
    ...{ model: async () => model, known: () => ({}), bytes: () => 1 },
  };
  const forms = formsFor("toy", ["toy"]).watch;
  const request = check(forms, { checkpoint: "toy", steps: STEPS, count: 2, variance: "beta", touch, ...values });
  const plan = watch.plan(request, [facts], catalogue);
  const messages = [];
  const run = new Run(new Pool(checkpoints), "watch", plan, (message) => messages.push(message), from, 0);
  await run.run(async () => lanes);
  const frames = messages.flatMap(({ results }) => results).filter(({ kind }) => kind === "frame");
  frames.sort((a, b) => a.lane - b.lane || a.k - b.k);
  return { run, frames, evaluated, last: messages.at(-1), times: plan.rows[0].map(([, s]) => s) };
}
const at = ({ run: { states } }, s) => ({ s, states });

for (const [sampler, evaluations] of [
  ["ddpm", (steps) => steps],
  ["heun", (steps) => 2 * steps - 1], // two in each step but the last
])
  test(`a run of ${sampler} begins at a state of the run before, and gives what the whole run gives`, () =>
    continued({ sampler, spacing: "linspace", S_churn: sampler === "heun" ? 5 : 0 }, evaluations));

/** Check that touched runs begin in the middle. evaluations: of a picture in so many last steps of a run. */
async function continued(values, evaluations) {
  const [one, other] = [stroke(EARLIER, 3), stroke(LATE, 7)];
  const run = (touch, from = null) => ran(touch, from, values);
  const plain = await run("");
  assert.deepEqual([plain.last.state, plain.evaluated], ["finished", 2 * evaluations(STEPS)]);
  const [first, second] = [await run(one), await run(`${one}_${other}`)];
  const touched = first.times.indexOf(first.run.plan.lanes[1].touch[0].t);
  const before = plain.times[touched - 1];
  const rest = await run(one, at(plain, before));
  assert.deepEqual(rest.frames, first.frames);
  assert.deepEqual(rest.run.recording, first.run.recording);
  const [after, fromThere] = [evaluations(STEPS - touched - 1), evaluations(STEPS - touched)];
  assert.equal(rest.evaluated, 2 * (fromThere - after + 2 * after)); // the touched step itself is of both lanes
  // A second stroke begins between the two, at a state in which the lanes differ.
  const between = first.times[touched + 1];
  const again = await run(`${one}_${other}`, at(rest, between));
  assert.deepEqual(again.frames, second.frames);
  assert.equal(again.evaluated, 2 * 2 * evaluations(STEPS - touched - 2));
  // Taken back, the first stroke alone is the first run again.
  assert.deepEqual((await run(one, at(again, between))).frames, first.frames);
}

test("a run whose state is not kept is asked for as a whole", async () => {
  const plain = await ran("");
  for (const from of [at(plain, 3), { s: plain.times[2], states: null }]) {
    const { last, evaluated } = await ran(stroke(LATE, 3), from);
    assert.deepEqual([last.state, last.status, evaluated], ["error", { kind: "gone" }, 0]);
  }
  assert.equal((await ran("", null, { sampler: "dpm++" })).run.states, null); // it remembers earlier steps
});
