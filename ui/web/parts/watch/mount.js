// Watch: one run of the reverse chain. What opens is a recorded one, already playing.

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

/** The recorded example of Compare, in which the grain is seen: a latent has none. */
const GRAIN = { ...PRESETS.grain, checkpoint: "mnist-tiny", seed: 13, count: 4 };
const ONE = { checkpoint: TYPES, ...TYPED, count: 1 }; // picture of what is typed

/**
 * What there is to try. @param {Page} page @param {Panel<Result>} panel @param {HTMLElement} square the picture of that between four words @returns {Starter[]}
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
    { title: WORDS.draw, act: () => drawPicture((file) => showOwn(page, file)) },
    { title: WORDS.own, act: () => choosePicture((file) => showOwn(page, file)) },
    { title: WORDS.grain, values: GRAIN, part: "compare" },
  ];
}

/** @param {Page} page @param {Lesson} lesson */
async function beginLesson(page, lesson) {
  const { begin } = await import("../course/bar.js");
  return begin(page, lesson);
}

/** A model of words, and the caret where they are typed. @param {Panel<Result>} panel */
async function typeWords(panel) {
  panel.form.reset();
  await panel.set(ONE, "");
  find(panel.form.place("prompt"), "input").focus();
}

/** Show a picture of one's own where any can be taken. @param {Page} page @param {File} file */
async function showOwn(page, file) {
  await page.open("forward", null, { push: true });
  const input = find(document, ".forward .upload input", HTMLInputElement);
  const files = new DataTransfer();
  files.items.add(file);
  input.files = files.files;
  input.dispatchEvent(new Event("change"));
  find(document, ".forward .equation").scrollIntoView({ block: "nearest" });
}

const IDLE = 2000; // ms after which the recorded square is fetched

/** @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Watch(page, part).mounted();

class Watch {
  player = new Player(
    () => this.panel.set({ attention: true }, "press"),
    () => this.#lookInside(),
  );
  #lead = el("p", { class: "lead" });
  #words = el("div", { class: "try words", hidden: true });
  /** What draws sketches of a prompt; only models that take words need it. @type {Typing | null} */
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
    this.#enliven(square);
    const { first, models } = page.given;
    write(
      this.#lead,
      lead(
        first,
        models.some((model) => model.ref === first && model.latent),
      ),
    );
    this.#sayHow();
    element.prepend(this.#lead, this.tries.element);
    stage.append(this.#asked(), origin, player.root, this.past.element);
  }

  /** The square between four words is live once the pointer is near, or the browser has time. @param {HTMLCanvasElement} square */
  #enliven(square) {
    const starter = square.closest("button");
    if (!starter) return;
    let isAsked = false;
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

  async #loadTyping() {
    const module = await import("./typing.js").catch(continueWithout("sketches of the words"));
    if (module) this.#typing ??= new module.Typing(this.page, this.panel, this.player);
    return this.#typing;
  }

  mounted() {
    const { panel, player } = this;
    const kinds = ["png", "gif", "webp", "strip", "csv", "zip"];
    return panel.mounted(kinds, () => player.view.coming.count > 0, player.part);
  }

  /** The words of a prompt, and what stands with them. */
  #asked() {
    const { caption } = this.player.screen; // of one run: words that its model does not know
    const asked = el("div", { class: "asked" }, this.panel.form.place("prompt"), caption, this.#words);
    asked.addEventListener("focusin", ({ target }) => {
      const keyboard = matchMedia("(max-width: 700px), (max-height: 500px)").matches; // the pictures stay in sight above it
      if (keyboard && target instanceof HTMLInputElement) asked.scrollIntoView({ block: "start" });
    });
    return asked;
  }

  // --- What the panel asks of a part

  /** @param {Form} form */
  layout = (form) =>
    form.layout(
      ({ name }) => name !== "prompt",
      ({ kind }) => kind === "reference" || kind === "classname",
    );

  take = this.player.take;

  renew() {
    this.#typing?.renew();
    this.player.start();
  }

  /** @param {number} seconds */
  skip(seconds) {
    return this.player.skip(seconds);
  }

  render() {
    this.player.active = this.panel.stream.active;
    this.#typing?.render();
  }

  /** @param {Values} values */
  finish(values) {
    this.past.add(this.part, values);
    this.tries.time();
    return this.player.outcome();
  }

  /** @param {About} about the model */
  offer({ ref, latent, prompts }) {
    this.#typing?.leave();
    if (prompts.length) this.#loadTyping();
    write(this.#lead, lead(ref, latent));
    this.#words.hidden = !prompts.length;
    this.#words.replaceChildren(
      ...prompts.map((prompt) => button({ class: "button" }, () => this.panel.set({ prompt }, "press"), prompt)),
    );
  }

  describe() {
    this.#sayHow();
    this.tries.describe();
  }

  sight() {
    return this.player.sight;
  }

  // --- What is around the player

  #sayHow() {
    const { fields, form } = this.panel;
    write(find(fields, ".how > summary .values"), how(form.values));
  }

  /** Open the network of the run that is shown, with its settings. */
  #lookInside() {
    const { page } = this;
    const names = page.given.forms.network.map(({ name }) => name).filter((name) => name !== "count");
    const values = Object.fromEntries(Object.entries(this.panel.ran).filter(([name]) => names.includes(name)));
    return page.open("network", page.whole("network", values), { push: true, cause: "press" });
  }
}
