// The parts of a latent model other than its U-Net: the decoder, and for prompts CLIP's tokenizer and text encoder.
import { UserError } from "../process/errors.js";

/** @import { Image, Layers } from "./layers.js" */
/** @import { Config } from "./unet.js" */
/** @typedef {[string, number[]]} Word a word of a prompt, and the indices of its tokens */

const [START, END] = ["<|startoftext|>", "<|endoftext|>"];
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/** The character for each byte in the vocabulary: a visible character stands for its own byte; all other bytes get the characters with the codes from 256 on. */
const BYTES = (() => {
  const seen = (/** @type {number} */ b) => (b > 32 && b < 127) || (b > 160 && b !== 173);
  let hidden = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(seen(b) ? b : hidden++));
})();

/** Return whether a value is a string. @param {unknown} value */
const isText = (value) => typeof value === "string";
/** Return whether a value is a merge of two tokens: "a b", or a list of tokens. @param {unknown} pair */
const isPair = (pair) => isText(pair) || (Array.isArray(pair) && pair.every(isText));

/** CLIP's tokenizer, with the vocabulary and the merges of a checkpoint. */
export class Tokenizer {
  /**
   * @param {Record<string, number>} vocabulary @param {(string | string[])[]} merges in their order
   * @param {string} pad the token that fills up a short prompt @param {number} length of each prompt in tokens
   */
  constructor(vocabulary, merges, pad, length) {
    this.vocabulary = vocabulary;
    this.rank = new Map(merges.map((pair, i) => [Array.isArray(pair) ? pair.join(" ") : pair, i]));
    this.pad = pad;
    this.length = length;
  }

  /**
   * Read the tokenizer of a checkpoint. Throws a UserError if its files are not a tokenizer of CLIP.
   * @param {{ json: (path: string) => Promise<any>, small: (path: string) => Promise<ArrayBuffer | null> }} folder
   * @param {Config} text config of the text encoder
   */
  static async read(folder, { vocab_size: size, max_position_embeddings: most }) {
    const [whole, options, vocab] = await Promise.all(
      ["tokenizer.json", "tokenizer_config.json", "vocab.json"].map((name) => folder.json(`tokenizer/${name}`)),
    );
    const lines = whole ? "" : new TextDecoder().decode((await folder.small("tokenizer/merges.txt")) ?? undefined);
    const listed = lines.split("\n").filter((line) => line && !line.startsWith("#version"));
    const merges = whole?.model?.merges ?? listed;
    const vocabulary = whole?.model?.vocab ?? vocab ?? {};
    const pad = options?.pad_token?.content ?? options?.pad_token ?? END;
    const longest = options?.model_max_length ?? most;
    const missing = [START, END, pad].find((token) => !isText(token) || !Object.hasOwn(vocabulary, token));
    if (missing !== undefined)
      throw new UserError(`the files in tokenizer/ are not a tokenizer of CLIP: they lack ${missing}`);
    if (!Array.isArray(merges) || !merges.every(isPair) || !Number.isInteger(longest) || longest < 2)
      throw new UserError("the files in tokenizer/ are not a tokenizer of CLIP: merges or model_max_length are odd");
    if (Object.keys(vocabulary).length > size)
      throw new UserError("the tokenizer has more tokens than the text encoder");
    if (!Object.values(vocabulary).every((id) => Number.isInteger(id) && id >= 0 && id < size))
      throw new UserError(`the tokens in tokenizer/ must have numbers from 0 to ${size - 1}`);
    return new Tokenizer(vocabulary, merges, pad, Math.min(longest, most));
  }

  /** Return the numbers of a prompt's tokens, padded or cut off to `length`. @param {string} prompt */
  encode(prompt) {
    const { vocabulary, length } = this;
    const pieces = this.#split(prompt).flatMap(([, found]) => found);
    const known = pieces.slice(0, length - 2).map((piece) => vocabulary[piece] ?? vocabulary[END]);
    const all = [vocabulary[START], ...known, vocabulary[END]];
    return [...all, ...Array.from({ length: length - all.length }, () => vocabulary[this.pad])];
  }

  /** Return the words of a prompt, each with the indices of its tokens. @param {string} prompt */
  words(prompt) {
    let at = 1;
    const all = this.#split(prompt).map(([word, { length: n }]) => {
      const places = Array.from({ length: n }, () => at++).filter((place) => place < this.length - 1);
      return /** @type {Word} */ ([word, places]);
    });
    return all.filter(([, places]) => places.length);
  }

  /** Split a prompt into words, each with the texts of its tokens. @param {string} prompt @returns {[string, string[]][]} */
  #split(prompt) {
    return prompt.split(/(<\|startoftext\|>|<\|endoftext\|>)/).flatMap((piece) => {
      if (piece === START || piece === END) return [[piece, [piece]]];
      const lower = Array.from(piece.normalize("NFC"), (character) => character.toLowerCase()).join("");
      return Array.from(lower.matchAll(WORDS), ({ 0: word, index }) => {
        const typed = lower.length === piece.length ? piece.slice(index, index + word.length) : word;
        return /** @type {[string, string[]]} */ ([typed, this.#encodeWord(word)]);
      });
    });
  }

  /** Return the texts of a word's tokens, joined by the merges. @param {string} word */
  #encodeWord(word) {
    const found = Array.from(new TextEncoder().encode(word), (byte) => BYTES[byte]);
    found[found.length - 1] += "</w>";
    for (;;) {
      const ranks = found.slice(1).map((right, i) => this.rank.get(`${found[i]} ${right}`) ?? Number.POSITIVE_INFINITY);
      const best = Math.min(...ranks);
      if (!(best < Number.POSITIVE_INFINITY)) return found;
      const at = ranks.indexOf(best);
      found.splice(at, 2, found[at] + found[at + 1]);
    }
  }
}

/** Build CLIP's text encoder: a function that takes token numbers, and returns the states of the last layer, one token after the other. @param {Layers} L @param {Config} config */
export function textEncoder(L, config) {
  const { hidden_size: c, intermediate_size: wide, num_attention_heads: heads, layer_norm_eps: eps } = config;
  const words = L.weights.take("embeddings.token_embedding.weight", config.vocab_size, c);
  const places = L.weights.take("embeddings.position_embedding.weight", config.max_position_embeddings, c);
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i) => {
    const name = `encoder.layers.${i}`;
    const norms = [1, 2].map((j) => L.layerNorm(`${name}.layer_norm${j}`, c, eps));
    const [q, k, v, out] = ["q_proj", "k_proj", "v_proj", "out_proj"].map((map) =>
      L.linear(`${name}.self_attn.${map}`, c, c),
    );
    const [one, two] = [L.linear(`${name}.mlp.fc1`, c, wide), L.linear(`${name}.mlp.fc2`, wide, c)];
    return (/** @type {Image} */ x) => {
      const a = norms[0](x);
      const y = out(L.attend(q(a), k(a), v(a), heads, true), { add: x });
      const inner = one(norms[1](y));
      return two(L.activate(inner, config.hidden_act), { add: y });
    };
  });
  const norm = L.layerNorm("final_layer_norm", c, eps);
  L.weights.finish();
  /** @param {number[]} tokens */
  return (tokens) => {
    const states = Float32Array.from(
      { length: tokens.length * c },
      (_, i) => words[tokens[Math.floor(i / c)] * c + (i % c)] + places[i],
    );
    return L.evaluate(() => L.toStates(norm(layers.reduce((x, layer) => layer(x), L.fromStates(states, c)))));
  };
}

/** Build the decoder of AutoencoderTiny: a function from a latent and its side length to a picture in about [−1, 1]. @param {Layers} L @param {Config} config */
export function decoder(L, config) {
  const { decoder_block_out_channels: widths, num_decoder_blocks: counts, act_fn: act } = config;
  const { latent_channels: latent, scaling_factor: scale, shift_factor: shift } = config;
  const last = widths.length - 1;
  let index = 2; // the file numbers the layers: 0 is a convolution, and 1 is its activation
  /** Return the name of the next layer. */
  const name = () => `decoder.layers.${index++}`;
  const entry = L.conv("decoder.layers.0", latent, widths[0]);
  /** @type {((x: Image) => Image)[]} */
  const steps = [];
  for (const [i, c] of widths.entries()) {
    for (let j = 0; j < counts[i]; j++) {
      const block = name();
      const [a, b, d] = [0, 2, 4].map((k) => L.conv(`${block}.conv.${k}`, c, c));
      steps.push((x) => L.activate(d(b(a(x), { act }), { act, add: x }), "relu"));
    }
    if (i < last) index++; // skip the number of the enlargement, a layer without weights
    steps.push(i < last ? L.upsample(name(), c, false) : L.conv(name(), c, 3));
  }
  L.weights.finish((unused) => unused.startsWith("encoder."));
  return (/** @type {Float32Array} */ x, /** @type {number} */ side) =>
    L.evaluate(() => {
      const z = L.each(
        L.imageOf(x, latent, side, side),
        (v) => 3 * Math.tanh((Math.fround(v / scale) + (shift ?? 0)) / 3),
      );
      const start = L.activate(entry(z), act);
      const out = L.read(steps.reduce((y, step) => L.compact(step(y), z), start));
      return out.map((v) => 2 * v - 1);
    });
}
