import assert from "node:assert/strict";
import { test } from "node:test";
import { itemsOf } from "../run/items.js";

const PLAN = {};

/** What the menu says of scripts when it opens, and once they are written. */
async function scripts({
  description = { order: { plan: PLAN } },
  write = async () => ({ python: "p" }),
  precision = "fp32",
}) {
  const knowledge = { scripts: async (part, plan) => write(assert.deepEqual([part, plan], ["watch", PLAN])) };
  const page = { given: { device: { precision } }, knowledge };
  const standing = { state: { shown: "nothing", sketch: "none" } };
  const first = itemsOf({ page, part: "watch", standing, recorded: "", description }, [], false);
  const said = (items) => items.map(({ title, disabled, copy }) => [title, disabled || (copy?.() ?? "")]);
  return [said(first), said((await first[0].written) ?? [])];
}

test("the menu opens without the module that writes scripts, and has them when that is loaded", async () => {
  const writing = [["Copy Python", ""]];
  const both = { python: "p", diffusers: "d", why: "" };
  assert.deepEqual(await scripts({}), [writing, [["Copy Python", "p"]]]);
  const [, written] = await scripts({ write: () => both, precision: "bf16" });
  assert.equal(written[1][0], "Copy for diffusers");
  assert.match(written[1][1], /^# The page computes in bf16, and this script in fp32: .*\nd$/);
  const grid = { python: "", diffusers: "", why: "A grid is many runs" };
  assert.deepEqual(await scripts({ write: () => grid }), [
    writing,
    [
      ["Copy Python", "A grid is many runs"],
      ["Copy for diffusers", "A grid is many runs"],
    ],
  ]);
});

test("without a plan, or without the module, the menu says why there is no script", async (t) => {
  t.mock.method(console, "error", () => {});
  assert.deepEqual(await scripts({ description: null }), [[["Copy Python", "Not known yet"]], []]);
  assert.deepEqual(await scripts({ description: { order: null } }), [[["Copy Python", "Not for these settings"]], []]);
  const lost = () => {
    throw new TypeError("Failed to fetch dynamically imported module");
  };
  const [, [[, why]]] = await scripts({ write: lost });
  assert.match(why, /could not be loaded: try again/);
});
