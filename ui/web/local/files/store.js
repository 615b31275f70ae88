// The files of models: fetched with their progress, and kept in the browser's cache where it keeps anything.

import { UserError } from "../../process/errors.js";

export const MARK = 12; // letters of a mark, the first of a SHA-256
export const PATIENCE = 10_000; // ms without a byte after which a request is given up

/**
 * A file of a checkpoint: its bytes, letters that change with what is in it, and the folder of the checkpoint where it
 * lies, if that is another one.
 * @typedef {[size: number, mark: string, root?: string]} Entry
 */

/** The name of the cache: each checkpoints of an origin has its own. @param {string} base where the page is */
export const cacheName = (base) => `lab-models ${new URL("./", base).pathname}`;

export class Files {
  isFull = false; // whether the browser could not keep a file, which the end of a run says
  /** @param {string} base where the page is */
  constructor(base) {
    this.base = base;
  }

  /** @param {string} root @param {string} path @param {Entry} entry */
  #address = (root, path, [, mark, other = root]) => new URL(`${other}/${path}?${mark}`, this.base).href;
  #cache = async () => globalThis.caches?.open(cacheName(this.base)).catch(console.warn);

  /** Whether the browser keeps a file. @param {string} root the checkpoint's folder @param {string} path in it @param {Entry} entry */
  async has(root, path, entry) {
    const cache = await this.#cache();
    return Boolean(await cache?.match(this.#address(root, path, entry)));
  }

  /**
   * @param {string} root the checkpoint's folder @param {string} path in it @param {Entry | undefined} entry undefined if the checkpoint has no such file
   * @param {(done: number) => void} progress @param {AbortSignal} [leave]
   * @returns {Promise<ArrayBuffer | null>}
   */
  async read(root, path, entry, progress, leave) {
    if (!entry) return null;
    const address = this.#address(root, path, entry);
    const cache = await this.#cache();
    const before = await cache?.match(address);
    const own = before && (await readWhole(before, path, entry, progress).catch(console.warn)); // a damaged one is fetched anew
    if (own) return own.buffer;
    const quit = new AbortController();
    leave?.addEventListener("abort", () => quit.abort()); // AbortSignal.any needs Safari 17.4
    if (leave?.aborted) quit.abort();
    let timer = 0;
    const extend = () => {
      clearTimeout(timer);
      timer = setTimeout(() => quit.abort(), PATIENCE);
    };
    extend();
    try {
      const answer = await fetch(address, { signal: quit.signal }).catch((error) => {
        throw unreachable(path, error);
      });
      const advance = (/** @type {number} */ done) => {
        extend();
        progress(done);
      };
      const bytes = await readWhole(answer, path, entry, advance);
      await cache?.delete(address, { ignoreSearch: true }); // older versions, too
      await cache?.put(address, new Response(bytes)).catch((error) => {
        console.warn("The browser could not keep a file.", error);
        this.isFull = true;
      });
      return bytes.buffer;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** @param {string} path @param {unknown} [cause] */
const unreachable = (path, cause) =>
  new UserError(`${path} could not be loaded: is there a network? Press Run to try again`, { cause });

/**
 * The bytes of a file. Throws a UserError where they did not all come, or are others.
 * @param {Response} answer @param {string} path @param {Entry} entry @param {(done: number) => void} progress
 */
async function readWhole(answer, path, [size, mark], progress) {
  if (!answer.ok || !answer.body) throw unreachable(path);
  const bytes = new Uint8Array(size);
  let done = 0;
  /** @type {unknown} why no more bytes come */
  let cause;
  for (const reader = answer.body.getReader(); ; ) {
    const { value } = await reader.read().catch((error) => {
      cause = error;
      return { value: undefined };
    });
    if (!value) break;
    if (done + value.length <= size) bytes.set(value, done);
    done += value.length;
    progress(done);
  }
  if (done !== size)
    throw new UserError(`${path} came incomplete, ${done} of ${size} bytes: press Run to try again`, { cause });
  if (!(await isMarked(bytes, mark)))
    throw new UserError(`${path} is damaged, or of another version of this page: load the page again`);
  return bytes;
}

/** Whether bytes are those that a mark is of; of the Hub's small files the commit is the mark. @param {Uint8Array<ArrayBuffer>} bytes @param {string} mark */
async function isMarked(bytes, mark) {
  if (!globalThis.crypto?.subtle || mark.length !== MARK) return true; // there is none without https
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .startsWith(mark);
}

/** Return a function that loads once, and loads again only if that failed. @template T @param {() => Promise<T>} load @returns {() => Promise<T>} */
export function once(load) {
  /** @type {Promise<T> | null} */
  let loading = null;
  return () => {
    loading ??= load().catch((error) => {
      loading = null;
      throw error;
    });
    return loading;
  };
}
