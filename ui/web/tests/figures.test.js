// The figures without a page: who computes next, what is asked, what a picture is as text, and what a step adds up.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Sheet } from "../drawing/sheet.js";
import { digits } from "../figures/digits.js";
import { newestOnly, WorkerEngine } from "../figures/engine.js";
import { likeness, signature } from "../figures/kinds/card.js";
import { shown } from "../figures/kinds/jump.js";
import { scaled } from "../figures/kinds/same.js";
import { colour, pixels } from "../figures/paint.js";
import { centred, pictureOf, textOf } from "../figures/picture.js";
import { freshNoise, noisy, outputsOf, SCHEDULE, T, termsOf, weightsAt } from "../figures/process.js";
import { Turns } from "../figures/turns.js";
import { VERBS } from "../figures/verbs.js";
import { drawn, SHEET } from "../learning/drawings.js";
import { compile } from "../network/kernel.js";
import { load } from "../network/model.js";
import { CELLS, cellsAround, placeOf, SIDE, sharesAt } from "../process/square.js";

/** A few turns of the loop of messages. */
const later = () => new Promise((resolve) => setTimeout(resolve, 5));

/** Some pieces, which are noted as they are computed. */
function task(log, name, pieces, behind = false) {
  async function* steps() {
    for (let i = 0; i < pieces; i++) {
      log.push(`${name}${i}`);
      yield { i };
    }
  }
  const told = [];
  return {
    told,
    ends: [],
    steps: steps(),
    behind,
    tell: (piece) => told.push(piece),
    end(...how) {
      this.ends.push(how);
    },
  };
}

test("what waits behind is computed when nothing else is", async () => {
  const log = [];
  const turns = new Turns(later, () => 0);
  turns.ask("behind", task(log, "b", 2, true));
  turns.ask("seen", task(log, "s", 3));
  await later();
  await later();
  assert.deepEqual(log, ["b0", "s0", "s1", "s2", "b1"]);
});

test("tasks take turns, and a new one is next, so that no first picture waits for the whole of another answer", async () => {
  const log = [];
  const turns = new Turns(later, () => 0);
  turns.ask("first", task(log, "f", 3));
  turns.ask("second", task(log, "s", 3));
  turns.ask("third", task(log, "t", 1));
  await later();
  assert.deepEqual(log, ["f0", "t0", "s0", "f1", "s1", "f2", "s2"]);
});

test("of a slot the newest question wins, and the older one learns that nobody waits", async () => {
  const log = [];
  const turns = new Turns(later, () => 0);
  const [old, young] = [task(log, "old", 5), task(log, "young", 2)];
  turns.ask("slot", old);
  turns.ask("slot", young);
  await later();
  assert.deepEqual(old.ends, [[false]]);
  assert.deepEqual(young.told.length, 2);
  assert.deepEqual(young.ends, [[true]]);
  assert.ok(old.told.length === 0 && log.filter((one) => one.startsWith("old")).length <= 1);
});

test("what goes wrong ends its own question, and no other", async () => {
  const log = [];
  const turns = new Turns(later, () => 0);
  const wrong = { ...task(log, "w", 0), ends: [] };
  wrong.steps = (async function* () {
    yield null;
    throw new Error("no");
  })();
  wrong.end = (...how) => wrong.ends.push(how);
  const other = task(log, "o", 1);
  turns.ask("a", other);
  turns.ask("b", wrong);
  await later();
  assert.equal(wrong.ends.length, 1);
  assert.equal(wrong.ends[0][1].message, "no");
  assert.deepEqual(other.ends, [[true]]);
});

test("a worker hears messages while it computes", async () => {
  let clock = 0;
  let breaths = 0;
  const turns = new Turns(
    async () => {
      breaths += 1;
    },
    () => (clock += 5),
  );
  turns.ask("slot", task([], "x", 20));
  await later();
  assert.ok(breaths >= 5, `${breaths}`);
});

test("while a slider is dragged, calls that wait are skipped, but not the last one", async () => {
  const seen = [];
  const ends = [];
  const run = newestOnly((value) => {
    seen.push(value);
    return new Promise((resolve) => ends.push(resolve));
  });
  const all = [run(1), run(2), run(3)];
  ends[0]();
  await later();
  ends[1]();
  await Promise.all(all);
  assert.deepEqual(seen, [1, 3]);
});

test("the engine gives each answer to its question, and says in a sentence what failed", async () => {
  const posted = [];
  const heard = {};
  let started = 0;
  let ended = 0;
  const worker = {
    addEventListener: (name, take) => (heard[name] = take),
    postMessage: (data) => posted.push(data),
    terminate: () => (ended += 1),
  };
  const start = () => {
    started += 1;
    return worker;
  };
  const engine = new WorkerEngine({ tiny: { a: ["a", 60], b: ["b", 40] } }, start);
  const pieces = [];
  const [first, second] = [1, 2].map((n) => engine.ask(`${n}`, "guess", {}, (piece) => pieces.push([n, piece])));
  const [, { id: one }, { id: two, model, behind }] = posted;
  assert.deepEqual([model, behind], ["mnist-tiny", false]);
  const shares = [];
  engine.onLoading((ref, share) => shares.push([ref, share]));
  for (const data of [
    { id: two, piece: "b" },
    { id: one, piece: "a" },
    { ref: "tiny", done: 50 },
  ])
    heard.message({ data });
  heard.message({ data: { id: one, end: { whole: true } } });
  heard.message({ data: { id: two, end: { whole: false, error: "it failed" } } });
  assert.equal(await first, true);
  await assert.rejects(second, /it failed/);
  assert.deepEqual(pieces, [
    [2, "b"],
    [1, "a"],
  ]);
  assert.deepEqual(shares, [["tiny", 0.5]]);
  const lost = engine.ask("3", "guess", {}, () => {});
  heard.error();
  await assert.rejects(lost, /worker/);
  engine.ask("4", "guess", {}, () => {});
  assert.deepEqual([started, ended], [2, 1]);
  assert.ok(posted.at(-2).files);
});

test("a picture goes into a link and comes out of it; other texts give none", async () => {
  const text = await textOf(digits[5]);
  assert.ok(text.length < 600, `${text.length}`);
  assert.ok((await pictureOf(text)).every((value, i) => Math.abs(value - digits[5][i]) <= 1 / 255));
  for (const other of ["", "abc", "<script>", text.slice(0, 80), `${text}AAAA`.slice(4)])
    assert.equal(await pictureOf(other), null);
});

test("a drawing is moved to the middle, where the network has seen its digits", () => {
  const middle = (x) => {
    const sum = x.reduce((all, v) => all + v + 1, 0);
    return [0, 1].map((axis) => x.reduce((all, v, i) => all + (v + 1) * (axis ? Math.floor(i / 28) : i % 28), 0) / sum);
  };
  const x = Float32Array.from(drawn([[4, 4, 10, 12]], 2.6), (level) => level / 127.5 - 1);
  for (const at of middle(centred(x))) assert.ok(Math.abs(at - 13.5) <= 0.5, `${at}`);
  const empty = new Float32Array(784).fill(-1);
  assert.deepEqual(centred(empty), empty);
});

test("keys draw as a hand does, and other keys are left to the page", () => {
  const strokes = [];
  const sheet = new Sheet(SHEET, {
    drawn: (one) => strokes.push(one),
    moved() {},
    used: () => strokes.flat().length / 2,
  });
  const press = (key, shiftKey = false) => sheet.key({ key, shiftKey });
  sheet.pen = [0.5, 0.25];
  for (const key of [" ", "ArrowRight", "ArrowRight", "ArrowDown", "Enter"]) assert.ok(press(key));
  assert.deepEqual(strokes, [[140, 70, 150, 70, 160, 70, 160, 80]]);
  assert.ok(sheet.isByKeys && !sheet.line.length && !press("Tab") && !press("z"));
  for (let i = 0; i < 40; i++) press("ArrowLeft", true);
  assert.equal(sheet.pen[0], 0);
  sheet.to(3 / 28, 3 / 28);
  sheet.to(3.2 / 28, 3 / 28); // too near to be a point
  sheet.to(2, -1); // beyond the sheet
  assert.deepEqual(sheet.line, [30, 30, 280, 0]);
  press("Escape");
  assert.deepEqual(sheet.line, []);
  for (let i = 0; i < 1000; i++) sheet.to((i % 2) / 2, 0);
  assert.equal(sheet.line.length / 2 + 4, SHEET.points);
});

test("ink is dark on paper and light in the dark; numbers beyond the ends have their colours", () => {
  const bright = ([r, g, b]) => r + g + b;
  assert.ok(bright(colour(1, "ink", "light")) < 100 && bright(colour(-1, "ink", "light")) > 650);
  assert.ok(bright(colour(1, "ink", "dark")) > 650 && bright(colour(-1, "ink", "dark")) < 150);
  const [red, green, blue] = colour(1, "guess", "light");
  assert.ok(red > 2 * green && green > blue);
  assert.deepEqual(colour(9, "guess", "dark"), colour(1, "guess", "dark"));
  const found = pixels([-3, -1, 0, 1, 3], "ink", "light");
  assert.deepEqual([...found.subarray(0, 4)], [...found.subarray(4, 8)]);
  assert.deepEqual([...found.subarray(12, 16)], [...colour(1, "ink", "light"), 255]);
});

test("the square has each cell once, from coarse to fine, and shares that add up", () => {
  assert.deepEqual(
    [...CELLS].sort((a, b) => a - b),
    Array.from({ length: SIDE * SIDE }, (_, i) => i),
  );
  assert.deepEqual(CELLS.slice(0, 4), [0, 6, 42, 48]);
  for (const cell of CELLS) {
    const [x, y] = placeOf(cell).map((at) => at * (SIDE - 1));
    const shares = cellsAround(x, y, SIDE, () => true).filter(([, share]) => share > 1e-12);
    assert.deepEqual([shares.length, shares[0][0]], [1, cell]);
  }
  const corners = cellsAround(3, 3, SIDE, (cell) => CELLS.slice(0, 4).includes(cell));
  assert.deepEqual(
    corners,
    [0, 6, 42, 48].map((cell) => [cell, 0.25]),
  );
  assert.deepEqual(
    cellsAround(3, 3, SIDE, (cell) => cell > 0),
    cellsAround(3, 3, SIDE, () => true),
  );
  assert.deepEqual(sharesAt(1, 0), [0, 1, 0, 0]);
  const sum = sharesAt(0.3, 0.8).reduce((a, b) => a + b);
  assert.ok(Math.abs(sum - 1) < 1e-12);
});

test("small things of figures", () => {
  assert.deepEqual(shown(1), [0]);
  assert.deepEqual(shown(3), [0, 1, 2]);
  assert.deepEqual(shown(20), [0, 3, 6, 10, 13, 16, 19]);
  assert.deepEqual([...scaled(Float32Array.of(-4, 2))], [-1, 0.5]);
  assert.ok(Math.abs(likeness(digits[3], digits[3]) - 1) < 1e-6 && likeness(digits[0], digits[1]) < 0.5);
  assert.equal(
    signature(new URL("https://lab.example/ddpm/essay.html#x")),
    "Try it with your own: lab.example/ddpm/essay.html",
  );
  assert.ok(!signature(new URL("http://127.0.0.1:7860/essay")).includes("127"));
});

// --- With the digits' network

const read = async (path) => {
  try {
    const { buffer, byteOffset, byteLength } = readFileSync(
      new URL(`../../../checkpoints/mnist-tiny/${path}`, import.meta.url),
    );
    return buffer.slice(byteOffset, byteOffset + byteLength);
  } catch {
    return null;
  }
};
const code = compile(readFileSync(new URL("../network/kernel.wasm", import.meta.url)));
const model = code.then((kernel) => load(read, "mnist-tiny", kernel));
const all = async (verb, values) => {
  const found = [];
  for await (const piece of VERBS[verb](await model, values)) if (piece) found.push(piece);
  return found;
};

test("the schedule that figures know before the network is here is the network's", async () => {
  assert.deepEqual((await model).alphaBar, SCHEDULE.alphaBar);
});

test("the guess repairs at little noise, and is the same for any noise where nothing is left", async () => {
  const x0 = digits[3];
  const apart = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);
  const [near, other] = await all("guess", { x0, t: 100, seeds: [1, 2] });
  assert.ok(apart(near.x0, x0) < 0.25 && apart(other.x0, x0) < 0.25, `${apart(near.x0, x0)}`);
  assert.deepEqual(near.x, noisy(x0, 100, 1));
  const [one, two] = await all("guess", { x0, t: T, seeds: [1, 2] });
  assert.ok(apart(one.x0, two.x0) < 0.25 && apart(one.x0, x0) > 0.4, `${apart(one.x0, two.x0)} ${apart(one.x0, x0)}`);
  const [signal, sigma] = weightsAt(T);
  const { v, score, flow } = outputsOf(one.x0, one.eps, T);
  for (const i of [0, 400]) {
    assert.ok(Math.abs(v[i] - (signal * one.eps[i] - sigma * one.x0[i])) < 1e-6);
    assert.ok(Math.abs(score[i] + one.eps[i] / sigma) < 1e-5 && Math.abs(flow[i] - (one.eps[i] - one.x0[i])) < 1e-6);
  }
});

test("a step is the sum that the figure shows, with the noise that it shows", async () => {
  for (const variance of ["beta", "beta_tilde"]) {
    const from = { x0: digits[3], t: T, seed: 1 };
    const [first, second] = await all("runs", { runs: [{ from, steps: 4, sampler: "ddpm", variance }] });
    const terms = termsOf(second.t, second.s, variance);
    const fresh = freshNoise(1, 2);
    for (const i of [10, 300, 700]) {
      const sum = terms.guess * second.x0[i] + terms.present * first.x[i] + terms.noise * fresh[i];
      assert.ok(Math.abs(sum - second.x[i]) < 1e-5, `${sum} ${second.x[i]}`); // float32, numbers up to 4
    }
  }
  assert.equal(termsOf(10, 0, "beta").noise, 0);
});

test("a graft changes the run, and each block says something", async () => {
  const run = { from: { x0: digits[3], t: 620, seed: 7 }, steps: 2, sampler: "ddim" };
  const found = await all("inside", { run, block: "middle", label: 6 });
  assert.deepEqual(
    found.map(({ lane, index }) => [lane, index]),
    [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ],
  );
  assert.deepEqual(
    found[0].blocks.map(({ name, side }) => `${name} ${side}`),
    [...["down 1 28", "down 2 14", "down 3 7", "middle 7", "up 1 7", "up 2 14", "up 3 28"]],
  );
  assert.notDeepEqual(found[2].x, found[3].x);
  for (const { says } of found[0].blocks) assert.equal(says.length, 784);
});
