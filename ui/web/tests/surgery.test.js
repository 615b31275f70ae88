import assert from "node:assert/strict";
import { test } from "node:test";
import { openLanes } from "../network/surgery.js";
import { sideBySide } from "../process/runs.js";
import { schedule } from "../process/schedule.js";

const config = {
  ...{ _class_name: "UNet2DModel", sample_size: 4, block_out_channels: [8, 8], layers_per_block: 1 },
  ...{ down_block_types: ["DownBlock2D", "AttnDownBlock2D"], up_block_types: ["AttnUpBlock2D", "UpBlock2D"] },
  ...{ mid_block_type: "UNetMidBlock2D", add_attention: true },
};

/** A model whose network notes the probes that it gets; what its blocks give is the number of its evaluations so far. */
function noting(change = {}) {
  const got = [];
  const network = (x, tIndex, condition, probe) => {
    got.push(probe && { t: tIndex + 1, condition, cut: [...probe.cut], graft: Object.fromEntries(probe.graft) });
    for (const name of probe?.taps.keys() ?? []) probe.taps.set(name, { shape: [1, 1, 1], data: [got.length] });
    return x;
  };
  const fields = { prediction: "v", variance: "beta", clip: true, channels: 1, size: 4, classes: 2, nullLabel: 2 };
  const rest = { student: null, gamma: null, optimised: null };
  return { got, model: { ...schedule({}), ...fields, ...rest, network, config, ...change } };
}

/** The probes of all evaluations of lanes of three steps, without their `model`. */
async function probesOf(...surgeries) {
  const { got, model } = noting();
  const lanes = surgeries.map(({ settings, ...surgery }) => ({ model, label: 1, steps: 3, surgery, ...settings }));
  const { lanes: ready } = openLanes(lanes);
  for await (const _ of sideBySide(["1"], ready));
  return got;
}

test("a lane that asks for nothing stays as it is", async () => {
  const lane = { model: noting().model, steps: 3 };
  assert.equal(openLanes([lane]).lanes[0], lane);
  assert.deepEqual(await probesOf({}), [undefined, undefined, undefined]);
});

test("cuts begin at their first step and end before the last", async () => {
  const got = await probesOf({ cut: [{ name: "middle", steps: [1, 2] }, { name: "skips 2" }] });
  assert.deepEqual(
    got.map(({ cut }) => cut),
    [["skips 2"], ["middle", "skips 2"], ["skips 2"]],
  );
});

test("a graft takes what the other lane gave at the same step, of the same evaluation where there are two", async () => {
  const graft = [{ name: "middle", lane: 0 }];
  const one = await probesOf({}, { graft });
  assert.deepEqual(
    one.map(({ graft }) => graft.middle?.[0]),
    [undefined, 1, undefined, 3, undefined, 5],
  );
  const guided = { settings: { guidance: 2 } };
  const both = await probesOf(guided, { graft, ...guided }, { graft });
  assert.deepEqual(
    both.slice(0, 5).map(({ condition, graft }) => [condition, graft.middle?.[0]]),
    [
      [1, undefined],
      [2, undefined],
      [1, 1],
      [2, 2],
      [1, 1],
    ],
  );
});

test("where a step is corrected, the last evaluation is grafted", async () => {
  const settings = { sampler: "langevin" };
  const got = await probesOf({ settings }, { settings, graft: [{ name: "up 1", lane: 0, steps: [0, 1] }] });
  assert.deepEqual(
    got.slice(0, 4).map(({ graft }) => graft["up 1"]?.[0]),
    [undefined, undefined, 2, 2],
  );
});

test("what can't be opened gets a sentence", () => {
  const { model } = noting();
  const lanes = (surgery, more = {}) => [
    { model, steps: 3 },
    { model, steps: 3, ...more, surgery },
  ];
  const cut = (name, steps) => ({ cut: [{ name, ...(steps && { steps }) }] });
  const graft = (lane, name = "middle") => ({ graft: [{ name, lane }] });
  const blocks = "choose from down 1, down 2, middle, up 1, up 2";
  const said = [
    [lanes(cut("up 9")), `there is no 'up 9' in this network: ${blocks}, skips 2, skips 4, attention, condition, time`],
    [lanes({ taps: ["skips 2"] }), `there is no 'skips 2' in this network: ${blocks}`],
    [lanes(graft(0, "time")), `there is no 'time' in this network: ${blocks}`],
    [
      lanes(cut("middle", [2, 2])),
      "steps of 'middle' must be two whole numbers, the first below the second, from 0 to 3",
    ],
    [lanes(cut("time", [0, 4])), "steps of 'time' must be two whole numbers, the first below the second, from 0 to 3"],
    [lanes(graft(1)), "'middle' can come only from a lane before this one"],
    [lanes(graft(0), { steps: 4 }), "'middle' can come only from a lane that visits the same times"],
    [lanes({}, { touch: { shared: 1 } }), "a run that is touched can't be opened: leave out one of both"],
    [lanes({}, { model: { ...model, config: undefined } }), "the network of this model can't be opened"],
    [
      lanes(cut("condition"), { model: { ...model, nullLabel: null } }),
      "this model has no condition that could be changed",
    ],
    [
      lanes(graft(0), { model: { ...model, config: { ...config, block_out_channels: [8, 4] } } }),
      "'middle' can come only from a network that has this block with the same shape",
    ],
  ];
  for (const [asked, message] of said) assert.throws(() => openLanes(asked), { message });
});
