// What a small file of the Hub can ask for takes no minutes, and a worker that hears no Stop is ended.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Checkpoints } from "../local/checkpoints.js";
import { connect } from "../local/client.js";
import { LIMITS } from "../network/config.js";
import { gammaTable, schedule } from "../process/schedule.js";
import { checkStudent, modelPairs } from "../process/times.js";

const [, T] = LIMITS.num_train_timesteps; // the most that a checkpoint may have
const TIMES = Array.from({ length: T }, (_, i) => i + 1);

/** Milliseconds. @param {() => unknown} act */
function taken(act) {
  const began = performance.now();
  act();
  return performance.now() - began;
}

test("a table of Γ for all of many times takes no time", () => {
  const table = schedule({ num_train_timesteps: T, beta_schedule: "linear", beta_start: 1e-6, beta_end: 2e-4 });
  assert.ok(taken(() => gammaTable(table, { times: TIMES, gamma: TIMES.map(() => 1) })) < 2000);
});

test("nor does a student of as many", () => {
  const student = { method: "progressive", times: TIMES.toReversed() };
  const check = () => checkStudent(student, "ddim", modelPairs({ T, student }, T, null, "ddim"), 0);
  assert.ok(taken(check) < 2000);
});

for (const [seconds, evaluations] of [
  [0.01, 3],
  [5, 0],
  [null, 3],
])
  test(`of a model that is expected to take ${seconds} s, ${evaluations} evaluations are timed unasked`, async () => {
    let count = 0;
    const network = () => {
      count += 1;
    };
    const checkpoints = new Checkpoints(
      { models: [], answers: {} },
      async () => {},
      async () => {},
    );
    checkpoints.model = async () => ({ channels: 1, size: 2, network, seconds, words: null, nullLabel: null });
    await checkpoints.warm("owner/model");
    assert.equal(count, evaluations);
    if (seconds === 5) assert.equal(checkpoints.seconds("owner/model", 2), 10);
    else assert.ok(checkpoints.seconds("owner/model") < 1);
    checkpoints.note("owner/model", 2); // what was timed counts more than what was expected
    if (seconds === 5) assert.equal(checkpoints.seconds("owner/model"), 2);
  });

// --- A worker that hears no Stop

/** Workers that were begun, each with what it was asked. @type {{ asked: any[], ended: boolean, say: (id: number, answer: any) => void }[]} */
let workers = [];

beforeEach(() => {
  workers = [];
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.document = { baseURI: "http://here/lab/" };
  globalThis.navigator ??= {}; // older versions of node have none
  globalThis.Worker = class {
    asked = [];
    ended = false;
    constructor() {
      workers.push(this);
    }
    addEventListener(type, listen) {
      if (type === "message") this.say = (id, answer) => listen({ data: { id, answer } });
    }
    postMessage = (question) => this.asked.push(question);
    terminate = () => {
      this.ended = true;
    };
  };
});

afterEach(() => {
  mock.timers.reset();
  Reflect.deleteProperty(globalThis, "document");
  Reflect.deleteProperty(globalThis, "Worker");
});

/** A run that goes on. */
function running(client, part = "watch") {
  const messages = [];
  const leave = client.run(
    { part, plan: { steps: 5 } },
    (message) => messages.push(message),
    (why) => messages.push(why),
  );
  const worker = workers.at(-1);
  worker.say(worker.asked.at(-1).id, {
    run: "one",
    seq: 4,
    state: "running",
    status: null,
    text: "",
    progress: 0.5,
    left: 9,
    results: [1],
  });
  return { messages, leave };
}

test("a worker that does not answer Stop for three seconds is ended, and the next run has another one", async () => {
  const client = connect({ knowledge: "knowledge" });
  const { messages } = running(client);
  const others = [client.ask("engine", "stop", { run: "one" }), client.ask("watch", "describe", {})];
  mock.timers.tick(2999);
  assert.equal(workers.length, 1);
  mock.timers.tick(1);
  const [stopped, described] = await Promise.all(others);
  assert.deepEqual(stopped, {});
  assert.match(described.error, /interrupted/);
  const { run, seq, state, status, results } = messages.at(-1);
  assert.deepEqual([run, seq, state, results], ["one", 5, "stopped", []]);
  assert.deepEqual(status, { kind: "cut" });
  assert.deepEqual(
    workers.map(({ ended }) => ended),
    [true, false],
  );
  workers[0].say(workers[0].asked.at(-1).id, { summary: "too late" });
  running(client);
  assert.deepEqual(
    workers[1].asked.map(({ verb }) => verb),
    ["begin", "run"],
  );
});

test("a worker that answers stays", async () => {
  const client = connect({ knowledge: "knowledge" });
  running(client);
  const stopped = client.ask("engine", "stop", { run: "one" });
  workers[0].say(workers[0].asked.at(-1).id, {});
  await stopped;
  mock.timers.tick(60_000);
  assert.equal(workers.length, 1);
});

test("a run that replaces one is begun by another worker where the first one does not hear it", () => {
  const client = connect({ knowledge: "knowledge" });
  const { messages, leave } = running(client);
  leave();
  const newer = [];
  client.run({ part: "watch", plan: { steps: 6 } }, (message) => newer.push(message), assert.fail);
  mock.timers.tick(3000);
  const { id, plan } = workers[1].asked.at(-1);
  assert.deepEqual(plan, { steps: 6 });
  workers[1].say(id, { run: "two", seq: 1, state: "queued", results: [] });
  assert.equal(newer.length, 1);
  assert.equal(messages.length, 1); // nobody listens to the first one any more
});

test("a run of another part waits for the step", () => {
  const client = connect({ knowledge: "knowledge" });
  running(client);
  client.run({ part: "grid", plan: {} }, () => {}, assert.fail);
  mock.timers.tick(60_000);
  assert.equal(workers.length, 1);
});
