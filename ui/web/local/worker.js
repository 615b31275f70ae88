// What computes in the browser: answers the client's questions with the translated modules of Python, and runs.
import { Files } from "./files/store.js";
import { Run, sentence } from "./jobs.js";
import { Lab, natives, once } from "./lab.js";
import { parts } from "./parts/index.js";
import { $, plain, python } from "./python.js";

/** @typedef {(values: any) => any} Answer */

/** @type {Map<string, Run>} the newest ones */
const runs = new Map();
const KEPT = 8;
const LATE = 5000; // ms after which the page need not wait for its first model any more

/** Everything else waits for this. @type {Promise<{ lab: Lab, own: ReturnType<typeof parts> }>} */
let ready;

/** @param {string} folder of what Python has written @param {string} base of the page */
async function begin(folder, base) {
  const json = (/** @type {string} */ name) => fetch(`${folder}/${name}`).then((answer) => answer.json());
  const [knowledge, { translated }] = await Promise.all([json("knowledge.json"), import(`${folder}/translated.js`)]);
  translated($);
  natives();
  const more = once(async () => {
    const [later, { natives }] = await Promise.all([import(`${folder}/later.js`), import("./pictures/uploads.js")]);
    later.translated($);
    natives();
  });
  const lab = new Lab(knowledge, new Files(base), json, more);
  return { lab, own: parts(lab) };
}

/** @param {unknown} error */
const refusal = (error) => ({ error: sentence(error) });

/** @param {Lab} lab @returns {Record<string, Answer>} */
const questions = (lab) => ({
  async models() {
    const { models, device } = lab.knowledge.answers.models;
    return { models, device: { ...device, engine: `${await lab.engine} · fp32` }, known: true };
  },
  async model({ ref, pictures }) {
    await lab.learn(ref);
    if (!lab.models.to_download(ref)) lab.warm(ref);
    return { ...lab.about(ref), examples: pictures ? await lab.examples(ref) : [] };
  },
  run() {
    throw new Error($.module("ui.runs.pages").GONE); // with the worker of the page before
  },
  stop({ run }) {
    runs.get(run)?.stop();
    return {};
  },
  async save({ run, kind }) {
    const made = runs.get(run);
    if (!made?.recording) throw new Error($.module("ui.runs.pages").GONE);
    const [name, content] = await made.recording.save(
      kind,
      made.computation.refs.map(() =>
        $.dict([
          ["revision", null],
          ["engine", "browser · fp32"],
        ]),
      ),
    );
    return { path: URL.createObjectURL(new Blob([await content])), name };
  },
  room: () => ({ why: lab.knowledge.answers.room }),
});

/** @param {{ part: string, what: string, values: any }} question */
async function answer({ part, what, values }) {
  const { lab, own } = await ready;
  const here = part === "lab" && questions(lab)[what];
  if (here) return here(values);
  const its = await own(part);
  await prepared(lab, its, values);
  if (what === "describe") return plain(its.describe(its.request(part, python(values))));
  return its.questions[what](values);
}

/** What Python's code wants at once. @param {Lab} lab @param {import("./parts/index.js").Part} its @param {any} values */
function prepared(lab, its, values) {
  const emoji = Object.values(values).some((one) => /[^\0-\x7f]/.test(String(one ?? "")));
  return Promise.all([
    its.before?.(values),
    lab.learn(values.checkpoint),
    lab.learn(values.checkpoint_b),
    emoji && lab.more(),
  ]);
}

addEventListener("message", async ({ data }) => {
  const { id, verb, part, values } = data;
  const send = (/** @type {any} */ content) => postMessage({ id, answer: content });
  if (verb === "begin") {
    ready = begin(data.folder, data.base);
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
  const run = new Run(lab, part, send);
  runs.set(run.id, run);
  for (const old of [...runs.keys()].slice(0, -KEPT)) runs.delete(old);
  return run.run(async () => {
    const its = await own(part);
    await prepared(lab, its, values);
    return its.request(part, python(values));
  });
});
