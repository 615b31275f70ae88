// The workers of a run, with workers that are objects of the same thread, and steps without a network.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Run } from "../local/jobs.js";
import { helperRun, Pool } from "../local/pool.js";
import { estimate } from "../plans/pace.js";
import { gain, shares } from "../plans/strands.js";
import { UserError } from "../process/errors.js";

const KIND = { ref: "model", batch: 1, lanes: 1 };
const MACHINE = { cores: 2, memory: 8, mobile: false };
const tick = () => new Promise((resolve) => setTimeout(resolve));

/**
 * A part of so many pictures of so many steps, side by side or one after another. log: of each step where it was computed.
 * before: what happens before a step of strand `number`.
 */
function part(pictures, { steps = 4, inTurns = false, before = () => {}, log = [], ref = "model" } = {}) {
  const outline = (_, number) => ({ cost: steps, turn: inTurns ? number : 0 });
  const plan = {
    ...{ request: {}, refs: [ref], images: pictures, steps: [{ kind: KIND, n: pictures * steps }] },
    strands: [Array.from({ length: pictures }, outline)],
  };
  const inWorker = (where) => ({
    record: () => ({}),
    chains: (_, __, phase, given) =>
      async function* steps_(number) {
        for (let index = 0; index < steps; index++) {
          await before(where, number, index);
          log.push([where, number, index]);
          yield { index, s: steps - 1 - index, sigma: 0, x: `${given} ${phase} ${number} ${index}` };
        }
      },
    async compute(_, __, work) {
      const strands = work.share(0, "noise");
      const all = Array.from({ length: pictures * steps }, (_, i) => (inTurns ? Math.floor(i / steps) : i % pictures));
      for (const number of all) {
        const { x, seconds } = await strands.next(number);
        work.addResult({ kind: "x", x });
        await work.count(KIND, 1, seconds);
      }
    },
  });
  return { plan, inWorker, log };
}

const checkpoints = () => ({
  ...{ files: { isFull: false }, onGpu: new Set(), forms: {} },
  ...{ isLoaded: () => true, facts: () => ({}), known: () => ({}), bytes: () => 1e6, prepare() {}, learn() {} },
  ...{ model: async () => ({}), note() {}, pace: () => 1 },
});

/** Begin a run; workers: those that it has begun. refuse: what they answer to a model; asleep: they do not answer to one. */
function begun({ plan, inWorker }, { machine = MACHINE, refuse = null, pool = null, asleep = false } = {}) {
  const workers = [];
  class Fake {
    #listen = {};
    runs = [];
    loads = []; // the numbers of those questions
    constructor() {
      workers.push(this);
      this.inside = new Pool(checkpoints());
    }
    addEventListener(type, listen) {
      this.#listen[type] = listen;
    }
    fail = () => this.#listen.error(new Error("killed"));
    terminate = () => {
      this.ended = true;
      for (const run of this.runs) run.stop();
    };
    say = (id, answer) => this.ended || this.#listen.message({ data: structuredClone({ id, answer }) });
    async postMessage({ id, what, share, plan }) {
      await tick();
      if (what === "rest") for (const run of this.runs) run.stop();
      else if (what === "load") {
        this.loads.push(id);
        if (!asleep) this.say(id, refuse ? { error: refuse } : {});
      } else if (share) {
        const run = new Run(this.inside, "watch", plan, (message) => this.say(id, message), null, 0);
        this.runs.push(run);
        run.run(async () => helperRun(inWorker("helper"), structuredClone(share)));
      }
    }
  }
  const own = pool ?? new Pool(checkpoints(), machine, () => new Fake());
  const messages = [];
  const run = new Run(own, "watch", plan, (message) => messages.push(message));
  const ended = run.run(async () => inWorker("here"));
  return { run, pool: own, workers, messages, ended };
}

/** What a run has given, and how it ended. */
async function results(how) {
  await how.ended;
  const { messages } = how;
  assert.deepEqual(
    messages.map(({ seq }) => seq),
    messages.map((_, i) => i + 1),
  );
  return { given: messages.flatMap(({ results }) => results), last: messages.at(-1) };
}

const WAITS = async (where) => (where === "here" ? new Promise((later) => setTimeout(later, 15)) : undefined);

for (const inTurns of [false, true])
  test(`two workers give what one gives, in its order${inTurns ? ", of strands in turns" : ""}`, async () => {
    const alone = begun(part(4, { inTurns }), { machine: { cores: 1 } });
    const { given } = await results(alone);
    assert.equal(alone.workers.length, 0);
    const { log, ...all } = part(4, { inTurns, before: WAITS });
    const both = begun(all);
    const found = await results(both);
    assert.deepEqual(found.given, given);
    assert.equal(found.last.state, "finished");
    assert.equal(both.workers.length, 1);
    log.splice(0);
    const again = begun(all, { pool: both.pool }); // the helper is there from the first step on
    assert.deepEqual((await results(again)).given, given);
    const theirs = new Set(log.filter(([where]) => where === "helper").map(([, number]) => number));
    assert.deepEqual([...theirs].sort(), [1, 3]);
    assert.deepEqual(new Set(log.filter(([where]) => where === "here").map(([, number]) => number)), new Set([0, 2]));
    assert.equal(log.length, 16); // each step once
  });

test("the time left is by the clock of the last seconds, whatever the steps were expected to take", async (t) => {
  let now = 1e6;
  t.mock.method(performance, "now", () => now);
  /** The time left after each step, of 40 steps of a second, in a run whose step `index` takes so many seconds. */
  async function leftOf(seconds) {
    const before = (_, __, index) => {
      now += 1000 * seconds(index);
    };
    const how = begun(part(1, { steps: 40, before }));
    await how.ended;
    return how.messages.flatMap(({ left, results }) => (results.length ? [left] : []));
  }
  const close = (left, steps, pace) => assert.ok(Math.abs(left / (steps * pace) - 1) < 0.15, `${left} for ${steps}`);
  const even = await leftOf(() => 1);
  close(even.at(5), 34, 1);
  const slower = await leftOf((index) => (index < 20 ? 1 : 3));
  close(slower.at(19), 20, 1);
  close(slower.at(24), 15, 3);
  const cold = await leftOf((index) => (index ? 0.5 : 20));
  close(cold.at(12), 27, 0.5);
});

test("one picture, or a GPU, needs no helper", async () => {
  const alone = begun(part(1));
  await alone.ended;
  const gpu = new Pool({ ...checkpoints(), onGpu: new Set(["model"]) }, MACHINE, () => assert.fail());
  const { last } = await results(begun(part(4), { pool: gpu }));
  assert.deepEqual([alone.workers.length, last.state], [0, "finished"]);
});

for (const [what, kill] of [
  ["dies", ([worker]) => worker.fail()],
  ["is stopped", ([worker]) => worker.runs.at(-1).stop()],
  [
    "has an error of its own",
    () => {
      throw new Error("no memory");
    },
  ],
])
  test(`a run goes on where a helper ${what}`, async () => {
    const { given } = await results(begun(part(4), { machine: { cores: 1 } }));
    let how = { workers: [] };
    const before = async (where, number, index) => {
      await WAITS(where);
      if (where === "helper" && number === 3 && index === 2) kill(how.workers);
    };
    how = begun(part(4, { before }));
    const found = await results(how);
    assert.deepEqual([found.given, found.last.state], [given, "finished"]);
  });

test("a helper that dies or can't load the model is the last one", async () => {
  const refused = begun(part(4, { before: WAITS }), { refuse: "no memory" });
  assert.equal((await results(refused)).last.state, "finished");
  assert.equal(refused.workers[0].ended, true);
  assert.equal(refused.pool.limit(["model"]), 1);
  await begun(part(4), { pool: refused.pool }).ended;
  assert.equal(refused.workers.length, 1);
  const none = new Pool(checkpoints(), MACHINE, () => {
    throw new Error("no more workers");
  });
  assert.equal((await results(begun(part(4), { pool: none }))).last.state, "finished");
});

test("a helper that is told to forget a model while it loads it goes on with the next one", async () => {
  const log = [];
  const first = begun(part(2, { log }), { asleep: true });
  await first.ended;
  const [worker] = first.workers;
  const next = begun(part(2, { log, before: WAITS, ref: "other" }), { pool: first.pool });
  while (worker.loads.length < 2) await tick();
  worker.say(worker.loads[0], { error: "There is no model model on this page" });
  worker.say(worker.loads[1], {});
  assert.equal((await results(next)).last.state, "finished");
  assert.deepEqual([worker.ended, first.pool.limit(["model"])], [undefined, 2]);
  assert.ok(log.some(([where]) => where === "helper"));
});

test("a run that has ended holds no model", async () => {
  const { run, ended } = begun(part(1));
  await ended;
  assert.deepEqual(run.models, []);
});

test("a helper that falls silent is given up, and the next run has another one", async (t) => {
  const how = begun(part(2));
  await results(how); // it has loaded the model
  let late = 0;
  const now = performance.now.bind(performance);
  t.mock.method(performance, "now", () => now() + late);
  let made = 0;
  let asked = () => {};
  const isAsked = new Promise((resolve) => {
    asked = resolve;
  });
  const before = async () => {
    await isAsked;
    if (made++ < 4) late += 6000; // a step takes long, which is no silence
  };
  const [worker] = how.workers;
  const ended = [];
  worker.postMessage = async ({ what }) => {
    if (what === "rest") return;
    asked();
    while (made < 4) await tick();
    late += 15_000; // less than three steps
    await sleep(300); // in which the run looks more than once
    ended.push(worker.ended);
    late += 5000;
  };
  const found = await results(begun(part(2, { before }), { pool: how.pool }));
  assert.deepEqual([found.last.state, found.given.length, ended, worker.ended], ["finished", 8, [undefined], true]);
  await begun(part(2), { pool: how.pool }).ended;
  assert.equal(how.workers.length, 2);
});

test("Stop stops the helpers, too, and the next run has them again", async () => {
  const { log, ...all } = part(2, { steps: 10_000 });
  const first = begun(all);
  const theirs = () => log.filter(([where]) => where === "helper").length;
  for (const begin of [() => first, () => begun(all, { pool: first.pool })]) {
    const run = begin();
    const before = theirs();
    while (theirs() === before) await tick();
    run.run.stop();
    assert.equal((await results(run)).last.state, "stopped");
    await tick();
    await tick();
    const done = log.length;
    for (let i = 0; i < 20; i++) await tick();
    assert.equal(log.length, done);
  }
  assert.equal(first.workers.length, 1);
});

test("an error of a step is the run's, wherever it was computed", async (t) => {
  const console = t.mock.method(globalThis.console, "error", () => {});
  for (const [error, text] of [
    [new UserError("this picture is odd"), "This picture is odd"],
    [new Error("a fault of ours"), "This failed unexpectedly (Error): load the page again, or choose other settings"],
  ]) {
    const before = (where, number, index) => {
      if (number === 1 && index === 2) throw error;
      return WAITS(where);
    };
    const { given, last } = await results(begun(part(2, { before })));
    assert.deepEqual([given.length, last.state, last.text], [5, "error", text]);
  }
  const [...logged] = new Set(console.mock.calls.map(({ arguments: [error] }) => error.message));
  assert.deepEqual(logged, ["a fault of ours"]);
});

test("strands are shared out by their length, turn after turn", () => {
  const side = [5, 10, 50, 5].map((cost) => ({ cost, turn: 0 }));
  assert.deepEqual(shares(side, 2), { owners: [1, 1, 0, 1], most: 50 });
  const turns = [4, 4, 4].map((cost, turn) => ({ cost, turn }));
  assert.deepEqual(shares(turns, 2).owners, [0, 1, 0]);
  assert.deepEqual(shares([], 2), { owners: [], most: 0 });
  const plan = { steps: [{ kind: KIND, n: 22 }] }; // 10 of them are no strand's
  assert.equal(gain({ ...plan, strands: [turns] }, 2), 22 / 18);
  assert.equal(gain({ ...plan, strands: [turns] }, 1), 1);
  assert.equal(gain({ steps: [], strands: [[]] }, 2), 1);
});

test("what memory there is for workers says how many there are", () => {
  const of = (bytes, machine) =>
    new Pool({ ...checkpoints(), bytes: () => bytes }, { cores: 64, ...machine }, () => null).limit(["model"]);
  const [digits, cifar, emoji, hub] = [1.5e6, 17e6, 27e6, 143e6]; // bytes of files
  assert.deepEqual(
    [digits, cifar, emoji, hub].map((bytes) => of(bytes, { memory: 4, mobile: true })),
    [8, 2, 1, 1],
  );
  assert.deepEqual(
    [digits, cifar, emoji, hub].map((bytes) => of(bytes, {})),
    [8, 2, 1, 1],
  );
  assert.deepEqual(
    [cifar, emoji, hub].map((bytes) => of(bytes, { memory: 8, mobile: false })),
    [16, 10, 2],
  );
  const larges = [{ memory: 8, mobile: false }, { memory: 8, mobile: true }, { memory: 4, mobile: false }, {}];
  assert.deepEqual(
    larges.map((machine) => new Pool(checkpoints(), machine).isLarge),
    [true, false, false, false],
  );
  assert.equal(of(digits, { cores: 2 }), 2);
  assert.equal(of(digits, { cores: undefined }), 1);
});

test("the time of a run before it begins is that of all its workers", () => {
  const pace = {
    paces: { model: { seconds: [[1, 1, 1]], flop: null, download: 0 } },
    device: "CPU",
    busy: false,
    tflop: null,
  };
  assert.equal(estimate(part(4).plan, { ...pace, workers: 2 }).seconds, 8);
  assert.equal(estimate(part(4).plan, pace).seconds, 16);
});
