import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, deflateRawSync, inflateSync } from "node:zlib";
import { ANIMATED } from "../files/animations.js";
import { enlargement, film, strip } from "../files/labels.js";
import { stem } from "../files/names.js";
import { indexed } from "../files/palette.js";
import { png } from "../files/png.js";
import { measure, moments, settings, table, titles } from "../files/record.js";
import { save } from "../files/save.js";
import { unzipped } from "../files/unzip.js";
import { npy, zip } from "../files/zip.js";
import { bmp, opaque, scaled } from "../pictures/compose.js";
import { thin } from "../plans/kept.js";
import { DEFAULTS } from "../process/samplers.js";
import { Catalogue } from "../words/catalogue.js";
import { json } from "../words/literal.js";

const catalogue = new Catalogue({
  embedded: ["mnist-tiny"],
  guidance: {},

  script: { imports: "", touch: "" },
});
const LANE = {
  ...{ checkpoint: "mnist-tiny", prompt: "", negative: "", label: "any", seed: 13, count: 2, steps: 3 },
  ...{ variance: "beta_tilde", sampler: "ddpm", spacing: "linspace", eta: 0, guidance: 1, clip: true },
};
const OTHER = { ...LANE, sampler: "ddim", eta: 0.5, steps: 2 };
const ROWS = [
  [1000, 500, 1e-5, null],
  [500, 250, 0.25, 0.5],
  [250, 0, 0.5, 0],
];
const OTHERS = [
  [1000, 250, 1e-5, 0.125],
  [250, 0, 0.5, 0],
];
const MODEL = {
  ...{ channels: 1, image_size: 2, class_names: null, num_classes: 0, takes_words: false, source: null },
  ...{ schedule: { T: 1000 }, home: { where: "", own_class: true }, variance: "fixed", prediction: "epsilon" },
};

/** So many pictures of 2 × 2 pixels of a grey level. */
const level = (value, count = 2) =>
  Array.from({ length: count }, () => ({ width: 2, height: 2, channels: 1, data: new Uint8Array(4).fill(value) }));

/** @param {Record<string, any>[]} lanes @param {any[]} rows */
const planned = (lanes, rows) => ({
  ...{ lanes, rows, models: lanes.map(() => MODEL), touches: new Map() },
  refs: [...new Set(lanes.map(({ checkpoint }) => checkpoint))],
});
const [ONE, TWO] = [planned([LANE], [ROWS]), planned([LANE, OTHER], [ROWS, OTHERS])];
const rest = async () => {};
const kept = (...steps) => new Map(steps.map((k) => [k, level(10 * k)]));

test("a file is called by what ran, and how far", () => {
  const named = (lanes, ...frames) => stem(lanes, frames, catalogue);
  assert.equal(named([LANE], kept(0, 2)), "Digits-3-steps-beta_tilde-seed-13");
  assert.equal(named([{ ...LANE, label: "3", sampler: "unipc" }], kept(0)), "Digits-3-step-1-of-3-unipc-seed-13");
  assert.equal(named([{ ...LANE, steps: 1 }], kept(0)), "Digits-1-step-beta_tilde-seed-13");
  const words = { ...LANE, checkpoint: "a/b", prompt: `été/${"x".repeat(50)}` };
  assert.equal(named([words], kept()), `b-été-${"x".repeat(36)}-step-0-of-3-beta_tilde-seed-13`);
  assert.equal(
    named([LANE, OTHER], kept(2), kept(1)),
    "Digits-3-steps-beta_tilde-against-2-steps-ddim-eta-0.5-seed-13",
  );
  assert.equal(named([LANE, LANE, LANE], kept(2), kept(), kept()), "Digits-grid-seed-13");
  const touch = [{ t: 490, what: "noise", strength: 100, cells: [[7, 7]] }];
  assert.equal(
    named([LANE, { ...LANE, touch }], kept(2), kept(2)),
    "Digits-3-steps-beta_tilde-changed-at-t-490-seed-13",
  );
});

test("settings are written as Python writes them, floats with their point", () => {
  const about = [{ revision: null, engine: "browser" }];
  const text = json(settings(TWO, [kept(0, 1), kept()], about));
  assert.ok(text.startsWith('{"seed": 13, "count": 2, "label": "any", "negative": "", "clip": true, "lanes": [{'));
  assert.ok(
    text.includes('"variance": "beta_tilde", "eta": 0.0, "guidance": 1.0, "revision": null, "engine": "browser"'),
  );
  assert.deepEqual(
    JSON.parse(text).lanes.map(({ steps_done }) => steps_done),
    [2, 0],
  );
});

test("the settings of a lane have every option of a sampler that it has", () => {
  const lane = { ...LANE, sampler: "langevin", snr: 1, corrections: 2 };
  const [written] = JSON.parse(json(settings(planned([lane], [ROWS]), [kept()], [{}]))).lanes;
  for (const name of Object.keys(DEFAULTS)) assert.equal(written[name], lane[name], name);
  assert.ok(json(settings(planned([lane], [ROWS]), [kept()], [{}])).includes('"snr": 1.0, "corrections": 2,'));
});

test("the table measures the pictures that there are", async () => {
  const frames = [kept(1, 2), kept(0)];
  const rows = table(TWO, await measure(TWO, frames, rest), catalogue).split("\n");
  assert.deepEqual(rows, [
    "lane,name,step,t,s,alpha_bar_t,sigma,grain,distance",
    '0,"DDPM β̃ₜ, 3 steps",0,1000,500,1e-05,,,',
    '0,"DDPM β̃ₜ, 3 steps",1,500,250,0.25,0.5,0,',
    '0,"DDPM β̃ₜ, 3 steps",2,250,0,0.5,0.0,0,',
    '1,"DDIM η 0.5, 2 steps",0,1000,250,1e-05,0.125,0,10',
    '1,"DDIM η 0.5, 2 steps",1,250,0,0.5,0.0,,',
    "",
  ]);
});

test("a lane shows its previous picture, or its first one, at times at which it has none", () => {
  const [one, two] = [kept(0, 1, 2), kept(0, 1)];
  const found = moments(TWO, [one, two]);
  assert.deepEqual(
    found.map(({ t }) => t),
    [500, 250, 0],
  );
  const shown = found.map(({ lanes }) => [lanes.get(0), lanes.get(1)]);
  assert.deepEqual(shown[0], [one.get(0), two.get(0)]);
  assert.deepEqual(shown[1], [one.get(1), two.get(0)]);
  assert.deepEqual(shown[2], [one.get(2), two.get(1)]);
  assert.deepEqual([...moments(TWO, [one, new Map()])[0].lanes.keys()], [0]);
  assert.deepEqual(titles(TWO, catalogue), ["A: DDPM β̃ₜ, 3 steps", "B: DDIM η 0.5, 2 steps"]);
  assert.deepEqual(
    found.map(({ said }) => said),
    ["step 1 of 3", "step 2 of 3", "step 3 of 3"],
  );
  assert.deepEqual(titles(ONE, catalogue), ["Digits"]);
});

test("steps of two lanes whose times interleave are numbered from noise to picture", () => {
  const other = [
    [1000, 300, 1e-5, 0.125],
    [300, 0, 0.5, 0],
  ];
  const found = moments(planned([LANE, OTHER], [ROWS, other]), [kept(0, 1, 2), kept(0, 1)]);
  assert.deepEqual(
    found.map(({ t, said }) => `${t}: ${said}`),
    ["500: step 1 of 4", "300: step 2 of 4", "250: step 3 of 4", "0: step 4 of 4"],
  );
});

test("a BMP file has its pictures side by side, from the lowest row up, blue first", () => {
  const grey = { width: 1, height: 2, channels: 1, data: Uint8Array.of(1, 2) };
  const pixels = (...pictures) => [...bmp(pictures).subarray(54)];
  assert.deepEqual(
    pixels(grey, { ...grey, data: Uint8Array.of(3, 4) }),
    [2, 2, 2, 4, 4, 4, 0, 0, 1, 1, 1, 3, 3, 3, 0, 0],
  );
  assert.deepEqual(pixels({ width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) }), [3, 2, 1, 0]);
});

test("few of many are even, with the last one", () => {
  const all = [...Array(12).keys()];
  assert.deepEqual(thin(all, 20), all);
  assert.deepEqual(thin(all, 1), [11]);
  assert.deepEqual(thin(all, 5), [0, 3, 6, 8, 11]); // 5.5 is rounded to the even 6
});

test("a PNG has its pixels, each row with the filter that leaves the least of it, and the settings", async () => {
  const data = Uint8Array.from([1, 90, 2, 1, 90, 2]);
  const file = Buffer.from(await png({ width: 3, height: 2, channels: 1, data }, "{…}"));
  const chunks = {};
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    const end = at + 8 + file.readUInt32BE(at);
    if (crc32) assert.equal(file.readUInt32BE(end), crc32(file.subarray(at + 4, end)));
    chunks[file.toString("latin1", at + 4, at + 8)] = file.subarray(at + 8, end);
  }
  assert.deepEqual([...inflateSync(chunks.IDAT)], [2, 1, 90, 2, 2, 0, 0, 0]);
  assert.equal(chunks.iTXt.toString(), "Description\0\0\0\0\0{…}");
});

test("NumPy's arrays and archives have their heads", () => {
  const file = Buffer.from(npy(Float32Array.of(1, 2), [1, 2, 1]));
  assert.equal(file.toString("latin1", 1, 6), "NUMPY");
  assert.ok(file.toString("latin1").includes("'shape': (1, 2, 1)"));
  assert.equal(file.readFloatLE(file.length - 4), 2);
  assert.equal((file.length - 8) % 64, 0);
  const archive = Buffer.from(zip([["é.txt", Buffer.from("hello")]]));
  assert.equal(archive.readUInt32LE(14), 0x3610a686); // CRC-32
  assert.equal(archive.toString("utf8", 30, 36), "é.txt");
  assert.equal(archive.readUInt32LE(archive.length - 6), 30 + 6 + 5); // where the index begins
});

/** A ZIP of one packed file, whose head says that it has so many bytes. */
function packedZip(content, size = content.length) {
  const packed = deflateRawSync(content);
  const archive = Buffer.from(zip([["a", packed]]));
  const entry = archive.length - 22 - 47;
  archive.writeUInt16LE(8, entry + 10);
  archive.writeUInt32LE(crc32(content), entry + 16);
  archive.writeUInt32LE(size, entry + 24);
  return archive;
}

test("a ZIP is opened again, and a damaged one is a sentence", async () => {
  const archive = zip([
    ["é.txt", Buffer.from("hello")],
    ["a/", Buffer.of()],
    ["a/b", Buffer.of()],
  ]);
  const files = await unzipped(archive);
  assert.deepEqual([...files.keys()], ["é.txt", "a/b"]);
  assert.equal(Buffer.from(files.get("é.txt")).toString(), "hello");
  const text = Buffer.alloc(100_000, "hello");
  assert.deepEqual(Buffer.from((await unzipped(packedZip(text))).get("a")), text);
  assert.equal((await unzipped(zip([]))).size, 0);
  const damaged = archive.slice();
  damaged[40] ^= 1;
  const [broken, none] = [/its file \S+ can't be read/, /no ZIP that can be read here/];
  await assert.rejects(unzipped(damaged), broken);
  await assert.rejects(unzipped(packedZip(text, 10)), broken); // unpacks to more than it says
  await assert.rejects(unzipped(packedZip(text, 100_001)), broken);
  await assert.rejects(unzipped(packedZip(text, 600e6)), /too large: choose one of up to 500 MB/);
  await assert.rejects(unzipped(archive.subarray(0, -20)), none);
  await assert.rejects(unzipped(archive.subarray(20)), none);
  await assert.rejects(unzipped(new Uint8Array(70_000)), none);
  await assert.rejects(unzipped(new Uint8Array()), none);
});

test("a run is saved under its name, and an empty one is a sentence", async () => {
  const run = { plan: ONE, about: [], frames: [kept(0, 2)], x0: [] };
  const [name, content] = await save("csv", run, catalogue, rest);
  assert.equal(name, "Digits-3-steps-beta_tilde-seed-13.csv");
  assert.ok(content.startsWith("lane,name,"));
  const [archive, bytes] = await save("zip", run, catalogue, rest);
  assert.equal(archive, "Digits-3-steps-beta_tilde-seed-13.zip");
  const text = Buffer.from(bytes).toString("latin1");
  const names = ["settings.json", "steps.csv", "x_T.npy", "run.py", "seed-13/x_0500.png", "seed-14/x_0000.png"];
  for (const one of names) assert.ok(text.includes(one), one);
  assert.ok(!text.includes("x_0.npy")); // a run that was stopped has none
  const touch = [{ t: 500, what: "noise", strength: 50, cells: [[0, 1]] }];
  const touches = new Map([[500, [0.5, [["noise", 0.5, [[0, 1]]]]]]]);
  const plan = { ...planned([LANE, { ...LANE, touch }], [ROWS, ROWS]), touches };
  const [, touched] = await save("zip", { ...run, plan, frames: [kept(2), kept(2)] }, catalogue, rest);
  assert.ok(
    Buffer.from(touched).toString("latin1").includes("on_step = partial(touch, at={500: (0.5, [('noise', 0.5,"),
  );
  await assert.rejects(save("png", { ...run, frames: [kept()] }, catalogue, rest), /no picture yet: press Run/);
});

test("256 colours are exact where there are no more, and near where there are", () => {
  const random = Uint8Array.from({ length: 3 * 4096 }, (_, i) => (i * 7919 + ((i * i) % 251) * 31) % 256);
  const shown = ({ colours, pixels }) =>
    Uint8Array.from({ length: 3 * pixels.length }, (_, i) => colours[3 * pixels[Math.floor(i / 3)] + (i % 3)]);
  const few = random.map((level) => level & 0b11000000);
  assert.deepEqual(shown(indexed({ channels: 3, data: few })), few);
  const { colours, pixels } = indexed({ channels: 3, data: random });
  assert.equal(colours.length, 3 * 256);
  const error = shown({ colours, pixels }).reduce((sum, level, i) => sum + (level - random[i]) ** 2, 0);
  assert.ok(Math.sqrt(error / random.length) < 14); // evenly spread colours are 256 boxes of about 40 levels a side
});

test("a GIF of 50 digits in noise is under 1 MB and no wider than 600 pixels", async () => {
  const scale = enlargement("gif", { width: 28, height: 28 }, 50);
  assert.ok(scale * 28 > 300 && scale * 28 <= 600);
  const noise = Array.from({ length: 5 }, (_, n) =>
    scaled(
      {
        width: 28,
        height: 28,
        channels: 1,
        data: Uint8Array.from({ length: 784 }, (_, i) => (i * i * 7919 + n * 31 * i) >> 3),
      },
      scale,
    ),
  );
  const file = new Uint8Array(await (await ANIMATED.gif(noise, 5, "{}", rest)).arrayBuffer());
  assert.ok(file.length < (5 / 50) * 1e6, `${file.length} bytes`);
  assert.equal(String.fromCharCode(...file.slice(0, 6)), "GIF89a");
});

test("a grey level of a GIF is within 2 of the picture's", () => {
  const data = Uint8Array.from({ length: 256 }, (_, i) => i);
  const { colours, pixels } = indexed({ channels: 1, data });
  assert.ok(data.every((level, i) => Math.abs(colours[3 * pixels[i]] - level) <= 2));
});

test("what is transparent lies over grey, and pixels become squares", () => {
  const data = Uint8Array.of(200, 0, 200, 255);
  const picture = { width: 2, height: 1, channels: 2, data };
  assert.deepEqual(opaque(picture), { ...picture, channels: 1, data: Uint8Array.of(128, 200) });
  assert.deepEqual(
    [...scaled({ ...picture, channels: 1, data: Uint8Array.of(1, 2) }, 2).data],
    [1, 1, 2, 2, 1, 1, 2, 2],
  );
});

test("no label of a film or a strip is squeezed, and all frames have one size", () => {
  const squeezed = [];
  const context = {
    createImageData: (width, height) => ({ data: new Uint8ClampedArray(4 * width * height) }),
    putImageData(image) {
      this.image = image;
    },
    getImageData(_, __, width, height) {
      return this.image ?? { data: new Uint8ClampedArray(4 * width * height) };
    },
    fillRect() {},
    measureText(text) {
      return { width: text.length * (Number.parseFloat(this.font) / 2) };
    },
    fillText(text, _, __, width) {
      if (this.measureText(text).width > width) squeezed.push(text);
    },
  };
  globalThis.OffscreenCanvas = class {
    getContext = () => ({ ...context });
  };
  const digit = { width: 28, height: 28, channels: 1, data: new Uint8Array(784) };
  const lanes = new Map([0, 1].map((lane) => [lane, [digit]]));
  const all = [1, 10, 1000].map((step) => ({ t: 1000 - step, said: `step ${step} of 1000`, lanes }));
  const titles = ["A: DDPM β̃ₜ, 1000 steps, optimised", `B: ${"one tall red apple ".repeat(20)}`];
  const sizes = [...film(all, titles, "gif")].map(({ width, height }) => `${width}×${height}`);
  assert.deepEqual([squeezed, new Set(sizes).size], [[], 1]);
  const short = [...film(all, ["A: one", "B: two"], "gif")][0];
  assert.ok(short.height < [...film(all, titles, "gif")][0].height);
  strip(all, titles);
  assert.deepEqual(squeezed, []);
  delete globalThis.OffscreenCanvas;
});
