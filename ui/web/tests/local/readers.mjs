// Answers to tests/page/test_local_readers.py: node readers.mjs CASES.json ANSWERS.json, arrays as base64 of their bytes.
import { readFileSync, writeFileSync } from "node:fs";
import { Readers } from "../../network/readers.js";
import { numbers, text } from "./probes.mjs";

function answer({ file, asked }) {
  try {
    const readers = new Readers(Uint8Array.from(readFileSync(file)).buffer);
    return asked.map(({ name, shape, data, t }) => {
      const tap = { shape, data: numbers(data) };
      const read = text(readers.read(name, tap, t));
      return { read, colours: text(readers.colours(name, tap, t)), r2: readers.r2(name, t) };
    });
  } catch (error) {
    return { error: error.message };
  }
}

const [, , cases, answers] = process.argv;
writeFileSync(answers, JSON.stringify(JSON.parse(readFileSync(cases, "utf-8")).map(answer)));
