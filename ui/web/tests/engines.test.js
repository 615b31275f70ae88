import assert from "node:assert/strict";
import { test } from "node:test";
import { Engines } from "../run/engines.js";

/** A client that notes what it is asked. */
function client(name) {
  const asked = [];
  return {
    ...{ name, asked, session: name, items: [] },
    ask: async (...question) => {
      asked.push(question);
      return { by: name };
    },
    run(order, take) {
      asked.push(["run", order]);
      take({ run: `run of ${name}` });
      return () => asked.push(["left"]);
    },
    kept: async (run) => ({ run, by: name }),
    preload: (refs) => asked.push(["preload", refs]),
  };
}

/** Both engines, and the clients behind them. */
function both() {
  const [server, browser] = [client("server"), client("browser")];
  let started = 0;
  const start = async () => {
    started += 1;
    return browser;
  };
  return { engines: new Engines(server, start), server, browser, started: () => started };
}
const turn = () => new Promise((resolve) => setTimeout(resolve));

test("the browser is asked for models that were trained in it, and begins with the first of them", async () => {
  const { engines, started } = both();
  assert.deepEqual(await engines.ask("engine", "facts", { ref: "mnist-tiny" }), { by: "server" });
  assert.deepEqual(await engines.ask("engine", "models", {}), { by: "server" });
  assert.equal(started(), 0);
  assert.deepEqual(await engines.ask("engine", "facts", { ref: "trained/mine" }), { by: "browser" });
  assert.deepEqual(await engines.ask("engine", "pace", { refs: ["trained/mine", "trained/yours"] }), { by: "browser" });
  assert.equal(started(), 1);
});

test("the browser computes the plane, which needs no model", async () => {
  const { engines, server, browser } = both();
  assert.deepEqual(await engines.ask("engine", "pace", { refs: ["plane-exact"] }), { by: "browser" });
  engines.run({ part: "plane", plan: { refs: [] } }, () => {});
  await turn();
  assert.deepEqual([server.asked.length, browser.asked.length], [0, 2]);
});

test("a model of each kind is one sentence", async () => {
  const { engines, server, browser } = both();
  const { error } = await engines.ask("engine", "pace", { refs: ["trained/mine", "mnist-tiny"] });
  assert.match(error, /trained in your browser/);
  assert.deepEqual([...server.asked, ...browser.asked], []);
});

test("a run of the browser is stopped, left and kept there", async () => {
  const { engines, server, browser } = both();
  const taken = [];
  const leave = engines.run({ part: "watch", plan: { refs: ["trained/mine"] } }, (message) => taken.push(message.run));
  await turn();
  assert.deepEqual(taken, ["run of browser"]);
  assert.deepEqual(await engines.ask("engine", "stop", { run: "run of browser" }), { by: "browser" });
  assert.equal((await engines.kept("run of browser")).by, "browser");
  leave();
  assert.deepEqual(browser.asked.at(-1), ["left"]);
  engines.run({ part: "watch", plan: { refs: ["mnist-tiny"] }, asked: {} }, () => {});
  engines.run({ part: "watch", resume: "run of server" }, () => {});
  assert.equal(server.asked.length, 2);
  assert.equal((await engines.kept(null)).by, "server");
});

test("a run that is left before the browser has begun never begins", async () => {
  const { engines, browser } = both();
  engines.run({ part: "watch", plan: { refs: ["trained/mine"] } }, () => {})();
  await turn();
  assert.deepEqual(browser.asked, []);
});

test("an engine that can't be loaded is said, and is tried again", async () => {
  let tries = 0;
  const engines = new Engines(client("server"), async () => {
    tries += 1;
    throw new Error("no network");
  });
  const lost = [];
  for (let i = 0; i < 2; i++) {
    engines.run(
      { part: "watch", plan: { refs: ["trained/mine"] } },
      () => {},
      (why) => lost.push(why),
    );
    await turn();
  }
  assert.equal(tries, 2);
  assert.match(lost[1], /could not be loaded/);
});
