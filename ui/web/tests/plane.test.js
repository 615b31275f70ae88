// What the Plane tab computes without a page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Checkpoints } from "../local/checkpoints.js";
import { Run } from "../local/jobs.js";
import { Pool } from "../local/pool.js";
import { formsFor } from "../parts/index.js";
import { addLine, fromText, toText } from "../parts/plane/board.js";
import { verdict } from "../parts/plane/charts.js";
import { frame, frameAt, histogram, moments, union } from "../parts/plane/cloud.js";
import { computation, timed } from "../parts/plane/compute.js";
import { networkOf, planner } from "../parts/plane/plan.js";
import { check } from "../plans/fields.js";
import { estimate } from "../plans/pace.js";
import { cellMiddles, Mixture } from "../process/mixture.js";
import { ARROW_UNIT, UNIT } from "../process/plane.js";
import { Catalogue } from "../words/catalogue.js";

globalThis.fetch = async (address) => new Response(readFileSync(/** @type {URL} */ (address))); // of the kernel

/** @param {number} a @param {number} b @param {number} [within] */
const close = (a, b, within = 1e-9) => assert.ok(Math.abs(a - b) <= within, `${a} is not ${b}`);
const sum = (/** @type {Iterable<number>} */ values) => [...values].reduce((all, v) => all + v, 0);

const two = new Mixture({ centres: [0.5, 0.25, -0.5, -0.75], width: 0.3 });

test("the density is one in all, and its moments and marginals are those of the mixture", () => {
  for (const alphaBar of [1, 0.3]) {
    const reach = 6;
    const at = cellMiddles(240, reach);
    const cell = (at[1] - at[0]) ** 2;
    const density = two.density(at, at, alphaBar);
    close(sum(density) * cell, 1, 1e-6);
    const { mean, trace } = two.moments(alphaBar);
    const [x, y, squares] = [0, 0, 0].map((_, which) =>
      sum(
        density.map((v, i) => {
          const [a, b] = [at[i % 240], at[Math.floor(i / 240)]];
          return v * cell * [a, b, a * a + b * b][which];
        }),
      ),
    );
    close(x, mean[0], 1e-6);
    close(y, mean[1], 1e-6);
    close(squares - x * x - y * y, trace, 1e-6);
    const down = two.marginal(1, at, alphaBar);
    for (const j of [100, 120, 130]) close(sum(density.slice(240 * j, 240 * j + 240)) * (at[1] - at[0]), down[j], 1e-6);
  }
});

test("an arrow is the slope of the log density, in units of 1/√V, also far away", () => {
  const [x, y, alphaBar, step] = [0.3, -0.2, 0.7, 1e-5];
  const log = (/** @type {number} */ a, /** @type {number} */ b) => Math.log(two.density([a], [b], alphaBar)[0]);
  const [right, up] = two.arrow(x, y, alphaBar);
  const unit = Math.sqrt(two.variance(alphaBar));
  close(right, (unit * (log(x + step, y) - log(x - step, y))) / (2 * step), 1e-6);
  close(up, (unit * (log(x, y + step) - log(x, y - step))) / (2 * step), 1e-6);
  const thin = new Mixture({ centres: [0, 0], width: 0.02 });
  close(thin.arrow(5, 0, 1)[0], -250);
});

test("a cloud's moments have their errors", () => {
  const found = moments(Float32Array.from([0, 0, 2, 0, 0, 4, 2, 4]));
  assert.deepEqual(found.mean, [1, 2]);
  close(found.trace, 4 / 3 + 16 / 3);
  close(found.meanError[1], Math.sqrt(16 / 3 / 4));
  close(histogram(Float32Array.from([0.1, 9, 0.1, 9, -5, 9, 0.9, 9]), 0, 2, 1)[1], 3 / 4);
});

test("what is said of a spread depends on its error", () => {
  const data = new Mixture({ centres: [0, 0], width: 1 });
  const alternating = (/** @type {number} */ far, /** @type {number} */ n) =>
    Float32Array.from({ length: 4 * n }, (_, i) => far * [1, 0, -1, 0][i % 4]);
  const said = (/** @type {Float32Array} */ points) =>
    verdict(data, { s: 0, alphaBar: 1, reach: 1, points, field: null });
  assert.equal(said(alternating(1, 500)), "Spread 1.001 ± 0.000: 50 % below what it should be (2.000)");
  assert.match(said(alternating(1.6, 500)), /: 28 % above what it should be/);
  assert.match(said(alternating(3, 500)), /: 4.5 times what it should be/);
  assert.match(said(Float32Array.from([3, 0, -1, 0, 0, 1, 0, -1])), /, as it should be \(2.000\)$/);
});

test("points come as whole numbers", () => {
  const x = Int16Array.from([1, -2, 300, 0]);
  const field = Int8Array.from([-4, 2]);
  const got = frame({ kind: "frame", lane: 0, s: 3, alpha_bar: 1, reach: 2, x, field });
  assert.deepEqual([got.s, got.alphaBar, [...got.points].map((value) => Math.round(value / UNIT))], [3, 1, [...x]]);
  assert.deepEqual(
    [...(got.field ?? [])].map((value) => Math.round(value / ARROW_UNIT)),
    [...field],
  );
});

test("each lane shows the cloud that it has at t", () => {
  const frames = [10, 6, 0].map((s) => ({ s, alphaBar: 1, reach: 1, points: new Float32Array(), field: null }));
  assert.deepEqual(
    [10, 9, 6, 5, 0].map((t) => frameAt(frames, t).s),
    [10, 10, 6, 6, 0],
  );
  assert.deepEqual(
    union([
      [10, 6, 0],
      [10, 3, 0],
    ]),
    [10, 6, 3, 0],
  );
});

test("a drawing is a line of points, which a text brings back", () => {
  const one = addLine([], null, [300, -7], 9);
  assert.deepEqual(one, [[100, -7]]);
  assert.equal(addLine(one, [100, -7], [99, -7], 9), one); // too near
  const line = addLine([], null, [0, 0], 5);
  assert.deepEqual(addLine(line, [0, 0], [12, 0], 5), [
    [0, 0],
    [4, 0],
    [8, 0],
    [12, 0],
  ]);
  assert.equal(addLine(line, [0, 0], [90, 0], 5).length, 5);
  assert.deepEqual(
    fromText(
      toText([
        [1, -2],
        [-100, 100],
      ]),
      5,
    ),
    [
      [1, -2],
      [-100, 100],
    ],
  );
  for (const wrong of ["", "x", "1,2;3", "1"]) assert.deepEqual(fromText(wrong, 5), []);
});

/** @param {Record<string, unknown>} values */
const planned = (values, trained = new Set()) => {
  const words = { embedded: [], guidance: {}, sketches: {}, sets: [] };
  const catalogue = new Catalogue({ ...words, script: { imports: "", touch: "" } });
  catalogue.trained = trained;
  return planner.plan(check(formsFor("", []).plane, values), [], catalogue);
};

test("only a run of a network that has to be trained counts steps of training", () => {
  const trainingSteps = (/** @type {Record<string, unknown>} */ values, trained = new Set()) =>
    planned(values, trained).steps.find(({ kind }) => kind.ref === "plane-training")?.n;
  assert.equal(trainingSteps({}), undefined);
  assert.equal(trainingSteps({ denoiser: "trained", training: 500 }), 500);
  const known = new Set([networkOf(planned({ denoiser: "trained", training: 500 }).request)]);
  assert.equal(trainingSteps({ denoiser: "trained", training: 500 }, known), undefined);
  assert.equal(trainingSteps({ denoiser: "trained", training: 600 }, known), 600);
});

test("a run stops soon, also while a network is trained", async () => {
  const knowledge = /** @type {any} */ ({ models: [], answers: {}, words: {} });
  for (const values of [
    { steps: 1000, cloud: 2000 },
    { denoiser: "trained", training: 10_000 },
  ]) {
    const pool = new Pool(new Checkpoints(knowledge, /** @type {any} */ ({}), async () => null));
    /** @type {string[]} */
    const states = [];
    const run = new Run(pool, "plane", planned(values), ({ state, results }) => {
      states.push(state);
      if (results.length) run.stop();
    });
    await run.run(async () => computation);
    assert.deepEqual([states.at(-1), run.recording.clouds.size], ["stopped", 0]);
  }
});

test("the first visitor is told how long a run takes", async () => {
  /** @type {Record<string, import("../messages/protocol.d.ts").PaceOf>} */
  const paces = {};
  for (const name of ["plane-exact", "plane-trained", "plane-training"]) {
    const [seconds, images] = await timed(name);
    paces[name] = { seconds: [[1, images, seconds]], flop: null, download: 0 };
  }
  const pace = { paces, device: "CPU", busy: false, tflop: null };
  const [short, slow] = [{}, { denoiser: "trained", training: 10_000 }].map((values) =>
    estimate(planned(values), pace),
  );
  assert.ok(short.auto && !slow.auto && Number(slow.seconds) > Number(short.seconds) && Number(short.seconds) > 0);
});
