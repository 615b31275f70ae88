// The networks UNet2DModel and, for prompts, UNet2DConditionModel of diffusers. One evaluation takes one picture, or
// several if the layers are `BatchLayers`.
import { UserError } from "../process/errors.js";
import { Blocks } from "./blocks.js";

/** @import { Image, Layers } from "./layers.js" */
/** @typedef {Record<string, any>} Config the checked config.json, with diffusers' defaults for missing fields */
/** @typedef {number | number[] | Float32Array | null} Condition a label, a label for each picture, or the states of tokens, one after the other */
/** @typedef {number | number[]} Time a number of at least 0, or a number for each picture of a batch */
/** @typedef {(x: Image, time: Image, states: Image | null) => Image} Layer */
/** @import { Probe } from "../process/predict.js" */

const f32 = Math.fround;

/** Return the sinusoidal embedding of times, with the same rounding as in PyTorch. @param {Config} config @param {number} size @param {number[]} times */
function embedTimes(config, size, times) {
  const half = Math.floor(size / 2);
  const out = new Float32Array(size * times.length);
  for (const [j, t] of times.entries())
    for (let i = 0; i < half; i++) {
      const angle = f32(t * f32(Math.exp(f32(f32(f32(-Math.log(10000)) * i) / (half - config.freq_shift)))));
      const pair = [Math.sin(angle), Math.cos(angle)];
      [out[j * size + i], out[j * size + half + i]] = config.flip_sin_to_cos ? pair.reverse() : pair;
    }
  return out;
}

export class UNet {
  /** @param {Layers} layers builds layers from the network's weights @param {Config} config */
  constructor(layers, config) {
    const { block_out_channels: widths, act_fn: act } = config;
    const [first] = widths;
    this.L = layers;
    this.config = config;
    this.isWorded = config._class_name === "UNet2DConditionModel";
    this.isScaled = config.resnet_time_scale_shift === "scale_shift";
    this.wide = config.time_embedding_dim ?? 4 * first; // dimension of the time embedding
    const style = { groups: config.norm_num_groups, eps: config.norm_eps, act, wide: this.wide, scaled: this.isScaled };
    this.blocks = new Blocks(layers, style);
    this.entry = layers.conv("conv_in", config.in_channels, first);
    this.embedding = this.#embedding();
    const skips = [first]; // number of channels of each skip connection
    this.down = this.#down(skips);
    this.middle = config.mid_block_type ? this.#middle() : null;
    this.up = this.#up(skips);
    this.norm = layers.groupNorm("conv_norm_out", first, config.norm_num_groups, config.norm_eps);
    this.exit = layers.conv("conv_out", first, config.out_channels);
    layers.weights.finish();
  }

  /**
   * Evaluate the network. Input and output have the shape [channels][rows][columns]. On a GPU, the result is a promise.
   * @param {Float32Array} picture @param {Time} t @param {Condition} condition @param {Probe} [probe] @returns {Float32Array}
   */
  network(picture, t, condition, probe) {
    return this.L.evaluate(() => this.L.read(this.forward(picture, t, condition, probe)));
  }

  /** Return how strongly each pixel attends to each token of a prompt, with the shape (tokens, side, side). The maps of all layers are enlarged to `side` and averaged. @param {Float32Array} picture @param {number} t @param {Float32Array} states of tokens */
  attention(picture, t, states) {
    /** @type {Probe["words"] & {}} */
    const maps = [];
    this.network(picture, t, states, { words: maps });
    const { sample_size: side, cross_attention_dim: seen } = this.config;
    return Float32Array.from({ length: (states.length / seen) * side * side }, (_, i) => {
      const [token, y, x] = [Math.floor(i / (side * side)), Math.floor(i / side) % side, i % side];
      const found = maps.map(({ shape: [, h, w], data }) => {
        return data[(token * h + Math.floor((y * h) / side)) * w + Math.floor((x * w) / side)];
      });
      return found.reduce((a, b) => a + b, 0) / found.length;
    });
  }

  /** Return the network's output as an image. @param {Float32Array} picture @param {Time} t @param {Condition} condition @param {Probe} probe */
  forward(picture, t, condition, probe = {}) {
    const { L, config } = this;
    const { in_channels: inputs, sample_size: side } = config;
    this.blocks.probe = probe;
    const states = this.isWorded
      ? L.fromStates(/** @type {Float32Array} */ (condition), config.cross_attention_dim)
      : null;
    const time = this.embedding(t, condition, states);
    const numbers = config.center_input_sample ? picture.map((v) => 2 * v - 1) : picture;
    let x = this.entry(L.imageOf(numbers, inputs, side, side));
    const skips = [x];
    for (const [i, { layers, shrink }] of this.down.entries()) {
      for (const layer of layers) {
        x = layer(x, time, states);
        skips.push(x);
      }
      this.#probeBlock(`down ${i + 1}`, x);
      if (!shrink) continue;
      x = shrink(x);
      skips.push(x);
    }
    if (this.middle) x = this.#probeBlock("middle", this.middle(x, time, states));
    for (const [i, { layers, enlarge }] of this.up.entries()) {
      for (const layer of layers) {
        const skip = /** @type {Image} */ (skips.pop());
        x = L.compact(layer(this.#concat(x, skip), time, states), skip);
      }
      this.#probeBlock(`up ${i + 1}`, x);
      if (enlarge) x = L.compact(enlarge(x), x);
    }
    return this.exit(x, { scales: this.norm(x), act: this.isWorded ? config.act_fn : "silu" });
  }

  /** Record or replace the output of a block, as the probe requests. @param {string} name @param {Image} x */
  #probeBlock(name, x) {
    const { L } = this;
    const { cut, graft, taps } = this.blocks.probe;
    const numbers = cut?.has(name) ? new Float32Array(x.c * x.h * x.w) : graft?.get(name);
    if (numbers) L.write(numbers, x);
    if (taps?.has(name)) L.show(x, (data) => taps.set(name, { shape: [x.c, x.h, x.w], data }));
    return x;
  }

  /** Concatenate x and a skip. If the probe cuts the skip, its values are replaced by 0. @param {Image} x @param {Image} skip */
  #concat(x, skip) {
    const both = this.L.concat(x, skip);
    const { c, h, w } = skip;
    if (this.blocks.probe.cut?.has(`skips ${w}`)) this.L.write(new Float32Array(c * h * w), both, x.c);
    return both;
  }

  // --- Builders of the parts

  /** Return a function for the embedding of time and condition, which all residual blocks receive. */
  #embedding() {
    const { L, config, wide } = this;
    const [first] = config.block_out_channels;
    const learned = config.time_embedding_type === "learned";
    const rows = learned ? L.table("time_proj", config.num_train_timesteps, first) : null;
    const [enter, leave] = [
      L.linear("time_embedding.linear_1", first, wide),
      L.linear("time_embedding.linear_2", wide, wide),
    ];
    const labels = config.num_class_embeds ? L.table("class_embedding", config.num_class_embeds, wide) : null;
    const pooled = config.addition_embed_type
      ? this.blocks.promptEmbedding("add_embedding", config.cross_attention_dim, config.addition_embed_type_num_heads)
      : null;
    /** @param {Time} t @param {Condition} condition @param {Image | null} states */
    return (t, condition, states) => {
      if (labels && condition === null) throw new UserError("this model needs a class label");
      const wave = rows ? rows(t) : L.imageOf(embedTimes(config, first, [t].flat()), first, 1, 1);
      const z = leave(L.affine(enter(wave), null, "silu"));
      const more = labels ? labels(/** @type {Time} */ (condition)) : pooled && states && pooled(states);
      return L.affine(more ? L.add(z, more) : z, null, config.act_fn);
    };
  }

  /** Build the down blocks, and append the channels of their skips. @param {number[]} skips channels of the skips */
  #down(skips) {
    const { block_out_channels: widths, layers_per_block: count, down_block_types: types } = this.config;
    let [c] = widths;
    return widths.map((/** @type {number} */ width, /** @type {number} */ level) => {
      const block = `down_blocks.${level}`;
      const layers = Array.from({ length: count }, (_, i) => {
        skips.push(width);
        return this.#layer(block, i, types[level], i ? width : c, level);
      });
      c = width;
      if (level === widths.length - 1) return { layers, shrink: null };
      skips.push(c);
      return { layers, shrink: this.L.downsample(`${block}.downsamplers.0.conv`, c, this.config.downsample_padding) };
    });
  }

  /** Build the middle block. @returns {Layer} */
  #middle() {
    const { config, blocks } = this;
    const { mid_block_scale_factor: factor, attention_head_dim: d, norm_num_groups } = config;
    const deepest = config.block_out_channels.length - 1;
    const c = config.block_out_channels[deepest];
    const [one, two] = [0, 1].map((i) => blocks.resnet(`mid_block.resnets.${i}`, c, c, factor));
    const name = "mid_block.attentions.0";
    const groups = config.attn_norm_num_groups ?? (this.isScaled ? null : norm_num_groups);
    const between = this.isWorded
      ? this.#transformer(name, deepest)
      : config.add_attention
        ? blocks.attention(name, c, d, groups, factor)
        : (/** @type {Image} */ x) => x;
    return (x, time, states) => two(between(one(x, time), /** @type {Image} */ (states)), time);
  }

  /** Build the up blocks. @param {number[]} skips channels of the skips; each residual block removes the last number, because it uses this skip */
  #up(skips) {
    const { block_out_channels: widths, layers_per_block: count, up_block_types: types } = this.config;
    const deepest = widths.length - 1;
    let c = widths[deepest];
    return widths.map((/** @type {number} */ _, /** @type {number} */ i) => {
      const [block, level, from] = [`up_blocks.${i}`, deepest - i, c];
      c = widths[level];
      const layers = Array.from({ length: count + 1 }, (_, j) =>
        this.#layer(block, j, types[i], (j ? c : from) + Number(skips.pop()), level),
      );
      return { layers, enlarge: level ? this.L.upsample(`${block}.upsamplers.0.conv`, c) : null };
    });
  }

  /** Build a residual block, followed by attention if `type` has it. @param {string} block @param {number} i @param {string} type @param {number} c @param {number} level @returns {Layer} */
  #layer(block, i, type, c, level) {
    const name = `${block}.attentions.${i}`;
    const width = this.config.block_out_channels[level];
    const resnet = this.blocks.resnet(`${block}.resnets.${i}`, c, width);
    if (type.startsWith("Cross")) {
      const read = this.#transformer(name, level);
      return (x, time, states) => read(resnet(x, time), /** @type {Image} */ (states));
    }
    if (!type.startsWith("Attn")) return resnet;
    const look = this.blocks.attention(name, width, this.config.attention_head_dim);
    return (x, time) => look(resnet(x, time));
  }

  /** Build a transformer with attention to the prompt. @param {string} name @param {number} level */
  #transformer(name, level) {
    const { config } = this;
    const heads = config.num_attention_heads ?? config.attention_head_dim;
    const { cross_attention_dim: seen, use_linear_projection: flat } = config;
    return this.blocks.transformer(name, config.block_out_channels[level], heads[level] ?? heads, seen, flat);
  }
}
