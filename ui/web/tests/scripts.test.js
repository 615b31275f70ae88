import assert from "node:assert/strict";
import { test } from "node:test";
import { copied, forRun, load, picture, rowsHead } from "../plans/scripts.js";
import { chain } from "../process/runs.js";
import { NAMES, offerOwn } from "../process/samplers.js";
import { Catalogue } from "../words/catalogue.js";
import { general } from "../words/floats.js";
import { ascii, asFloat, code, json, keywords, literal, range, tuple } from "../words/literal.js";

test("values are written as Python writes them", () => {
  const written = [
    [null, "None"],
    [true, "True"],
    [13, "13"],
    [asFloat(1), "1.0"],
    [asFloat(0.00001), "1e-05"],
    [asFloat(1.5e16), "1.5e+16"],
    ["it's", `"it's"`],
    [`it's "x"`, `'it\\'s "x"'`],
    ["a\\\n\u202e\u00a0\u{e0001}é", "'a\\\\\\n\\u202e\\xa0\\U000e0001é'"],
    [[1, tuple([2]), tuple([3, "4"])], "[1, (2,), (3, '4')]"],
    [{ a: null, b: range(7, 3), c: code("x") }, "{'a': None, 'b': range(7, 10), 'c': x}"],
    [new Map([[490, asFloat(0.5)]]), "{490: 0.5}"],
  ];
  for (const [value, text] of written) assert.equal(literal(value), text);
  assert.equal(keywords({ steps: 3, eta: asFloat(0) }), "steps=3, eta=0.0");
  assert.equal(ascii("é😀"), "\\xe9\\U0001f600");
});

test("six digits that count, ties to even", () => {
  const written = { 0: 0, 0.5: 0.5, 1e-5: "1e-05", 0.0001: "0.0001", 1234567: "1.23457e+06", 1.953125: "1.95312" };
  for (const [value, text] of Object.entries(written)) assert.equal(general(Number(value)), String(text));
  assert.equal(general(12.345, 4), "12.35");
});

test("JSON has the spaces of Python's", () => {
  const value = { a: [1, asFloat(1), "é"], b: {}, c: null };
  assert.equal(json(value), '{"a": [1, 1.0, "é"], "b": {}, "c": null}');
  assert.equal(json(value, 2), '{\n  "a": [\n    1,\n    1.0,\n    "é"\n  ],\n  "b": {},\n  "c": null\n}');
});

const catalogue = new Catalogue({
  embedded: [],
  guidance: {},

  script: { imports: "", touch: "" },
});
const LANE = {
  ...{ checkpoint: "o/m", prompt: "", negative: "", label: "any", seed: 13, count: 2, steps: 2 },
  ...{ variance: "beta", sampler: "ddpm", spacing: "trailing", eta: 0, guidance: 1, clip: false },
};
const MODEL = {
  ...{ channels: 3, image_size: 8, num_classes: 0, null_label: null, class_names: null, takes_words: false },
  ...{ schedule: { T: 40 }, prediction: "epsilon", variance: "fixed", coordinates: {}, corrections: 2 },
  source: { ref: "o/m", revision: "abc", file: "unet/x.safetensors" },
  home: { where: "'o/m', revision='abc'", has_scheduler: true, autoencoder: null, own_class: false },
};
const ROWS = [
  [40, 20, 0.01, 0.5],
  [20, 0, 0.5, 0],
];
const diffusers = (lane, model) =>
  forRun(
    { lanes: [{ ...LANE, ...lane }], models: [{ ...MODEL, ...model }], rows: [ROWS], touches: new Map() },
    catalogue,
  );

test("a score model's script visits our times, with as many corrections as the sampler makes", () => {
  const pipeline = { name: "ScoreSdeVePipeline" };
  const { diffusers: script, why } = diffusers({ sampler: "langevin" }, { pipeline });
  assert.equal(why, "");
  for (const line of [
    "pipeline = ScoreSdeVePipeline.from_pretrained('o/m', revision='abc')",
    "scheduler.register_to_config(correct_steps=2)",
    "times = [39, 19]",
    "            yield noise((k + 1) * 8589934592 + i + 1)",
  ])
    assert.ok(script.split("\n").includes(line), line);
  assert.ok(!diffusers({}, { pipeline }).diffusers.includes("for k in range"));
  assert.match(diffusers({ variance: "analytic" }, { pipeline }).why, /only has DDPM and Langevin with βₜ/);
  assert.match(diffusers({ clip: true }, { pipeline }).why, /does not clip x̂₀/);
  assert.match(diffusers({}, { pipeline, channels: 1 }).why, /draws three channels/);
  assert.match(diffusers({}, { pipeline: { name: "KarrasVePipeline" } }).why, /this network's prediction/);
});

test("a consistency model's script has its class, and the numbers of its times", () => {
  const pipeline = { name: "ConsistencyModelPipeline", sigma: 80 };
  const classes = { pipeline, num_classes: 5, class_names: null };
  const { diffusers: script } = diffusers({ sampler: "consistency", label: "3" }, classes);
  assert.ok(script.includes("class_labels=[3] * len(seeds), num_inference_steps=None, timesteps=[20, 0],"));
  assert.ok(script.includes("x_T = (1 + 1 / 80 ** 2) ** 0.5 * noise(0)"));
});

test("a transformer of latents, guided: its own class, time and decoder", () => {
  const autoencoder = { folder: "vae", kind: "AutoencoderKL", scale: 0.18215, shift: 0 };
  const { diffusers: script } = diffusers(
    { label: "3", guidance: 2.5 },
    {
      ...{ coordinates: null, variance: "learned_range", num_classes: 10, null_label: 10 },
      source: { ref: "o/m", revision: "abc", file: "transformer/x.safetensors" },
      home: { ...MODEL.home, autoencoder },
    },
  );
  for (const part of [
    "from diffusers import AutoencoderKL, DDPMScheduler, DiTTransformer2DModel",
    "DiTTransformer2DModel.from_pretrained('o/m', revision='abc', subfolder='transformer')",
    "guided(unet(x, t.expand(len(seeds)), torch.full((len(seeds),), 3)).sample, ",
    ".sample, 2.5)[:, :3]",
    "    x = vae.decode(x / 0.18215).sample",
  ])
    assert.ok(script.includes(part), part);
});

test("a script for diffusers has the class of its sampler", () => {
  const classes = { ddim: "DDIM", "dpm++": "DPMSolverMultistep", unipc: "UniPCMultistep" };
  for (const [sampler, name] of Object.entries(classes)) {
    const { diffusers: script, why } = diffusers({ sampler }, { coordinates: null });
    assert.match(script, new RegExp(`^from diffusers import .*\\b${name}Scheduler\\b`, "m"), why);
  }
});

test("a script of two lanes imports what it needs, and each lane has the class that only it draws", () => {
  const classes = { ...MODEL, coordinates: null, num_classes: 10, null_label: 10 };
  const lanes = ["3", "4"].map((label) => ({ ...LANE, label, guidance: 2 }));
  const run = { lanes, models: [classes, classes], rows: [ROWS, ROWS], touches: new Map() };
  const { python } = forRun(run, catalogue);
  assert.ok(python.includes("\nfrom PIL import Image\n\nimport ddpm_core\n\nmodel = "), python);
  for (const label of [3, 4]) assert.match(python, new RegExp(`^ {4}\\{.*'labels': ${label}`, "m"));
  assert.match(python, /side_by_side\(model, lanes=lanes, seeds=.*guidance=2\.0\):/);
});

test("a sampler that diffusers lacks is no reason to have no other script", () => {
  const { python, why } = diffusers({ sampler: "langevin" }, { coordinates: null });
  assert.ok(python.includes("sampler='langevin'"));
  assert.equal(why, "diffusers does not have this sampler");
});

test("a script imports the sampler of the page's owner, and the page knows its times alone", () => {
  offerOwn(["mine.own:halved", "mine.own:halved"]);
  assert.equal(NAMES.filter((name) => name === "mine.own:halved").length, 1);
  const { python, why } = diffusers({ sampler: "mine.own:halved" }, { coordinates: null });
  assert.ok(python.includes("import ddpm_core\nfrom mine.own import halved\n\nmodel"), python);
  assert.ok(python.includes("sampler=halved,"), python);
  assert.equal(why, "diffusers does not have this sampler");
  const rows = rowsHead("o/m", MODEL, { steps: 2, sampler: "mine.own:halved" }).join("\n");
  assert.match(rows, /from mine\.own import halved\n[\s\S]*'sampler': halved/);
  const alphaBar = Float64Array.of(1, 0.5, 0.1);
  const made = chain({ T: 2, alphaBar, prediction: "v", student: null }, { steps: 2, sampler: "mine.own:halved" });
  assert.deepEqual(made.pairs, [
    [2, 1],
    [1, 0],
  ]);
  assert.deepEqual(made.sigmas, [null, null]);
  assert.throws(() => made.begin(), /only a server computes the sampler mine\.own:halved/);
});

test("a model of this page alone is a comment, and a mistake of ours is none", () => {
  assert.throws(() => load("x", MODEL), /Only this page has the model/);
  const own = { source: { ...MODEL.source, ref: "o/m@main" } };
  assert.equal(load("o/m@main", own), "ddpm_core.load('o/m@abc')");
  assert.equal(load("o/m@main", { ...own, precision: "fp32" }), "ddpm_core.load('o/m@abc', precision='fp32')");
  assert.equal(
    copied(() => rowsHead("x", MODEL, {}).join("\n")),
    "# Only this page has the model of this run\n",
  );
  assert.throws(() => copied(() => null.text), TypeError);
  assert.equal(
    rowsHead("o/m", MODEL, { steps: 2, eta: 0, guidance: null }).at(-1),
    "options = {'steps': 2, 'eta': 0.0}",
  );
  assert.equal(picture("a", "xyz", [1, 2, 2, 3])[1], "a = np.frombuffer(pixels, np.uint8).reshape(1, 2, 2, 3)");
});
