// The network: what each block of a U-Net says while it denoises; parts switched off, and blocks of another run.
import { button, context2d, el, find } from "../shared/drawing/dom.js";
import { soon } from "../shared/drawing/motion.js";
import { drawable } from "../shared/drawing/sprite.js";
import { Scrubber } from "../shared/drawing/transport.js";
import { Panel } from "../shared/run/panel.js";
import { meanings } from "../words/meanings.js";
import { ACTIVITY, blockTitle, LEAD, measured, NO_READERS, titleOf } from "../words/network.js";
import { Lane } from "./network/lane.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Sprite } from "../shared/drawing/sprite.js" */
/** @import { Block, Inside, Opening } from "../shared/run/protocol.js" */

/** What the network consists of, and what is different in the second run. @typedef {Opening & Required<Pick<Opening, "blocks" | "skips">> & { steps: number, second: string }} Plan */
/** @typedef {"read" | "colours"} Look */

const MARKUP = `
<p class="lead"></p>
<div class="bar">
  <div class="choice looks" role="group" aria-label="What is shown of a block"></div>
</div>
<div class="transport"><span class="at"></span></div>
<div class="lanes"></div>
<div class="apart">
  <div class="row switches" role="group" aria-label="Switched off"></div>
  <div class="row graft"></div>
  <div class="row when" role="group" aria-label="In which steps"></div>
</div>
<p class="measured" aria-live="polite"></p>
<aside class="detail"><h3></h3><p class="info"></p><canvas class="maps" role="img"></canvas></aside>
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
  const titles = [el("h3", null), el("h3", null)];
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
      controls();
    },
  });
  const { form } = panel;

  /** @param {Plan} result */
  function begin(result) {
    plan = result;
    frames = [];
    ran = 0;
    scrubber.renew(result.steps - 1, 0);
  }

  /** What is off now, as the form has it. */
  const off = () => new Set(String(form.value("off")).split(", ").filter(Boolean));

  /** @param {string} name */
  function flip(name) {
    const now = off();
    if (!now.delete(name)) now.add(name);
    panel.set({ off: [...now].join(", ") }, "press");
  }

  /** Show the channels of a block. @param {string} block @param {number} lane */
  function choose(block, lane) {
    body.dataset.lane = String(lane);
    if (form.value("block") !== block) panel.set({ block }, "press");
    else render();
  }

  /** @param {string} name */
  const chip = (name) =>
    button(
      { class: "chip", "aria-pressed": off().has(name), title: "Switch off, or on again" },
      () => flip(name),
      titleOf(name, Boolean(page.model?.prompts.length)),
    );

  /** The controls of what is taken apart. */
  function controls() {
    if (!plan) return;
    const { blocks } = plan;
    const about = page.model;
    const attends = blocks.some(({ parts }) => parts.includes("attention"));
    const conditioned = Boolean(about?.classes.length || about?.prompts.length);
    find(body, ".measured").textContent = measured(form.values, plan.figures);
    const names = [
      ...(blocks.some(({ name }) => name === "middle") ? ["middle"] : []),
      ...(attends ? ["attention"] : []),
      ...(conditioned ? ["condition"] : []),
      "time",
    ];
    find(body, ".switches").replaceChildren(el("span", { class: "name" }, "Switch off"), ...names.map(chip));
    graft(about);
    const [first, last, steps] = ["first", "last", "steps"].map((name) => Number(form.value(name)));
    const half = Math.ceil(steps / 2);
    const when = find(body, ".when");
    when.hidden = !off().size && !form.value("graft");
    const spans = /** @type {[string, number, number][]} */ ([
      ["All steps", 1, 0],
      [`Steps 1 to ${half}`, 1, half],
      [`Steps ${half + 1} to ${steps}`, half + 1, 0],
    ]);
    when.replaceChildren(
      el("span", { class: "name" }, "In"),
      ...spans.map(([title, from, to]) =>
        button(
          { class: "preset", "aria-pressed": first === from && last === to },
          () => {
            panel.set({ first: from, last: to }, "press");
          },
          title,
        ),
      ),
    );
  }

  /** The run that a block is taken from. @param {typeof page.model} about */
  function graft(about) {
    const row = find(body, ".graft");
    const value = String(form.value("graft"));
    const classes = (about?.classes ?? []).filter((name) => name !== "any");
    row.hidden = !classes.length && !about?.prompts.length;
    if (row.hidden || row.contains(document.activeElement)) return;
    const change = (/** @type {string} */ graft) => panel.set({ graft }, "press");
    const block = String(form.value("graft_block"));
    const label = el("label", null, el("span", { class: "name" }, `Take the ${block} from`), " ");
    if (classes.length) {
      const select = el("select", null, el("option", { value: "" }, "this run"));
      for (const name of classes) select.append(el("option", { value: name }, `a run of ${name}`));
      select.value = value;
      select.addEventListener("change", () => change(select.value));
      label.append(select);
    } else {
      const input = el("input", { type: "text", value, placeholder: "a run of other words" });
      input.addEventListener("change", () => change(input.value));
      label.append(input);
    }
    row.replaceChildren(label);
  }

  function build() {
    if (!plan) return;
    const two = frames.length > 1;
    ran = frames.length;
    lanes[1].root.hidden = titles[1].hidden = titles[0].hidden = !two;
    titles[0].textContent = "Whole";
    titles[1].textContent = plan.second;
    const now = off();
    const high = two ? HIGH.two : HIGH.one;
    for (const [i, lane] of lanes.slice(0, ran).entries())
      lane.build(plan.blocks, high, i ? now : new Set(), (name) => (i === ran - 1 ? chip(name) : el("span", null)));
  }

  function render() {
    if (!plan || !frames[0]?.length) return;
    if (ran !== frames.length) build();
    const { blocks, r2 } = plan;
    const { at } = scrubber;
    const chosen = String(form.value("block"));
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

  new ResizeObserver(() => {
    ran = 0;
    render();
  }).observe(body);
  body.append(meanings("xₜ", "x̂₀", "t", "seed", "block", "skips", "channels", "self-attention", "share, %"));
  panel.stage.append(body);
  return panel.mounted(["png"], () => frames.length > 0, { key: (event) => scrubber.key(event) });
}
