// The machine of a run, drawn around its two pictures: noisy picture → network → its guess → a step towards it and fresh
// noise → noisy picture. The words at its arrows say what the step on screen does.
import { button, el, svg, write } from "../drawing/dom.js";
import { calm } from "../drawing/motion.js";
import { ASKED, BACK, INSIDE } from "../words/loop.js";

/** @import { Back } from "../words/loop.js" */

/** The heights of a U-Net's blocks, from the first to the last: on the way down they become smaller, on the way up larger. */
const BLOCKS = [44, 30, 18, 12, 18, 30, 44];
const SKIPS = [0, 1]; // the blocks with a line to their twin
const LIT = 500; // ms for which one part of the machine is lit

/** A small drawing of a U-Net. */
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

/** An arrow head, which points to the right. */
const head = () => svg("svg", { viewBox: "0 0 8 12", "aria-hidden": "true" }, svg("path", { d: "M0 0l8 6-8 6z" }));

/** An arrow as long as it has room. @param {string} name */
const arrow = (name) => el("span", { class: `arrow ${name}` }, el("i", null), head());

/** A few grains of noise. */
function grains() {
  const dots = [];
  for (let i = 0; i < 16; i++) if ((i * 7) % 5 < 2) dots.push(svg("path", { d: `M${i % 4} ${i >> 2}h1v1h-1z` }));
  return svg("svg", { viewBox: "0 0 4 4", "aria-hidden": "true", class: "grains" }, ...dots);
}

export class Loop {
  #towards = el("span", { class: "towards" });
  #noise;
  #parts; // in the order of a step
  #timer = 0;

  /**
   * @param {(() => unknown) | null} inside opens the network of the run, where it can be looked into
   * @param {() => unknown} why says what fresh noise is for
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
   * Light its parts in turn while it runs. An animation of CSS would have the page styled and painted sixty times a second.
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

  /** Say what happens at a step. @param {Back} back */
  say({ towards, noise, fresh }) {
    write(this.#towards, towards);
    write(this.#noise, noise);
    this.back.classList.toggle("silent", !fresh);
  }
}
