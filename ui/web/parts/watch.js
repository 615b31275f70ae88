// Watch: one run of the reverse chain. What opens is a recorded one, already playing.
import { Player } from "../player/player.js";
import { button, el, find } from "../shared/drawing/dom.js";
import { PRESETS, TYPED, TYPES } from "../shared/form/presets.js";
import { Panel } from "../shared/run/panel.js";
import { Past } from "../shared/run/past.js";
import { Touch } from "./watch/touch.js";
import { Typing } from "./watch/typing.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Result } from "../player/recording.js" */

/** What there is to try, each with one press. @type {[string, (page: Page, panel: Panel<Result>) => unknown][]} */
const TRIES = [
  [
    "10 steps: which noise is right, β or β̃?",
    (page) => page.open("compare", PRESETS["10 steps: which noise is right?"], { push: true, cause: "press" }),
  ],
  ["Draw a 7", (_, panel) => panel.set({ checkpoint: "mnist-tiny", label: "7" }, "press")],
  ["Draw what I type", typeWords],
  ["My own picture", ownPicture],
];

/** A model of words, and the caret where they are typed. @param {Page} _ @param {Panel<Result>} panel */
async function typeWords(_, panel) {
  await panel.set({ checkpoint: TYPES, ...TYPED, count: 1 }, "");
  find(panel.form.place("prompt"), "input").focus();
}

/** One's own picture, where any can be taken. @param {Page} page */
async function ownPicture(page) {
  await page.open("forward", null, { push: true });
  find(document, ".forward .upload input").click();
}

/** The network of the run that is shown, with its settings. @param {Page} page @param {Panel<Result>} panel */
function lookInside(page, panel) {
  const names = page.given.forms.network.map(({ name }) => name).filter((name) => name !== "count");
  const values = Object.fromEntries(Object.entries(panel.ran).filter(([name]) => names.includes(name)));
  return page.open("network", page.whole("network", values), { push: true, cause: "press" });
}

/** @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  const player = new Player(() => panel.set({ attention: true }, "press"));
  const past = new Past(page, player);
  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, {
    take: (result) => player.take(result),
    renew() {
      typing.renew();
      player.start();
    },
    finished: (values) => past.add(part, values),
    outcome: () => player.outcome(),
    render() {
      player.active = panel.stream.active;
      typing.render();
    },
    side: ({ name }) => name !== "prompt",
    offer({ prompts }) {
      typing.leave();
      offerTries(prompts);
    },
  });
  const typing = new Typing(page, panel, player);
  find(panel.form.place("prompt"), "input").addEventListener("input", () => typing.typed());
  const touch = new Touch(panel, player);
  panel.form.adopt("touch", touch);
  find(player.root, ".transport").after(touch.element);
  player.shows = () => touch.render();
  player.render();
  const tries = el("div", { class: "try" });
  const typed = page.given.models.some(({ ref }) => ref === TYPES);
  const usual = TRIES.filter(([title]) => typed || title !== "Draw what I type").map(([title, open]) =>
    button({ class: "button" }, () => open(page, panel), title),
  );
  /** @param {string[]} prompts of a model that takes words */
  function offerTries(prompts) {
    const words = prompts.map((prompt) => button({ class: "button" }, () => panel.set({ prompt }, "press"), prompt));
    tries.replaceChildren(...(words.length ? words : usual));
    tries.classList.toggle("words", words.length > 0);
  }
  offerTries([]);
  const inside = button({ class: "button look-inside" }, () => lookInside(page, panel), "Look inside this run");
  panel.stage.append(panel.form.place("prompt"), tries, player.root, inside, past.element);
  return panel.mounted(["png", "gif", "webp", "strip", "csv", "zip"], () => player.view.coming.count > 0, player.part);
}
