// The network: what each block of a U-Net says while it denoises; parts switched off, and blocks of another run.
import { all, button, context2d, el, find, isShown, markup, meanings, within, write } from "../drawing/dom.js";
import { soon } from "../drawing/motion.js";
import { Scrubber } from "../drawing/transport.js";
import { drawable } from "../pictures/sprite.js";
import { Panel } from "../run/panel.js";
import { ACTIVITY, blockTitle, LAYERS, LEAD, NO_ATTENTION, NO_READERS, WHERE, WORDS } from "../words/network.js";
import { Apart } from "./network/apart.js";
import { blockOf, layers, offersPlaces } from "./network/attention.js";
import { Lane, paint } from "./network/lane.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Sprite } from "../pictures/sprite.js" */
/** @import { View } from "./network/lane.js" */
/** @import { Block, Inside, Opening } from "../messages/protocol.js" */

/** What the network consists of; block: whose channels come; place: which place is marked, down and right of 1; asked: what the network is asked for; second: what is different in the second run; grafted: its block that is another run's, "" for none; span: its first and its last step that differ. @typedef {Opening & Required<Pick<Opening, "blocks" | "skips">> & { checkpoint: string, steps: number, block: string, place: [number, number] | null, asked: string, second: string, grafted: string, span: [number, number] }} Plan */

const MARKUP = `
<p class="lead"></p>
<div class="bar">
  <div class="choice looks" role="group" aria-label="${WORDS.shown}"></div>
</div>
<div class="transport"><span class="at"></span></div>
<div class="desk"><div class="lanes"></div></div>
<aside class="detail" hidden><h3></h3><p class="info"></p><canvas class="maps" role="img"></canvas></aside>
`;
const GAP = 4; // pixels between channels
const [HIGH, AROUND] = [560, 340]; // pixels: of a U at least, and of the window around it
const [BESIDE, BROAD] = [560, 760]; // pixels from which two U, and from which the switches, have room beside the U
const [THUMB, LANES] = [40, 24]; // pixels: the guess on a button of a run, the gap between two U

/** The channels of a block, row by row. @param {Sprite} channels @param {Block} block @param {number} wide pixels that they may take */
async function tiled(channels, { shape: [count, height, width] }, wide) {
  const row = await drawable(channels);
  const columns = wide < BESIDE ? Math.min(8, power(Math.sqrt(count))) : power(Math.sqrt(2 * count));
  const side = width * Math.max(1, Math.floor(((wide + GAP) / columns - GAP) / width));
  const down = Math.ceil(count / columns);
  const context = context2d(el("canvas", { width: columns * (side + GAP) - GAP, height: down * (side + GAP) - GAP }));
  context.imageSmoothingEnabled = false;
  for (let i = 0; i < count; i++) {
    const [x, y] = [(i % columns) * (side + GAP), Math.floor(i / columns) * (side + GAP)];
    context.drawImage(row, i * width, 0, width, height, x, y, side, side);
  }
  return context.canvas;
}

/** The nearest power of 2. @param {number} number */
const power = (number) => 2 ** Math.round(Math.log2(number));

/** Change controls; the one that was pressed keeps the focus, and its place on the screen. @param {HTMLElement} root @param {() => void} make */
function keeping(root, make) {
  const pressed = document.activeElement;
  const part = pressed instanceof HTMLElement && root.contains(pressed) && pressed.dataset.part;
  if (!part) return make();
  const { top } = pressed.getBoundingClientRect();
  make();
  const again = pressed.isConnected ? pressed : all(root, `[data-part="${CSS.escape(part)}"]`).find(isShown);
  again?.focus({ preventScroll: true });
  if (again && top >= 0 && top < innerHeight) scrollBy(0, again.getBoundingClientRect().top - top);
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
  let rest = 0; // the step to go to once the run has finished, from 1; 0: it stays at the last one
  const body = el("div", { class: "network" });
  body.addEventListener(
    "click",
    (event) => {
      const part = within(event, "[data-part]");
      if (part instanceof HTMLElement) part.focus({ preventScroll: true }); // WebKit does not of itself
    },
    true,
  );
  markup(body, MARKUP);
  const scrubber = new Scrubber(find(body, ".transport"), WORDS.step, () => render());
  const lanes = [0, 1].map((i) => new Lane((block) => choose(block, i), mark));
  const titles = lanes.map((_, i) => {
    const guess = el("canvas", { width: THUMB, height: THUMB, "aria-hidden": "true" });
    return button({ class: "which", hidden: true }, () => show(i), guess, el("span", null));
  });
  find(body, ".lanes").append(...titles, ...lanes.map(({ root }) => root));
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
    side: ({ name }) => name !== "graft",
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
    finished() {
      if (rest) scrubber.go(rest - 1);
      rest = 0;
    },
    render() {
      scrubber.active = panel.stream.active;
      body.classList.toggle("running", panel.stream.active);
      panel.element.dataset.frames = String(frames[0]?.length ?? 0);
      const measured = plan?.checkpoint === form.value("checkpoint") ? plan?.figures : null;
      const { blocks } = plan ?? {};
      if (blocks) keeping(body, () => apart.render(blocks, measured, page.model));
    },
  });
  const { form } = panel;
  const apart = new Apart(panel);
  find(body, ".desk").append(apart.root);

  /** @param {Plan} result */
  function begin(result) {
    plan = result;
    frames = [];
    ran = 0;
    body.dataset.lane = result.second ? "1" : "0";
    scrubber.renew(result.steps - 1, 0);
  }

  /** The run that was chosen, where there is one. */
  const shown = () => Math.min(Number(body.dataset.lane ?? 0), Math.max(0, ran - 1));

  /** Choose a run: its channels are shown, and on a phone its U. @param {number} lane */
  function show(lane) {
    body.dataset.lane = String(lane);
    ran = 0; // a U that was hidden has to be drawn
    render();
  }

  /** Show the channels of a block. @param {string} block @param {number} lane */
  function choose(block, lane) {
    body.dataset.lane = String(lane);
    if (form.value("block") !== block) panel.set({ block }, "inside");
    else render();
  }

  /** @param {number} down @param {number} right */
  function mark(down, right) {
    panel.set({ place: `${Math.round(100 * down)} ${Math.round(100 * right)}` }, "inside");
  }

  function build() {
    if (!plan) return;
    ran = frames.length;
    const [two, { clientWidth }] = [ran > 1, find(body, ".lanes")];
    const beside = clientWidth >= BESIDE;
    body.classList.toggle("two", two);
    body.classList.toggle("beside", beside);
    const size = {
      width: two && beside ? (clientWidth - LANES) / 2 : clientWidth,
      high: Math.max(HIGH, innerHeight - AROUND),
    };
    for (const [i, title] of titles.entries()) {
      title.hidden = !two;
      title.setAttribute("aria-pressed", String(i === shown()));
      find(title, "span").textContent = i ? plan.second : WORDS.whole;
      lanes[i].root.hidden = i >= ran || (!beside && i !== shown());
    }
    const chip = (/** @type {string} */ name, /** @type {boolean} */ short) => apart.chip(name, short);
    lanes[0].build(plan, size, new Set(), "", two ? null : chip);
    if (two) lanes[1].build(plan, size, apart.off, plan.grafted, chip);
  }

  const render = () => keeping(body, draw);

  function draw() {
    if (!plan || !frames[0]?.length) return;
    if (ran !== frames.length) build();
    const { blocks, r2, block: chosen } = plan;
    // Of a long run with many blocks not each step is there.
    const held = (/** @type {number} */ lane) => frames[lane].findLast((frame, k) => frame && k <= scrubber.at);
    const at = held(0)?.k ?? scrubber.at;
    const offered = { read: Boolean(r2), colours: true, where: offersPlaces(blocks, plan.figures) };
    view = pressed ?? (plan.place ? "where" : "read");
    if (!offered[view]) view = "colours";
    find(body, ".looks").hidden = !offered.read && !offered.where;
    for (const [i, button] of looks.entries()) {
      button.hidden = !offered[WORDS.views[i][0]];
      button.setAttribute("aria-pressed", String(WORDS.views[i][0] === view));
    }
    const step = at + 1;
    const whole = step < plan.span[0] || step > plan.span[1];
    for (const [i, lane] of lanes.slice(0, ran).entries()) {
      const frame = held(i);
      const shares = r2 && !i ? Object.fromEntries(blocks.map(({ name }) => [name, r2[name][at]])) : null;
      if (frame) lane.render(frame, blocks, view, chosen, shares, plan.place, whole);
      if (frame && ran > 1) paint(find(titles[i], "canvas", HTMLCanvasElement), drawable(frame.x0));
    }
    write(find(body, ".lead"), view === "where" ? WHERE : r2 ? (view === "read" ? LEAD : ACTIVITY) : NO_READERS);
    const block = blocks.find(({ name }) => name === chosen);
    const frame = held(shown());
    if (block && frame) detail(block, frame, ran > 1 ? WORDS.block(chosen, shown()) : chosen);
    const steps = scrubber.last + 1;
    const [first, now] = [frames[0][0], held(0)].map((frame) => frame?.t ?? "");
    scrubber.render(WORDS.at(at + 1, steps, now), WORDS.at(steps, steps, first));
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
    body.classList.toggle("broad", width >= BROAD);
    ran = 0;
    render();
  }).observe(body);
  body.append(meanings("block", "skips", "channels", "self-attention", "share, %"));
  panel.stage.append(body);
  return panel.mounted(["png"], () => frames.length > 0, {
    key: (event) => scrubber.key(event),
    rest(step) {
      rest = step;
    },
  });
}
