import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "../local/network/model.js";

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

test("readers count only for the weights that they were fitted for, and are read when they are asked for", async () => {
  const own = createHash("sha256").update(file("diffusion_pytorch_model.safetensors")).digest("hex");
  for (const [bytes, counts] of [
    [readersFile(own), true],
    [readersFile("0".repeat(64)), false],
    [null, false],
  ]) {
    const asked = [];
    const read = async (path) => {
      asked.push(path);
      return (path === "readers.safetensors" ? bytes : file(path))?.buffer ?? null;
    };
    const model = await load(read, "mnist-tiny", null);
    assert.ok(!asked.includes("readers.safetensors"));
    assert.equal((await model.readers())?.size, counts ? 2 : undefined);
  }
});
