// Draws one lane (one of the two clouds) on its canvas: the true density, the score, the points and their paths.
import { context2d } from "../../drawing/canvas.js";
import { cellMiddles } from "../../process/mixture.js";

/** @import { Frame } from "./cloud.js" */
/** @import { Mixture } from "../../process/mixture.js" */

/**
 * What a canvas shows.
 * @typedef {object} Scene
 * @property {Mixture | null} mixture the true distribution
 * @property {number} alphaBar ᾱ of the time that is shown
 * @property {number} reach the visible distance from the origin
 * @property {Frame | null} frame the lane's cloud at this time
 * @property {Float32Array | null} points the points to draw: the frame's points, or the points of a preview
 * @property {Frame[]} trail the lane's frames up to `frame`
 * @property {number} arrows the number of arrows on each side of the field
 */

const SHADES = 96; // number of cells of the density on each side
const DARKEST = 120; // alpha of the highest density, 0..255
const CROWDED = 16; // smallest distance between arrows, in pixels of the page: if they are closer, every other arrow is left out
const TRAILS = 8; // number of points whose paths are drawn
const ROUND = 2 * Math.PI;

/**
 * Draw a scene.
 * @param {HTMLCanvasElement} canvas @param {Scene} scene
 * @param {Set<string>} shown any of "density", "arrows" and "paths"
 */
export function paint(canvas, scene, shown) {
  const drawing = new Drawing(canvas, scene);
  const { mixture, points } = scene;
  if (mixture && shown.has("density")) drawing.shade(mixture);
  drawing.grid();
  if (mixture && shown.has("arrows")) drawing.field(mixture);
  if (shown.has("paths")) drawing.paths();
  if (points) drawing.dots(points);
}

/** Draws a scene on an emptied canvas, in the colours of the canvas's CSS: color, --lane, --line. */
class Drawing {
  /** @param {HTMLCanvasElement} canvas @param {Scene} scene */
  constructor(canvas, scene) {
    const style = getComputedStyle(canvas);
    this.scene = scene;
    this.context = context2d(canvas);
    this.ink = style.color;
    this.lane = style.getPropertyValue("--lane") || style.color;
    this.line = style.getPropertyValue("--line");
    this.side = canvas.width;
    this.px = this.side / (canvas.clientWidth || this.side / 2); // canvas pixels per pixel of the page; 2 if the canvas has no width, as in a hidden tab
    this.context.clearRect(0, 0, this.side, this.side);
  }

  /** Return the canvas pixel of x, from the left. @param {number} x */
  #across(x) {
    return (this.side * (1 + x / this.scene.reach)) / 2;
  }

  /** Return the canvas pixel of y, from the top. @param {number} y */
  #down(y) {
    return (this.side * (1 - y / this.scene.reach)) / 2;
  }

  /** Draw the true density of the points as shades. @param {Mixture} mixture */
  shade(mixture) {
    const { context, scene, side } = this;
    const at = cellMiddles(SHADES, scene.reach);
    const values = mixture.density(at, at.toReversed(), scene.alphaBar);
    const highest = values.reduce((most, v) => Math.max(most, v), 0);
    const small = new OffscreenCanvas(SHADES, SHADES);
    const inner = small.getContext("2d");
    if (!inner) return;
    const image = inner.createImageData(SHADES, SHADES);
    const [red, green, blue] = (this.ink.match(/[\d.]+/g) ?? ["0", "0", "0"]).map(Number);
    for (const [i, v] of values.entries()) image.data.set([red, green, blue, DARKEST * Math.sqrt(v / highest)], 4 * i);
    inner.putImageData(image, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, side, side);
  }

  /** Draw a line and a label at each whole coordinate. */
  grid() {
    const { context, scene, side, px } = this;
    context.fillStyle = this.ink;
    context.strokeStyle = this.line;
    context.lineWidth = px;
    context.font = `${11 * px}px system-ui, sans-serif`;
    for (const tick of [-2, -1, 0, 1, 2]) {
      if (Math.abs(tick) > scene.reach) continue;
      context.beginPath();
      context.moveTo(this.#across(tick), 0);
      context.lineTo(this.#across(tick), side);
      context.moveTo(0, this.#down(tick));
      context.lineTo(side, this.#down(tick));
      context.stroke();
      context.globalAlpha = 0.6;
      if (tick) context.fillText(String(tick).replace("-", "−"), this.#across(tick) + 3 * px, side - 4 * px);
      context.globalAlpha = 1;
    }
  }

  /** Draw the score as arrows: the exact score, and the score of the lane's network. @param {Mixture} mixture */
  field(mixture) {
    const { scene, side, px } = this;
    const learned = scene.frame?.field; // null if the lane has no network
    const at = cellMiddles(scene.arrows, scene.frame?.reach ?? scene.reach);
    const every = side / scene.arrows / px < CROWDED ? 2 : 1;
    const cell = (every * side) / scene.arrows;
    for (let j = every - 1; j < at.length; j += every)
      for (let i = every - 1; i < at.length; i += every) {
        const [x, y] = [at[i], -at[j]]; // the first row is the highest
        this.#arrow(x, y, mixture.arrow(x, y, scene.alphaBar), cell, this.ink, learned ? 0.3 : 0.55);
        const index = 2 * (j * scene.arrows + i);
        if (learned) this.#arrow(x, y, [learned[index], learned[index + 1]], cell, this.lane, 0.9);
      }
  }

  /**
   * Draw an arrow around the point x, y. cell: the largest length of the arrow, in canvas pixels.
   * @param {number} x @param {number} y @param {[number, number]} by the vector that the arrow shows, right and up
   * @param {number} cell @param {string} colour @param {number} alpha
   */
  #arrow(x, y, [right, up], cell, colour, alpha) {
    const { context } = this;
    const length = Math.hypot(right, up);
    if (length < 0.02) return;
    const drawn = (0.9 * cell * length) / (1 + length); // a longer vector gives a longer arrow, but no arrow leaves its cell
    const [dx, dy] = [(drawn * right) / length, (-drawn * up) / length];
    const [left, top] = [this.#across(x) - dx / 2, this.#down(y) - dy / 2];
    context.globalAlpha = alpha;
    context.strokeStyle = colour;
    context.lineWidth = this.px;
    context.beginPath();
    context.moveTo(left, top);
    context.lineTo(left + dx, top + dy);
    for (const turn of [-1, 1]) {
      context.moveTo(left + dx, top + dy);
      context.lineTo(left + 0.65 * dx - 0.2 * turn * dy, top + 0.65 * dy + 0.2 * turn * dx);
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** Draw the paths of the first TRAILS points. */
  paths() {
    const { context, scene } = this;
    context.strokeStyle = this.ink;
    context.lineWidth = 1.25 * this.px;
    context.lineJoin = "round";
    for (let point = 0; point < TRAILS; point++) {
      context.beginPath();
      for (const { points } of scene.trail)
        context.lineTo(this.#across(points[2 * point]), this.#down(points[2 * point + 1]));
      context.stroke();
    }
  }

  /** Draw the points. @param {Float32Array} points x and y of each point in turn */
  dots(points) {
    const { context } = this;
    context.fillStyle = this.lane;
    context.globalAlpha = 0.65;
    for (let i = 0; i < points.length; i += 2) {
      context.beginPath();
      context.arc(this.#across(points[i]), this.#down(points[i + 1]), 1.6 * this.px, 0, ROUND);
      context.fill();
    }
    context.globalAlpha = 1;
  }
}
