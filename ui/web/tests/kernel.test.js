import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import asc from "assemblyscript/asc";
import { compile, Memory } from "../network/kernel.js";

const file = (name) => readFileSync(new URL(`../network/${name}`, import.meta.url));
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

/** A memory of numbers from −4 to 4. */
async function filled() {
  const m = new Memory(await compile(file("kernel.wasm")));
  m.take(100_000);
  let state = 1;
  for (let i = 8; i < 100_000; i++) {
    state = (state * 48271) % 2147483647;
    m.f[i] = 8 * (state / 2147483647) - 4;
  }
  return m;
}

/** Compare numbers of the kernel with those of the definition in float64: they differ as float32 rounds the kernel's. */
function close(found, exact, about) {
  assert.equal(found.length, exact.length);
  const most = Math.max(...exact.map(Math.abs));
  for (const [i, number] of exact.entries())
    assert.ok(Math.abs(found[i] - number) <= 2 ** -20 * most, `${about}, number ${i}: ${found[i]}, not ${number}`);
}

const sum = (count, term) => Array.from({ length: count }, (_, i) => term(i)).reduce((a, b) => a + b, 0);

/** The error function, by its power series. @param {number} x */
function erf(x) {
  if (Math.abs(x) > 4) return Math.sign(x);
  let [power, total] = [x, x];
  for (let n = 1; n < 100; n++) {
    power *= (-x * x) / n;
    total += power / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

test("a convolution is the sum over channels and taps", async () => {
  const m = await filled();
  for (const [h, w, channels, outputs, below, bias, add] of [
    [8, 8, 13, 6, false, 2000, 0],
    [4, 4, 5, 4, true, 2000, 80_000],
    [12, 12, 3, 1, true, 0, 0],
    [7, 7, 9, 3, false, 2000, 80_000],
  ]) {
    const row = Math.ceil(w / 8) * 8 + 2;
    const [plane, far, group] = [row * (h + 2), h * w + 8, channels * 36];
    for (let t = 0; t < 9; t++) m.u[16 + t] = Math.floor(t / 3) * row + (t % 3);
    const exact = Array.from({ length: outputs * h * w }, (_, n) => {
      const [o, i] = [Math.floor(n / (h * w)), n % (h * w)];
      const before = (bias && m.f[bias + o]) + (add && m.f[add + o * far + i]);
      const weight = (c, t) => m.f[40_000 + (o >> 2) * group + 36 * c + 4 * t + (o & 3)];
      const at = 10_000 + Math.floor(i / w) * row + (i % w);
      return before + sum(channels, (c) => sum(9, (t) => weight(c, t) * m.f[at + c * plane + m.u[16 + t]]));
    });
    const from = [10_000, plane, row, below ? row : 4, channels, 16];
    m.run.conv(...from, 40_000, group, bias, add, 60_000, far, outputs, h, w);
    const found = exact.map((_, n) => m.f[60_000 + Math.floor(n / (h * w)) * far + (n % (h * w))]);
    close(found, exact, `${w} × ${h}`);
  }
});

test("a product of matrices is the sum over channels", async () => {
  const m = await filled();
  for (const [channels, outputs, w, bias, add, out] of [
    [5, 6, 13, 2000, 0, 60_000],
    [70, 3, 1, 2000, 80_000, 60_000],
    [130, 4, 70, 0, 70_000, 70_000],
  ]) {
    const places = Array.from({ length: 3 * outputs * w }, (_, n) => [
      Math.floor(n / (outputs * w)),
      Math.floor(n / w) % outputs,
      n % w,
    ]);
    const exact = places.map(([n, o, x]) => {
      const before = (bias && m.f[bias + o]) + (add && m.f[add + 700 * n + 80 * o + x]);
      const weight = (c) => m.f[40_000 + 1000 * n + (o >> 2) * 4 * channels + 4 * c + (o & 3)];
      return before + sum(channels, (c) => weight(c) * m.f[10_000 + 8 * n + 80 * c + x]);
    });
    const sizes = [40_000, 4, 4 * channels, bias, add, out, 80, outputs, w, 3, 8, 1000, 700];
    m.run.product(10_000, 80, channels, ...sizes);
    const found = places.map(([n, o, x]) => m.f[out + 700 * n + 80 * o + x]);
    close(found, exact, `product of ${channels}`);
  }
});

test("spread scales, shifts and activates, and leaves the border as it is", async () => {
  const m = await filled();
  const activations = [(z) => z, (z) => z / (1 + Math.exp(-z)), (z) => Math.max(z, 0)];
  for (const [act, activation] of activations.entries()) {
    m.f.fill(0, 60_000, 60_500);
    m.run.spread(10_000, 56, 5, 7, 7, 2000, act, 60_000, 100, 10);
    const exact = Array.from({ length: 500 }, (_, i) => {
      const [c, y, x] = [Math.floor(i / 100), Math.floor(i / 10) % 10, i % 10];
      const [scale, shift] = m.f.subarray(2000 + 2 * c);
      return y < 7 && x < 7 ? activation(scale * m.f[10_000 + 56 * c + 7 * y + x] + shift) : 0;
    });
    close(m.f.subarray(60_000, 60_500), exact, `activation ${act}`);
  }
});

test("gated multiplies by GELU", async () => {
  const m = await filled();
  for (let i = 0; i < 4000; i++) m.f[20_000 + i] = (i - 2000) / 200;
  const gelu = (x) => (x * (1 + erf(x / Math.SQRT2))) / 2;
  const exact = Array.from({ length: 4000 }, (_, i) => m.f[90_000 + i] * gelu(m.f[20_000 + i]));
  m.run.gated(90_000, 20_000, 4000);
  close(m.f.subarray(90_000, 94_000), exact, "gated");
});

test("softmax is that of each column", async () => {
  const m = await filled();
  const powers = Array.from({ length: 480 }, (_, i) => Math.exp(0.37 * m.f[80_000 + i]));
  const exact = powers.map((power, i) => power / sum(20, (row) => powers[24 * row + (i % 24)]));
  m.run.softmax(80_000, 20, 24, 24, 0.37);
  close(m.f.subarray(80_000, 80_480), exact, "softmax");
});

test("moments are sums in float64", async () => {
  const m = await filled();
  m.run.moments(10_000, 60, 5, 47, 60_000);
  const total = (term) => sum(5, (c) => sum(47, (i) => term(m.f[10_000 + 60 * c + i])));
  const [found, squares] = m.d.subarray(30_000);
  assert.ok(Math.abs(found - total((x) => x)) <= 1e-12 * squares);
  assert.ok(Math.abs(squares - total((x) => x * x)) <= 1e-12 * squares);
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
    const m = await filled();
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
            assert.ok(Math.abs(found - sum) < 2e-4, `${o}, ${y}, ${x}: ${found}, not ${sum}`); // of about 100
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
  });

test("SiLU is within two units of the last place, also where e^x leaves float32", async () => {
  const m = await filled();
  const x = Float32Array.from({ length: 4000 }, (_, i) => (i - 2000) / 20);
  m.f.set(x, 20_000);
  m.f.set([1, 0], 1000);
  m.run.spread(20_000, 0, 1, 1, x.length, 1000, 1, 30_000, 0, 0);
  for (let i = 0; i < x.length; i++) {
    const exact = x[i] / (1 + Math.exp(-x[i]));
    assert.ok(Math.abs(m.f[30_000 + i] - exact) <= 2 ** -22 * Math.abs(exact) + 1e-34, `${x[i]}`);
  }
});

test("a browser without WebAssembly, or without its SIMD, gets a sentence", async (t) => {
  const sentence = /^Error: this browser can't run the models: they need WebAssembly with SIMD/;
  t.mock.method(WebAssembly, "validate", () => false);
  await assert.rejects(compile(file("kernel.wasm")), sentence);
  t.mock.restoreAll();
  const own = WebAssembly;
  t.after(() => {
    globalThis.WebAssembly = own;
  });
  globalThis.WebAssembly = undefined;
  await assert.rejects(compile(file("kernel.wasm")), sentence);
});
