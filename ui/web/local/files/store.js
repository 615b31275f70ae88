// Fetches the files of models, reports the progress, and stores them in the browser's cache if there is one.

import { UserError } from "../../process/errors.js";

export const MARK = 12; // length of a mark, which is the beginning of a file's SHA-256
export const PATIENCE = 10_000; // ms without a new byte after which a request is aborted

/**
 * A file of a checkpoint. size: bytes. mark: letters that change with the file's content (see isMarked). root: the
 * folder of another checkpoint, if the file lies there.
 * @typedef {[size: number, mark: string, root?: string]} Entry
 */

/** Return the name of the models' cache. Two pages of one origin have two caches. @param {string} base the page's address */
export const cacheName = (base) => `lab-models ${new URL("./", base).pathname}`;

export class Files {
  isFull = false; // whether the cache had no room for a file; the end of a run reports this
  /** @param {string} base the page's address */
  constructor(base) {
    this.base = base;
  }

  /** @param {string} root @param {string} path @param {Entry} entry */
  #address = (root, path, [, mark, other = root]) => new URL(`${other}/${path}?${mark}`, this.base).href;
  #cache = async () => globalThis.caches?.open(cacheName(this.base)).catch(console.warn);

  /** Return whether the cache has a file. @param {string} root the checkpoint's folder @param {string} path in it @param {Entry} entry */
  async has(root, path, entry) {
    const cache = await this.#cache();
    return Boolean(await cache?.match(this.#address(root, path, entry)));
  }

  /**
   * Return the bytes of a file from the cache or the network, null if the checkpoint has no such file. Throw a
   * UserError if the file can't be loaded.
   * @param {string} root the checkpoint's folder @param {string} path in it @param {Entry | undefined} entry
   * @param {(done: number) => void} progress gets the number of bytes so far @param {AbortSignal} [leave] aborts the
   * download
   * @returns {Promise<ArrayBuffer | null>}
   */
  async read(root, path, entry, progress, leave) {
    if (!entry) return null;
    const address = this.#address(root, path, entry);
    const cache = await this.#cache();
    const before = await cache?.match(address);
    const own = before && (await readWhole(before, path, entry, progress).catch(console.warn)); // a damaged file is fetched anew
    if (own) return own.buffer;
    const quit = new AbortController();
    leave?.addEventListener("abort", () => quit.abort()); // AbortSignal.any would need Safari 17.4
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
      await cache?.delete(address, { ignoreSearch: true }); // ignoring the mark deletes older versions, too
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

/** Return the error for a file that can't be loaded. @param {string} path @param {unknown} [cause] */
const unreachable = (path, cause) =>
  new UserError(`${path} could not be loaded: is there a network? Press Run to try again`, { cause });

/**
 * Return the bytes of an answer. Throw a UserError if bytes are missing, or if they do not have the mark.
 * @param {Response} answer @param {string} path @param {Entry} entry @param {(done: number) => void} progress gets the
 * number of bytes so far
 */
async function readWhole(answer, path, [size, mark], progress) {
  if (!answer.ok || !answer.body) throw unreachable(path);
  const bytes = new Uint8Array(size);
  let done = 0;
  /** @type {unknown} the error that has ended the reading */
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

/**
 * Return whether the SHA-256 of the bytes begins with the mark. Other marks, such as commits of the Hub, can't be
 * checked: return true.
 * @param {Uint8Array<ArrayBuffer>} bytes @param {string} mark
 */
async function isMarked(bytes, mark) {
  if (!globalThis.crypto?.subtle || mark.length !== MARK) return true; // browsers have crypto.subtle only with https
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .startsWith(mark);
}

/**
 * Return a function that calls `load` once and then always returns the same promise. After a failure, the next call
 * calls `load` again.
 * @template T @param {() => Promise<T>} load @returns {() => Promise<T>}
 */
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
