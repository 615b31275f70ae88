// What depends on a run's plan only: the canvases of its lanes, the pictures to choose from, the legend.
import { swatch } from "../shared/chart.js";
import { button, context2d, el, find } from "../shared/dom.js";
import { fillWithNoise } from "./pixels.js";
import { LEGEND } from "./words.js";

/** @import { Plan } from "./recording.js" */
/** @typedef {{ canvas: HTMLCanvasElement, at: HTMLElement }} Pane a canvas, and where it says its time */
/** @typedef {{ group: HTMLElement, x: Pane, x0: Pane }} LanePanes */
/** @typedef {{ thumb: HTMLButtonElement, canvas: HTMLCanvasElement }} Thumb */

const LARGEST_THUMB = 128; // pixels
const EMPTY_SIZE = 32;
const EMPTY = {
  x: "Here pure noise turns into a picture: each step takes a little of the noise away.",
  x0: "Here the network shows its best guess of the finished picture: blurred at first, sharper with every step.",
};

export class Panes {
  /** @type {LanePanes[]} */
  lanes = [];
  /** @type {HTMLCanvasElement | null} of two lanes */
  difference = null;
  /** @type {Thumb[]} */
  thumbs = [];

  /**
   * @param {HTMLElement} root
   * @param {(n: number) => void} pick called when the n-th picture of the batch is chosen
   */
  constructor(root, pick) {
    this.root = root;
    this.pick = pick;
    const entries = Object.entries(LEGEND);
    find(root, ".legend dl", HTMLElement).append(
      ...entries.flatMap(([name, text]) => [el("dt", null, name), el("dd", null, text)]),
    );
    this.#buildEmpty();
  }

  /**
   * The panes of a run.
   * @param {Plan} plan
   */
  build(plan) {
    const { root } = this;
    const two = plan.lanes.length > 1;
    root.classList.toggle("compare", two);
    find(root, ".views", HTMLElement).hidden = !plan.latent;
    delete root.dataset.large;
    find(root, ".gains", HTMLElement).hidden = !two;
    const caption = find(root, ".caption", HTMLElement);
    caption.hidden = !plan.caption;
    caption.textContent = plan.caption ?? "";
    this.#buildLanes(
      plan.lanes.map(({ name }) => name),
      plan.size,
    );
    this.#buildBatch(plan);
  }

  /** @param {string[]} names @param {number} size */
  #buildLanes(names, size) {
    const canvasOf = (/** @type {string} */ label) => {
      const canvas = el("canvas", { width: size, height: size, role: "img", "aria-label": label });
      canvas.getContext("2d", { willReadFrequently: true }); // the noise in it is measured
      return canvas;
    };
    this.lanes = names.map((name, i) => {
      const group = el("div", { class: `lane lane-${i}` });
      if (names.length > 1) group.append(el("h4", null, swatch(`lane-${i}`), `${"AB"[i]}: ${name}`));
      /** @param {"x" | "x0"} kind @param {string} letter @param {string} index @param {string} words */
      const pane = (kind, letter, index, words) => {
        const canvas = canvasOf("No picture yet");
        const at = el("span", { class: "at" });
        const caption = el("figcaption", null, el("span", null, letter, el("sub", null, index), words), at);
        group.append(el("figure", { class: kind }, caption, el("div", { class: "frame" }, canvas)));
        return { canvas, at };
      };
      return { group, x: pane("x", "x", "t", " now"), x0: pane("x0", "x̂", "0", " best guess") };
    });
    const groups = this.lanes.map(({ group }) => group);
    this.difference = names.length > 1 ? canvasOf("Difference of A and B") : null;
    if (this.difference) {
      const figure = el("figure", null, el("div", { class: "frame" }, this.difference));
      groups.push(el("div", { class: "lane difference" }, el("h4", null, "|A − B|"), figure));
    }
    find(this.root, ".lanes", HTMLElement).replaceChildren(...groups);
  }

  /** @param {Plan} plan */
  #buildBatch({ seeds, size }) {
    const side = Math.min(size, LARGEST_THUMB);
    this.thumbs = seeds.map((seed, n) => {
      const canvas = el("canvas", { width: side, height: side });
      const label = `seed ${seed}`;
      const short = el("span", null, seed.length > 6 ? `…${seed.slice(-4)}` : seed);
      const attributes = { role: "radio", title: label, "aria-label": label };
      return { thumb: button(attributes, () => this.pick(n), canvas, short), canvas };
    });
    const batch = find(this.root, ".batch", HTMLElement);
    batch.replaceChildren(...this.thumbs.map(({ thumb }) => thumb));
    batch.hidden = seeds.length < 2;
  }

  /** Before the first run: what will be seen, over the noise that every run starts from. */
  #buildEmpty() {
    this.#buildLanes([""], EMPTY_SIZE);
    const [lane] = this.lanes;
    const pixels = context2d(lane.x.canvas);
    const noise = pixels.createImageData(EMPTY_SIZE, EMPTY_SIZE);
    fillWithNoise(noise.data);
    pixels.putImageData(noise, 0, 0);
    this.root.classList.add("pixelated");
    for (const kind of /** @type {const} */ (["x", "x0"])) {
      const words = el("p", { class: "empty" }, EMPTY[kind], el("b", null, "Press Run to watch."));
      lane[kind].canvas.parentElement?.append(words);
    }
  }
}
