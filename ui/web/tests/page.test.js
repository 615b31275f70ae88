import assert from "node:assert/strict";
import { test } from "node:test";
import { address, draw } from "../page/page.js";

test("the address says what the controls say, with the revision that was loaded, and keeps the rest", () => {
  const names = ["checkpoint", "steps", "clip", "label"];
  const url = address(
    "http://lab/x/?__theme=dark&steps=7",
    names,
    ["owner/name", 50, true, null],
    "0123abc",
    "denoise",
  );
  assert.equal(url.pathname, "/x/");
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    __theme: "dark",
    steps: "50",
    checkpoint: "owner/name@0123abc",
    clip: "true",
    label: "",
    tab: "denoise",
  });
  const given = address("http://lab/", names, ["owner/name@main", 50, true, null], "0123abc", "learn");
  assert.equal(given.searchParams.get("checkpoint"), "owner/name@main");
});

test("a seed is a whole number within its range", () => {
  for (let i = 0; i < 50; i++) assert.match(draw(9), /^\d$/);
});
