// A card to save or share. The card shows the reader's picture, the picture with noise, and the picture that the
// network makes from the noisy picture.

import { button, el, write } from "../../drawing/dom.js";
import { continueWithout } from "../../process/errors.js";
import { CARD } from "../../words/card.js";
import { buttons, note, Slider } from "../elements.js";
import { drawInto } from "../paint.js";
import { picture, textOf } from "../picture.js";
import { noisy, T } from "../process.js";

/** @import { Figure } from "../figure.js" */
/** @import { Step } from "../../process/runs.js" */

const [WIDE, HIGH, EDGE] = [1200, 630, 72]; // pixels of the card: width, height, margin
const [LARGE, SMALL, TOP] = [250, 112, 228]; // in pixels: side of the large pictures, side of the small pictures, distance of the large pictures from the top
const [ON_THE_WAY, STEPS] = [4, 20];
const FACE = "charter, georgia, cambria, serif";

/** Return the correlation of two pictures' pixels, −1 to 1. @param {Float32Array} a @param {Float32Array} b */
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

/** Return the text at the bottom of the card: the page's address, or another text if only this computer can open the page. @param {URL} address */
export const signature = ({ hostname, host, pathname }) =>
  /^(localhost|127\..*|\[::1\])$/.test(hostname) ? CARD.local : CARD.address(`${host}${pathname}`);

/** The drawing of the card. */
class Card {
  canvas = el("canvas", { class: "card", width: WIDE, height: HIGH, role: "img" });
  #context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));

  /** @param {string} address of the page, for the line at the bottom */
  constructor(address) {
    this.address = address;
  }

  /** Draw the card. @param {Float32Array} noisy the state with which the run begins @param {Step[]} run the steps computed so far */
  draw(noisy, run) {
    const context = this.#context;
    const last = run.at(-1);
    const second = last?.s === 0 ? CARD.second(likeness(picture.x, last.x) > 0.8) : CARD.draws;
    const texts = [CARD.first(picture.whose), second];
    context.fillStyle = "#fffdfa";
    context.fillRect(0, 0, WIDE, HIGH);
    for (const [i, text] of texts.entries()) {
      context.fillStyle = i ? "#c2410c" : "#1c1c1f";
      context.font = `600 48px ${FACE}`;
      context.fillText(text, EDGE, 108 + 60 * i);
    }
    drawInto(context, picture.x, [EDGE, TOP, LARGE], "ink", "light");
    this.#drawWay([noisy, ...run.map(({ x }) => x)].slice(0, -1));
    if (last) drawInto(context, last.x, [WIDE - EDGE - LARGE, TOP, LARGE], "guess", "light");
    context.fillStyle = "#5b5b63";
    context.font = `26px ${FACE}`;
    context.fillText(signature(new URL(this.address)), EDGE, 568);
    this.canvas.setAttribute("aria-label", CARD.name(texts.join(" ")));
  }

  /** Draw some states of the run between the two large pictures. @param {Float32Array[]} states */
  #drawWay(states) {
    const gap = (WIDE - 2 * (EDGE + LARGE) - ON_THE_WAY * SMALL) / (ON_THE_WAY + 1);
    for (let i = 0; i < ON_THE_WAY; i++) {
      const at = states[Math.round((i * (states.length - 2)) / (ON_THE_WAY - 1))] ?? states[0];
      const left = EDGE + LARGE + gap + i * (SMALL + gap);
      if (at) drawInto(this.#context, at, [left, TOP + (LARGE - SMALL) / 2, SMALL], "ink", "light");
    }
  }

  /** Return the card as a PNG file. @returns {Promise<File>} */
  file() {
    return new Promise((resolve, reject) =>
      this.canvas.toBlob(
        (blob) => (blob ? resolve(new File([blob], CARD.file, { type: "image/png" })) : reject(new Error("no PNG"))),
        "image/png",
      ),
    );
  }
}

/** Make the buttons that save and share the card, and the line that says what was done. @param {Card} card */
function sharing(card) {
  const said = note();

  /** Save the card as a file. */
  async function save() {
    const url = URL.createObjectURL(await card.file());
    const link = el("a", { href: url, download: CARD.file });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    write(said, CARD.saved);
  }

  /** Return the page's address with the reader's picture in it. */
  async function link() {
    const url = new URL(card.address);
    url.hash = `picture=${await textOf(picture.x)}`;
    return url.href;
  }

  /** Copy the page's address with the picture. */
  async function copy() {
    const text = await link();
    const isCopied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    write(said, isCopied ? CARD.copied : text);
  }

  /** Open the system's dialog for sharing. */
  async function share() {
    const files = [await card.file()];
    const content = { title: CARD.title, text: CARD.first(picture.whose), url: await link() };
    // `share` throws if the reader cancels the dialog
    await navigator
      .share(navigator.canShare?.({ files }) ? { ...content, files } : content)
      .catch(continueWithout("sharing"));
  }

  const first = [button({ class: "main" }, save, CARD.save), button(null, copy, CARD.copy)];
  const last = "share" in navigator ? [button(null, share, CARD.share)] : [];
  return { first, last, said };
}

/** Fill a figure with the card, a slider for t, and buttons. Return the controls and the function that draws the figure. @param {Figure} figure */
export function card(figure) {
  let seed = 1;
  /** @type {Step[]} */
  let run = [];
  const drawing = new Card(new URL(figure.getAttribute("address") ?? location.href, figure.given.base).href);
  const t = new Slider({ name: CARD.t, min: 100, max: T, step: 20, value: 700, ends: CARD.ends, say: CARD.at }, () => {
    begin();
    figure.changed();
  });
  const { first, last, said } = sharing(drawing);
  const other = button(null, () => begin(seed + 1), CARD.other);
  figure.body.append(drawing.canvas, t.element, buttons(...first, other, ...last), said);

  /** Draw the card with the steps computed so far. */
  function draw() {
    drawing.draw(noisy(picture.x, t.value, seed), run);
    figure.dataset.drawn = String(run.at(-1)?.s === 0);
  }

  /** Compute a run, and draw the card with it. @param {number} with_ the seed of the noise */
  function begin(with_ = seed) {
    seed = with_;
    run = [];
    draw();
    const steps = Math.max(4, Math.round((STEPS * t.value) / T));
    const from = { x0: picture.x, t: t.value, seed };
    const asked = { from, steps, sampler: "ddpm", variance: "beta_tilde" };
    figure.ask("card", "runs", { runs: [asked] }, ({ i: _, ...step }) => {
      run.push(step);
      if (!step.s) draw();
    });
  }
  return { controls: { t }, update: () => begin() };
}
