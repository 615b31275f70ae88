import assert from "node:assert/strict";
import { test } from "node:test";
import { save as bound } from "../parts/likelihood/files.js";
import { looks, planner } from "../parts/likelihood/plan.js";
import { toText, unpack } from "../pictures/text.js";
import { schedule } from "../process/schedule.js";
import { Catalogue } from "../words/catalogue.js";

/** A picture as text, which plans find unpacked. */
async function pack(picture) {
  const text = await toText(picture);
  await unpack(text);
  return text;
}

const sets = [{ name: "abc", count: 7, size: 2, channels: 1, classes: ["a", "b", "c"] }];
const catalogue = new Catalogue({ embedded: [], guidance: {}, sets });
const modelOf = ({ T = 100, betas, ...change } = {}) => {
  const process = {
    ...schedule({ num_train_timesteps: T, trained_betas: betas }),
    student: null,
    variance: "beta",
    prediction: "epsilon",
  };
  return {
    ...{ ref: "ours", schedule: process, process, image_size: 2, channels: 1, variance: "beta", prediction: "epsilon" },
    ...{ num_classes: 0, null_label: null, class_names: null, student: null, latent: false, gamma: null },
    ...{ source: { ref: "ours", revision: null }, ...change },
  };
};
const asked = { checkpoint: "ours", picture: "", count: 4, labels: "classes", label: "any" };
const planned = (change = {}, model = {}) => planner.plan({ ...asked, ...change }, [modelOf(model)], catalogue);
const script = (change, model) => planner.scripts(planned(change, model), catalogue).python;
const labels = (change, model) => /labels=(.*)\)/.exec(script(change, model))[1];
const cost = (change, model) => planned(change, model).steps.map(({ kind, n }) => [kind.batch, n]);
const classes = { num_classes: 3, null_label: 3, class_names: ["a", "b", "c"] };

test("pictures of the set are told with their own classes, where the model has just these, or with none", async () => {
  assert.equal(labels({}, classes), "[0, 1, 2, 0]");
  assert.equal(labels({}, { ...classes, class_names: null }), "[0, 1, 2, 0]");
  assert.equal(labels({ labels: "none" }, classes), "None");
  assert.equal(labels({}, { ...classes, null_label: null }), "[0, 1, 2, 0]"); // each has the label that it needs
  for (const other of [{}, { ...classes, class_names: ["a", "b", "x"] }, { num_classes: 4, null_label: 4 }])
    assert.equal(labels({}, other), "None");
  const picture = await pack({ data: Uint8Array.of(1, 2, 3, 4) });
  assert.deepEqual([labels({ picture }, classes), labels({ picture, label: "b" }, classes)], ["None", "[1]"]);
});

test("a measurement costs the decoding of its first picture alone, and the rest together", () => {
  // 4 pictures × 200 times, 3 × 9 of their decoding, and chains of 10, 20 and 50 steps of the first
  assert.deepEqual(cost({}, { T: 200 }), [
    [1, 9],
    [32, (800 + 27 + 80) / 32],
  ]);
  assert.deepEqual(cost({ count: 64 })[1], [32, (700 + 45 + 80) / 32]); // the set has 7, of which 6 are decoded
  assert.deepEqual(cost({ count: 1 }, { T: 4 }), [
    [1, 4], // each time once
    [32, 4 / 32],
  ]);
  assert.deepEqual(cost({}, { variance: "learned" })[1], [32, 427 / 32]); // no short chains
});

test("the script measures all that the page shows, and one variance alone where each needs its own evaluations", () => {
  assert.equal(
    script({ count: 2 }, { T: 20, gamma: true }),
    `# ddpm_core is the library of DDPM Lab. To install it, run this in the folder of its code: pip install .
import numpy as np
from PIL import Image

import ddpm_core
from ddpm_core.likelihood import rechain

model = ddpm_core.load('ours')
# in a checkout of DDPM Lab:
grid = np.asarray(Image.open("ui/pictures/test_sets/abc.png"))
rows = grid.reshape(-1, 2, 10, 2, 1).swapaxes(1, 2)
images = rows.reshape(-1, 2, 2, 1)[:2]
full = ddpm_core.bits_per_dim(model, images, 'beta_tilde', labels=None)
print('beta_tilde', 20, *full.total.tolist())
for variance, steps in [('beta', 20), ('analytic', 20), ('beta_tilde', 10), ('beta', 10), ('analytic', 10)]:
    bound = rechain(full, model, images, variance, steps, "linspace")
    print(variance, steps, *bound.total.tolist())
`,
  );
  for (const [change, variance] of [
    [{ variance: "learned_range" }, "learned_range"],
    [{ prediction: "mu" }, "beta"],
  ]) {
    const text = script({}, change);
    assert.match(text, new RegExp(`bits_per_dim\\(model, images, '${variance}', `));
    assert.doesNotMatch(text, /rechain/);
  }
});

test("one's own picture is in its script", async () => {
  const picture = await pack({ data: Uint8Array.of(5, 6, 7, 8) });
  const text = script({ picture });
  assert.match(text, /^# ddpm_core .*\nimport base64\nimport zlib\n\nimport numpy as np\n\nimport ddpm_core\n/);
  assert.ok(text.includes(`b64decode("${picture}")))\nimages = np.frombuffer(pixels, np.uint8).reshape(1, 2, 2, 1)\n`));
  assert.equal(script({}, { source: { ref: "/a/folder" } }), "# Only this page has the model of this run\n");
});

test("what can't be measured is said in a sentence", async () => {
  const student = (method, times) => ({ T: 4, student: { method, times } });
  const picture = await pack({ data: new Uint8Array(9) });
  for (const [change, model, sentence] of [
    [{}, { latent: true }, /^the likelihood works only for models of pixels, but this model draws latents/],
    [{}, { image_size: 3 }, /^No pictures of 3×3 pixels in 1 channels come with the page: choose one of your own$/],
    [{}, { channels: 3 }, /^No pictures of 2×2 pixels in 3 channels/],
    [{ picture }, {}, /^The picture must have the model's size, 2×2: choose it again$/],
    [{ label: "a" }, {}, /^This checkpoint has no classes: leave the class at 'any'$/],
    [{ label: "x" }, classes, /^This checkpoint has no class 'x': choose from any, a, b, c$/],
    [{ labels: "none" }, { ...classes, null_label: null }, /^this model needs a class label, 0 to 2$/],
    [{}, student("progressive", [4, 2]), /^this model is a student that has not learned t = 3, only 4, 2: measure its/],
    [{}, student("consistency", [4, 3, 2, 1]), /^this model is a consistency student, which has no steps to measure/],
  ])
    assert.throws(() => planned(change, model), { message: sentence });
});

test("a line says what is measured", () => {
  const said = (change) => planner.summary({ ...asked, ...change }, catalogue);
  assert.deepEqual(
    [said({ count: 1 }), said({ count: 2 }), said({ picture: "x" })],
    ["ours · 1 picture", "ours · 2 pictures", "ours · own picture"],
  );
});

test("the table has a row for each chain, then one for each time", () => {
  const bits = {
    chains: { beta_tilde: { 100: [3, 0.25, 1e-5, 0.5], 10: [4.5, null, 0, 0.5] } },
    curves: { beta_tilde: { L: [1, 0.125], rate: [2, 0] } },
    ...{ rmse: [10.5, 20], times: [1, 100] },
  };
  assert.deepEqual(bound("csv", { plan: { request: asked }, found: bits, T: 100 }, catalogue), [
    "ours-bits-per-dim.csv",
    `variance,steps,bits_per_dim,standard_error,L_T,L_0
beta_tilde,10,4.5,,0.0,0.5
beta_tilde,100,3.0,0.25,1e-05,0.5

t (of 100),rmse,L beta_tilde,rate beta_tilde
1,10.5,1.0,2.0
100,20.0,0.125,0.0
`,
  ]);
  const none = { plan: { request: asked }, found: {}, T: 100 };
  assert.throws(() => bound("csv", none, catalogue), /^Error: There are no numbers yet: press Run$/);
});

test("one sentence says why what costs more bits looks better, and only where it does", () => {
  const chains = { beta_tilde: { 10: [83.25] }, beta: { 10: [23.4] } };
  const model = modelOf({ T: 1000 });
  assert.equal(
    looks(model, chains),
    "At 10 steps β̃ₜ looks better but costs more bits. Its last noise is 1.3 grey levels, that of βₜ 45. " +
      "But it takes 83.25 bits/dim, and βₜ 23.4: β̃ₜ is too small for the errors that so few steps make.",
  );
  assert.equal(looks(model, { ...chains, beta_tilde: { 10: [20] } }), "");
  assert.equal(looks(model, { beta_tilde: chains.beta_tilde }), "");
  assert.equal(looks(modelOf({ T: 10 }), chains), ""); // it has no short chains
  assert.equal(looks(modelOf({ betas: new Array(11).fill(0.1) }), chains), ""); // βₜ leaves as much as is expected
});
