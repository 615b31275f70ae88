// The panel has everything that parts with a form and a run have in common. It connects four modules: standing.js holds
// the states, asking.js asks the engine about the form, connection.js receives the messages of the run, and bar.js
// shows the run's status.

import { el, find, isShown, within, write } from "../drawing/dom.js";
import { Form, fold } from "../form/form.js";
import { RUN } from "../words/page.js";
import { Asking } from "./asking.js";
import { Bar } from "./bar.js";
import { Connection } from "./connection.js";
import { itemsOf } from "./items.js";
import { Standing } from "./standing.js";
import { Stream } from "./stream.js";

/** @import { Page, Part } from "../app.js" */
/** @import { About } from "../form/form.js" */
/** @import { State, Values } from "../messages/client.js" */
/** @import { Plan } from "../plans/plan.js" */
/** @import { Described, Description } from "./knowledge.js" */

/**
 * Why the values of the form are set. "press": begin a run, and scroll to the pictures. "inside" (a press inside the
 * pictures): begin a run without scrolling. "change" (by hand): begin a run if it is quick and the models are here.
 * "link": do the same, because anybody may have made the link, and open the fields that it changes. "lesson": stop the
 * current run; show the recorded run if it has these values, else treat them as "change".
 * @typedef {"" | "change" | "link" | "press" | "inside" | "lesson"} Cause
 */

/**
 * The functions that a part gives its panel. The part may use these members of the panel: `form`, `stage`, `side`,
 * `origin`, `element`, `set`, `start`, `stop`, `changed`, `showSketch`, and the getters below "What is shown".
 * @template {{ kind: string }} Result
 * @typedef {object} Display
 * @property {(result: Result) => void} take draws one result of the newest run
 * @property {() => void} [renew] clears the pictures when another run begins
 * @property {(seconds: number) => Promise<void>} [skip] starts the recorded run at this second, because index.html has shown the
 * first seconds; resolves once the picture is on screen
 * @property {() => void} [render] draws the part again after the run's state or a field has changed
 * @property {(values: Values, plan: Plan | null) => string | Promise<string>} [finish] is called when a run of these values has
 * finished; returns its outcome, in a sentence for a screen reader
 * @property {(about: About) => void} [offer] is called when the model is known
 * @property {(description: Description) => void} [describe] is called when the page has described the settings
 * @property {(form: Form) => HTMLElement} [layout] lays out the fields; without this function the form lays out all fields
 * @property {() => HTMLElement[]} [sight] the elements to scroll to after a press, the most important one last
 */

const PAUSE = 120; // ms to wait after the last change by hand, before the page asks how long a run would take
const COMPOSED = 229;

/** @template {{ kind: string }} Result */
export class Panel {
  standing = new Standing();
  stage = el("div", { class: "stage" });
  /**
   * The line above the pictures that names their settings, if the form has other settings. The part puts this line into
   * the page.
   */
  origin = el("div", { class: "origin", hidden: true });
  /** @type {Description | null} */
  description = null;

  /**
   * The panel's element has its state in attributes: data-state (the run's state, or "idle", "starting", "lost"),
   * data-run (the run's id), data-ready (whether the model is known), data-described (the number of the last answered
   * request) and data-outdated (whether the pictures have other settings than the form).
   * @param {Page} page @param {string} part @param {Display<Result>} display
   */
  constructor(page, part, display) {
    this.page = page;
    this.part = part;
    this.display = display;
    this.recorded = page.given.recorded?.[part] ?? ""; // why this part can only show a recording; "" if it can compute runs
    this.form = new Form(page.given.forms[part], page.given, (name, done) => this.changed(name, done));
    const [first] = this.form.references;
    if (first && page.model && this.form.takes(page.model)) this.form.set({ [first.name]: page.model.ref });
    this.stream = new Stream(
      (isNew) => this.#showRun(isNew),
      (/** @type {Result} */ result) => this.#take(result),
      () => this.#renew(),
      (ref) => page.knowledge.catalogue.name(ref),
    );
    this.connection = new Connection(this);
    this.asking = new Asking(this);
    this.fields = display.layout?.(this.form) ?? this.form.layout();
    this.bar = new Bar(this, this.fields.querySelector(".dice"));
    /** The element that folds the settings into one line. @type {HTMLDetailsElement} */
    this.fold = this.fields.querySelector("details.how") ?? fold([this.fields], part);
    // A mistake is shown beside its field. While the settings are folded, it is shown above the pictures.
    this.fold.addEventListener("toggle", () => this.form.mistakes.length && this.changed("", false));
    this.side = el("div", { class: "side" }, ...this.#beside());
    const state = { "data-state": "idle", "data-ready": false };
    this.element = el("section", { class: `part part-${part}`, ...state }, this.side, this.stage);
    this.#listen();
  }

  /** Return the elements in the column beside the stage. */
  #beside() {
    const { bar, fields, recorded } = this;
    if (recorded) return [bar.status.element, el("p", { class: "recorded" }, recorded)];
    return [fields.contains(this.fold) ? fields : this.fold, bar.element];
  }

  /** Add the event handlers. */
  #listen() {
    const { element, asking, form, page } = this;
    this.side.addEventListener("pointerover", asking.loadAhead);
    for (const sign of ["pointerdown", "focusin", "keydown"]) element.addEventListener(sign, asking.loadAhead);
    addEventListener("models", () => form.list(page.given.models));
    element.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === COMPOSED) return;
      // In the model's field, Enter must not start a run: the event "change" follows, which loads the model and runs
      // it.
      if (event.key === "Enter" && within(event, ".field input:not([type=radio], .model input)")) this.start();
    });
  }

  // --- What the visitor chooses

  /**
   * Put values into the form, and do what their cause requires: begin a run, show the recorded run, or resume the run
   * of a reloaded page.
   * @param {Values} values @param {Cause} cause why the values are set
   */
  async set(values, cause) {
    const { standing, form, page } = this;
    form.set(values);
    if (Object.keys(values).length) standing.on("edit");
    if (cause === "press") this.look();
    if (cause === "inside") cause = "press";
    if (cause === "lesson") {
      if (this.stream.active) this.stop();
      cause = (await this.#showExample(values)) ? "" : "change";
    }
    const back = page.reloaded && (await this.connection.resume());
    page.reloaded = false;
    if (back) standing.values = null;
    else if (cause) standing.on(cause === "press" ? "demand" : "link");
    if (cause === "link") form.unfold(values);
    await this.choose();
    const impossible = cause === "link" ? form.impossible(values) : [];
    if (impossible.length) page.say(RUN.impossible(impossible), true);
  }

  /** Update the form after a change, and ask the engine how long its run would take. @param {string} name the changed field, "" if something else has changed @param {boolean} done false while a slider moves */
  changed(name, done) {
    const { standing, form } = this;
    if (name) standing.on("edit");
    form.reveal(); // a control of the part itself may decide which fields apply
    if (form.references.some((reference) => reference.name === name)) {
      this.page.knowledge.typed.add(String(form.value(name)));
      standing.on("demand");
      this.choose();
      return;
    }
    if (done && name) standing.on("change");
    this.#render();
    if (!this.recorded) this.asking.later(name ? PAUSE : 0);
  }

  /** Ask what the chosen models offer, and adapt the form. */
  async choose() {
    const { form, standing, display, element } = this;
    element.dataset.ready = "false";
    const answers = await this.asking.models();
    if (!answers) return;
    for (const [i, reference] of form.references.entries()) {
      const about = answers[i] ?? answers[0];
      if (about?.error === undefined) form.markAll(form.mistakes.filter(({ field }) => field !== reference.name));
      if (about?.error === undefined && about?.here) form.offer(reference, about);
    }
    const [first] = answers;
    if (first?.error === undefined && first?.here) {
      this.page.model = first; // parts that are opened later begin with this model
      display.offer?.(first);
    }
    element.dataset.ready = "true";
    if (this.stream.state !== "idle") standing.values ??= this.form.pinned;
    this.changed("", false);
  }

  /** Show how long a run would take, or what is wrong with its values. Returns whether a run may begin. @param {Described} answer @param {number} number of the request */
  describe(answer, number) {
    const { standing, form, bar, display } = this;
    const { error = "", wrong = [] } = answer.error === undefined ? {} : answer;
    this.description = answer.error === undefined ? answer : null;
    if (this.description) standing.on("accept");
    else if (wrong.length) standing.blame("refuse", wrong);
    form.markAll(standing.wrong);
    const { missing } = form; // a value that is not chosen yet is no mistake
    const problem = missing || error;
    bar.describe(this.description, problem && (form.correctionOf(form.mistakes) ?? problem), !missing && error !== "");
    if (this.fold.contains(this.fields)) write(find(this.fold, ".values"), this.description?.summary ?? "");
    if (this.description) display.describe?.(this.description);
    this.element.dataset.described = String(number);
    this.#render();
    if (!this.description?.auto) this.#sayOrigin(); // a quick run begins at once and replaces the pictures, so the line of settings would only flash
    return !problem && this.isOnScreen; // a visitor who has gone to another part wants no run here
  }

  // --- Runs

  /** Begin a run with the values of the form, if that is possible. @param {State | null} [from] a state of an earlier run to begin with */
  start(from = null) {
    if (!this.canRun) return;
    const { standing } = this;
    standing.values = this.form.pinned;
    standing.on("start");
    this.connection.begin(this.form.values, from);
    this.page.remember(this.part, standing.values);
  }

  /** Stop the run. */
  stop = () => this.connection.stop();

  /**
   * Return the order of a run. If the form's description is about the same values, it contains this order already.
   * @param {Values} values
   */
  orderOf(values) {
    const { order, of } = this.description ?? {};
    return order && of === JSON.stringify(values) ? order : this.page.knowledge.order(this.part, values);
  }

  /** Clear the pictures for another run. */
  #renew() {
    this.standing.on("begin");
    this.display.renew?.();
  }

  /** Pass a result of the run to the part. @param {Result} result */
  #take(result) {
    if (this.standing.state.shown === "begun" && result.kind !== "plan") this.standing.on("picture");
    this.display.take(result);
  }

  /** Show a change of the run. @param {boolean} isNew whether the run's state changed, and not only its progress */
  #showRun(isNew) {
    const { stream, standing, display } = this;
    const { state } = stream;
    if (isNew && state === "error") this.#blame();
    this.#render();
    if (!isNew) return;
    const isFinished = state === "finished";
    const outcome = (isFinished && display.finish?.(standing.values ?? this.form.pinned, this.connection.plan)) || "";
    if (isFinished || standing.state.sketch !== "over") this.bar.announce(stream, outcome);
    if (!stream.active && state !== "idle") {
      this.page.knowledge.forgetAfterRun(state === "error");
      this.changed("", false); // the run has measured its steps, so the estimate may change
      this.page.refresh(); // the run may have downloaded a model, which the list must show
      this.element.dispatchEvent(new Event("over"));
    }
    if (state === "lost") this.connection.reconnect();
  }

  /** After a failed run, mark the field of the model that the error names first. */
  #blame() {
    const { words } = this.stream;
    const [named] = this.form.references
      .map(({ name }) => ({ field: name, at: words.indexOf(this.form.value(name) || "\n") }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at);
    if (named) this.standing.blame("fail", [{ field: named.field, error: words }]);
  }

  /** Scroll to the pictures. */
  look() {
    for (const element of [this.stage.firstElementChild, ...(this.display.sight?.() ?? [])])
      element?.scrollIntoView({ block: "nearest" });
  }

  // --- What is shown

  /** Whether this part is on the screen. */
  get isOnScreen() {
    return isShown(this.bar.run);
  }

  /** Whether a run with the values of the form can begin. */
  get canRun() {
    return !this.bar.run.disabled;
  }

  /** The state of the sketch, a quick preview: see `NEXT` in standing.js. */
  get sketch() {
    return this.standing.state.sketch;
  }

  /** The values of the shown run or example; the form's values while a sketch or nothing is shown. */
  get ran() {
    return (this.sketch !== "over" && this.standing.values) || this.form.pinned;
  }

  /** Whether the shown run has the values of the form. */
  #isSame = () => {
    const chosen = this.form.pinned;
    const shown = this.standing.values ?? chosen;
    return this.form.fields.every(({ name }) => String(chosen[name] ?? "") === String(shown[name] ?? ""));
  };

  /** Whether a run with the values of the form is active or finished, for example after the browser's Back. */
  get isRun() {
    const { active, state } = this.stream;
    return (active || state === "finished") && !this.standing.isExample && this.#isSame();
  }

  /** The id of the newest run, active or ended, if it has the values of the form; else null. */
  get runOfForm() {
    return this.#isSame() ? this.stream.run : null;
  }

  /** How the pictures differ from the form: see `Standing.difference`. */
  get difference() {
    return this.standing.difference(this.stream.active, this.#isSame);
  }

  /** Show a sentence about the sketch. @param {string} words "" removes the sentence @param {boolean} isShown whether the sketch covers the pictures */
  showSketch(words, isShown) {
    this.standing.words.sketch = words;
    this.standing.on(isShown ? "cover" : words ? "await" : "lift");
    this.#render();
  }

  /** Show the state of the run and the form. */
  #render() {
    const { stream, standing, bar, form, difference } = this;
    const { state, run } = stream;
    Object.assign(this.element.dataset, { state, run: run ?? "", outdated: difference !== "" });
    if (difference !== "other") this.origin.hidden = true;
    const correction = state === "error" ? form.correctionOf(standing.wrong) : null; // the field shows the run's error, so the bar does not
    const offer = this.canRun ? bar.run.textContent : "";
    bar.show(standing.line(stream, difference !== "", offer, correction), stream);
    this.display.render?.();
  }

  /** If the pictures have other settings than the form, write these settings above them. */
  async #sayOrigin() {
    const { standing, stream } = this;
    const { values, isExample } = standing;
    if (!values || this.difference !== "other") return;
    const settings = await this.page.knowledge.summary(this.part, values);
    if (values !== standing.values || this.difference !== "other") return;
    const what = isExample ? RUN.example : stream.active ? RUN.going : RUN.earlier;
    write(this.origin, RUN.of(what, settings));
    this.origin.hidden = false;
  }

  /**
   * Show the recorded run. If the form has another model, for example from --checkpoint, a run of that model follows.
   * @param {Values | null} wanted values that the recorded run must have; null shows it if there is no other run
   * @returns {Promise<boolean>} whether it is shown
   */
  async #showExample(wanted = null) {
    const { form, standing, page, part, display } = this;
    const example = await page.example(part);
    if (!example) return false;
    const values = page.whole(part, example.values);
    const isSame = (/** @type {[string, unknown]} */ [name, value]) =>
      String(values[name] ?? "") === String(value ?? "");
    if (wanted ? !Object.entries(wanted).every(isSame) : this.stream.state !== "idle") {
      example.uncover();
      return false;
    }
    this.connection.leave();
    this.stream.forget();
    const [first, second] = example.results.filter((/** @type {Result} */ { kind }) => kind === "frame");
    const isThinned = second?.k === first?.k + 2;
    standing.on("example");
    standing.values = values;
    standing.words.example = this.recorded ? RUN.recorded : isThinned ? RUN.thinned : RUN.own;
    display.renew?.();
    for (const result of example.results) display.take(result);
    Promise.resolve(display.skip?.(example.seen)).then(example.uncover);
    const isOther = form.references.some(({ name }) => form.value(name) !== values[name]);
    if (isOther) standing.on("edit");
    if (isOther && !page.only) standing.on("change"); // a page for a class never begins a run by itself
    if (!wanted && standing.state.form === "same") form.set(example.values, false); // the form gets the values of the recorded run
    this.changed("", false);
    return true;
  }

  // --- What the page calls

  /**
   * Show the recorded run, and return the functions through which the page uses this part.
   * @param {string[]} kinds of files that can be saved @param {() => boolean} some whether there is something to save
   * @param {Partial<Part>} [more]
   * @returns {Part}
   */
  asPart(kinds, some, more) {
    this.display.render?.();
    this.#showExample();
    return {
      element: this.element,
      set: (values, cause) => this.set(values, cause),
      values: () => this.form.pinned,
      ran: () => this.ran,
      items: () => itemsOf(this, kinds, some(), more?.slide),
      ...more,
    };
  }

  /**
   * Save a file of the run.
   * @param {string} kind @param {(text: string) => void} say shows the progress of the file
   * @returns {Promise<string>} a sentence: what was saved, or why it could not be made
   */
  async save(kind, say) {
    if (this.standing.isExample) await this.#compute();
    const { save } = await import("./saving.js");
    return save(this, kind, say);
  }

  /** Compute the run that the example shows, because a file needs more than the recorded pictures. */
  async #compute() {
    this.form.set(this.ran);
    await this.choose();
    if (!this.canRun) return;
    const over = new Promise((done) => this.element.addEventListener("over", done, { once: true }));
    this.start();
    await over;
  }
}
