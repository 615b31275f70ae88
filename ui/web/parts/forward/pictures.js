// The pictures of the part "What noise destroys": x_0, ε, x_t, the mean of the step back, and the difference between
// x_t and this mean.
import { context2d } from "../../drawing/canvas.js";
import { find, write } from "../../drawing/dom.js";
import { attribute } from "../../words/symbols.js";
import { noised, rms, sum, toPixels, visibleGain } from "./mix.js";
import { WORDS } from "./words.js";

/** @import { Weights } from "../../process/schedule.js" */
/** @import { Scene } from "./scene.js" */

/** The canvases of the part. */
export class Pictures {
  /** @param {HTMLElement} root */
  constructor(root) {
    const canvasOf = (/** @type {string} */ figure) => find(root, `${figure} canvas`, HTMLCanvasElement);
    this.x0 = canvasOf(".x0");
    this.eps = canvasOf(".eps");
    this.xt = canvasOf(".xt");
    this.mean = canvasOf(".mean");
    this.change = canvasOf(".change");
    this.gain = find(root, ".change .at");
  }

  /** Draw all pictures. @param {Scene} scene @param {Weights} table the weights of the scene's schedule */
  render({ t, x0, epsilon, picture }, table) {
    const xt = noised(x0, epsilon, table.signal[t], table.noise[t]);
    // At t = 0 there is no step back, so x_0 takes the place of the mean
    const back = t ? sum(table.of_x_0[t], x0, table.of_x_t[t], xt) : x0;
    const change = sum(1, xt, -1, back);
    const gain = t ? visibleGain(rms(change)) : 1;
    paint(this.x0, x0);
    paint(this.eps, epsilon, 127.5);
    paint(this.xt, xt);
    paint(this.mean, back);
    paint(this.change, change, gain);
    attribute(this.xt, "aria-label", WORDS.xt(picture, t));
    attribute(this.mean, "aria-label", WORDS.back(t));
    attribute(this.change, "aria-label", WORDS.change(gain));
    write(this.gain, WORDS.gain(gain));
  }
}

/** Draw a square picture. @param {HTMLCanvasElement} canvas @param {Float32Array} values in the format of mix.js @param {number} [gain] multiplies the values */
function paint(canvas, values, gain) {
  const size = Math.sqrt(values.length / 3);
  if (canvas.width !== size || canvas.height !== size) canvas.width = canvas.height = size;
  const context = context2d(canvas);
  const image = context.createImageData(size, size);
  toPixels(image.data, values, gain);
  context.putImageData(image, 0, 0);
}
