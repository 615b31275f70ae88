import assert from "node:assert/strict";
import { test } from "node:test";
import { noised, noiseOf, rms, sum, toPixels, variance, visibleGain } from "../parts/forward/mix.js";
import { Scene } from "../parts/forward/scene.js";
import { deviations, mean, press, readouts, remark, sentence, verdict, walked } from "../parts/forward/words.js";
import { UserError } from "../process/errors.js";
import { NO_ANSWER } from "../words/page.js";

const TABLE = Object.fromEntries(
  ["beta", "signal", "noise", "of_x_0", "of_x_t", "beta_tilde"].map((name, i) => [
    name,
    Float32Array.of(0, 0.1 * (i + 1)),
  ]),
);

test("Eq. 4 and the pixels of it", () => {
  const x0 = Float32Array.of(100, -100, 0);
  const epsilon = Float32Array.of(1, 0, -2);
  const xt = noised(x0, epsilon, 0.5, 0.5);
  assert.deepEqual([...xt], [113.75, -50, -127.5]);
  assert.deepEqual([...sum(1, xt, -1, x0)], [13.75, 50, -127.5]);
  const pixels = new Uint8ClampedArray(4);
  toPixels(pixels, xt);
  assert.deepEqual([...pixels], [241, 78, 0, 255]);
  toPixels(pixels, epsilon, 127.5);
  assert.deepEqual([...pixels], [255, 128, 0, 255]);
});

test("the variance of a picture is that of its values in −1 to 1", () => {
  assert.equal(variance(Float32Array.of(127.5, -127.5)), 1);
  assert.equal(variance(Float32Array.of(63.75, 63.75, 63.75)), 0);
  assert.ok(Math.abs(variance(Float32Array.of(127.5, 0)) - 0.25) < 1e-9);
});

test("what the mean takes away is enlarged until it is seen", () => {
  assert.equal(rms(Float32Array.of(3, -3)), 3);
  assert.deepEqual([0.1, 3, 30, 60, 100].map(visibleGain), [500, 20, 2, 1, 1]);
});

test("what is said of x_t", () => {
  const table = { ...TABLE, signal: Float32Array.of(1, 0.6), noise: Float32Array.of(0, 0.8) };
  const texts = (t, variance = 0) =>
    readouts(table, t, 1000, variance)
      .map(([text]) => text)
      .join(" · ");
  assert.equal(texts(0), "t 0 of 1000 · β 0 · ᾱ 1.0 · SNR ∞ · noise 0 grey levels");
  assert.equal(texts(1), "t 1 of 1000 · β 0.10 · ᾱ 0.36 · SNR 0.56 · noise 102 grey levels");
  assert.match(texts(0, 0.2), /SNR ∞ · this picture ∞ · noise/);
  assert.match(texts(1, 0.2), /SNR 0\.56 · this picture 0\.11 · noise/);
  assert.equal(mean(1, 0.5, 0.0001), "μ̃ = 0.5000 x₀ + 1·10⁻⁴ xₜ");
  assert.equal(deviations(table, 0).length, 0);
  assert.match(remark(table, 1), /certain/);
  assert.equal(sentence(0, 1, 0.2), "The picture as it is.");
  assert.match(sentence(1, 0.6, 1), /still stronger than the noise/);
  assert.match(sentence(1, 0.6, 0.2), /noise is stronger than the picture/); // most pictures have less variance than 1
  assert.deepEqual([1, 30].map(press), ["Take 1 step", "Take 30 steps"]);
  assert.deepEqual([1, 30].map(walked), ["x_t after 1 small step", "x_t after 30 small steps"]);
  assert.match(verdict(3, { gap: 0.01, chance: 0.02 }), /at most 1\.0 % apart.*no difference/);
  assert.match(verdict(3, { gap: 0.03, chance: 0.02 }), /try new noise/);
});

/** A scene whose drawn pictures wait until they are let go. */
function opened() {
  const waiting = [];
  const picture = { width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) };
  const read = (name) =>
    new Promise((resolve, reject) => {
      const lose = () => reject(new UserError(NO_ANSWER));
      waiting.push({ let: () => (name === "none" ? lose() : resolve(picture)), lose });
    });
  return { waiting, scene: new Scene({ name: "cat" }, 13, read) };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
async function answerAll(waiting) {
  await turn();
  while (waiting.length) {
    for (const one of waiting.splice(0)) one.let();
    await turn();
  }
}

test("new noise before the first picture waits for it", async () => {
  const { waiting, scene } = opened();
  scene.renew(14);
  await answerAll(waiting);
  assert.deepEqual([scene.picture, scene.size, scene.ready, scene.problem], ["cat", 1, true, ""]);
  assert.deepEqual([scene.seed, scene.epsilon], [14, noiseOf(14, 1)]);
});

test("new noise leaves the picture that is on its way, and the newest picture wins", async () => {
  const { waiting, scene } = opened();
  await answerAll(waiting);
  scene.load({ name: "flower" });
  scene.load({ file: {} });
  scene.renew(14);
  scene.load({ name: "balloon" });
  scene.renew(14);
  assert.deepEqual([scene.ready, scene.wants("balloon")], [false, true]);
  await answerAll(waiting);
  assert.deepEqual([scene.picture, scene.loaded, scene.ready], ["balloon", 2, true]);
});

test("a picture that cannot be had leaves the one before, with the new noise", async () => {
  const { waiting, scene } = opened();
  await answerAll(waiting);
  scene.load({ name: "none" });
  scene.renew(14);
  await answerAll(waiting);
  assert.deepEqual([scene.picture, scene.ready, scene.problem], ["cat", true, NO_ANSWER]);
  assert.deepEqual([scene.seed, scene.epsilon], [14, noiseOf(14, 1)]);
});

test("a picture that did not come can be asked for again", async () => {
  const { waiting, scene } = opened();
  waiting.pop().lose();
  await turn();
  assert.deepEqual([scene.size, scene.ready, scene.problem], [0, true, NO_ANSWER]);
  scene.renew(14);
  await answerAll(waiting);
  assert.deepEqual([scene.size, scene.picture, scene.problem], [1, "cat", ""]);
});

test("a file that is too large is not opened", async () => {
  const { waiting, scene } = opened();
  await answerAll(waiting);
  await scene.load({ file: { size: 65e6 } });
  assert.match(scene.problem, /too large: choose one of up to 64 MB/);
  assert.deepEqual([scene.picture, scene.ready], ["cat", true]);
});

test("the worker that takes many steps says how far it is, and how long it still takes", async (t) => {
  let [now, take] = [0, null];
  const said = [];
  t.mock.method(performance, "now", () => (now += 100)); // ms
  globalThis.addEventListener = (_, listener) => {
    take = listener;
  };
  globalThis.postMessage = (message) => said.push(message);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.postMessage;
  });
  await import("../parts/forward/steps.js");
  take({ data: { size: 1, pixels: new Uint8Array(3), schedule: "linear", t: 5, seed: "1" } });
  const found = said.pop();
  assert.ok(found.walk && found.jump);
  assert.deepEqual(
    said.map(({ progress, left }) => [progress, Number(left.toFixed(3))]),
    [
      [0.4, 0.3],
      [0.8, 0.1],
    ],
  );
});
