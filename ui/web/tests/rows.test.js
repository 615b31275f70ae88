import assert from "node:assert/strict";
import { test } from "node:test";
import { film, save, settings } from "../files/rows.js";
import { weights } from "../parts/latents/plan.js";
import { save as points } from "../parts/plane/files.js";
import { seedsOfColumns } from "../plans/rows.js";
import { ofSeed, ofWeight } from "../words/rows.js";

const one = (level) => ({ width: 1, height: 1, channels: 1, data: Uint8Array.of(level) });
const levels = ({ data }) => [...data].filter((level) => level !== 128); // which lies between pictures
const run = (rows, frames) => ({
  plan: { stem: "Digits-mask-seed-13", columns: 1, request: {} },
  rows: new Map(rows),
  frames: new Map(frames.map(([row, kept]) => [row, new Map(kept)])),
});

test("a film shows rows of other lengths at the same share of their way", () => {
  const short = [
    [4, [one(41)]],
    [0, [one(40)]],
  ];
  const long = [0, 1, 2, 3].map((k) => [k, [one(10 + k)]]);
  const both = run(
    [
      [1, [one(1)]],
      [0, [one(0)]],
    ],
    [
      [1, long],
      [0, short],
    ],
  );
  assert.deepEqual(film(both).map(levels), [
    [40, 10],
    [40, 11],
    [41, 12],
    [41, 13],
  ]);
  assert.deepEqual(film(run([[0, [one(7)]]], [])).map(levels), [[7]]); // only t = 0
  assert.deepEqual(
    film(
      run(
        [[0, [one(0)]]],
        [
          [0, short],
          [1, long],
        ],
      ),
    ).map(levels),
    [[40], [41]],
  ); // the second is not done
});

test("a file of rows has a name, and there is none before a row is done", async () => {
  const [name, content] = await save("png", run([[0, [one(7)]]], []));
  assert.equal(name, "Digits-mask-seed-13.png");
  assert.deepEqual([...content.subarray(1, 4)], [80, 78, 71]);
  await assert.rejects(save("gif", run([], [])), /no finished row of pictures yet: press Run/);
});

test("the settings of rows are JSON as Python writes it, with no picture of one's own", () => {
  const request = { picture: "eJw=", picture_b: "", times: [750, 0], hidden: Uint8Array.of(255, 254), eta: 0, seed: 7 };
  assert.equal(
    settings({ ...request, guidance: null, label: "é" }),
    '{"picture": "own", "picture_b": "sample", "times": "750, 0", "hidden": "__4=", "eta": 0.0, "seed": 7, "guidance": null, "label": "é"}',
  );
});

test("columns have their share of the second picture, with two digits, of two the even one, or their seed", () => {
  assert.deepEqual(weights({ count: 9 }).map(ofWeight), [
    ...["λ 0", "λ 0.12", "λ 0.25", "λ 0.38", "λ 0.5", "λ 0.62", "λ 0.75", "λ 0.88", "λ 1"],
  ]);
  const seeds = seedsOfColumns({ count: 2, seed: 4294967295 });
  assert.deepEqual(seeds.map(ofSeed), ["seed 4294967296", "seed 4294967297"]);
});

test("points are a table of floats as Python writes them, lane by lane", () => {
  const clouds = [
    [1, Float32Array.of(2, -0)],
    [0, Float32Array.of(0.5, 2 ** -20, 0.1, -1)],
  ];
  assert.deepEqual(points("csv", { plan: { request: { shape: "ring", seed: 13 } }, clouds }), [
    "ring-seed-13.csv",
    "lane,x1,x2\nA,0.5,9.5367431640625e-07\nA,0.10000000149011612,-1.0\nB,2.0,-0.0\n",
  ]);
  assert.throws(() => points("csv", { plan: {}, clouds: [] }), /no finished cloud yet: press Run/);
});
