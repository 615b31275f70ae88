// Draws the part "What noise destroys". The browser computes this part, even if the page has a server.

import { key } from "../../drawing/chart.js";
import { button, el, find, markup, write } from "../../drawing/dom.js";
import { meanings } from "../../drawing/meanings.js";
import { play } from "../../drawing/motion.js";
import { Form } from "../../form/form.js";
import { ownPicture } from "../../form/own.js";
import { checked } from "../../plans/fields.js";
import { SCHEDULES } from "../../process/forward.js";
import { tables } from "../../process/schedule.js";
import { slideItem } from "../../run/items.js";
import { fraction } from "../../words/numbers.js";
import { failure } from "../../words/units.js";
import { Plot } from "./charts.js";
import { MARKUP } from "./markup.js";
import { Pictures } from "./pictures.js";
import { drawing, Scene } from "./scene.js";
import { Walk } from "./walk.js";
import { deviations, mean, readouts, remark, sentence, snr, WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { FieldForm } from "../../form/form.js" */
/** @import { Values } from "../../messages/client.js" */
/** @import { Cause } from "../../run/panel.js" */

const PLAYED = 10; // seconds that the animation takes from t = 0 to T
const PAUSE = 400; // ms to wait after the last change before the page's address is updated

/** Build the part. @param {Page} page @param {string} part @returns {Promise<Part>} */
export async function mount(page, part) {
  return new Forward(page, part);
}

/** The part's view. Its element has the settings in data-t, data-schedule, data-picture and data-seed. data-ready says whether the picture and the noise are loaded. */
class Forward {
  #due = false; // whether the next frame draws the part again
  #timer = 0; // the timer that updates the page's address
  #pause = () => {}; // stops the animation
  /** The tables of each schedule, such as βₜ and √ᾱₜ for every t. */
  #tables = Object.fromEntries(Object.entries(SCHEDULES).map(([name, make]) => [name, tables(make())]));
  #plots = [
    new Plot(WORDS.beta, this.#tables, ({ beta }, t) => beta[t], { low: -5, high: 0, ticks: [-4, -2, 0] }),
    new Plot(WORDS.signal, this.#tables, ({ signal }, t) => signal[t] ** 2),
    new Plot(WORDS.snr, this.#tables, snr, { low: -5, high: 5, ticks: [-4, 0, 4] }),
  ];

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    this.page = page;
    this.part = part;
    this.element = el("section", { class: "part forward", "aria-label": WORDS.title });
    markup(this.element, MARKUP);
    this.form = new Form(page.given.forms[part], page.given, (name, done) => {
      this.#pause();
      this.#apply();
      if (done && name === "t") page.say(find(this.element, ".sentence").textContent);
    });
    this.T = /** @type {number} */ (this.#field("t").high);
    this.scene = new Scene({ name: this.form.value("picture") }, Number(this.form.value("seed")));
    this.pictures = new Pictures(this.element);
    this.walk = new Walk(this.element, this.scene, () => this.#renderSoon());
    const names = this.#field("picture").names ?? [];
    this.thumbs = names.map((value) => {
      const load = () => this.scene.load({ name: value });
      return button({ value, title: value, "aria-label": value }, load, el("img", { alt: "", src: drawing(value) }));
    });
    find(this.element, ".thumbs").append(...this.thumbs);
    this.form.adopt("picture", {
      element: find(this.element, ".pictures"),
      input: null,
      get: () => this.scene.picture ?? "",
      set: (name) => {
        if (names.includes(name) && !this.scene.wants(name)) this.scene.load({ name });
      },
    });
    find(this.element, ".side").append(this.form.place("schedule"), this.form.place("seed"));
    find(this.element, ".facts").append(meanings("ᾱ", "SNR", "βₜ", "β̃ₜ", "q( )", "μ̃ₜ"));
    find(this.element, ".equation").after(this.form.place("t"));
    find(this.element, ".thumbs").after(ownPicture(this.page, this.element, (file) => this.scene.load({ file })));
    for (const plot of this.#plots) plot.onScrub((share) => this.#setTime(share));
    const plotted = find(this.element, ".plots");
    plotted.append(...this.#plots.map(({ node }) => node));
    plotted.after(key(...Object.keys(SCHEDULES).map((name) => /** @type {const} */ ([name, name]))));
    this.scene.changed = () => this.#renderSource();
    this.#renderSource();
  }

  /** Return a field of the form. @param {string} name @returns {FieldForm} */
  #field(name) {
    return /** @type {FieldForm} */ (this.form.fields.find((field) => field.name === name));
  }

  // --- Functions that the page calls

  /** Set values of the form. After the press of a button that sets t = 0, start the animation. @param {Values} values @param {Cause} cause why the values are set */
  set(values, cause) {
    this.#pause();
    this.form.set(values);
    this.#apply();
    if (cause === "press" && this.scene.t === 0) this.#play();
    if (cause && cause !== "lesson") this.form.place("t").scrollIntoView({ block: "nearest" });
  }

  /** Stop the animation, because the part leaves the screen. */
  hide() {
    this.#pause();
  }

  /** Return this part's entries of the menu Share. */
  items() {
    const make = () => this.#slide();
    return this.scene.size ? [slideItem(this.page, make, () => new URL(location.href))] : [];
  }

  /** Return x_0, ε and x_t as a slide. */
  #slide() {
    const { t, schedule, variance } = this.scene;
    const table = this.#tables[schedule];
    const labels = WORDS.slide(table.signal[t], table.noise[t], t);
    const { x0, eps, xt } = this.pictures;
    const tiles = [
      { picture: x0, label: labels.x0 },
      { picture: eps, label: labels.eps },
      { picture: xt, label: labels.xt },
    ];
    const settings = [WORDS.schedule(schedule), ...readouts(table, t, this.T, variance).map(([text]) => text)];
    const said = sentence(t, table.signal[t] ** 2, variance);
    return { title: WORDS.title, tiles, columns: 3, said, settings: settings.join(" · ") };
  }

  // --- Drawing

  /** Show which drawing is chosen, whether the picture is loaded, and the error if the picture can't be loaded. */
  #renderSource() {
    const { element, scene } = this;
    element.dataset.ready = String(scene.ready);
    const wrong = find(element, ".wrong");
    write(wrong, scene.problem);
    wrong.hidden = !scene.problem;
    for (const thumb of this.thumbs) thumb.setAttribute("aria-pressed", String(scene.wants(thumb.value)));
    this.#renderSoon();
  }

  /** Draw the part again in the next frame, then update the page's address. */
  #renderSoon() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#renderSetting();
      this.walk.render();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#remember(), PAUSE);
      if (this.scene.size) this.pictures.render(this.scene, this.#tables[this.scene.schedule]);
    });
  }

  /** Write the settings into the page's address. */
  #remember() {
    const { t, schedule, seed, picture } = this.scene;
    this.page.remember(this.part, { t, schedule, seed, picture: picture ?? undefined });
  }

  /** Show the numbers, sentences and charts of the current t and schedule. */
  #renderSetting() {
    const { element } = this;
    const { t, schedule, seed, picture, variance } = this.scene;
    const table = this.#tables[schedule];
    Object.assign(element.dataset, { t, schedule, picture: picture ?? "own", seed });
    write(find(element, ".x0 .at"), `× √ᾱ = ${fraction(table.signal[t])}`);
    write(find(element, ".eps .at"), `× √(1−ᾱ) = ${fraction(table.noise[t])}`);
    const items = readouts(table, t, this.T, variance).map(([text, title]) => el("span", { title }, text));
    find(element, ".readouts").replaceChildren(...items.flatMap((item, i) => (i ? [" · ", item] : [item])));
    write(find(element, ".sentence"), sentence(t, table.signal[t] ** 2, variance));
    for (const plot of this.#plots) plot.point(t, schedule);
    write(find(element, ".weights"), mean(t, table.of_x_0[t], table.of_x_t[t]));
    const entries = deviations(table, t).flatMap(([name, value, text]) => [
      el("dt", null, name),
      el("dd", null, value, el("small", null, text)),
    ]);
    find(element, ".numbers").replaceChildren(...entries);
    write(find(element, ".remark"), remark(table, t));
  }

  // --- Input

  /** Return the value of a field. If this value is invalid, mark the field and return `before`. @template Value @param {string} name @param {Value} before the last valid value @returns {Value} */
  #checked(name, before) {
    try {
      const value = checked(this.#field(name), this.form.value(name));
      this.form.mark(name, "");
      return /** @type {Value} */ (value);
    } catch (error) {
      this.form.mark(name, failure(error));
      return before;
    }
  }

  /** Take the settings from the form, and draw the part again. */
  #apply() {
    const { scene } = this;
    scene.t = this.#checked("t", scene.t);
    scene.schedule = this.#checked("schedule", scene.schedule);
    const seed = this.#checked("seed", scene.wanted.seed);
    if (seed !== scene.wanted.seed) scene.renew(seed);
    this.#renderSoon();
  }

  /** Set t. @param {number} share t/T, from 0 to 1 */
  #setTime(share) {
    this.#pause();
    this.form.set({ t: Math.min(this.T, Math.max(0, Math.round(this.T * share))) });
    this.#apply();
  }

  /** Start the animation, in which t grows from 0 to T. */
  #play() {
    let t = 0;
    this.#pause = play((seconds) => {
      t = Math.min(this.T, t + (this.T * seconds) / PLAYED);
      this.form.set({ t: Math.round(t) });
      this.#apply();
      return t < this.T;
    });
  }
}
