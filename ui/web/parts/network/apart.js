// The controls of the second run, which uses a changed network. They switch parts of the network off, choose a run from
// which the output of a block is taken, and choose the steps with these changes.
import { button, el, find, markup, write } from "../../drawing/dom.js";
import { measured, titleOf, WORDS } from "./words.js";

/** @import { About } from "../../form/form.js" */
/** @import { Control } from "../../form/controls.js" */
/** @import { Panel } from "../../run/panel.js" */
/** @import { Figures, NetworkBlock } from "../../messages/protocol.d.ts" */

const MARKUP = `
<div class="row switches" role="group" aria-label="${WORDS.off}"></div>
<div class="row graft"></div>
<div class="row when" role="group" aria-label="${WORDS.when}"></div>
<p class="measured" aria-live="polite"></p>
`;

/** The controls of the second run of the part "The network". */
export class Apart {
  #made = ""; // the model and its blocks, as JSON, for which the switches were made
  /** @type {{ name: string, node: HTMLButtonElement }[]} */
  #switches = [];
  #spanButtons = [0, 1, 2].map((i) => button({ class: "preset", "data-part": `span ${i}` }, () => this.#choose(i)));
  takesWords = false;

  /** @param {Panel<any>} panel */
  constructor(panel) {
    this.panel = panel;
    this.root = el("div", { class: "apart" });
    markup(this.root, MARKUP);
    find(this.root, ".when").append(el("span", { class: "name" }, WORDS.in), ...this.#spanButtons);
    panel.form.adopt("graft", this.#makeDonor());
  }

  /** The names of the network's parts that are switched off. */
  get off() {
    return new Set(String(this.panel.form.value("off")).split(", ").filter(Boolean));
  }

  /** Make a button that switches a part of the network off or on. @param {string} name @param {boolean} [short] whether the button of a skip connection shows only the size of the connection */
  chip(name, short = false) {
    /** Switch the part off, or on if it is off. */
    const flip = () => {
      const { off } = this;
      if (!off.delete(name)) off.add(name);
      this.panel.set({ off: [...off].join(", ") }, "inside");
    };
    const title = titleOf(name, this.takesWords);
    const attributes = { class: "chip", "data-part": name, "aria-pressed": this.off.has(name), "aria-label": title };
    return button(attributes, flip, short ? title.replace("skips ", "") : title);
  }

  /** Update the controls for a model. figures: the measured effects of switching parts off, if the model has measurements. @param {NetworkBlock[]} blocks @param {Figures | null | undefined} figures @param {About | null} about the model */
  render(blocks, figures, about) {
    const { form } = this.panel;
    const made = JSON.stringify([about?.ref, blocks]);
    if (made !== this.#made) this.#makeSwitches(blocks, about);
    this.#made = made;
    find(this.root, ".measured").textContent = measured(form.values, figures);
    find(this.root, ".graft .name").textContent = WORDS.take(form.value("graft_block"));
    const { off } = this;
    for (const one of this.#switches) one.node.setAttribute("aria-pressed", String(off.has(one.name)));
    find(this.root, ".when").hidden = !off.size && !form.value("graft");
    const [first, last] = ["first", "last"].map((name) => Number(form.value(name)));
    for (const [i, { title, from, to }] of this.#spans.entries()) {
      write(this.#spanButtons[i], title);
      this.#spanButtons[i].setAttribute("aria-pressed", String(first === from && last === to));
    }
  }

  /** Make a switch for each part of the network that can be switched off. @param {NetworkBlock[]} blocks @param {About | null} about */
  #makeSwitches(blocks, about) {
    this.takesWords = Boolean(about?.prompts.length);
    const has = {
      middle: blocks.some(({ name }) => name === "middle"),
      attention: blocks.some(({ attentions }) => attentions),
      condition: Boolean(about?.classes.length) || this.takesWords,
      time: true,
    };
    const names = Object.entries(has).flatMap(([name, is]) => (is ? [name] : []));
    this.#switches = names.map((name) => ({ name, node: this.chip(name) }));
    const title = el("span", { class: "name" }, WORDS.switch);
    find(this.root, ".switches").replaceChildren(title, ...this.#switches.map(({ node }) => node));
  }

  /** Make the control for the condition of the run from which a block is taken: a class of the model, or a prompt. @returns {Control} */
  #makeDonor() {
    const element = find(this.root, ".graft");
    const label = el("label", null, el("span", { class: "name" }));
    element.append(label);
    let value = ""; // the choice, perhaps a class of a model that is still loading
    /** The classes of the last model. @type {string[]} */
    let known = [];
    /** Return the control inside the label; null before a model is known. */
    const choice = () => /** @type {HTMLSelectElement | null} */ (label.querySelector("[data-part]"));
    /** Show a choice, but don't begin a run. */
    const set = (/** @type {string} */ graft) => {
      value = graft;
      const shown = choice();
      if (shown) shown.value = graft;
    };
    /** Show the choices of a model. Drop the current choice if it does not suit the model. @param {About} about */
    const offer = ({ classes, prompts }) => {
      const can = classes.length ? classes.includes(value) : prompts.length > 0 && !known.includes(value);
      known = classes;
      const made = classes.length
        ? el("select", { "data-part": "graft" }, el("option", { value: "" }, WORDS.own))
        : el("input", { type: "text", "data-part": "graft", placeholder: WORDS.other });
      made.append(...classes.map((name) => el("option", { value: name }, WORDS.donor(name))));
      made.addEventListener("change", () => this.panel.set({ graft: made.value }, "inside"));
      choice()?.remove();
      label.append(made);
      set(can ? value : "");
    };
    return { element, input: null, get: () => value, set, offer };
  }

  /** The spans of steps in which the second run may differ from the first run. `to` is 0 if a span ends at the last step. */
  get #spans() {
    const steps = Number(this.panel.form.value("steps"));
    const half = Math.ceil(steps / 2);
    return [
      { title: WORDS.always, from: 1, to: 0 },
      { title: WORDS.span(1, half), from: 1, to: half },
      { title: WORDS.span(half + 1, steps), from: half + 1, to: 0 },
    ];
  }

  /** Let the second run differ from the first run in one span of steps. @param {number} i the number of the span */
  #choose(i) {
    const { from, to } = this.#spans[i];
    this.panel.set({ first: from, last: to }, "inside");
  }
}
