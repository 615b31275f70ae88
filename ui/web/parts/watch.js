// Watch: one run of the reverse chain. What opens is a recorded one, already playing.

import { button, el, find, write } from "../drawing/dom.js";
import { PRESETS, TYPED, TYPES } from "../form/presets.js";
import { Player } from "../player/player.js";
import { Panel } from "../run/panel.js";
import { Past } from "../run/past.js";
import { Starters } from "../run/starters.js";
import { how, lead } from "../words/loop.js";
import { COMPARISONS } from "../words/page.js";
import { WORDS } from "../words/watch.js";
import { Touch } from "./watch/touch.js";
import { Typing } from "./watch/typing.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Result } from "../player/recording.js" */
/** @import { Starter } from "../run/starters.js" */
/** @import { Lesson } from "./course/bar.js" */

/** The recorded example of Compare, in which the grain is seen: a latent has none. */
const GRAIN = { ...PRESETS.grain, checkpoint: "mnist-tiny", seed: 13, count: 4 };
const ONE = { checkpoint: TYPES, ...TYPED, count: 1 }; // picture of what is typed

/**
 * What there is to try. @param {Page} page @param {Panel<Result>} panel @returns {Starter[]}
 */
function starters(page, panel) {
  const [tour] = /** @type {Lesson[]} */ (page.given.initial.course.lessons);
  const typed = page.given.models.some(({ ref }) => ref === TYPES);
  const types = { title: WORDS.types, values: ONE, act: () => typeWords(panel) };
  return [
    { title: WORDS.tour(tour.minutes), act: () => take(page, tour), primary: true },
    { title: WORDS.seven, values: { checkpoint: "mnist-tiny", label: "7" } },
    ...(typed ? [types] : []),
    { title: WORDS.own, act: () => ownPicture(page) },
    { title: COMPARISONS.grain, short: WORDS.grain, values: GRAIN, part: "compare" },
  ];
}

/** Begin a lesson. @param {Page} page @param {Lesson} lesson */
async function take(page, lesson) {
  const { begin } = await import("./course/bar.js");
  return begin(page, lesson);
}

/** A model of words, and the caret where they are typed. @param {Panel<Result>} panel */
async function typeWords(panel) {
  panel.form.reset();
  await panel.set(ONE, "");
  find(panel.form.place("prompt"), "input").focus();
}

/** Choose a picture of one's own, and show it where any can be taken. The chooser opens at once, as browsers allow it only then. @param {Page} page */
function ownPicture(page) {
  const chooser = el("input", { type: "file", accept: "image/*", hidden: true });
  chooser.addEventListener("change", async () => {
    await page.open("forward", null, { push: true });
    const input = find(document, ".forward .upload input", HTMLInputElement);
    input.files = chooser.files;
    input.dispatchEvent(new Event("change"));
    find(document, ".forward .equation").scrollIntoView({ block: "nearest" });
  });
  for (const over of ["change", "cancel"]) chooser.addEventListener(over, () => chooser.remove());
  document.body.append(chooser); // Safari forgets one that is nowhere
  chooser.click();
}

/** The network of the run that is shown, with its settings. @param {Page} page @param {Panel<Result>} panel */
function lookInside(page, panel) {
  const names = page.given.forms.network.map(({ name }) => name).filter((name) => name !== "count");
  const values = Object.fromEntries(Object.entries(panel.ran).filter(([name]) => names.includes(name)));
  return page.open("network", page.whole("network", values), { push: true, cause: "press" });
}

/** @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  const player = new Player(
    () => panel.set({ attention: true }, "press"),
    () => lookInside(page, panel),
  );
  const past = new Past(page, player);
  const { first, models } = page.given;
  const latent = models.some((model) => model.ref === first && model.latent);
  const said = el("p", { class: "lead" }, lead(first, latent));
  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, {
    take: player.take,
    skip: (seconds) => player.skip(seconds),
    renew() {
      typing.renew();
      player.start();
    },
    finish(values) {
      past.add(part, values);
      tries.time();
      return player.outcome();
    },
    render() {
      player.active = panel.stream.active;
      typing.render();
    },
    layout: (form) =>
      form.layout(
        ({ name }) => name !== "prompt",
        ({ kind }) => kind === "reference" || kind === "classname",
      ),
    sight: () => player.sight,
    offer(about) {
      typing.leave();
      write(said, lead(about.ref, about.latent));
      offerWords(about.prompts);
    },
    describe() {
      sayHow();
      tries.describe();
    },
  });
  const typing = new Typing(page, panel, player);
  find(panel.form.place("prompt"), "input").addEventListener("input", () => typing.typed());
  const touch = new Touch(panel, player);
  panel.form.adopt("touch", touch);
  find(player.root, ".told").after(touch.element);
  player.shows = () => touch.render();
  player.render();
  const tries = new Starters(panel, starters(page, panel));
  const words = el("div", { class: "try words", hidden: true });
  /** Words to try. @param {string[]} prompts of a model that takes any */
  function offerWords(prompts) {
    words.hidden = !prompts.length;
    words.replaceChildren(
      ...prompts.map((prompt) => button({ class: "button" }, () => panel.set({ prompt }, "press"), prompt)),
    );
  }
  function sayHow() {
    write(find(panel.fields, ".how > summary .values"), how(panel.form.values));
  }
  sayHow();
  panel.element.prepend(said, tries.element);
  const { caption } = player.screen; // of one run: words that its model does not know
  const asked = el("div", { class: "asked" }, panel.form.place("prompt"), caption, words);
  asked.addEventListener("focusin", ({ target }) => {
    const keyboard = matchMedia("(max-width: 700px), (max-height: 500px)").matches; // the pictures stay in sight above it
    if (keyboard && target instanceof HTMLInputElement) asked.scrollIntoView({ block: "start" });
  });
  panel.stage.append(asked, panel.origin, player.root, past.element);
  return panel.mounted(["png", "gif", "webp", "strip", "csv", "zip"], () => player.view.coming.count > 0, player.part);
}
