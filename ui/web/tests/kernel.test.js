import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import asc from "assemblyscript/asc";
import { compile, Memory } from "../local/network/kernel.js";
import { load } from "../local/network/model.js";
import { toUint8 } from "../process/floats.js";
import { trajectory } from "../process/runs.js";

const file = (name) => readFileSync(new URL(`../local/network/${name}`, import.meta.url));
const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf-8"));

test("the kernel's bytes are made of its source", async () => {
  const flags = scripts.kernel.split(" ").slice(4); // behind `asc SOURCE -o BYTES`
  let made;
  const { error } = await asc.main(["kernel.wasm.ts", "-o", "made.wasm", ...flags], {
    readFile: (name) => (name === "kernel.wasm.ts" ? file(name).toString() : null),
    writeFile: (_, bytes) => {
      made = bytes;
    },
    listFiles: () => [],
  });
  assert.equal(error, null);
  assert.deepEqual(Buffer.from(made), file("kernel.wasm"));
});

/** Two memories of the same numbers: the kernel's and plain JavaScript's. */
async function twins() {
  const both = [await compile(file("kernel.wasm")), null].map((code) => new Memory(code));
  for (const m of both) {
    m.take(100_000);
    let state = 1;
    for (let i = 8; i < 100_000; i++) {
      state = (state * 48271) % 2147483647;
      m.f[i] = 8 * (state / 2147483647) - 4;
    }
  }
  return both;
}

/** Numbers of the kernel and of plain JavaScript, whose sums are float64: they differ as float32 rounds the kernel's. */
function close(both, at, count, about) {
  const [found, plain] = both.map((m) => m.f.subarray(at, at + count));
  const most = Math.max(...found.map(Math.abs));
  for (let i = 0; i < count; i++) assert.ok(Math.abs(found[i] - plain[i]) <= 2 ** -20 * most, `${about}, number ${i}`);
}

test("plain JavaScript gives the kernel's numbers", async () => {
  const both = await twins();
  for (const [h, w, channels, outputs, below, bias, add] of [
    [8, 8, 13, 6, false, 2000, 0],
    [4, 4, 5, 4, true, 2000, 80_000],
    [12, 12, 3, 1, true, 0, 0],
    [7, 7, 9, 3, false, 2000, 80_000],
  ]) {
    const row = Math.ceil(w / 8) * 8 + 2;
    const far = h * w + 8;
    for (const m of both) {
      for (let t = 0; t < 9; t++) m.u[16 + t] = Math.floor(t / 3) * row + (t % 3);
      const from = [10_000, row * (h + 2), row, below ? row : 4, channels, 16];
      m.run.conv(...from, 40_000, channels * 36, bias, add, 60_000, far, outputs, h, w);
    }
    for (let o = 0; o < outputs; o++) close(both, 60_000 + o * far, h * w, `${w} × ${h}, output ${o}`);
  }
  for (const [channels, outputs, w, bias, add, out] of [
    [5, 6, 13, 2000, 0, 60_000],
    [70, 3, 1, 2000, 80_000, 60_000],
    [130, 4, 70, 0, 70_000, 70_000],
  ]) {
    const sizes = [40_000, 4, 4 * channels, bias, add, out, 80, outputs, w, 3, 8, 1000, 700];
    for (const m of both) m.run.product(10_000, 80, channels, ...sizes);
    for (let o = 0; o < 3 * outputs; o++)
      close(both, out + 700 * Math.floor(o / outputs) + 80 * (o % outputs), w, `product of ${channels}, row ${o}`);
  }
  for (const act of [0, 1, 2]) {
    for (const m of both) {
      m.f.fill(0, 60_000, 60_500);
      m.run.spread(10_000, 56, 5, 7, 7, 2000, act, 60_000, 100, 10);
    }
    close(both, 60_000, 500, `spread, activation ${act}`);
  }
  for (const m of both) {
    for (let i = 0; i < 4000; i++) m.f[20_000 + i] = (i - 2000) / 200;
    m.run.gated(90_000, 20_000, 4000);
  }
  close(both, 90_000, 4000, "gated");
  for (const m of both) m.run.softmax(80_000, 20, 24, 24, 0.37);
  close(both, 80_000, 480, "softmax");
  for (const m of both) m.run.moments(10_000, 60, 5, 47, 60_000);
  const [found, plain] = both.map((m) => m.d.subarray(30_000, 30_002));
  for (const i of [0, 1]) assert.ok(Math.abs(found[i] - plain[i]) <= 1e-12 * plain[1], `moment ${i}`);
});

for (const [h, w] of [
  [8, 8],
  [7, 7],
  [5, 9],
  [6, 10],
])
  test(`Winograd's products make a convolution of ${h} × ${w} pixels, also with each as four`, async () => {
    const [channels, outputs, k, bias, add, row] = [11, 6, 40_000, 2000, 84_000, w + 2];
    const [plane, far, group] = [row * (h + 2), 4 * h * w + 8, 36 * channels];
    const inner = (i) => i >= row && i < plane - row && i % row > 0 && i % row <= w;
    for (const m of await twins()) {
      for (let i = 0; i < channels * plane; i++) if (!inner(i % plane)) m.f[10_000 + i] = 0;
      const weight = (o, c, t) => m.f[k + (o >> 2) * group + 36 * c + 4 * t + (o & 3)];
      /** Compare the outputs with those of the definition. @param {number} up sides of a pixel */
      function check(up, more) {
        for (let o = 0; o < outputs; o++)
          for (let y = 0; y < up * h; y++)
            for (let x = 0; x < up * w; x++) {
              let sum = m.f[bias + o] + (more ? m.f[more + o * far + y * up * w + x] : 0);
              for (let c = 0; c < channels; c++)
                for (let t = 0; t < 9; t++) {
                  const [v, u] = [y + Math.floor(t / 3) - 1, x + (t % 3) - 1].map((at) => Math.floor(at / up) + 1);
                  sum += weight(o, c, t) * m.f[10_000 + c * plane + v * row + u];
                }
              const found = m.f[60_000 + o * far + y * up * w + x];
              assert.ok(Math.abs(found - sum) < 2e-4, `${m.kind}, ${o}, ${y}, ${x}: ${found}, not ${sum}`); // of about 100
            }
      }
      m.run.tiles(10_000, plane, row, channels, h, w, 20_000, 40, 480);
      m.run.filters(k, group, channels, outputs, 50_000, 100);
      const count = Math.ceil(h / 2) * Math.ceil(w / 2);
      m.run.product(20_000, 40, channels, 50_000, 4, 4 * channels, 0, 0, 30_000, 40, outputs, count, 16, 480, 100, 320);
      m.run.untiled(30_000, 40, 320, bias, add, 60_000, far, outputs, h, w);
      check(1, add);
      const sides = [[0], [0, 1, 2], [2]];
      for (let n = 0; n < 9; n++)
        for (let o = 0; o < outputs; o++)
          for (let c = 0; c < channels; c++) {
            const taps = sides[Math.floor(n / 3)].flatMap((y) => sides[n % 3].map((x) => 3 * y + x));
            const sum = taps.map((t) => weight(o, c, t)).reduce((one, other) => one + other);
            m.f[50_000 + 100 * n + 4 * ((o >> 2) * channels + c) + (o & 3)] = sum;
          }
      m.run.pixels(10_000, plane, row, channels, h, w, 20_000, 64, 720);
      m.run.product(20_000, 64, channels, 50_000, 4, 4 * channels, 0, 0, 30_000, 64, outputs, h * w, 9, 720, 100, 520);
      m.run.enlarged(30_000, 64, 520, bias, 60_000, far, outputs, h, w);
      check(2, 0);
    }
  });

test("both give the same pictures", async () => {
  const folder = new URL("../../../checkpoints/mnist-tiny-2-steps/", import.meta.url);
  const read = async (path) => {
    const found = new URL(path, folder);
    return existsSync(found) ? Uint8Array.from(readFileSync(found)).buffer : null;
  };
  const kernel = await compile(file("kernel.wasm"));
  const models = await Promise.all([kernel, null].map((code) => load(read, "digits", code)));
  const [found, plain] = [[], []];
  for (const [i, levels] of [found, plain].entries())
    for (const label of [0, 3, 7])
      for await (const { s, x } of trajectory(models[i], { seed: `${label}`, label }))
        if (!s) levels.push(...toUint8(x, 1));
  const apart = found.map((level, i) => Math.abs(level - plain[i]));
  assert.ok(Math.max(...apart) <= 1);
  assert.ok(apart.filter(Boolean).length <= apart.length / 1000);
});

test("SiLU is within two units of the last place, also where e^x leaves float32", async () => {
  const [m] = await twins();
  const x = Float32Array.from({ length: 4000 }, (_, i) => (i - 2000) / 20);
  m.f.set(x, 20_000);
  m.f.set([1, 0], 1000);
  m.run.spread(20_000, 0, 1, 1, x.length, 1000, 1, 30_000, 0, 0);
  for (let i = 0; i < x.length; i++) {
    const exact = x[i] / (1 + Math.exp(-x[i]));
    assert.ok(Math.abs(m.f[30_000 + i] - exact) <= 2 ** -22 * Math.abs(exact) + 1e-34, `${x[i]}`);
  }
});
