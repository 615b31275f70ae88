// Draws the part "Train": one or two networks (lanes A and B) learn in the visitor's browser. This module connects the
// form, the buttons, the training and its view.

import { swatch } from "../../drawing/chart.js";
import { button, el, isShown, sheet, write } from "../../drawing/dom.js";
import { soon } from "../../drawing/motion.js";
import { Form } from "../../form/form.js";
import { alone } from "../../learning/alone.js";
import { continueWithout } from "../../process/errors.js";
import { slideItem } from "../../run/items.js";
import { Status } from "../../run/status.js";
import { ANY, problem } from "../../words/units.js";
import { asLaneA, questions, recipesOf, titlesOf } from "./choices.js";
import { Comparison } from "./copies.js";
import { Follow } from "./follow.js";
import { battery, duration, knownRate, lack, rememberRate, savesData } from "./machine.js";
import { Models } from "./models.js";
import { Session } from "./session.js";
import { Source } from "./source.js";
import { SHOWS } from "./standing.js";
import { ReceivedTrack } from "./track.js";
import { View } from "./view.js";
import { ACTIONS, ANEW, expected, FOLLOWED, facts, MACHINE, QUESTIONS, SHOWN, status, WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { Values } from "../../messages/client.js" */
/** @import { Cause } from "../../run/panel.js" */
/** @import { Action } from "./words.js" */
/** @import { Shown, Track } from "./track.js" */

const DRAWS = 250; // shortest time between two redraws during a training, in ms
const LOOKS = 1000; // ms that the visitor must stay in this part before the page measures the computer's speed
const SEEN = 1000; // number of images after which the speed of a training counts as measured
/** The usual length of a training, in images, for each kind of pictures. @type {Record<string, string>} */
const LENGTHS = { digits: "25600", drawings: "12800", own: "25600" };
/** The buttons in the order of the page. @type {Action[]} */
const BUTTONS = ["resume", "pause", "start", "stop"];

/** Make the part. @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Train(page, part).asPart();

class Train {
  status = new Status(SHOWN.progress);
  #wrong = el("p", { class: "wrong", role: "alert", hidden: true });
  #estimate = el("p", { class: "estimate", role: "status" });
  #note = el("p", { class: "info note", role: "status" });
  #presets = el("div", { class: "try" });
  #lanes = el("div", { class: "lane-cards" });
  #compare = button({ class: "button" }, () => this.#toggleLane(), WORDS.compare);
  #welcome = el("p", { class: "welcome" }, WORDS.welcome);
  #comparison = new Comparison(() => this.render());
  /** The recorded training. The page shows it before the visitor trains. @type {ReceivedTrack | null} */
  #example = null;
  #rate = knownRate();
  /** Notes about this computer: a low battery, or an active data saver. @type {string[]} */
  #notes = [];
  #announced = ""; // the state that was last announced to screen readers
  #lack = lack();
  /** Resolves once the browser's storage was searched for a training. */
  #search = Promise.resolve();
  #isFilled = false; // whether a link, a lesson or a question has filled in the form

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    this.page = page;
    this.part = part;
    this.fields = page.given.forms[part];
    this.draw = soon(() => isShown(this.element) && this.render(), DRAWS);
    this.form = new Form(this.fields, page.given, (name) => this.#changed(name));
    this.source = new Source(() => this.#changed());
    this.models = new Models(page);
    this.session = new Session({ ...this.models.means, alone, now: () => performance.now() }, () => this.#news());
    this.view = new View(
      {
        use: (lane) => this.#use(lane),
        keep: (lane) => this.#try(() => this.models.keep(this.session, lane)),
        copied: (lane, moment) => this.#copied(moment.lanes[lane]),
        say: (text) => page.say(text),
      },
      () => this.render(),
    );
    this.follow = new Follow(
      page,
      () => this.render(),
      (sentence) => this.#complain(sentence),
    );
    this.buttons = Object.fromEntries(BUTTONS.map((name) => [name, this.#makeButton(name)]));
    const head = el("div", { class: "head" }, this.status.element);
    const stage = el("div", { class: "stage" }, this.#presets, head, this.#note, this.view.element, this.#welcome);
    const attributes = { class: "part train", "aria-label": WORDS.title, "data-state": "idle" };
    this.element = el("section", attributes, this.#makeSide(), stage);
    this.#offerQuestions();
    document.addEventListener("visibilitychange", () => document.hidden && this.session.keep());
  }

  /** Make the button for an action. @param {Action} name */
  #makeButton(name) {
    const acts = {
      start: () => this.start(),
      pause: () => this.session.pause(),
      resume: () => this.#try(() => this.session.resume()),
      stop: () => this.session.stop(),
    };
    return button({ class: `button ${name}` }, acts[name], ACTIONS[name]);
  }

  // --- The form

  /** Make the column with the buttons and the form. */
  #makeSide() {
    const bar = el("div", { class: "bar" }, ...BUTTONS.map((name) => this.buttons[name]));
    const cards = ["a", "b"].map((lane, i) => {
      const title = lane.toUpperCase();
      const fields = this.form.layout((field) => field.lane === lane);
      const heading = el("h3", null, swatch(`lane-${i}`), title);
      return el("section", { class: `card card-${title}`, "aria-label": WORDS.lane(title) }, heading, fields);
    });
    this.#lanes.append(...cards);
    const [first] = this.fields;
    const shared = this.form.layout((field) => !field.lane && field !== first);
    const choices = el("form", { class: "choices fields", autocomplete: "off" }, this.form.place(first.name));
    choices.append(this.source.element, this.#lanes, this.#compare, shared, el("p", { class: "info" }, WORDS.private));
    choices.addEventListener("submit", (event) => event.preventDefault());
    const more = this.page.given.initial[this.part]?.follows ? [this.follow.element] : [];
    const side = el("div", { class: "side" }, bar, this.#wrong, this.#estimate, choices, this.#makeOpener(), ...more);
    if (this.#lack) side.replaceChildren(el("p", { class: "recorded" }, this.#lack));
    return side;
  }

  /** Make the button that opens a model from a ZIP file. */
  #makeOpener() {
    const input = el("input", { type: "file", accept: ".zip", "aria-label": WORDS.open });
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) this.#try(() => this.models.open(file));
      input.value = "";
    });
    return el("label", { class: "button upload" }, input, el("span", null, WORDS.open));
  }

  /** Show a button for each question. A press fills in the form and starts the training. */
  #offerQuestions() {
    const all = Object.entries(questions(this.fields));
    /** Fill in the form, and start the training. */
    const press = (/** @type {Values} */ values) => this.set(values, "press");
    const buttons = all.map(([name, values]) => button({ class: "button" }, () => press(values), QUESTIONS[name]));
    if (!this.#lack) this.#presets.replaceChildren(...buttons);
  }

  /** Add the second network to the form, or remove it. */
  #toggleLane() {
    const { values } = this.form;
    this.form.set(values.two ? { two: false } : { two: true, ...asLaneA(values, this.fields) });
    this.#changed();
  }

  /** Update the page after a choice. Another kind of pictures sets its usual length of training. @param {string} [name] the changed field, if it is one field */
  #changed(name) {
    const { form, fields } = this;
    if (name === fields[0].name && !form.isChosen("length"))
      form.set({ length: LENGTHS[String(form.value(name))] }, false);
    this.#complain();
    this.render();
  }

  /** Fill in the form from a link, a lesson or a question. A press also starts the training. @param {Values} values @param {Cause} [cause] */
  async set(values, cause = "") {
    this.form.set(values);
    this.#isFilled ||= Object.keys(values).length > 0;
    if (cause === "link" || cause === "press") this.form.unfold(values);
    this.#changed();
    if (cause === "press" && !this.#lack && Object.keys(values).length) await this.start();
  }

  // --- What the buttons do

  /** Start a training, if its pictures are complete and the visitor agrees to delete the current training. */
  async start() {
    const { form, session, source } = this;
    await this.#search; // a stored training that is still loading must not be replaced without asking
    const { values } = form;
    const lacks = source.lacks;
    this.#complain(lacks);
    if (lacks || !(await this.#mayDrop(ANEW))) return;
    this.page.remember(this.part, values);
    /** Read the pictures, and return the request for the training. */
    const read = async () => {
      this.view.follow(); // not before session.begin, because until then the recorded training can still start to play
      const pictures = await source.read();
      const titles = titlesOf(values, this.fields);
      return { values, titles, pictures, recipes: recipesOf(values, pictures) };
    };
    await this.#try(() => session.begin(read));
  }

  /**
   * Return whether the training on screen may be deleted. If the training is not saved, ask the visitor.
   * @param {string} instead the title of the action that deletes the training
   */
  async #mayDrop(instead) {
    const { session } = this;
    if (!session.isUnsaved) return true;
    /** Make a button that closes the dialog. */
    const choice = (/** @type {string} */ value, /** @type {string} */ text) =>
      button({ class: "button", value }, () => dialog.close(value), text);
    const row = el("div", { class: "row" }, choice("keep", WORDS.keepThen(instead)), choice("drop", instead));
    row.append(choice("", WORDS.cancel));
    const dialog = sheet("sure", instead, el("p", null, WORDS.dropped), row);
    document.body.append(dialog);
    dialog.showModal();
    await new Promise((closed) => dialog.addEventListener("close", closed));
    dialog.remove();
    if (dialog.returnValue !== "keep") return dialog.returnValue === "drop";
    for (const lane of session.asked?.recipes.keys() ?? []) await this.#try(() => this.models.keep(session, lane));
    return !session.isUnsaved;
  }

  /** Return the comparison of samples with the visitor's pictures; undefined while the comparison runs, null for digits. @param {Shown} shown */
  #copied(shown) {
    const pictures = this.session.asked?.pictures;
    if (!pictures || pictures.kind === "digits" || !shown.pixels) return null;
    return this.#comparison.copiesIn(pictures, shown) ?? undefined;
  }

  /** Open the part "Watch" with a lane's model, or with the model of the training that is followed. @param {number} lane */
  #use(lane) {
    const ref = this.follow.answer?.model;
    if (ref) this.page.open("watch", { checkpoint: ref, label: ANY }, { push: true, cause: "press" });
    else this.#try(() => this.models.use(this.session, lane));
  }

  /** Do an action, and show the sentence that it returns or its error. @param {() => Promise<string | void>} act */
  async #try(act) {
    try {
      const said = await act();
      if (said) this.page.say(said, true);
    } catch (error) {
      this.#complain(problem(error));
    }
  }

  /** Show an error. An empty sentence removes the last error. @param {string} [sentence] */
  #complain(sentence = "") {
    write(this.#wrong, sentence);
    this.#wrong.hidden = !sentence;
  }

  // --- Drawing the page

  /** Update the page after news of the training. */
  #news() {
    const { session } = this;
    const { works } = SHOWS[session.state];
    document.querySelector("#places [data-place=train]")?.classList.toggle("going", works);
    const { track, asked } = session;
    if (asked && track?.rate && track.images > SEEN) {
      rememberRate(track.rate, asked.recipes, asked.pictures.side);
      this.#rate = knownRate();
    }
    if (session.state === this.#announced) return this.draw();
    this.#announced = session.state;
    this.page.say(status(session.state, session.error));
    return this.render();
  }

  /** The training that is drawn: the followed training, else the visitor's own, else the recorded training. @returns {Track | null} */
  get track() {
    const own = this.session.state === "idle" ? null : this.session.track;
    return this.follow.track ?? own ?? this.#example;
  }

  /** Draw the part after any change. */
  render() {
    const { session, track, element, view, follow } = this;
    const isExample = track !== null && track === this.#example;
    const hasModel = follow.track ? Boolean(follow.answer?.model) : !isExample && SHOWS[session.state].model;
    const grows = !isExample && (follow.answer?.state === "running" || SHOWS[session.state].works);
    view.render(track, hasModel, grows);
    this.#showStatus(track, isExample);
    this.#showForm();
    for (const name of BUTTONS) {
      const place = session.buttons.indexOf(name);
      this.buttons[name].hidden = place < 0;
      this.buttons[name].classList.toggle("primary", place === 0);
    }
    write(this.buttons.start, session.track ? ANEW : ACTIONS.start);
    this.#welcome.hidden = Boolean(follow.track ?? session.track?.moments.length);
    const { state } = follow.answer ?? session;
    Object.assign(element.dataset, { state, grids: track?.moments.length ?? 0, at: view.moment?.step ?? "" });
    Object.assign(element.dataset, { live: view.live, example: isExample, lanes: view.moment?.lanes.length ?? 0 });
    element.dataset.kept = String(session.kept === session.track?.step);
  }

  /** Show the state and the progress of a training, and notes about the computer. @param {Track | null} track @param {boolean} isExample */
  #showStatus(track, isExample) {
    const { session, follow } = this;
    const { answer } = follow;
    const runs = (answer ?? session).state === "running";
    const own = isExample ? WORDS.example : status(session.state, session.error);
    const text = answer ? FOLLOWED[answer.state] : own;
    const more = track ? facts(track, runs) : "";
    const share = track && !isExample && track.total ? track.images / track.total : undefined;
    const isWaiting = !answer && ["preparing", "starting"].includes(session.state);
    this.status.show(text, more, isExample, isWaiting ? null : share);
    const notes = [session.unkept, ...this.#notes];
    write(this.#note, notes.filter(Boolean).join(" "));
  }

  /** Show the fields that the form's values need, and how long a training with these values would take. */
  #showForm() {
    const { form, source, session } = this;
    const { values } = form;
    const two = values.two === true;
    source.choose(String(values[this.fields[0].name]));
    this.#lanes.classList.toggle("two", two);
    for (const [i, card] of [...this.#lanes.children].entries())
      if (card instanceof HTMLElement) card.hidden = i > 0 && !two;
    write(this.#compare, two ? WORDS.alone : WORDS.compare);
    const works = SHOWS[session.state].works || session.state === "paused";
    const recipes = recipesOf(values, source.about);
    const time = expected(duration(recipes, source.about.side, this.#rate), source.isDigits);
    write(this.#estimate, works ? "" : time);
  }

  /** Restore the training that this browser has stored, if there is one. */
  async #restore() {
    const record = await this.models.kept().catch(continueWithout("the earlier training"));
    if (!record) return;
    if (!this.#isFilled) this.form.set(record.values);
    this.source.choose(record.pictures.kind);
    this.session.restore(record);
  }

  /** Check the battery and restore a stored training. If none is stored, play the recorded training. Measure the speed later. */
  async #begin() {
    const saves = savesData(navigator);
    this.#search = this.#restore();
    this.#notes = [await battery(navigator), saves ? MACHINE.saves : ""];
    await this.#search;
    if (this.session.state === "idle" && !saves) await this.#showExample();
    if (!saves && !this.#lack && !this.#rate) setTimeout(() => this.#measure(), LOOKS);
    this.render();
  }

  /** Measure the speed of this computer, if the visitor looks at this part and has no training. */
  async #measure() {
    if (!isShown(this.element) || this.session.state !== "idle") return;
    const [recipe] = recipesOf(this.form.values, this.source.about);
    const rate = await this.models.rate(recipe);
    this.#rate ||= rate;
    this.render();
  }

  /** Load the recorded training, and play it until the visitor trains. */
  async #showExample() {
    const example = new ReceivedTrack();
    for (const result of (await this.page.example(this.part))?.results ?? []) example.take(result);
    if (!example.moments.length) return;
    this.#example = example;
    this.render();
    if (this.track === example && this.session.state === "idle") this.view.scrubber.toggle(); // not if the visitor has begun a training meanwhile
  }

  /** Start the part. Return its element and the functions that the page calls. @returns {Part} */
  asPart() {
    const { page, part, form, view } = this;
    this.render();
    this.#begin();
    const slide = slideItem(
      page,
      () => view.slide(),
      () => page.link(part, form.values),
    );
    return {
      element: this.element,
      set: (values, cause) => this.set(values, cause),
      values: () => form.values,
      ran: () => this.session.asked?.values ?? form.values,
      items: () => (view.moment ? [slide] : []),
      key: (event) => view.scrubber.key(event),
      show: () => this.render(),
    };
  }
}
