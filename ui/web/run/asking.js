// The questions that the page asks while a visitor chooses: what the form's models offer, and then how long a run would take.

import { NEXT } from "./standing.js";

/** @import { About } from "../form/form.js" */
/** @import { Answer } from "../messages/client.js" */
/** @import { Panel } from "./panel.js" */

const NOT_KNOWN = 500; // ms to wait before the page asks again, while the time of a run is not known
const PATIENCE = 20_000; // ms after the last change, when the page stops asking

export class Asking {
  #number = 0; // the number of the newest question, which tells late answers apart
  #timer = 0;
  #since = 0; // when the last change was, in ms of performance.now()

  /** @param {Panel<any>} panel */
  constructor(panel) {
    this.panel = panel;
  }

  /** Begin the question to which an event leads; the question before it is dropped. Returns its number, 0 if there is none. @param {string} event */
  #begin(event) {
    const { standing } = this.panel;
    if (!NEXT.question[standing.state.question][event]) return 0;
    standing.on(event);
    clearTimeout(this.#timer);
    return ++this.#number;
  }

  /** Ask what the models of the form offer. Returns null if other models were chosen meanwhile. @returns {Promise<(Answer<About> | null)[] | null>} */
  async models() {
    const number = this.#begin("choose");
    const { form, page, standing } = this.panel;
    const pictures = form.fields.some(({ name }) => name === "picture"); // such a form offers the model's examples
    const questions = form.refs.map((ref) => (ref === null ? null : page.knowledge.about(ref, pictures)));
    const answers = await Promise.all(questions);
    if (number !== this.#number) return null;
    standing.on("know");
    return answers;
  }

  /** The values have changed: ask about them after a pause. @param {number} pause ms */
  later(pause) {
    this.#since = performance.now();
    this.#wait(pause);
  }

  /** @param {number} pause ms */
  #wait(pause) {
    if (this.#begin("wait")) this.#timer = setTimeout(() => this.#ask(), pause);
  }

  /** Ask how long a run takes, and begin it if there is a reason. */
  async #ask() {
    const { panel } = this;
    const { page, part, form, standing } = panel;
    const number = this.#begin("ask");
    const answer = await page.knowledge.describe(part, form.values);
    if (number !== this.#number) return;
    standing.on("answer");
    const isPossible = panel.describe(answer, number);
    const { auto, again } = answer.error === undefined ? { ...answer, again: 0 } : { ...answer, auto: false };
    if (again) return this.#wait(1000 * again);
    const isLate = performance.now() > this.#since + PATIENCE;
    const next = standing.follow(isLate ? Boolean(auto) : auto, isPossible, panel.isRun);
    if (next === "begin") panel.start();
    if (next !== "again") return;
    this.near(); // once the model is loaded, the engine knows how long a run takes
    this.#wait(NOT_KNOWN);
  }

  /** Let the engine fetch the model already, because a run is likely. */
  near = () => this.panel.page.client.near?.(this.panel.form.refs.flatMap((ref) => ref ?? []));
}
