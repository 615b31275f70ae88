// Answers to tests/page/test_learned_pictures.py: node learned.mjs CASES.json ANSWERS.json, arrays as base64 of their bytes.
import { readFileSync, writeFileSync } from "node:fs";
import { cardRows, filesOf, openZip, toZip } from "../../learning/checkpoint.js";
import { drawnPictures, SHEET, VARIED } from "../../learning/drawings.js";
import { Likeness } from "../../learning/likeness.js";
import { digits } from "../../learning/pictures.js";
import { configOf } from "../../learning/recipe.js";
import { shapesOf } from "../../learning/shapes.js";
import { gaussian, uniform } from "../../process/noise.js";

const rest = async () => {};

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));

const ASKED = {
  uniform: ({ seed, stream, n }) => uniform(seed, stream, n),
  sheet: () => ({ ...SHEET, ...VARIED }),
  drawings: ({ drawings }) => drawnPictures(drawings, rest),
  likeness: async ({ kind, side, channels, originals, samples }) => {
    const likeness = new Likeness({ kind, side, channels, originals: bytes(originals) });
    await likeness.compare(bytes(samples), rest);
    const began = process.cpuUsage();
    const found = await likeness.compare(bytes(samples), rest);
    return { ...found, seconds: process.cpuUsage(began).user / 1e6 };
  },
  /** A network with random weights, as a ZIP. */
  checkpoint({ recipe, pictures, title, file }) {
    const known = { ...pictures, labels: pictures.classes.length ? new Uint16Array(1) : null };
    const json = configOf(recipe, known);
    const tensors = new Map();
    for (const [name, shape] of shapesOf(json["config.json"])) {
      const n = shape.reduce((a, b) => a * b);
      const size = shape.length > 1 ? (n / shape[0]) ** -0.5 : 0.3;
      const values = gaussian(0n, tensors.size, n).map((value) => size * value + Number(name.includes("norm")));
      tensors.set(name, { shape, values });
    }
    const facts = cardRows(recipe, known, tensors, { steps: 800, seconds: 100 });
    writeFileSync(file, toZip("mine", filesOf({ json, tensors, title, facts })));
  },
  zip: async ({ file }) => [...(await openZip(new Uint8Array(readFileSync(file))))],
  digits: ({ file }) => {
    globalThis.fetch = async () => new Response(readFileSync(file));
    return digits("");
  },
};

/** Arrays as text. */
const written = (_, value) =>
  ArrayBuffer.isView(value)
    ? { base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") }
    : value;

const [, , asked, answered] = process.argv;
const answers = [];
for (const [verb, question] of JSON.parse(readFileSync(asked, "utf-8")))
  answers.push(await Promise.resolve(ASKED[verb](question)).catch(({ message }) => ({ error: message })));
writeFileSync(answered, JSON.stringify(answers, written));
