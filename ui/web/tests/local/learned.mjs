// Answers to tests/page/test_learned_pictures.py: node learned.mjs CASES.json ANSWERS.json, arrays as base64 of their bytes.
import { readFileSync, writeFileSync } from "node:fs";
import { drawnPictures, SHEET, VARIED } from "../../learning/drawings.js";
import { digits } from "../../learning/pictures.js";
import { uniform } from "../../process/noise.js";

const rest = async () => {};

const ASKED = {
  uniform: ({ seed, stream, n }) => uniform(seed, stream, n),
  sheet: () => ({ ...SHEET, ...VARIED }),
  drawings: ({ drawings }) => drawnPictures(drawings, rest),
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
