// A PNG for slides: the pictures with a title, a sentence, the settings and the address.
import { context2d, lines } from "../drawing/canvas.js";
import { el } from "../drawing/dom.js";
import { download } from "./share.js";

/** @import { Page } from "../app.js" */

/** @template {HTMLCanvasElement | HTMLImageElement} [Picture=HTMLCanvasElement | HTMLImageElement] @typedef {{ picture: Picture, label: string }} Tile */

/**
 * @typedef {object} Slide
 * @property {string} title
 * @property {Tile[]} tiles row by row
 * @property {number} columns
 * @property {string} said the sentence below the pictures
 * @property {string} settings
 */

const [WIDTH, EDGE, GAP] = [1600, 40, 8]; // pixels: width of the slide, its margin, space between pictures
const LARGEST = 756; // pixels: the longest side of a picture

const HERE = /^(localhost|127\.[\d.]+|\[::1\])$/; // no other computer can open these hosts, so a slide does not name them

/**
 * Save a slide. Returns a sentence for the visitor.
 * @param {Page} page @param {Slide} slide @param {URL} link the address of the shown run @param {string} summary the
 * settings, for a slide without settings
 */
export async function save(page, slide, link, summary) {
  const { address } = await page.invitation(link);
  slide.title ||= page.title;
  slide.settings ||= summary || slide.title;
  const shown = HERE.test(new URL(address).hostname) ? "" : address;
  return download(draw(slide, shown).toDataURL(), `${slide.settings.replaceAll(/[^\p{L}\p{M}\p{N}.]+/gu, "-")}.png`);
}

/** Return a canvas with a slide. @param {Slide} slide @param {string} address the address at the bottom, or "" */
function draw({ title, tiles, columns, said, settings }, address) {
  const canvas = el("canvas", { width: WIDTH, height: 1 });
  const context = context2d(canvas);
  const { width, height } = tiles[0].picture;
  const side = Math.min((WIDTH - 2 * EDGE - GAP * (columns - 1)) / columns, LARGEST * Math.max(1, width / height));
  const left = (WIDTH - side * columns - GAP * (columns - 1)) / 2;
  const high = (side * height) / width;
  const { color, backgroundColor } = getComputedStyle(document.documentElement);
  /**
   * Draw everything from top to bottom, or only measure the height. Returns the height.
   * @param {boolean} really whether to draw
   */
  const whole = (really) => {
    let y = EDGE;
    /** Write a text at y in as many lines as it needs, and move y below it. @param {string} text @param {number} size @param {string} [weight] */
    const write = (text, size, weight = "") => {
      context.font = `${weight} ${size}px system-ui, sans-serif`;
      for (const line of lines(context, text, WIDTH - 2 * EDGE)) {
        if (really) context.fillText(line, EDGE, y + size);
        y += 1.4 * size;
      }
    };
    write(title, 44, "600");
    for (let at = 0; at < tiles.length; at += columns) {
      const row = tiles.slice(at, at + columns);
      y += row.some(({ label }) => label) ? 40 : GAP;
      for (const [i, { picture, label }] of row.entries()) {
        const x = left + i * (side + GAP);
        if (!really) continue;
        context.font = "24px system-ui, sans-serif";
        context.fillText(label, x, y - 10);
        context.imageSmoothingEnabled = picture.width > side;
        context.drawImage(picture, x, y, side, high);
      }
      y += high;
    }
    y += GAP;
    write(said, 30, "600");
    write(settings, 22);
    write(address, 22);
    return y + EDGE / 2;
  };
  canvas.height = whole(false);
  context.fillStyle = backgroundColor;
  context.fillRect(0, 0, WIDTH, canvas.height);
  context.fillStyle = color;
  whole(true);
  return canvas;
}
