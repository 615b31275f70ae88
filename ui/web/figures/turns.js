// The order of the tasks in a worker. A new task replaces the task in its slot. Tasks with `behind` run when no other
// task waits.

/**
 * A task that answers a question. tell: takes each piece of the answer. end: is called once, with whether the answer is
 * complete, and with an error.
 * @typedef {object} Task
 * @property {AsyncGenerator<any>} steps yields a piece of the answer, or null after some computing without a piece
 * @property {boolean} behind whether all other tasks come first
 * @property {(piece: any) => void} tell
 * @property {(whole: boolean, error?: unknown) => void} end
 */

const BREATH = 8; // ms of computing, after which the worker handles new messages

export class Turns {
  /** The tasks by their slots, the newest one last. @type {Map<string, Task>} */
  #tasks = new Map();
  #works = false;

  /** @param {() => Promise<unknown>} breathe lets the worker handle new messages @param {() => number} [now] returns the time in ms */
  constructor(breathe, now = () => performance.now()) {
    this.breathe = breathe;
    this.now = now;
  }

  /** Add a task; it replaces the task in its slot. @param {string} slot @param {Task} task */
  ask(slot, task) {
    this.drop(slot);
    this.#tasks.set(slot, task);
    this.#work();
  }

  /** End the task of a slot before its answer is complete. @param {string} slot */
  drop(slot) {
    const task = this.#tasks.get(slot);
    if (!task) return;
    this.#tasks.delete(slot);
    task.end(false);
  }

  /** Choose the next task: the newest one without `behind`, else the oldest one. @returns {[string, Task] | undefined} */
  #next() {
    const all = [...this.#tasks];
    return all.findLast(([, { behind }]) => !behind) ?? all[0];
  }

  /** Compute the tasks, piece by piece, until none is left. */
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

  /** Compute the next piece of a task. @param {string} slot @param {Task} task */
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
