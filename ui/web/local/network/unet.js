// diffusers' UNet2DModel, and its UNet2DConditionModel, which takes words: one image at a time.
import { blocks } from "./blocks.js";

/** @import { Memory } from "./kernel.js" */
/** @import { Image, layers } from "./layers.js" */
/** @import { Weights } from "./weights.js" */
/** @typedef {Record<string, any>} Config of config.json, checked, with diffusers' defaults for what it lacks */
/** @typedef {number | Float32Array | null} Condition a label, or the states of words, one after the other */
/** @typedef {(x: Image, time: Image, states: Image | null) => Image} Layer */
/** @import { Probe } from "../../process/predict.js" */

const f32 = Math.fround;

/** The sines and cosines of a time, as torch rounds them. @param {Config} config @param {number} size @param {number} t */
function waves(config, size, t) {
  const half = Math.floor(size / 2);
  const out = new Float32Array(size);
  for (let i = 0; i < half; i++) {
    const angle = f32(t * f32(Math.exp(f32(f32(f32(-Math.log(10000)) * i) / (half - config.freq_shift)))));
    const pair = [Math.sin(angle), Math.cos(angle)];
    [out[i], out[half + i]] = config.flip_sin_to_cos ? pair.reverse() : pair;
  }
  return out;
}

/**
 * network(x, t, condition, probe): x and the output are channels of rows of columns, t is any number from 0 on.
 * attention(x, t, states): how much each place takes from each token, the mean over heads and layers; null without words.
 * @param {Memory} m @param {Weights} weights @param {Config} config @param {typeof layers} [make] on a GPU; then it gives promises
 */
export function unet(m, weights, config, make) {
  const { sample_size: side, block_out_channels: widths, layers_per_block: count, act_fn: act } = config;
  const { in_channels: inputs, mid_block_scale_factor: factor, cross_attention_dim: seen } = config;
  const words = config._class_name === "UNet2DConditionModel";
  const [first, deepest] = [widths[0], widths.length - 1];
  const wide = config.time_embedding_dim ?? 4 * first;
  const scaled = config.resnet_time_scale_shift === "scale_shift";
  const L = blocks(m, weights, { groups: config.norm_num_groups, eps: config.norm_eps, act, wide, scaled }, make);

  /** @param {string} name @param {number} level */
  function transformer(name, level) {
    const heads = config.num_attention_heads ?? config.attention_head_dim;
    return L.transformer(name, widths[level], heads[level] ?? heads, seen, config.use_linear_projection);
  }

  /** A residual block, and attention. @param {string} block @param {number} i @param {string} type @param {number} c @param {number} level @returns {Layer} */
  function layer(block, i, type, c, level) {
    const name = `${block}.attentions.${i}`;
    const resnet = L.resnet(`${block}.resnets.${i}`, c, widths[level]);
    if (type.startsWith("Cross")) {
      const read = transformer(name, level);
      return (x, time, states) => read(resnet(x, time), /** @type {Image} */ (states));
    }
    if (!type.startsWith("Attn")) return resnet;
    const look = L.attention(name, widths[level], config.attention_head_dim);
    return (x, time) => look(resnet(x, time));
  }

  /** @returns {Layer} */
  function middle() {
    const c = widths[deepest];
    const [one, two] = [0, 1].map((i) => L.resnet(`mid_block.resnets.${i}`, c, c, factor));
    const name = "mid_block.attentions.0";
    const groups = config.attn_norm_num_groups ?? (scaled ? null : config.norm_num_groups);
    const between = words
      ? transformer(name, deepest)
      : config.add_attention
        ? L.attention(name, c, config.attention_head_dim, groups, factor)
        : (/** @type {Image} */ x) => x;
    return (x, time, states) => two(between(one(x, time), /** @type {Image} */ (states)), time);
  }

  const entry = L.conv("conv_in", inputs, first);
  const learned = config.time_embedding_type === "learned";
  const rows = learned ? weights.take("time_proj.weight", config.num_train_timesteps, first) : null;
  const embed = [L.linear("time_embedding.linear_1", first, wide), L.linear("time_embedding.linear_2", wide, wide)];
  const labels = config.num_class_embeds ? weights.take("class_embedding.weight", config.num_class_embeds, wide) : null;
  const pooled = config.addition_embed_type
    ? L.pooled("add_embedding", seen, config.addition_embed_type_num_heads)
    : null;
  const skips = [first]; // their channels
  let c = first;
  const down = widths.map((/** @type {number} */ width, /** @type {number} */ level) => {
    const block = `down_blocks.${level}`;
    const layers = Array.from({ length: count }, (_, i) => {
      const from = i ? width : c;
      skips.push(width);
      return layer(block, i, config.down_block_types[level], from, level);
    });
    c = width;
    if (level === deepest) return { layers, shrink: null };
    skips.push(c);
    return { layers, shrink: L.downsample(`${block}.downsamplers.0.conv`, c, config.downsample_padding) };
  });
  const between = config.mid_block_type ? middle() : null;
  const up = widths.map((/** @type {number} */ _, /** @type {number} */ i) => {
    const [block, level, from] = [`up_blocks.${i}`, deepest - i, c];
    c = widths[level];
    const layers = Array.from({ length: count + 1 }, (_, j) =>
      layer(block, j, config.up_block_types[i], (j ? c : from) + Number(skips.pop()), level),
    );
    return { layers, enlarge: level ? L.upsample(`${block}.upsamplers.0.conv`, c) : null };
  });
  const norm = L.norm("conv_norm_out", first, config.norm_num_groups, config.norm_eps);
  const exit = L.conv("conv_out", first, config.out_channels);
  weights.finish();

  /** The embedding of time and condition that all residual blocks get. @param {number} t @param {Condition} condition @param {Image | null} states */
  function embedding(t, condition, states) {
    if (labels && condition === null) throw new Error("this model needs a class label");
    const wave = rows ? rows.subarray(t * first, (t + 1) * first) : waves(config, first, t);
    const z = embed[1](L.dense(embed[0](L.given(wave, first, 1, 1)), null, "silu"));
    const label = labels?.subarray(Number(condition) * wide, (Number(condition) + 1) * wide);
    const more = label ? L.given(label, wide, 1, 1) : pooled && states && pooled(states);
    return L.dense(more ? L.added(z, more) : z, null, act);
  }

  /** What a block gives, shown and changed as it is asked for. @param {string} name @param {Image} x */
  function opened(name, x) {
    const { cut, graft, taps } = L.inside.probe;
    const own = cut?.has(name) ? new Float32Array(x.c * x.h * x.w) : graft?.get(name);
    if (own) L.given(own, x.c, x.h, x.w, x);
    if (taps?.has(name)) L.shown(x, (data) => taps.set(name, { shape: [x.c, x.h, x.w], data }));
    return x;
  }

  /** x and a skip. @param {Image} x @param {Image} skip */
  function joined(x, skip) {
    const both = L.joined(x, skip);
    const { c, h, w } = skip;
    if (L.inside.probe.cut?.has(`skips ${w}`)) L.given(new Float32Array(c * h * w), c, h, w, both, x.c);
    return both;
  }

  /** @param {Float32Array} picture @param {number} t @param {Condition} condition @param {Probe} [probe] @returns {Float32Array} */
  function network(picture, t, condition, probe = {}) {
    L.inside.probe = probe;
    const { top } = m;
    const states = words ? L.turned(/** @type {Float32Array} */ (condition), seen) : null;
    const time = embedding(t, condition, states);
    let x = entry(L.given(config.center_input_sample ? picture.map((v) => 2 * v - 1) : picture, inputs, side, side));
    const kept = [x];
    for (const [i, { layers, shrink }] of down.entries()) {
      for (const one of layers) {
        x = one(x, time, states);
        kept.push(x);
      }
      opened(`down ${i + 1}`, x);
      if (!shrink) continue;
      x = shrink(x);
      kept.push(x);
    }
    if (between) x = opened("middle", between(x, time, states));
    for (const [i, { layers, enlarge }] of up.entries()) {
      for (const one of layers) {
        const skip = /** @type {Image} */ (kept.pop());
        x = L.settled(one(joined(x, skip), time, states), skip.at);
      }
      opened(`up ${i + 1}`, x);
      if (enlarge) x = L.settled(enlarge(x), x.at);
    }
    const out = L.taken(exit(x, { scales: norm(x), act: words ? act : "silu" }));
    m.top = top;
    return out;
  }

  /** @param {Float32Array} picture @param {number} t @param {Float32Array} states */
  function attention(picture, t, states) {
    /** @type {Probe["words"] & {}} */
    const maps = [];
    network(picture, t, states, { words: maps });
    return Float32Array.from({ length: (states.length / seen) * side * side }, (_, i) => {
      const [token, y, x] = [Math.floor(i / (side * side)), Math.floor(i / side) % side, i % side];
      const found = maps.map(({ shape: [, h, w], data }) => {
        return data[(token * h + Math.floor((y * h) / side)) * w + Math.floor((x * w) / side)];
      });
      return found.reduce((a, b) => a + b, 0) / found.length;
    });
  }
  return Object.assign(network, { attention: words ? attention : null });
}
