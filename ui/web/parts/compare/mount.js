// Compare: two lanes from one x_T, as two equal cards of the same controls, and their pictures over one scrubber.

import { swatch } from "../../drawing/chart.js";
import { button, el, find } from "../../drawing/dom.js";
import { OF_FAMILIES, OF_WORDS, PRESETS, TYPES } from "../../form/presets.js";
import { Player } from "../../player/player.js";
import { Panel } from "../../run/panel.js";
import { Past } from "../../run/past.js";
import { Starters } from "../../run/starters.js";
import { COMPARISONS } from "../../words/page.js";
import { FAMILIES, WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { About, Form } from "../../form/form.js" */
/** @import { Values } from "../../messages/client.js" */
/** @import { Result } from "../../player/recording.js" */

/** @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Compare(page, part).mounted();

class Compare {
  player = new Player();

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    const { player } = this;
    this.page = page;
    this.part = part;
    this.past = new Past(page, player);
    /** @type {Panel<Result>} */
    this.panel = new Panel(page, part, this);
    const { form, origin, stage } = this.panel;
    const types = page.given.models.some(({ ref }) => ref === TYPES);
    this.usual = types ? { ...PRESETS, words: { ...OF_WORDS.words, checkpoint: TYPES } } : PRESETS;
    this.presets = new Starters(this.panel, starters(this.usual));
    const send = () => page.open("likelihood", { checkpoint: form.value("checkpoint") }, { push: true });
    find(player.root, ".caption").after(button({ class: "term send" }, send, WORDS.send));
    find(player.root, ".chart").toggleAttribute("open", innerHeight > 850);
    stage.append(this.presets.element, origin, player.root, this.past.element, families(page, this.panel));
  }

  mounted() {
    const { panel, player } = this;
    const kinds = ["png", "gif", "webp", "strip", "csv", "zip"];
    return panel.mounted(kinds, () => player.view.coming.count > 0, player.part);
  }

  // --- What the panel asks of a part

  /** @param {Form} form */
  layout = (form) => {
    const cards = ["A", "B"].map((title, i) =>
      el(
        "section",
        { class: `card card-${title}`, "aria-label": WORDS.lane(title) },
        el("h3", null, swatch(`lane-${i}`), title),
        form.layout(({ lane }) => lane === title.toLowerCase()),
      ),
    );
    const shared = form.layout(({ lane }) => !lane);
    return el("div", { class: "fields" }, el("div", { class: "lane-cards" }, ...cards), shared);
  };

  take = this.player.take;

  renew() {
    this.player.start();
  }

  render() {
    this.player.active = this.panel.stream.active;
  }

  /** @param {Values} values */
  finish(values) {
    this.past.add(this.part, values);
    this.presets.showTimes();
    return this.player.outcome();
  }

  /** @param {About} about the model */
  offer({ prompts }) {
    this.presets.offer(starters(prompts.length ? OF_WORDS : this.usual));
  }

  describe() {
    this.presets.describe();
  }

  sight() {
    return this.player.sight;
  }
}

/** @param {Record<string, Values>} presets by their names */
const starters = (presets) => Object.entries(presets).map(([name, values]) => ({ title: COMPARISONS[name], values }));

/** Fill in the example of four families from one noise, and the checkpoints of the Hub that are on this machine. @param {Page} page @param {Panel<Result>} panel */
function families(page, panel) {
  const src = new URL("../../examples/course/families.webp", import.meta.url).href;
  const rows = FAMILIES.rows.map(([name, how]) => el("li", null, el("b", null, name), el("small", null, how)));
  const picture = el("img", { src, alt: FAMILIES.picture, loading: "lazy" });
  const isHere = (/** @type {unknown} */ ref) =>
    page.given.models.some((one) => one.ref === ref && one.group === "here");
  const buttons = el("div", { class: "try" });
  const box = el(
    "details",
    { class: "families" },
    el("summary", null, FAMILIES.title),
    el("figure", null, el("ol", null, ...rows), picture),
    el("p", { class: "info" }, FAMILIES.about),
    buttons,
  );
  box.addEventListener("toggle", () => {
    const here = Object.entries(OF_FAMILIES).filter(
      ([, values]) => isHere(values.checkpoint) && isHere(values.checkpoint_b),
    );
    buttons.replaceChildren(
      ...here.map(([name, values]) => button({ class: "button" }, () => panel.set(values, "press"), COMPARISONS[name])),
    );
  });
  return box;
}
