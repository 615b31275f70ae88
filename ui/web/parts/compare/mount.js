// Draws the part "A and B". It compares two lanes, which are runs with their own settings from the same x_T. Each lane
// has a card with its controls; the pictures of both lanes are above one scrubber.

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

/** Build the part. @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Compare(page, part).asPart();

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
    stage.append(this.presets.element, origin, player.root, this.past.element, familiesBox(page, this.panel));
  }

  /** Return the functions through which the page uses this part. */
  asPart() {
    const { panel, player } = this;
    const kinds = ["png", "gif", "webp", "strip", "csv", "zip"];
    return panel.asPart(kinds, () => player.view.coming.count > 0, player.part);
  }

  // --- Functions that the panel calls

  /** Lay out the form's fields: a card for each lane, then the fields that both lanes share. @param {Form} form */
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

  /** Clear the pictures, because another run begins. */
  renew() {
    this.player.start();
  }

  /** Tell the player whether the newest run is active. */
  render() {
    this.player.active = this.panel.stream.active;
  }

  /** Add the finished run to the list of past runs, and return its outcome in a sentence. @param {Values} values */
  finish(values) {
    this.past.add(this.part, values);
    this.presets.showTimes();
    return this.player.outcome();
  }

  /** Offer the presets that suit the model. @param {About} about the facts of the model */
  offer({ prompts }) {
    this.presets.offer(starters(prompts.length ? OF_WORDS : this.usual));
  }

  /** Update the presets when the page has new time estimates for the form's settings. */
  describe() {
    this.presets.describe();
  }

  /** Return the elements to which the page scrolls after a press on Run. */
  sight() {
    return this.player.sight;
  }
}

/** For each preset, return the title of its button and the values that the button sets. @param {Record<string, Values>} presets by name */
const starters = (presets) => Object.entries(presets).map(([name, values]) => ({ title: COMPARISONS[name], values }));

/**
 * Return a box that folds. It shows a recorded picture of four model families, which all begin with the same noise. Its
 * buttons compare those families whose models are on this machine.
 * @param {Page} page @param {Panel<Result>} panel
 */
function familiesBox(page, panel) {
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
