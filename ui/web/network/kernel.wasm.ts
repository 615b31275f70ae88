// The inner loops of the networks, four float32 at a time: AssemblyScript, from which `npm run kernel` makes kernel.wasm.
// Every product and sum is rounded by itself (no relaxed SIMD), in an order that the shapes alone decide. So every browser
// gives the same bits. Places and distances count numbers, not bytes.

import { fourth, keep, silu } from "./loops.wasm";
export { product, softmax } from "./loops.wasm";

/**
 * A 3 × 3 convolution: output m at row y, column x is bias[m] (none at 0) + the sum over channels c, then taps t, of
 * k[m][c][t] · a[c · plane + y · row + x + shifts[t]], + add's number. Weights lie as [m / 4][c][9][4], `group` from four
 * outputs to the next four. A turn makes four outputs of eight places: 2 × 4, the second four `pair` behind the first in a:
 * beside them, or a row below where `pair` is `row`.
 */
export function conv(
  a: usize, plane: usize, row: usize, pair: usize, channels: i32, shifts: usize,
  k: usize, group: usize, bias: usize, add: usize, out: usize, outPlane: usize, outputs: i32, h: i32, w: i32,
): void {
  a <<= 2; plane <<= 2; row <<= 2; pair <<= 2; shifts <<= 2; k <<= 2; group <<= 2;
  bias <<= 2; add <<= 2; out <<= 2; outPlane <<= 2;
  const below = pair == row, second = below ? <usize>w * 4 : 16, end = shifts + 36;
  const more = add - out;
  for (let m = 0; m < outputs; m += 4, k += group, bias += bias ? 16 : 0, out += outPlane * 4) {
    for (let y = 0; y < h; y += below ? 2 : 1) for (let x = 0; x < w; x += below ? 4 : 8) {
      let p0 = v128.load32_splat(bias), p1 = v128.load32_splat(bias, 4);
      let p2 = v128.load32_splat(bias, 8), p3 = v128.load32_splat(bias, 12);
      let q0 = p0, q1 = p1, q2 = p2, q3 = p3, r = a + <usize>y * row + <usize>x * 4, s = k;
      for (let c = 0; c < channels; c++, r += plane) for (let t = shifts; t < end; t += 4, s += 16) {
        const at = r + (load<u32>(t) << 2), u = v128.load(at), v = v128.load(at + pair);
        let z = v128.load32_splat(s);
        p0 = f32x4.add(p0, f32x4.mul(z, u)); q0 = f32x4.add(q0, f32x4.mul(z, v));
        z = v128.load32_splat(s, 4);
        p1 = f32x4.add(p1, f32x4.mul(z, u)); q1 = f32x4.add(q1, f32x4.mul(z, v));
        z = v128.load32_splat(s, 8);
        p2 = f32x4.add(p2, f32x4.mul(z, u)); q2 = f32x4.add(q2, f32x4.mul(z, v));
        z = v128.load32_splat(s, 12);
        p3 = f32x4.add(p3, f32x4.mul(z, u)); q3 = f32x4.add(q3, f32x4.mul(z, v));
      }
      let o = out + (<usize>y * w + <usize>x) * 4;
      keep(o, second, p0, q0, add, more); o += outPlane;
      keep(o, second, p1, q1, add, more); o += outPlane;
      keep(o, second, p2, q2, add, more); o += outPlane;
      keep(o, second, p3, q3, add, more);
    }
  }
}

// F(2 × 2, 3 × 3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): each tile of 2 × 2 outputs
// takes 16 products a channel, not 36. Sum over channels = product of matrices, one for each of the 4 × 4 numbers of a tile.
// In one dimension, of data d and weights g: m = (d0 − d2) g0, (d1 + d2)(g0 + g1 + g2), (d2 − d1)(g0 − g1 + g2), (d1 − d3) g2;
// the outputs are m0 + (m1 + m2) / 2 and (m1 − m2) / 2 − m3.

/** Transform planes with a border for Winograd's products. Number n of tile i of channel c goes to out + n · next + c · outPlane + i. */
export function tiles(
  a: usize, plane: usize, row: usize, channels: i32, h: i32, w: i32, out: usize, outPlane: usize, next: usize,
): void {
  a <<= 2; plane <<= 2; row <<= 2; out <<= 2; outPlane <<= 2; next <<= 2;
  const th = (h + 1) >> 1, tw = (w + 1) >> 1;
  for (let c = 0; c < channels; c++, a += plane, out += outPlane)
    for (let y = 0; y < th; y++) for (let x = 0; x < tw; x += 4) {
      const at = a + <usize>(2 * y) * row + <usize>x * 8, at1 = at + row, at2 = at1 + row, at3 = at2 + row;
      const a0 = even(at), a1 = odd(at), a2 = even(at + 8), a3 = odd(at + 8);
      const b0 = even(at1), b1 = odd(at1), b2 = even(at1 + 8), b3 = odd(at1 + 8);
      const c0 = even(at2), c1 = odd(at2), c2 = even(at2 + 8), c3 = odd(at2 + 8);
      const d0 = even(at3), d1 = odd(at3), d2 = even(at3 + 8), d3 = odd(at3 + 8);
      let o = out + <usize>(y * tw + x) * 4;
      o = fourth(o, next, f32x4.sub(a0, c0), f32x4.sub(a1, c1), f32x4.sub(a2, c2), f32x4.sub(a3, c3));
      o = fourth(o, next, f32x4.add(b0, c0), f32x4.add(b1, c1), f32x4.add(b2, c2), f32x4.add(b3, c3));
      o = fourth(o, next, f32x4.sub(c0, b0), f32x4.sub(c1, b1), f32x4.sub(c2, b2), f32x4.sub(c3, b3));
      fourth(o, next, f32x4.sub(b0, d0), f32x4.sub(b1, d1), f32x4.sub(b2, d2), f32x4.sub(b3, d3));
    }
}

@inline
function even(at: usize): v128 { return i32x4.shuffle(v128.load(at), v128.load(at, 16), 0, 2, 4, 6); }
@inline
function odd(at: usize): v128 { return i32x4.shuffle(v128.load(at), v128.load(at, 16), 1, 3, 5, 7); }
/** The same of the weights of some channels, from [m / 4][c][9][4], `group` apart, to [16][m / 4][c][4], of which the 16 are `next` apart. */
export function filters(k: usize, group: usize, channels: i32, outputs: i32, out: usize, next: usize): void {
  k <<= 2; group <<= 2; out <<= 2; next <<= 2;
  for (let m = 0; m < outputs; m += 4, k += group) for (let c = 0, s = k; c < channels; c++, s += 144, out += 16) {
    const a0 = v128.load(s), a1 = v128.load(s, 16), a2 = v128.load(s, 32);
    const b0 = v128.load(s, 48), b1 = v128.load(s, 64), b2 = v128.load(s, 80);
    const c0 = v128.load(s, 96), c1 = v128.load(s, 112), c2 = v128.load(s, 128);
    const s0 = f32x4.add(a0, c0), s1 = f32x4.add(a1, c1), s2 = f32x4.add(a2, c2);
    let o = filter(out, next, a0, a1, a2);
    o = filter(o, next, f32x4.add(s0, b0), f32x4.add(s1, b1), f32x4.add(s2, b2));
    o = filter(o, next, f32x4.sub(s0, b0), f32x4.sub(s1, b1), f32x4.sub(s2, b2));
    filter(o, next, c0, c1, c2);
  }
}

@inline
function filter(o: usize, next: usize, g0: v128, g1: v128, g2: v128): usize {
  const sum = f32x4.add(g0, g2);
  v128.store(o, g0); o += next;
  v128.store(o, f32x4.add(sum, g1)); o += next;
  v128.store(o, f32x4.sub(sum, g1)); o += next;
  v128.store(o, g2); return o + next;
}

/** The outputs of Winograd's products: an image, + bias[m] (none at 0), + add's number. */
export function untiled(
  a: usize, plane: usize, next: usize, bias: usize, add: usize, out: usize, outPlane: usize, outputs: i32, h: i32, w: i32,
): void {
  a <<= 2; plane <<= 2; next <<= 2; bias <<= 2; add <<= 2; out <<= 2; outPlane <<= 2;
  const th = (h + 1) >> 1, tw = (w + 1) >> 1, more = add - out, half = f32x4.splat(0.5);
  for (let m = 0; m < outputs; m++, a += plane, out += outPlane, bias += bias ? 4 : 0) {
    const b = v128.load32_splat(bias);
    // From right to left: what is written beyond a row is written again.
    for (let y = 0; y < th; y++) for (let x = (tw - 1) & ~3; x >= 0; x -= 4) {
      let p0 = b, p1 = b, q0 = b, q1 = b, s = a + <usize>(y * tw + x) * 4;
      for (let i = 0; i < 4; i++) {
        const m0 = v128.load(s), m1 = v128.load(s + next), m2 = v128.load(s + 2 * next), m3 = v128.load(s + 3 * next);
        let l = f32x4.add(m0, f32x4.mul(half, f32x4.add(m1, m2))), r = f32x4.sub(f32x4.mul(half, f32x4.sub(m1, m2)), m3);
        if (i == 1 || i == 2) { l = f32x4.mul(half, l); r = f32x4.mul(half, r); }
        if (i < 3) { p0 = f32x4.add(p0, l); p1 = f32x4.add(p1, r); }
        if (i == 1) { q0 = f32x4.add(q0, l); q1 = f32x4.add(q1, r); }
        if (i > 1) { q0 = f32x4.sub(q0, l); q1 = f32x4.sub(q1, r); }
        s += 4 * next;
      }
      const o = out + <usize>(2 * y * w + 2 * x) * 4, both = 2 * x + 4 < w;
      pairs(o, p0, p1, add, more, both);
      if (2 * y + 1 < h) pairs(o + <usize>w * 4, q0, q1, add, more, both);
    }
  }
}

@inline
function pairs(o: usize, evens: v128, odds: v128, add: usize, more: usize, both: bool): void {
  let l = i32x4.shuffle(evens, odds, 0, 4, 1, 5), r = i32x4.shuffle(evens, odds, 2, 6, 3, 7);
  if (add) {
    l = f32x4.add(l, v128.load(o + more));
    r = f32x4.add(r, v128.load(o + more, 16));
  }
  v128.store(o, l);
  if (both) v128.store(o, r, 16);
}

// The same for an image whose pixels are seen as four each. Of data (a, b, b, c) the third of m is 0, and two outputs take three
// products: (a − b) g0, b (g0 + g1 + g2), (c − b) g2; the outputs are m0 + m1 and m1 + m2.

/** What these products take of planes with a border: number n of pixel i of channel c at out + n · next + c · outPlane + i. */
export function pixels(
  a: usize, plane: usize, row: usize, channels: i32, h: i32, w: i32, out: usize, outPlane: usize, next: usize,
): void {
  a <<= 2; plane <<= 2; row <<= 2; out <<= 2; outPlane <<= 2; next <<= 2;
  for (let c = 0; c < channels; c++, a += plane, out += outPlane)
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x += 4) {
      const at = a + <usize>y * row + <usize>x * 4, at1 = at + row, at2 = at1 + row;
      const b0 = v128.load(at1), b1 = v128.load(at1, 4), b2 = v128.load(at1, 8);
      let o = out + <usize>(y * w + x) * 4;
      o = third(o, next, f32x4.sub(v128.load(at), b0), f32x4.sub(v128.load(at, 4), b1), f32x4.sub(v128.load(at, 8), b2));
      o = third(o, next, b0, b1, b2);
      third(o, next, f32x4.sub(v128.load(at2), b0), f32x4.sub(v128.load(at2, 4), b1), f32x4.sub(v128.load(at2, 8), b2));
    }
}

@inline
function third(o: usize, next: usize, d0: v128, d1: v128, d2: v128): usize {
  v128.store(o, f32x4.sub(d0, d1)); o += next;
  v128.store(o, d1); o += next;
  v128.store(o, f32x4.sub(d2, d1)); return o + next;
}

/** The outputs of these products: an image with sides twice as long, + bias[m] (none at 0). */
export function enlarged(
  a: usize, plane: usize, next: usize, bias: usize, out: usize, outPlane: usize, outputs: i32, h: i32, w: i32,
): void {
  a <<= 2; plane <<= 2; next <<= 2; bias <<= 2; out <<= 2; outPlane <<= 2;
  for (let m = 0; m < outputs; m++, a += plane, out += outPlane, bias += bias ? 4 : 0) {
    const b = v128.load32_splat(bias);
    for (let y = 0; y < h; y++) for (let x = (w - 1) & ~3; x >= 0; x -= 4) {
      const s = a + <usize>(y * w + x) * 4, s1 = s + 3 * next, s2 = s1 + 3 * next;
      const m1 = v128.load(s1 + next), l = f32x4.add(v128.load(s1), m1), r = f32x4.add(m1, v128.load(s1 + 2 * next));
      const n0 = v128.load(s + next), n2 = v128.load(s2 + next);
      const o = out + <usize>(4 * y * w + 2 * x) * 4, both = x + 2 < w;
      const p0 = f32x4.add(f32x4.add(v128.load(s), n0), l), p1 = f32x4.add(f32x4.add(n0, v128.load(s + 2 * next)), r);
      const q0 = f32x4.add(f32x4.add(v128.load(s2), n2), l), q1 = f32x4.add(f32x4.add(n2, v128.load(s2 + 2 * next)), r);
      pairs(o, f32x4.add(p0, b), f32x4.add(p1, b), 0, 0, both);
      pairs(o + <usize>w * 8, f32x4.add(q0, b), f32x4.add(q1, b), 0, 0, both);
    }
  }
}

/** The sum of n numbers in each of some planes, and that of their squares, as float64. */
export function moments(a: usize, plane: usize, channels: i32, n: i32, out: usize): void {
  a <<= 2; plane <<= 2; out <<= 2;
  let s = f64x2.splat(0), t = s, q = s, r = s;
  for (let c = 0; c < channels; c++, a += plane) {
    let at = a, i = n;
    for (; i > 3; i -= 4, at += 16) {
      const l = f64x2.promote_low_f32x4(v128.load64_zero(at)), h = f64x2.promote_low_f32x4(v128.load64_zero(at, 8));
      s = f64x2.add(s, l); q = f64x2.add(q, f64x2.mul(l, l));
      t = f64x2.add(t, h); r = f64x2.add(r, f64x2.mul(h, h));
    }
    for (; i; i--, at += 4) {
      const l = f64x2.promote_low_f32x4(v128.load32_zero(at));
      s = f64x2.add(s, l); q = f64x2.add(q, f64x2.mul(l, l));
    }
  }
  s = f64x2.add(s, t); q = f64x2.add(q, r);
  store<f64>(out, f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1));
  store<f64>(out, f64x2.extract_lane(q, 0) + f64x2.extract_lane(q, 1), 8);
}

/**
 * scale[c] · a + shift[c], and of it SiLU where `act` is 1 or ReLU where it is 2: from the rows of `channels` planes to rows
 * that are `row` apart, with room for a border between them, which is left as it is. Scales and shifts lie in turn, from `scales` on.
 */
export function spread(
  a: usize, plane: usize, channels: i32, h: i32, w: i32, scales: usize, act: i32, out: usize, outPlane: usize, row: usize,
): void {
  a <<= 2; plane <<= 2; scales <<= 2; out <<= 2; outPlane <<= 2; row <<= 2;
  for (let c = 0; c < channels; c++, scales += 8, a += plane, out += outPlane) {
    const scale = v128.load32_splat(scales), shift = v128.load32_splat(scales, 4);
    let from = a, line = out;
    for (let y = 0; y < h; y++, line += row, from += <usize>w * 4)
      for (let x: usize = 0; x < <usize>w * 4; x += 32) {
        let u = f32x4.add(f32x4.mul(scale, v128.load(from + x)), shift);
        let v = f32x4.add(f32x4.mul(scale, v128.load(from + x, 16)), shift);
        if (act == 1) {
          u = silu(u);
          v = silu(v);
        } else if (act) {
          u = f32x4.pmax(u, f32x4.splat(0));
          v = f32x4.pmax(v, f32x4.splat(0));
        }
        lay(line + x, u, w - <i32>(x >> 2));
        lay(line + x + 16, v, w - <i32>(x >> 2) - 4);
      }
  }
}

@inline
function lay(to: usize, z: v128, left: i32): void {
  if (left > 3) v128.store(to, z);
  else if (left > 0) {
    v128.store32_lane(to, z, 0);
    if (left > 1) v128.store32_lane(to, z, 1, 4);
    if (left > 2) v128.store32_lane(to, z, 2, 8);
  }
}

/** a · GELU(b) of n numbers each, in the place of a; n is a multiple of 4. Its erf is the rational function of Eigen and XLA. */
export function gated(a: usize, b: usize, n: usize): void {
  const by = (b << 2) - (a << 2);
  for (let at = a << 2, end = at + (n << 2); at < end; at += 16) {
    const x = v128.load(at + by);
    const t = f32x4.pmax(f32x4.pmin(f32x4.mul(x, f32x4.splat(0.70710678)), f32x4.splat(4)), f32x4.splat(-4)), s = f32x4.mul(t, t);
    let over = f32x4.splat(-2.72614225801306e-10), under = f32x4.splat(-1.45660718464996e-5);
    over = f32x4.add(f32x4.mul(over, s), f32x4.splat(2.77068142495902e-8));
    over = f32x4.add(f32x4.mul(over, s), f32x4.splat(-2.10102402082508e-6));
    over = f32x4.add(f32x4.mul(over, s), f32x4.splat(-5.69250639462346e-5));
    over = f32x4.add(f32x4.mul(over, s), f32x4.splat(-7.3499063032656e-4));
    over = f32x4.add(f32x4.mul(over, s), f32x4.splat(-2.9545998085403e-3));
    over = f32x4.add(f32x4.mul(over, s), f32x4.splat(-1.60960333262415e-2));
    under = f32x4.add(f32x4.mul(under, s), f32x4.splat(-2.13374055278905e-4));
    under = f32x4.add(f32x4.mul(under, s), f32x4.splat(-1.68282697438203e-3));
    under = f32x4.add(f32x4.mul(under, s), f32x4.splat(-7.37332916720468e-3));
    under = f32x4.add(f32x4.mul(under, s), f32x4.splat(-1.42647390514189e-2));
    const share = f32x4.add(f32x4.splat(0.5), f32x4.mul(f32x4.splat(0.5), f32x4.div(f32x4.mul(t, over), under)));
    v128.store(at, f32x4.mul(v128.load(at), f32x4.mul(x, share)));
  }
}
