// What the second run is: what is switched off, whose block it takes, and in which steps.
import { button, el, find, markup } from "../../drawing/dom.js";
import { measured, titleOf, WORDS } from "../../words/network.js";

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

export class Apart {
  #drawn = ""; // what the controls were made for
  takesWords = false;

  /** @param {Panel<any>} panel */
  constructor(panel) {
    this.panel = panel;
    this.root = el("div", { class: "apart" });
    markup(this.root, MARKUP);
    panel.form.adopt("graft", this.#donor());
  }

  /** What is off, as the form has it. */
  get off() {
    return new Set(String(this.panel.form.value("off")).split(", ").filter(Boolean));
  }

  /** A button that switches a part off, or on again. @param {string} name @param {boolean} [short] skips by their size alone */
  chip(name, short = false) {
    const flip = () => {
      const { off } = this;
      if (!off.delete(name)) off.add(name);
      this.panel.set({ off: [...off].join(", ") }, "inside");
    };
    const title = titleOf(name, this.takesWords);
    const attributes = { class: "chip", "data-part": name, "aria-pressed": this.off.has(name), "aria-label": title };
    return button(attributes, flip, short ? title.replace("skips ", "") : title);
  }

  /** @param {NetworkBlock[]} blocks @param {Figures | null | undefined} figures @param {About | null} about the model */
  render(blocks, figures, about) {
    const { form } = this.panel;
    find(this.root, ".measured").textContent = measured(form.values, figures);
    const [off, graft, first, last, steps] = ["off", "graft", "first", "last", "steps"].map((name) => form.value(name));
    const drawn = JSON.stringify([off, graft, first, last, steps, about?.ref, blocks]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.takesWords = Boolean(about?.prompts.length);
    const has = {
      middle: blocks.some(({ name }) => name === "middle"),
      attention: blocks.some(({ attentions }) => attentions),
      condition: Boolean(about?.classes.length) || this.takesWords,
      time: true,
    };
    const names = Object.entries(has).flatMap(([name, is]) => (is ? [name] : []));
    const switches = names.map((name) => this.chip(name));
    find(this.root, ".switches").replaceChildren(el("span", { class: "name" }, WORDS.switch), ...switches);
    find(this.root, ".graft .name").textContent = WORDS.take(form.value("graft_block"));
    this.#when(Number(first), Number(last), Number(steps));
  }

  /** The control of the run that a block is taken from: one of the model's classes, or words. @returns {Control} */
  #donor() {
    const element = find(this.root, ".graft");
    const label = el("label", null, el("span", { class: "name" }));
    element.append(label);
    let value = ""; // may be of a model that is not known yet
    /** @type {string[]} of the model */
    let known = [];
    const choice = () => /** @type {HTMLSelectElement | null} */ (label.querySelector("[data-part]"));
    const set = (/** @type {string} */ graft) => {
      value = graft;
      const shown = choice();
      if (shown) shown.value = graft;
    };
    /** A run that this model can't have is no longer asked for. @param {About} about */
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

  /** @param {number} first @param {number} last 0 for the last one of all @param {number} steps */
  #when(first, last, steps) {
    const row = find(this.root, ".when");
    row.hidden = !this.off.size && !this.panel.form.value("graft");
    const half = Math.ceil(steps / 2);
    const spans = /** @type {[string, number, number][]} */ ([
      [WORDS.always, 1, 0],
      [WORDS.span(1, half), 1, half],
      [WORDS.span(half + 1, steps), half + 1, 0],
    ]);
    const buttons = spans.map(([title, from, to]) => {
      const attributes = { class: "preset", "data-part": title, "aria-pressed": first === from && last === to };
      return button(attributes, () => this.panel.set({ first: from, last: to }, "inside"), title);
    });
    row.replaceChildren(el("span", { class: "name" }, WORDS.in), ...buttons);
  }
}
