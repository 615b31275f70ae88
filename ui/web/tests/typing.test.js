import assert from "node:assert/strict";
import { test } from "node:test";
import { Typing } from "../parts/watch/typing.js";
import { clockByHand } from "./clock.mjs";

const FORM = [{ name: "steps", default: 4 }];
const OWN = { checkpoint: "student", steps: 3, sampler: "ddim" };

/**
 * What stands around the typing, with a clock that `wait` moves; `log` has what happens. described: the model's sketches.
 * student: what is said of those of its student, where there is one. preload: of a client that fetches models.
 */
function typing(described = { auto: true, seconds: 0.2 }, { student = undefined, preload = undefined } = {}) {
  const log = [];
  const { clock, wait } = clockByHand(10);
  const form = {
    values: { checkpoint: "emoji", prompt: "", seed: "5", steps: 20, count: 4 },
    value: (name) => form.values[name],
  };
  const stream = { active: false, run: null };
  const panel = {
    ...{ form, stream, isRun: false, isOnScreen: true, sketch: "none", said: "", description: { auto: true } },
    stop: () => log.push("stop"),
    changed() {},
    showSketch(words, isShown) {
      Object.assign(panel, { said: words, sketch: isShown ? "over" : words ? "awaited" : "none" });
      typed.render();
    },
    start() {
      log.push(`run ${form.values.prompt}`);
      typed.renew();
      stream.active = true;
    },
  };
  const player = {
    view: { chosen: 2 },
    sketch: ([, one]) => log.push(`shown ${one}`),
    back: () => log.push("back"),
  };
  const asked = [];
  const page = {
    given: { forms: { sketch: FORM }, models: student ? [{ ref: OWN.checkpoint, ready: true }] : [] },
    say: (text) => log.push(text),
    knowledge: {
      catalogue: {
        name: () => "Emoji",
        isOwn: (ref) => ref === "emoji",
        sketch: (ref) => (ref === "emoji" ? OWN : null),
      },
      describe: async (_, { checkpoint }) => (checkpoint === OWN.checkpoint ? student : described),
      order: async (part, values) => ({ part, plan: { values }, shown: (result) => result }),
    },
    client: {
      preload,
      run({ part, plan: { values } }, take, lost) {
        const one = { part, values, take, lost, left: false };
        asked.push(one);
        log.push(`sketch ${values.prompt}`);
        return () => {
          one.left = true;
        };
      },
    },
  };
  const typed = new Typing(page, panel, player, clock);
  const type = (text) => {
    form.values.prompt = text;
    typed.typed();
  };
  const finish = async (one) => {
    const plan = { kind: "plan", unknown: one.values.prompt.split(" ").filter((word) => word.includes("qwx")) };
    if (!one.left) await one.take({ state: "finished", text: "", results: [plan, one.values.prompt] });
  };
  return { log, panel, stream, typed, type, wait, finish, asked };
}

test("a sketch at the first pause, of the picture that is looked at, and the whole run when it was seen", async () => {
  const { log, type, wait, finish, asked, panel } = typing();
  for (const text of ["r", "re", "red"]) {
    type(text);
    await wait(60);
  }
  assert.deepEqual(log, []);
  await wait(100);
  assert.deepEqual(asked[0].values, { checkpoint: "emoji", prompt: "red", seed: 7 });
  await wait(2000);
  await finish(asked[0]);
  assert.deepEqual([panel.said, panel.sketch], ["Quick sketch in 4 steps", "over"]);
  await wait(840);
  assert.deepEqual(log, ["sketch red", "shown red"]);
  await wait(20);
  assert.deepEqual(log.at(-1), "run red");
});

test("a newer sketch replaces one that computes, and the run that typing began gives way", async () => {
  const { log, type, wait, finish, asked } = typing();
  type("red");
  await wait(160);
  type("red fox");
  await wait(160);
  assert.equal(asked[0].left, true);
  await finish(asked[0]);
  await finish(asked[1]);
  await wait(1000);
  type("red foxes");
  assert.deepEqual(log, ["sketch red", "sketch red fox", "shown red fox", "run red fox", "stop"]);
});

test("a sketch that ends between two keys is shown, and keeps none from beginning", async () => {
  const { log, type, wait, finish, asked } = typing();
  type("red");
  await wait(160);
  type("red f");
  await finish(asked[0]);
  await wait(180);
  assert.deepEqual(log, ["sketch red", "shown red", "sketch red f"]);
});

test("a quick sketch is drawn at every letter, with six pictures a second at most", async () => {
  const { log, type, wait, finish, asked } = typing();
  const letters = async (text, ms) => {
    for (let end = 1; end <= text.length; end++) {
      type(text.slice(0, end));
      await wait(ms - 50);
      if (log.at(-1).startsWith("sketch")) await finish(asked.at(-1));
      await wait(50);
    }
  };
  type(" ");
  await wait(160);
  await finish(asked[0]);
  await wait(200);
  log.length = 0;
  await letters("apple", 180);
  const shown = (text) => [`sketch ${text}`, `shown ${text}`];
  assert.deepEqual(log, ["a", "ap", "app", "appl", "apple"].flatMap(shown));
  await wait(200);
  log.length = 0;
  await letters("fast", 90);
  await wait(100);
  await finish(asked.at(-1));
  assert.deepEqual(log, ["f", "fas", "fast"].flatMap(shown));
});

test("a pause replaces a sketch that computes for long", async () => {
  const { log, type, wait, finish, asked } = typing();
  type("r");
  await wait(160);
  await finish(asked[0]);
  await wait(200);
  log.length = 0;
  for (const text of ["re", "red"]) {
    type(text);
    await wait(100);
  }
  assert.deepEqual([log, asked[1].left], [["sketch re"], false]);
  await wait(60);
  assert.deepEqual([log, asked[1].left], [["sketch re", "sketch red"], true]);
});

test("a run that typing did not begin goes on; what was typed is drawn after it", async () => {
  const { log, type, wait, stream, typed } = typing();
  Object.assign(stream, { active: true, run: "1" });
  type("r");
  type("re");
  await wait(2000);
  assert.deepEqual(log, ["This run continues. Your prompt is drawn after it."]);
  stream.active = false;
  typed.render();
  await wait(160);
  assert.deepEqual(log.slice(1), ["sketch re"]);
});

test("the words of the run that is here bring it back", async () => {
  const { log, type, wait, panel } = typing();
  type("red f");
  await wait(100);
  panel.isRun = true;
  type("red");
  await wait(2000);
  assert.deepEqual(log, ["back"]);
});

test("while a model is loaded nothing else begins, and then the newest words are drawn", async () => {
  const { log, type, wait, asked, panel } = typing({ auto: false, seconds: null });
  panel.description.auto = false;
  type("r");
  await wait(160);
  asked[0].take({ state: "loading", status: { kind: "load", ref: "emoji" }, text: "", results: [] });
  assert.equal(panel.said, "Loading Emoji");
  type("red");
  await wait(2000);
  assert.deepEqual(log, ["sketch r"]);
  asked[0].take({ state: "running", text: "", results: [] });
  await wait(160);
  assert.deepEqual(log, ["sketch r", "sketch red"]);
});

test("a sketch whose model is loaded while another place is open is left, and the next key draws again", async () => {
  const { log, type, wait, asked, panel, finish } = typing({ auto: false, seconds: null });
  panel.description.auto = false;
  type("r");
  await wait(160);
  asked[0].take({ state: "loading", status: { kind: "load", ref: "emoji" }, text: "", results: [] });
  panel.isOnScreen = false;
  asked[0].take({ state: "running", text: "", results: [] });
  await wait(2000);
  assert.deepEqual([asked[0].left, panel.sketch], [true, "none"]);
  panel.isOnScreen = true;
  type("red");
  await wait(160);
  await finish(asked[1]);
  assert.deepEqual(log, ["sketch r", "sketch red", "shown red"]);
});

test("a model that is refused while another place is open keeps no sketch from beginning", async () => {
  const { log, type, wait, asked, panel } = typing({ auto: false, seconds: null });
  type("r");
  await wait(160);
  asked[0].take({ state: "loading", status: { kind: "load", ref: "emoji" }, text: "", results: [] });
  panel.isOnScreen = false;
  asked[0].lost("no connection");
  panel.isOnScreen = true;
  type("red");
  await wait(160);
  assert.deepEqual(log, ["sketch r", "sketch red"]);
});

test("a refusal is said, no sketch is drawn that is not quick, and a run that is long waits for Run", async () => {
  const { type, wait, asked, panel, log, typed } = typing();
  panel.description.auto = false;
  type("red");
  await wait(160);
  const refusal = "Others are using this computer. Press Run to draw your words.";
  asked[0].take({ state: "error", text: refusal, results: [] });
  assert.deepEqual([panel.said, panel.sketch], [refusal, "awaited"]);
  await wait(2000);
  assert.deepEqual(log, ["sketch red"]);
  panel.form.values.guidance = 7;
  typed.render();
  assert.equal(panel.said, "");
  const slow = typing({ auto: false, seconds: 30 });
  slow.type("red");
  await slow.wait(160);
  assert.deepEqual(slow.log, []);
});

test("a word that the model does not know is named at once, unless it is very long", async () => {
  const { type, wait, asked, finish, panel } = typing();
  for (const word of ["qwx", "qwx".repeat(9)]) {
    type(`red ${word}`);
    await wait(180);
    await finish(asked.at(-1));
    const more = word === "qwx" ? ". I don’t know “qwx”: what is drawn is a guess." : "";
    assert.equal(panel.said, `Quick sketch in 4 steps${more}`);
  }
});

test("other settings end a sketch", async () => {
  const { type, wait, asked, finish, panel, typed, log } = typing();
  type("red");
  await wait(160);
  panel.form.values.guidance = 7;
  typed.render();
  await finish(asked[0]);
  assert.deepEqual([panel.sketch, asked[0].left, log], ["none", true, ["sketch red"]]);
});

test("a student draws the sketches, of words alone, and its model the whole run", async () => {
  const { type, wait, finish, asked, panel, log } = typing({ auto: true }, { student: { auto: null, seconds: null } });
  type("red");
  await wait(160);
  await finish(asked[0]);
  assert.deepEqual(asked[0].values, { ...OWN, prompt: "red", seed: 7 });
  assert.deepEqual([panel.said, panel.sketch], ["Quick sketch in 3 steps", "over"]);
  await wait(900);
  assert.deepEqual(log, ["sketch red", "shown red", "run red"]);
  for (const own of [{ guidance: 0 }, { negative: "blue" }, { prompt: "" }]) {
    panel.stream.active = false;
    Object.assign(panel.form.values, { guidance: "", negative: "", ...own });
    type(own.prompt ?? "fox");
    await wait(160);
    assert.equal(asked.at(-1).values.checkpoint, "emoji");
  }
});

test("in a browser alone a student is fetched while its model draws the sketches, until it is here", async () => {
  const student = { auto: false, seconds: null };
  const fetched = [];
  const preload = (...question) => fetched.push(question);
  const { type, wait, asked } = typing({ auto: true }, { student, preload });
  const models = [];
  for (const [text, auto] of [
    ["r", false],
    ["re", null],
    ["red", true],
  ]) {
    assert.equal(fetched.length, models.length, "only after a pause");
    student.auto = auto;
    type(text);
    await wait(160);
    models.push(asked.at(-1).values.checkpoint);
  }
  assert.deepEqual(models, ["emoji", "emoji", "student"]);
  assert.deepEqual(fetched, Array(2).fill([["student"], true]));
});

test("no student is fetched before its model is here", async () => {
  const fetched = [];
  const preload = (...question) => fetched.push(question);
  const unknown = { auto: null, seconds: null };
  const { type, wait, asked } = typing(unknown, { student: { auto: false, seconds: null }, preload });
  type("red");
  await wait(160);
  assert.deepEqual([asked[0].values.checkpoint, fetched], ["emoji", []]);
});
