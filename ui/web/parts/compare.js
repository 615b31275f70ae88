// Compare: two lanes from one x_T, as two equal cards of the same controls, and their pictures over one scrubber.

import { swatch } from "../drawing/chart.js";
import { button, el, find } from "../drawing/dom.js";
import { OF_FAMILIES, OF_WORDS, PRESETS, TYPES } from "../form/presets.js";
import { Player } from "../player/player.js";
import { Panel } from "../run/panel.js";
import { Past } from "../run/past.js";
import { Starters } from "../run/starters.js";
import { FAMILIES, WORDS } from "../words/compare.js";
import { COMPARISONS } from "../words/page.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Values } from "../messages/client.js" */
/** @import { Result } from "../player/recording.js" */

/** @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  const player = new Player();
  const past = new Past(page, player);
  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, {
    take: player.take,
    renew: () => player.start(),
    finish(values) {
      past.add(part, values);
      presets.time();
      return player.outcome();
    },
    offer: ({ prompts }) => presets.offer(starters(prompts.length ? OF_WORDS : usual)),
    describe: () => presets.describe(),
    layout: (form) => {
      const cards = ["A", "B"].map((title, i) =>
        el(
          "section",
          { class: `card card-${title}`, "aria-label": WORDS.lane(title) },
          el("h3", null, swatch(`lane-${i}`), title),
          form.layout(({ lane }) => lane === title.toLowerCase()),
        ),
      );
      return el(
        "div",
        { class: "fields" },
        el("div", { class: "cards" }, ...cards),
        form.layout(({ lane }) => !lane),
      );
    },
    sight: () => player.sight,
    render() {
      player.active = panel.stream.active;
    },
  });
  const { form } = panel;
  const typed = page.given.models.some(({ ref }) => ref === TYPES);
  const usual = typed ? { ...PRESETS, words: { ...OF_WORDS.words, checkpoint: TYPES } } : PRESETS;
  const send = () => page.open("likelihood", { checkpoint: form.value("checkpoint") }, { push: true });
  find(player.root, ".caption").after(button({ class: "term send" }, send, WORDS.send));
  const starters = (/** @type {Record<string, Values>} */ offered) =>
    Object.entries(offered).map(([name, values]) => ({ title: COMPARISONS[name], values }));
  const presets = new Starters(panel, starters(usual));
  /** What four families make of one noise, and those of the Hub that are here. */
  function families() {
    const src = new URL("../examples/course/families.webp", import.meta.url).href;
    const alt = FAMILIES.picture;
    const rows = FAMILIES.rows.map(([name, how]) => el("li", null, el("b", null, name), el("small", null, how)));
    const figure = el("figure", null, el("ol", null, ...rows), el("img", { src, alt, loading: "lazy" }));
    const ready = (/** @type {unknown} */ ref) =>
      page.given.models.some((one) => one.ref === ref && one.group === "here");
    const buttons = el("div", { class: "try" });
    const box = el(
      "details",
      { class: "families" },
      el("summary", null, FAMILIES.title),
      figure,
      el("p", { class: "info" }, FAMILIES.about),
      buttons,
    );
    box.addEventListener("toggle", () => {
      const known = Object.entries(OF_FAMILIES).filter(
        ([, values]) => ready(values.checkpoint) && ready(values.checkpoint_b),
      );
      buttons.replaceChildren(
        ...known.map(([name, values]) =>
          button({ class: "button" }, () => panel.set(values, "press"), COMPARISONS[name]),
        ),
      );
    });
    return box;
  }

  find(player.root, ".chart").toggleAttribute("open", innerHeight > 850);
  panel.stage.append(presets.element, panel.origin, player.root, past.element, families());
  return panel.mounted(["png", "gif", "webp", "strip", "csv", "zip"], () => player.view.coming.count > 0, player.part);
}
