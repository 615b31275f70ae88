// What computes in the browser: answers the client's questions, and runs.
import { unpacked } from "../shared/run/packing.js";
import { failure } from "../words/units.js";
import { Checkpoints } from "./checkpoints.js";
import { Files } from "./files/store.js";
import { Run } from "./jobs.js";
import { parts } from "./parts/index.js";
import { asked, cost } from "./requests.js";

/** @import { Forms } from "./checkpoints.js" */
/** @import { Answer } from "./parts/index.js" */

/** @type {Map<string, Run>} the newest ones */
const runs = new Map();
const KEPT = 8;
const LATE = 5000; // ms after which the page need not wait for its first model any more
const GONE = "This run is no longer here: press Run again";

/** Everything else waits for this. @type {Promise<{ checkpoints: Checkpoints, own: ReturnType<typeof parts> }>} */
let ready;

/** @param {{ folder: string, base: string, forms: Forms }} question of what Python has written; of the page; its fields */
async function begin({ folder, base, forms }) {
  const read = async (/** @type {string} */ name) => {
    const answer = await fetch(`${folder}/${name}`);
    return name.endsWith(".json") ? answer.json() : unpacked(new Uint8Array(await answer.arrayBuffer()));
  };
  const checkpoints = new Checkpoints(await read("knowledge.json"), forms, new Files(base), read);
  return { checkpoints, own: parts(checkpoints) };
}

/** @param {unknown} error */
const refusal = (error) => ({ error: failure(error) });

/** @param {Checkpoints} checkpoints @returns {Record<string, Answer>} */
const questions = (checkpoints) => ({
  async models() {
    const { models, device } = checkpoints.knowledge.answers.models;
    return { models, device: { ...device, engine: `${await checkpoints.engine} · fp32` }, known: true };
  },
  async facts({ ref: text, pictures }) {
    const ref = String(text).trim();
    await checkpoints.learn(ref);
    if (!checkpoints.missing(ref)) checkpoints.warm(ref);
    return { ...checkpoints.said(ref), examples: pictures ? await checkpoints.examples(ref) : [] };
  },
  emoji: () => checkpoints.read("emoji.json"),
  run() {
    throw new Error(GONE); // with the worker of the page before
  },
  stop({ run }) {
    runs.get(run)?.stop();
    return {};
  },
  kept({ run }) {
    const { recording, refs, values } = runs.get(run) ?? {};
    if (!recording || !refs) throw new Error(GONE);
    const about = refs.map(() => ({ revision: null, engine: "browser · fp32" }));
    return { ...recording, values, about };
  },
  room: () => ({ why: checkpoints.knowledge.answers.room }),
});

/** @param {{ part: string, what: string, values: any }} question */
async function answer({ part, what, values }) {
  const { checkpoints, own } = await ready;
  const here = part === "engine" && questions(checkpoints)[what];
  if (here) return here(values);
  const its = await own(part);
  if (what === "cost") return cost(checkpoints, its, part, values);
  if (!its.questions?.[what]) throw new Error(`There is no question ${what} here`);
  return its.questions[what](values);
}

addEventListener("message", async ({ data }) => {
  const { id, verb, part, values } = data;
  const send = (/** @type {any} */ content) => postMessage({ id, answer: content });
  if (verb === "begin") {
    ready = begin(data);
    await ready
      .then(({ checkpoints }) => Promise.race([checkpoints.engine, new Promise((late) => setTimeout(late, LATE))]))
      .catch(() => {});
    return send({});
  }
  if (verb !== "run") return answer(data).then(send, (error) => send(refusal(error)));
  const here = await ready.catch((error) => send(refusal(error)));
  if (!here) return;
  const { checkpoints, own } = here;
  for (const old of runs.values()) if (old.part === part) old.stop();
  const run = new Run(checkpoints, part, values, send);
  runs.set(run.id, run);
  for (const old of [...runs.keys()].slice(0, -KEPT)) runs.delete(old);
  return run.run(async () => asked(checkpoints, await own(part), part, values));
});
