// The files of models: fetched with their progress, and kept in the browser's cache where it keeps anything.

const KEPT = "lab-models"; // the name of the cache

export class Files {
  /** @param {string} base where the page is */
  constructor(base) {
    this.base = base;
  }

  /**
   * @param {string} ref @param {string} path in its folder @param {number | undefined} size bytes that it has
   * @param {(done: number) => void} progress
   * @returns {Promise<ArrayBuffer | null>}
   */
  async read(ref, path, size, progress) {
    if (size === undefined) return null; // it has no such file
    const address = new URL(`checkpoints/${ref}/${path}`, this.base).href;
    const answer = await fetch(address).catch(() => null);
    if (!answer?.ok || !answer.body)
      throw new Error(`${ref} could not be loaded: there is no network, or its file ${path} is missing`);
    const whole = new Uint8Array(size);
    let done = 0;
    for (const reader = answer.body.getReader(); ; ) {
      const { value, done: over } = await reader.read().catch(() => ({ value: undefined, done: true }));
      if (over || !value) break;
      if (done + value.length <= size) whole.set(value, done);
      done += value.length;
      progress(done);
    }
    if (done !== size) throw new Error(`${ref} came incomplete, ${done} of ${size} bytes of ${path}: try again`);
    return whole.buffer;
  }
}
