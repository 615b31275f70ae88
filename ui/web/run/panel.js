// What the parts with a form and a run have in common: the estimate while the visitor chooses, Run and Stop, runs that start
// by themselves, the status line, the address, and what can be taken away.

import { button, disable, el, find, isShown, within, write } from "../drawing/dom.js";
import { Form } from "../form/form.js";
import { attempt, kept } from "../messages/client.js";
import { Stream } from "../messages/stream.js";
import { WORDED } from "../plans/plan.js";
import { FORM, RUN, SHARE } from "../words/page.js";
import { FILES } from "../words/pictures.js";
import { duration, failure } from "../words/units.js";
import { slideItem } from "./slide.js";
import { Status } from "./status.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Values } from "../messages/client.js" */
/** @import { About, FieldForm } from "../form/form.js" */

/**
 * What is said of the settings: `describe` of knowledge.js.
 * @typedef {object} Description
 * @property {string} estimate
 * @property {number | null} seconds
 * @property {boolean | null} auto whether a run may start by itself; null while its time is not known yet
 * @property {string} [summary] the settings in one line
 * @property {string} [caption]
 * @property {string} [python]
 * @property {string} [diffusers]
 * @property {string} [why] there is no script for diffusers
 * @property {import("../plans/plan.js").Plan | null} plan of the run; null where the files of a model are not here
 * @property {string} of the values that it describes, as JSON
 * @property {undefined} [error]
 */

/** What is wrong with the value of a field. @typedef {{ field: string, error: string }} Mistake */

/**
 * What has set the values: a "press" runs them, and the pictures come into sight. A press "inside" the pictures runs them,
 * and nothing moves. A "change" by hand runs where that is quick and the models are here, and so
 * does a "link", which anybody may have made; it also opens what it changes. A "lesson" ends the run that goes on, and shows
 * its own: the recorded one where it has those values.
 * @typedef {"" | "change" | "link" | "press" | "inside" | "lesson"} Cause
 */

/**
 * What a part adds.
 * @template {{ kind: string }} Result
 * @typedef {object} Options
 * @property {(result: Result) => void} take one result of the current run
 * @property {() => void} [renew] another run begins
 * @property {(seconds: number) => void} [seen] a recorded run has been shown for so long, elsewhere
 * @property {(values: Values) => void} [finished] a run has ended well; its values
 * @property {() => string | Promise<string>} [outcome] what came of it, in a sentence for a screen reader
 * @property {() => void} [render] the run stands differently, or a field has changed
 * @property {(about: About) => void} [offer] the model is known
 * @property {(about: Description) => void} [described]
 * @property {(field: FieldForm) => boolean} [side] whether the side shows a field; all where it is left out
 * @property {(field: FieldForm) => boolean} [first] whether a field is needed at once; the others are behind one line then
 */

const PAUSE = 120; // ms after the last change by hand until the server is asked
const NOT_KNOWN = 500; // ms until it is asked again how long a run takes,
const PATIENCE = 20_000; // and after the last change until it is asked no more
const AGAIN = 1000; // ms after which a run whose connection broke is looked for
const APART = 10_000; // ms between two sentences of a screen reader about the progress
const COMPOSED = 229; // the code of keys that go into what an input method composes; Safari says so of its last one, too
const FOUND = ".ddpm-player, .found, .rows, .cells-of-grid, .between, .desk, .panes"; // what comes of a run, in the stage
const MILESTONES = ["starting", "running", "stopped", "finished", "error", "lost"];

/** @template {{ kind: string }} Result */
export class Panel {
  #timer = 0;
  #since = 0; // the last change, as performance.now()
  #asks = 0;
  #choices = 0;
  /** Why to run as soon as the settings are described. @type {Cause} */
  #cause = "";
  #changed = false; // since what is shown was begun
  /** What is marked. @type {Mistake[]} */
  #wrong = [];
  /** What a run of these values has found wrong. @type {Mistake | null} */
  #failed = null;
  #came = false; // pictures of the run that goes on
  /** The values of what is shown, as its link has them; null while the model of a run that was found again is not known. @type {Values | null} */
  #ran = null;
  #recorded; // why there is nothing but a recording here, or ""
  #forget = () => {};
  #over = () => {}; // called when the run has ended
  /** @type {Description | null} */
  description = null;
  /** Of the models that are known, by the names of their fields. @type {Record<string, string>} */
  revisions = {};
  #told = { quarter: 0, when: 0 }; // to a screen reader, of the progress
  example = ""; // what is said of a recorded run, while one is shown
  /** What is said of a sketch, and whether one of what is chosen is shown, or going to be. */
  sketch = { said: "", shown: false };

  /**
   * Its element has data-state (of the run, or "idle", "starting", "lost"), data-run, data-ready (the model is known),
   * data-described (how often an estimate has come) and data-outdated (what is shown is of other settings).
   * @param {Page} page @param {string} part @param {Options<Result>} options
   */
  constructor(page, part, options) {
    this.page = page;
    this.part = part;
    this.options = options;
    this.form = new Form(page.given.forms[part], page.given, (name, done) => this.changed(name, done));
    this.stream = new Stream(
      () => this.#renderStatus(),
      (/** @type {Result} */ result) => {
        if (!this.#came && result.kind !== "plan") {
          this.#came = true;
          this.sketch = { said: "", shown: false };
        }
        options.take(result);
      },
      () => {
        this.#came = false;
        if (!this.sketch.shown) this.sketch.said = ""; // why there was none
        options.renew?.();
      },
    );
    const [first] = this.form.references;
    if (first && page.model && this.form.takes(page.model)) this.form.set({ [first.name]: page.model.ref });
    const press = () => {
      this.start();
      requestAnimationFrame(() => this.#look()); // by then the page is laid out
    };
    this.run = button({ class: "button primary run" }, press, RUN.run);
    const stop = () => this.stream.stop(() => page.client.ask("engine", "stop", { run: this.stream.run }));
    this.stop = button({ class: "button stop", disabled: true }, stop, RUN.stop);
    this.estimate = el("p", { class: "estimate", role: "status" });
    this.summary = el(
      "button",
      { type: "button", class: "summary", "aria-expanded": false },
      el("span", null, RUN.settings),
    );
    this.fields = this.form.layout(options.side, options.first);
    this.status = new Status(RUN.progress);
    this.status.show(this.stream.words);
    const bar = el("div", { class: "run-bar" }, this.status.element, this.estimate, this.run, this.stop);
    const dice = this.fields.querySelector(".dice");
    if (dice instanceof HTMLElement)
      bar.append(button({ class: "button roll", "aria-label": FORM.seed }, () => dice.click(), "⚄")); // for phones
    this.#recorded = page.given.recorded?.[part] ?? "";
    const note = el("p", { class: "recorded" }, this.#recorded);
    const own = [...(options.first ? [] : [this.summary]), this.fields, bar];
    this.side = el("div", { class: "side" }, ...(this.#recorded ? [this.status.element, note] : own));
    this.stage = el("div", { class: "stage" });
    this.origin = el("div", { class: "origin", hidden: true });
    this.element = el(
      "section",
      { class: `part part-${part}`, "data-state": "idle", "data-ready": false },
      this.side,
      this.stage,
    );
    this.side.addEventListener("pointerover", this.#near);
    for (const sign of ["pointerdown", "focusin", "keydown"]) this.element.addEventListener(sign, this.#near);
    addEventListener("models", () => this.form.list(page.given.models));
    this.summary.addEventListener("click", () => this.#unfold(!this.side.classList.contains("open")));
    this.element.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === COMPOSED) return;
      // A model that was typed is known only after its change, which runs it.
      if (event.key === "Enter" && within(event, ".field input:not([type=radio], .model input)")) this.start();
    });
  }

  /** At the first sign of a run, what it needs is fetched. */
  #near = () => this.page.client.near?.(this.form.refs.flatMap((ref) => ref ?? []));

  /** The fields of a phone. @param {boolean} open */
  #unfold(open) {
    this.side.classList.toggle("open", open);
    this.summary.setAttribute("aria-expanded", String(open));
    if (this.#wrong.length) this.changed("", false); // its sentence comes into sight, or goes
  }

  /** What is asked for, for an address: models of the Hub with the revisions that were loaded. */
  get linked() {
    const { values, references, refs } = this.form;
    for (const [i, { name }] of references.entries()) {
      const [ref, revision] = [refs[i], this.revisions[name]];
      if (revision && ref && !ref.includes("@")) values[name] = `${ref}@${revision}`;
    }
    return values;
  }

  /** Values from a link, a lesson or a preset. @param {Values} values @param {Cause} cause */
  async set(values, cause) {
    this.#failed = null;
    this.form.set(values);
    this.#changed ||= Object.keys(values).length > 0;
    if (cause === "press") this.#look();
    if (cause === "inside") cause = "press";
    if (cause === "lesson") {
      if (this.stream.active) this.stop.click();
      cause = (await this.#showExample(values)) ? "" : "change";
    }
    const back = this.page.reloaded && (await this.resume());
    this.page.reloaded = false;
    if (back) this.#ran = null;
    else this.#cause = cause || this.#cause;
    if (cause === "link") this.form.unfold(values);
    await this.choose();
    const lost = cause === "link" ? this.form.lost(values) : [];
    if (lost.length) this.page.say(RUN.impossible(lost), true);
  }

  /** A field was changed. @param {string} name @param {boolean} done not while a slider moves */
  changed(name, done) {
    this.#changed ||= name !== "";
    if (name) this.#failed = null;
    this.form.reveal(); // for the part's own controls
    if (this.form.references.some((reference) => reference.name === name)) {
      this.page.knowledge.typed.add(String(this.form.value(name)));
      this.#cause = "press";
      this.choose();
      return;
    }
    if (done && name) this.#cause ||= "change";
    this.#since = performance.now();
    this.#renderStatus();
    clearTimeout(this.#timer);
    this.#asks += 1; // an answer that is under way is of other values
    this.#timer = setTimeout(() => this.#describe(), name ? PAUSE : 0);
  }

  /** The models of the lanes are chosen: offer what they have, unless others are chosen meanwhile. @returns {Promise<void>} */
  async choose() {
    const choice = ++this.#choices;
    this.revisions = {};
    this.element.dataset.ready = "false";
    const { references, refs } = this.form;
    const pictures = this.form.fields.some(({ name }) => name === "picture"); // whether examples of one's own are wanted
    const asked = refs.map((ref) => (ref === null ? null : this.page.knowledge.about(ref, pictures)));
    const found = /** @type {((About & { error?: string }) | null)[]} */ (await Promise.all(asked));
    if (choice !== this.#choices) return;
    for (const [i, reference] of references.entries()) {
      const { name } = reference;
      const about = found[i] ?? found[0];
      this.revisions[name] = found[i]?.revision ?? "";
      if (!about?.error) this.#mark(this.#wrong.filter(({ field }) => field !== name));
      if (about?.here) this.form.offer(reference, about);
    }
    if (found[0]?.here) {
      this.page.model = found[0]; // other parts begin with it
      this.options.offer?.(found[0]);
    }
    this.element.dataset.ready = "true";
    if (this.stream.state !== "idle") this.#ran ??= this.linked;
    this.changed("", false);
  }

  async #describe() {
    if (this.#recorded) return;
    const ask = ++this.#asks;
    const got = await this.page.knowledge.describe(this.part, this.form.values);
    // Another answer is to come: of other values, or once it is known which fields the model has.
    if (ask !== this.#asks || this.element.dataset.ready === "false") return;
    const sentence = this.form.missing || got.error;
    this.description = got.error === undefined ? got : null;
    this.#mark(got.error === undefined ? [this.#failed ?? []].flat() : (got.wrong ?? []));
    const said = (sentence && this.#waits(this.#wrong)) ?? sentence ?? (got.error === undefined ? got.estimate : "");
    write(this.estimate, said); // it is read out, so only where it changes
    this.estimate.classList.toggle("wrong", Boolean(sentence && !this.form.missing)); // not yet chosen is no error
    const downloads = this.description?.auto === false && this.description.seconds === null;
    this.estimate.classList.toggle("downloads", downloads);
    this.estimate.title = this.page.given.device.engine;
    this.run.disabled = Boolean(sentence);
    const slow = this.description?.seconds ?? 0;
    this.run.textContent = slow >= 3 ? RUN.takes(duration(slow)) : RUN.run;
    write(find(this.summary, "span"), this.description?.summary ?? RUN.settings);
    if (this.description) this.options.described?.(this.description);
    this.element.dataset.described = String(ask);
    this.#renderStatus();
    if (!this.description?.auto) this.#sayOrigin(); // others are replaced at once
    if (this.element.dataset.ready !== "true") return; // once the model is known, all is described once more
    if (got.error !== undefined && got.again) {
      this.#timer = setTimeout(() => this.#describe(), 1000 * got.again);
      return;
    }
    const cause = this.#cause;
    this.#cause = "";
    if (!cause || sentence || !isShown(this.run)) return; // who has left wants no run
    if (cause === "press") this.start();
    else if (this.description?.auto === null && performance.now() < this.#since + PATIENCE) {
      this.#cause = cause;
      this.#near(); // it takes its time there
      this.#timer = setTimeout(() => this.#describe(), NOT_KNOWN);
    } else if (this.description?.auto && !this.isRun) this.start();
  }

  /** Say above what is shown that it is of other settings, and of which. */
  async #sayOrigin() {
    const ran = this.#ran;
    if (!ran || !this.#isOther) return;
    const settings = await this.page.knowledge.summary(this.part, ran).catch(() => ""); // its model may have gone
    if (ran !== this.#ran || !this.#isOther) return;
    const what = this.example ? RUN.example : this.stream.active ? RUN.going : RUN.earlier;
    write(this.origin, RUN.of(what, settings));
    this.origin.hidden = false;
  }

  /** Mark the fields whose values are wrong, and no others. @param {Mistake[]} wrong */
  #mark(wrong) {
    const shown = wrong.filter(({ field }) => this.form.has(field));
    for (const { field } of this.#wrong) if (!shown.some((one) => one.field === field)) this.form.mark(field, "");
    for (const { field, error } of shown) this.form.mark(field, error);
    this.#wrong = shown;
  }

  /** What Run waits for, where the sentences about fields are in sight. @param {Mistake[]} wrong */
  #waits(wrong) {
    const seen = wrong.filter(({ field }) => isShown(this.form.place(field)));
    const titles = seen.map((one) => {
      const { label = "", lane = "" } = this.form.fields.find(({ name }) => name === one.field) ?? {};
      return lane === "b" ? FORM.laneB(label) : label;
    });
    return titles.length && titles.length === wrong.length ? RUN.correct(titles) : null;
  }

  start() {
    if (this.run.disabled) return;
    this.#failed = null;
    this.#cause = this.example = "";
    this.#changed = false;
    kept.remove(`run-${this.part}`); // it is not looked for any more
    this.stream.start();
    this.#unfold(false);
    this.#ran = this.linked;
    this.page.remember(this.part, this.#ran);
    this.#listen(this.form.values, this.form.values);
  }

  /** Bring the pictures into sight, where a press plays them. */
  #look() {
    // Where there is no room for all of them, the pictures are seen.
    for (const one of [
      ":scope > :first-child",
      ":is(.ddpm-player, .plane, .network) .transport",
      ".ddpm-player .lanes",
    ])
      this.stage.querySelector(one)?.scrollIntoView({ block: "nearest" });
  }

  /** The values of what is shown, or those of the form where that is a sketch, or nothing. */
  get ran() {
    return (!this.sketch.shown && this.#ran) || this.linked;
  }

  /** Whether what is shown has the values that are chosen. */
  get #isSame() {
    const { linked } = this;
    const ran = this.#ran ?? linked;
    return this.form.fields.every(({ name }) => String(linked[name] ?? "") === String(ran[name] ?? ""));
  }

  /** Whether a run of the values that are chosen goes on or is shown, as after Back. */
  get isRun() {
    return this.#isSame && !this.example && (this.stream.active || this.stream.state === "finished");
  }

  /** Whether what is shown is of other values than those that are chosen. */
  get #isOther() {
    const { stream, sketch, example } = this;
    const shown = stream.active ? this.#came : Boolean(example) || stream.state !== "idle";
    return !sketch.shown && shown && this.#changed && !this.#isSame;
  }

  /** Whether what is shown is not what the form says, or not yet of the run that goes on. */
  get #outdated() {
    return this.#isOther || (!this.sketch.shown && this.stream.active && !this.#came);
  }

  /** Take up a run that went on while the page was loaded again, or its connection broken. Returns whether there is one. */
  async resume() {
    const { run, values } = attempt(() => JSON.parse(kept.get(`run-${this.part}`) ?? "")) ?? {};
    if (!run || (await this.page.ask("engine", "run", { run })).error !== undefined) return false;
    if (this.stream.active) return false; // Run was pressed meanwhile
    this.example = "";
    this.stream.run = null; // its messages are wanted
    this.stream.start();
    this.#listen({ resume: run }, values);
    return true;
  }

  async #reconnect() {
    if (!(await this.resume()) && this.stream.state === "lost") this.stream.lose(RUN.gone);
  }

  /** @param {Values} asked of the engine @param {Values} values of the run */
  #listen(asked, values) {
    this.#forget();
    const { part, stream } = this;
    /** @type {Promise<unknown>} */
    let before = Promise.resolve(); // messages are taken one after another
    let forgotten = false;
    const then = (/** @type {() => unknown} */ act) => {
      before = before.then(() => (forgotten ? undefined : act())).catch((error) => stream.lose(failure(error)));
    };
    const forget = this.page.client.run(
      part,
      asked,
      (message) =>
        then(async () => {
          if (message.run !== stream.run) kept.set(`run-${part}`, JSON.stringify({ run: message.run, values }));
          const results = await Promise.all(message.results.map((result) => this.#inWords(result, values)));
          if (!forgotten) stream.receive({ ...message, results });
        }),
      (why) => then(() => stream.lose(why)),
    );
    this.#forget = () => {
      forgotten = true;
      forget();
    };
  }

  /** A result as the page shows it: some get their words from the run's plan. @param {any} result @param {Values} values of the run */
  async #inWords(result, values) {
    if (!WORDED.includes(result.kind)) return result;
    const { description, page, part } = this;
    const isOf = description?.of === JSON.stringify(values); // else the form has changed since
    const plan = (isOf && description.plan) || (await page.knowledge.plan(part, values));
    return plan.shown(result);
  }

  /** A sketch is shown, or there is none: what is said of that. @param {string} said @param {boolean} shown */
  sketched(said, shown) {
    this.sketch = { said, shown };
    this.#renderStatus();
  }

  #renderStatus() {
    const { stream, element, sketch } = this;
    const before = element.dataset.state;
    element.dataset.state = stream.state;
    element.dataset.run = stream.run ?? "";
    const [active, outdated] = [stream.active, this.#outdated];
    element.dataset.outdated = String(outdated);
    if (!this.#isOther) this.origin.hidden = true;
    const left = active && stream.left !== null ? RUN.left(duration(Math.max(1, stream.left))) : "";
    const example = Boolean(this.example) && !sketch.shown;
    if (before !== stream.state && stream.state === "error") this.#failed = this.#blame();
    const failed = stream.state === "error" && this.#failed; // its sentence stands at the field
    const words = (failed && this.#waits([failed])) || stream.words;
    if (active || !(outdated || sketch.said))
      this.status.show(this.example || words, left, example, active ? stream.progress : undefined);
    else this.status.show(sketch.said || RUN.changed, this.run.disabled ? "" : this.run.textContent, example);
    disable(this.stop, !stream.active, this.run);
    if (active) this.#sayProgress(left);
    if (before !== stream.state) {
      if (stream.state === "finished") this.#sayOutcome();
      else if (MILESTONES.includes(stream.state) && !sketch.shown) this.page.say(stream.words);
      const over = !stream.active && stream.state !== "idle";
      if (over) {
        this.changed("", false); // the pace is known better now
        this.page.refresh(); // and a model may be here now
        this.#over();
      }
      if (stream.state === "lost") setTimeout(() => this.#reconnect(), AGAIN);
      if (stream.state === "finished") this.options.finished?.(this.#ran ?? this.linked);
    }
    this.options.render?.();
  }

  /** What is wrong with which field, where the sentence of a failed run names a model: the first one that it names. */
  #blame() {
    const { words } = this.stream;
    const [named] = this.form.references
      .map(({ name }) => ({ field: name, at: words.indexOf(this.form.value(name) || "\n") }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at);
    return named ? { field: named.field, error: words } : null;
  }

  /** Tell a screen reader how far the run is: at each quarter, but not within ten seconds. @param {string} left */
  #sayProgress(left) {
    const { state, progress } = this.stream;
    const quarter = Math.floor(4 * (progress ?? 0));
    if (state !== "running" || !quarter) this.#told = { quarter: 0, when: performance.now() };
    else if (quarter > this.#told.quarter && performance.now() > this.#told.when + APART) {
      this.#told = { quarter, when: performance.now() };
      this.page.say(RUN.done(25 * quarter, left));
    }
  }

  /** Tell a screen reader that the run has ended, and what came of it. */
  async #sayOutcome() {
    const { words } = this.stream;
    this.page.say(RUN.ended(words, (await this.options.outcome?.()) ?? ""));
  }

  /**
   * The part of the page that it is, with an example in it at first.
   * @param {string[]} kinds of files that can be saved @param {() => boolean} some whether there is something to save
   * @param {Partial<Part>} [more]
   * @returns {Part}
   */
  mounted(kinds, some, more) {
    this.stage.querySelector(FOUND)?.before(this.origin);
    this.options.render?.();
    this.#showExample();
    return {
      element: this.element,
      set: (values, cause) => this.set(values, cause),
      values: () => this.linked,
      ran: () => this.ran,
      items: () => this.items(kinds, some(), more?.slide),
      ...more,
    };
  }

  /**
   * Show a recorded run until there is one of the visitor's, which begins where another model is chosen, as by --checkpoint.
   * @param {Values | null} wanted show it again, where it has these values @returns {Promise<boolean>} whether it is shown
   */
  async #showExample(wanted = null) {
    const example = await this.page.example(this.part);
    if (!example) return false;
    const ran = this.page.whole(this.part, example.values);
    const same = (/** @type {[string, unknown]} */ [name, value]) => String(ran[name] ?? "") === String(value ?? "");
    if (wanted ? !Object.entries(wanted).every(same) : this.stream.state !== "idle") return false;
    this.#forget();
    this.stream.forget();
    const [first, second] = example.results.filter((/** @type {Result} */ { kind }) => kind === "frame");
    const isThinned = second?.k === first?.k + 2;
    this.example = this.#recorded ? RUN.recorded : isThinned ? RUN.thinned : RUN.own;
    this.#ran = ran;
    this.options.renew?.();
    for (const result of example.results) this.options.take(result);
    this.options.seen?.(example.seen);
    const other = this.form.references.some(({ name }) => this.form.value(name) !== ran[name]);
    if (!wanted && !other && !this.#changed) this.form.set(example.values, false); // the form says what is shown
    this.#changed ||= other;
    if (other && !this.page.only) this.#cause ||= "change"; // a class presses Run itself
    this.changed("", false);
    return true;
  }

  /**
   * What can be taken away. kinds: of files; some: whether there is something to save.
   * @param {string[]} kinds @param {boolean} some @param {Part["slide"]} [slide]
   * @returns {import("./share.js").Item[]}
   */
  items(kinds, some, slide) {
    const { python, diffusers, why } = this.description ?? {};
    const unknown = this.description ? SHARE.impossible : SHARE.unknown;
    if (this.#recorded) kinds = [];
    const wanted = kinds.filter((kind) => kind !== "png" || !kinds.includes("zip")); // which has the pixels
    const here = some && !this.sketch.shown && (this.example ? !this.run.disabled : this.#came);
    /** @type {import("./share.js").Item[]} */
    const files = wanted.map((kind) => ({
      title: this.example ? SHARE.after(FILES[kind] ?? kind, this.run.textContent) : (FILES[kind] ?? kind),
      save: (/** @type {(text: string) => void} */ say) => this.save(kind, say),
      disabled: here ? "" : SHARE.first,
    }));
    const link = () => this.page.link(this.part, this.ran);
    if (slide && some && !this.sketch.shown)
      files.splice(
        Number(wanted[0] === "gif"),
        0,
        slideItem(this.page, slide, link, () => this.description?.summary ?? ""),
      );
    const script = (/** @type {string} */ title, text = "", wrong = "") => {
      return { title, copy: () => text, what: SHARE.script, disabled: text ? "" : wrong || unknown };
    };
    const { precision } = this.page.given.device;
    const isCoarse = ["bf16", "fp16"].includes(precision);
    const noted = diffusers && isCoarse ? `${SHARE.precision(precision)}\n${diffusers}` : diffusers;
    const other = diffusers === undefined ? [] : [script(SHARE.diffusers, noted, why)];
    return this.#recorded ? files : [...files, script(SHARE.python, python, why), ...other];
  }

  /**
   * Save a file of the run.
   * @param {string} kind @param {(text: string) => void} say how far it is
   * @returns {Promise<string>} a sentence: what was saved, or why it could not be made
   */
  async save(kind, say) {
    if (this.example) await this.#compute();
    const { save } = await import("./saving.js");
    return save(this.page, this.part, this.stream.run, kind, say);
  }

  /** Compute what a recorded example shows: nothing else of it was kept. */
  async #compute() {
    this.form.set(this.ran);
    await this.choose();
    if (this.run.disabled) return;
    const over = new Promise((done) => {
      this.#over = () => done(null);
    });
    this.start();
    await over;
  }
}
