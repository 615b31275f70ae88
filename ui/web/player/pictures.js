// Paints the pictures of a run on canvases. It decodes one picture at a time, the newest that is wanted: a slow decoder skips
// frames, but never shows an old one last.
import { context2d } from "../drawing/canvas.js";
import { el } from "../drawing/dom.js";
import { agreement, difference } from "../pictures/measures.js";
import { drawable } from "../pictures/sprite.js";
import { without } from "../process/errors.js";
import { lastAdded } from "./recording.js";

/** @import { Held, RecordedLane } from "./recording.js" */
/** @import { View } from "./view.js" */
/** @import { Screen } from "./screen.js" */
/** @import { Sprite } from "../pictures/sprite.js" */

const REMEMBERED = 12; // decoded sprites
const KINDS = /** @type {const} */ (["x", "x0"]);
const DARK = 0.75; // the share of its light that a place loses where the word does not look

export class Pictures {
  /** Decoded sprites; null marks a sprite that can't be decoded. @type {Map<Sprite, ImageBitmap | null>} oldest first */
  #decoded = new Map();
  /** @type {Promise<void> | null} */
  #painting = null;
  #painted = ""; // names the pictures that are on the canvases now
  #ready = Promise.resolve(); // resolves once the canvases can be painted
  #begun = () => {}; // called once the first pictures of a run are on the canvases
  /**
   * How far the guess x̂_0 of each painted lane agrees with its last one (see `agreement`); null where that says nothing.
   * @type {(number | null)[]}
   */
  agreement = [];
  /** The last pictures of a finished run: a print does not wait until they are decoded. @type {Map<Sprite, ImageBitmap>} */
  #ends = new Map();
  /** The agreement of A's guess at the step where B was touched. @type {number | null} */
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
   * Another run is shown, perhaps on other canvases. To paint them lays out the page, so it is a task apart from the one
   * that has made them.
   * @returns {Promise<void>} once its first pictures are on the canvases
   */
  renew() {
    this.#decoded.clear();
    this.#ends.clear();
    this.#painted = "";
    this.#ready = new Promise((resolve) => setTimeout(resolve));
    this.#begun(); // nobody waits any more for a run that was never painted
    return new Promise((resolve) => {
      this.#begun = resolve;
    });
  }

  /** Bring what is wanted onto the canvases, now or as soon as the sprite under way is decoded; the screen then measures it. */
  paint() {
    if (!this.#painting && this.#painted !== this.#wanted) this.#painting = this.#paintAll();
    return this.#painting ?? Promise.resolve();
  }

  async #paintAll() {
    try {
      await this.#ready;
      do this.#painted = await this.#paintOnce();
      while (this.#painted !== this.#wanted);
      this.screen.painted(this.agreement, this.decided);
    } finally {
      this.#painting = null; // whatever happened, the next frame is tried
      this.#begun();
    }
  }

  get #wanted() {
    const { shown, image, gain, kind, latent, word, frames } = this.view;
    const ends = shown.lanes.map(({ frames }) => frames.at(-1)?.k);
    return [image, gain, kind, latent, word, ...frames.map((frame) => frame?.k), ...ends].join();
  }

  /** Paint what is wanted now. Return what that was, or "" where another run came in between. */
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
        if (seen) light(canvas, seen, image, word, shown.plan?.words?.length ?? 1);
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

  /** The picture of a frame, or its latent. @param {Held | undefined} frame @param {"x" | "x0"} which */
  #picture(frame, which) {
    if (this.view.latent) return frame?.[which === "x" ? "z" : "z0"];
    return frame?.[which];
  }

  /** The last pictures of each lane of a finished run. */
  get #last() {
    const ends = this.view.shown.lanes.map(({ frames }) => frames.at(-1));
    if (!ends.every((frame) => frame?.step[1] === 0)) return [];
    return ends.flatMap((frame) => KINDS.map((which) => this.#picture(frame, which)));
  }

  /** @param {number} i lane @param {"x" | "x0"} which @param {ImageBitmap} sprite */
  #show(i, which, sprite) {
    const { image, kind } = this.view;
    blit(this.screen.lanes[i][which].canvas, sprite, image);
    if (which !== kind) return; // the small pictures show the kind that is large
    for (const [n, { canvas }] of this.screen.thumbs.entries())
      blit(canvas, sprite, n, i * canvas.height, canvas.height);
  }

  /** Paint the end of a finished run at once. Returns whether its pictures are here. */
  paintEnd() {
    const sprites = this.#last.flatMap((picture) => (picture && this.#ends.get(picture)) || []);
    const { gain, kind, shown } = this.view;
    if (!sprites.length || sprites.length < KINDS.length * shown.lanes.length) return false;
    for (const [n, sprite] of sprites.entries()) this.#show(Math.floor(n / 2), KINDS[n % 2], sprite);
    if (gain) this.#paintDifference(kind, gain);
    return true;
  }

  /** @param {RecordedLane} lane @param {Held | undefined} frame of it @param {number} image */
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
    return a && b && agreement(a, b, last.z0 ? 0 : lastAdded(lane)); // only pixels keep noise
  }

  /** A picture as a canvas draws it; null if it can't be decoded. @param {Sprite} picture */
  async #decode(picture) {
    const known = this.#decoded.get(picture);
    if (known !== undefined) return known;
    const image = await drawable(picture).catch(without("a picture"));
    this.#decoded.set(picture, image);
    const [oldest] = this.#decoded.keys();
    if (this.#decoded.size > REMEMBERED) this.#decoded.delete(oldest);
    return image;
  }

  /** @param {"x" | "x0"} kind @param {number} gain */
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
 * @param {HTMLCanvasElement} canvas @param {ImageBitmap} sprite @param {number} n which of its pictures
 * @param {number} [left] @param {number} [width] where in the canvas
 */
function blit(canvas, sprite, n, left = 0, width = canvas.width) {
  const size = sprite.height;
  const context = context2d(canvas);
  context.globalCompositeOperation = "source-over";
  context.clearRect(left, 0, width, canvas.height); // pictures may be transparent
  context.imageSmoothingEnabled = size > width; // a latent has few pixels, and each should be visible
  context.drawImage(sprite, n * size, 0, size, size, left, 0, width, canvas.height);
}

/**
 * Darken a picture where a word is not looked at.
 * @param {HTMLCanvasElement} canvas @param {ImageBitmap} maps a row for each word @param {number} n which picture
 * @param {number} word @param {number} words how many there are
 */
function light(canvas, maps, n, word, words) {
  const side = maps.height / words;
  const context = context2d(canvas);
  context.globalCompositeOperation = "multiply";
  context.imageSmoothingEnabled = true;
  context.globalAlpha = DARK;
  context.drawImage(maps, n * side, word * side, side, side, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
}

/** Draw one picture of a sprite. @param {HTMLCanvasElement} canvas @param {Sprite} picture @param {number} n */
export async function drawn(canvas, picture, n) {
  blit(canvas, await drawable(picture), n);
}
