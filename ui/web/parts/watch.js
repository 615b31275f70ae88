// Watch: one run of the reverse chain. What opens is a recorded one, already playing.
import { Player } from "../player/player.js";
import { button, el, find } from "../shared/dom.js";
import { Panel } from "../shared/panel.js";
import { Past } from "../shared/past.js";
import { PRESETS, TYPED, TYPES } from "../shared/presets.js";

/** @import { Lab, Part } from "../app.js" */
/** @import { Result } from "../player/recording.js" */

/** What there is to try, each with one press. @type {[string, (lab: Lab, panel: Panel<Result>) => unknown][]} */
const TRIES = [
  [
    "10 steps: which noise is right, β or β̃?",
    (lab) => lab.open("compare", PRESETS["10 steps: which noise is right?"], { push: true, eager: true }),
  ],
  ["Draw a 7", (_, panel) => panel.set({ checkpoint: "mnist-tiny", label: "7" }, true)],
  ["Draw what I type", (_, panel) => panel.set({ checkpoint: TYPES, prompt: "red apple", ...TYPED }, "now")],
  ["My own picture", ownPicture],
];

/** Where one's own picture is chosen. @param {Lab} lab */
async function ownPicture(lab) {
  await lab.open("latents", null, { push: true });
  const side = find(document, ".part-latents .side");
  const summary = find(side, ".summary[aria-expanded]");
  if (summary.checkVisibility() && summary.ariaExpanded === "false") summary.click(); // on a phone
  find(side, ".kind [value=picture]").click();
  find(side, ".upload input").focus();
}

/** @param {Lab} lab @param {string} part @returns {Part} */
export function mount(lab, part) {
  const player = new Player(lab.client, () => panel.set({ attention: true }, "now"));
  const past = new Past(lab, player);
  /** @type {Panel<Result>} */
  const panel = new Panel(lab, part, {
    take: (result) => player.take(result),
    renew: () => player.start(),
    finished: (values) => past.add(part, values),
    render() {
      player.active = panel.stream.active;
      panel.form.showOptions();
    },
    names: lab.given.forms[part].map(({ name }) => name).filter((name) => name !== "prompt"),
    offer: ({ prompts }) => offerTries(prompts),
  });
  const tries = el("div", { class: "try" });
  const typed = lab.given.models.some(({ ref }) => ref === TYPES);
  const usual = TRIES.filter(([title]) => typed || title !== "Draw what I type").map(([title, open]) =>
    button({ class: "button" }, () => open(lab, panel), title),
  );
  /** @param {string[]} prompts of a model that takes words */
  function offerTries(prompts) {
    const words = prompts.map((prompt) => button({ class: "button" }, () => panel.set({ prompt }, "now"), prompt));
    tries.replaceChildren(...(words.length ? words : usual));
    tries.classList.toggle("words", words.length > 0);
  }
  offerTries([]);
  panel.stage.append(panel.form.place("prompt"), tries, player.root, past.element);
  return panel.mounted(["png", "gif", "webp", "strip", "zip"], () => player.view.coming.count > 0, player.part);
}
