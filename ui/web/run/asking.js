// Sends the page's requests while a visitor fills in the form. The page asks first what the chosen models offer, then
// how long a run would take.

import { NEXT } from "./standing.js";

/** @import { About } from "../form/form.js" */
/** @import { Answer } from "../messages/client.js" */
/** @import { Panel } from "./panel.js" */

const NOT_KNOWN = 500; // ms between two requests while the engine cannot estimate a run's time
const PATIENCE = 20_000; // ms after the last change of the form; then the page stops asking

export class Asking {
  #number = 0; // number of the newest request; answers to older requests are dropped
  #timer = 0;
  #since = 0; // time of the form's last change, in ms of performance.now()

  /** @param {Panel<any>} panel */
  constructor(panel) {
    this.panel = panel;
  }

  /**
   * Begin the request that follows an event, and drop the earlier request. Returns the number of the new request, or 0
   * if no request follows.
   * @param {string} event a name in `NEXT.question`
   */
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
    const pictures = form.fields.some(({ name }) => name === "picture"); // a form with a picture offers the model's example pictures
    const questions = form.refs.map((ref) => (ref === null ? null : page.knowledge.about(ref, pictures)));
    const answers = await Promise.all(questions);
    if (number !== this.#number) return null;
    standing.on("know");
    return answers;
  }

  /** Ask about changed values after a pause. @param {number} pause ms */
  later(pause) {
    this.#since = performance.now();
    this.#wait(pause);
  }

  /** Ask after a pause. This does not count as a change of the form. @param {number} pause ms */
  #wait(pause) {
    if (this.#begin("wait")) this.#timer = setTimeout(() => this.#ask(), pause);
  }

  /** Ask how long a run takes. Begin the run if it is quick, or if the visitor pressed Run. */
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
    const next = standing.afterEstimate(isLate ? Boolean(auto) : auto, isPossible, panel.isRun);
    if (next === "begin") panel.start();
    if (next !== "again") return;
    this.loadAhead(); // the engine can estimate a run's time only with a loaded model
    this.#wait(NOT_KNOWN);
  }

  /** Let the engine load the models before the visitor presses Run. */
  loadAhead = () => this.panel.page.client.preload?.(this.panel.form.refs.flatMap((ref) => ref ?? []));
}
