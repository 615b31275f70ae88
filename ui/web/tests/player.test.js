import assert from "node:assert/strict";
import { test } from "node:test";
import { addStroke, colour, disc, removeStroke, sheet } from "../parts/watch/strokes.js";
import { agreement, cleanShare, difference, noise, pictureShare } from "../pictures/measures.js";
import { Pictures } from "../player/pictures.js";
import { Recording } from "../player/recording.js";
import { View } from "../player/view.js";
import { SAMPLERS } from "../process/samplers.js";
import { schedule } from "../process/schedule.js";
import { back, lead, noiseAfter, weight } from "../words/loop.js";
import { balance, ending, measured, readouts, sentence, touched } from "../words/player.js";

const STEPS = Array.from({ length: 10 }, (_, k) => [100 - 10 * k, 90 - 10 * k, 0.1 * k + 0.01, k < 9 ? 0.5 : 0]);
const URI = "data:image/png;base64,";

function plan(...lanes) {
  const named = (lanes.length ? lanes : [STEPS]).map((steps, i) => ({ name: `lane ${i}`, steps, settings: {} }));
  const seeds = ["42", "43"];
  return { kind: "plan", title: "", caption: "", size: 4, count: 2, pixelated: true, seeds, T: 100, lanes: named };
}
const frames = (ks, lane = 0) =>
  ks.map((k) => ({ kind: "frame", lane, k, x: `${URI}${k}`, x0: `${URI}${k}`, sigma: 0.5 }));
/** A view that has seen a run; `active`: which still computes. */
function viewOf(results, active = false) {
  const view = new View();
  view.active = active;
  view.start();
  for (const one of results) view.add(one);
  return view;
}

test("the pictures on screen are of the newest run from its first frame on", () => {
  const view = viewOf([plan(), ...frames([0, 1])], true);
  const before = view.shown;
  view.start();
  assert.equal(view.shown, before);
  view.add(plan());
  assert.equal(view.shown, before);
  assert.equal(view.add(frames([0])[0]), true);
  assert.deepEqual([view.shown.count, view.playing, view.fresh], [1, true, true]);
});

test("frames are held in any order, each once", () => {
  const recording = new Recording();
  for (const one of [plan(), ...frames([3, 0, 3, 1, 99])]) recording.add(one);
  assert.deepEqual([recording.count, recording.held, recording.newest], [3, [0, 1, 3], 3]);
});

test("the first showing of a run takes five seconds, however soon it is computed", () => {
  const view = viewOf([plan(), ...frames([...STEPS.keys()])]);
  view.advance(2.5);
  assert.equal(view.tick, 5);
  view.advance(2.4);
  assert.deepEqual([view.tick, view.playing], [9, false]);
});

test("the first showing waits for frames that are not computed yet", () => {
  const view = viewOf([plan(), ...frames([0, 1])], true);
  view.advance(4);
  assert.deepEqual([view.tick, view.playing, view.fresh], [1, true, true]);
  for (const one of frames([2, 3])) view.add(one);
  view.advance(0.5);
  assert.equal(view.tick, 2);
});

test("a learned σ becomes known with its frame", () => {
  const unknown = STEPS.map(([t, s, alphaBar]) => [t, s, alphaBar, null]);
  const view = viewOf([plan(unknown), ...frames([2])]);
  assert.deepEqual(view.shown.lanes[0].sigma.slice(1, 4), [null, 0.5, null]);
});

test("two lanes share the ticks; one with fewer steps holds its picture, and has none at first", () => {
  const fewer = [
    [100, 50, 0.01, 0.5],
    [50, 0, 0.5, 0],
  ];
  const view = viewOf([plan(STEPS, fewer), ...frames([0, 4, 9]), ...frames([0, 1], 1)]);
  assert.deepEqual(view.shown.ticks, [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
  assert.deepEqual(view.shown.held, [0, 4, 9]);
  const at = (tick) => view.shown.framesAt(tick).map((frame) => frame?.k);
  assert.deepEqual(
    [at(0), at(3), at(4), at(8), at(9)],
    [
      [0, undefined],
      [0, undefined],
      [4, 0],
      [4, 0],
      [9, 1],
    ],
  );
});

test("the difference belongs to two lanes", () => {
  const view = viewOf([plan(STEPS, STEPS), ...frames([0])]);
  view.chosenGain = "4";
  assert.equal(view.gain, 4);
  view.start();
  for (const one of [plan(), ...frames([0])]) view.add(one);
  assert.equal(view.gain, 0);
});

test("the scrubber goes to the nearest frame, and the arrows from frame to frame", () => {
  const view = viewOf([plan(), ...frames([0, 4, 9])], true);
  for (const [tick, k] of [
    [3, 4],
    [1, 0],
    [7, 9],
    [-5, 0],
    [99, 9],
  ]) {
    view.go(tick);
    assert.equal(view.tick, k);
  }
  view.step(-1);
  assert.deepEqual([view.tick, view.live], [4, false]);
  view.step(Number.NEGATIVE_INFINITY);
  assert.equal(view.tick, 0);
  view.goLive();
  assert.deepEqual([view.tick, view.live, view.following], [9, true, true]);
});

test("playing takes its time, ends at the last frame, and goes live where the run still computes", () => {
  const view = viewOf([plan(), ...frames([...STEPS.keys()])]);
  view.goLive();
  view.toggle(); // at the end: from the start
  assert.deepEqual([view.tick, view.playing, view.following], [0, true, true]);
  view.advance(0.25); // 10 frames a second
  assert.equal(view.tick, 2);
  view.advance(0.05);
  assert.equal(view.tick, 3);
  view.speed = 4;
  view.advance(0.1);
  assert.equal(view.tick, 7);
  view.toggle();
  assert.equal(view.playing, false);
  view.toggle();
  view.advance(60);
  assert.deepEqual([view.tick, view.playing, view.live], [9, false, false]);

  const running = viewOf([plan(), ...frames([0, 1])], true);
  running.go(0);
  running.toggle();
  running.advance(1);
  assert.deepEqual([running.playing, running.live], [false, true]);
});

test("a long run is played in 15 seconds", () => {
  const steps = Array.from({ length: 600 }, (_, k) => [600 - k, 599 - k, 0.5, 0.1]);
  const view = viewOf([plan(steps), ...frames([...steps.keys()])]);
  view.go(0);
  view.toggle();
  view.advance(7.5);
  assert.equal(view.tick, 300);
});

test("readouts and sentence of a step", () => {
  const texts = readouts([388, 367, 0.2137, 0.1402], 30, 50, 0.1402).map(([text]) => text);
  assert.equal(texts.join(" · "), "step 31/50 · t 388→367 · ᾱ 0.21 · SNR 0.27 · σ 0.14 (18 grey levels)");
  assert.equal(readouts([20, 0, 0.99, 0], 49, 50, 0).at(-1)[0], "σ 0: no noise added");
  assert.equal(readouts([20, 0, 0.99, 0], 49, 50, null).length, 4);
  assert.equal(readouts([388, 367, 0.2137, 0.1402], 30, 50, 0.1402, false).at(-1)[0], "σ 0.14"); // of latents
  assert.match(ending([12.34], [45]), /keeps noise .*: 12 of 255 grey levels/);
  assert.equal(ending([0.74], [45]), "The picture is finished.");
  assert.equal(measured([0.74, 12.34]), "Noise measured: 0.74 and 12 of 255 grey levels");
  assert.match(ending([12.34], [0]), /^The picture is finished\. .* fine texture;/); // no step added noise: it is fur
  assert.match(ending([0, 12.34], [45, 45]), /^B keeps noise .*\(12 of 255 grey levels\); A does not/);
  assert.match(ending([30, 2], [45, 1.3]), /^A keeps noise .*\(30 of 255 grey levels\); B does not \(2\.0\)/);
  // Much grain and a quiet last step: fur, or what few steps of DDIM leave of x_T. It is not said to be clean.
  assert.match(ending([76, 104], [45, 0]), /^A keeps noise .*\(76 of 255.*\)\. B has a fine texture \(104\)/);
  assert.match(ending([104, 2], [0, 0]), /^The pictures are finished\. .* A is 104/);
  assert.match(ending([30, 6], [45, Infinity]), /^Both keep noise/);
  assert.equal(ending([1, 2], [45, 45]), "The pictures are finished.");
});

test("only the agreement of a guess with the last one says what is decided", () => {
  const [noisy, clear] = [
    [1000, 980, 0.0001, 0.1],
    [300, 280, 0.4, 0.1],
  ];
  assert.equal(sentence(noisy, null, 0), "The picture is almost pure noise."); // the run goes on: nobody knows
  for (const step of [noisy, clear]) assert.match(sentence(step, 0.3, 0.4), /its shape is not decided yet/);
  assert.match(sentence(noisy, 0.95, 0), /^The picture is almost pure noise\. The guess has its shape/);
  assert.match(sentence(clear, 0.95, 0.4), /^The guess has its shape/);
  const end = Uint8ClampedArray.of(0, 0, 0, 255, 200, 200, 200, 255);
  const mean = Uint8ClampedArray.of(100, 100, 100, 255, 100, 100, 100, 255);
  const near = Uint8ClampedArray.of(20, 20, 20, 255, 180, 180, 180, 255);
  assert.deepEqual([agreement(end, end), agreement(mean, end)], [1, 0]);
  assert.ok(Math.abs((agreement(near, end) ?? 0) - 0.96) < 1e-9);
  // Noise that the last step leaves makes R² small, whatever the shape: then it says nothing.
  const shape = new Uint8ClampedArray(4 * 16 * 16).map((_, i) => (i % 64 < 32 ? 60 : 200));
  let state = 1;
  const grainy = shape.map((value) => {
    state = (state * 48271) % 2147483647;
    return value + (state / 2147483647 - 0.5) * 255;
  });
  assert.equal(agreement(shape, grainy, 88), null);
  assert.ok((agreement(shape, grainy, 0) ?? 1) < 0.75);
});

test("the bar says how much is picture, and never that all is where it is not", () => {
  const [low, high] = [Math.round(127.5 - 63.75), Math.round(127.5 + 63.75)]; // half of −1 to 1: a variance of 0.25
  const guess = new Uint8ClampedArray(4 * 16 * 16).map((_, i) => (i % 4 === 3 ? 255 : i % 64 < 32 ? low : high));
  assert.ok(Math.abs(pictureShare(0.5, 0.5, guess) - 0.2) < 0.002); // not 0.5, as of a picture of variance 1
  assert.deepEqual([pictureShare(1, 0, guess), pictureShare(0, 1, guess)], [1, 0]);
  assert.match(sentence([300, 280, 0.4, 0.1], null, pictureShare(0.7, 0.3, guess)), /still more noise than shape/);
  assert.equal(cleanShare(guess), 1);
  let state = 1;
  const grainy = guess.map((value) => {
    state = (state * 48271) % 2147483647;
    return value + ((state / 2147483647 - 0.5) * 255) / 3; // σ = 255 / √12 / 3
  });
  assert.ok(Math.abs(cleanShare(grainy) - 0.89) < 0.03, String(cleanShare(grainy)));
  assert.deepEqual(balance(0.2), ["picture 20 %", "noise 80 %"]);
  assert.deepEqual(balance(1), ["picture 100 %", "noise 0 %"]);
  assert.deepEqual(balance(0.996), ["picture more than 99 %", "noise less than 1 %"]);
  assert.deepEqual(balance(0.004), ["picture less than 1 %", "noise more than 99 %"]);
  assert.deepEqual(balance(0.96, true, "A"), ["A: picture at least 96 %", "noise at most 4 %"]);
});

test("the noise of a picture is measured, and its edges are not noise", () => {
  const width = 64;
  const clean = new Uint8ClampedArray(4 * width * width).map((_, i) => (i % (4 * width) < 2 * width ? 60 : 200));
  assert.equal(noise(clean, width), 0);
  let state = 1;
  const grain = clean.map((value) => {
    state = (state * 48271) % 2147483647;
    return value + ((state / 2147483647 - 0.5) * 255) / 5; // σ = 255 / √12 / 5
  });
  assert.ok(Math.abs(noise(grain, width) - 255 / Math.sqrt(12) / 5) < 1, String(noise(grain, width)));
  const one = grain.subarray(0, width * width);
  const withOpacity = Uint8ClampedArray.from({ length: 2 * one.length }, (_, i) => (i % 2 ? 255 : one[i >> 1]));
  assert.equal(noise(withOpacity, width, 2), noise(one, width, 1));
});

test("|A − B| is clamped and opaque", () => {
  const a = Uint8ClampedArray.of(4, 0, 0, 255, 250, 9, 9, 0);
  difference(a, Uint8ClampedArray.of(10, 0, 60, 255, 0, 10, 9, 9), 4);
  assert.deepEqual([...a], [24, 0, 240, 255, 255, 4, 0, 255]);
});

test("a touched run is shown from the touch on, and whole where nothing was on screen before", () => {
  const split = { ...plan(STEPS, STEPS), split: 5 };
  const view = viewOf([plan(), ...frames([...STEPS.keys()])]);
  const before = view.shown;
  view.start();
  for (const one of [split, ...frames([0, 1, 2, 3, 4])]) assert.equal(view.add(one), false);
  assert.equal(view.shown, before);
  assert.equal(view.add(frames([5])[0]), true);
  assert.deepEqual([view.tick, view.playing, view.shown.plan.split], [5, true, 5]);
  assert.equal(viewOf([split, ...frames([0])]).tick, 0);
});

test("a run that is shown as soon as nothing is left to paint is painted", async () => {
  const nothing = { image: 0, gain: 0, kind: "x", latent: false, word: -1 };
  const of = (/** @type {object[]} */ ...lanes) => ({
    ...nothing,
    shown: { plan: null, lanes },
    frames: lanes.map(() => undefined),
  });
  /** What the screen was told to measure. @type {unknown[]} */
  const measured = [];
  const painted = (/** @type {unknown} */ agreement) => measured.push(agreement);
  const pictures = new Pictures(of(), { lanes: [], thumbs: [], painted });
  await pictures.paint();
  await pictures.paint(); // the same is not measured again
  const canvas = { getContext: () => ({ clearRect() {} }) };
  Object.assign(pictures, {
    view: of({ frames: [] }),
    screen: { lanes: [{ x: { canvas }, x0: { canvas } }], thumbs: [], painted },
  });
  const begun = pictures.renew();
  pictures.paint();
  await begun;
  assert.equal(measured.length, 1);
  await pictures.paint();
  assert.deepEqual(measured, [[], [null]]);
});

test("one sentence says what a touch did, and why", () => {
  assert.equal(
    touched(490, 0.09, 12, 0.69, false, null),
    "12 steps after the change, A and B share 31\u00a0% of the pixels.",
  );
  assert.match(touched(980, 0.001, 49, 0, true, 0.1), /^Almost nothing .* 100\u00a0% .* one more grain of noise/);
  assert.match(touched(490, 0.09, 25, 0.03, true, 0.9), /^Almost nothing .* 97\u00a0% .* took the change away/);
  assert.match(touched(490, 0.09, 25, 0.15, true, 0.9), /^A part changed: .* The network built on the change/);
  assert.match(touched(490, 0.09, 25, 0.26, true, 0.9), /^B is another picture: .* built on the change/);
  assert.match(touched(490, 0.09, 25, 0.26, true, 0.6), /Shapes were being decided then/);
  assert.match(touched(20, 0.99, 2, 0.01, true, 1), /^Almost nothing .* Too little noise was left/);
  assert.match(touched(490, 0.09, -3, 0, false, null), /alike until t = 490/);
});

test("strokes as text: discs of cells, one more, one less, colours", () => {
  assert.deepEqual(sheet(28), { numbers: 28, cell: 2, side: 14 });
  assert.deepEqual(sheet(8), { numbers: 8, cell: 1, side: 8 });
  assert.deepEqual(disc([0, 0], 1, 14), ["0.0", "1.0", "0.1"]);
  const text = addStroke(addStroke("", 490, "noise", 100, ["7.7", "8.7"]), 200, colour("#ff0080"), 50, ["1.1"]);
  assert.equal(text, "490-noise-100-7.7-8.7_200-255.0.128-50-1.1");
  assert.equal(removeStroke(text), "490-noise-100-7.7-8.7");
  assert.equal(removeStroke(removeStroke(text)), "");
});

test("the weight of the guess at the arrow is the one that the samplers give it", () => {
  const model = schedule({});
  const [t, s] = [500, 480];
  const [before, next] = [model.alphaBar[t], model.alphaBar[s]];
  const [x0, x] = [Float32Array.of(1), Float32Array.of(0)];
  const eps = Float32Array.of(-Math.sqrt(before / (1 - before)));
  /** @type {[string, Record<string, any>][]} */
  const ways = [
    ["ddpm", { variance: "beta" }],
    ["ddpm", { variance: "beta_tilde" }],
    ["ddim", { eta: 0 }],
  ];
  ways.push(["ddim", { eta: 0.7 }], ["dpm++", {}], ["unipc", {}], ["consistency", {}]);
  for (const [name, options] of ways) {
    const sampler = SAMPLERS[name];
    const sigmas = sampler.sigmas(model, [[t, s]], options);
    const [mean] = sampler.advance(model, sigmas, options)({ x0, eps }, 0, t, s, x, () => Float32Array.of(0));
    const said = weight(before, next, sigmas[0], name);
    assert.ok(Math.abs(mean[0] - said) < 1e-6, `${name}: ${mean[0]}, ${said}`);
  }
});

test("the noise in x_s is what steps keep and what they add: with β more than the network expects", () => {
  const model = schedule({});
  const times = [1000, 889, 778, 667, 556, 445, 334, 223, 112, 1, 0];
  const pairs = /** @type {[number, number][]} */ (times.slice(1).map((s, k) => [times[k], s]));
  const of = (/** @type {string} */ name, /** @type {any} */ options, /** @type {number} */ steps) => {
    const sigmas = SAMPLERS[name].sigmas(model, pairs, options);
    const all = pairs.map(([t, s], k) => /** @type {any} */ ([t, s, model.alphaBar[t], sigmas[k]]));
    return noiseAfter(all.slice(0, steps), sigmas, model.alphaBar[pairs[steps - 1][1]], name);
  };
  for (const steps of [1, 5, 9])
    for (const [name, options] of /** @type {[string, any][]} */ ([
      ["ddpm", { variance: "beta_tilde" }],
      ["ddim", { eta: 0 }],
      ["ddim", { eta: 0.7 }],
      ["unipc", {}],
    ]))
      assert.ok(Math.abs(of(name, options, steps) - (1 - model.alphaBar[pairs[steps - 1][1]])) < 1e-9, name);
  const last = SAMPLERS.ddpm.sigmas(model, pairs, { variance: "beta" })[8];
  assert.ok(last > 0.3 && Math.abs(of("ddpm", { variance: "beta" }, 9) - last ** 2) < 1e-4); // x_1, under which stood 100 %
  assert.ok(of("ddpm", { variance: "beta" }, 5) > 1 - model.alphaBar[445] + 0.02);
  assert.equal(noiseAfter([[1000, 800, 0, 0]], [0], 0.1, "ddim"), 0.9); // zero terminal SNR
  const unknown = noiseAfter([[500, 400, model.alphaBar[500], null]], [null], model.alphaBar[400], "ddpm");
  assert.equal(unknown, 1 - model.alphaBar[400]);
});

test("the arrows of the loop say what a step does", () => {
  const say = (/** @type {Parameters<typeof back>} */ ...how) =>
    Object.values(back(...how))
      .slice(0, 2)
      .join(" | ");
  assert.equal(
    say([500, 480, 0.078, 0.15], 0.093, 0.15, "ddpm"),
    "a small step towards the guess: 5 % | fresh noise: σₜ = 0.15",
  );
  assert.match(say([500, 480, 0.078, 0], 0.093, 0, "ddim"), /DDIM adds no fresh noise$/);
  assert.equal(say([1, 0, 0.9999, 0], 1, 0, "ddpm"), "the last step takes the whole guess | no fresh noise");
  assert.match(say([1000, 500, 0.00004, 0.96], 0.078, 0.96, "consistency"), /^the whole guess is taken \| fresh noise/);
  assert.match(say([500, 480, 0.078, null], 0.093, null, "ddpm"), /fresh noise$/);
});

test("of a model that did not come with the page no number of pictures is claimed, and of latents no pixels", () => {
  assert.match(lead("mnist-tiny", false), /^This network has seen thousands of digits\. It turns random pixels,/);
  assert.match(lead("cifar10-tiny-2-steps", false), /^This network has learned from a teacher that has seen thousands/);
  assert.match(lead("emoji-tiny", true), /has seen 684 emoji\. It turns random numbers,/);
  assert.match(lead("/home/me/drawings", false), /has learned from pictures\. It turns random pixels,/);
});
