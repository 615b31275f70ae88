// The decoder of diffusers' AutoencoderTiny: pictures of latents.
import { layers } from "./layers.js";

/** @import { Memory } from "./kernel.js" */
/** @import { Image } from "./layers.js" */
/** @import { Config } from "./unet.js" */
/** @import { Weights } from "./weights.js" */

/** decode(x, side): the picture of a state. @param {Memory} m @param {Weights} weights @param {Config} config */
export function decoder(m, weights, config, make = layers) {
  const { decoder_block_out_channels: widths, num_decoder_blocks: counts, act_fn: act } = config;
  const { latent_channels: latent, scaling_factor: scale, shift_factor: shift } = config;
  const L = make(m, weights);
  const last = widths.length - 1;
  let index = 2; // 0 is a convolution, 1 its activation
  const name = () => `decoder.layers.${index++}`;
  const entry = L.conv("decoder.layers.0", latent, widths[0]);
  /** @type {((x: Image) => Image)[]} */
  const steps = [];
  for (const [i, c] of widths.entries()) {
    for (let j = 0; j < counts[i]; j++) {
      const block = name();
      const [a, b, d] = [0, 2, 4].map((k) => L.conv(`${block}.conv.${k}`, c, c));
      steps.push((x) => L.active(d(b(a(x), { act }), { act, add: x }), "relu"));
    }
    if (i < last) index++; // the enlargement
    steps.push(i < last ? L.upsample(name(), c, false) : L.conv(name(), c, 3));
  }
  weights.finish((unused) => unused.startsWith("encoder."));
  return (/** @type {Float32Array} */ x, /** @type {number} */ side) => {
    const { top } = m;
    const z = L.each(L.given(x, latent, side, side), (v) => 3 * Math.tanh((Math.fround(v / scale) + (shift ?? 0)) / 3));
    const start = L.active(entry(z), act);
    const out = L.taken(steps.reduce((y, step) => L.settled(step(y), z.at), start));
    m.top = top;
    return out.map((v) => 2 * v - 1);
  };
}
