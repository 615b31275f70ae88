// What computes in the browser: answers the client's questions, and runs.
import { failure } from "../words/units.js";
import { Files } from "./files/store.js";
import { Run } from "./jobs.js";
import { Lab } from "./lab.js";
import { parts } from "./parts/index.js";
import { asked, cost } from "./requests.js";

/** @import { Forms } from "./lab.js" */
/** @import { Answer } from "./parts/index.js" */

/** @type {Map<string, Run>} the newest ones */
const runs = new Map();
const KEPT = 8;
const LATE = 5000; // ms after which the page need not wait for its first model any more
const GONE = "This run is no longer here: press Run again";

/** Everything else waits for this. @type {Promise<{ lab: Lab, own: ReturnType<typeof parts> }>} */
let ready;

/** @param {{ folder: string, base: string, forms: Forms }} question of what Python has written; of the page; its fields */
async function begin({ folder, base, forms }) {
  const json = (/** @type {string} */ name) => fetch(`${folder}/${name}`).then((answer) => answer.json());
  const lab = new Lab(await json("knowledge.json"), forms, new Files(base), json);
  return { lab, own: parts(lab) };
}

/** @param {unknown} error */
const refusal = (error) => ({ error: failure(error) });

/** @param {Lab} lab @returns {Record<string, Answer>} */
const questions = (lab) => ({
  async models() {
    const { models, device } = lab.knowledge.answers.models;
    return { models, device: { ...device, engine: `${await lab.engine} · fp32` }, known: true };
  },
  async facts({ ref: text, pictures }) {
    const ref = String(text).trim();
    await lab.learn(ref);
    if (!lab.missing(ref)) lab.warm(ref);
    return { ...lab.said(ref), examples: pictures ? await lab.examples(ref) : [] };
  },
  emoji: () => lab.json("emoji.json"),
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
  room: () => ({ why: lab.knowledge.answers.room }),
});

/** @param {{ part: string, what: string, values: any }} question */
async function answer({ part, what, values }) {
  const { lab, own } = await ready;
  const here = part === "lab" && questions(lab)[what];
  if (here) return here(values);
  const its = await own(part);
  if (what === "cost") return cost(lab, its, part, values);
  if (!its.questions?.[what]) throw new Error(`There is no question ${what} here`);
  return its.questions[what](values);
}

addEventListener("message", async ({ data }) => {
  const { id, verb, part, values } = data;
  const send = (/** @type {any} */ content) => postMessage({ id, answer: content });
  if (verb === "begin") {
    ready = begin(data);
    await ready
      .then(({ lab }) => Promise.race([lab.engine, new Promise((late) => setTimeout(late, LATE))]))
      .catch(() => {});
    return send({});
  }
  if (verb !== "run") return answer(data).then(send, (error) => send(refusal(error)));
  const here = await ready.catch((error) => send(refusal(error)));
  if (!here) return;
  const { lab, own } = here;
  for (const old of runs.values()) if (old.part === part) old.stop();
  const run = new Run(lab, part, values, send);
  runs.set(run.id, run);
  for (const old of [...runs.keys()].slice(0, -KEPT)) runs.delete(old);
  return run.run(async () => asked(lab, await own(part), part, values));
});
