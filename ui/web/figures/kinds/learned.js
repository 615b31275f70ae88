// A network that learns to draw digits: a recorded training, or a training in the browser. A slider chooses a moment
// of the training.

import { button, el, svg, write } from "../../drawing/dom.js";
import { bytes } from "../../messages/bytes.js";
import { continueWithout } from "../../process/errors.js";
import { fromUint8, toUint8 } from "../../process/floats.js";
import { LEARNED } from "../../words/learned.js";
import { failure } from "../../words/units.js";
import { buttons, label, note, row, Slider } from "../elements.js";

/** @import { Figure } from "../figure.js" */
/** @import { News, Training } from "../../learning/training.js" */
/** The state of a training. images: number of pictures trained on so far. samples: the network's samples. loss: the recent loss. @typedef {{ images: number, samples: Float32Array[], loss: number }} Moment */

const RECORDED = new URL("../../parts/train/example.json", import.meta.url);
const [COUNT, COLUMNS, SIDE] = [20, 10, 28]; // number of samples, number of samples in a row, side of a sample in pixels
const PITCH = SIDE + 2; // distance between the left edges of neighbouring samples in the recorded picture, in pixels

/** Cut the samples out of a recorded picture. @param {ImageBitmap} image */
function samplesOf(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(image, 0, 0);
  return Array.from({ length: COUNT }, (_, i) => {
    const [left, top] = [(i % COLUMNS) * PITCH, Math.floor(i / COLUMNS) * PITCH];
    const { data } = context.getImageData(left, top, SIDE, SIDE);
    return Float32Array.from({ length: SIDE * SIDE }, (_, k) => data[4 * k] / 127.5 - 1);
  });
}

/** Return the moments of the recorded training, null if they can't be loaded. @returns {Promise<Moment[] | null>} */
async function recorded() {
  const answer = await fetch(RECORDED).catch(continueWithout("the recorded training"));
  if (!answer?.ok) return null;
  const [{ grids, points, batch }] = (await answer.json()).results;
  /** Return the last loss that was recorded before or at a step. */
  const lossAt = (/** @type {number} */ step) =>
    points.findLast((/** @type {[number, number]} */ [at]) => at <= step)?.[1] ?? points[0][1];
  /** @type {Moment[]} */
  const all = [];
  for (const { step, ema } of grids) {
    const image = await createImageBitmap(new Blob([bytes(ema.base64)], { type: ema.type }));
    all.push({ images: step * batch, samples: samplesOf(image), loss: lossAt(step) });
  }
  return all;
}

/** Make a grid of twenty digits. @param {Figure} figure @param {"guess" | "ink"} ink @param {string} name */
function grid(figure, ink, name) {
  const tiles = Array.from({ length: COUNT }, () => figure.tile(ink, ""));
  const elements = tiles.map(({ element }) => element);
  return {
    element: row(elements, name, COLUMNS),
    tiles,
    paint: (/** @type {Float32Array[]} */ all) => tiles.forEach((tile, i) => void tile.paint(all[i])),
  };
}

/** The curve of the losses, with a line at the shown moment. */
class Curve {
  #line = svg("path", {});
  #mark = svg("line", {});
  element = svg(
    "svg",
    { class: "chart", viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
    this.#line,
    this.#mark,
  );

  /** Draw the curve. @param {Moment[]} moments @param {number} at index of the shown moment */
  show(moments, at) {
    const most = Math.max(...moments.map(({ loss }) => loss));
    const x = (/** @type {number} */ i) => (100 * i) / Math.max(1, moments.length - 1);
    const points = moments.map(({ loss }, i) => `${x(i).toFixed(2)},${(98 - (94 * loss) / most).toFixed(2)}`);
    this.#line.setAttribute("d", `M${points.join("L")}`);
    for (const [name, value] of Object.entries({ x1: x(at), x2: x(at), y1: 0, y2: 100 }))
      this.#mark.setAttribute(name, String(value));
  }
}

/** The moments of a training, and the slider that chooses one of them. */
class Moments {
  /** @type {Moment[]} */
  all = [];
  #samples;
  #curve = new Curve();

  /** @param {Figure} figure @param {() => void} shown called when another moment is shown */
  constructor(figure, shown) {
    this.#samples = grid(figure, "guess", LEARNED.samples);
    const say = (/** @type {number} */ i) => LEARNED.at(this.all[i]?.images ?? 0);
    this.slider = new Slider({ name: LEARNED.n, min: 0, max: 1, value: 0, ends: LEARNED.ends, say }, () => {
      this.#show();
      shown();
      figure.changed();
    });
    this.samples = this.#samples.element;
    this.curve = this.#curve.element;
  }

  /** The shown moment. @returns {Moment | undefined} */
  get now() {
    return this.all[this.slider.value];
  }

  /** Replace the moments. @param {Moment[]} all @param {number} at index of the moment to show */
  offer(all, at) {
    this.all = all;
    this.slider.input.max = String(Math.max(1, all.length - 1));
    this.slider.set(at);
  }

  /** Show the samples and the loss of the chosen moment. */
  #show() {
    const { now } = this;
    if (!now) return;
    this.#samples.paint(now.samples);
    this.#curve.show(this.all, this.slider.value);
  }
}

/** Make the button that trains a network in the browser, and the line about its progress. @param {Figure} figure @param {Moments} moments */
function live(figure, moments) {
  /** @type {Training | null} */
  let training = null;
  let isBeginning = false;
  const said = note(LEARNED.recorded);
  const start = button({ class: "main" }, press, LEARNED.train);

  /** Show news of the training. @param {News} news @param {Training} training */
  function hear(news, { isOver, images, step, steps }) {
    if (news.kind === "step" && step % 5 === 0) write(said, LEARNED.learns(images, news.left));
    if (news.kind === "wrong") figure.say(news.error);
    if (news.kind === "grid") {
      const { averaged, loss } = news.grid.lanes[0];
      const samples = Array.from({ length: COUNT }, (_, i) =>
        fromUint8(averaged.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE), 1),
      );
      moments.offer([...moments.all, { images: news.grid.images, samples, loss }], moments.all.length);
      figure.dataset.grids = String(moments.all.length);
    }
    if (!isOver) return;
    write(start, LEARNED.again);
    write(said, LEARNED.over(images, step < steps));
  }

  /** Begin a training, or stop the current one. */
  async function press() {
    if (isBeginning) return;
    if (training && !training.isOver) return void training.stop();
    isBeginning = true;
    const before = said.textContent ?? "";
    figure.say("");
    write(said, LEARNED.begins);
    try {
      const { train } = await import("../learn.js");
      training = await train(hear);
      moments.offer([], 0);
      write(start, LEARNED.stop);
    } catch (error) {
      write(said, before);
      figure.say(failure(error));
    }
    isBeginning = false;
  }
  return { start, said, hasBegun: () => training !== null };
}

/** Make the button that finds the training digits most similar to the samples, and the grid that shows them. @param {Figure} figure @param {Moments} moments */
function comparison(figure, moments) {
  const similar = grid(figure, "ink", LEARNED.similar);
  const found = el("div", { class: "column", hidden: true }, label(LEARNED.similar), similar.element);
  const compare = button(null, find, LEARNED.compare);

  /** Find and show the most similar training digits. */
  async function find() {
    const { now } = moments;
    if (!now) return;
    compare.disabled = true;
    try {
      const { mostSimilar } = await import("../learn.js");
      let i = 0;
      for await (const one of mostSimilar(now.samples.map((sample) => toUint8(sample, 1)))) {
        if (moments.now !== now) break;
        if (!i) similar.paint([]);
        similar.tiles[i++].paint(fromUint8(one, 1));
        found.hidden = false;
      }
    } catch (error) {
      figure.say(failure(error));
    } finally {
      compare.disabled = false;
    }
  }
  return { compare, found };
}

/** Fill a figure with the training: its samples, its losses, a slider and buttons. Return the controls and the function that draws the figure. @param {Figure} figure */
export function learned(figure) {
  let isOpen = false;
  const moments = new Moments(figure, () => {
    found.hidden = true;
  });
  const { compare, found } = comparison(figure, moments);
  const { start, said, hasBegun } = live(figure, moments);
  figure.body.append(
    moments.samples,
    found,
    moments.slider.element,
    label(LEARNED.loss),
    moments.curve,
    buttons(start, compare),
    said,
  );

  /** Load and show the recorded training. */
  async function open() {
    const all = await recorded();
    if (!all) return figure.say(LEARNED.unreachable);
    if (!hasBegun()) moments.offer(all, all.length - 1);
    figure.dataset.recorded = "true";
  }
  return {
    controls: { n: moments.slider },
    update() {
      if (!isOpen) open();
      isOpen = true;
    },
  };
}
