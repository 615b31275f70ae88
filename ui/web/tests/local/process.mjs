// Answers to tests/page/test_local_process.py: node process.mjs CASES.json ANSWERS.json, arrays as base64 of their bytes.
import { readFileSync, writeFileSync } from "node:fs";
import { noiseOf } from "../../parts/forward/mix.js";
import { ofPng } from "../../pictures/png.js";
import { fromUint8, toUint8 } from "../../process/floats.js";
import { compare, encode, mix, SCHEDULES } from "../../process/forward.js";
import { gaussian } from "../../process/noise.js";
import { exactModel, shape } from "../../process/plane.js";
import { blur, downsample, grey, mask, restore } from "../../process/restore.js";
import { chain, sideBySide, trajectory } from "../../process/runs.js";
import { SAMPLERS } from "../../process/samplers.js";
import { alphaBarAt, gammaTable, schedule, tables, timeAt } from "../../process/schedule.js";
import { modelPairs } from "../../process/times.js";

const f32 = Math.fround;

/** The formula that stands for a network: sums and products of few digits, so that every order of them is exact. */
const formula = (learned) => (x, tIndex, condition) => {
  const shift = f32(0.125 + f32(Math.max(tIndex, 0)) / 1024) + (condition ?? 0) / 16;
  const first = x.map((value) => f32(0.25 * value) + shift);
  return learned ? Float32Array.of(...first, ...x.map((value) => value / 16)) : first;
};
const made = ({ config, ...rest }) => ({
  ...{ classes: 0, nullLabel: null, student: null, gamma: null, optimised: null, clip: true },
  ...schedule(config),
  ...rest,
  network: formula(rest.variance?.startsWith("learned")),
});

async function all(steps) {
  const found = [];
  for await (const step of steps) found.push(step);
  return found;
}

const ASKED = {
  options: () => Object.fromEntries(Object.entries(SAMPLERS).map(([name, { options = {} }]) => [name, options])),
  noise: ({ seed, stream, n }) => gaussian(seed, stream, n),
  schedule: ({ config }) => schedule(config),
  between({ config, times, sigmas }) {
    const found = schedule(config);
    return { alphaBar: times.map((t) => alphaBarAt(found, t)), times: sigmas.map((sigma) => timeAt(found, sigma)) };
  },
  tables: ({ name }) => tables(SCHEDULES[name]()),
  epsilon: ({ seed, size }) => noiseOf(seed, size),
  drawing: async ({ name }) =>
    (await ofPng(readFileSync(new URL(`../../examples/drawings/${name}.png`, import.meta.url)))).data,
  gamma: ({ config, estimate }) => gammaTable(schedule(config), estimate),
  pairs({ T, spacing, start, every }) {
    const all = [];
    for (let n = 1; n <= (start ?? T); n += every) all.push(modelPairs({ T }, n, spacing, "ddim", start));
    return Int16Array.from(all.flat(2));
  },
  times: ({ model, n, spacing, sampler, start }) => modelPairs(made(model), n, spacing, sampler, start),
  run: ({ model, settings }) => all(trajectory(made(model), settings)),
  chain({ model, settings }) {
    const { pairs, sigmas } = chain(made(model), settings);
    return { pairs, sigmas };
  },
  lanes: ({ models, seeds, lanes }) =>
    all(
      sideBySide(
        seeds,
        lanes.map((lane) => ({ ...lane, model: made(models[lane.model]) })),
      ),
    ),
};

const measured = { mask, downsample, grey, blur };
Object.assign(ASKED, {
  levels: ({ levels, channels }) => [fromUint8(levels, channels), toUint8(fromUint8(levels, channels), channels)],
  compare: ({ config, levels, t, seed }) => compare(schedule(config), fromUint8(levels, 3), t, seed),
  encode: ({ model, levels, t, seed }) => encode(made(model), fromUint8(levels, model.channels), t, seed),
  latents({ model, levels, t, seeds, weight, settings }) {
    const ends = seeds.map((seed, i) => encode(made(model), fromUint8(levels[i], model.channels), t, seed));
    return all(trajectory(made(model), { ...settings, start: t, xT: mix(...ends, weight) }));
  },
  async restore({ model, levels, measurement: [name, ...details], method, settings }) {
    const A = measured[name](...details);
    const y = A.forward(fromUint8(levels, model.channels));
    const steps = await all(restore(made(model), y, A, method, settings));
    return { y, back: A.pseudoinverse(y), steps: steps.filter(Boolean) };
  },
  shape: ({ name, width }) => shape(name, width),
  plane: ({ data, points, settings }) => all(trajectory(exactModel(data, points), settings)),
});

const packed = (_, value) =>
  ArrayBuffer.isView(value)
    ? {
        type: value.constructor.name,
        bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64"),
      }
    : value;
const answers = [];
for (const [what, asked] of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  try {
    answers.push(await ASKED[what](asked));
  } catch (error) {
    answers.push({ error: error.message });
  }
}
writeFileSync(process.argv[3], JSON.stringify(answers, packed));
