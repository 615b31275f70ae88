// Write a trained model as the files of a checkpoint in the Hub's layout, as ddpm_core/checkpoint/save.py and
// train/fit/outputs/card.py do. Pack these files into a ZIP for download, and open such a ZIP.

import { joined, little, utf8 } from "../files/bytes.js";
import { unzipped } from "../files/unzip.js";
import { zip } from "../files/zip.js";
import { jsonObject } from "../messages/bytes.js";
import { UserError } from "../process/errors.js";
import { ZIP } from "../words/learning.js";
import { duration } from "../words/units.js";

/** @import { Pictures } from "./pictures.js" */
/** @import { Recipe } from "./recipe.js" */
/** The contents of files, by their paths in a checkpoint. @typedef {Map<string, Uint8Array<ArrayBuffer>>} Files */
/**
 * @typedef {object} Learned
 * @property {Record<string, Record<string, any>>} json the contents of the JSON files, by their names: `configOf` of recipe.js
 * @property {Map<string, { shape: number[], values: Float32Array }>} tensors
 * @property {string} title
 * @property {Record<string, string>} facts rows of the model card
 */

const CONFIG = "config.json";
const WEIGHTS = "diffusion_pytorch_model.safetensors";
const NEEDED = [CONFIG, "scheduler_config.json", WEIGHTS];
const KEPT = new Set([
  ...NEEDED,
  ...["model_index.json", "ddpm_core.json", "README.md", "samples.png"],
  ...["analytic_variance.json", "optimised_steps.json", "readers.safetensors"],
]);

/** Return the files of a trained model's checkpoint. @param {Learned} model @returns {Files} */
export function filesOf({ json, tensors, title, facts }) {
  /** @type {Files} */
  const files = new Map();
  for (const [name, content] of Object.entries(json)) files.set(name, utf8(`${JSON.stringify(content, null, 2)}\n`));
  files.set(WEIGHTS, safetensors(tensors));
  return files.set("README.md", utf8(card(title, facts)));
}

/** Write tensors as one safetensors file, sorted by name. @param {Learned["tensors"]} tensors */
function safetensors(tensors) {
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  /** @type {Record<string, unknown>} */
  const entries = { __metadata__: { format: "pt" } };
  let at = 0;
  for (const [name, { shape, values }] of sorted) {
    entries[name] = { dtype: "F32", shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  const text = JSON.stringify(entries);
  const head = utf8(text.padEnd(Math.ceil(text.length / 8) * 8));
  const parts = sorted.map(([, { values }]) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return joined([little(head.length, 8), head, ...parts]);
}

const SUMMARY = "A diffusion model that was trained in a browser, with DDPM Lab.";
const USE = [
  "Draw with it, by the path of this folder:",
  "",
  "```python",
  "import ddpm_core",
  "",
  'model = ddpm_core.load("FOLDER")',
  "images = ddpm_core.sample(model, seeds=range(16), steps=50)",
  "```",
  "",
  "Train it further: `python -m train fit --init FOLDER --data DATA --out OUT`.",
  "",
];

/** Return the model card as Markdown. @param {string} title @param {Record<string, string>} facts */
function card(title, facts) {
  const head = [
    "library_name: diffusers",
    "pipeline_tag: unconditional-image-generation",
    "tags:",
    "- ddpm",
    "- diffusers",
  ];
  /** Put a text on one line, and escape | for a table. */
  const oneLine = (/** @type {string} */ text) => text.replace(/\s+/g, " ").replaceAll("|", "\\|");
  const rows = Object.entries(facts).map(([name, text]) => `| ${name} | ${oneLine(text)} |`);
  const table = ["| | |", "|---|---|", ...rows];
  return ["---", ...head, "---", "", `# ${oneLine(title)}`, "", SUMMARY, "", ...table, "", ...USE].join("\n");
}

/**
 * Return the rows of a model card: what the model was trained on, and how.
 * @param {Recipe} recipe @param {Pictures} pictures @param {Learned["tensors"]} tensors
 * @param {{ steps: number, seconds: number }} far number of steps, and seconds of training
 * @returns {Record<string, string>}
 */
export function cardRows(recipe, { kind, count, side, channels, classes }, tensors, { steps, seconds }) {
  const { prediction, schedule, widths, times, weight, lr, batch, average, dropout, seed } = recipe;
  const whole = (/** @type {number} */ value) => value.toLocaleString("en");
  const parameters = [...tensors.values()].reduce((sum, { values }) => sum + values.length, 0);
  const of = { digits: "digits of MNIST (CC BY-SA 3.0)", drawings: "variants of drawings", own: "pictures" }[kind];
  const none = dropout ? `; label ${classes.length} means no label` : "";
  const levels = times === "uniform" ? "every t alike" : "mostly at levels of noise where shapes form";
  return {
    Images: `${whole(count)} ${of}, ${side}×${side}, ${channels} channel${channels > 1 ? "s" : ""}`,
    Classes: classes.length ? `${classes.join(", ")}${none}` : "none",
    Network: `UNet2DModel, ${whole(parameters)} parameters, widths ${widths.join(" ")}`,
    Process: `T = 1000, ${schedule} schedule`,
    Prediction: prediction,
    Loss: `squared error${weight ? ", weighted by the signal-to-noise ratio up to 5" : ""}, ${levels}`,
    Optimiser: `Muon and Adam, learning rate at most ${lr}`,
    Trained: `${whole(steps)} steps of ${batch} images, ${whole(steps * batch)} images seen, ${duration(seconds)}`,
    Seed: String(seed),
    Weights: `${average ? `exponential moving average, decay at most ${average}` : "as they were learned"}, float32`,
  };
}

/** Pack a checkpoint into a ZIP with one folder. @param {string} name of the folder @param {Files} files */
export const toZip = (name, files) => zip([...files].map(([path, content]) => [`${name}/${path}`, content]));

/**
 * Return the files of a checkpoint in a ZIP, where they may lie in up to two nested folders. Throws a UserError for any
 * other ZIP.
 * @param {Uint8Array} bytes @returns {Promise<Files>}
 */
export async function openZip(bytes) {
  const all = await unzipped(bytes);
  // A ZIP that the page saved has the model in the folder "trained/NAME".
  const [config] = [...all.keys()].filter((path) => /^([^/]+\/){0,2}config\.json$/.test(path));
  const folder = config?.slice(0, -CONFIG.length) ?? "";
  const files = new Map(
    [...KEPT].flatMap((name) => {
      const content = all.get(folder + name);
      return content ? [[name, content]] : [];
    }),
  );
  const missing = NEEDED.find((name) => !files.has(name));
  if (missing) throw new UserError(ZIP.noModel(missing));
  const broken = [...files].find(([name, content]) => name.endsWith(".json") && !jsonObject(content));
  if (broken) throw new UserError(ZIP.damaged(broken[0]));
  return files;
}
