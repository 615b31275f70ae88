// The inner loops of learning, four float32 at a time: AssemblyScript, from which `npm run kernel` makes batch.wasm. An image is
// [channel][row][column][picture of the batch]: the innermost numbers are those of n pictures, a multiple of 8. So no border,
// stride or odd side disturbs a vector. As in kernel.wasm.ts, every product and sum is rounded by itself, and places and
// distances count numbers, not bytes. A function whose name ends in Back makes
// the gradient of what its namesake takes.

import { exp, fourth, silu as siluOf } from "./loops.wasm";
export { product, softmax } from "./loops.wasm";

const SPAN: usize = 1024; // bytes of a row, where two matrices of rows are read

@inline
function total(p0: v128, p1: v128, p2: v128, p3: v128): v128 { // the sums of the four
  const s = f32x4.add(i32x4.shuffle(p0, p1, 0, 4, 1, 5), i32x4.shuffle(p0, p1, 2, 6, 3, 7));
  const t = f32x4.add(i32x4.shuffle(p2, p3, 0, 4, 1, 5), i32x4.shuffle(p2, p3, 2, 6, 3, 7));
  return f32x4.add(i32x4.shuffle(s, t, 0, 1, 4, 5), i32x4.shuffle(s, t, 2, 3, 6, 7));
}

/** Add the gradient of `product`'s weights, in their order: g[m / 4][c][4] += Σ_x d[m][x] a[c][x]. `channels` must be even. */
export function outer(
  d: usize, dPlane: usize, outputs: i32, a: usize, plane: usize, channels: i32, w: usize,
  g: usize, group: usize, count: i32, nextD: usize, nextA: usize, nextG: usize,
): void {
  d <<= 2; dPlane <<= 2; a <<= 2; plane <<= 2; w <<= 2; g <<= 2; group <<= 2; nextD <<= 2; nextA <<= 2; nextG <<= 2;
  for (let i = 0; i < count; i++, d += nextD, a += nextA, g += nextG)
    for (let left: usize = 0; left < w; left += SPAN) {
      const length = min(SPAN, w - left);
      let d0 = d + left, to = g;
      for (let m = 0; m < outputs; m += 4, d0 += 4 * dPlane, to += group) {
        const d1 = d0 + dPlane, d2 = d1 + dPlane, d3 = d2 + dPlane;
        let a0 = a + left, o = to;
        for (let c = 0; c < channels; c += 2, a0 += 2 * plane, o += 32) {
          let p0 = f32x4.splat(0), p1 = p0, p2 = p0, p3 = p0, q0 = p0, q1 = p0, q2 = p0, q3 = p0;
          const a1 = a0 + plane;
          for (let x: usize = 0; x < length; x += 16) {
            const u = v128.load(a0 + x), v = v128.load(a1 + x);
            let z = v128.load(d0 + x);
            p0 = f32x4.add(p0, f32x4.mul(z, u)); q0 = f32x4.add(q0, f32x4.mul(z, v));
            z = v128.load(d1 + x);
            p1 = f32x4.add(p1, f32x4.mul(z, u)); q1 = f32x4.add(q1, f32x4.mul(z, v));
            z = v128.load(d2 + x);
            p2 = f32x4.add(p2, f32x4.mul(z, u)); q2 = f32x4.add(q2, f32x4.mul(z, v));
            z = v128.load(d3 + x);
            p3 = f32x4.add(p3, f32x4.mul(z, u)); q3 = f32x4.add(q3, f32x4.mul(z, v));
          }
          v128.store(o, f32x4.add(v128.load(o), total(p0, p1, p2, p3)));
          v128.store(o, f32x4.add(v128.load(o, 16), total(q0, q1, q2, q3)), 16);
        }
      }
    }
}

/** Put weights into `product`'s order: k[l / 4][i][4] is w[l · apart + i · step], for `lanes` times `inner` weights; lanes beyond them are 0. */
export function pack(w: usize, apart: usize, step: usize, lanes: i32, inner: i32, out: usize, group: usize): void {
  w <<= 2; apart <<= 2; step <<= 2; out <<= 2; group <<= 2;
  for (let l = 0; l < lanes; l += 4, w += 4 * apart, out += group)
    for (let i = 0; i < inner; i++) v128.store(out + (i << 4), gather(w + <usize>i * step, apart, lanes - l));
}

/** Add numbers in `product`'s order to weights: the opposite of `pack`. */
export function unpack(w: usize, apart: usize, step: usize, lanes: i32, inner: i32, k: usize, group: usize): void {
  w <<= 2; apart <<= 2; step <<= 2; k <<= 2; group <<= 2;
  for (let l = 0; l < lanes; l += 4, w += 4 * apart, k += group)
    for (let i = 0; i < inner; i++) scatter(w + <usize>i * step, apart, lanes - l, v128.load(k + (i << 4)));
}

@inline
function gather(at: usize, apart: usize, left: i32): v128 {
  let z = v128.load32_zero(at);
  if (left > 1) z = v128.load32_lane(at + apart, z, 1);
  if (left > 2) z = v128.load32_lane(at + 2 * apart, z, 2);
  if (left > 3) z = v128.load32_lane(at + 3 * apart, z, 3);
  return z;
}

@inline
function scatter(at: usize, apart: usize, left: i32, z: v128): void {
  store<f32>(at, load<f32>(at) + f32x4.extract_lane(z, 0));
  if (left > 1) store<f32>(at + apart, load<f32>(at + apart) + f32x4.extract_lane(z, 1));
  if (left > 2) store<f32>(at + 2 * apart, load<f32>(at + 2 * apart) + f32x4.extract_lane(z, 2));
  if (left > 3) store<f32>(at + 3 * apart, load<f32>(at + 3 * apart) + f32x4.extract_lane(z, 3));
}

/** Transform the nine numbers of each weight for Winograd's products: G w Gᵀ, [16][l / 4][i][4]. */
export function filters(w: usize, apart: usize, step: usize, lanes: i32, inner: i32, out: usize, group: usize, next: usize): void {
  w <<= 2; apart <<= 2; step <<= 2; out <<= 2; group <<= 2; next <<= 2;
  const half = f32x4.splat(0.5);
  for (let l = 0; l < lanes; l += 4, w += 4 * apart, out += group)
    for (let i = 0; i < inner; i++) {
      const at = w + <usize>i * step, left = lanes - l;
      let o = out + (i << 4);
      for (let r = 0; r < 4; r++) {
        let g0: v128, g1: v128, g2: v128;
        if (r == 0 || r == 3) {
          const line = at + (r ? 24 : 0);
          g0 = gather(line, apart, left); g1 = gather(line + 4, apart, left); g2 = gather(line + 8, apart, left);
        } else {
          g0 = mixRows(at, apart, left, r, half); g1 = mixRows(at + 4, apart, left, r, half); g2 = mixRows(at + 8, apart, left, r, half);
        }
        const sum = f32x4.mul(half, f32x4.add(g0, g2)), mid = f32x4.mul(half, g1);
        v128.store(o, g0); o += next;
        v128.store(o, f32x4.add(sum, mid)); o += next;
        v128.store(o, f32x4.sub(sum, mid)); o += next;
        v128.store(o, g2); o += next;
      }
    }
}

@inline
function mixRows(at: usize, apart: usize, left: i32, r: i32, half: v128): v128 {
  const sum = f32x4.add(gather(at, apart, left), gather(at + 24, apart, left)), mid = gather(at + 12, apart, left);
  return f32x4.mul(half, r == 1 ? f32x4.add(sum, mid) : f32x4.sub(sum, mid));
}

/** Add the gradient of the weights that `filters` transforms: w += Gᵀ u G. */
export function unfilters(w: usize, apart: usize, step: usize, lanes: i32, inner: i32, u: usize, group: usize, next: usize): void {
  w <<= 2; apart <<= 2; step <<= 2; u <<= 2; group <<= 2; next <<= 2;
  const half = f32x4.splat(0.5);
  for (let l = 0; l < lanes; l += 4, w += 4 * apart, u += group)
    for (let i = 0; i < inner; i++) {
      const at = w + <usize>i * step, left = lanes - l;
      for (let t = 0; t < 3; t++) { // columns of the nine
        const s = u + (i << 4);
        const c0 = back(s, next, t, half), c1 = back(s + 4 * next, next, t, half);
        const c2 = back(s + 8 * next, next, t, half), c3 = back(s + 12 * next, next, t, half);
        const sum = f32x4.mul(half, f32x4.add(c1, c2));
        scatter(at + 4 * t, apart, left, f32x4.add(c0, sum));
        scatter(at + 4 * t + 12, apart, left, f32x4.mul(half, f32x4.sub(c1, c2)));
        scatter(at + 4 * t + 24, apart, left, f32x4.add(c3, sum));
      }
    }
}

@inline
function back(s: usize, next: usize, t: i32, half: v128): v128 {
  const u1 = v128.load(s + next), u2 = v128.load(s + 2 * next);
  if (t == 1) return f32x4.mul(half, f32x4.sub(u1, u2));
  return f32x4.add(f32x4.mul(half, f32x4.add(u1, u2)), v128.load(t ? s + 3 * next : s));
}

/** Transform `th` rows of tiles, from row `first` on, of planes with a border: Bᵀ d B. Number i of a tile goes to out + i · next + c · outPlane. */
export function tiles(
  a: usize, plane: usize, row: usize, channels: i32, first: i32, th: i32, tw: i32, n: usize, out: usize, outPlane: usize, next: usize,
): void {
  a <<= 2; plane <<= 2; row <<= 2; n <<= 2; out <<= 2; outPlane <<= 2; next <<= 2;
  for (let c = 0; c < channels; c++, a += plane, out += outPlane)
    for (let y = 0; y < th; y++) for (let x = 0; x < tw; x++) for (let j: usize = 0; j < n; j += 16) {
      const at = a + <usize>(2 * (first + y)) * row + <usize>(2 * x) * n + j, at1 = at + row, at2 = at1 + row, at3 = at2 + row;
      let o = out + <usize>(y * tw + x) * n + j;
      o = minus(o, next, at, at2, n);
      o = plus(o, next, at1, at2, n);
      o = minus(o, next, at2, at1, n);
      minus(o, next, at1, at3, n);
    }
}

@inline
function minus(o: usize, next: usize, p: usize, q: usize, n: usize): usize {
  return fourth(o, next, f32x4.sub(v128.load(p), v128.load(q)), f32x4.sub(v128.load(p + n), v128.load(q + n)),
    f32x4.sub(v128.load(p + 2 * n), v128.load(q + 2 * n)), f32x4.sub(v128.load(p + 3 * n), v128.load(q + 3 * n)));
}
@inline
function plus(o: usize, next: usize, p: usize, q: usize, n: usize): usize {
  return fourth(o, next, f32x4.add(v128.load(p), v128.load(q)), f32x4.add(v128.load(p + n), v128.load(q + n)),
    f32x4.add(v128.load(p + 2 * n), v128.load(q + 2 * n)), f32x4.add(v128.load(p + 3 * n), v128.load(q + 3 * n)));
}
/**
 * Make rows of an image, from 2 · first on, of Winograd's products: Aᵀ m A, + own[c] of each picture, + add's numbers. Without
 * `all`, the third of m is 0 in both directions.
 */
export function untile(
  a: usize, plane: usize, next: usize, own: usize, add: usize, out: usize, outPlane: usize, channels: i32,
  first: i32, th: i32, h: i32, w: i32, n: usize, all: bool,
): void {
  a <<= 2; plane <<= 2; next <<= 2; own <<= 2; add <<= 2; out <<= 2; outPlane <<= 2; n <<= 2;
  const tw = (w + 1) >> 1, more = add - out, zero = f32x4.splat(0);
  for (let c = 0; c < channels; c++, a += plane, out += outPlane, own += n)
    for (let y = 0; y < th; y++) for (let x = 0; x < tw; x++) for (let j: usize = 0; j < n; j += 16) {
      let s = a + <usize>(y * tw + x) * n + j;
      const b = v128.load(own + j);
      let p0 = b, p1 = b, q0 = b, q1 = b;
      for (let i = 0; i < 4; i++, s += 4 * next) {
        if (i == 2 && !all) continue;
        const m0 = v128.load(s), m1 = v128.load(s + next), m2 = all ? v128.load(s + 2 * next) : zero, m3 = v128.load(s + 3 * next);
        const l = f32x4.add(f32x4.add(m0, m1), m2), r = f32x4.sub(f32x4.sub(m1, m2), m3);
        if (i < 3) { p0 = f32x4.add(p0, l); p1 = f32x4.add(p1, r); }
        if (i == 1) { q0 = f32x4.add(q0, l); q1 = f32x4.add(q1, r); }
        if (i > 1) { q0 = f32x4.sub(q0, l); q1 = f32x4.sub(q1, r); }
      }
      const v = 2 * (first + y), u = 2 * x, o = out + <usize>(v * w + u) * n + j;
      const wide = u + 1 < w;
      put(o, p0, add, more);
      if (wide) put(o + n, p1, add, more);
      if (v + 1 < h) {
        const under = o + <usize>w * n;
        put(under, q0, add, more);
        if (wide) put(under + n, q1, add, more);
      }
    }
}

@inline
function put(o: usize, z: v128, add: usize, more: usize): void {
  v128.store(o, add ? f32x4.add(z, v128.load(o + more)) : z);
}

/** Make the gradient of Winograd's products: A d Aᵀ. */
export function untileBack(
  d: usize, dPlane: usize, channels: i32, first: i32, th: i32, h: i32, w: i32, n: usize, out: usize, outPlane: usize, next: usize,
): void {
  d <<= 2; dPlane <<= 2; n <<= 2; out <<= 2; outPlane <<= 2; next <<= 2;
  const tw = (w + 1) >> 1, zero = f32x4.splat(0);
  for (let c = 0; c < channels; c++, d += dPlane, out += outPlane)
    for (let y = 0; y < th; y++) for (let x = 0; x < tw; x++) for (let j: usize = 0; j < n; j += 16) {
      const v = 2 * (first + y), u = 2 * x, at = d + <usize>(v * w + u) * n + j, under = at + <usize>w * n;
      const wide = u + 1 < w, high = v + 1 < h;
      const p0 = v128.load(at), p1 = wide ? v128.load(at + n) : zero;
      const q0 = high ? v128.load(under) : zero, q1 = wide && high ? v128.load(under + n) : zero;
      let o = out + <usize>(y * tw + x) * n + j;
      o = fourBack(o, next, p0, p1);
      o = fourBack(o, next, f32x4.add(p0, q0), f32x4.add(p1, q1));
      o = fourBack(o, next, f32x4.sub(p0, q0), f32x4.sub(p1, q1));
      fourBack(o, next, f32x4.neg(q0), f32x4.neg(q1));
    }
}

@inline
function fourBack(o: usize, next: usize, p: v128, q: v128): usize {
  v128.store(o, p); o += next;
  v128.store(o, f32x4.add(p, q)); o += next;
  v128.store(o, f32x4.sub(p, q)); o += next;
  v128.store(o, f32x4.neg(q)); return o + next;
}

/** Add the gradient of tiles, B v Bᵀ, to planes with a border. */
export function tilesBack(
  a: usize, plane: usize, row: usize, channels: i32, first: i32, th: i32, tw: i32, n: usize, v: usize, vPlane: usize, next: usize, all: bool,
): void {
  a <<= 2; plane <<= 2; row <<= 2; n <<= 2; v <<= 2; vPlane <<= 2; next <<= 2;
  for (let c = 0; c < channels; c++, a += plane, v += vPlane)
    for (let y = 0; y < th; y++) for (let x = 0; x < tw; x++) for (let j: usize = 0; j < n; j += 16) {
      const at = a + <usize>(2 * (first + y)) * row + <usize>(2 * x) * n + j, s = v + <usize>(y * tw + x) * n + j;
      for (let r: usize = 0; r < 4; r++) {
        const c0 = column(s, next, <i32>r, all), c1 = column(s + 4 * next, next, <i32>r, all), c3 = column(s + 12 * next, next, <i32>r, all);
        const c2 = all ? column(s + 8 * next, next, <i32>r, all) : f32x4.splat(0);
        let o = at + r * n;
        v128.store(o, f32x4.add(v128.load(o), c0)); o += row;
        v128.store(o, f32x4.add(v128.load(o), f32x4.add(f32x4.sub(c1, c2), c3))); o += row;
        v128.store(o, f32x4.add(v128.load(o), f32x4.sub(f32x4.add(c1, c2), c0))); o += row;
        v128.store(o, f32x4.sub(v128.load(o), c3));
      }
    }
}

@inline
function column(s: usize, next: usize, r: i32, all: bool): v128 {
  if (r == 0) return v128.load(s);
  if (r == 3) return f32x4.neg(v128.load(s + 3 * next));
  const v1 = v128.load(s + next);
  if (r == 1) {
    const sum = f32x4.add(v1, v128.load(s + 3 * next));
    return all ? f32x4.sub(sum, v128.load(s + 2 * next)) : sum;
  }
  const sum = f32x4.sub(v1, v128.load(s));
  return all ? f32x4.add(sum, v128.load(s + 2 * next)) : sum;
}

/** Set the border of planes to 0: `top` rows above h × w places, as many columns left of them, and all up to `high` rows of `row` numbers. */
export function border(a: usize, plane: usize, row: usize, channels: i32, high: i32, h: i32, w: i32, n: usize, top: i32): void {
  a <<= 2; plane <<= 2; row <<= 2; n <<= 2;
  const left = <usize>top * n, right = left + <usize>w * n;
  for (let c = 0; c < channels; c++, a += plane)
    for (let y = 0; y < high; y++) {
      const at = a + <usize>y * row;
      if (y < top || y >= top + h) memory.fill(at, 0, row);
      else {
        if (left) memory.fill(at, 0, left);
        memory.fill(at + right, 0, row - right);
      }
    }
}

/** Put the nine taps of a convolution with a stride of 2 into planes: out[9 c + t][y][x] = a[c][2 y + t / 3][2 x + t % 3]. */
export function columns(a: usize, plane: usize, row: usize, channels: i32, h: i32, w: i32, n: usize, out: usize, outPlane: usize): void {
  a <<= 2; plane <<= 2; row <<= 2; n <<= 2; out <<= 2; outPlane <<= 2;
  for (let c = 0; c < channels; c++, a += plane)
    for (let t: usize = 0; t < 9; t++, out += outPlane)
      for (let y = 0; y < h; y++) {
        let from = a + (<usize>(2 * y) + t / 3) * row + (t % 3) * n, to = out + <usize>(y * w) * n;
        for (let x = 0; x < w; x++, from += 2 * n, to += n)
          for (let j: usize = 0; j < n; j += 16) v128.store(to + j, v128.load(from + j));
      }
}

export function columnsBack(a: usize, plane: usize, row: usize, channels: i32, h: i32, w: i32, n: usize, out: usize, outPlane: usize): void {
  a <<= 2; plane <<= 2; row <<= 2; n <<= 2; out <<= 2; outPlane <<= 2;
  for (let c = 0; c < channels; c++, a += plane)
    for (let t: usize = 0; t < 9; t++, out += outPlane)
      for (let y = 0; y < h; y++) {
        let from = a + (<usize>(2 * y) + t / 3) * row + (t % 3) * n, to = out + <usize>(y * w) * n;
        for (let x = 0; x < w; x++, from += 2 * n, to += n)
          for (let j: usize = 0; j < n; j += 16) v128.store(from + j, f32x4.add(v128.load(from + j), v128.load(to + j)));
      }
}

/** Copy each place of an image to four, in planes with a border; a is the first place inside it. */
export function enlarge(x: usize, plane: usize, channels: i32, h: i32, w: i32, n: usize, a: usize, aPlane: usize, row: usize): void {
  x <<= 2; plane <<= 2; n <<= 2; a <<= 2; aPlane <<= 2; row <<= 2;
  for (let c = 0; c < channels; c++, x += plane, a += aPlane)
    for (let v = 0; v < h; v++) for (let u = 0; u < w; u++) for (let j: usize = 0; j < n; j += 16) {
      const z = v128.load(x + <usize>(v * w + u) * n + j), o = a + <usize>(2 * v) * row + <usize>(2 * u) * n + j;
      v128.store(o, z); v128.store(o + n, z); v128.store(o + row, z); v128.store(o + row + n, z);
    }
}

export function enlargeBack(x: usize, plane: usize, channels: i32, h: i32, w: i32, n: usize, a: usize, aPlane: usize, row: usize): void {
  x <<= 2; plane <<= 2; n <<= 2; a <<= 2; aPlane <<= 2; row <<= 2;
  for (let c = 0; c < channels; c++, x += plane, a += aPlane)
    for (let v = 0; v < h; v++) for (let u = 0; u < w; u++) for (let j: usize = 0; j < n; j += 16) {
      const o = a + <usize>(2 * v) * row + <usize>(2 * u) * n + j;
      const to = x + <usize>(v * w + u) * n + j, below = o + row;
      const sum = f32x4.add(f32x4.add(v128.load(o), v128.load(o + n)), f32x4.add(v128.load(below), v128.load(below + n)));
      v128.store(to, f32x4.add(v128.load(to), sum));
    }
}

/** Measure a group of planes: for each picture 1 / standard deviation, and behind all of them −mean / standard deviation. */
export function stats(x: usize, plane: usize, channels: i32, pixels: i32, n: usize, eps: f32, out: usize): void {
  x <<= 2; plane <<= 2; n <<= 2; out <<= 2;
  const share = f32x4.splat(1 / <f32>(channels * pixels)), one = f32x4.splat(1);
  for (let j: usize = 0; j < n; j += 32) {
    let p = f32x4.splat(0), q = p;
    for (let c = 0; c < channels; c++) {
      let at = x + <usize>c * plane + j, r = f32x4.splat(0), s = r;
      for (let i = 0; i < pixels; i++, at += n) { r = f32x4.add(r, v128.load(at)); s = f32x4.add(s, v128.load(at, 16)); }
      p = f32x4.add(p, r); q = f32x4.add(q, s);
    }
    const mp = f32x4.mul(p, share), mq = f32x4.mul(q, share);
    p = f32x4.splat(0); q = p;
    for (let c = 0; c < channels; c++) {
      let at = x + <usize>c * plane + j, r = f32x4.splat(0), s = r;
      for (let i = 0; i < pixels; i++, at += n) {
        const u = f32x4.sub(v128.load(at), mp), v = f32x4.sub(v128.load(at, 16), mq);
        r = f32x4.add(r, f32x4.mul(u, u)); s = f32x4.add(s, f32x4.mul(v, v));
      }
      p = f32x4.add(p, r); q = f32x4.add(q, s);
    }
    p = f32x4.div(one, f32x4.sqrt(f32x4.add(f32x4.mul(p, share), f32x4.splat(eps))));
    q = f32x4.div(one, f32x4.sqrt(f32x4.add(f32x4.mul(q, share), f32x4.splat(eps))));
    v128.store(out + j, p); v128.store(out + j, q, 16);
    v128.store(out + n + j, f32x4.neg(f32x4.mul(mp, p))); v128.store(out + n + j, f32x4.neg(f32x4.mul(mq, q)), 16);
  }
}

/**
 * Normalise the planes of a group by what `stats` measured, x̂; put gain · x̂ + offset into planes with a border, or its SiLU where
 * `act` is 1. There is a gain and an offset for each channel and picture, [c][2][n]. `out` is the first place inside the border.
 */
export function normalise(
  x: usize, plane: usize, channels: i32, h: i32, w: i32, n: usize, stat: usize, gains: usize, act: bool,
  out: usize, outPlane: usize, row: usize,
): void {
  x <<= 2; plane <<= 2; n <<= 2; stat <<= 2; gains <<= 2; out <<= 2; outPlane <<= 2; row <<= 2;
  for (let c = 0; c < channels; c++, x += plane, out += outPlane, gains += 2 * n)
    for (let j: usize = 0; j < n; j += 16) {
      const gain = v128.load(gains + j), scale = f32x4.mul(gain, v128.load(stat + j));
      const shift = f32x4.add(f32x4.mul(gain, v128.load(stat + n + j)), v128.load(gains + n + j));
      let from = x + j;
      for (let v = 0; v < h; v++) {
        let to = out + <usize>v * row + j;
        for (let u = 0; u < w; u++, from += n, to += n) {
          const z = f32x4.add(f32x4.mul(v128.load(from), scale), shift);
          v128.store(to, act ? siluOf(z) : z);
        }
      }
    }
}

/**
 * Make the gradient of x, or add it to dx where `more` is 1. First, d becomes the gradient of SiLU's input in place, and Σ d and
 * Σ d x̂ of each channel and picture go to `sums`, [c][2][n].
 */
export function normaliseBack(
  x: usize, plane: usize, channels: i32, h: i32, w: i32, n: usize, stat: usize, gains: usize, act: bool,
  d: usize, dPlane: usize, row: usize, sums: usize, dx: usize, more: bool,
): void {
  x <<= 2; plane <<= 2; n <<= 2; stat <<= 2; gains <<= 2; d <<= 2; dPlane <<= 2; row <<= 2; sums <<= 2; dx <<= 2;
  const share = f32x4.splat(1 / <f32>(channels * h * w));
  for (let j: usize = 0; j < n; j += 16) {
    const rstd = v128.load(stat + j), mid = v128.load(stat + n + j);
    let all = f32x4.splat(0), allX = all;
    for (let c = 0; c < channels; c++) {
      const place = <usize>(2 * c) * n + j, gain = v128.load(gains + place), offset = v128.load(gains + place + n);
      let s = f32x4.splat(0), t = s, from = x + <usize>c * plane + j;
      for (let v = 0; v < h; v++) {
        let at = d + <usize>c * dPlane + <usize>v * row + j;
        for (let u = 0; u < w; u++, from += n, at += n) {
          const norm = f32x4.add(f32x4.mul(v128.load(from), rstd), mid);
          let dz = v128.load(at);
          if (act) {
            dz = f32x4.mul(dz, derivative(f32x4.add(f32x4.mul(norm, gain), offset)));
            v128.store(at, dz);
          }
          s = f32x4.add(s, dz); t = f32x4.add(t, f32x4.mul(dz, norm));
        }
      }
      v128.store(sums + place, s);
      v128.store(sums + place + n, t);
      all = f32x4.add(all, f32x4.mul(gain, s)); allX = f32x4.add(allX, f32x4.mul(gain, t));
    }
    // dx = rstd (gain d − mean(gain d) − x̂ mean(gain d x̂))
    const byX = f32x4.neg(f32x4.mul(f32x4.mul(f32x4.mul(allX, share), rstd), rstd));
    const rest = f32x4.neg(f32x4.mul(rstd, f32x4.add(f32x4.mul(all, share), f32x4.mul(f32x4.mul(allX, share), mid))));
    for (let c = 0; c < channels; c++) {
      const by = f32x4.mul(v128.load(gains + <usize>(2 * c) * n + j), rstd);
      let from = x + <usize>c * plane + j, to = dx + <usize>c * plane + j;
      for (let v = 0; v < h; v++) {
        let at = d + <usize>c * dPlane + <usize>v * row + j;
        for (let u = 0; u < w; u++, from += n, at += n, to += n) {
          let z = f32x4.add(f32x4.add(f32x4.mul(by, v128.load(at)), f32x4.mul(byX, v128.load(from))), rest);
          if (more) z = f32x4.add(z, v128.load(to));
          v128.store(to, z);
        }
      }
    }
  }
}

/** The derivative of SiLU. */
@inline
function derivative(z: v128): v128 {
  const one = f32x4.splat(1), gate = f32x4.div(one, f32x4.add(one, exp(f32x4.neg(z))));
  return f32x4.mul(gate, f32x4.add(one, f32x4.mul(z, f32x4.sub(one, gate))));
}

/** Sum the numbers of each plane for each picture, [c][n]. */
export function sums(d: usize, plane: usize, channels: i32, pixels: i32, n: usize, out: usize): void {
  d <<= 2; plane <<= 2; n <<= 2; out <<= 2;
  for (let c = 0; c < channels; c++, d += plane, out += n)
    for (let j: usize = 0; j < n; j += 16) {
      let s = f32x4.splat(0), at = d + j;
      for (let i = 0; i < pixels; i++, at += n) s = f32x4.add(s, v128.load(at));
      v128.store(out + j, s);
    }
}

/** Multiply matrices of each picture: out[i · outI + j · outJ] = scale · Σ_k a[i · aI + k · aK] · b[j · bJ + k · bK]. */
export function lanes(
  a: usize, aI: usize, aK: usize, b: usize, bJ: usize, bK: usize, out: usize, outI: usize, outJ: usize,
  rows: i32, columns: i32, depth: i32, n: usize, scale: f32,
): void {
  a <<= 2; aI <<= 2; aK <<= 2; b <<= 2; bJ <<= 2; bK <<= 2; out <<= 2; outI <<= 2; outJ <<= 2; n <<= 2;
  const by = f32x4.splat(scale);
  for (let j: usize = 0; j < n; j += 16)
    for (let i = 0; i < rows; i += 4) {
      const i1 = <usize>min(1, rows - 1 - i), i2 = <usize>min(2, rows - 1 - i), i3 = <usize>min(3, rows - 1 - i);
      const ai = a + <usize>i * aI + j;
      for (let k = 0; k < columns; k += 2) {
        const k1 = <usize>min(1, columns - 1 - k), bk = b + <usize>k * bJ + j;
        let p0 = f32x4.splat(0), p1 = p0, p2 = p0, p3 = p0, q0 = p0, q1 = p0, q2 = p0, q3 = p0;
        let r = ai, s = bk;
        for (let c = 0; c < depth; c++, r += aK, s += bK) {
          const u = v128.load(s), v = v128.load(s + k1 * bJ);
          let z = v128.load(r);
          p0 = f32x4.add(p0, f32x4.mul(z, u)); q0 = f32x4.add(q0, f32x4.mul(z, v));
          z = v128.load(r + i1 * aI);
          p1 = f32x4.add(p1, f32x4.mul(z, u)); q1 = f32x4.add(q1, f32x4.mul(z, v));
          z = v128.load(r + i2 * aI);
          p2 = f32x4.add(p2, f32x4.mul(z, u)); q2 = f32x4.add(q2, f32x4.mul(z, v));
          z = v128.load(r + i3 * aI);
          p3 = f32x4.add(p3, f32x4.mul(z, u)); q3 = f32x4.add(q3, f32x4.mul(z, v));
        }
        const o = out + <usize>i * outI + <usize>k * outJ + j, on = o + k1 * outJ;
        v128.store(o, f32x4.mul(by, p0)); v128.store(on, f32x4.mul(by, q0));
        v128.store(o + i1 * outI, f32x4.mul(by, p1)); v128.store(on + i1 * outI, f32x4.mul(by, q1));
        v128.store(o + i2 * outI, f32x4.mul(by, p2)); v128.store(on + i2 * outI, f32x4.mul(by, q2));
        v128.store(o + i3 * outI, f32x4.mul(by, p3)); v128.store(on + i3 * outI, f32x4.mul(by, q3));
      }
    }
}

/** Make the gradient of what `softmax` takes, in place: p (d − Σ p d). */
export function softmaxBack(p: usize, d: usize, rows: i32, columns: usize, n: usize): void {
  p <<= 2; d <<= 2; n <<= 2;
  const by = d - p;
  for (let i = 0; i < rows; i++, p += columns * n)
    for (let j: usize = 0; j < n; j += 16) {
      const from = p + j, end = from + columns * n;
      let sum = f32x4.splat(0);
      for (let at = from; at < end; at += n) sum = f32x4.add(sum, f32x4.mul(v128.load(at), v128.load(at + by)));
      for (let at = from; at < end; at += n) v128.store(at + by, f32x4.mul(v128.load(at), f32x4.sub(v128.load(at + by), sum)));
    }
}

/** Add a to b. */
export function add(a: usize, b: usize, count: usize): void {
  a <<= 2; b <<= 2; count <<= 2;
  for (let i: usize = 0; i < count; i += 16) v128.store(b + i, f32x4.add(v128.load(b + i), v128.load(a + i)));
}

/** Set b to s · a + t · b. */
export function mix(a: usize, s: f32, b: usize, t: f32, count: usize): void {
  a <<= 2; b <<= 2; count <<= 2;
  const u = f32x4.splat(s), v = f32x4.splat(t);
  for (let i: usize = 0; i < count; i += 16)
    v128.store(b + i, f32x4.add(f32x4.mul(v, v128.load(b + i)), f32x4.mul(u, v128.load(a + i))));
}

/** Set `count` numbers to SiLU of others. */
export function silu(x: usize, out: usize, count: usize): void {
  x <<= 2; out <<= 2; count <<= 2;
  for (let i: usize = 0; i < count; i += 16) v128.store(out + i, siluOf(v128.load(x + i)));
}

/** Make the gradient of SiLU's input x, or add it to dx where `more` is 1. */
export function siluBack(x: usize, d: usize, dx: usize, count: usize, more: bool): void {
  x <<= 2; d <<= 2; dx <<= 2; count <<= 2;
  for (let i: usize = 0; i < count; i += 16) {
    const z = f32x4.mul(v128.load(d + i), derivative(v128.load(x + i)));
    v128.store(dx + i, more ? f32x4.add(z, v128.load(dx + i)) : z);
  }
}

/** Take a step of Adam: `rate` is the learning rate / (1 − β1^t), and `bias` is 1 − β2^t. Gradients are first multiplied by `by`. */
export function adam(w: usize, g: usize, first: usize, second: usize, count: usize, rate: f32, bias: f32, by: f32): void {
  w <<= 2; g <<= 2; first <<= 2; second <<= 2; count <<= 2;
  const root = f32x4.splat(1 / <f32>Math.sqrt(bias));
  for (let i: usize = 0; i < count; i += 16) {
    const d = f32x4.mul(f32x4.splat(by), v128.load(g + i));
    const m = f32x4.add(f32x4.mul(f32x4.splat(0.9), v128.load(first + i)), f32x4.mul(f32x4.splat(0.1), d));
    const v = f32x4.add(f32x4.mul(f32x4.splat(0.999), v128.load(second + i)), f32x4.mul(f32x4.splat(0.001), f32x4.mul(d, d)));
    v128.store(first + i, m); v128.store(second + i, v);
    const under = f32x4.add(f32x4.mul(f32x4.sqrt(v), root), f32x4.splat(1e-8));
    v128.store(w + i, f32x4.sub(v128.load(w + i), f32x4.div(f32x4.mul(f32x4.splat(rate), m), under)));
  }
}

/** The sum of squares of numbers. */
export function squares(a: usize, count: usize): f64 {
  a <<= 2; count <<= 2;
  let s = f64x2.splat(0);
  for (let i: usize = 0; i < count; i += 8) {
    const z = f64x2.promote_low_f32x4(v128.load64_zero(a + i));
    s = f64x2.add(s, f64x2.mul(z, z));
  }
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}
