// Draws the part "The network": it shows what each block of a U-Net computes in each step, with the whole network and
// with changes to it.
import { context2d } from "../../drawing/canvas.js";
import { all, button, el, find, isShown, markup, within, write } from "../../drawing/dom.js";
import { meanings } from "../../drawing/meanings.js";
import { nextFrame, soon } from "../../drawing/motion.js";
import { Scrubber } from "../../drawing/transport.js";
import { drawable } from "../../pictures/sprite.js";
import { Panel } from "../../run/panel.js";
import { Apart } from "./apart.js";
import { blockOf, drawLayers, offersPlaces } from "./attention.js";
import { Lane, paint } from "./lane.js";
import { ACTIVITY, blockTitle, LAYERS, LEAD, NO_ATTENTION, NO_READERS, WHERE, WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { Form } from "../../form/form.js" */
/** @import { Sprite } from "../../pictures/sprite.js" */
/** @import { View } from "./lane.js" */
/** @import { InsideFrame, NetworkBlock, Opening } from "../../messages/protocol.d.ts" */

/** The first result of a run. block: the block whose channels are sent. place: the marked place, down and right, from 0 to 1. asked: the condition, in words. second: the changes of the second run, in words. grafted: the block that comes from another run; "" for none. span: the first and the last step with changes. @typedef {Opening & Required<Pick<Opening, "blocks" | "skips">> & { checkpoint: string, steps: number, block: string, place: [number, number] | null, asked: string, second: string, grafted: string, span: [number, number] }} Plan */

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
const [HIGH, AROUND] = [560, 340]; // pixels: the smallest height of a diagram, and the height in the window that is left for other content
const [BESIDE, BROAD] = [560, 760]; // pixels: the smallest widths for two diagrams side by side, and for switches beside a diagram
const [THUMB, LANES] = [40, 24]; // pixels: the side of the picture on a run's button, and the gap between two diagrams

/** Return a canvas with the channels of a block in rows. @param {Sprite} channels @param {NetworkBlock} block @param {number} wide the available width in pixels */
async function drawChannels(channels, { shape: [count, height, width] }, wide) {
  const row = await drawable(channels);
  const columns = wide < BESIDE ? Math.min(8, nearestPower(Math.sqrt(count))) : nearestPower(Math.sqrt(2 * count));
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

/** Return the nearest power of 2. @param {number} number */
const nearestPower = (number) => 2 ** Math.round(Math.log2(number));

/** Replace controls, but keep the focus and the screen position of the pressed control. @param {HTMLElement} root @param {() => void} make replaces the controls */
function keepFocus(root, make) {
  const pressed = document.activeElement;
  const part = pressed instanceof HTMLElement && root.contains(pressed) && pressed.dataset.part;
  if (!part) return make();
  const { top } = pressed.getBoundingClientRect();
  make();
  const again = pressed.isConnected ? pressed : all(root, `[data-part="${CSS.escape(part)}"]`).find(isShown);
  again?.focus({ preventScroll: true });
  if (again && top >= 0 && top < innerHeight) scrollBy(0, again.getBoundingClientRect().top - top);
}

/** Make the part. @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Network(page, part).asPart();

/** The part's view. Its element has the number of received steps of the first run in data-frames. */
class Network {
  /** @type {Plan | null} */
  #plan = null;
  /** The results of each run (lane), by step. @type {InsideFrame[][]} */
  #frames = [];
  /** The view that the visitor has chosen, or null. @type {View | null} */
  #pressed = null;
  #lane = 0; // the number of the chosen run
  #built = 0; // the number of lanes that are drawn; 0 if they must be drawn again
  #rest = 0; // the step to show after the run, from 1; 0 for the last step
  #width = 0; // the width for which the lanes were drawn, in pixels
  #drawSoon = soon(() => this.#render());
  #body = el("div", { class: "network" });
  #lanes = [0, 1].map(
    (i) =>
      new Lane(
        (block) => this.#chooseBlock(block, i),
        (...place) => this.#mark(...place),
      ),
  );
  #titles = this.#lanes.map((_, i) => {
    const guess = el("canvas", { width: THUMB, height: THUMB, "aria-hidden": "true" });
    return button({ class: "which", hidden: true }, () => this.#chooseRun(i), guess, el("span", null));
  });
  #looks = WORDS.views.map(([name, title]) => button({ class: "preset" }, () => this.#chooseView(name), title));

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    const body = this.#body;
    this.page = page;
    body.addEventListener(
      "click",
      (event) => {
        const pressed = within(event, "[data-part]");
        if (pressed instanceof HTMLElement) pressed.focus({ preventScroll: true }); // WebKit does not focus a pressed button
      },
      true,
    );
    markup(body, MARKUP);
    this.scrubber = new Scrubber(find(body, ".transport"), WORDS.step, () => this.#render());
    find(body, ".lanes").append(...this.#titles, ...this.#lanes.map(({ root }) => root));
    find(body, ".looks").append(...this.#looks);
    /** @type {Panel<Plan | InsideFrame>} */
    this.panel = new Panel(page, part, this);
    this.apart = new Apart(this.panel);
    find(body, ".desk").append(this.apart.root);
    new ResizeObserver(() => this.#resize()).observe(body);
    body.append(meanings("block", "skips", "channels", "self-attention", "share, %"));
    find(body, ".desk").before(this.panel.origin);
    this.panel.stage.append(body);
  }

  /** Return the element of the part, and the functions that the page calls. */
  asPart() {
    return this.panel.asPart(["png"], () => this.#frames.length > 0, {
      key: (event) => this.scrubber.key(event),
      rest: (step) => {
        this.#rest = step;
      },
    });
  }

  // --- Functions that the panel calls

  /** Lay out the form without the field graft, whose control stands beside the diagram. @param {Form} form */
  layout = (form) => form.layout(({ name }) => name !== "graft");

  /** Return the elements to which the page scrolls after a press on Run. */
  sight = () => [find(this.#body, ".transport")];

  /** Draw a result of the newest run. @param {Plan | InsideFrame} result */
  take(result) {
    if (result.kind === "plan") return this.#begin(result);
    const { scrubber } = this;
    this.#frames[result.lane] ??= [];
    this.#frames[result.lane][result.k] = result;
    if (!result.lane) scrubber.reached = result.k;
    if (!result.lane && scrubber.active) scrubber.at = result.k;
    this.#drawSoon();
  }

  /** Go to the step that a link or a lesson asks for. */
  finish() {
    if (this.#rest) this.scrubber.go(this.#rest - 1);
    this.#rest = 0;
    return "";
  }

  /** Draw the part again after the run's state or a field has changed. */
  render() {
    const { panel, scrubber, page } = this;
    const { active } = panel.stream;
    scrubber.active = active;
    this.#body.classList.toggle("running", active);
    panel.element.dataset.frames = String(this.#frames[0]?.length ?? 0);
    const plan = this.#plan;
    if (!plan) return;
    const measured = plan.checkpoint === panel.form.value("checkpoint") ? plan.figures : null;
    this.apart.render(plan.blocks, measured, page.model);
  }

  // --- Choices

  /** Prepare for the results of a new run. @param {Plan} plan */
  #begin(plan) {
    this.#plan = plan;
    this.#frames = [];
    this.#built = 0;
    this.#lane = plan.second ? 1 : 0;
    this.scrubber.renew(plan.steps - 1, 0);
  }

  /** The number of the run that is shown: the chosen run if it exists, else the last run. */
  get #shown() {
    return Math.min(this.#lane, Math.max(0, this.#built - 1));
  }

  /** Choose a run. The page shows the run's channels, and on a phone the run's diagram. @param {number} lane */
  #chooseRun(lane) {
    this.#lane = lane;
    this.#built = 0; // the diagram may have been hidden, so it must be drawn
    this.#render();
  }

  /** Show the channels of a block of a run. @param {string} block @param {number} lane */
  #chooseBlock(block, lane) {
    this.#lane = lane;
    if (this.panel.form.value("block") !== block) this.panel.set({ block }, "inside");
    else this.#render();
  }

  /** Choose a view. The view of attention needs a marked place: mark the middle if no place is marked. @param {View} view */
  #chooseView(view) {
    this.#pressed = view;
    if (view === "where" && !this.panel.form.value("place")) this.#mark(0.5, 0.5);
    else this.#render();
  }

  /** Mark a place of the picture, from 0 to below 1. @param {number} down @param {number} right */
  #mark(down, right) {
    this.panel.set({ place: `${Math.round(100 * down)} ${Math.round(100 * right)}` }, "inside");
  }

  // --- Drawing

  /** Draw everything again if the width has changed. */
  #resize() {
    const { clientWidth } = this.#body;
    if (clientWidth === this.#width) return;
    this.#width = clientWidth;
    this.#body.classList.toggle("broad", clientWidth >= BROAD);
    this.#built = 0;
    this.#render();
  }

  /** Draw, and keep the focus on the pressed control. */
  #render() {
    keepFocus(this.#body, () => this.#draw());
  }

  /** Make the diagrams for the current width, and the buttons that choose a run. @param {Plan} plan */
  #build(plan) {
    this.#built = this.#frames.length;
    const [two, { clientWidth }] = [this.#built > 1, find(this.#body, ".lanes")];
    const beside = clientWidth >= BESIDE;
    this.#body.classList.toggle("two", two);
    this.#body.classList.toggle("beside", beside);
    const size = {
      width: two && beside ? (clientWidth - LANES) / 2 : clientWidth,
      high: Math.max(HIGH, innerHeight - AROUND),
    };
    for (const [i, title] of this.#titles.entries()) {
      title.hidden = !two;
      title.setAttribute("aria-pressed", String(i === this.#shown));
      find(title, "span").textContent = i ? plan.second : WORDS.whole;
      this.#lanes[i].root.hidden = i >= this.#built || (!beside && i !== this.#shown);
    }
    const { apart } = this;
    const chip = (/** @type {string} */ name, /** @type {boolean} */ short) => apart.chip(name, short);
    this.#lanes[0].build(plan, size, new Set(), "", two ? null : chip);
    if (two) this.#lanes[1].build(plan, size, apart.off, plan.grafted, chip);
  }

  /** Return the result of a lane at the scrubber's step, or the nearest earlier result, because long runs do not keep all results. @param {number} lane */
  #frameOf(lane) {
    return this.#frames[lane].findLast((frame, k) => frame && k <= this.scrubber.at);
  }

  /** Draw the diagrams of all runs at the scrubber's step. */
  #draw() {
    const plan = this.#plan;
    if (!plan || !this.#frames[0]?.length) return;
    const isNew = this.#built !== this.#frames.length;
    if (isNew) this.#build(plan);
    const { blocks, r2, block: chosen } = plan;
    const view = this.#renderViews(plan);
    const at = this.#frameOf(0)?.k ?? this.scrubber.at;
    const step = at + 1;
    const whole = step < plan.span[0] || step > plan.span[1];
    for (const [i, lane] of this.#lanes.slice(0, this.#built).entries()) {
      const frame = this.#frameOf(i);
      const shares = r2 && !i ? Object.fromEntries(blocks.map(({ name }) => [name, r2[name][at]])) : null;
      if (frame) lane.render(frame, blocks, view, chosen, shares, plan.place, whole);
      if (frame && this.#built > 1) paint(find(this.#titles[i], "canvas", HTMLCanvasElement), drawable(frame.x0));
    }
    if (isNew) nextFrame().then(() => this.#describe(plan, view, step));
    else this.#describe(plan, view, step);
  }

  /** Write the texts about a step, and draw the channels of the chosen block. @param {Plan} plan @param {View} view @param {number} step from 1 */
  #describe(plan, view, step) {
    if (plan !== this.#plan || !this.#built) return; // another run has begun
    const { blocks, r2, block: chosen } = plan;
    const lead = r2 ? (view === "read" ? LEAD : ACTIVITY) : NO_READERS;
    write(find(this.#body, ".lead"), view === "where" ? WHERE : lead);
    const block = blocks.find(({ name }) => name === chosen);
    const frame = this.#frameOf(this.#shown);
    const title = this.#built > 1 ? WORDS.block(chosen, this.#shown) : chosen;
    if (block && frame) this.#renderDetail(block, frame, title, view);
    const steps = this.scrubber.last + 1;
    const [first, now] = [this.#frames[0][0], this.#frameOf(0)].map((one) => one?.t ?? "");
    this.scrubber.render(WORDS.at(step, steps, now), WORDS.at(steps, steps, first));
  }

  /** Offer the views that the model supports. Return the view that is shown. @param {Plan} plan @returns {View} */
  #renderViews({ blocks, r2, figures, place }) {
    const offered = { read: Boolean(r2), colours: true, where: offersPlaces(blocks, figures) };
    const wanted = this.#pressed ?? (place ? "where" : "read");
    const view = offered[wanted] ? wanted : "colours";
    find(this.#body, ".looks").hidden = !offered.read && !offered.where;
    for (const [i, look] of this.#looks.entries()) {
      const [name] = WORDS.views[i];
      look.hidden = !offered[name];
      look.setAttribute("aria-pressed", String(name === view));
    }
    return view;
  }

  /** Show the channels of a block, or the block's attention maps. @param {NetworkBlock} block @param {InsideFrame} frame @param {string} title @param {View} view */
  #renderDetail(block, { channels, looks = [], x0 }, title, view) {
    const detail = find(this.#body, ".detail");
    detail.hidden = false;
    const maps = find(detail, ".maps", HTMLCanvasElement);
    const own = looks.filter(({ layer }) => blockOf(layer) === block.name);
    const where = view === "where";
    find(detail, "h3").textContent = title;
    find(detail, ".info").textContent = where ? (own.length ? LAYERS : NO_ATTENTION) : blockTitle(block);
    maps.hidden = where && !own.length;
    maps.ariaLabel = where ? LAYERS : WORDS.channels(block.shape[0], block.name);
    if (!maps.hidden)
      paint(maps, where ? drawLayers(x0, own, this.#width) : drawChannels(channels, block, this.#width));
  }
}
