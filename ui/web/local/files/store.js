// The files of models: fetched with their progress, and kept in the browser's cache where it keeps anything.

export const KEPT = "lab-models"; // the name of the cache
const MARK = 12; // letters of a mark

/** A file of a checkpoint: its bytes, and letters that change with what is in it. @typedef {[size: number, mark: string]} Entry */

const FULL = "Finished, but this browser keeps no more files: the model is loaded anew next time";

export class Files {
  /** What there is to say at the end of a run. */
  notice = "";
  /** @param {string} base where the page is */
  constructor(base) {
    this.base = base;
  }

  /**
   * @param {string} root the checkpoint's folder @param {string} path in it @param {Entry | undefined} entry none for a file that there is not
   * @param {(done: number) => void} progress @param {AbortSignal} [leave]
   * @returns {Promise<ArrayBuffer | null>}
   */
  async read(root, path, entry, progress, leave) {
    if (!entry) return null;
    const [size, mark] = entry;
    const address = new URL(`${root}/${path}?${mark}`, this.base).href;
    const cache = await globalThis.caches?.open(KEPT).catch(() => null);
    const kept = await cache?.match(address);
    const answer = kept ?? (await fetch(address, { signal: leave }).catch(() => null));
    if (!answer?.ok || !answer.body)
      throw new Error(`${path} could not be loaded: is there a network? Press Run to try again`);
    const whole = new Uint8Array(size);
    let done = 0;
    for (const reader = answer.body.getReader(); ; ) {
      const { value } = await reader.read().catch(() => ({ value: undefined }));
      if (!value) break;
      if (done + value.length <= size) whole.set(value, done);
      done += value.length;
      progress(done);
    }
    if (done !== size) {
      await cache?.delete(address);
      throw new Error(`${path} came incomplete, ${done} of ${size} bytes: press Run to try again`);
    }
    if (!(await isMarked(whole, mark)))
      throw new Error(`${path} is of another version of this page: load the page again`);
    if (!kept)
      await cache?.put(address, new Response(whole)).catch(() => {
        this.notice = FULL;
      });
    return whole.buffer;
  }
}

/** Whether bytes are those that a mark of ui/static is of; a commit of the Hub names its files for good. @param {Uint8Array<ArrayBuffer>} bytes @param {string} mark */
async function isMarked(bytes, mark) {
  if (!globalThis.crypto?.subtle || mark.length !== MARK) return true; // there is none without https
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .startsWith(mark);
}
