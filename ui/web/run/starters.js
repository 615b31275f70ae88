// Buttons that each set up a run and begin it. The one whose settings are chosen is marked.

import { button, el } from "../drawing/dom.js";
import { duration } from "../words/units.js";

/** @import { Values } from "../messages/client.js" */
/** @import { Panel } from "./panel.js" */

/**
 * short: the title on a phone, where the title is long. values: of the run, in this part or another. act: what a press does
 * where that is something else.
 * @typedef {{ title: string, short?: string, values?: Values, part?: string, act?: () => unknown, primary?: boolean }} Starter
 */

const LONG = 10; // seconds of a run: its button says how long it takes

export class Starters {
  element = el("div", { class: "try" });
  /** @type {{ starter: Starter, node: HTMLButtonElement, time: HTMLElement }[]} */
  #all = [];
  /** The models, values and time of the run that was described last. Without models, no times were asked for. */
  #timed = { models: "", values: "", seconds: /** @type {number | null} */ (null) };

  /** @param {Panel<any>} panel @param {Starter[]} starters */
  constructor(panel, starters) {
    this.panel = panel;
    this.offer(starters);
  }

  /** Offer these. @param {Starter[]} starters */
  offer(starters) {
    this.#all = starters.map((starter) => {
      const time = el("small", null);
      const look = starter.primary ? "button primary" : "button";
      const { title, short } = starter;
      const said = short
        ? [el("span", { class: "wide" }, title), el("span", { class: "narrow" }, short)]
        : [el("span", null, title)];
      const node = button({ class: look }, () => this.#press(starter), ...said, time);
      return { starter, node, time };
    });
    this.element.replaceChildren(...this.#all.map(({ node }) => node));
    this.#timed.models = "";
    this.mark();
  }

  /** The settings are described. If the time of their run has changed, the times of all other runs have, too. */
  describe() {
    this.mark();
    const { description, form } = this.panel;
    const before = this.#timed;
    const seconds = description?.seconds ?? null;
    this.#timed = { models: form.refs.join(), values: JSON.stringify(form.values), seconds };
    const { models, values } = this.#timed;
    if (models !== before.models || (values === before.values && seconds !== before.seconds)) this.time();
  }

  /** @param {Starter} starter */
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

  /** Mark the button whose settings are chosen. */
  mark() {
    const { form } = this.panel;
    for (const { starter, node } of this.#all) {
      const { values, part } = starter;
      if (!values || part) continue;
      const isChosen = (/** @type {string} */ name) => String(form.value(name) ?? "") === String(values[name]);
      node.setAttribute("aria-pressed", String(Object.keys(values).every(isChosen)));
    }
  }

  /** Let each button of a long run say how long that takes. */
  time() {
    const { page, part: own, form } = this.panel;
    return Promise.all(
      this.#all.map(async ({ starter: { values, part = own, act }, time }) => {
        if (!values || act) return;
        const wanted = page.whole(part, { checkpoint: form.refs[0], ...values });
        const model = await page.knowledge.about(String(wanted.checkpoint));
        const count = values.count ?? (model.error === undefined ? model.count : wanted.count); // as the form begins
        const said = await page.knowledge.describe(part, { ...wanted, count });
        const seconds = said.error === undefined ? (said.seconds ?? 0) : 0;
        time.textContent = seconds >= LONG ? duration(seconds) : "";
      }),
    );
  }
}
