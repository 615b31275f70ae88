// What the tabs with a form and a run have in common: the estimate while the user chooses, Run and Stop, the address.
import { copy } from "../page/page.js";
import { asked } from "./answers.js";
import { el, find } from "./dom.js";
import { linkTo } from "./link.js";

/** @import { About, PictureServer, Refusal } from "./answers.js" */

/** @typedef {Record<string, string | number>} Values what is wanted; also the keys of an address */

/**
 * What a tab is made of.
 * @typedef {object} Parts
 * @property {HTMLElement} root a .ddpm-form, with .run, .stop, .estimate, .checkpoint, #TAB-copy-link and
 * #TAB-copy-python; it gets data-ready (the model is known) and data-described (how often an estimate has come)
 * @property {string} tab its name in the address
 * @property {PictureServer} server
 * @property {(asked: Values) => Promise<{ estimate: string, python: string, error?: undefined } | Refusal>} describe
 * @property {() => Values} values of the fields
 * @property {() => Record<string, string>} pictures as text, which are too long for the query of an address
 * @property {() => string | undefined} missing a sentence where a picture is not there yet
 * @property {() => void} controls draws what follows from the fields
 * @property {() => void} begin to expect the messages of a run
 * @property {(ask: () => void) => void} end ask for the end of a run, as soon as the server knows it
 * @property {(event: string, data?: object) => void} trigger
 */

const PAUSE = 120; // ms after the last change until the server is asked

/** Offers options. @param {HTMLSelectElement} select @param {[label: string, value: string][]} options @param {string} wanted */
export function fill(select, options, wanted) {
  select.replaceChildren(...options.map(([label, value]) => el("option", { value }, label)));
  if (options.some(([, value]) => value === wanted)) select.value = wanted;
}

export class RunForm {
  #parts;
  #run;
  #timer = 0;
  #asks = 0;
  #choices = 0;
  #script = "";

  /** @param {Parts} parts */
  constructor(parts) {
    const { root, tab, trigger } = parts;
    this.#parts = parts;
    this.#run = find(root, ".run", HTMLButtonElement);
    this.#run.addEventListener("click", () => this.start());
    find(root, ".stop", HTMLElement).addEventListener("click", () => parts.end(() => trigger("stop")));
    const [link, python] = [`${tab}-copy-link`, `${tab}-copy-python`];
    find(root, `#${link}`, HTMLElement).addEventListener("click", () => {
      this.remember();
      copy(location.href, link, "The link:");
    });
    find(root, `#${python}`, HTMLElement).addEventListener("click", () => copy(this.#script, python, "The script:"));
  }

  /** Something was chosen: draw it, and soon ask what it takes. */
  changed() {
    this.#parts.controls();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#describe(), PAUSE);
  }

  async #describe() {
    const { root, tab, describe, values, pictures, missing } = this.#parts;
    const ask = ++this.#asks;
    const got = await asked(describe({ ...values(), ...pictures() }));
    if (ask !== this.#asks) return;
    const sentence = missing() || got.error;
    const place = find(root, ".estimate", HTMLElement);
    place.textContent = sentence ?? ("estimate" in got ? got.estimate : "");
    place.classList.toggle("wrong", Boolean(sentence));
    this.#run.disabled = Boolean(sentence);
    this.#script = "python" in got && !sentence ? got.python : "";
    find(root, `#${tab}-copy-python`, HTMLButtonElement).disabled = !this.#script;
    root.dataset.described = String(ask);
  }

  /**
   * Choose a model, and let the tab offer what it has, unless another is chosen meanwhile.
   * @param {string} ref @param {(about: About) => void} offer
   */
  async choose(ref, offer) {
    const { root, server } = this.#parts;
    const choice = ++this.#choices;
    root.dataset.ready = "false";
    const about = await asked(server.about_model({ checkpoint: ref }));
    if (choice !== this.#choices) return;
    /** @type {[string, string][]} */
    const choices = "choices" in about ? about.choices : [];
    const listed = choices.some(([, name]) => name === ref);
    fill(find(root, ".checkpoint", HTMLSelectElement), listed ? choices : [...choices, [ref, ref]], ref);
    if (about.error === undefined) offer(about);
    root.dataset.ready = "true";
    this.changed();
  }

  /** Put what is chosen into the address. */
  remember() {
    const { tab, values, pictures } = this.#parts;
    history.replaceState(null, "", linkTo(location.href, tab, values(), pictures()));
  }

  start() {
    const { begin, trigger, values, pictures } = this.#parts;
    if (this.#run.disabled) return;
    begin();
    this.remember();
    trigger("submit", { ...values(), ...pictures() });
  }
}
