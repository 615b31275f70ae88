import assert from "node:assert/strict";
import { test } from "node:test";
import { PRESETS } from "../form/presets.js";
import { Checkpoints } from "../local/checkpoints.js";
import { formsFor } from "../parts/index.js";
import { aboutModel, defaultCount } from "../plans/facts.js";
import { check } from "../plans/fields.js";
import { estimate, isSettled, namesOf, secondsOf } from "../plans/pace.js";
import { byKind, evaluations, keyOf, left, stepKind } from "../plans/plan.js";
import { args, batch, laneOf, plain, resolved } from "../plans/settings.js";
import { common, fits, placed, strokes, touches, written } from "../plans/touch.js";
import { chain } from "../process/runs.js";
import { schedule } from "../process/schedule.js";
import { modelPairs, quarters, suitedSpacing } from "../process/times.js";
import { Catalogue } from "../words/catalogue.js";
import { COMPARISONS } from "../words/page.js";
import { duration, sentence } from "../words/units.js";

const words = { embedded: ["ours"], guidance: { "a/b": 1 }, script: {} };
const catalogue = new Catalogue(words);
catalogue.emoji = { "🍎": "red apple", "\ufe0f": "" };
const process = { ...schedule({}), student: null, optimised: null, source: null, variance: "beta", prediction: "v" };
const facts = {
  ...{ ref: "ours", schedule: process, process, image_size: 28, channels: 1, factor: 1, variance: "beta", snr: null },
  ...{ num_classes: 0, null_label: null, class_names: null, clip: true, source: null, gamma: null, student: null },
  ...{ latent: false, takes_words: false, corrections: 1 },
};
const one = (field) => (value) => check([{ name: "it", default: field.usual, ...field }], { it: value }).it;

test("the pace is that of the last seconds", () => {
  const checkpoints = new Checkpoints({ words }, null, null);
  const after = (...steps) => {
    for (const seconds of steps) checkpoints.note("toy", 4 * seconds, 4);
    return checkpoints.seconds("toy");
  };
  const close = (seconds, wanted) => assert.ok(Math.abs(seconds / wanted - 1) < 0.1, `${seconds} for ${wanted}`);
  assert.equal(checkpoints.seconds("toy"), null);
  close(after(...Array(40).fill(0.5)), 0.5);
  close(after(...Array(8).fill(1.5)), 1.5);
  close(after(...Array(20).fill(0.5)), 0.5);
  assert.equal(checkpoints.seconds("toy", 2), 2 * checkpoints.seconds("toy"));
});

test("a prompt is one line of whole letters, and an emoji is one of them", () => {
  const prompt = one({ kind: "prompt", title: "The prompt", most: 3, usual: "" });
  assert.equal(prompt("  a\n\tb "), "a b");
  assert.equal(prompt("🍎🍎🍎"), "🍎🍎🍎");
  assert.equal(prompt("\ud83ca"), "a");
  assert.throws(() => prompt("abcd"), /The prompt has at most 3 characters, got 4/);
});

test("whole numbers have any spelling, and no other value is one", () => {
  const whole = one({ kind: "whole", title: "Steps", low: 1, high: 1000, usual: 1 });
  assert.deepEqual([whole(" 7 "), whole(7), whole("007")], [7, 7, 7]);
  for (const value of ["7.5", "1e2", "", null, true, "٧", 1001, "9".repeat(40)])
    assert.throws(() => whole(value), /^Error: Steps must be a whole number from 1 to 1000, got /);
});

test("a number has no exponent of another base, and what is open has none at all", () => {
  const number = one({ kind: "number", title: "η", low: 0, high: 1, open: "its own", usual: null });
  assert.deepEqual([number(".5"), number("1e-3"), number(""), number(null)], [0.5, 0.001, null, null]);
  for (const value of ["0x1", "Infinity", "nan", " ", true, 2]) assert.throws(() => number(value), /from 0 to 1, got/);
});

test("the arrows of a number's box reach its limits and the value that the form has at first", () => {
  const fields = Object.values(formsFor("ours", ["ours"])).flat();
  for (const { name, low = 0, high, step, default: usual } of fields.filter((field) => field.step))
    for (const value of [high, ...(typeof usual === "number" ? [usual] : [])]) {
      const presses = (value - low) / step;
      assert.ok(Math.abs(presses - Math.round(presses)) < 1e-6, `${name}: from ${low} to ${value} by ${step}`);
    }
});

test("a comparison that names a number of steps in its title takes these in both lanes", () => {
  for (const [name, { steps, steps_b }] of Object.entries(PRESETS)) {
    const [titled] = COMPARISONS[name].match(/\d+(?= steps)/) ?? [];
    if (titled) assert.deepEqual([steps, steps_b], [Number(titled), Number(titled)], name);
  }
  assert.deepEqual([PRESETS.grain.steps, PRESETS.long.steps], [10, 1000]);
});

test("a switch is true, false, or the model's own", () => {
  const onOff = one({ kind: "switch", title: "Clip", usual: null });
  assert.deepEqual(["true", false, "", null].map(onOff), [true, false, null, null]);
  assert.throws(() => onOff("yes"), /Clip must be true or false, or empty for the model's default, got 'yes'/);
});

test("the first wrong value is named, with all others, and what has no field is left out", () => {
  const form = ["a", "b"].map((name) => ({ name, title: name, kind: "whole", low: 0, high: 9, default: 1 }));
  assert.deepEqual(check(form, { b: "2", c: "x" }), { a: 1, b: 2 });
  assert.throws(
    () => check(form, { b: "x", a: "y" }),
    ({ message, all }) => {
      assert.match(message, /^b must/);
      assert.deepEqual(
        all.map(({ field }) => field),
        ["b", "a"],
      );
      return true;
    },
  );
});

test("a lane has no guidance without a class or words, and no η but DDIM's", () => {
  const lane = laneOf({ guidance: 2, eta: 0.5 });
  assert.deepEqual([plain(lane).guidance, plain(lane).eta], [null, 0]);
  const other = plain({ ...lane, label: "3", sampler: "ddim" });
  assert.deepEqual([other.guidance, other.eta], [2, 0.5]);
});

test("what was left open is the model's own, and ours are told emoji by their names", () => {
  const told = { ...facts, takes_words: true, clip: false };
  const lane = laneOf({ checkpoint: "ours", prompt: "a 🍎\ufe0f" });
  const { prompt, guidance, clip, spacing } = resolved(lane, told, catalogue);
  assert.deepEqual([prompt, guidance, clip, spacing], ["a red apple", 3, false, "linspace"]);
  const theirs = resolved({ ...lane, checkpoint: "a/b@main" }, told, catalogue);
  assert.deepEqual([theirs.prompt, theirs.guidance], ["a 🍎\ufe0f", 1]);
  const student = (/** @type {number | null} */ guidance) => ({ ...told, student: { guidance } });
  assert.deepEqual(
    [2, null].map((learned) => resolved(lane, student(learned), catalogue).guidance),
    [1, 3],
  );
});

test("guidance evaluates each image twice, and a correction of Langevin once more", () => {
  const lane = laneOf({ count: 3, sampler: "langevin", guidance: 2 });
  assert.equal(batch(lane, { corrections: 2 }), 18);
  assert.equal(batch({ ...lane, sampler: "ddpm", guidance: 1 }, { corrections: 2 }), 3);
});

test("a class is named by its name, its number, or one of its names", () => {
  const names = ["cat, kitten", "7", ...Array.from({ length: 20 }, (_, i) => `n${i}`)];
  const model = { ...facts, num_classes: 22, class_names: names };
  const labels = (label) => args(laneOf({ label }), model).labels;
  assert.deepEqual(["cat, kitten", "kitten", "7", "21", "any"].map(labels), [0, 0, 1, 21, null]);
  assert.throws(() => labels("22"), /no class '22': choose from any, cat, kitten, 7, .*n17, … \(22 in all\)/);
});

test("a consistency model of two usual steps takes these, and spreads others", () => {
  const student = { method: "consistency", times: [40, 30, 20, 10], usual: [40, 10] };
  const pairs = (n) => modelPairs({ ...process, student }, n, null, "consistency", 40).map(([t]) => t);
  assert.deepEqual(
    [pairs(2), pairs(3)],
    [
      [40, 10],
      [40, 30, 20],
    ],
  );
  const { sigmas } = chain({ ...process, T: 40, student, floor: 0.002 }, { steps: 2 });
  assert.equal(sigmas[0], Math.sqrt(1 - process.alphaBar[10] - process.alphaBar[10] * 0.002 ** 2));
  assert.deepEqual(quarters({ T: 40, student }), [40, 30, 20, 10]);
});

test("optimised steps are taken by themselves only where everybody has them", () => {
  const optimised = { times: { unipc: { 4: "9 7 5 1" } } };
  const suited = (fixed, steps = 4) =>
    suitedSpacing({ ...process, optimised, source: { ref: "a", fixed } }, "unipc", steps);
  assert.deepEqual(
    [suited(true), suited(false), suited(true, 5), suited(true, 21)],
    [...["optimised", "quadratic", "quadratic", "linspace"]],
  );
});

test("a path in a command is one word of it", () => {
  const model = { ...process, source: { ref: "it's here", fixed: false } };
  const without = () => modelPairs(model, 4, "optimised", "ddim");
  assert.throws(without, /run `python -m train schedule 'it'"'"'s here'`, or choose another spacing/);
});

test("strokes are read and written, and lie where the run has states", () => {
  const text = "490-noise-100-7.7-6.7_300-255.0.0-50-3.3";
  assert.equal(written(strokes("Touch", text)), text);
  for (const wrong of ["x", "490-noise-101-7.7", "490-256.0.0-50-3.3", `${text}_`])
    assert.throws(() => strokes("Touch", wrong), /^Error: Touch is strokes such as/);
  for (const many of ["1-noise-1-1.1_".repeat(201), `1-noise-1${"-1.1".repeat(10_000)}`]) {
    assert.equal(fits(many), false);
    assert.throws(
      () => strokes("Touch", many),
      /^Error: Touch has at most 200 strokes and 40,000 characters: undo some/,
    );
  }
  assert.ok(fits(text) && fits(""));
  const found = placed(strokes("Touch", text), [600, 400, 300, 0]);
  assert.deepEqual(
    found.map(({ t }) => t),
    [400, 300],
  );
  const [[signal, [noise]], [, [red]]] = touches(found, facts).values();
  assert.equal(signal, Math.sqrt(process.alphaBar[400]));
  assert.deepEqual(noise, ["noise", 1, strokes("Touch", text)[0].cells]);
  assert.deepEqual([red[0].length, red[1]], [1, 0.5]); // grey, as the model is
  assert.equal(touches(found, { ...facts, channels: 4 }).get(300)[1][0][0].length, 4); // with opacity
});

test("a run with one more stroke, or one less, has the states of the other one above that stroke", () => {
  const steps = [600, 400, 300, 0].map((s) => [0, s, 0, 0]);
  const lane = (/** @type {number[]} */ ...ks) => ({ steps, frames: ks.map((k) => ({ step: steps[k] })) });
  const lanes = /** @type {any[]} */ ([lane(0, 1, 2, 3)]);
  const [early, late] = ["490-noise-100-7.7", "310-clean-100-7.7"]; // of the states at 400 and 300
  assert.equal(common("", early, lanes), 600);
  assert.equal(common(early, `${early}_${late}`, lanes), 400);
  assert.equal(common(`${early}_${late}`, early, lanes), 400);
  assert.equal(common("", late, [lane(0, 1, 2), lane(0, 2)]), 600); // that both lanes have
  assert.equal(common("", "600-noise-100-7.7", lanes), undefined);
  assert.equal(common("", early, [lane()]), undefined);
});

test("a score model has its authors' names of variances, and a learned variance is said", () => {
  const { titles, note } = aboutModel({ ...facts, snr: 0.2 }, catalogue);
  assert.equal(titles.variances.beta, "reverse diffusion, βₜ");
  assert.match(note, /^A score model/);
  const learned = aboutModel({ ...facts, variance: "learned_range", num_classes: 2 }, catalogue);
  assert.deepEqual(
    [learned.variances, learned.classes],
    [
      ["beta", "beta_tilde", "learned_range"],
      ["0", "1"],
    ],
  );
  assert.match(learned.note, /third choice/);
});

test("a run's time is said before it starts, after what is downloaded first", () => {
  const plan = { refs: ["a"], steps: byKind([stepKind("a"), 10]) };
  const pace = (seconds, more = {}) => ({
    ...{ paces: { a: { seconds: seconds ? [[1, 1, seconds]] : [], flop: null, download: 0 } } },
    ...{ device: "CPU", busy: false, tflop: null, ...more },
  });
  const expected = { estimate: "about 2 s on this CPU", seconds: 2.4, auto: true };
  assert.deepEqual(estimate(plan, pace(0.24)), expected);
  assert.deepEqual(estimate(plan, pace(0.24, { busy: true })), { ...expected, auto: false });
  assert.deepEqual(estimate(plan, pace(20, { device: "GPU" })), {
    ...{ estimate: "about 3 min on this GPU", seconds: 200, auto: false },
  });
  assert.deepEqual(estimate(plan, pace(null)), {
    ...{ estimate: "The first run will show how long it takes", seconds: null, auto: null },
  });
  const paces = Object.fromEntries([2e6, 3e6].map((download, i) => ["ab"[i], { seconds: [], flop: null, download }]));
  const { estimate: text, auto } = estimate(null, pace(null, { paces }));
  const first = "Run downloads a and b first (5 MB) · The first run will show how long it takes";
  assert.deepEqual([text, auto], [first, false]);
  assert.deepEqual([pace(1), pace(null), pace(1, { busy: true }), pace(null, { paces })].map(isSettled), [
    ...[true, false, false, false],
  ]);
  assert.deepEqual(namesOf(["a", "b"], { steps: byKind([stepKind("a"), 1], [stepKind("c"), 1]) }), ["a", "b", "c"]);
});

test("a step takes its time in proportion to the nearest batch that was measured, of as many lanes where that is known", () => {
  const pace = {
    seconds: [
      [1, 2, 0.2],
      [1, 8, 0.4],
      [2, 4, 0.3],
    ],
  };
  assert.equal(secondsOf(pace, stepKind("a", 2)), 0.2);
  assert.equal(secondsOf(pace, stepKind("a", 16)), 0.8);
  assert.equal(secondsOf(pace, stepKind("a", 4, 2)), 0.3);
  assert.equal(secondsOf(pace, stepKind("a", 8, 3)), 0.4);
  assert.equal(secondsOf({ seconds: [] }, stepKind("a")), null);
  assert.equal(secondsOf(undefined, stepKind("a")), null);
});

test("a run that needs more than its machine allows is refused before it begins", () => {
  const paces = { a: { seconds: [], flop: 2e12, download: 0 } };
  const pace = { paces, device: "CPU", busy: false, tflop: 100 };
  const plan = (steps) => ({ refs: ["a"], steps: byKind([stepKind("a", 4), steps]) });
  assert.equal(estimate(plan(12), pace).auto, null);
  assert.throws(() => estimate(plan(1300), pace), {
    message:
      "This run needs 10,400 TFLOP (1,300 steps × 4 images × 2e+03 GFLOP): take fewer steps or images (limit: run_tflop = 100)",
  });
  assert.deepEqual([defaultCount(0.05, false), defaultCount(0.2, true), defaultCount(null, true)], [4, 1, 4]);
});

test("steps of one kind count together, and what is left takes its time", () => {
  const [one, two] = [stepKind("a"), stepKind("a", 2)];
  const steps = byKind([one, 3], [two, 4], [one, 1], [stepKind("b"), 0]);
  assert.deepEqual(steps, [
    { kind: one, n: 4 },
    { kind: two, n: 4 },
  ]);
  assert.equal(evaluations(steps), 12);
  const pace = ({ batch }) => batch / 10;
  assert.equal(left(steps, pace, new Map([[keyOf(two), 3]])), 0.6000000000000001);
  assert.equal(
    left(steps, () => null),
    null,
  );
});

test("sizes, times and errors as the page writes them", () => {
  const times = [0.4, 45, 89, 91, 720, 5399, 10800];
  assert.deepEqual(times.map(duration), ["under 1 s", "45 s", "89 s", "2 min", "12 min", "90 min", "3.0 h"]);
  assert.deepEqual(["this model…", "γ is small.", "a/b is not here"].map(sentence), [
    ...["This model…", "γ is small", "a/b is not here"],
  ]);
});
