// Buttons that set the form and begin a run. If the form has the settings of a button, the button is marked.

import { button, el } from "../drawing/dom.js";
import { duration } from "../words/units.js";

/** @import { Values } from "../messages/client.js" */
/** @import { Panel } from "./panel.js" */

/**
 * A button. picture: an element before the title. values: the settings of the run. part: the part that computes the
 * run, if it is another part. act: a function that a press calls instead of a run.
 * @typedef {{ title: string, picture?: HTMLElement, values?: Values, part?: string, act?: () => unknown, primary?: boolean }} Starter
 */

const LONG = 10; // seconds; the button of a longer run shows its time

export class Starters {
  element = el("div", { class: "try" });
  /** @type {{ starter: Starter, node: HTMLButtonElement, time: HTMLElement }[]} */
  #all = [];
  /** The models, values and time of the last described run. models is "" while the buttons have no times. */
  #timed = { models: "", values: "", seconds: /** @type {number | null} */ (null) };

  /** @param {Panel<any>} panel @param {Starter[]} starters */
  constructor(panel, starters) {
    this.panel = panel;
    this.offer(starters);
  }

  /** Show these buttons. @param {Starter[]} starters */
  offer(starters) {
    this.#all = starters.map((starter) => {
      const time = el("small", null);
      const look = starter.primary ? "button primary" : "button";
      const { title, picture } = starter;
      const label = [...(picture ? [picture] : []), el("span", null, title)];
      const node = button({ class: look }, () => this.#press(starter), ...label, time);
      return { starter, node, time };
    });
    this.element.replaceChildren(...this.#all.map(({ node }) => node));
    this.#timed.models = "";
    this.mark();
  }

  /**
   * React to a new description of the form. Update the times of all buttons if the models have changed, or the time of
   * the same run.
   */
  describe() {
    this.mark();
    const { description, form } = this.panel;
    const before = this.#timed;
    const seconds = description?.seconds ?? null;
    this.#timed = { models: form.refs.join(), values: JSON.stringify(form.values), seconds };
    const { models, values } = this.#timed;
    if (models !== before.models || (values === before.values && seconds !== before.seconds)) this.showTimes();
  }

  /** Set the form and begin the run, or call the button's own function. @param {Starter} starter */
  #press({ values = {}, part = this.panel.part, act }) {
    const { page } = this.panel;
    if (act) act();
    else if (part !== this.panel.part) page.open(part, page.whole(part, values), { push: true, cause: "press" });
    else {
      this.panel.form.reset();
      this.panel.set(values, "press");
    }
    this.mark();
  }

  /** Mark each button whose settings the form has. */
  mark() {
    const { form } = this.panel;
    for (const { starter, node } of this.#all) {
      const { values, part } = starter;
      if (!values || part) continue;
      const own = form.fields.filter(({ name }) => Object.hasOwn(values, name)); // some options have no field in this form
      const isChosen = own.every(({ name }) => String(form.value(name) ?? "") === String(values[name]));
      node.setAttribute("aria-pressed", String(isChosen));
    }
  }

  /** Show the time on the button of each long run. */
  showTimes() {
    const { page, part: own, form } = this.panel;
    return Promise.all(
      this.#all.map(async ({ starter: { values, part = own, act }, time }) => {
        if (!values || act) return;
        const wanted = page.whole(part, { checkpoint: form.refs[0], ...values });
        const model = await page.knowledge.about(String(wanted.checkpoint));
        // the number of pictures that the form uses by default
        const count = values.count ?? (model.error === undefined ? model.count : wanted.count);
        const answer = await page.knowledge.describe(part, { ...wanted, count });
        const seconds = answer.error === undefined ? (answer.seconds ?? 0) : 0;
        time.textContent = seconds >= LONG ? duration(seconds) : "";
      }),
    );
  }
}
