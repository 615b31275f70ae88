// Draws the part "Watch": it plays one run of the reverse chain. At first it plays a recorded run.

import { button, el, find, write } from "../../drawing/dom.js";
import { choosePicture, drawPicture } from "../../form/chooser.js";
import { PRESETS, TYPED, TYPES } from "../../form/presets.js";
import { Player } from "../../player/player.js";
import { continueWithout } from "../../process/errors.js";
import { Panel } from "../../run/panel.js";
import { Past } from "../../run/past.js";
import { Starters } from "../../run/starters.js";
import { how, lead } from "../../words/loop.js";
import { Touch } from "./touch.js";
import { WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { About, Form } from "../../form/form.js" */
/** @import { Values } from "../../messages/client.js" */
/** @import { Result } from "../../player/recording.js" */
/** @import { Starter } from "../../run/starters.js" */
/** @import { Typing } from "./typing.js" */
/** @import { Lesson } from "../course/bar.js" */

/** The settings of the recorded run in the part "A and B", which shows grainy pictures. They name a model of pixels, because pictures from latents have no grain. */
const GRAIN = { ...PRESETS.grain, checkpoint: "mnist-tiny", seed: 13, count: 4 };
const ONE = { checkpoint: TYPES, ...TYPED, count: 1 }; // settings that draw one picture of the typed words

/**
 * Return the buttons with suggestions. @param {Page} page @param {Panel<Result>} panel @param {HTMLElement} square the canvas for the mixture of four words @returns {Starter[]}
 */
function starters(page, panel, square) {
  const [tour] = /** @type {Lesson[]} */ (page.given.initial.course.lessons);
  const typed = page.given.models.some(({ ref }) => ref === TYPES);
  const types = { title: WORDS.types, values: ONE, act: () => typeWords(panel) };
  return [
    { title: WORDS.tour(tour.minutes), act: () => beginLesson(page, tour), primary: true },
    ...(typed ? [{ title: WORDS.square, picture: square, act: () => page.open("between", null, { push: true }) }] : []),
    { title: WORDS.seven, values: { checkpoint: "mnist-tiny", label: "7" } },
    ...(typed ? [types] : []),
    { title: WORDS.draw, act: () => drawPicture(page, (file) => showOwn(page, file)) },
    { title: WORDS.own, act: () => choosePicture((file) => showOwn(page, file)) },
    { title: WORDS.grain, values: GRAIN, part: "compare" },
  ];
}

/** Load the course, and begin a lesson. @param {Page} page @param {Lesson} lesson */
async function beginLesson(page, lesson) {
  const bar = await page.loaded(import("../course/bar.js"));
  return bar?.begin(page, lesson);
}

/** Choose the text-to-image model, and move the focus to the prompt. @param {Panel<Result>} panel */
async function typeWords(panel) {
  panel.form.reset();
  await panel.set(ONE, "");
  find(panel.form.place("prompt"), "input").focus();
}

/** Open the part that adds noise to pictures, with a visitor's own picture. @param {Page} page @param {File} file */
async function showOwn(page, file) {
  await page.open("forward", null, { push: true });
  const input = find(document, ".forward .upload input", HTMLInputElement);
  const files = new DataTransfer();
  files.items.add(file);
  input.files = files.files;
  input.dispatchEvent(new Event("change"));
  find(document, ".forward .equation").scrollIntoView({ block: "nearest" });
}

const IDLE = 2000; // ms after which the recorded square is loaded

/** Make the part. @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Watch(page, part).asPart();

class Watch {
  player = new Player(
    () => this.panel.set({ attention: true }, "press"),
    () => this.#lookInside(),
  );
  #lead = el("p", { class: "lead" });
  #words = el("div", { class: "try words", hidden: true });
  /** Draws sketches (quick previews) of a prompt; null until a model takes prompts. @type {Typing | null} */
  #typing = null;

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    const { player } = this;
    this.page = page;
    this.part = part;
    this.past = new Past(page, player);
    /** @type {Panel<Result>} */
    this.panel = new Panel(page, part, this);
    const { element, form, origin, stage } = this.panel;
    find(form.place("prompt"), "input").addEventListener("input", async () => (await this.#loadTyping())?.typed());
    const touch = new Touch(this.panel, player);
    form.adopt("touch", touch);
    find(player.root, ".told").after(touch.element);
    player.shows = () => touch.render();
    player.render();
    const square = el("canvas", { class: "four", "aria-hidden": "true" });
    this.tries = new Starters(this.panel, starters(page, this.panel, square));
    this.#loadSquare(square);
    const { first, models } = page.given;
    write(
      this.#lead,
      lead(
        first,
        models.some((model) => model.ref === first && model.latent),
      ),
    );
    this.#showSettings();
    element.prepend(this.#lead, this.tries.element);
    stage.append(this.#makePrompt(), origin, player.root, this.past.element);
  }

  /** Load the recorded square when its button gets the pointer or the focus; else after IDLE ms, unless the data saver is on. @param {HTMLCanvasElement} square */
  #loadSquare(square) {
    const starter = square.closest("button");
    if (!starter) return;
    let isAsked = false;
    /** Load the square once. */
    const load = async () => {
      if (isAsked) return;
      isAsked = true;
      const module = await import("./square.js").catch(continueWithout("the square between four words"));
      await module?.enliven(this.page, starter, square);
    };
    for (const sign of ["pointerenter", "focus"]) starter.addEventListener(sign, load);
    const saves = /** @type {any} */ (navigator).connection?.saveData;
    if (!saves) setTimeout(load, IDLE);
  }

  /** Load the module that draws sketches, if it is not loaded yet. Return null if the loading fails. */
  async #loadTyping() {
    const module = await import("./typing.js").catch(continueWithout("sketches of the words"));
    if (module) this.#typing ??= new module.Typing(this.page, this.panel, this.player);
    return this.#typing;
  }

  /** Return the element of the part, and the functions that the page calls. */
  asPart() {
    const { panel, player } = this;
    const kinds = ["png", "gif", "webp", "strip", "csv", "zip"];
    return panel.asPart(kinds, () => player.view.coming.count > 0, player.part);
  }

  /** Make the field of the prompt, with its caption and suggested prompts. */
  #makePrompt() {
    const { caption } = this.player.screen; // the caption names the words of the prompt that the run's model does not know
    const asked = el("div", { class: "asked" }, this.panel.form.place("prompt"), caption, this.#words);
    asked.addEventListener("focusin", ({ target }) => {
      const keyboard = matchMedia("(max-width: 700px), (max-height: 500px)").matches; // small screens: scroll, so that the pictures stay visible above the keyboard
      if (keyboard && target instanceof HTMLInputElement) asked.scrollIntoView({ block: "start" });
    });
    return asked;
  }

  // --- Functions that the panel calls

  /** Lay out the form without the prompt. The model and the class stay visible; the other fields fold. @param {Form} form */
  layout = (form) =>
    form.layout(
      ({ name }) => name !== "prompt",
      ({ kind }) => kind === "reference" || kind === "classname",
    );

  /** Draw a result of the newest run. */
  take = this.player.take;

  /** Clear the player when another run begins. */
  renew() {
    this.#typing?.renew();
    this.player.start();
  }

  /** Start the recorded run at this second. Resolves once the run's picture is on screen. @param {number} seconds */
  skip(seconds) {
    return this.player.skip(seconds);
  }

  /** Draw the part again after the run's state or a field has changed. */
  render() {
    this.player.active = this.panel.stream.active;
    this.#typing?.render();
  }

  /** Add the finished run to the list of past runs. Return the run's outcome in words. @param {Values} values */
  finish(values) {
    this.past.add(this.part, values);
    this.tries.showTimes();
    return this.player.outcome();
  }

  /** Show the prompts and the sentence that suit a model. @param {About} about the model */
  offer({ ref, latent, prompts }) {
    this.#typing?.leave();
    if (prompts.length) this.#loadTyping();
    write(this.#lead, lead(ref, latent));
    this.#words.hidden = !prompts.length;
    this.#words.replaceChildren(
      ...prompts.map((prompt) => button({ class: "button" }, () => this.panel.set({ prompt }, "press"), prompt)),
    );
  }

  /** Show the durations of the suggestions and the settings of the sampler. */
  describe() {
    this.#showSettings();
    this.tries.describe();
  }

  /** Return the elements to which the page scrolls after a press on Run. */
  sight() {
    return this.player.sight;
  }

  // --- Around the player

  /** Show the settings of the sampler in the heading of their folded fields. */
  #showSettings() {
    const { fields, form } = this.panel;
    write(find(fields, ".how > summary .values"), how(form.values));
  }

  /** Open the part "The network" with the settings of the run that is shown. */
  #lookInside() {
    const { page } = this;
    const names = page.given.forms.network.map(({ name }) => name).filter((name) => name !== "count");
    const values = Object.fromEntries(Object.entries(this.panel.ran).filter(([name]) => names.includes(name)));
    return page.open("network", page.whole("network", values), { push: true, cause: "press" });
  }
}
