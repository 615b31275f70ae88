import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { compile } from "../network/kernel.js";
import { load } from "../network/model.js";
import { Readers } from "../network/readers.js";

const FOLDER = new URL("../../../checkpoints/mnist-tiny/", import.meta.url);
const file = (path) =>
  existsSync(new URL(path, FOLDER)) ? Uint8Array.from(readFileSync(new URL(path, FOLDER))) : null;

/** A file of readers without blocks, for weights of that hash. */
function readersFile(hash) {
  const about = { weights_sha256: hash, times: [500], clip: true, measured: [500], r2: {}, seeds: [2, 2], figures: {} };
  const mean = { dtype: "F16", shape: [1, 1, 2, 2], data_offsets: [0, 8] };
  const header = JSON.stringify({ __metadata__: { ddpm_core: JSON.stringify(about) }, mean });
  const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
  const bytes = new Uint8Array(8 + text.length + 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const kernel = await compile(readFileSync(new URL("../network/kernel.wasm", import.meta.url)));
const own = createHash("sha256").update(file("diffusion_pytorch_model.safetensors")).digest("hex");

/** The model, with this file of readers; and what was read of it. @param {Uint8Array | null} bytes */
async function withReaders(bytes) {
  const asked = [];
  const read = async (path) => {
    asked.push(path);
    return (path === "readers.safetensors" ? bytes : file(path))?.buffer ?? null;
  };
  return { model: await load(read, "mnist-tiny", kernel), asked };
}

test("readers count only for the weights that they were fitted for, and are read when they are asked for", async () => {
  const kept = file("readers.safetensors");
  const others = Uint8Array.from(
    Buffer.from(Buffer.from(kept).toString("latin1").replace(own, "0".repeat(64)), "latin1"),
  );
  for (const [bytes, counts] of [
    [kept, true],
    [others, false],
    [null, false],
  ]) {
    const { model, asked } = await withReaders(bytes);
    assert.ok(!asked.includes("readers.safetensors"));
    assert.equal((await model.readers())?.size, counts ? 28 : undefined);
  }
});

test("readers that lack a block of the network are refused in a sentence", async () => {
  const { model } = await withReaders(readersFile(own));
  await assert.rejects(model.readers(), /^Error: readers\.safetensors is not a file of readers: delete it/);
  const kept = new Readers(file("readers.safetensors").buffer);
  kept.check(model.config);
  assert.throws(() => kept.check({ ...model.config, block_out_channels: [8, 16, 32] }), /is not a file of readers/);
});
