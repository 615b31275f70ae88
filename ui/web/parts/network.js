// The network: what each block of a U-Net says while it denoises; parts switched off, and blocks of another run.
import { button, context2d, el, find } from "../shared/drawing/dom.js";
import { soon } from "../shared/drawing/motion.js";
import { drawable } from "../shared/drawing/sprite.js";
import { Scrubber } from "../shared/drawing/transport.js";
import { Panel } from "../shared/run/panel.js";
import { meanings } from "../words/meanings.js";
import { ACTIVITY, blockTitle, LAYERS, LEAD, NO_ATTENTION, NO_READERS, WHERE, WORDS } from "../words/network.js";
import { Apart, keepingFocus } from "./network/apart.js";
import { blockOf, layers, offersPlaces } from "./network/attention.js";
import { Lane, paint } from "./network/lane.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Sprite } from "../shared/drawing/sprite.js" */
/** @import { View } from "./network/lane.js" */
/** @import { Block, Inside, Opening } from "../shared/run/protocol.js" */

/** What the network consists of; block: whose channels come; place: which place is marked, down and right of 1; second: what is different in the second run. @typedef {Opening & Required<Pick<Opening, "blocks" | "skips">> & { checkpoint: string, steps: number, block: string, second: string, place: [number, number] | null }} Plan */

const MARKUP = `
<p class="lead"></p>
<div class="bar">
  <div class="choice looks" role="group" aria-label="${WORDS.shown}"></div>
</div>
<div class="transport"><span class="at"></span></div>
<div class="both" hidden></div>
<div class="lanes"></div>
<aside class="detail" hidden><h3></h3><p class="info"></p><canvas class="maps" role="img"></canvas></aside>
`;
const GAP = 3; // pixels between channels
const HIGH = { one: 620, two: 400 }; // pixels of a U

/** The channels of a block, row by row. @param {Sprite} channels @param {Block} block @param {number} wide pixels that they may take */
async function tiled(channels, { shape: [count, height, width] }, wide) {
  const row = await drawable(channels);
  const side = width * Math.max(1, Math.ceil(28 / width));
  const columns = Math.max(1, Math.floor((wide + GAP) / (side + GAP)));
  const [across, down] = [Math.min(columns, count), Math.ceil(count / columns)];
  const context = context2d(el("canvas", { width: across * (side + GAP) - GAP, height: down * (side + GAP) - GAP }));
  context.imageSmoothingEnabled = false;
  for (let i = 0; i < count; i++) {
    const [x, y] = [(i % columns) * (side + GAP), Math.floor(i / columns) * (side + GAP)];
    context.drawImage(row, i * width, 0, width, height, x, y, side, side);
  }
  return context.canvas;
}

/** Its element has data-frames: how many steps of the first lane are there. @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  /** @type {Plan | null} */
  let plan = null;
  /** @type {Inside[][]} of each lane by step */
  let frames = [];
  /** @type {View | null} */
  let pressed = null;
  /** @type {View} */
  let view = "read";
  let ran = 0; // lanes that are drawn
  const body = el("div", { class: "network" });
  body.innerHTML = MARKUP;
  const scrubber = new Scrubber(find(body, ".transport"), WORDS.step, () => render());
  const lanes = [0, 1].map((i) => new Lane((block) => choose(block, i), mark));
  const titles = [el("h3", { hidden: true }), el("h3", { hidden: true })];
  /** The guess of each run, side by side: what a change has done is seen at once. */
  const both = titles.map(() => ({ canvas: el("canvas", { role: "img" }), title: el("figcaption", null) }));
  find(body, ".both").append(...both.map(({ canvas, title }) => el("figure", null, canvas, title)));
  find(body, ".lanes").append(titles[0], lanes[0].root, titles[1], lanes[1].root);
  const later = soon(() => render());
  const looks = WORDS.views.map(([name, title]) =>
    button(
      { class: "preset" },
      () => {
        pressed = name;
        if (name === "where" && !form.value("place")) mark(0.5, 0.5);
        else render();
      },
      title,
    ),
  );
  find(body, ".looks").append(...looks);

  /** @type {Panel<Plan | Inside>} */
  const panel = new Panel(page, part, {
    take(result) {
      if (result.kind === "plan") begin(result);
      else {
        frames[result.lane] ??= [];
        frames[result.lane][result.k] = result;
        if (!result.lane) scrubber.reached = result.k;
        if (!result.lane && scrubber.active) scrubber.at = result.k;
        later();
      }
    },
    render() {
      scrubber.active = panel.stream.active;
      body.classList.toggle("running", panel.stream.active);
      panel.element.dataset.frames = String(frames[0]?.length ?? 0);
      const measured = plan?.checkpoint === form.value("checkpoint") ? plan?.figures : null;
      if (plan) apart.render(plan.blocks, measured, page.model);
    },
  });
  const { form } = panel;
  const apart = new Apart(panel);
  find(body, ".lanes").after(apart.root);

  /** @param {Plan} result */
  function begin(result) {
    plan = result;
    frames = [];
    ran = 0;
    scrubber.renew(result.steps - 1, 0);
  }

  /** Show the channels of a block. @param {string} block @param {number} lane */
  function choose(block, lane) {
    body.dataset.lane = String(lane);
    if (form.value("block") !== block) panel.set({ block }, "press");
    else render();
  }

  /** @param {number} down @param {number} right */
  function mark(down, right) {
    panel.set({ place: `${Math.round(100 * down)} ${Math.round(100 * right)}` }, "press");
  }

  function build() {
    if (!plan) return;
    const two = frames.length > 1;
    ran = frames.length;
    find(body, ".both").hidden = lanes[1].root.hidden = titles[1].hidden = titles[0].hidden = !two;
    for (const [i, text] of [WORDS.whole, plan.second].entries()) {
      titles[i].textContent = both[i].title.textContent = text;
      both[i].canvas.ariaLabel = WORDS.result(text);
    }
    const { blocks } = plan;
    const high = two ? HIGH.two : HIGH.one;
    keepingFocus(body, () => {
      for (const [i, lane] of lanes.slice(0, ran).entries())
        lane.build(blocks, high, i ? apart.off : new Set(), i === ran - 1 ? (name) => apart.chip(name) : null);
    });
  }

  function render() {
    if (!plan || !frames[0]?.length) return;
    if (ran !== frames.length) build();
    const { blocks, r2, block: chosen } = plan;
    const { at } = scrubber;
    const offered = { read: Boolean(r2), colours: true, where: offersPlaces(blocks, plan.figures) };
    view = pressed ?? (plan.place ? "where" : "read");
    if (!offered[view]) view = "colours";
    find(body, ".looks").hidden = !offered.read && !offered.where;
    for (const [i, button] of looks.entries()) {
      button.hidden = !offered[WORDS.views[i][0]];
      button.setAttribute("aria-pressed", String(WORDS.views[i][0] === view));
    }
    for (const [i, lane] of lanes.slice(0, ran).entries()) {
      const frame = frames[i][at] ?? frames[i].at(-1);
      const shares = r2 && !i ? Object.fromEntries(blocks.map(({ name }) => [name, r2[name][at]])) : null;
      if (!frame) continue;
      lane.render(frame, blocks, view, chosen, shares, plan.place);
      paint(both[i].canvas, drawable(frame.x0));
    }
    find(body, ".lead").textContent = view === "where" ? WHERE : r2 ? (view === "read" ? LEAD : ACTIVITY) : NO_READERS;
    const lane = Math.min(Number(body.dataset.lane ?? 0), ran - 1);
    const block = blocks.find(({ name }) => name === chosen);
    const frame = frames[lane][at];
    if (block && frame) detail(block, frame, ran > 1 ? WORDS.block(chosen, lane) : chosen);
    const t = frames[0][at]?.t ?? "";
    scrubber.render(WORDS.at(at + 1, scrubber.last + 1, t));
  }

  /** Show the channels of a block, or the maps of its attention. @param {Block} block @param {Inside} frame @param {string} title */
  function detail(block, { channels, looks = [], x0 }, title) {
    find(body, ".detail").hidden = false;
    find(body, ".detail h3").textContent = title;
    find(body, ".detail .info").textContent = blockTitle(block);
    const maps = find(body, ".maps", HTMLCanvasElement);
    const found = looks.filter(({ layer }) => blockOf(layer) === block.name);
    maps.hidden = view === "where" && !found.length;
    if (view === "where") find(body, ".detail .info").textContent = found.length ? LAYERS : NO_ATTENTION;
    maps.ariaLabel = view === "where" ? LAYERS : WORDS.channels(block.shape[0], block.name);
    const wide = body.clientWidth;
    if (!maps.hidden) paint(maps, view === "where" ? layers(x0, found, wide) : tiled(channels, block, wide));
  }

  let width = 0;
  new ResizeObserver(() => {
    if (body.clientWidth === width) return;
    width = body.clientWidth;
    ran = 0;
    render();
  }).observe(body);
  body.append(meanings("block", "skips", "channels", "self-attention", "share, %"));
  panel.stage.append(body);
  return panel.mounted(["png"], () => frames.length > 0, { key: (event) => scrubber.key(event) });
}
