// What computes in the browser: answers the client's questions with the translated modules of Python, and runs.
import { Files } from "./files/store.js";
import { Run, sentence } from "./jobs.js";
import { Lab, natives } from "./lab.js";
import { parts } from "./parts/index.js";
import { $, plain, python } from "./python.js";
import { unpack } from "./uploads.js";

/** @typedef {(values: any) => any} Answer */

/** @type {Map<string, Run>} the newest ones */
const runs = new Map();
const KEPT = 8;

/** Everything else waits for this. @type {Promise<{ lab: Lab, own: Record<string, any> }>} */
let ready;

/** @param {string} folder of what Python has written @param {string} base of the page */
async function begin(folder, base) {
  const json = (/** @type {string} */ name) => fetch(`${folder}/${name}`).then((answer) => answer.json());
  const [knowledge, { translated }] = await Promise.all([json("knowledge.json"), import(`${folder}/translated.js`)]);
  translated($);
  natives();
  const lab = new Lab(knowledge, new Files(base), json);
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
  async model({ ref }) {
    await lab.learn(ref);
    if (!lab.models.to_download(ref)) lab.warm(ref);
    return lab.about(ref);
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
    return { path: URL.createObjectURL(new Blob([content])), name };
  },
  room: () => ({ why: lab.knowledge.answers.room }),
});

/** @param {{ verb: string, part: string, what: string, values: any, file: File }} question */
async function answer({ verb, part, what, values, file }) {
  const { lab, own } = await ready;
  if (verb === "upload") return own.lab.upload(file);
  if (part === "lab") return { ...questions(lab), ...own.lab.questions }[what](values);
  const its = own[part];
  await prepared(lab, values);
  if (what === "describe") return plain(its.describe(its.request(part, python(values))));
  return its.questions[what](values);
}

/** What Python's code wants at once: pictures as text, and what there is to know of models. @param {Lab} lab @param {any} values */
const prepared = (lab, { picture, picture_b, checkpoint, checkpoint_b }) =>
  Promise.all([unpack(picture), unpack(picture_b), lab.learn(checkpoint), lab.learn(checkpoint_b)]);

addEventListener("message", async ({ data }) => {
  const { id, verb, part, values } = data;
  const send = (/** @type {any} */ content) => postMessage({ id, answer: content });
  if (verb === "begin") {
    ready = begin(data.folder, data.base);
    return ready.then(
      () => send({}),
      (error) => send(refusal(error)),
    );
  }
  if (verb !== "run") return answer(data).then(send, (error) => send(refusal(error)));
  const { lab, own } = await ready;
  for (const old of runs.values()) if (old.part === part) old.stop();
  const run = new Run(lab, part, send);
  runs.set(run.id, run);
  for (const old of [...runs.keys()].slice(0, -KEPT)) runs.delete(old);
  return run.run(
    () => prepared(lab, values),
    () => own[part].request(part, python(values)),
  );
});
