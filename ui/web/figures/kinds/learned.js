// A network that learns to draw digits: a recorded training to scrub through, or a real one, here.

import { bytes } from "../../messages/bytes.js";
import { without } from "../../process/errors.js";
import { flat, fromUint8, toUint8 } from "../../process/floats.js";
import { LEARNED } from "../../words/figures.js";
import { failure } from "../../words/units.js";
import { button, el, Slider, write } from "../elements.js";

/** @import { Figure } from "../figure.js" */
/** @import { Training } from "../../learning/training.js" */
/** What is drawn after so many pictures. loss: of late. @typedef {{ images: number, samples: Float32Array[], loss: number }} Moment */

const RECORDED = new URL("../../parts/train/example.json", import.meta.url);
const [COUNT, COLUMNS, SIDE] = [20, 10, 28]; // of the samples
const PITCH = SIDE + 2; // pixels between two samples of the recorded picture

/** @param {Figure} figure */
export function learned(figure) {
  /** @type {Moment[]} */
  let moments = [];
  /** @type {Training | null} */
  let training = null;
  const tiles = Array.from({ length: COUNT }, () => figure.tile("guess", ""));
  const similar = Array.from({ length: COUNT }, () => figure.tile("ink", ""));
  const grid = (/** @type {typeof tiles} */ all, /** @type {string} */ name) =>
    el(
      "div",
      { class: "row", style: `--count: ${COLUMNS}`, role: "img", "aria-label": name },
      ...all.map(({ element }) => element),
    );
  const chart = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  chart.setAttribute("class", "chart");
  chart.setAttribute("viewBox", "0 0 100 100");
  chart.setAttribute("preserveAspectRatio", "none");
  chart.setAttribute("aria-hidden", "true");
  const [line, mark] = ["path", "line"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  chart.append(line, mark);
  const n = new Slider(
    { name: LEARNED.n, min: 0, max: 1, value: 0, ends: LEARNED.ends, say: (i) => LEARNED.at(moments[i]?.images ?? 0) },
    () => {
      show();
      figure.changed();
    },
  );
  const said = el("p", { class: "note", role: "status" }, LEARNED.recorded);
  const start = button(LEARNED.train, press, { class: "main" });
  const compare = button(LEARNED.compare, find);
  const found = el(
    "div",
    { class: "column", hidden: true },
    el("p", { class: "label" }, LEARNED.similar),
    grid(similar, LEARNED.similar),
  );
  figure.body.append(
    grid(tiles, LEARNED.samples),
    found,
    n.element,
    el("p", { class: "label" }, LEARNED.loss),
    chart,
    el("div", { class: "buttons" }, start, compare),
    said,
  );

  function show() {
    const moment = moments[n.value];
    if (!moment) return;
    found.hidden = true;
    for (const [i, tile] of tiles.entries()) tile.paint(moment.samples[i]);
    const most = Math.max(...moments.map(({ loss }) => loss));
    const x = (/** @type {number} */ i) => (100 * i) / Math.max(1, moments.length - 1);
    const points = moments.map(({ loss }, i) => `${x(i).toFixed(2)},${(98 - (94 * loss) / most).toFixed(2)}`);
    line.setAttribute("d", `M${points.join("L")}`);
    for (const [name, value] of Object.entries({ x1: x(n.value), x2: x(n.value), y1: 0, y2: 100 }))
      mark.setAttribute(name, String(value));
  }

  /** @param {Moment[]} all @param {number} at */
  function offer(all, at) {
    moments = all;
    n.input.max = String(Math.max(1, all.length - 1));
    n.set(at);
  }

  async function open() {
    const answer = await fetch(RECORDED).catch(without("the recorded training"));
    if (!answer?.ok) return figure.say(LEARNED.unreachable);
    const [{ grids, points, batch }] = (await answer.json()).results;
    const lossAt = (/** @type {number} */ step) =>
      points.findLast((/** @type {[number, number]} */ [at]) => at <= step)?.[1] ?? points[0][1];
    /** @type {Moment[]} */
    const all = [];
    for (const { step, ema } of grids) {
      const image = await createImageBitmap(new Blob([bytes(ema.base64)], { type: ema.type }));
      all.push({ images: step * batch, samples: samplesOf(image), loss: lossAt(step) });
    }
    if (!training) offer(all, all.length - 1);
    figure.dataset.recorded = "true";
  }

  async function press() {
    if (training && !training.isOver) return void training.stop();
    write(start, LEARNED.stop);
    write(said, LEARNED.begins);
    offer([], 0);
    try {
      const { train } = await import("../learn.js");
      training = await train((news, { isOver, images, step, steps }) => {
        if (news.kind === "step" && step % 5 === 0) write(said, LEARNED.learns(images, news.left));
        if (news.kind === "wrong") figure.say(news.error);
        if (news.kind === "grid") {
          const { averaged } = news.grid.lanes[0];
          const samples = Array.from({ length: COUNT }, (_, i) =>
            fromUint8(averaged.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE), 1),
          );
          offer([...moments, { images: news.grid.images, samples, loss: news.grid.lanes[0].loss }], moments.length);
          figure.dataset.grids = String(moments.length);
        }
        if (!isOver) return;
        write(start, LEARNED.again);
        write(said, LEARNED.over(images, step < steps));
      });
    } catch (error) {
      write(start, LEARNED.again);
      figure.say(failure(error));
    }
  }

  /** Find the digits that are most like the samples. */
  async function find() {
    const moment = moments[n.value];
    if (!moment) return;
    compare.disabled = true;
    try {
      const { mostSimilar } = await import("../learn.js");
      const nearest = await mostSimilar(
        Uint8Array.from(flat(moment.samples.map((one) => Float32Array.from(toUint8(one, 1))))),
      );
      for (const [i, one] of nearest.entries()) similar[i].paint(fromUint8(one, 1));
      found.hidden = false;
    } catch (error) {
      figure.say(failure(error));
    } finally {
      compare.disabled = false;
    }
  }

  let isOpen = false;
  return {
    controls: { n },
    update() {
      if (!isOpen) open();
      isOpen = true;
    },
  };
}

/** The samples of a recorded picture. @param {ImageBitmap} image */
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
