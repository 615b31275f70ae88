// The decoders of diffusers' autoencoders: pictures of latents.
import { blocks } from "./blocks.js";
import { ACTIVATIONS } from "./layers.js";

/** @import { Memory } from "./kernel.js" */
/** @import { Image } from "./layers.js" */
/** @import { Config } from "./unet.js" */
/** @import { Weights } from "./weights.js" */
/** @typedef {(x: Image) => Image} Layer */

/** decode(z, side): pictures of an autoencoder's own latents. @param {Memory} m @param {Weights} weights @param {Config} config */
export function decoder(m, weights, config) {
  const L = blocks(m, weights, {
    groups: config.norm_num_groups,
    eps: 1e-6,
    act: config.act_fn,
    wide: 0,
    scaled: false,
  });
  const run = config._class_name === "AutoencoderTiny" ? tiny(config, L) : full(m, weights, config, L);
  weights.finish((name) => /^(encoder|quant_conv)\./.test(name));
  /** @param {Float32Array} z @param {number} side @returns {Float32Array} */
  return (z, side) => {
    const { top } = m;
    const out = L.taken(run(L.given(z, config.latent_channels, side, side)));
    m.top = top;
    return out;
  };
}

/** @param {Config} config @param {ReturnType<typeof blocks>} L @returns {Layer} */
function tiny(config, L) {
  const { decoder_block_out_channels: widths, num_decoder_blocks: counts, act_fn: act } = config;
  const last = widths.length - 1;
  let index = 2; // 0 is a convolution, 1 its activation
  const name = () => `decoder.layers.${index++}`;
  /** @param {Image} x @param {(x: number) => number} f */
  const each = (x, f) => L.each(x, x.c * x.plane, f);
  const entry = L.conv("decoder.layers.0", config.latent_channels, widths[0]);
  /** @type {Layer[]} */
  const layers = [];
  for (const [i, c] of widths.entries()) {
    for (let j = 0; j < counts[i]; j++) {
      const block = name();
      const [a, b, d] = [0, 2, 4].map((k) => L.conv(`${block}.conv.${k}`, c, c));
      layers.push((x) => each(d(b(a(x), { act }), { act, add: x }), ACTIVATIONS.relu));
    }
    if (i < last) index++; // the enlargement
    const conv = L.conv(name(), c, i < last ? c : 3, i === last);
    layers.push((x) => conv(i < last ? L.enlarged(x) : x));
  }
  return (z) => {
    const start = each(entry(each(z, (v) => 3 * Math.tanh(v / 3))), ACTIVATIONS[act]);
    return each(
      layers.reduce((x, layer) => L.settled(layer(x), z.at), start),
      (v) => 2 * v - 1,
    );
  };
}

/** AutoencoderKL's, and VQModel's. @param {Memory} m @param {Weights} weights @param {Config} config @param {ReturnType<typeof blocks>} L @returns {Layer} */
function full(m, weights, config, L) {
  const { block_out_channels: widths, layers_per_block: count, latent_channels: latent } = config;
  const c = widths[widths.length - 1];
  const codes = config._class_name === "VQModel" ? nearest(m, weights, config) : as;
  const own = config._class_name === "VQModel" ? (config.vq_embed_dim ?? latent) : latent;
  const before = config.use_post_quant_conv === false ? as : L.linear("post_quant_conv", own, latent, { square: 1 });
  const [entry, middle] = [L.conv("decoder.conv_in", latent, c), "decoder.mid_block"];
  /** @type {Layer[]} */
  const layers = [L.resnet(`${middle}.resnets.0`, c, c)];
  if (config.mid_block_add_attention) layers.push(L.attention(`${middle}.attentions.0`, c, null));
  layers.push(L.resnet(`${middle}.resnets.1`, c, c));
  for (const [i, width] of [...widths].reverse().entries()) {
    for (let j = 0, from = widths[widths.length - Math.max(i, 1)]; j <= count; j++, from = width)
      layers.push(L.resnet(`decoder.up_blocks.${i}.resnets.${j}`, from, width));
    if (i === widths.length - 1) break;
    const conv = L.conv(`decoder.up_blocks.${i}.upsamplers.0.conv`, width, width);
    layers.push((x) => conv(L.enlarged(x)));
  }
  const norm = L.norm("decoder.conv_norm_out", widths[0], config.norm_num_groups, 1e-6);
  const exit = L.conv("decoder.conv_out", widths[0], 3);
  return (z) => {
    const x = layers.reduce((y, layer) => L.settled(layer(y), z.at), entry(before(codes(z))));
    return exit(x, { scales: norm(x), act: "silu" });
  };
}

const as = (/** @type {Image} */ z) => z;

/** Latents as the codes that are nearest to them. @param {Memory} m @param {Weights} weights @param {Config} config @returns {Layer} */
function nearest(m, weights, { num_vq_embeddings: count, latent_channels: latent, vq_embed_dim: own }) {
  const c = own ?? latent;
  const codes = weights.take("quantize.embedding.weight", count, c);
  return (z) => {
    for (let at = z.at; at < z.at + z.h * z.w; at++) {
      let [best, least] = [0, Number.POSITIVE_INFINITY];
      for (let code = 0; code < count; code++) {
        let distance = 0;
        for (let i = 0; i < c; i++) distance += (m.f[at + i * z.plane] - codes[code * c + i]) ** 2;
        if (distance < least) [best, least] = [code, distance];
      }
      for (let i = 0; i < c; i++) m.f[at + i * z.plane] = codes[best * c + i];
    }
    return z;
  };
}
