// Grid: steps × variance, or × sampler, from one seed. Each cell opens in Watch.
import { button, el, meanings, table } from "../drawing/dom.js";
import { NOISE, soon } from "../drawing/motion.js";
import { show } from "../pictures/sprite.js";
import { Panel } from "../run/panel.js";
import { GRID } from "../words/compare.js";
import { WAYS } from "../words/meanings.js";
import { countOfSteps } from "../words/units.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Plan, Result } from "../player/recording.js" */
/** @import { Sprite } from "../pictures/sprite.js" */

/** @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  const box = el("div", { class: "cells-of-grid" });
  const lead = el("p", null, GRID.lead);
  /** @type {HTMLImageElement[]} */
  let images = [];
  /** @type {Plan | null} */
  let shown = null;
  /** @type {number[]} the newest step of each cell */
  let newest = [];
  /** @type {(Sprite | null)[]} of that step */
  let pictures = [];
  const drawSoon = soon(() => {
    for (const [i, picture] of pictures.entries()) if (picture) show(images[i], picture);
  }, NOISE);

  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, {
    take(result) {
      if (result.kind === "plan") build(result);
      else if (result.k >= newest[result.lane]) {
        newest[result.lane] = result.k;
        pictures[result.lane] = result.x;
        if (images[result.lane].src) drawSoon();
        else show(images[result.lane], result.x);
      }
    },
    render() {
      panel.element.dataset.cells = String(newest.filter((k) => k >= 0).length);
    },
  });

  /** @param {Plan} plan */
  function build(plan) {
    const { lanes } = plan;
    shown = plan;
    const steps = [...new Set(lanes.map(({ settings }) => Number(settings.steps)))];
    newest = lanes.map(() => -1);
    pictures = lanes.map(() => null);
    images = lanes.map(({ name }) => el("img", { alt: name }));
    /** @type {Record<string, Record<string, HTMLElement>>} */
    const cells = {};
    for (const [i, { name, settings }] of lanes.entries()) {
      const run = { ...panel.ran, ...settings, count: plan.count };
      const open = () => page.open("watch", page.whole("watch", run), { push: true, cause: "press" });
      const [way] = name.split(",");
      cells[way] ??= {};
      cells[way][Number(settings.steps)] = button({ title: GRID.watch(name) }, open, images[i]);
    }
    const rows = Object.entries(cells).map(([way, row]) => [way, ...steps.map((n) => row[n] ?? "")]);
    box.style.setProperty("--pictures", String(plan.count));
    box.classList.toggle("pixelated", plan.pixelated);
    box.replaceChildren(table("", ["", ...steps.map(countOfSteps)], rows));
  }

  const title = () => shown?.heading ?? "";
  panel.stage.append(lead, meanings(...WAYS), panel.origin, box);
  return panel.mounted(["png", "csv", "zip"], () => newest.some((k) => k >= 0), {
    title,
    slide: async () => {
      const { title: settings = "", lanes = [] } = shown ?? {};
      const columns = new Set(lanes.map(({ settings }) => settings.steps)).size;
      const tiles = images.map((picture, i) => ({ picture, label: lanes[i].name }));
      return { title: title(), tiles, columns, said: "", settings };
    },
  });
}
