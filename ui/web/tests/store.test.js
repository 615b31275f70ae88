// Files of models without a server: their progress, the stop, and a cache that is full.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Files } from "../local/files/store.js";

const BYTES = new Uint8Array([1, 2, 3, 4, 5, 6]);
const MARK = "7192385c3c06"; // of their SHA-256
const { fetch } = globalThis;

afterEach(() => {
  globalThis.fetch = fetch;
  Reflect.deleteProperty(globalThis, "caches");
});

/** A network that sends a byte at a time. */
function serve(bytes = BYTES, status = 200) {
  globalThis.fetch = async (_, { signal } = {}) => {
    const body = new ReadableStream({
      start: (to) => signal?.addEventListener("abort", () => to.error(signal.reason)),
      pull(to) {
        if (this.at === undefined) this.at = 0;
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
    delete: async (address) => kept.delete(address),
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

test("a full cache is a sentence, and the file is there", async () => {
  serve();
  keep(async () => {
    throw new DOMException("full", "QuotaExceededError");
  });
  const own = files();
  assert.deepEqual(new Uint8Array(await read(own)), BYTES);
  assert.match(own.notice, /keeps no more files/);
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
