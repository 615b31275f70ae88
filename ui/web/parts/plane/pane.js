// One lane's cloud on its canvas: where the points belong, the score, the points and their paths.
import { context2d } from "../../drawing/dom.js";
import { cells } from "../../process/mixture.js";

/** @import { Frame } from "./cloud.js" */
/** @import { Mixture } from "../../process/mixture.js" */

/**
 * @typedef {object} Scene
 * @property {Mixture | null} mixture
 * @property {number} alphaBar of the marginal and the score
 * @property {number} reach how far the plane is seen
 * @property {Frame | null} frame
 * @property {Float32Array | null} points drawn: the frame's, or others
 * @property {Frame[]} trail the lane's frames up to this one
 * @property {number} arrows a side of the field
 */

const SHADES = 96; // cells of the density, a side
const DARKEST = 120; // alpha of the highest density, of 255
const CROWDED = 16; // pixels of the page between arrows, below which every other one is left out
const TRAILS = 8; // points whose paths are drawn
const ROUND = 2 * Math.PI;

/**
 * Draw a scene. The colours are those of the canvas's style: color, --lane, --line.
 * @param {HTMLCanvasElement} canvas @param {Scene} scene
 * @param {Set<string>} shown density, arrows, paths
 */
export function paint(canvas, scene, shown) {
  const context = context2d(canvas);
  const style = getComputedStyle(canvas);
  const colours = {
    ink: style.color,
    lane: style.getPropertyValue("--lane") || style.color,
    line: style.getPropertyValue("--line"),
  };
  const side = canvas.width;
  const px = side / (canvas.clientWidth || side / 2); // one pixel of the page; the canvas may be in a tab that is not seen
  /** @param {number} x */
  const across = (x) => (side * (1 + x / scene.reach)) / 2;
  /** @param {number} y */
  const down = (y) => (side * (1 - y / scene.reach)) / 2;

  context.clearRect(0, 0, side, side);
  if (scene.mixture && shown.has("density")) shade(scene.mixture);
  grid();
  if (scene.mixture && shown.has("arrows")) field(scene.mixture);
  if (shown.has("paths")) paths();
  if (scene.points) dots(scene.points);

  /** @param {Mixture} mixture */
  function shade(mixture) {
    const at = cells(SHADES, scene.reach);
    const values = mixture.density(at, at.toReversed(), scene.alphaBar);
    const highest = values.reduce((most, v) => Math.max(most, v), 0);
    const small = new OffscreenCanvas(SHADES, SHADES);
    const inner = small.getContext("2d");
    if (!inner) return;
    const image = inner.createImageData(SHADES, SHADES);
    const [red, green, blue] = (colours.ink.match(/[\d.]+/g) ?? ["0", "0", "0"]).map(Number);
    for (const [i, v] of values.entries()) image.data.set([red, green, blue, DARKEST * Math.sqrt(v / highest)], 4 * i);
    inner.putImageData(image, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, side, side);
  }

  function grid() {
    context.fillStyle = colours.ink;
    context.strokeStyle = colours.line;
    context.lineWidth = px;
    context.font = `${11 * px}px system-ui, sans-serif`;
    for (const tick of [-2, -1, 0, 1, 2]) {
      if (Math.abs(tick) > scene.reach) continue;
      context.beginPath();
      context.moveTo(across(tick), 0);
      context.lineTo(across(tick), side);
      context.moveTo(0, down(tick));
      context.lineTo(side, down(tick));
      context.stroke();
      context.globalAlpha = 0.6;
      if (tick) context.fillText(String(tick).replace("-", "−"), across(tick) + 3 * px, side - 4 * px);
      context.globalAlpha = 1;
    }
  }

  /** @param {Mixture} mixture */
  function field(mixture) {
    const own = scene.frame?.field;
    const at = cells(scene.arrows, scene.frame?.reach ?? scene.reach);
    const every = side / scene.arrows / px < CROWDED ? 2 : 1;
    const cell = (every * side) / scene.arrows;
    for (let j = every - 1; j < at.length; j += every)
      for (let i = every - 1; i < at.length; i += every) {
        const [x, y] = [at[i], -at[j]]; // rows from the top
        arrow(x, y, mixture.arrow(x, y, scene.alphaBar), cell, colours.ink, own ? 0.3 : 0.55);
        const index = 2 * (j * scene.arrows + i);
        if (own) arrow(x, y, [own[index], own[index + 1]], cell, colours.lane, 0.9);
      }
  }

  /**
   * @param {number} x @param {number} y @param {[number, number]} by @param {number} cell @param {string} colour
   * @param {number} alpha
   */
  function arrow(x, y, [right, up], cell, colour, alpha) {
    const length = Math.hypot(right, up);
    if (length < 0.02) return;
    const drawn = (0.9 * cell * length) / (1 + length); // grows with the score, and stays in its cell
    const [dx, dy] = [(drawn * right) / length, (-drawn * up) / length];
    const [left, top] = [across(x) - dx / 2, down(y) - dy / 2];
    context.globalAlpha = alpha;
    context.strokeStyle = colour;
    context.lineWidth = px;
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

  function paths() {
    context.strokeStyle = colours.ink;
    context.lineWidth = 1.25 * px;
    context.lineJoin = "round";
    for (let point = 0; point < TRAILS; point++) {
      context.beginPath();
      for (const { points } of scene.trail) context.lineTo(across(points[2 * point]), down(points[2 * point + 1]));
      context.stroke();
    }
  }

  /** @param {Float32Array} points */
  function dots(points) {
    context.fillStyle = colours.lane;
    context.globalAlpha = 0.65;
    for (let i = 0; i < points.length; i += 2) {
      context.beginPath();
      context.arc(across(points[i]), down(points[i + 1]), 1.6 * px, 0, ROUND);
      context.fill();
    }
    context.globalAlpha = 1;
  }
}
