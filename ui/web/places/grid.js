// Grid: steps × variance, or × sampler, from one seed. Each cell opens in Watch.
import { button, el } from "../shared/dom.js";
import { Panel } from "../shared/panel.js";

/** @import { Lab, Part } from "../app.js" */
/** @import { Plan, Result } from "../player/recording.js" */

/** @param {Lab} lab @param {string} part @returns {Part} */
export function mount(lab, part) {
  const table = el("div", {
    class: "cells-of-grid",
    role: "table",
    "aria-label": "Pictures by steps and kind of noise",
  });
  const lead = el(
    "p",
    null,
    "One seed, one start of noise: each cell is a whole run with its own steps. Press a cell to watch it.",
  );
  /** @type {HTMLImageElement[]} */
  let images = [];
  /** @type {number[]} the newest step of each cell */
  let newest = [];

  /** @type {Panel<Result>} */
  const panel = new Panel(lab, part, {
    take(result) {
      if (result.kind === "plan") build(result);
      else if (result.k >= newest[result.lane]) {
        newest[result.lane] = result.k;
        images[result.lane].src = result.x;
      }
    },
    renew: () => table.classList.add("dim"),
    render() {
      const { form } = panel;
      const rows = form.value("rows");
      form.showOptions();
      form.show("eta", rows === "sampler");
      form.show("variance", rows === "sampler");
      form.show("sampler", false);
      form.show("steps", false);
      panel.element.dataset.cells = String(newest.filter((k) => k >= 0).length);
    },
  });

  /** @param {Plan} plan */
  function build(plan) {
    const { lanes } = plan;
    const steps = [...new Set(lanes.map(({ settings }) => Number(settings.steps)))];
    const ways = [...new Set(lanes.map(({ name }) => name.split(",")[0]))];
    newest = lanes.map(() => -1);
    images = lanes.map(({ name }) => el("img", { alt: name }));
    const cells = lanes.map(({ name, settings }, i) => {
      const open = () => {
        const { seed, label, negative } = panel.values;
        lab.open("watch", { ...settings, seed, label, negative, count: plan.count }, { push: true, eager: true });
      };
      const cell = button({ title: `Watch: ${name}` }, open, images[i]);
      return { way: name.split(",")[0], steps: Number(settings.steps), cell };
    });
    const head = el(
      "div",
      { role: "row" },
      el("span", { role: "columnheader" }, ""),
      ...steps.map((n) => el("span", { role: "columnheader" }, `${n} steps`)),
    );
    const rows = ways.map((way) =>
      el(
        "div",
        { role: "row" },
        el("span", { role: "rowheader" }, way),
        ...steps.map((n) =>
          el("span", { role: "cell" }, cells.find((one) => one.way === way && one.steps === n)?.cell ?? ""),
        ),
      ),
    );
    table.style.setProperty("--columns", String(steps.length));
    table.style.setProperty("--pictures", String(plan.count));
    table.classList.toggle("pixelated", plan.pixelated);
    table.classList.remove("dim");
    table.replaceChildren(head, ...rows);
  }

  panel.stage.append(lead, table);
  panel.options.render();
  panel.showExample((results) => {
    for (const result of results) panel.options.take(result);
  });
  return {
    element: panel.element,
    set: (values, eager) => panel.set(values, eager),
    items: () =>
      panel.items(
        ["png", "csv", "zip"],
        newest.some((k) => k >= 0),
      ),
  };
}
