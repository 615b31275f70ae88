// Compare: two lanes from one x_T, as two equal cards of the same controls, and their pictures over one scrubber.
import { Player } from "../player/player.js";
import { swatch } from "../shared/drawing/chart.js";
import { button, el, find } from "../shared/drawing/dom.js";
import { OF_FAMILIES, OF_WORDS, PRESETS, TYPES } from "../shared/form/presets.js";
import { Panel } from "../shared/run/panel.js";
import { Past } from "../shared/run/past.js";
import { Starters } from "../shared/run/starters.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Values } from "../shared/run/client.js" */
/** @import { Result } from "../player/recording.js" */

/** The rows of the recorded picture. */
const FAMILIES = [
  ["DDPM", "50 steps, noise β̃ₜ"],
  ["Score SDE", "50 steps, each after a Langevin correction"],
  ["Flow", "50 straight steps, no noise added"],
  ["Consistency", "a student, 2 steps"],
];

/** @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  const player = new Player();
  const past = new Past(page, player);
  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, {
    take: (result) => player.take(result),
    renew: () => player.start(),
    finished(values) {
      past.add(part, values);
      presets.time();
    },
    outcome: () => player.outcome(),
    offer: ({ prompts }) => presets.offer(starters(prompts.length ? OF_WORDS : usual)),
    described: () => presets.described(),
    render() {
      player.active = panel.stream.active;
    },
  });
  const { form } = panel;

  const cards = ["A", "B"].map((title, i) =>
    el(
      "section",
      { class: `card card-${title}`, "aria-label": `Lane ${title}` },
      el("h3", null, swatch(`lane-${i}`), title),
      form.layout(({ lane }) => lane === title.toLowerCase()),
    ),
  );
  const words = "Two words, one noise";
  const typed = page.given.models.some(({ ref }) => ref === TYPES);
  const usual = typed ? { ...PRESETS, [words]: { ...OF_WORDS[words], checkpoint: TYPES } } : PRESETS;
  const send = () => page.open("likelihood", { checkpoint: form.value("checkpoint") }, { push: true });
  find(player.root, ".caption").after(button({ class: "term send" }, send, "What does each noise cost in bits?"));
  const starters = (/** @type {Record<string, Values>} */ offered) =>
    Object.entries(offered).map(([title, values]) => ({ title, values }));
  const presets = new Starters(panel, starters(usual));
  panel.fields.replaceChildren(
    el("div", { class: "cards" }, ...cards),
    form.layout(({ lane }) => !lane),
  );
  /** What four families make of one noise, and those of the Hub that are here. */
  function families() {
    const src = new URL("../examples/course/families.webp", import.meta.url).href;
    const alt = "Four rows of pictures, from the same noise to four digits 5";
    const rows = FAMILIES.map(([name, how]) => el("li", null, el("b", null, name), el("small", null, how)));
    const figure = el("figure", null, el("ol", null, ...rows), el("img", { src, alt, loading: "lazy" }));
    const said =
      "Recorded: seed 13, the digit 5. All rows begin with the same noise. The first three ask one network, read in three ways; the last one asks its student. None of the models that come with the page has learned its variance: those of the Hub’s DiT, and of OpenAI’s files, have.";
    const ready = (/** @type {unknown} */ ref) =>
      page.given.models.some((one) => one.ref === ref && one.group === "Ready here");
    const buttons = el("div", { class: "try" });
    const box = el(
      "details",
      { class: "families" },
      el("summary", null, "One noise, four families"),
      figure,
      el("p", { class: "info" }, said),
      buttons,
    );
    box.addEventListener("toggle", () => {
      const known = Object.entries(OF_FAMILIES).filter(
        ([, values]) => ready(values.checkpoint) && ready(values.checkpoint_b),
      );
      buttons.replaceChildren(
        ...known.map(([title, values]) => button({ class: "button" }, () => panel.set(values, "press"), title)),
      );
    });
    return box;
  }

  find(player.root, ".chart").toggleAttribute("open", innerHeight > 850);
  panel.stage.append(presets.element, player.root, past.element, families());
  return panel.mounted(["png", "gif", "webp", "strip", "csv", "zip"], () => player.view.coming.count > 0, player.part);
}
