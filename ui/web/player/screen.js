// The page from the view: everything but the canvases is written here, whenever something has changed.

import { key } from "../shared/chart.js";
import { context2d, el, find } from "../shared/dom.js";
import { RunChart } from "./chart.js";
import { noise } from "./pixels.js";
import { DECODED, ending, readouts, sentence } from "./words.js";

/** @import { Panes } from "./panes.js" */
/** @import { Recording } from "./recording.js" */
/** @import { Transport } from "../shared/transport.js" */
/** @import { View } from "./view.js" */

export class Screen {
  chart = new RunChart();
  #charted = ""; // what the chart shows
  /** @type {Recording | null} */
  #of = null;

  /**
   * @param {HTMLElement} root
   * @param {View} view
   * @param {Panes} panes
   * @param {Transport} transport
   */
  constructor(root, view, panes, transport) {
    this.root = root;
    this.view = view;
    this.panes = panes;
    this.transport = transport;
    this.live = find(root, ".live", HTMLButtonElement);
    this.#find(".chart").append(this.chart.node);
  }

  /** @param {string} selector */
  #find(selector) {
    return find(this.root, selector, HTMLElement);
  }

  render() {
    const { shown, tick, live, kind } = this.view;
    const { classList, dataset } = this.root;
    Object.assign(dataset, { frames: shown.count, k: tick, live, kind });
    classList.toggle("differing", this.view.gain > 0);
    classList.toggle("dim", this.view.outdated);
    if (shown.plan) classList.toggle("pixelated", shown.plan.pixelated || this.view.latent);
    const title = this.#find(".title");
    title.textContent = title.title = shown.plan?.title ?? "";
    this.#renderTransport();
    if (!shown.count) return;
    this.#renderPanes();
    this.#renderReadouts();
    this.#renderBatch();
    this.#renderChart();
  }

  #renderTransport() {
    const { shown, coming, active, tick, live, following } = this.view;
    const empty = !shown.count;
    this.live.disabled = empty || !active || shown !== coming;
    this.live.setAttribute("aria-pressed", String(live && !this.live.disabled));
    const { ticks, newest } = shown;
    const text = empty ? "" : `step ${tick + 1} of ${ticks.length}, t ${ticks[tick]}`;
    this.transport.show(tick, ticks.length - 1, empty ? 0 : Math.max(1, newest), following, text);
  }

  #renderPanes() {
    const { shown, image, frames } = this.view;
    shown.lanes.forEach((lane, i) => {
      const frame = frames[i];
      const { x, x0 } = this.panes.lanes[i];
      if (!frame) {
        x.at.textContent = x0.at.textContent = `still noise, t = ${lane.steps[0][0]}`;
        return;
      }
      const [t, s] = frame.step;
      const name = shown.lanes.length > 1 ? `${"AB"[i]}, ${lane.name}, ` : "";
      const where = `${name}seed ${shown.plan?.seeds[image]}, step ${frame.k + 1} of ${lane.steps.length}`;
      const side = shown.plan?.latent;
      const how = this.view.latent ? ` · ${side}×${side} latents` : frame.decoded === false ? " · preview" : "";
      x.at.textContent = `t = ${s}${how}`;
      x0.at.textContent = `seen from t = ${t}${how}`;
      x.canvas.setAttribute("aria-label", `Picture now, x_t: ${where}, t = ${s}`);
      x0.canvas.setAttribute("aria-label", `Best guess of the finished picture, x̂_0: ${where}, seen from t = ${t}`);
    });
  }

  #renderReadouts() {
    const { shown, frames } = this.view;
    const { lanes } = shown;
    const rows = lanes.map(({ steps }, i) => {
      const frame = frames[i];
      const items = frame ? readouts(frame.step, frame.k, steps.length, frame.sigma, !shown.plan?.latent) : [];
      const spans = items.flatMap(([text, title], n) => [n ? " · " : "", el("span", { title }, text)]);
      return el("p", { class: `lane-${i}` }, ...(lanes.length > 1 ? [el("b", null, "AB"[i]), " "] : []), ...spans);
    });
    this.#find(".readouts").replaceChildren(...rows);
    const steps = frames.flatMap((frame) => (frame ? [frame.step] : []));
    const going = steps.filter(([, s]) => s > 0);
    if (going.length) {
      const cleanest = going.reduce((best, step) => (step[1] < best[1] ? step : best));
      this.#find(".sentence").textContent = sentence(cleanest);
    }
  }

  /** The pictures of the frames are on the canvases: after the last step, what is measured in them. */
  painted() {
    const { shown, frames } = this.view;
    if (!shown.count || !frames.every((frame) => frame?.step[1] === 0)) return;
    if (shown.plan?.latent) {
      this.#find(".sentence").textContent = DECODED;
      return;
    }
    const measured = this.panes.lanes.map(({ x: { canvas } }) => {
      const { width, height } = canvas;
      return noise(context2d(canvas).getImageData(0, 0, width, height).data, width);
    });
    this.#find(".sentence").textContent = ending(measured);
  }

  #renderBatch() {
    this.panes.thumbs.forEach(({ thumb }, n) => {
      const chosen = n === this.view.image;
      thumb.setAttribute("aria-checked", String(chosen));
      thumb.tabIndex = chosen ? 0 : -1;
    });
  }

  /** The chart is built anew for another run, and when a σ becomes known that the network has learned. */
  #renderChart() {
    const { shown, tick, frames } = this.view;
    const { lanes } = shown;
    const wanted = String(lanes.map(({ sigma }) => sigma));
    if (this.#charted !== wanted || this.#of !== shown) {
      this.#charted = wanted;
      this.#of = shown;
      const alone = this.chart.show(shown) ? "σ, noise added (log)" : "σ = 0: no noise added";
      const curves = lanes.map(({ name, sigma }, i) => {
        const none = sigma.every((value) => value === 0) ? ", σ\u00a0=\u00a00" : "";
        return /** @type {[string, string]} */ ([`lane-${i}`, lanes.length > 1 ? `${"AB"[i]}: ${name}${none}` : alone]);
      });
      this.#find(".key").replaceWith(key(...curves, ["alpha", "ᾱ, signal left"]));
      this.#find(".chart").hidden = false;
    }
    this.chart.point(tick, shown.newest, frames);
  }
}
