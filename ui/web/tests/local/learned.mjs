// Answers to tests/page/test_learned_pictures.py: node learned.mjs CASES.json ANSWERS.json, arrays as base64 of their bytes.
import { readFileSync, writeFileSync } from "node:fs";
import { drawnPictures, SHEET, VARIED } from "../../learning/drawings.js";
import { Likeness } from "../../learning/likeness.js";
import { digits } from "../../learning/pictures.js";
import { uniform } from "../../process/noise.js";

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
