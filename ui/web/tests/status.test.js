import assert from "node:assert/strict";
import { test } from "node:test";
import { said } from "../words/status.js";

const name = (ref) => ref.toUpperCase();
const of = (status, text = "") => said({ status, text }, name);

test("what an engine tells of a run as the page says it", () => {
  const download = { kind: "download", ref: "m", done: 3e6, total: 12e6, speed: 1.5e6 };
  const line = { kind: "line", before: 1, loads: false, seconds: 1 };
  for (const [status, words] of [
    [null, ""],
    [{ kind: "load", ref: "m" }, "Loading M"],
    [download, "Downloading M: 3 of 12 MB · 1.5 MB/s · 6 s left"],
    [{ ...download, speed: null }, "Downloading M: 3 of 12 MB"],
    [line, "Number 2 in the queue · starts in about 1 s"],
    [{ ...line, before: 0, seconds: 0.4 }, "Number 1 in the queue · starts in under 1 s"],
    [{ ...line, seconds: null }, "Number 2 in the queue"],
    [{ ...line, loads: true }, "Number 2 in the queue · a model is loading"],
    [{ kind: "previous" }, "Finishing the previous step"],
    [{ kind: "shared", others: 1 }, "Running, shared with 1 other"],
    [{ kind: "shared", others: 2 }, "Running, shared with 2 others"],
    [{ kind: "closing", seconds: 7 }, "The app is about to stop: this run has 7 s to finish"],
    [{ kind: "closing", seconds: 0 }, "The app stops now"],
  ])
    assert.equal(of(status), words);
});

test("the sentence of a library is said in place of the status", () => {
  assert.equal(of({ kind: "first" }, "No GPU is free"), "No GPU is free");
});
