import assert from "node:assert/strict";
import { test } from "node:test";
import { address, draw } from "../page/page.js";

test("the address says what the controls say, with the revision that was loaded, and keeps the rest", () => {
  const names = ["checkpoint", "steps", "clip", "label", "checkpoint_b"];
  const url = address(
    "http://lab/x/?__theme=dark&steps=7",
    names,
    ["owner/name", 50, true, null, "same"],
    ["0123abc", ""],
    "denoise",
  );
  assert.equal(url.pathname, "/x/");
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    __theme: "dark",
    steps: "50",
    checkpoint: "owner/name@0123abc",
    clip: "true",
    label: "",
    checkpoint_b: "same",
    tab: "denoise",
  });
  const values = ["owner/name@main", 50, true, null, "owner/student"];
  const given = address("http://lab/", names, values, ["0123abc", "4567def"], "learn");
  assert.equal(given.searchParams.get("checkpoint"), "owner/name@main");
  assert.equal(given.searchParams.get("checkpoint_b"), "owner/student@4567def");
});

test("a seed is a whole number within its range", () => {
  for (let i = 0; i < 50; i++) assert.match(draw(9), /^\d$/);
});
