// The order of the tasks in a worker. Each task has a slot, which is a name. A new task replaces the older task of its
// slot. The tasks take turns, piece by piece; a new task has the next turn. Tasks with `behind` have a turn only when no
// other task waits.

/**
 * A task that answers a question. tell: takes each piece of the answer. end: is called once; whole: whether the
 * answer is complete; error: why it failed.
 * @typedef {object} Task
 * @property {AsyncGenerator<any>} steps yields a piece of the answer, or null when it has computed for some time without a piece
 * @property {boolean} behind whether all other tasks come first
 * @property {(piece: any) => void} tell
 * @property {(whole: boolean, error?: unknown) => void} end
 */

const BREATH = 8; // after this many ms of computing, the worker handles new messages

export class Turns {
  /** The tasks with their slots. The first task has the next turn. @type {[slot: string, task: Task][]} */
  #queue = [];
  #works = false;

  /** @param {() => Promise<unknown>} breathe lets the worker handle new messages @param {() => number} [now] returns the time in ms */
  constructor(breathe, now = () => performance.now()) {
    this.breathe = breathe;
    this.now = now;
  }

  /** Add a task; it replaces the task in its slot. @param {string} slot @param {Task} task */
  ask(slot, task) {
    this.drop(slot);
    this.#queue.unshift([slot, task]);
    this.#work();
  }

  /** End the task of a slot before its answer is complete. @param {string} slot */
  drop(slot) {
    const entry = this.#queue.find(([name]) => name === slot);
    if (entry) this.#remove(entry)[1].end(false);
  }

  /** Remove and return an entry. @param {[string, Task]} entry */
  #remove(entry) {
    this.#queue.splice(this.#queue.indexOf(entry), 1);
    return entry;
  }

  /** Compute the tasks, piece by piece, until none is left. */
  async #work() {
    if (this.#works) return;
    this.#works = true;
    let heard = this.now();
    while (this.#queue.length) {
      const entry = this.#queue.find(([, { behind }]) => !behind) ?? this.#queue[0];
      this.#queue.push(this.#remove(entry));
      await this.#step(entry);
      if (this.now() - heard < BREATH) continue;
      await this.breathe();
      heard = this.now();
    }
    this.#works = false;
  }

  /** Compute the next piece of a task. @param {[string, Task]} entry */
  async #step(entry) {
    const [, task] = entry;
    const isAsked = () => this.#queue.includes(entry);
    try {
      const { value, done } = await task.steps.next();
      if (!isAsked()) return void task.steps.return(undefined);
      if (done) this.#remove(entry);
      if (value) task.tell(value);
      if (done) task.end(true);
    } catch (error) {
      if (!isAsked()) return;
      this.#remove(entry);
      task.end(false, error);
    }
  }
}
