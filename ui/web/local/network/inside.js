// What a network can be opened at: the names of its blocks and skips, as `Inside` in ddpm_core/engines/blocks.py has them.

/** @import { Config } from "./unet.js" */
/** @import { NetworkBlock } from "../../messages/protocol.d.ts" */
/** @typedef {Omit<NetworkBlock, "name">} Block */

/**
 * The blocks by their names, on the way of x through the network; and the names of the skips, the coarsest first:
 * "skips 7" carries what has 7 numbers a side.
 * @param {Config} config checked @returns {{ blocks: Record<string, Block>, skips: string[] }}
 */
export function insideOf(config) {
  const { block_out_channels: widths, layers_per_block: count, _class_name: kind } = config;
  const deepest = widths.length - 1;
  const side = (/** @type {number} */ level) => config.sample_size / 2 ** level;
  /** @param {number} level @param {number} resnets @param {number} attentions @returns {Block} */
  function block(level, resnets, attentions) {
    const counts = Object.entries({ resnet: resnets, attention: attentions }).filter(([, n]) => n);
    const parts = counts.map(([layer, n]) => `${n} ${layer}${n > 1 ? "s" : ""}`);
    return { shape: [widths[level], side(level), side(level)], parts: parts.join(", "), attentions };
  }
  const attends = (/** @type {string} */ type) => Number(type.includes("Attn"));
  /** @type {Record<string, Block>} */
  const blocks = {};
  for (const [i, type] of config.down_block_types.entries())
    blocks[`down ${i + 1}`] = block(i, count, count * attends(type));
  const middle = config.mid_block_type;
  if (middle) blocks.middle = block(deepest, 2, Number(kind === "UNet2DConditionModel" || config.add_attention));
  for (const [i, type] of config.up_block_types.entries())
    blocks[`up ${i + 1}`] = block(deepest - i, count + 1, (count + 1) * attends(type));
  const skips = widths.map((/** @type {number} */ _, /** @type {number} */ i) => `skips ${side(deepest - i)}`);
  return { blocks, skips };
}
