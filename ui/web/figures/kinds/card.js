// The reader's picture, with noise on it and brought back: a card to save or to share.

import { without } from "../../process/errors.js";
import { CARD } from "../../words/figures.js";
import { button, el, Slider, write } from "../elements.js";
import { drawInto } from "../paint.js";
import { picture, textOf } from "../picture.js";
import { noisy, T } from "../process.js";

/** @import { Figure } from "../figure.js" */
/** @import { Step } from "../../process/runs.js" */

const [WIDE, HIGH, EDGE] = [1200, 630, 72];
const [LARGE, SMALL, TOP] = [250, 112, 228];
const [ON_THE_WAY, STEPS] = [4, 20];
const FACE = "charter, georgia, cambria, serif";

/** How alike two pictures are: the correlation of their pixels, −1 to 1. @param {Float32Array} a @param {Float32Array} b */
export function likeness(a, b) {
  const mean = (/** @type {Float32Array} */ x) => x.reduce((sum, value) => sum + value, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    ab += (value - ma) * (b[i] - mb);
    aa += (value - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  }
  return aa && bb ? ab / Math.sqrt(aa * bb) : 0;
}

/** What stands below: where others can try it. An address of this computer leads nobody anywhere. @param {URL} address */
export const signature = ({ hostname, host, pathname }) =>
  /^(localhost|127\..*|\[::1\])$/.test(hostname) ? CARD.local : CARD.address(`${host}${pathname}`);

/** @param {Figure} figure */
export function card(figure) {
  let seed = 1;
  /** @type {Step[]} */
  let run = [];
  const canvas = el("canvas", { class: "card", width: WIDE, height: HIGH, role: "img" });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const said = el("p", { class: "note", role: "status" });
  const t = new Slider({ name: CARD.t, min: 100, max: T, step: 20, value: 700, ends: CARD.ends, say: CARD.at }, () => {
    begin();
    figure.changed();
  });
  const buttons = el(
    "div",
    { class: "buttons" },
    button(CARD.save, save, { class: "main" }),
    button(CARD.copy, copy),
    button(CARD.other, () => begin(seed + 1)),
  );
  if ("share" in navigator) buttons.append(button(CARD.share, share));
  figure.body.append(canvas, t.element, buttons, said);

  function draw() {
    const last = run[run.length - 1];
    const isOver = last?.s === 0;
    const texts = [CARD.first(picture.whose), isOver ? CARD.second(likeness(picture.x, last.x) > 0.8) : CARD.draws];
    context.fillStyle = "#fffdfa";
    context.fillRect(0, 0, WIDE, HIGH);
    for (const [i, text] of texts.entries()) {
      context.fillStyle = i ? "#c2410c" : "#1c1c1f";
      context.font = `600 48px ${FACE}`;
      context.fillText(text, EDGE, 108 + 60 * i);
    }
    const states = [noisy(picture.x, t.value, seed), ...run.map(({ x }) => x)].slice(0, -1);
    drawInto(context, picture.x, [EDGE, TOP, LARGE], "ink", "light");
    const gap = (WIDE - 2 * (EDGE + LARGE) - ON_THE_WAY * SMALL) / (ON_THE_WAY + 1);
    for (let i = 0; i < ON_THE_WAY; i++) {
      const at = states[Math.round((i * (states.length - 2)) / (ON_THE_WAY - 1))] ?? states[0];
      const left = EDGE + LARGE + gap + i * (SMALL + gap);
      if (at) drawInto(context, at, [left, TOP + (LARGE - SMALL) / 2, SMALL], "ink", "light");
    }
    if (last) drawInto(context, last.x, [WIDE - EDGE - LARGE, TOP, LARGE], "guess", "light");
    context.fillStyle = "#5b5b63";
    context.font = `26px ${FACE}`;
    context.fillText(signature(new URL(address())), EDGE, 568);
    canvas.setAttribute("aria-label", CARD.name(texts.join(" ")));
    figure.dataset.drawn = String(isOver);
  }

  /** Where the essay is. */
  const address = () => new URL(figure.getAttribute("address") ?? location.href, figure.given.base).href;

  /** @param {number} with_ seed of the noise */
  function begin(with_ = seed) {
    seed = with_;
    /** @type {Step[]} */
    const mine = [];
    run = mine;
    draw();
    const steps = Math.max(4, Math.round((STEPS * t.value) / T));
    const from = { x0: picture.x, t: t.value, seed };
    figure.ask(
      "card",
      "runs",
      { runs: [{ from, steps, sampler: "ddpm", variance: "beta_tilde" }] },
      ({ i: _, ...step }) => {
        mine.push(step);
        if (mine === run && !step.s) draw();
      },
    );
  }

  /** @returns {Promise<File>} */
  const file = () =>
    new Promise((resolve, reject) =>
      canvas.toBlob(
        (blob) => (blob ? resolve(new File([blob], CARD.file, { type: "image/png" })) : reject(new Error("no PNG"))),
        "image/png",
      ),
    );

  async function save() {
    const url = URL.createObjectURL(await file());
    const link = el("a", { href: url, download: CARD.file });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    write(said, CARD.saved);
  }

  /** The address of the essay with the picture. */
  async function link() {
    const url = new URL(address());
    url.hash = `picture=${await textOf(picture.x)}`;
    return url.href;
  }

  async function copy() {
    const text = await link();
    const isCopied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    write(said, isCopied ? CARD.copied : text);
  }

  async function share() {
    const files = [await file()];
    const content = { title: CARD.title, text: CARD.first(picture.whose), url: await link() };
    await navigator.share(navigator.canShare?.({ files }) ? { ...content, files } : content).catch(without("sharing")); // visitors may leave it
  }
  return { controls: { t }, update: () => begin() };
}
