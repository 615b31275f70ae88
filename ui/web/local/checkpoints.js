// Loads the worker's models, and stores their facts and the measured seconds of a step. Reads the JSON files that
// ui/static has written.

import { load } from "../network/model.js";
import { factsOf } from "../plans/facts.js";
import { recent } from "../plans/plan.js";
import { UserError } from "../process/errors.js";
import { Catalogue, hasEmoji, isTrainedHere } from "../words/catalogue.js";
import { factsAnswer, factsIn } from "./facts.js";
import { Files, once } from "./files/store.js";

/** @import { Loaded } from "../computing/computation.d.ts" */
/** @import { Facts, StepKind } from "../plans/plan.js" */
/** @import { FactsAnswer } from "../messages/protocol.d.ts" */
/** @import { Words } from "../words/catalogue.js" */
/** @import { WrittenFacts } from "./facts.js" */

/** A function that reads a JSON file that ui/static has written. @typedef {(name: string) => Promise<any>} Read */

const SMALL = 3e6; // bytes of a checkpoint; a smaller checkpoint is fetched before a visitor presses Run
const LONG = 1; // seconds of an evaluation; a slower model is not timed in advance, because the worker receives no messages while it computes

export class Checkpoints {
  /**
   * For each model, the seconds that its last evaluations took together, and the number of images in them.
   * @type {Map<string, [seconds: number, images: number]>}
   */
  #paces = new Map();
  /** For each model that has not been timed yet, the expected seconds of one evaluation. @type {Map<string, number>} */
  #expected = new Map();
  /** @type {Map<string, Facts>} */
  #facts = new Map();
  /** @type {Map<string, Promise<Loaded>>} */
  #loaded = new Map();
  /** The technique that computes the first loaded model, "WebGPU" or "WebAssembly"; "" before a model is loaded. */
  engine = "";
  /** @type {Map<string, WrittenFacts>} */
  #known = new Map();
  /** Names of the models that a GPU computes. @type {Set<string>} */
  onGpu = new Set();

  /** @param {{ models: string[], answers: Record<string, any>, words: Words }} knowledge @param {Files} files @param {Read} read */
  constructor(knowledge, files, read) {
    this.knowledge = knowledge;
    this.files = files;
    this.read = read;
    this.catalogue = new Catalogue(knowledge.words);
  }

  emoji = once(async () => {
    this.catalogue.emoji = await this.read("emoji.json");
    return this.catalogue.emoji;
  });

  /**
   * If a request contains emoji, load the names of all emoji: the models read a name in place of an emoji.
   * @param {Record<string, unknown>} request
   */
  async prepare(request) {
    if (Object.values(request).some((value) => typeof value === "string" && hasEmoji(value))) await this.emoji();
  }

  /** Return the expected seconds of a step, null if they are unknown. @param {StepKind} kind */
  pace = ({ ref, batch }) => this.seconds(ref, batch);

  /** Return the expected seconds of one step of `images` images, null if they are unknown. @param {string} ref */
  seconds(ref, images = 1) {
    const [seconds, measured] = this.#paces.get(ref) ?? [this.#expected.get(ref), 1];
    return seconds === undefined ? null : (images * seconds) / measured;
  }

  /**
   * Record the measured time of an evaluation.
   * @param {string} ref @param {number} seconds that the model took to evaluate `images` images
   */
  note(ref, seconds, images = 1) {
    const [oldSeconds, oldImages] = this.#paces.get(ref) ?? [0, 0];
    const kept = recent(seconds);
    this.#paces.set(ref, [kept * oldSeconds + seconds, kept * oldImages + images]);
  }

  /**
   * Read and store the facts of a checkpoint: a checkpoint of this page, of this browser's trainings, or of the Hub.
   * @param {string} ref
   */
  async learn(ref) {
    if (this.#known.has(ref)) return;
    const { models, answers } = this.knowledge;
    const known = await (models.includes(ref)
      ? this.read(`models/${models.indexOf(ref)}.json`)
      : isTrainedHere(ref)
        ? import("./files/own.js").then(({ onShelf }) => onShelf(ref, this.files.base))
        : import("./files/hub.js").then(({ onHub }) => onHub(ref, answers.hub)));
    if (!this.#known.has(ref)) this.#known.set(ref, known); // a second call may have stored the facts meanwhile
  }

  /** Replace the stored facts by `known`, and forget all other models. @param {Record<string, WrittenFacts>} known by model */
  replace(known) {
    this.#known = new Map(Object.entries(known));
    for (const kept of [this.#facts, this.#loaded, this.onGpu])
      for (const ref of kept.keys()) if (!this.#known.has(ref)) kept.delete(ref);
  }

  /**
   * Return the facts of a checkpoint that `learn` has stored. Throw a UserError if there are none.
   * @param {string} ref @returns {WrittenFacts}
   */
  known(ref) {
    const known = this.#known.get(ref);
    if (!known) throw new UserError(`There is no model ${ref} on this page`);
    return known;
  }

  /** Return the answer to the page's request for the facts of a checkpoint. @param {string} ref @returns {Promise<FactsAnswer>} */
  async answer(ref) {
    return factsAnswer(ref, this.known(ref), this.seconds(ref), this.catalogue.isOwn(ref), await this.missing(ref));
  }

  /**
   * Return example pictures for a model, which visitors can use in place of their own pictures.
   * @param {string} ref @returns {Promise<any[]>}
   */
  async examples(ref) {
    const number = this.knowledge.models.indexOf(ref);
    return number < 0 ? [] : this.read(`models/${number}-examples.json`);
  }

  /** Return the facts of a model, null for a model of the Hub that is not loaded yet. @param {string} ref @returns {Facts | null} */
  facts(ref) {
    const found = this.#facts.get(ref);
    if (found) return found;
    const written = factsIn(this.known(ref));
    if (!written) return null;
    const facts = factsOf(ref, written);
    this.#facts.set(ref, facts);
    return facts;
  }

  /**
   * Return the number of bytes that must still be fetched for a model. It is 0 if the model is small, in memory or in
   * the browser's cache.
   * @param {string} ref
   */
  async missing(ref) {
    const { root, files, own } = this.known(ref);
    if (this.#loaded.has(ref) || own || this.bytes(ref) < SMALL) return 0;
    const needed = await Promise.all(
      Object.entries(files).map(async ([path, entry]) =>
        (await this.files.has(root ?? folderOf(ref), path, entry)) ? 0 : entry[0],
      ),
    );
    const left = needed.reduce((sum, size) => sum + size, 0);
    return left < SMALL ? 0 : left; // some small files of a model are never read, so the cache lacks them
  }

  /** Return the bytes of all files of a checkpoint. @param {string} ref */
  bytes = (ref) => Object.values(this.known(ref).files).reduce((sum, [size]) => sum + size, 0);

  /** Wait until no model is being loaded any more. */
  quiet = () => Promise.allSettled(this.#loaded.values());

  /** Return whether a model is loaded or being loaded. @param {string} ref */
  isLoaded(ref) {
    return this.#loaded.has(ref);
  }

  /**
   * Load a model and time it before its first run, so that the page can say how long the run will take.
   * @param {string} ref
   */
  async warm(ref) {
    if (this.#paces.has(ref)) return;
    const model = await this.model(ref).catch(console.warn); // a run of this model will show the error
    if (!model || this.#paces.has(ref)) return;
    if (model.seconds) this.#expected.set(ref, model.seconds);
    if (model.seconds && model.seconds > LONG) return;
    const x = new Float32Array(model.channels * model.size ** 2);
    for (let i = 0; i < 3; i++) {
      const began = performance.now();
      await model.network(x, 0, model.words ? model.words("") : model.nullLabel);
      if (i === 2) this.note(ref, (performance.now() - began) / 1000);
    }
  }

  /**
   * Return a loaded model, after loading it if necessary.
   * @param {string} ref @param {(done: number, total: number) => void} [progress] gets the numbers of bytes
   * @param {AbortSignal} [leave] aborts the loading @returns {Promise<Loaded>}
   */
  model(ref, progress = () => {}, leave = undefined) {
    const found = this.#loaded.get(ref);
    if (found) return found;
    const known = this.known(ref);
    const { files } = known;
    const total = this.bytes(ref);
    /** @type {Map<string, number>} */
    const done = new Map();
    const read = async (/** @type {string} */ path) =>
      known.own?.get(path)?.slice().buffer ??
      this.files.read(
        known.root ?? folderOf(ref),
        path,
        files[path],
        (bytes) => {
          done.set(path, bytes);
          progress(
            [...done.values()].reduce((a, b) => a + b, 0),
            total,
          );
        },
        leave,
      );
    const loading = load(read, ref)
      .then(async (model) => {
        if (!known.spec) Object.assign(known, (await import("./files/hub.js")).factsOfModel(model, ref, known));
        this.engine ||= model.engine;
        if (model.seconds === null) this.onGpu.add(ref);
        return /** @type {Loaded} */ (Object.assign(model, this.facts(ref)?.process));
      })
      .catch((error) => {
        if (this.#loaded.get(ref) === loading) this.#loaded.delete(ref); // after a call of `replace`, another load of this model may have started
        throw error;
      });
    this.#loaded.set(ref, loading);
    return loading;
  }
}

/** Return the folder of a checkpoint that this page offers. @param {string} ref */
const folderOf = (ref) => `checkpoints/${ref}`;
