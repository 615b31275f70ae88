import assert from "node:assert/strict";
import { test } from "node:test";
import { History, Run, smoothed } from "../parts/train/history.js";
import { copies, facts, moment, sentence, status } from "../words/train.js";

const grid = (step, error = 50) => ({ step, seconds: step, error, ema: "data:,", raw: "data:," });
const answer = (more) => ({ state: "running", number: 1, version: 3, total: 100, batch: 64, title: "v", ...more });

test("a run grows by what is new, and a repeated answer changes nothing", () => {
  const history = new History();
  assert.deepEqual(history.asked, { number: 0, version: -1, points: 0, grids: 0 });
  history.take({ state: "idle", number: 0 });
  assert.equal(history.run.grids.length, 0);
  history.take(answer({ from: [0, 0], points: [[1, 0.9, 10, 1]], grids: [grid(0), grid(1)] }));
  const asked = history.asked;
  assert.deepEqual(asked, { number: 1, version: 3, points: 1, grids: 2 });
  const next = answer({ from: [1, 2], points: [[2, 0.8, 10, 2]], grids: [grid(2)] });
  history.take(next);
  history.take(next);
  assert.deepEqual([history.run.points.length, history.run.grids.length], [2, 3]);
});

test("another version of the folder replaces what was known", () => {
  const history = new History();
  history.take(answer({ from: [0, 0], points: [[1, 0.9, 10, 1]], grids: [grid(0), grid(4)] }));
  history.take(answer({ version: 4, from: [0, 0], points: [], grids: [grid(0)] }));
  assert.deepEqual([history.run.points.length, history.run.grids.length], [0, 1]);
});

test("earlier runs are kept for comparison, at the same number of images", () => {
  const history = new History();
  for (let number = 1; number <= 6; number++)
    history.take(answer({ number, version: number, from: [0, 0], grids: [grid(0), grid(10), grid(20)] }));
  assert.deepEqual(
    history.earlier.map((run) => run.number),
    [2, 3, 4, 5],
  );
  assert.equal(history.earlier[0].gridAt(64 * 15).step, 10);
  assert.equal(history.earlier[0].gridAt(10 ** 9).step, 20);
  const empty = new Run(7);
  assert.equal(empty.gridAt(5), undefined);
  // A run of which nothing was seen is no comparison.
  history.take({ state: "starting", number: 7 });
  history.take({ state: "starting", number: 8 });
  assert.equal(history.earlier.at(-1).number, 6);
});

test("a recorded run is shown until there are samples of one's own, and is none of the earlier runs", () => {
  const history = new History();
  history.example = new Run(0);
  history.example.take(answer({ from: [0, 0], points: [], grids: [grid(0), grid(10)] }));
  history.take({ state: "idle", number: 0 });
  assert.equal(history.shown, history.example);
  assert.match(status(history.answer, true), /recorded/);
  assert.deepEqual(facts(history.answer, history.shown), ["6,400 images"]);
  history.take({ state: "waiting", number: 1, text: "14 s" });
  assert.equal(history.shown, history.example);
  assert.equal(status(history.answer), "The computer is busy with other programs. Waiting (14 s)");
  history.take(answer({ from: [0, 0], points: [], grids: [grid(0), grid(10)] }));
  assert.equal(history.shown, history.run);
  history.take({ state: "starting", number: 2 });
  assert.deepEqual(
    history.earlier.map((run) => run.number),
    [1],
  );
  assert.equal(history.shown, history.run);
});

test("the smoothed curve starts at the first value and follows", () => {
  const points = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0].map((y, x) => [x, y]);
  const curve = smoothed(points);
  assert.ok(Math.abs(curve[0][1] - 1) < 1e-12 && Math.abs(curve[1][1] - 1) < 1e-12);
  assert.ok(curve[9][1] < 0.2 && curve[9][1] > 0);
});

test("what is said of a run", () => {
  assert.equal(status({ state: "idle", number: 0 }), "Ready");
  assert.equal(status({ state: "error", number: 1, text: "No memory" }), "Failed: No memory");
  assert.equal(status({ state: "running", number: 1, followed: "runs/a" }), "Following");
  const run = new Run(1);
  assert.deepEqual(facts({ state: "starting", number: 1 }, run), []);
  run.take(answer({ from: [0, 0], points: [[10, 0.9, 200, 1]], grids: [] }));
  assert.deepEqual(facts({ ...answer({}), step: 50, left: 61 }, run), [
    "3,200 of 6,400 images",
    "200 images/s",
    "about 61 s left",
  ]);
  assert.equal(moment(run, 0, 0), "before the first step");
  assert.equal(moment(run, 10, 4), "after 640 images, 4 s");
});

test("the sentence under the samples follows the error down", () => {
  assert.match(sentence(0, 91, 91), /Random weights/);
  const said = [80, 60, 45, 41, 35].map((error) => sentence(9, error, 91));
  assert.equal(new Set(said).size, 4);
  assert.match(said[0], /bright/);
  assert.match(said.at(-1), /refines/);
  assert.equal(sentence(9, null, 91), "");
});

test("the number of copies in words", () => {
  assert.match(copies(0, 2), /not seen/);
  const said = [0.1, 0.5, 0.9, 2].map((likeness) => copies(9, likeness));
  assert.equal(new Set(said.map((text) => text.split(":")[0])).size, 4);
  assert.match(said[2], /^New ones, no copies: 0.90 \(/);
});
