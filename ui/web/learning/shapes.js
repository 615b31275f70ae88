// The tensors of a UNet2DModel: their names, shapes and initial values.

import { normals, uniforms } from "./draws.js";

/** @import { Weights } from "../network/weights.js" */
/** The shapes of tensors by name, with the dimensions in PyTorch's order. @typedef {Map<string, number[]>} Shapes */
/** The values of tensors by name. @typedef {Map<string, Float32Array>} Tensors */

/** The names of the last weights in each block and in the network. These weights start at 0, so that each block starts as the identity. */
const ENDS = /(^|\.)(conv2|to_out\.0|conv_out)\.weight$/;

/** Return the number of values in a shape. @param {number[]} shape */
export const lengthOf = (shape) => shape.reduce((a, b) => a * b, 1);

class Shaper {
  /** @type {Shapes} */
  shapes = new Map();

  /** @param {number} wide numbers of the time's embedding */
  constructor(wide) {
    this.wide = wide;
  }

  /** Add the weight and the bias of a layer. @param {string} name @param {number[]} shape */
  layer(name, ...shape) {
    this.shapes.set(`${name}.weight`, shape).set(`${name}.bias`, [shape[0]]);
  }

  /** Add the shapes of a convolution. @param {string} name @param {number} from channels @param {number} to */
  conv(name, from, to, side = 3) {
    this.layer(name, to, from, side, side);
  }

  /** Add the shapes of a residual block. @param {string} name @param {number} from channels @param {number} to */
  resnet(name, from, to) {
    this.layer(`${name}.norm1`, from);
    this.conv(`${name}.conv1`, from, to);
    this.layer(`${name}.time_emb_proj`, to, this.wide);
    this.layer(`${name}.norm2`, to);
    this.conv(`${name}.conv2`, to, to);
    if (from !== to) this.conv(`${name}.conv_shortcut`, from, to, 1);
  }

  /** Add the shapes of self-attention. @param {string} name @param {number} c channels */
  attention(name, c) {
    this.layer(`${name}.group_norm`, c);
    for (const map of ["to_q", "to_k", "to_v", "to_out.0"]) this.layer(`${name}.${map}`, c, c);
  }

  /** Add the shapes of a residual block, and of an attention layer if the type of the block has one. @param {string} block @param {number} i @param {string} type @param {number} from channels @param {number} to */
  pair(block, i, type, from, to) {
    this.resnet(`${block}.resnets.${i}`, from, to);
    if (type.startsWith("Attn")) this.attention(`${block}.attentions.${i}`, to);
  }
}

/** Return the shapes of all tensors of a network. @param {Record<string, any>} config of its config.json @returns {Shapes} */
export function shapesOf(config) {
  const { block_out_channels: widths, num_class_embeds: classes, layers_per_block: count } = config;
  const { down_block_types: down, up_block_types: up } = config;
  const [first] = widths;
  const deepest = widths.length - 1;
  const shaper = new Shaper(4 * first);
  shaper.conv("conv_in", config.in_channels, first);
  shaper.layer("time_embedding.linear_1", 4 * first, first);
  shaper.layer("time_embedding.linear_2", 4 * first, 4 * first);
  if (classes) shaper.shapes.set("class_embedding.weight", [classes, 4 * first]);
  const skips = [first]; // number of channels of each skip connection
  let c = first;
  for (const [level, width] of widths.entries()) {
    for (let i = 0; i < count; i++, c = width) {
      shaper.pair(`down_blocks.${level}`, i, down[level], c, width);
      skips.push(width);
    }
    if (level === deepest) continue;
    shaper.conv(`down_blocks.${level}.downsamplers.0.conv`, c, c);
    skips.push(c);
  }
  for (const i of [0, 1]) shaper.resnet(`mid_block.resnets.${i}`, c, c);
  shaper.attention("mid_block.attentions.0", c);
  for (const [i, type] of up.entries()) {
    const width = widths[deepest - i];
    for (let j = 0; j <= count; j++, c = width) shaper.pair(`up_blocks.${i}`, j, type, c + Number(skips.pop()), width);
    if (i < deepest) shaper.conv(`up_blocks.${i}.upsamplers.0.conv`, c, c);
  }
  shaper.layer("conv_norm_out", first);
  shaper.conv("conv_out", first, config.out_channels);
  return shaper.shapes;
}

/**
 * Return random initial weights, as ddpm_core/engines/network.py draws them: Glorot-uniform. Biases and the last
 * weights of blocks and of the network are 0; class embeddings are normal.
 * @param {Shapes} shapes @param {number} seed @returns {Tensors}
 */
export function initialWeights(shapes, seed) {
  return new Map([...shapes].map(([name, shape], i) => [name, initial(name, shape, seed, i)]));
}

/** Return the initial values of a tensor. @param {string} name @param {number[]} shape @param {number} seed @param {number} number index of the tensor */
function initial(name, shape, seed, number) {
  const length = lengthOf(shape);
  if (name.startsWith("class_embedding.")) return normals(seed, "weights", number, length);
  if (name.endsWith(".bias") || ENDS.test(name)) return new Float32Array(length);
  if (shape.length === 1) return new Float32Array(length).fill(1);
  const bound = Math.sqrt(6 / ((shape[0] + shape[1]) * lengthOf(shape.slice(2))));
  return uniforms(seed, "weights", number, length).map((u) => (2 * u - 1) * bound);
}

/**
 * Return a checkpoint's weights for further training. For a network without classes, the embedding of the checkpoint's
 * null label is added to a bias: see `relabelled` in train/fit/inputs/init.py.
 * @param {Weights} file @param {Shapes} shapes @param {number | null} nullLabel of the checkpoint @returns {Tensors}
 */
export function learnedWeights(file, shapes, nullLabel) {
  const tensors = new Map([...shapes].map(([name, shape]) => [name, file.take(name, ...shape)]));
  const rest = "class_embedding.weight";
  if (nullLabel === null || !file.has(rest)) return tensors;
  const bias = /** @type {Float32Array} */ (tensors.get("time_embedding.linear_2.bias"));
  const none = file.take(rest, ...file.shape(rest)).subarray(nullLabel * bias.length);
  for (let i = 0; i < bias.length; i++) bias[i] += none[i]; // for a network without classes, the bias contains the embedding of the null label
  return tensors;
}
