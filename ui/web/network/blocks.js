// The blocks of diffusers' networks: residual blocks, attention, and transformers with attention to a prompt. Each
// method builds a block once and returns it as a function of images.

/** @import { Image, Layers } from "./layers.js" */
/** @import { Probe } from "../process/predict.js" */

/**
 * The numbers of an image, with the number of channels, rows and columns.
 * @typedef {{ data: Float32Array, c: number, h: number, w: number }} Numbers
 * @typedef {{ q: Numbers, k: Numbers, heads: number }} Fit the queries and keys of an attention
 */

/** Return the attention weights of query i over all keys, in one head. @param {Fit} fit @param {number} head @param {number} i */
function attentionWeights({ q, k, heads }, head, i) {
  const [d, places, keys] = [q.c / heads, q.h * q.w, k.h * k.w];
  const fits = Array.from({ length: keys }, (_, j) => {
    let sum = 0;
    for (let c = head * d; c < (head + 1) * d; c++) sum += q.data[c * places + i] * k.data[c * keys + j];
    return sum / Math.sqrt(d);
  });
  const most = Math.max(...fits);
  const scores = fits.map((fit) => Math.exp(fit - most));
  const whole = scores.reduce((a, b) => a + b, 0);
  return scores.map((score) => score / whole);
}

/** Return a map for each head: the attention weights of one position over all keys. @param {Fit} fit @param {[down: number, right: number]} place */
function mapsOfPlace(fit, place) {
  const { q, heads } = fit;
  const [row, column] = place.map((at, i) => Math.floor(at * (i ? q.w : q.h)));
  const data = Array.from({ length: heads }, (_, head) => attentionWeights(fit, head, row * q.w + column));
  return { shape: [heads, q.h, q.w], data: Float32Array.from(data.flat()) };
}

/** Return a map for each token: the attention of each position to this token, averaged over the heads. @param {Fit} fit */
function mapsOfTokens(fit) {
  const { q, k, heads } = fit;
  const n = q.h * q.w;
  const data = new Float32Array(k.w * n);
  for (let i = 0; i < n; i++)
    for (let head = 0; head < heads; head++)
      for (const [j, share] of attentionWeights(fit, head, i).entries()) data[j * n + i] += share / heads;
  return { shape: [k.w, q.h, q.w], data };
}

export class Blocks {
  /** The records and changes that the current evaluation makes. @type {Probe} */
  probe = {};

  /**
   * @param {Layers} layers
   * @param {{ groups: number, eps: number, act: string, wide: number, scaled: boolean }} style groups and eps of the
   *   normalisations; wide: dimension of the time embedding; scaled: whether the time embedding also scales
   */
  constructor(layers, style) {
    this.L = layers;
    this.style = style;
  }

  /** Build a residual block. @param {string} name @param {number} from channels @param {number} to @param {number} factor divides the output */
  resnet(name, from, to, factor = 1) {
    const { L } = this;
    const { groups, eps, act, wide, scaled } = this.style;
    const norms = [L.groupNorm(`${name}.norm1`, from, groups, eps), L.groupNorm(`${name}.norm2`, to, groups, eps)];
    const convs = [L.conv(`${name}.conv1`, from, to), L.conv(`${name}.conv2`, to, to)];
    const project = L.linear(`${name}.time_emb_proj`, wide, scaled ? 2 * to : to);
    const shortcut = from === to ? null : L.linear(`${name}.conv_shortcut`, from, to, { square: 1 });
    return (/** @type {Image} */ x, /** @type {Image} */ time) =>
      L.into(L.image(to, x.h, x.w), (out) => {
        const shift = project(time);
        const middle = convs[0](x, { scales: norms[0](x), act, shift: scaled ? null : shift });
        const scales = norms[1](middle, scaled ? shift : null);
        convs[1](middle, { scales, act, add: shortcut ? shortcut(x) : x, out });
        this.#divide(out, factor);
      });
  }

  /** Divide all values of an image by a factor. @param {Image} x @param {number} factor */
  #divide(x, factor) {
    if (factor !== 1) this.L.each(x, (value) => value / factor);
  }

  /** Build self-attention. @param {string} name @param {number} c @param {number | null} d channels of a head @param {number | null} groups number of groups of the normalisation @param {number} factor divides the output */
  attention(name, c, d, groups = this.style.groups, factor = 1) {
    const { L } = this;
    const heads = Math.floor(c / (d ?? c));
    const norm = groups && L.groupNorm(`${name}.group_norm`, c, groups, this.style.eps);
    const maps = this.#maps(name, c, heads * (d ?? c));
    return (/** @type {Image} */ x) =>
      L.into(L.image(c, x.h, x.w), (out) => {
        const a = norm ? L.affine(x, norm(x)) : x;
        const [q, k] = [maps.q(a), maps.k(a)];
        this.#showPlace(name, q, k, heads);
        maps.out(L.attend(q, k, maps.v(a), heads), { add: x, out });
        if (this.#isBlind) L.copy(x, out);
        this.#divide(out, factor);
      });
  }

  /** Build the linear maps of an attention: queries, keys, values and output. @param {string} name @param {number} c channels of the queries @param {number} inner channels of queries, keys and values @param {number} seen channels of the keys' input @param {boolean} bias */
  #maps(name, c, inner = c, seen = c, bias = true) {
    const { L } = this;
    return {
      q: L.linear(`${name}.to_q`, c, inner, { bias }),
      k: L.linear(`${name}.to_k`, seen, inner, { bias }),
      v: L.linear(`${name}.to_v`, seen, inner, { bias }),
      out: L.linear(`${name}.to_out.0`, inner, c),
    };
  }

  /** Return whether the probe cuts attention. */
  get #isBlind() {
    return this.probe.cut?.has("attention");
  }

  /** Record the attention of the position that the probe names. @param {string} name @param {Image} q @param {Image} k @param {number} heads */
  #showPlace(name, q, k, heads) {
    const { look } = this.probe;
    if (look) look.maps.push({ name, ...mapsOfPlace(this.#readFit(q, k, heads), look.place) });
  }

  /** If the probe requests it, record the attention of each position to the tokens. @param {string} name @param {Image} q @param {Image} k @param {number} heads */
  #showTokens(name, q, k, heads) {
    this.probe.words?.push({ name, ...mapsOfTokens(this.#readFit(q, k, heads)) });
  }

  /** Return copies of queries and keys. @param {Image} q @param {Image} k @param {number} heads @returns {Fit} */
  #readFit(q, k, heads) {
    return { q: { ...q, data: this.L.read(q) }, k: { ...k, data: this.L.read(k) }, heads };
  }

  /** Build a transformer of one block. @param {string} name @param {number} c @param {number} heads @param {number} seen channels of the tokens @param {boolean} flat whether the file stores its first and last map as linear layers */
  transformer(name, c, heads, seen, flat) {
    const { L } = this;
    const block = `${name}.transformer_blocks.0`;
    const inner = heads * Math.floor(c / heads);
    const square = flat ? 0 : 1;
    const norm = L.groupNorm(`${name}.norm`, c, this.style.groups, 1e-6);
    const enter = L.linear(`${name}.proj_in`, c, inner, { square });
    const leave = L.linear(`${name}.proj_out`, inner, c, { square });
    const self = this.#attentionLayer(block, 1, inner, inner, heads);
    const cross = this.#attentionLayer(block, 2, inner, seen, heads);
    const forward = this.#feedForward(block, inner);
    return (/** @type {Image} */ x, /** @type {Image} */ states) =>
      L.into(L.image(c, x.h, x.w), (out) => {
        const y = enter(L.affine(x, norm(x)));
        leave(forward(cross(self(y), states)), { add: x, out });
      });
  }

  /** Build attention `i` of a transformer, with its residual connection. @param {string} block @param {number} i 1: self-attention, 2: attention to the prompt @param {number} c @param {number} seen @param {number} heads */
  #attentionLayer(block, i, c, seen, heads) {
    const { L } = this;
    const name = `${block}.attn${i}`;
    const norm = L.layerNorm(`${block}.norm${i}`, c);
    const maps = this.#maps(name, c, c, seen, false);
    return (/** @type {Image} */ x, /** @type {Image | null} */ states = null) => {
      const a = norm(x);
      const b = states ?? a;
      const [q, k] = [maps.q(a), maps.k(b)];
      if (states) this.#showTokens(name, q, k, heads);
      else this.#showPlace(name, q, k, heads);
      const more = maps.out(L.attend(q, k, maps.v(b), heads), { add: x });
      return this.#isBlind ? x : more;
    };
  }

  /** Build the feed-forward layers of a transformer. @param {string} block @param {number} c */
  #feedForward(block, c) {
    const { L } = this;
    const norm = L.layerNorm(`${block}.norm3`, c);
    const widen = L.linear(`${block}.ff.net.0.proj`, c, 8 * c);
    const narrow = L.linear(`${block}.ff.net.2`, 4 * c, c);
    return (/** @type {Image} */ x) => {
      const both = widen(norm(x));
      const values = { ...both, c: 4 * c };
      const gate = { ...values, at: both.at + values.c * both.plane };
      return narrow(L.geglu(values, gate), { add: x });
    };
  }

  /** Build a layer that embeds a whole prompt, pooled over the states of its tokens. @param {string} name @param {number} c @param {number} heads */
  promptEmbedding(name, c, heads) {
    const { L } = this;
    const [before, after] = [L.layerNorm(`${name}.norm1`, c), L.layerNorm(`${name}.norm2`, this.style.wide)];
    const place = L.weights.take(`${name}.pool.positional_embedding`, 1, c);
    const [q, k, v] = ["q", "k", "v"].map((map) => L.linear(`${name}.pool.${map}_proj`, c, c));
    const project = L.linear(`${name}.proj`, c, this.style.wide);
    return (/** @type {Image} */ states) => {
      const { mean, all } = L.prependMean(before(states), place);
      return after(project(L.attend(q(mean), k(all), v(all), heads)));
    };
  }
}
