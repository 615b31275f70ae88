// The network: what each block of a U-Net says while it denoises; parts switched off, and blocks of another run.
import { button, context2d, el, find } from "../shared/drawing/dom.js";
import { soon } from "../shared/drawing/motion.js";
import { drawable } from "../shared/drawing/sprite.js";
import { Scrubber } from "../shared/drawing/transport.js";
import { Panel } from "../shared/run/panel.js";
import { meanings } from "../words/meanings.js";
import { ACTIVITY, blockTitle, LEAD, NO_READERS } from "../words/network.js";
import { Apart, keepingFocus } from "./network/apart.js";
import { Lane } from "./network/lane.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Sprite } from "../shared/drawing/sprite.js" */
/** @import { Block, Inside, Opening } from "../shared/run/protocol.js" */

/** What the network consists of; block: whose channels come; second: what is different in the second run. @typedef {Opening & Required<Pick<Opening, "blocks" | "skips">> & { steps: number, block: string, second: string }} Plan */
/** @typedef {"read" | "colours"} Look */

const MARKUP = `
<p class="lead"></p>
<div class="bar">
  <div class="choice looks" role="group" aria-label="What is shown of a block"></div>
</div>
<div class="transport"><span class="at"></span></div>
<div class="lanes"></div>
<aside class="detail" hidden><h3></h3><p class="info"></p><canvas class="maps" role="img"></canvas></aside>
`;
/** @type {[Look, string][]} */
const LOOKS = [
  ["read", "What can be read"],
  ["colours", "Activity"],
];
const GAP = 3; // pixels between channels
const HIGH = { one: 620, two: 400 }; // pixels of a U

/** Its element has data-frames: how many steps of the first lane are there. @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  /** @type {Plan | null} */
  let plan = null;
  /** @type {Inside[][]} of each lane by step */
  let frames = [];
  /** @type {Look} */
  let look = "read";
  let ran = 0; // lanes that are drawn
  const body = el("div", { class: "network" });
  body.innerHTML = MARKUP;
  const scrubber = new Scrubber(find(body, ".transport"), "Step of the run", () => render());
  const lanes = [0, 1].map((i) => new Lane((block) => choose(block, i)));
  const titles = [el("h3", { hidden: true }), el("h3", { hidden: true })];
  find(body, ".lanes").append(titles[0], lanes[0].root, titles[1], lanes[1].root);
  const later = soon(() => render());
  const looks = LOOKS.map(([name, title]) =>
    button(
      { class: "preset" },
      () => {
        look = name;
        render();
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
      if (plan) apart.render(plan.blocks, plan.figures, page.model);
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

  function build() {
    if (!plan) return;
    const two = frames.length > 1;
    ran = frames.length;
    lanes[1].root.hidden = titles[1].hidden = titles[0].hidden = !two;
    titles[0].textContent = "Whole";
    titles[1].textContent = plan.second;
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
    if (!r2) look = "colours";
    find(body, ".looks").hidden = !r2;
    for (const [i, button] of looks.entries()) button.setAttribute("aria-pressed", String(LOOKS[i][0] === look));
    for (const [i, lane] of lanes.slice(0, ran).entries()) {
      const frame = frames[i][at] ?? frames[i].at(-1);
      const shares = r2 && !i ? Object.fromEntries(blocks.map(({ name }) => [name, r2[name][at]])) : null;
      if (frame) lane.render(frame, blocks, look, chosen, shares);
    }
    find(body, ".lead").textContent = r2 ? (look === "read" ? LEAD : ACTIVITY) : NO_READERS;
    const lane = Math.min(Number(body.dataset.lane ?? 0), ran - 1);
    const block = blocks.find(({ name }) => name === chosen);
    const channels = frames[lane][at]?.channels;
    if (block && channels) detail(block, channels, ran > 1 ? ["whole", "changed"][lane] : "");
    const t = frames[0][at]?.t ?? "";
    scrubber.render(`step ${at + 1} of ${scrubber.last + 1} · t = ${t}`);
  }

  /** The channels of a block, row by row. @param {Block} block @param {Sprite} channels @param {string} which */
  async function detail(block, channels, which) {
    find(body, ".detail").hidden = false;
    find(body, ".detail h3").textContent = which ? `${block.name}, ${which}` : block.name;
    find(body, ".detail .info").textContent = blockTitle(block);
    const maps = find(body, ".maps", HTMLCanvasElement);
    const row = await drawable(channels);
    const [count, height, width] = block.shape;
    const side = width * Math.max(1, Math.ceil(28 / width));
    const columns = Math.max(1, Math.floor((body.clientWidth + GAP) / (side + GAP)));
    maps.width = Math.min(columns, count) * (side + GAP) - GAP;
    maps.height = Math.ceil(count / columns) * (side + GAP) - GAP;
    const context = context2d(maps);
    context.imageSmoothingEnabled = false;
    for (let i = 0; i < count; i++) {
      const [x, y] = [(i % columns) * (side + GAP), Math.floor(i / columns) * (side + GAP)];
      context.drawImage(row, i * width, 0, width, height, x, y, side, side);
    }
    maps.ariaLabel = `${count} channels of ${block.name}`;
  }

  let width = 0;
  new ResizeObserver(() => {
    if (body.clientWidth === width) return;
    width = body.clientWidth;
    ran = 0;
    render();
  }).observe(body);
  body.append(meanings("xₜ", "x̂₀", "t", "seed", "block", "skips", "channels", "self-attention", "share, %"));
  panel.stage.append(body);
  return panel.mounted(["png"], () => frames.length > 0, { key: (event) => scrubber.key(event) });
}
