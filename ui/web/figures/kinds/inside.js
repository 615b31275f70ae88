// The network as the U that it is: what each block says of the finished picture; and a 6 grafted into one block.

import { INSIDE } from "../../words/figures.js";
import { button, el, Slider, write } from "../elements.js";
import { picture } from "../picture.js";
import { noisy } from "../process.js";

/** @import { Figure } from "../figure.js" */
/** @import { Opened } from "../verbs.js" */

const [START, SEED, STEPS] = [620, 7, 10];
const [BLOCK, LABEL] = ["middle", 6];
/** Where each block stands: column and row, counted from 1. @type {Record<string, [column: number, row: number]>} */
const PLACES = {
  ...{
    "down 1": [2, 1],
    "down 2": [2, 2],
    "down 3": [2, 3],
    middle: [3, 3],
    "up 1": [4, 3],
    "up 2": [4, 2],
    "up 3": [4, 1],
  },
};
const WIDE = ["100%", "78%", "60%"]; // of a row
const WAY = "M0,16H30V84H70V16H100"; // through the blocks

/** @param {Figure} figure */
export function inside(figure) {
  /** Without and with the graft. @type {[Opened[], Opened[]]} */
  let lanes = [[], []];
  let lane = 0;
  const [x, out, own, end] = [
    figure.tile("ink", INSIDE.x),
    figure.tile("guess", INSIDE.guess),
    figure.tile("ink", INSIDE.own),
    figure.tile("ink", INSIDE.end),
  ];
  const blocks = Object.fromEntries(
    Object.keys(PLACES).map((name) => [name, figure.tile("guess", INSIDE.block(name))]),
  );
  const placed = (
    /** @type {HTMLElement} */ element,
    /** @type {string} */ text,
    /** @type {[number, number]} */ [column, row],
    wide = "100%",
  ) =>
    el(
      "div",
      { style: `grid-column: ${column}; grid-row: ${row}; --wide: ${wide}` },
      element,
      el("div", { class: "small" }, text),
    );
  const net = el(
    "div",
    { class: "net" },
    placed(x.element, "xₜ", [1, 1]),
    placed(out.element, INSIDE.guess, [5, 1]),
    placed(own.element, INSIDE.own, [1, 3]),
    placed(end.element, INSIDE.end, [5, 3]),
  );
  /** @type {Record<string, HTMLElement>} */
  const boxes = {};
  for (const [name, place] of Object.entries(PLACES)) {
    boxes[name] = placed(blocks[name].element, INSIDE.side(28 / 2 ** (place[1] - 1)), place, WIDE[place[1] - 1]);
    net.append(boxes[name]);
  }
  const way = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  way.setAttribute("viewBox", "0 0 100 100");
  way.setAttribute("preserveAspectRatio", "none");
  way.setAttribute("aria-hidden", "true");
  way.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  way.firstElementChild?.setAttribute("d", WAY);
  way.firstElementChild?.setAttribute("vector-effect", "non-scaling-stroke");
  net.append(way);
  const k = new Slider({ name: INSIDE.k, min: 1, max: STEPS, value: 5, say: INSIDE.at(STEPS) }, changed);
  const press = button(INSIDE.graft, () => graft.set(lane ? 0 : 1), { "aria-pressed": "false" });
  const graft = {
    element: press,
    get value() {
      return lane;
    },
    set(/** @type {string | number} */ value) {
      lane = Number(value) ? 1 : 0;
      press.setAttribute("aria-pressed", String(lane === 1));
      write(press, lane ? INSIDE.back : INSIDE.graft);
      changed();
    },
  };
  figure.body.append(net, k.element, el("div", { class: "buttons" }, press));

  function changed() {
    show();
    figure.changed();
  }

  function show() {
    const run = lanes[lane];
    const at = run[k.value - 1];
    boxes[BLOCK].classList.toggle("lit", lane === 1);
    end.paint(run.length === STEPS ? run[STEPS - 1].x : null);
    if (!at) return;
    x.paint(k.value > 1 ? run[k.value - 2].x : noisy(picture.x, START, SEED));
    out.paint(at.x0);
    for (const { name, says } of at.blocks) blocks[name].paint(says);
  }

  function begin() {
    /** @type {typeof lanes} */
    const mine = [[], []];
    lanes = mine;
    own.paint(picture.x);
    const run = { from: { x0: picture.x, t: START, seed: SEED }, steps: STEPS, sampler: "ddim" };
    figure.ask("inside", "inside", { run, block: BLOCK, label: LABEL }, (opened) => {
      mine[opened.lane].push(opened);
      if (mine === lanes) show();
    });
  }
  return { controls: { k, graft }, update: begin };
}
