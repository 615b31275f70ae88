// The blocks that diffusers' networks are made of: residual blocks, attention, transformers that read words.
import { layers } from "./layers.js";

/** @import { Memory } from "./kernel.js" */
/** @import { Image } from "./layers.js" */
/** @import { Weights } from "./weights.js" */
/** @import { Probe } from "../../process/predict.js" */

/**
 * @typedef {object} Style of a network's blocks
 * @property {number} groups of its normalisations @property {number} eps
 * @property {string} act @property {number} wide numbers of the time's embedding
 * @property {boolean} scaled whether the time scales, too, what it shifts
 * @param {Memory} m @param {Weights} weights @param {Style} style
 */
export function blocks(m, weights, { groups, eps, act, wide, scaled }, make = layers) {
  const L = make(m, weights);
  const { image, into } = L;
  /** What the evaluation under way shows and changes. @type {{ probe: Probe }} */
  const inside = { probe: {} };
  const blind = () => inside.probe.cut?.has("attention");

  /** @param {Image} x @param {number} factor */
  const divided = (x, factor) => (factor === 1 ? x : L.each(x, (value) => value / factor));

  /** @param {string} name @param {number} from channels @param {number} to */
  function resnet(name, from, to, factor = 1) {
    const norms = [L.norm(`${name}.norm1`, from, groups, eps), L.norm(`${name}.norm2`, to, groups, eps)];
    const convs = [L.conv(`${name}.conv1`, from, to), L.conv(`${name}.conv2`, to, to)];
    const project = L.linear(`${name}.time_emb_proj`, wide, scaled ? 2 * to : to);
    const shortcut = from === to ? null : L.linear(`${name}.conv_shortcut`, from, to, { square: 1 });
    return (/** @type {Image} */ x, /** @type {Image} */ time) =>
      into(image(to, x.h, x.w), (out) => {
        const shift = project(time);
        const middle = convs[0](x, { scales: norms[0](x), act, shift: scaled ? null : shift });
        const scales = norms[1](middle, scaled ? shift : null);
        convs[1](middle, { scales, act, add: shortcut ? shortcut(x) : x, out });
        divided(out, factor);
      });
  }

  /** The maps of an attention, from its queries' channels and from those that it looks at. @param {string} name @param {number} c */
  const maps = (name, c, inner = c, seen = c, bias = true) => ({
    q: L.linear(`${name}.to_q`, c, inner, { bias }),
    k: L.linear(`${name}.to_k`, seen, inner, { bias }),
    v: L.linear(`${name}.to_v`, seen, inner, { bias }),
    out: L.linear(`${name}.to_out.0`, inner, c),
  });

  /** @param {string} name @param {number} c @param {number | null} d channels of a head @param {number | null} own groups */
  function attention(name, c, d, own = groups, factor = 1) {
    const heads = Math.floor(c / (d ?? c));
    const norm = own && L.norm(`${name}.group_norm`, c, own, eps);
    const map = maps(name, c, heads * (d ?? c));
    return (/** @type {Image} */ x) =>
      into(image(c, x.h, x.w), (out) => {
        const a = norm ? L.dense(x, norm(x)) : x;
        const [q, k] = [map.q(a), map.k(a)];
        look(name, q, k, heads);
        map.out(L.attend(q, k, map.v(a), heads), { add: x, out });
        if (blind()) L.copied(x, out);
        divided(out, factor);
      });
  }

  /** How much place i of q takes from each of k, in a head. @param {Image} q @param {Image} k @param {number} d channels of a head @param {number} head @param {number} i */
  function shares(q, k, d, head, i) {
    const fits = Array.from({ length: k.h * k.w }, (_, j) => {
      let sum = 0;
      for (let c = head * d; c < (head + 1) * d; c++) sum += m.f[q.at + c * q.plane + i] * m.f[k.at + c * k.plane + j];
      return sum / Math.sqrt(d);
    });
    const most = Math.max(...fits);
    const scores = fits.map((fit) => Math.exp(fit - most));
    const whole = scores.reduce((a, b) => a + b, 0);
    return scores.map((score) => score / whole);
  }

  /** Show where the place that is asked for looks, if one is. @param {string} name @param {Image} q @param {Image} k @param {number} heads */
  function look(name, q, k, heads) {
    const { look: asked } = inside.probe;
    if (!asked) return;
    const [row, column] = asked.place.map((at, i) => Math.floor(at * (i ? q.w : q.h)));
    const data = Array.from({ length: heads }, (_, head) => shares(q, k, q.c / heads, head, row * q.w + column));
    asked.maps.push({ name, shape: [heads, q.h, q.w], data: Float32Array.from(data.flat()) });
  }

  /** Show how much each place takes from each token, the mean over heads, if that is asked for. @param {string} name @param {Image} q @param {Image} k @param {number} heads */
  function read(name, q, k, heads) {
    const { words } = inside.probe;
    if (!words) return;
    const n = q.h * q.w;
    const data = new Float32Array(k.w * n);
    for (let i = 0; i < n; i++)
      for (let head = 0; head < heads; head++)
        for (const [j, share] of shares(q, k, q.c / heads, head, i).entries()) data[j * n + i] += share / heads;
    words.push({ name, shape: [k.w, q.h, q.w], data });
  }

  /** @param {string} name @param {number} c @param {number} heads @param {number} seen channels of the words @param {boolean} flat */
  function transformer(name, c, heads, seen, flat) {
    const block = `${name}.transformer_blocks.0`;
    const inner = heads * Math.floor(c / heads);
    const square = flat ? 0 : 1;
    const norm = L.norm(`${name}.norm`, c, groups, 1e-6);
    const [enter, leave] = [
      L.linear(`${name}.proj_in`, c, inner, { square }),
      L.linear(`${name}.proj_out`, inner, c, { square }),
    ];
    const norms = [1, 2, 3].map((i) => L.layerNorm(`${block}.norm${i}`, inner));
    const [self, cross] = [inner, seen].map((from, i) => maps(`${block}.attn${i + 1}`, inner, inner, from, false));
    const forward = [
      L.linear(`${block}.ff.net.0.proj`, inner, 8 * inner),
      L.linear(`${block}.ff.net.2`, 4 * inner, inner),
    ];
    return (/** @type {Image} */ x, /** @type {Image} */ states) =>
      into(image(c, x.h, x.w), (out) => {
        let y = enter(L.dense(x, norm(x)));
        for (const [i, map] of [self, cross].entries()) {
          const a = norms[i](y);
          const b = i ? states : a;
          const [q, k] = [map.q(a), map.k(b)];
          const show = i ? read : look;
          show(`${block}.attn${i + 1}`, q, k, heads);
          const more = map.out(L.attend(q, k, map.v(b), heads), { add: y });
          if (!blind()) y = more;
        }
        const both = forward[0](norms[2](y));
        const values = { ...both, c: 4 * inner };
        const gate = { ...values, at: both.at + values.c * both.plane };
        leave(forward[1](L.gated(values, gate), { add: y }), { add: x, out });
      });
  }

  /** The embedding of a whole text. @param {string} name @param {number} c @param {number} heads */
  function pooled(name, c, heads) {
    const [before, after] = [L.layerNorm(`${name}.norm1`, c), L.layerNorm(`${name}.norm2`, wide)];
    const place = weights.take(`${name}.pool.positional_embedding`, 1, c);
    const [q, k, v] = ["q", "k", "v"].map((one) => L.linear(`${name}.pool.${one}_proj`, c, c));
    const project = L.linear(`${name}.proj`, c, wide);
    return (/** @type {Image} */ states) => {
      const [own, all] = [image(c, 1, 1), image(c, 1, states.w + 1)];
      const x = before(states);
      for (let i = 0; i < c; i++) {
        const row = m.f.subarray(x.at + i * x.plane, x.at + i * x.plane + x.w);
        m.f[own.at + i * own.plane] = row.reduce((a, b) => a + b, 0) / x.w + place[i];
        m.f[all.at + i * all.plane] = m.f[own.at + i * own.plane];
        m.f.set(row, all.at + i * all.plane + 1);
      }
      return after(project(L.attend(q(own), k(all), v(all), heads)));
    };
  }

  return { ...L, resnet, attention, transformer, pooled, inside };
}
