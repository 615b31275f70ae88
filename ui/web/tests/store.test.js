// Files of models without a server: their progress, the stop, and a cache that is full.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { afterEach, mock, test } from "node:test";
import { Checkpoints } from "../local/checkpoints.js";
import { factsOfModel, onHub } from "../local/files/hub.js";
import { Files } from "../local/files/store.js";

const BYTES = new Uint8Array([1, 2, 3, 4, 5, 6]);
const MARK = "7192385c3c06"; // of their SHA-256
const { fetch } = globalThis;

afterEach(() => {
  globalThis.fetch = fetch;
  mock.timers.reset();
  mock.restoreAll();
  Reflect.deleteProperty(globalThis, "caches");
});

/** A network that sends a byte at a time, and from the byte `silent` on nothing more. */
function serve(bytes = BYTES, status = 200, silent = Number.POSITIVE_INFINITY) {
  globalThis.fetch = async (_, { signal } = {}) => {
    const body = new ReadableStream({
      start: (to) => signal?.addEventListener("abort", () => to.error(signal.reason)),
      pull(to) {
        if (this.at === undefined) this.at = 0;
        if (this.at === silent) return new Promise(() => {});
        if (this.at < bytes.length) to.enqueue(bytes.slice(this.at, ++this.at));
        else to.close();
      },
    });
    return new Response(body, { status });
  };
}

/** A browser's cache, with what it does when it is to keep something. */
function keep(put) {
  const kept = new Map();
  const cache = {
    match: async (address) => kept.get(address)?.clone(),
    put: async (address, answer) => put(kept, address, answer),
    async delete(address) {
      for (const one of kept.keys()) if (one.split("?")[0] === address.split("?")[0]) kept.delete(one);
    },
  };
  globalThis.caches = { open: async () => cache };
  return kept;
}

const read = (files, progress = () => {}, leave = undefined) =>
  files.read("models/a", "weights", [BYTES.length, MARK], progress, leave);
const files = () => new Files("http://here/lab/");

test("progress is told, and what came whole is kept", async () => {
  serve();
  const kept = keep((all, address, answer) => all.set(address, answer));
  const told = [];
  assert.deepEqual(new Uint8Array(await read(files(), (done) => told.push(done))), BYTES);
  assert.deepEqual(told, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([...kept.keys()], [`http://here/lab/models/a/weights?${MARK}`]);
  serve(BYTES, 404); // the network is gone
  assert.deepEqual(new Uint8Array(await read(files())), BYTES);
});

test("a file that two models share is fetched once", async () => {
  serve();
  const kept = keep((all, address, answer) => all.set(address, answer));
  await read(files());
  serve(BYTES, 404);
  const entry = [BYTES.length, MARK, "models/a"];
  assert.ok(await files().has("models/b", "weights", entry));
  assert.deepEqual(new Uint8Array(await files().read("models/b", "weights", entry, () => {})), BYTES);
  assert.equal(kept.size, 1);
});

test("a full cache is a sentence, and the file is there", async () => {
  serve();
  keep(async () => {
    throw new DOMException("full", "QuotaExceededError");
  });
  const own = files();
  assert.deepEqual(new Uint8Array(await read(own)), BYTES);
  assert.equal(own.isFull, true);
});

for (const [what, bytes, status, sentence] of [
  ["cut off", BYTES.slice(0, 3), 200, /came incomplete, 3 of 6 bytes/],
  ["of another version", BYTES.toReversed(), 200, /another version of this page/],
  ["not there", BYTES, 404, /could not be loaded/],
])
  test(`a file that is ${what} is a sentence, and is not kept`, async () => {
    serve(bytes, status);
    const kept = keep((all, address, answer) => all.set(address, answer));
    await assert.rejects(read(files()), sentence);
    assert.equal(kept.size, 0);
  });

test("a stop ends what is being fetched", async () => {
  serve();
  const leave = new AbortController();
  await assert.rejects(
    read(files(), (done) => done === 2 && leave.abort(), leave.signal),
    /came incomplete/,
  );
});

test("a kept file that is damaged is fetched anew, and older versions go", async () => {
  serve();
  const kept = keep((all, address, answer) => all.set(address, answer));
  const address = `http://here/lab/models/a/weights?${MARK}`;
  kept.set(address, new Response(BYTES.toReversed()));
  kept.set("http://here/lab/models/a/weights?of-before", new Response(BYTES));
  assert.deepEqual(new Uint8Array(await read(files())), BYTES);
  assert.deepEqual([...kept.keys()], [address]);
  assert.deepEqual(new Uint8Array(await kept.get(address).arrayBuffer()), BYTES);
});

test("what is in the cache is not to be downloaded", async () => {
  const known = { files: { "config.json": [5, "a"], weights: [26e6, MARK] } };
  const checkpoints = new Checkpoints({ models: ["big"], answers: {}, words: {} }, files(), async () => known);
  await checkpoints.learn("big");
  assert.equal(await checkpoints.missing("big"), 26e6 + 5); // this browser keeps nothing
  const kept = keep(() => {});
  assert.equal(await checkpoints.missing("big"), 26e6 + 5);
  kept.set(`http://here/lab/checkpoints/big/weights?${MARK}`, new Response(BYTES));
  assert.equal(await checkpoints.missing("big"), 0);
});

test("a load that fails takes nothing from a newer one of the same checkpoint", async () => {
  const kernel = await readFile(new URL("../network/kernel.wasm", import.meta.url));
  globalThis.fetch = async () => new Response(kernel);
  const known = { files: {}, spec: {} };
  /** @type {(() => void)[]} */
  const fails = [];
  const silent = { read: () => new Promise((_, fail) => fails.push(() => fail(new Error("no network")))) };
  const checkpoints = new Checkpoints({ models: ["own"], answers: {}, words: {} }, silent, async () => known);
  await checkpoints.learn("own");
  const older = checkpoints.model("own");
  while (!fails.length) await new Promise(setImmediate);
  checkpoints.replace({}); // it is no longer of the list,
  checkpoints.replace({ own: known }); // and again
  const newer = checkpoints.model("own");
  newer.catch(() => {});
  assert.notEqual(older, newer);
  fails[0]();
  await assert.rejects(older);
  assert.equal(checkpoints.model("own"), newer);
});

test("a file of which nothing more comes is given up", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  serve(BYTES, 200, 3);
  await assert.rejects(
    read(files(), (done) => done === 3 && setImmediate(() => mock.timers.tick(10_000))),
    /came incomplete, 3 of 6 bytes/,
  );
});

test("a Hub that never answers is a sentence, and so is one that stops within its answer", async () => {
  mock.method(AbortSignal, "timeout", (ms) => {
    const quit = new AbortController();
    setTimeout(() => quit.abort(), ms / 1000);
    return quit.signal;
  });
  globalThis.fetch = (_, { signal }) =>
    new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
  await assert.rejects(onHub("owner/name", "http://hub"), /The Hub did not answer/);
  serve(BYTES, 200, 3);
  await assert.rejects(onHub("owner/name", "http://hub"), /The Hub did not answer/);
});

test("what a run may need of a repository is listed, and weights have the mark of their hash", async () => {
  const siblings = [
    { rfilename: "config.json", size: 5 },
    { rfilename: "readers.safetensors", size: 7 },
    { rfilename: "model.ckpt", size: 8 },
    { rfilename: "diffusion_pytorch_model.safetensors", size: 6, lfs: { sha256: `${MARK}0123` } },
  ];
  globalThis.fetch = async () => Response.json({ sha: "c0ffee", siblings });
  const { files } = await onHub("owner/name", "http://hub");
  assert.deepEqual(Object.values(files), [
    [5, "c0ffee"],
    [7, "c0ffee"],
    [6, MARK],
  ]);
});

test("a model of the Hub has readers where its repository has their file", () => {
  const table = { T: 1, beta: [0, 0.1], alphaBar: [1, 0.9], offset: 0 };
  const state = { channels: 1, size: 8, pictureSize: 8, classes: 0, classNames: [], nullLabel: null };
  const learns = { prediction: "epsilon", variance: "beta", clip: true, student: null, gamma: null, optimised: null };
  const model = { ...table, ...state, ...learns, decode: null, words: null, config: {} };
  const has = (/** @type {string} */ name) =>
    factsOfModel(model, "owner/it", { commit: "c", files: { [name]: [1, "m"] } });
  assert.equal(has("unet/readers.safetensors").spec.readers, true);
  assert.equal(has("unet/config.json").spec.readers, false);
});
