// The loop of sampling, drawn around the two pictures of a run: noisy picture → network → its guess → a step towards
// the guess and fresh noise → noisy picture. The words at the arrows say what the current step does.
import { button, el, svg, write } from "../drawing/dom.js";
import { calm } from "../drawing/motion.js";
import { ASKED, BACK, INSIDE } from "../words/loop.js";

/** @import { Back } from "../words/loop.js" */

/** Heights of the drawn blocks of a U-Net, in the order of computing: the resolution falls, then rises. */
const BLOCKS = [44, 30, 18, 12, 18, 30, 44];
const SKIPS = [0, 1]; // indices of the blocks with a skip connection to the block of the same height
const LIT = 500; // ms for which each part of the loop is lit

/** Return a small drawing of a U-Net. */
function network() {
  const bars = BLOCKS.map((height, i) =>
    svg("rect", { x: 2 + 12 * i, y: 25 - height / 2, width: 7, height, rx: 1.5, class: i === 3 ? "middle" : "" }),
  );
  const lines = SKIPS.map((i) => {
    const y = 29 - BLOCKS[i] / 2;
    return svg("path", { d: `M${9 + 12 * i} ${y}H${74 - 12 * i}`, class: "skip" });
  });
  return svg("svg", { viewBox: "0 0 84 50", "aria-hidden": "true" }, ...lines, ...bars);
}

/** Return an arrow head that points to the right. */
const head = () => svg("svg", { viewBox: "0 0 8 12", "aria-hidden": "true" }, svg("path", { d: "M0 0l8 6-8 6z" }));

/** Return an arrow that is as long as its place allows. @param {string} name of its class */
const arrow = (name) => el("span", { class: `arrow ${name}` }, el("i", null), head());

/** Return a drawing of a few grains of noise. */
function grains() {
  const dots = [];
  for (let i = 0; i < 16; i++) if ((i * 7) % 5 < 2) dots.push(svg("path", { d: `M${i % 4} ${i >> 2}h1v1h-1z` }));
  return svg("svg", { viewBox: "0 0 4 4", "aria-hidden": "true", class: "grains" }, ...dots);
}

export class Loop {
  #towards = el("span", { class: "towards" });
  #noise;
  #parts; // elements that light up one after another, in the order of a step
  #timer = 0;

  /**
   * @param {(() => unknown) | null} inside shows the network of the run; null if the page has no such view
   * @param {() => unknown} why explains the fresh noise
   */
  constructor(inside, why) {
    this.#noise = button({ class: "term" }, why);
    const drawn = [network(), el("b", null, INSIDE.network)];
    this.network = inside
      ? button({ class: "net", title: INSIDE.title }, inside, ...drawn, el("span", null, INSIDE.open))
      : el("div", { class: "net" }, ...drawn);
    const [to, from] = [arrow("in"), arrow("out")];
    const machine = el("div", null, to, this.network, from, el("p", { class: "asks" }, ASKED));
    this.ask = el("div", { class: "ask-network" }, machine);
    const noise = el("span", { class: "noise" }, grains(), this.#noise);
    const way = el("i", { class: "way" });
    this.back = el("div", { class: "back" }, way, head(), el("p", null, this.#towards, " ", noise));
    this.#parts = [to, this.network, from, this.back];
    this.say(BACK);
  }

  /**
   * Light the parts in turn while the run goes on. A CSS animation would repaint the page sixty times a second.
   * @param {boolean} running
   */
  set running(running) {
    if (running === Boolean(this.#timer)) return;
    clearInterval(this.#timer);
    let turn = 0;
    const light = () => {
      const now = calm() ? -1 : turn++ % this.#parts.length;
      for (const [n, part] of this.#parts.entries()) part.classList.toggle("lit", n === now);
    };
    this.#timer = running ? window.setInterval(light, LIT) : 0;
    if (running) light();
    else for (const part of this.#parts) part.classList.remove("lit");
  }

  /** Write at the arrows what happens in a step. @param {Back} back */
  say({ towards, noise, fresh }) {
    write(this.#towards, towards);
    write(this.#noise, noise);
    this.back.classList.toggle("silent", !fresh);
  }
}
