// The inner loops that both kernels have: kernel.wasm.ts, of one picture, and batch.wasm.ts, of eight.

const BLOCK: usize = 256; // bytes of a row: 64 columns of 64 channels take 16 kB

@inline
export function keep(o: usize, second: usize, p: v128, q: v128, add: usize, more: usize): void {
  if (add) {
    p = f32x4.add(p, v128.load(o + more));
    q = f32x4.add(q, v128.load(o + second + more));
  }
  v128.store(o, p);
  v128.store(o + second, q);
}

/**
 * `count` products of matrices: output m at column x is bias[m] (none at 0) + the sum over channels c of k[m][c] · a[c · plane + x],
 * + add's number. Weights lie as [m / 4][c][4], `step` apart, `group` from four outputs to the next four; `nextA`, `nextK` and
 * `nextOut` are from one product to the next. Sums are of 64 channels at a time: in long ones float32 loses digits.
 */
export function product(
  a: usize, plane: usize, channels: usize, k: usize, step: usize, group: usize, bias: usize, add: usize,
  out: usize, outPlane: usize, outputs: i32, w: usize, count: i32, nextA: usize, nextK: usize, nextOut: usize,
): void {
  a <<= 2; plane <<= 2; k <<= 2; step <<= 2; group <<= 2; bias <<= 2; add <<= 2; out <<= 2; outPlane <<= 2; w <<= 2;
  nextA <<= 2; nextK <<= 2; nextOut <<= 2;
  const first = add - out;
  for (let n = 0; n < count; n++, a += nextA, k += nextK, out += nextOut)
    for (let left: usize = 0; left < w; left += BLOCK) { // columns that stay in the nearest cache
      let weights = k, b = bias, to = out;
      const right = min(left + BLOCK, w);
      for (let m = 0; m < outputs; m += 4, weights += group, b += b ? 16 : 0, to += outPlane * 4)
        for (let x = left; x < right; x += 32) {
          const o = to + x;
          let p0 = v128.load32_splat(b), p1 = v128.load32_splat(b, 4);
          let p2 = v128.load32_splat(b, 8), p3 = v128.load32_splat(b, 12);
          let q0 = p0, q1 = p1, q2 = p2, q3 = p3, r = a + x, s = weights, more = first;
          for (let c: usize = 0; c < channels; c += 64, more = 0) {
            if (c) p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = f32x4.splat(0);
            for (const end = s + min<usize>(64, channels - c) * step; s < end; s += step, r += plane) {
              const u = v128.load(r), v = v128.load(r, 16);
              let z = v128.load32_splat(s);
              p0 = f32x4.add(p0, f32x4.mul(z, u)); q0 = f32x4.add(q0, f32x4.mul(z, v));
              z = v128.load32_splat(s, 4);
              p1 = f32x4.add(p1, f32x4.mul(z, u)); q1 = f32x4.add(q1, f32x4.mul(z, v));
              z = v128.load32_splat(s, 8);
              p2 = f32x4.add(p2, f32x4.mul(z, u)); q2 = f32x4.add(q2, f32x4.mul(z, v));
              z = v128.load32_splat(s, 12);
              p3 = f32x4.add(p3, f32x4.mul(z, u)); q3 = f32x4.add(q3, f32x4.mul(z, v));
            }
            const adds: usize = c ? 1 : add;
            keep(o, 16, p0, q0, adds, more);
            keep(o + outPlane, 16, p1, q1, adds, more);
            keep(o + 2 * outPlane, 16, p2, q2, adds, more);
            keep(o + 3 * outPlane, 16, p3, q3, adds, more);
          }
        }
    }
}

/** Four of Winograd's sixteen products, of four numbers of a row. */
@inline
export function fourth(o: usize, next: usize, d0: v128, d1: v128, d2: v128, d3: v128): usize {
  v128.store(o, f32x4.sub(d0, d2)); o += next;
  v128.store(o, f32x4.add(d1, d2)); o += next;
  v128.store(o, f32x4.sub(d2, d1)); o += next;
  v128.store(o, f32x4.sub(d1, d3)); return o + next;
}

// e^x for -87 < x < 88, within 1 unit of the last place (Cephes): 2^n times a polynomial of x - n ln 2.
@inline
export function exp(x: v128): v128 {
  x = f32x4.pmax(f32x4.pmin(x, f32x4.splat(88)), f32x4.splat(-87)); // the quick ones, that differ for NaN and -0
  const whole = f32x4.add(f32x4.mul(x, f32x4.splat(1.44269504088896341)), f32x4.splat(12582912)); // n in its last bits
  const n = f32x4.sub(whole, f32x4.splat(12582912));
  x = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  x = f32x4.sub(x, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let y = f32x4.splat(1.9875691500e-4);
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(1.3981999507e-3));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(8.3334519073e-3));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(4.1665795894e-2));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(1.6666665459e-1));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(5.0000001201e-1));
  y = f32x4.add(f32x4.add(f32x4.mul(y, f32x4.mul(x, x)), x), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(whole, i32x4.splat(127)), 23);
  return f32x4.mul(y, power);
}

@inline
export function silu(x: v128): v128 { return f32x4.div(x, f32x4.add(f32x4.splat(1), exp(f32x4.neg(x)))); }

/** The softmax of each column of `scale` times a matrix, in place; columns are a multiple of 4, and `apart` its rows. */
export function softmax(a: usize, rows: usize, columns: usize, apart: usize, scale: f32): void {
  a <<= 2; apart <<= 2;
  for (let x: usize = 0; x < columns; x += 4, a += 16) {
    let top = v128.load(a), sum = f32x4.splat(0);
    const end = a + rows * apart;
    for (let at = a + apart; at < end; at += apart) top = f32x4.pmax(top, v128.load(at));
    for (let at = a; at < end; at += apart) {
      const e = exp(f32x4.mul(f32x4.sub(v128.load(at), top), f32x4.splat(scale)));
      v128.store(at, e);
      sum = f32x4.add(sum, e);
    }
    for (let at = a; at < end; at += apart) v128.store(at, f32x4.div(v128.load(at), sum));
  }
}
