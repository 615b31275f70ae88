// What the form, the link, the stream and the parts of Look inside compute without a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { linkTo, readLink } from "../form/link.js";
import { plusMinus } from "../parts/likelihood/tables.js";
import { fromText, PRESETS, toText } from "../parts/repair/brush.js";
import { drawingsIn } from "../parts/train/pad.js";
import { inside, middle, resized } from "../pictures/crop.js";
import { frameAt } from "../player/rows.js";
import { read } from "../run/past.js";
import { Stream } from "../run/stream.js";
import { Server } from "../server/client.js";
import { NO_ANSWER } from "../words/page.js";

test("a square stays inside its picture, whatever is wanted", () => {
  assert.deepEqual(middle(300, 100), { left: 1, top: 0, side: 1 });
  assert.deepEqual(inside({ left: 9, top: -1, side: 0.5 }, 300, 100), { left: 2.5, top: 0, side: 0.5 });
  assert.deepEqual(inside({ left: 0, top: 0, side: 7 }, 1, 1), { left: 0, top: 0, side: 1 });
  assert.equal(inside({ left: 0, top: 0, side: 0 }, 10, 10).side, 0.05);
  const smaller = resized({ left: 1, top: 0, side: 1 }, 0.5, 300, 100);
  assert.deepEqual(smaller, { left: 1.25, top: 0.25, side: 0.5 }); // the centre stays
  assert.deepEqual(resized(smaller, 1, 300, 100), { left: 1, top: 0, side: 1 });
});

test("what the server refuses has its sentence, and no answer has one", async () => {
  const away = () => Promise.reject(new TypeError("Failed to fetch"));
  const full = () => new Response('{"detail": "The disk is full"}', { status: 507 });
  const odd = () => new Response('{"detail": [{"loc": ["body"]}]}', { status: 422 });
  const head = new TextEncoder().encode('{"b":1}');
  const busy = () => new Response('{"detail": "Too many at once"}', { status: 503 });
  const busyFor = () =>
    new Response('{"detail": "Too many at once"}', { status: 503, headers: { "retry-after": "9" } });
  const right = () => new Response(Uint8Array.of(head.length, 0, 0, 0, 0, 0, 0, 0, ...head));
  const answers = [full, odd, away, () => new Response("<html>"), right];
  Object.assign(globalThis, { addEventListener() {}, document: { baseURI: "http://lab/" } });
  const client = new Server();
  const said = [];
  for (const answer of answers) {
    globalThis.fetch = async () => answer();
    said.push(await client.ask("engine", "a"));
  }
  const lost = { error: NO_ANSWER, lost: true };
  assert.deepEqual(said, [{ error: "The disk is full" }, lost, lost, lost, { b: 1 }]);
  globalThis.fetch = async () => busy();
  assert.deepEqual(await client.ask("engine", "pace", {}), { error: "Too many at once", again: 3 });
  globalThis.fetch = async () => busyFor();
  assert.deepEqual(await client.ask("engine", "pace", {}), { error: "Too many at once", again: 9 });
});

test("the windows of a browser hear four runs at once, and one that has crashed counts for twenty seconds", () => {
  /** @type {Record<string, string>} */
  const stored = {};
  const localStorage = {
    getItem: (/** @type {string} */ name) => stored[name] ?? null,
    setItem: (/** @type {string} */ name, /** @type {string} */ value) => Object.assign(stored, { [name]: value }),
  };
  Object.assign(globalThis, { addEventListener() {}, document: { baseURI: "http://lab/" }, localStorage });
  globalThis.fetch = () => new Promise(() => {});
  const [one, other] = [new Server(), new Server()];
  let refused = 0;
  const run = (/** @type {Server} */ window) => window.run({ part: "watch", asked: {} }, assert.fail, () => ++refused);
  const ends = [one, one, other, other].map(run);
  run(other);
  assert.equal(refused, 1);
  ends[0]();
  ends[0](); // once more
  run(other);
  run(one);
  assert.equal(refused, 2);
  const { now } = Date;
  Date.now = () => now() + 21_000;
  const later = new Server(); // the others have said nothing of theirs any more
  for (const _ of [0, 1, 2, 3, 4]) run(later);
  Date.now = now;
  assert.equal(refused, 3);
});

test("what others have written into the browser's memory locks nobody out", () => {
  const far = JSON.stringify(Object.fromEntries([..."abcdef"].map((name) => [name, Date.now() + 1e6])));
  const localStorage = { getItem: () => far, setItem() {} };
  const sessionStorage = { getItem: () => "x".repeat(200), removeItem() {}, setItem() {} };
  Object.assign(globalThis, {
    addEventListener() {},
    document: { baseURI: "http://lab/" },
    localStorage,
    sessionStorage,
  });
  globalThis.fetch = () => new Promise(() => {});
  const window = new Server();
  assert.match(window.session, /^[0-9a-f]{32}$/);
  window.run({ part: "watch", asked: {} }, assert.fail, assert.fail);
  const run = { part: "watch", values: {}, title: "", picture: "" };
  for (const [text, found] of [
    ["[null, 1, {}]", []],
    ["null", []],
    ["{", []],
    [JSON.stringify(Array(99).fill(run)), Array(12).fill(run)],
  ]) {
    localStorage.getItem = () => text;
    assert.deepEqual(read(), found);
  }
  const drawings = [[[1, 2, 3, 4]], []];
  assert.deepEqual(drawingsIn(JSON.stringify(drawings), 2), drawings);
  const many = JSON.stringify(Array(3).fill(drawings[0]));
  for (const text of ["", "1", "[]", "[null]", "[[1]]", '[[["a"]]]', '{"length": 1}', many])
    assert.deepEqual(drawingsIn(text, 2), [[]]);
});

test("a link brings back what is in it, and pictures go where no server sees them", () => {
  const fields = /** @type {any[]} */ ([
    { name: "seed", kind: "seed", default: 13 },
    { name: "times", kind: "wholes", default: "" },
    { name: "count", kind: "whole", default: 8 },
    { name: "picture", kind: "picture", default: "" },
    { name: "picture_b", kind: "picture", default: "" },
  ]);
  const names = fields.map(({ name }) => name);
  const values = { seed: "2", times: "7, 8", count: "8", picture: "x-_=", picture_b: "" };
  const url = linkTo("http://a/b?__theme=dark&seed=1&count=9", "latents", values, fields, names);
  assert.equal(url.searchParams.get("__theme"), "dark");
  assert.ok(!url.search.includes("x-_") && !url.searchParams.has("count")); // what is as usual is left out
  const { part, values: got } = readLink(url);
  assert.deepEqual(
    [part, got.seed, got.times, got.picture, got.picture_b],
    ["latents", "2", "7, 8", "x-_=", undefined],
  );
  assert.equal(linkTo(url, "latents", {}, fields, names).hash, ""); // no picture is left over from before
  assert.deepEqual(
    ["tab=denoise", "tab=denoise&compare=true", "tab=learn", ""].map((query) => readLink(`http://a/?${query}`).part),
    ["watch", "compare", "course", "watch"],
  );
});

test("each row shows the frame of its own share of the way", () => {
  const frames = [0, 4, 9].map((k) => ({ k, s: 9 - k, x0: `${k}` }));
  assert.deepEqual(
    [0, 0.3, 0.5, 0.99, 1].map((share) => frameAt(frames, 10, share).k),
    [0, 0, 4, 9, 9],
  );
  assert.equal(frameAt(frames.slice(1), 10, 0).k, 4); // the first one that there is
  assert.equal(frameAt([{ k: 0, s: 0, x0: "" }], 1, 0.5).k, 0);
});

test("what is erased comes back from its text", () => {
  const half = Array.from({ length: 1024 }, (_, i) => PRESETS.right(i % 32, Math.floor(i / 32)));
  assert.equal(toText(half).slice(0, 8), "AAD__wAA"); // two bytes of 0, two of 255, and so on: as np.packbits
  assert.deepEqual(fromText(toText(half)), half);
  assert.equal(toText(half.map(() => false)), "");
  for (const text of ["", "§", "AAAA"]) assert.ok(!fromText(text).includes(true));
});

/** @param {string} run @param {number} seq @param {object} [more] */
const message = (run, seq, more) => ({
  run,
  seq,
  state: "running",
  status: null,
  text: "",
  progress: 0.5,
  left: 3,
  results: [seq],
  ...more,
});

test("results arrive once and in order, and those of a run that was left are dropped", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  /** @type {unknown[]} */
  const seen = [];
  let runs = 0;
  const stream = new Stream(
    () => {},
    (result) => seen.push(result),
    () => runs++,
    (ref) => ref.toUpperCase(),
  );
  stream.receive(null);
  stream.start();
  for (const seq of [1, 2, 2, 1, 3]) stream.receive(message("a", seq));
  assert.deepEqual([seen, stream.state, stream.words, stream.active], [[1, 2, 3], "running", "Running", true]);
  stream.start();
  stream.receive(message("a", 4));
  assert.deepEqual([seen.length, stream.state, stream.run], [3, "starting", null]);
  stream.receive(message("b", 1, { status: { kind: "load", ref: "m" }, state: "loading" }));
  assert.deepEqual([stream.run, stream.words], ["b", "Loading M"]);
  stream.receive(message("c", 1)); // pressed twice: the server has replaced b
  stream.receive(message("b", 2));
  assert.deepEqual([stream.run, seen.length, runs], ["c", 5, 3]);
  t.mock.timers.tick(20000);
  assert.deepEqual([stream.state, stream.active], ["lost", false]);
  stream.receive(message("c", 2, { state: "finished" }));
  assert.deepEqual([stream.state, stream.active], ["finished", false]);
  t.mock.timers.tick(20000);
  assert.equal(stream.state, "finished");
  stream.start();
  stream.lose("Too many runs");
  assert.deepEqual([stream.state, stream.words, stream.active], ["error", "Too many runs", false]);
});

test("Stop before the server has answered stops the run with its first message, and no later one", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const nothing = () => {};
  const stream = new Stream(nothing, nothing, nothing, String);
  let asked = 0;
  const ask = () => asked++;
  stream.start();
  stream.stop(ask);
  assert.equal(asked, 0);
  stream.receive(message("a", 1));
  stream.receive(message("a", 2));
  assert.equal(asked, 1);
  stream.stop(ask);
  assert.equal(asked, 2);
  stream.start();
  stream.stop(ask);
  stream.start();
  stream.receive(message("b", 1));
  assert.equal(asked, 2);
});

test("the time left goes down between two messages, and is not known where the run takes longer", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  /** @type {(number | null)[]} */
  const seen = [];
  const nothing = () => {};
  const stream = new Stream(
    () => seen.push(stream.left),
    nothing,
    nothing,
    String,
    () => now,
  );
  const wait = () => {
    now += 1000;
    t.mock.timers.tick(1000);
  };
  stream.start();
  stream.receive(message("a", 1));
  for (let i = 0; i < 4; i++) wait();
  stream.receive(message("a", 2, { left: 60 }));
  wait();
  stream.receive(message("a", 3, { left: null, state: "finished" }));
  wait();
  assert.deepEqual(seen, [null, 3, 2, 1, null, null, 60, 59, null]);
});

test("numbers have the digits that count", () => {
  assert.equal(plusMinus(3.20468, 0.01923), "3.205 ± 0.019");
  assert.equal(plusMinus(83.247, 1.494), "83.25 ± 1.49");
  assert.equal(plusMinus(3.2, null), "3.200");
});
