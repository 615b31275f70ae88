// Stores the current training and trained models in the browser's database (IndexedDB).

import { attempt, TRAINED } from "../messages/client.js";
import { continueWithout, UserError } from "../process/errors.js";
import { SHELF } from "../words/learning.js";

/** @import { Files } from "./checkpoint.js" */
/** The entry of a trained model in a list. @typedef {{ ref: string, title: string, facts: Record<string, string> }} About */

const STORES = /** @type {const} */ (["training", "models", "files"]);
const PREFIX = "trained/";

/** Return the result of a request to the browser's store. @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Return a message about an error of the browser's store. @param {unknown} error */
const sentence = (error) => (/** @type {Error} */ (error)?.name === "QuotaExceededError" ? SHELF.full : SHELF.none);

/** Return the name of a model in addresses and files. @param {string} title */
const nameOf = (title) =>
  title
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "") || "model"; // remove hyphens at both ends

export class Shelf {
  /** @param {string} base address of the page: each lab of an origin has its own database */
  constructor(base) {
    this.name = `lab-trainings ${new URL("./", base).pathname}`;
  }

  /**
   * Run `act` in one transaction, which is completed or undone as a whole. Throws the database's errors.
   * @template T @param {IDBTransactionMode} mode @param {(stores: Record<typeof STORES[number], IDBObjectStore>) => Promise<T>} act
   * @returns {Promise<T>}
   */
  async #with(mode, act) {
    const request = indexedDB.open(this.name, 1);
    request.onupgradeneeded = () => {
      for (const store of STORES) request.result.createObjectStore(store);
    };
    const database = await answer(request);
    try {
      const transaction = database.transaction(STORES, mode);
      const done = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      const stores = Object.fromEntries(STORES.map((store) => [store, transaction.objectStore(store)]));
      const acted = act(/** @type {any} */ (stores)).catch((error) => {
        attempt(() => transaction.abort()); // `abort` throws if the browser has already aborted the transaction
        throw error;
      });
      return (await Promise.all([acted, done]))[0];
    } finally {
      database.close();
    }
  }

  /** Return the result of `act`, which reads from the stores, or `instead` if the browser can't read its database. @template T @param {(stores: Record<typeof STORES[number], IDBObjectStore>) => Promise<T>} act @param {T} instead */
  #read = (act, instead) => this.#with("readonly", act).catch(continueWithout("what this browser keeps", instead));

  // --- The current training

  /**
   * Store the current training in place of the previous one. Its entries are copied one at a time, so that the page
   * stays responsive. Return an error message, "" after success.
   * @param {Record<string, unknown>} record
   */
  keep = (record) =>
    this.#with("readwrite", async ({ training }) => {
      await answer(training.clear());
      for (const [name, value] of Object.entries(record)) await answer(training.put(value, name));
    }).then(() => "", sentence);

  /** Read the stored training, or null if there is none. @returns {Promise<any>} */
  restore = () =>
    this.#read(async ({ training }) => {
      const [names, values] = await Promise.all([answer(training.getAllKeys()), answer(training.getAll())]);
      return names.length ? Object.fromEntries(names.map((name, i) => [name, values[i]])) : null;
    }, null);

  /** Delete the stored training. */
  drop = () =>
    this.#with("readwrite", ({ training }) => answer(training.clear())).catch(
      continueWithout("room for another training"),
    );

  // --- Models

  /**
   * Store a trained model. Throws a UserError if the browser's database fails.
   * @param {{ title: string, facts: Record<string, string>, files: Files }} model @returns {Promise<string>} the
   * model's name in the page
   */
  put({ title, facts, files }) {
    const kept = this.#with("readwrite", async (stores) => {
      const taken = new Set(await answer(stores.models.getAllKeys()));
      const name = PREFIX + nameOf(title);
      let ref = name;
      for (let n = 2; taken.has(ref); n++) ref = `${name}-${n}`;
      stores.models.put({ ref, title, facts }, ref);
      stores.files.put(files, ref);
      attempt(() => localStorage.setItem(TRAINED, "yes"));
      return ref;
    });
    return kept.catch((cause) => {
      throw new UserError(sentence(cause), { cause });
    });
  }

  /** List all models, without their files. @returns {Promise<About[]>} */
  all = () => this.#read(({ models }) => answer(models.getAll()), []);

  /** Read a model with its files, or null if no model has this name. @param {string} ref @returns {Promise<(About & { files: Files }) | null>} */
  get = (ref) =>
    this.#read(async ({ models, files }) => {
      const [about, content] = await Promise.all([answer(models.get(ref)), answer(files.get(ref))]);
      return about ? { ...about, files: content } : null;
    }, null);

  /** Delete a model. Throws a UserError if the browser's database fails. @param {string} ref */
  remove = (ref) =>
    this.#with("readwrite", ({ models, files }) =>
      Promise.all([answer(models.delete(ref)), answer(files.delete(ref))]),
    ).catch((cause) => {
      throw new UserError(sentence(cause), { cause });
    });
}
