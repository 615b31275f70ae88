import assert from "node:assert/strict";
import { test } from "node:test";
import { alone } from "../learning/alone.js";
import { formsFor } from "../parts/index.js";
import { asLaneA, questions, recipesOf, titlesOf } from "../parts/train/choices.js";
import { duration } from "../parts/train/machine.js";
import { Session } from "../parts/train/session.js";
import { NEXT, SHOWS } from "../parts/train/standing.js";
import { ReceivedTrack, smooth } from "../parts/train/track.js";
import { ACTIONS, copies, expected, facts, sentence, status, when } from "../parts/train/words.js";
import { PretendTraining } from "./pretend_training.mjs";

const form = formsFor("mnist-tiny", ["mnist-tiny"]).train;
const usual = Object.fromEntries(form.map(({ name, default: value }) => [name, value]));
const pictures = (more = {}) => {
  const size = 28 * 28;
  const some = { kind: "digits", images: new Uint8Array(5 * size), count: 5, side: 28, channels: 1 };
  return { ...some, labels: null, classes: [], originals: new Uint8Array(5 * size), ...more };
};

// --- The form

test("one network has the usual recipe, two have what differs in their titles", () => {
  const [one, ...none] = recipesOf(usual, pictures());
  assert.deepEqual(none, []);
  assert.deepEqual(
    [one.prediction, one.times, one.weight, one.schedule, one.widths, one.lr, one.batch, one.average, one.images],
    ["v", "lognormal", "", "linear", [16, 32, 64], 0.003, 32, 0.999, 25600],
  );
  assert.deepEqual(titlesOf(usual, form), [""]);
  const two = { ...usual, two: true, ...asLaneA(usual, form), rate_b: "0.012", average_b: false };
  assert.deepEqual(
    recipesOf(two, pictures()).map(({ lr, average }) => [lr, average]),
    [
      [0.003, 0.999],
      [0.012, 0],
    ],
  );
  assert.deepEqual(titlesOf(two, form), ["rate 0.003, averaged", "rate 0.012, not averaged"]);
});

test("a flow has its own schedule, and a weighted loss sees every t alike", () => {
  const [flow] = recipesOf({ ...usual, prediction: "flow", schedule: "cosine" }, pictures());
  assert.deepEqual([flow.prediction, flow.schedule], ["flow", "flow"]);
  const [weighted] = recipesOf({ ...usual, objective: "min_snr" }, pictures());
  assert.deepEqual([weighted.times, weighted.weight], ["uniform", "min_snr"]);
  const two = { ...usual, two: true, prediction_b: "flow", schedule: "cosine" };
  assert.deepEqual(titlesOf(two, form), ["predicts a mix, v", "predicts a flow"]);
});

test("only drawings begin with the weights of the digits, where these fit", () => {
  const begins = (values, more) => recipesOf({ ...usual, ...values }, pictures(more))[0].starts;
  assert.ok(begins({}, { kind: "drawings" }));
  assert.ok(!begins({}, {}) && !begins({ prediction: "epsilon" }, { kind: "drawings" }));
  assert.ok(!begins({ width: "8 16 32" }, { kind: "drawings" }) && !begins({}, { kind: "own", side: 32 }));
});

test("labels are dropped where there are some", () => {
  assert.equal(recipesOf(usual, pictures())[0].dropout, 0);
  assert.equal(recipesOf(usual, pictures({ labels: new Uint16Array(5), classes: ["a", "b"] }))[0].dropout, 0.1);
});

test("each question sets two networks that differ in one thing", () => {
  for (const [name, values] of Object.entries(questions(form))) {
    const all = { ...usual, ...values };
    const differ = form.filter(({ lane, name }) => lane === "a" && all[name] !== all[`${name}_b`]);
    assert.deepEqual([differ.length, differ[0].name, all.two], [1, name, true]);
    for (const field of form.filter(({ names }) => names)) assert.ok(field.names.includes(String(all[field.name])));
  }
});

test("how long a training takes follows from the rate, the width and the size of the pictures", () => {
  const time = (values, side = 28) => duration(recipesOf({ ...usual, ...values }, pictures()), side, 100);
  assert.deepEqual(time({}), { all: 256, first: 50 });
  assert.equal(time({ width: "8 16 32" }).all, 64);
  assert.equal(time({ two: true }).all, 512);
  assert.equal(Math.round(time({}, 32).all), 334);
  assert.equal(duration([], 28, 0), null);
  assert.match(expected(null, true), /first seconds/);
  assert.equal(expected(time({}), true), "About 4 min on this computer. First digits after about 50 s.");
});

// --- States

test("every state can be left, shows its buttons, and no event leads nowhere", () => {
  const states = Object.keys(NEXT);
  assert.deepEqual(Object.keys(SHOWS), states);
  for (const [state, follows] of Object.entries(NEXT)) {
    assert.ok(Object.keys(follows).length && Object.values(follows).every((next) => states.includes(next)), state);
    assert.ok(SHOWS[state].buttons.length && SHOWS[state].buttons.every((name) => ACTIONS[name]), state);
    assert.ok(status(state, ""));
    // What a button asks for leads somewhere, at once or by what the training says.
    const leads = { start: "begin", resume: "resume", stop: "stop", pause: "paused" };
    const later = { resume: "running", stop: "stopped" };
    for (const name of SHOWS[state].buttons)
      assert.ok(follows[leads[name]] ?? follows[later[name]], `${state} ${name}`);
  }
});

/** A session with trainings that pretend. */
function session(how = {}) {
  const made = { trainings: [], kept: [], held: 0, now: 0 };
  const means = {
    async make(asked, snapshot) {
      const training = new PretendTraining(asked, snapshot);
      made.trainings.push(training);
      return training;
    },
    async keep(record) {
      made.kept.push(structuredClone(record));
      return "";
    },
    async alone() {
      made.held += 1;
      return () => {
        made.held -= 1;
      };
    },
    now: () => made.now,
    ...how,
  };
  return { made, session: new Session(means, () => {}) };
}

const asks = (values = {}, more = {}) => {
  const all = { ...usual, ...values };
  const found = pictures(more);
  return async () => ({ values: all, titles: titlesOf(all, form), pictures: found, recipes: recipesOf(all, found) });
};
const settled = () => new Promise((resolve) => setTimeout(resolve));

test("a training begins, is drawn as it goes on, pauses, goes on and ends", async () => {
  const { made, session: one } = session();
  await one.begin(asks());
  assert.equal(one.state, "running");
  const [training] = made.trainings;
  training.go();
  training.go(true);
  assert.deepEqual([one.track.step, one.track.images, one.track.moments.length], [2, 64, 1]);
  assert.deepEqual(one.track.losses, [
    [32, [1]],
    [64, [0.5]],
  ]);
  assert.equal(one.track.left, (25600 - 64) / 32);
  const [{ lanes }] = one.track.moments;
  assert.deepEqual([lanes[0].averaged[0].width, lanes[0].averaged[0].height], [5 * 28 + 8, 4 * 28 + 6]);
  await one.pause();
  assert.deepEqual([one.state, one.buttons, made.held], ["paused", ["resume", "stop"], 1]);
  await one.resume();
  assert.deepEqual([one.state, made.trainings.length], ["running", 1]);
  training.finish();
  assert.deepEqual([one.state, one.buttons, made.held], ["finished", ["start"], 0]);
  await settled();
  assert.equal(made.kept.at(-1).isOver, true);
});

test("it is kept every ten seconds, and found again after a reload, where it goes on", async () => {
  const { made, session: one } = session();
  await one.begin(asks({ two: true, average_b: false }));
  const [training] = made.trainings;
  training.go(true);
  assert.equal(made.kept.length, 0);
  made.now = 10_001;
  training.go();
  training.go();
  await settled();
  assert.equal(made.kept.length, 1);

  const { made: again, session: other } = session();
  other.restore(made.kept[0]);
  assert.deepEqual([other.state, other.buttons, again.held], ["kept", ["resume", "start"], 0]);
  assert.deepEqual([other.track.step, other.track.moments.length, other.isUnsaved], [2, 1, true]);
  assert.deepEqual(await other.weights(1), new Map([["lane", new Float32Array([1])]]));
  await other.resume();
  assert.deepEqual([other.state, again.held, again.trainings[0].step], ["running", 1, 2]);
  again.trainings[0].go(true);
  assert.deepEqual([other.track.step, other.track.moments.length], [3, 2]);
});

test("a training that had finished is found as such", async () => {
  const { made, session: one } = session();
  await one.begin(asks());
  made.trainings[0].go(true);
  made.trainings[0].finish();
  await settled();
  const { session: other } = session();
  other.restore(made.kept[0]);
  assert.deepEqual([other.state, other.buttons], ["finished", ["start"]]);
});

test("another training takes the place of the one before, whose news count no more", async () => {
  const { made, session: one } = session();
  await one.begin(asks());
  made.trainings[0].go(true);
  assert.ok(one.isUnsaved);
  one.safe = one.track.step;
  assert.ok(!one.isUnsaved);
  await one.stop();
  assert.deepEqual([one.state, one.buttons], ["stopped", ["resume", "start"]]);
  await one.begin(asks({ two: true }));
  made.trainings[0].go(true);
  assert.deepEqual([one.state, one.track.moments.length, one.track.titles.length], ["running", 0, 2]);
});

test("what goes wrong is said, and what was kept can go on", async () => {
  const { made, session: one } = session();
  await one.begin(asks());
  made.now = 20_000;
  made.trainings[0].go(true);
  await settled();
  made.trainings[0].fail("the loss is no number any more: choose a lower learning rate");
  assert.deepEqual([one.state, made.held], ["failed", 0]);
  assert.match(status(one.state, one.error), /^Failed: The loss is no number/);
  assert.deepEqual(one.buttons, ["start", "resume"]);
  await one.resume();
  assert.deepEqual([one.state, made.trainings[1].step], ["running", 1]);
});

/** The locks of a browser, as far as `alone` needs them. @param {boolean} isTaken by another window */
const locksOf = (isTaken) => ({
  async request(_name, { ifAvailable }, hold) {
    assert.ok(ifAvailable);
    await hold(isTaken ? null : {});
    isTaken = false;
  },
});

test("the right to train is given back once, and another window gets a sentence", async () => {
  let isFree = false;
  const { request } = locksOf(false);
  const release = await alone({ request: (...how) => request(...how).then(() => (isFree = true)) });
  await settled();
  assert.equal(isFree, false);
  release();
  await settled();
  assert.equal(isFree, true);
  await assert.rejects(alone(locksOf(true)), /Another window of this browser trains already/);
});

test("pictures that can't be read and another window end it before it begins", async () => {
  const { session: one } = session();
  const { UserError } = await import("../process/errors.js");
  await one.begin(() => Promise.reject(new UserError("choose others")));
  assert.deepEqual([one.state, one.error, one.buttons], ["failed", "Choose others", ["start"]]);
  const { session: other, made } = session({ alone: () => alone(locksOf(true)) });
  await assert.rejects(other.begin(asks()), /Another window/);
  assert.deepEqual([other.state, made.trainings.length], ["idle", 0]);
});

test("a question that is pressed while a training goes on replaces it, however slowly its pictures are read", async () => {
  const { made, session: one } = session();
  await one.begin(asks());
  let give;
  const slow = one.begin(() => new Promise((resolve) => (give = resolve)));
  await settled();
  assert.deepEqual([one.state, made.trainings[0].state, one.track], ["preparing", "stopped", null]);
  await one.begin(asks({ two: true }));
  give(await asks()());
  await slow;
  assert.deepEqual([one.state, one.track.titles.length, made.trainings.length], ["running", 2, 2]);
});

test("stopped while its pictures are read, it does not begin", async () => {
  const { session: one, made } = session();
  let give;
  const begun = one.begin(() => new Promise((resolve) => (give = resolve)));
  await settled();
  one.stop();
  give(await asks()());
  await begun;
  assert.deepEqual([one.state, made.trainings.length, made.held], ["idle", 0, 0]);
});

test("a browser that can't keep it says so, and it goes on", async () => {
  const { session: one, made } = session({ keep: async () => "There is no room left." });
  await one.begin(asks());
  made.now = 20_000;
  made.trainings[0].go();
  await settled();
  assert.deepEqual([one.state, one.unkept, one.kept], ["running", "There is no room left.", -1]);
});

test("paused while it is being stored, it is stored once more, with its last steps", async () => {
  const stored = [];
  const ends = [];
  const keep = (record) => {
    stored.push(record.snapshot.step);
    return new Promise((resolve) => ends.push(() => resolve("")));
  };
  const { session: one, made } = session({ keep });
  await one.begin(asks());
  made.now = 20_000;
  made.trainings[0].go();
  await settled();
  made.trainings[0].go();
  one.pause();
  await settled();
  assert.deepEqual([one.state, stored], ["paused", [1]]);
  ends[0]();
  await settled();
  assert.deepEqual(stored, [1, 2]);
  ends[1]();
  await settled();
  assert.deepEqual([one.kept, one.track.step, stored.length], [2, 2, 2]);
});

test("two networks whose batches differ are drawn over steps", async () => {
  const { made, session: one } = session();
  await one.begin(asks({ two: true, batch_b: "64" }));
  made.trainings[0].go(true);
  assert.deepEqual([one.track.isOfSteps, one.track.images, one.track.total, one.track.rate], [true, 1, 800, 1]);
});

// --- A training that is told

const told = (more) => {
  const usual = { state: "running", version: 3, total: 100, batch: 64, title: "v", step: 0, left: null, model: null };
  return { ...usual, from: [0, 0], points: [], grids: [], more: false, classes: 10, ...more };
};
const grid = (step, error = 50) => ({ step, seconds: step, error, ema: [], raw: [] });

test("what is told grows by what is new, and a repeated answer changes nothing", () => {
  const track = new ReceivedTrack();
  assert.deepEqual(track.asked, { version: 0, points: 0, grids: 0 });
  track.take(told({ points: [[1, 0.9, 10, 1]], grids: [grid(0), grid(1)] }));
  assert.deepEqual(track.asked, { version: 3, points: 1, grids: 2 });
  const next = told({ from: [1, 2], points: [[2, 0.8, 10, 2]], grids: [grid(2)], step: 2, left: 20 });
  track.take(next);
  track.take(next);
  assert.deepEqual([track.losses.length, track.moments.length, track.images], [2, 3, 128]);
  assert.equal(track.left, 20);
  assert.equal(track.at(64 * 1.5), 1);
  assert.equal(track.at(10 ** 9), 2);
});

test("another version of the folder replaces what was known", () => {
  const track = new ReceivedTrack();
  track.take(told({ points: [[1, 0.9, 10, 1]], grids: [grid(0), grid(4)] }));
  track.take(told({ version: 4, grids: [grid(0)] }));
  assert.deepEqual([track.losses.length, track.moments.length], [0, 1]);
});

test("the smoothed curve starts at the first value and follows", () => {
  const points = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0].map((y, x) => [x, y]);
  const curve = smooth(points, 0.8);
  assert.ok(Math.abs(curve[0][1] - 1) < 1e-12 && Math.abs(curve[1][1] - 1) < 1e-12);
  assert.ok(curve[9][1] < 0.2 && curve[9][1] > 0);
});

// --- Words

test("what is said of a training", () => {
  assert.equal(status("idle", ""), "Ready");
  assert.equal(
    facts({ images: 3200, total: 6400, rate: 200, left: 61 }, true),
    "3,200 of 6,400 pictures · 200 pictures/s · about 61 s left",
  );
  assert.equal(facts({ images: 0, total: 6400, rate: 0, left: null }, false), "6,400 pictures");
  assert.equal(when({ step: 0, images: 0, seconds: 0 }), "before the first step");
  assert.equal(when({ step: 10, images: 640, seconds: 4 }), "after 640 pictures, 4 s");
});

test("the sentence under the samples follows the error down", () => {
  assert.match(sentence(0, 91), /Random weights/);
  const said = [87, 60, 46, 40, 37].map((error) => sentence(9, error));
  assert.equal(new Set(said).size, 5);
  assert.match(said[1], /bright/);
  assert.match(said.at(-1), /refines/);
  assert.equal(sentence(9, null), "");
});

test("the number of copies in words", () => {
  assert.match(copies(0, 2), /not seen/);
  const said = [0.1, 0.5, 0.9, 2].map((likeness) => copies(9, likeness));
  assert.equal(new Set(said.map((text) => text.split(":")[0])).size, 4);
  assert.match(said[2], /^No copies: 0.90 \(/);
});
