// What there is to try, each with one press. All stay; the one whose settings are chosen is marked.

import { button, el } from "../drawing/dom.js";
import { duration } from "../words/units.js";

/** @import { Values } from "../messages/client.js" */
/** @import { Panel } from "./panel.js" */

/**
 * title: what it says, and on a phone, where it is long. values: what it sets, in this part or another. act: what it does
 * where that is not all.
 * @typedef {{ title: string, short?: string, values?: Values, part?: string, act?: () => unknown, primary?: boolean }} Starter
 */

const LONG = 10; // seconds of a run: a button that starts one says how long it takes

export class Starters {
  element = el("div", { class: "try" });
  /** @type {{ starter: Starter, node: HTMLButtonElement, time: HTMLElement }[]} */
  #all = [];
  /** What was described last: the models, the values and the time of the run. Without models, no times were asked for. */
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

  /** The settings are described, and so the time of their run. If that time has changed, all others have, too. */
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

  /** Mark the one whose settings are chosen. */
  mark() {
    const { form } = this.panel;
    for (const { starter, node } of this.#all) {
      const { values, part } = starter;
      if (!values || part) continue;
      const isChosen = (/** @type {string} */ name) => String(form.value(name) ?? "") === String(values[name]);
      node.setAttribute("aria-pressed", String(Object.keys(values).every(isChosen)));
    }
  }

  /** Say of each that starts a long run how long it takes. */
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
