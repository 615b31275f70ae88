// The client of the page without a server, with a worker that only notes what it is asked.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../local/client.js";

function connected() {
  const asked = [];
  let hear = () => {};
  globalThis.document = { baseURI: "http://page/" };
  globalThis.navigator ??= {};
  globalThis.Worker = class {
    addEventListener(type, listen) {
      if (type === "message") hear = listen;
    }
    postMessage(question) {
      asked.push(question);
    }
  };
  const client = connect({ knowledge: "static", forms: {} });
  const run = (part) => {
    const heard = [];
    const leave = client.run({ part, plan: {} }, ({ state }) => heard.push(state), assert.fail);
    const { id } = asked.at(-1);
    const say = (state) => hear({ data: { id, answer: { run: `run ${id}`, seq: 1, state, text: "", results: [] } } });
    return { heard, leave, say, run: `run ${id}` };
  };
  const stopped = () => asked.filter(({ what }) => what === "stop").map(({ values }) => values.run);
  const preload = () => asked.flatMap(({ what, values }) => (what === "preload" ? [values] : []));
  return { client, run, stopped, preload };
}

test("a model is got ready once, fetched as often as that is asked, and neither under Save-Data", () => {
  const { client, preload } = connected();
  for (const fetch of [false, false, true, true]) client.preload(["ours"], fetch);
  assert.deepEqual(
    preload().map(({ fetch }) => fetch),
    [false, true, true],
  );
  const { connection } = navigator;
  Object.defineProperty(navigator, "connection", { value: { saveData: true }, configurable: true });
  client.preload(["ours"], true);
  Object.defineProperty(navigator, "connection", { value: connection, configurable: true });
  assert.equal(preload().length, 3);
});

test("a sketch that is left ends, a run goes on", () => {
  const { run, stopped } = connected();
  const [watch, sketch, done] = [run("watch"), run("sketch"), run("sketch")];
  done.say("running");
  done.say("finished");
  for (const one of [watch, sketch]) one.say("running");
  for (const one of [watch, sketch, done]) one.leave();
  assert.deepEqual(stopped(), [sketch.run]);
  sketch.say("stopped");
  assert.deepEqual(sketch.heard, ["running"]);
});

test("a sketch that is left while it loads a model ends after that: a run may need the model", () => {
  const { run, stopped } = connected();
  const sketch = run("sketch");
  sketch.say("loading");
  sketch.leave();
  assert.deepEqual(stopped(), []);
  sketch.say("running");
  assert.deepEqual(stopped(), [sketch.run]);
});
