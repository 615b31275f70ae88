// Who computes next in a worker. Of a slot the newest question wins; what waits behind is computed when nothing else is.

/**
 * A question under way. tell: takes each piece of the answer. end: is called once, with whether the whole answer came, or
 * with what went wrong.
 * @typedef {object} Task
 * @property {AsyncGenerator<any>} steps gives a piece of the answer, or null where it has only computed for a while
 * @property {boolean} behind
 * @property {(piece: any) => void} tell
 * @property {(whole: boolean, error?: unknown) => void} end
 */

const BREATH = 8; // ms of computing after which the worker hears what came meanwhile

export class Turns {
  /** By their slots; the newest is the last. @type {Map<string, Task>} */
  #tasks = new Map();
  #works = false;

  /** @param {() => Promise<unknown>} breathe lets messages in @param {() => number} [now] ms */
  constructor(breathe, now = () => performance.now()) {
    this.breathe = breathe;
    this.now = now;
  }

  /** @param {string} slot @param {Task} task */
  ask(slot, task) {
    this.drop(slot);
    this.#tasks.set(slot, task);
    this.#work();
  }

  /** Nobody waits for the answer of this slot any longer. @param {string} slot */
  drop(slot) {
    const task = this.#tasks.get(slot);
    if (!task) return;
    this.#tasks.delete(slot);
    task.end(false);
  }

  /** @returns {[string, Task] | undefined} */
  #next() {
    const all = [...this.#tasks];
    return all.findLast(([, { behind }]) => !behind) ?? all[0];
  }

  async #work() {
    if (this.#works) return;
    this.#works = true;
    let heard = this.now();
    for (let next = this.#next(); next; next = this.#next()) {
      const [slot, task] = next;
      await this.#step(slot, task);
      if (this.now() - heard < BREATH) continue;
      await this.breathe();
      heard = this.now();
    }
    this.#works = false;
  }

  /** @param {string} slot @param {Task} task */
  async #step(slot, task) {
    const isAsked = () => this.#tasks.get(slot) === task;
    try {
      const { value, done } = await task.steps.next();
      if (!isAsked()) return void task.steps.return(undefined);
      if (done) this.#tasks.delete(slot);
      if (value) task.tell(value);
      if (done) task.end(true);
    } catch (error) {
      if (!isAsked()) return;
      this.#tasks.delete(slot);
      task.end(false, error);
    }
  }
}
