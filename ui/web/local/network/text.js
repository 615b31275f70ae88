// CLIP's tokenizer and text encoder: the condition of a network that takes words.
import { layers as made } from "./layers.js";

/** @import { Memory } from "./kernel.js" */
/** @import { Config } from "./unet.js" */
/** @import { Weights } from "./weights.js" */
/** @typedef {[string, number[]]} Word of a prompt, and the places of its tokens */

const [START, END] = ["<|startoftext|>", "<|endoftext|>"];
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/** The characters that stand for bytes in the vocabulary: those that can be seen for themselves, others from 256 on. */
const BYTES = (() => {
  const seen = (/** @type {number} */ b) => (b > 32 && b < 127) || (b > 160 && b !== 173);
  let hidden = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(seen(b) ? b : hidden++));
})();

/**
 * encode(prompt): the numbers of its tokens, padded, or cut off where they are more. found(prompt): its words, each with
 * the places of its tokens.
 * @param {Record<string, number>} vocabulary @param {(string | string[])[]} merges in their order
 * @param {string} pad @param {number} length
 * @returns {{ encode: (prompt: string) => number[], found: (prompt: string) => Word[] }}
 */
export function tokenizer(vocabulary, merges, pad, length) {
  const rank = new Map(merges.map((pair, i) => [Array.isArray(pair) ? pair.join(" ") : pair, i]));
  const missing = [START, END, pad].find((token) => !Object.hasOwn(vocabulary, token));
  if (missing) throw new Error(`the files in tokenizer/ are not a tokenizer of CLIP: they lack ${missing}`);

  /** @param {string} word */
  function parts(word) {
    const found = Array.from(new TextEncoder().encode(word), (byte) => BYTES[byte]);
    found[found.length - 1] += "</w>";
    for (;;) {
      const ranks = found.slice(1).map((right, i) => rank.get(`${found[i]} ${right}`) ?? Number.POSITIVE_INFINITY);
      const best = Math.min(...ranks);
      if (!(best < Number.POSITIVE_INFINITY)) return found;
      const at = ranks.indexOf(best);
      found.splice(at, 2, found[at] + found[at + 1]);
    }
  }

  /** Its words and the pieces of each. @param {string} prompt @returns {[string, string[]][]} */
  const split = (prompt) =>
    prompt.split(/(<\|startoftext\|>|<\|endoftext\|>)/).flatMap((piece) => {
      if (piece === START || piece === END) return [[piece, [piece]]];
      const lower = Array.from(piece.normalize("NFC"), (character) => character.toLowerCase()).join("");
      return Array.from(lower.matchAll(WORDS), ({ 0: word, index }) => {
        const typed = lower.length === piece.length ? piece.slice(index, index + word.length) : word;
        return /** @type {[string, string[]]} */ ([typed, parts(word)]);
      });
    });

  return {
    encode(prompt) {
      const pieces = split(prompt).flatMap(([, found]) => found);
      const known = pieces.slice(0, length - 2).map((piece) => vocabulary[piece] ?? vocabulary[END]);
      const all = [vocabulary[START], ...known, vocabulary[END]];
      return [...all, ...Array.from({ length: length - all.length }, () => vocabulary[pad])];
    },
    found(prompt) {
      let at = 1;
      const all = split(prompt).map(([word, { length: n }]) => {
        const places = Array.from({ length: n }, () => at++).filter((place) => place < length - 1);
        return /** @type {Word} */ ([word, places]);
      });
      return all.filter(([, places]) => places.length);
    },
  };
}

/** encode(tokens): the last states, one after the other. @param {Memory} m @param {Weights} weights @param {Config} config */
export function textEncoder(m, weights, config) {
  const { hidden_size: c, intermediate_size: wide, num_attention_heads: heads, layer_norm_eps: eps } = config;
  const L = made(m, weights);
  const words = weights.take("embeddings.token_embedding.weight", config.vocab_size, c);
  const places = weights.take("embeddings.position_embedding.weight", config.max_position_embeddings, c);
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i) => {
    const name = `encoder.layers.${i}`;
    const norms = [1, 2].map((j) => L.layerNorm(`${name}.layer_norm${j}`, c, eps));
    const [q, k, v, out] = ["q_proj", "k_proj", "v_proj", "out_proj"].map((map) =>
      L.linear(`${name}.self_attn.${map}`, c, c),
    );
    const [one, two] = [L.linear(`${name}.mlp.fc1`, c, wide), L.linear(`${name}.mlp.fc2`, wide, c)];
    return (/** @type {import("./layers.js").Image} */ x) => {
      const a = norms[0](x);
      const y = out(L.attend(q(a), k(a), v(a), heads, true), { add: x });
      const inner = one(norms[1](y));
      return two(L.active(inner, config.hidden_act), { add: y });
    };
  });
  const norm = L.layerNorm("final_layer_norm", c, eps);
  weights.finish();
  /** @param {number[]} tokens @returns {Float32Array} */
  return (tokens) => {
    const { top } = m;
    const states = Float32Array.from(
      { length: tokens.length * c },
      (_, i) => words[tokens[Math.floor(i / c)] * c + (i % c)] + places[i],
    );
    const last = norm(layers.reduce((x, layer) => layer(x), L.turned(states, c)));
    for (let i = 0; i < states.length; i++) states[i] = m.f[last.at + (i % c) * last.plane + Math.floor(i / c)];
    m.top = top;
    return states;
  };
}
