import assert from "node:assert/strict";
import { test } from "node:test";
import { caption, heading, names, stepTable, summary } from "../plans/captions.js";
import { laneOf, resolved } from "../plans/settings.js";
import { schedule } from "../process/schedule.js";
import { unknown } from "../words/captions.js";
import { Catalogue } from "../words/catalogue.js";

const words = { embedded: [], guidance: {}, script: {} };
const catalogue = new Catalogue(words);
const NOISY = { sampler: "ddpm", steps: 20, variance: "beta", checkpoint: "ours" };

/** A model of 8 × 8 pixels on the paper's schedule. */
function facts(own = {}) {
  const table = schedule({});
  const process = { ...table, student: null, optimised: null, source: null, variance: "beta", ...own };
  return { schedule: table, process, latent: false, takes_words: true, clip: true };
}

/** The caption of lanes of one model. */
function saidOf(lanes, model = facts()) {
  const whole = lanes.map((lane) => resolved(laneOf(lane), model, catalogue));
  const rows = whole.map((lane) => stepTable(lane, model));
  const models = whole.map(() => model);
  return caption(whole, models, rows, catalogue);
}

test("a caption says what is shared, and what the final step can't remove", () => {
  const said = (changes) => saidOf([NOISY, { ...NOISY, variance: "beta_tilde", ...changes }]);
  assert.equal(
    said(),
    "Both begin with the same noise, and each step adds the same noise z; only its σ differs. Last noisy step at " +
      "20 steps: DDPM βₜ adds σ = 0.182 (23 grey levels), DDPM β̃ₜ adds σ = 0.010 (1.3 grey levels); the final step " +
      "can hardly remove that of DDPM βₜ. At 1000 steps: 0.011 and 0.007.",
  );
  const different = said({ steps: 1000 });
  assert.match(different, /their steps differ, so the noise of the steps is not shared/);
  assert.match(different, /βₜ, 20 steps adds σ = 0\.182/);
  assert.match(different, /β̃ₜ, 1000 steps adds σ = 0\.007/);
  assert.match(said({ sampler: "ddim" }), /DDIM η 0 adds σ = 0 \(0 grey levels\)/);
  assert.equal(saidOf([NOISY]), "");
  const single = { ...NOISY, steps: 1 };
  for (const other of [{}, { sampler: "ddim" }]) // no step adds any
    assert.equal(saidOf([single, { ...single, ...other }]), "Both begin with the same noise and add none.");
});

test("lanes without noise: how each gets on", () => {
  const first = { steps: 10, sampler: "ddim", spacing: "quadratic" };
  assert.equal(
    saidOf([first, { ...first, sampler: "unipc" }]),
    "Both begin with the same noise and add none. To get xₛ, DDIM uses the newest x̂₀ alone; UniPC uses the newest " +
      "x̂₀ and the one before, and corrects xₜ with the newest first.",
  );
  const noisy = saidOf([first, { ...first, sampler: "ddpm" }]);
  assert.match(noisy, /^Both begin with the same noise; DDIM η 0 adds none after it\./);
  assert.match(noisy, /grey levels/);
});

test("lanes of other words", () => {
  const first = { ...NOISY, variance: "beta_tilde", prompt: "a red apple", guidance: 2 };
  assert.match(saidOf([first, { ...first, prompt: "the fox" }]), /z; only the prompts differ\.$/);
  assert.match(saidOf([first, { ...first, guidance: 7 }]), /z; only the scales of guidance differ\.$/);
  const both = [first, { ...first, variance: "beta", guidance: 7 }];
  assert.match(
    saidOf(both, { ...facts(), latent: true }),
    /only its σ and the scales of guidance differ\. .*σ = 0\.182;/,
  );
});

test("optimised steps are not compared with another number of them, for which there may be none", () => {
  const optimised = { times: { ddim: { 5: "90 70 50 30 10" } } };
  const first = { ...NOISY, steps: 5, spacing: "optimised" };
  const said = saidOf([first, { ...first, variance: "beta_tilde" }], facts({ optimised }));
  assert.match(said, /Last noisy step at 5 steps: [^:]*\.$/);
});

test("lanes are named by what they differ in", () => {
  const first = laneOf({ checkpoint: "ours", steps: 50, sampler: "ddim", spacing: "linspace" });
  const both = [first, { ...first, checkpoint: "a/student", steps: 2, sampler: "unipc", spacing: "quadratic" }];
  const called = ["ours, DDIM η 0, 50 steps, linspace", "student, UniPC, 2 steps, quadratic"];
  assert.deepEqual(names(both, catalogue), called);
  assert.equal(summary(both, catalogue), `${called.join(" against ")} · seed 13`);
  assert.equal(summary(both.slice(1), catalogue), "student · 2 steps · quadratic · UniPC · seed 13");
  assert.deepEqual(
    [both, both.slice(1)].map((lanes) => heading(lanes, catalogue)),
    [called.join(" against "), "student, 2 steps"],
  );
  const [a, b] = names(
    [
      { ...first, prompt: "fox", eta: 0.5 },
      { ...first, guidance: 7 },
    ],
    catalogue,
  );
  assert.deepEqual([a, b], ["“fox”, DDIM η 0.5, its guidance", "no prompt, DDIM η 0, w = 7"]);
  const touched = { ...first, touch: [{ t: 33 }, { t: 56 }] };
  assert.deepEqual(names([first, touched], catalogue), ["DDIM η 0", "changed at t = 56"]);
});

test("words that a model has never seen are named", () => {
  assert.equal(unknown(["xyzzy", "plugh"]), "I don’t know “xyzzy” and “plugh”: what is drawn is a guess.");
  assert.equal(unknown([]), "");
});
