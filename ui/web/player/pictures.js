// Paints the pictures of a run on canvases. It decodes one picture at a time, always the newest that the view shows. So
// a slow decoder skips frames, and the last painted frame is never an old one.
import { context2d } from "../drawing/canvas.js";
import { el } from "../drawing/dom.js";
import { agreement, difference } from "../pictures/measures.js";
import { drawable } from "../pictures/sprite.js";
import { continueWithout } from "../process/errors.js";
import { lastAdded } from "./recording.js";

/** @import { Held, RecordedLane } from "./recording.js" */
/** @import { View } from "./view.js" */
/** @import { Screen } from "./screen.js" */
/** @import { Sprite } from "../pictures/sprite.js" */

const REMEMBERED = 12; // number of decoded sprites that stay in memory
const KINDS = /** @type {const} */ (["x", "x0"]);
const DARK = 0.75; // fraction (0…1) of its brightness that a pixel loses if it pays no attention

export class Pictures {
  /**
   * The decoded sprites, oldest first; null for a sprite that can't be decoded.
   * @type {Map<Sprite, ImageBitmap | null>}
   */
  #decoded = new Map();
  /** @type {Promise<void> | null} */
  #painting = null;
  #painted = ""; // key of the pictures on the canvases (see #wanted)
  #ready = Promise.resolve(); // resolves when the task that made the canvases has ended
  #begun = () => {}; // called when the first pictures of a run are on the canvases
  /**
   * For each lane (one of the runs on screen), the agreement of its guess x̂_0 with its last guess: see `agreement` of
   * pictures/measures.js. It is null if it can't be measured.
   * @type {(number | null)[]}
   */
  agreement = [];
  /**
   * The last pictures of a finished run. They are decoded in advance, because printing does not wait for decoding.
   * @type {Map<Sprite, ImageBitmap>}
   */
  #ends = new Map();
  /** The agreement of lane A's guess with its last guess, at the step where the visitor changed lane B. @type {number | null} */
  decided = null;

  /**
   * @param {View} view
   * @param {Screen} screen
   */
  constructor(view, screen) {
    this.view = view;
    this.screen = screen;
  }

  /**
   * Prepare for another run, perhaps on new canvases. Making the canvases and painting both lay out the page, so
   * painting starts in a later task.
   * @returns {Promise<void>} resolves when the run's first pictures are on the canvases
   */
  renew() {
    this.#decoded.clear();
    this.#ends.clear();
    this.#painted = "";
    this.#ready = new Promise((resolve) => setTimeout(resolve));
    this.#begun(); // an earlier run may still be waiting for its first pictures
    return new Promise((resolve) => {
      this.#begun = resolve;
    });
  }

  /**
   * Paint the pictures that the view shows. If an earlier picture is still being decoded, paint after that. Return a
   * promise that resolves when the pictures are painted.
   */
  paint() {
    if (!this.#painting && this.#painted !== this.#wanted) this.#painting = this.#paintAll();
    return this.#painting ?? Promise.resolve();
  }

  /** Paint until the canvases have the pictures that the view shows. Then let the screen describe them. */
  async #paintAll() {
    try {
      await this.#ready;
      do this.#painted = await this.#paintOnce();
      while (this.#painted !== this.#wanted);
      this.screen.painted(this.agreement, this.decided);
    } finally {
      this.#painting = null; // also after an error, so that the next frame can be painted
      this.#begun();
    }
  }

  /** A key that changes with the pictures that the view shows. */
  get #wanted() {
    const { shown, image, gain, kind, latent, word, frames } = this.view;
    const ends = shown.lanes.map(({ frames }) => frames.at(-1)?.k);
    return [image, gain, kind, latent, word, ...frames.map((frame) => frame?.k), ...ends].join();
  }

  /**
   * Paint the pictures that the view shows. Return their key (see #wanted), or "" if another run has replaced them
   * meanwhile.
   */
  async #paintOnce() {
    const wanted = this.#wanted;
    const { shown, image, gain, kind, word, frames } = this.view;
    for (const [i, frame] of frames.entries()) {
      const seen = word >= 0 && frame?.attention ? await this.#decode(frame.attention) : null;
      for (const which of KINDS) {
        const picture = this.#picture(frame, which);
        const sprite = picture && (await this.#decode(picture));
        if (this.view.shown !== shown) return "";
        const { canvas } = this.screen.lanes[i][which];
        if (!frame) context2d(canvas).clearRect(0, 0, canvas.width, canvas.height);
        if (!sprite) continue;
        this.#show(i, which, sprite);
        if (seen) darkenWithoutAttention(canvas, seen, image, word, shown.plan?.words?.length ?? 1);
      }
    }
    if (gain) this.#paintDifference(kind, gain);
    this.#begun();
    for (const picture of this.#last)
      if (picture && !this.#ends.has(picture)) {
        const sprite = await this.#decode(picture);
        if (sprite) this.#ends.set(picture, sprite);
      }
    this.agreement = await Promise.all(shown.lanes.map((lane, i) => this.#agreement(lane, frames[i], image)));
    const [a] = shown.lanes;
    const then = a?.frames.find(({ k }) => k === shown.plan?.split);
    this.decided = then ? await this.#agreement(a, then, image) : null;
    return this.view.shown === shown ? wanted : "";
  }

  /** Return a picture of a frame, or its latent if the view shows latents. @param {Held | undefined} frame @param {"x" | "x0"} which */
  #picture(frame, which) {
    if (this.view.latent) return frame?.[which === "x" ? "z" : "z0"];
    return frame?.[which];
  }

  /** The last pictures of all lanes; empty before the run has finished. */
  get #last() {
    const ends = this.view.shown.lanes.map(({ frames }) => frames.at(-1));
    if (!ends.every((frame) => frame?.step[1] === 0)) return [];
    return ends.flatMap((frame) => KINDS.map((which) => this.#picture(frame, which)));
  }

  /**
   * Draw one picture of a sprite on the lane's canvas, and all its pictures on the small canvases.
   * @param {number} i lane @param {"x" | "x0"} which @param {ImageBitmap} sprite
   */
  #show(i, which, sprite) {
    const { image, kind } = this.view;
    blit(this.screen.lanes[i][which].canvas, sprite, image);
    if (which !== kind) return; // the small canvases show only the chosen kind, x or x̂_0
    for (const [n, { canvas }] of this.screen.thumbs.entries())
      blit(canvas, sprite, n, i * canvas.height, canvas.height);
  }

  /** Paint the end of a finished run at once. Return false if its pictures are not decoded yet. */
  paintEnd() {
    const sprites = this.#last.flatMap((picture) => (picture && this.#ends.get(picture)) || []);
    const { gain, kind, shown } = this.view;
    if (!sprites.length || sprites.length < KINDS.length * shown.lanes.length) return false;
    for (const [n, sprite] of sprites.entries()) this.#show(Math.floor(n / 2), KINDS[n % 2], sprite);
    if (gain) this.#paintDifference(kind, gain);
    return true;
  }

  /**
   * Return the agreement of a frame's guess with the lane's last guess, null if it can't be measured.
   * @param {RecordedLane} lane @param {Held | undefined} frame of the lane @param {number} image
   */
  async #agreement(lane, frame, image) {
    const last = lane.frames.at(-1);
    if (!frame || !last || last.step[1]) return null;
    const [guess, end] = [frame, last].map((one) => one?.z0 ?? one?.x0);
    if (!guess || !end) return null;
    const read = async (/** @type {Sprite} */ picture) => {
      const sprite = await this.#decode(picture);
      if (!sprite) return null;
      const { height } = sprite;
      const canvas = el("canvas", { width: height, height });
      const context = context2d(canvas, { willReadFrequently: true });
      blit(canvas, sprite, image);
      return context.getImageData(0, 0, height, height).data;
    };
    const [a, b] = [await read(guess), await read(end)];
    return a && b && agreement(a, b, last.z0 ? 0 : lastAdded(lane)); // the noise that steps add counts only for models of pixels: decoding a latent removes it
  }

  /** Return a decoded picture, null if it can't be decoded. @param {Sprite} picture */
  async #decode(picture) {
    const known = this.#decoded.get(picture);
    if (known !== undefined) return known;
    const image = await drawable(picture).catch(continueWithout("a picture"));
    this.#decoded.set(picture, image);
    const [oldest] = this.#decoded.keys();
    if (this.#decoded.size > REMEMBERED) this.#decoded.delete(oldest);
    return image;
  }

  /**
   * Paint the difference of the two lanes.
   * @param {"x" | "x0"} kind @param {number} gain factor that enlarges the difference
   */
  #paintDifference(kind, gain) {
    const canvas = this.screen.difference;
    if (!canvas) return;
    const { width, height } = canvas;
    const [one, other] = this.screen.lanes.map((lane) =>
      context2d(lane[kind].canvas).getImageData(0, 0, width, height),
    );
    difference(one.data, other.data, gain);
    context2d(canvas).putImageData(one, 0, 0);
  }
}

/**
 * Draw picture n of a sprite on a canvas.
 * @param {HTMLCanvasElement} canvas @param {ImageBitmap} sprite @param {number} n
 * @param {number} [left] pixels from the left of the canvas @param {number} [width] pixels
 */
function blit(canvas, sprite, n, left = 0, width = canvas.width) {
  const size = sprite.height;
  const context = context2d(canvas);
  context.globalCompositeOperation = "source-over";
  context.clearRect(left, 0, width, canvas.height); // a transparent picture would show what was drawn before
  context.imageSmoothingEnabled = size > width; // an enlarged latent shows its few pixels as squares
  context.drawImage(sprite, n * size, 0, size, size, left, 0, width, canvas.height);
}

/**
 * Darken the pixels of a picture that pay little attention to a word.
 * @param {HTMLCanvasElement} canvas @param {ImageBitmap} maps the attention: a row for each word, a column for each picture
 * @param {number} n index of the picture @param {number} word index of the word @param {number} words number of words
 */
function darkenWithoutAttention(canvas, maps, n, word, words) {
  const side = maps.height / words;
  const context = context2d(canvas);
  context.globalCompositeOperation = "multiply";
  context.imageSmoothingEnabled = true;
  context.globalAlpha = DARK;
  context.drawImage(maps, n * side, word * side, side, side, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
}

/** Decode a sprite and draw its picture n on a canvas. @param {HTMLCanvasElement} canvas @param {Sprite} picture @param {number} n */
export async function drawn(canvas, picture, n) {
  blit(canvas, await drawable(picture), n);
}
