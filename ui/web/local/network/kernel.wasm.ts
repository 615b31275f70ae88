// The inner loops of the networks, four float32 at a time: AssemblyScript, from which `npm run kernel` makes kernel.wasm.
// kernel.js has the same functions in plain JavaScript. Every product and sum is rounded on its own (no relaxed SIMD), in
// an order that the shapes alone decide: so every browser gives the same bits. Places and distances count numbers, not bytes.

/**
 * Sums of weights times shifted planes: convolutions, linear maps, products of matrices. Output m at row y, column x is
 * bias[m] (none at 0) + the sum over channels c, then taps o, of k[m][c][o] · a[c · plane + y · row + x + shifts[o]], + add's number.
 * Weights lie as [m / 4][c][taps][4], `step` apart, `group` from four outputs to the next four. A turn makes four outputs
 * of eight places: 2 × 4, the second four `pair` behind the first in a: beside them, or a row below where `pair` is `row`.
 */
export function conv(
  a: usize, plane: usize, row: usize, pair: usize, channels: i32, shifts: usize, taps: usize,
  k: usize, step: usize, group: usize, bias: usize, add: usize,
  out: usize, outPlane: usize, outputs: i32, h: i32, w: i32,
): void {
  a <<= 2; plane <<= 2; row <<= 2; pair <<= 2; shifts <<= 2; k <<= 2; step <<= 2; group <<= 2;
  bias <<= 2; add <<= 2; out <<= 2; outPlane <<= 2;
  const below = pair == row, second = below ? <usize>w * 4 : 16, end = shifts + taps * 4;
  const more = add - out;
  for (let m = 0; m < outputs; m += 4, k += group, bias += bias ? 16 : 0, out += outPlane * 4) {
    for (let y = 0; y < h; y += below ? 2 : 1) for (let x = 0; x < w; x += below ? 4 : 8) {
      let p0 = v128.load32_splat(bias), p1 = v128.load32_splat(bias, 4);
      let p2 = v128.load32_splat(bias, 8), p3 = v128.load32_splat(bias, 12);
      let q0 = p0, q1 = p1, q2 = p2, q3 = p3, r = a + <usize>y * row + <usize>x * 4, s = k;
      for (let c = 0; c < channels; c++, r += plane) for (let t = shifts; t < end; t += 4, s += step) {
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

@inline
function keep(o: usize, second: usize, p: v128, q: v128, add: usize, more: usize): void {
  if (add) {
    p = f32x4.add(p, v128.load(o + more));
    q = f32x4.add(q, v128.load(o + second + more));
  }
  v128.store(o, p);
  v128.store(o + second, q);
}

// e^x for -87 < x < 88, within 1 unit of the last place (Cephes): 2^n times a polynomial of x - n ln 2.
@inline
function exp(x: v128): v128 {
  x = f32x4.max(f32x4.min(x, f32x4.splat(88)), f32x4.splat(-87));
  const n = f32x4.floor(f32x4.add(f32x4.mul(x, f32x4.splat(1.44269504088896341)), f32x4.splat(0.5)));
  x = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  x = f32x4.sub(x, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let y = f32x4.splat(1.9875691500e-4);
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(1.3981999507e-3));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(8.3334519073e-3));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(4.1665795894e-2));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(1.6666665459e-1));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(5.0000001201e-1));
  y = f32x4.add(f32x4.add(f32x4.mul(y, f32x4.mul(x, x)), x), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(y, power);
}

/**
 * scale[c] · a + shift[c], and SiLU of it where `silu`: from the rows of `channels` planes to rows that are `row` apart,
 * with room for a border between them, which is left as it is. Scales and shifts lie in turn, from `scales` on.
 */
export function spread(
  a: usize, plane: usize, channels: i32, h: i32, w: i32, scales: usize, silu: i32, out: usize, outPlane: usize, row: usize,
): void {
  a <<= 2; plane <<= 2; scales <<= 2; out <<= 2; outPlane <<= 2; row <<= 2;
  const rest = w & 3;
  for (let c = 0; c < channels; c++, scales += 8, a += plane, out += outPlane) {
    const scale = v128.load32_splat(scales), shift = v128.load32_splat(scales, 4);
    let from = a, line = out;
    for (let y = 0; y < h; y++, line += row) for (let x = 0, to = line; x < w; x += 4, to += 16) {
      let z = f32x4.add(f32x4.mul(scale, v128.load(from)), shift);
      if (silu) z = f32x4.div(z, f32x4.add(f32x4.splat(1), exp(f32x4.neg(z))));
      if (x + 4 <= w) {
        v128.store(to, z);
        from += 16;
      } else {
        v128.store32_lane(to, z, 0);
        if (rest > 1) v128.store32_lane(to, z, 1, 4);
        if (rest > 2) v128.store32_lane(to, z, 2, 8);
        from += rest * 4;
      }
    }
  }
}

/** The softmax of each column of `scale` times a matrix, in place; columns are a multiple of 4, and `apart` its rows. */
export function softmax(a: usize, rows: usize, columns: usize, apart: usize, scale: f32): void {
  a <<= 2; apart <<= 2;
  for (let x: usize = 0; x < columns; x += 4, a += 16) {
    let top = v128.load(a), sum = f32x4.splat(0);
    const end = a + rows * apart;
    for (let at = a + apart; at < end; at += apart) top = f32x4.max(top, v128.load(at));
    for (let at = a; at < end; at += apart) {
      const e = exp(f32x4.mul(f32x4.sub(v128.load(at), top), f32x4.splat(scale)));
      v128.store(at, e);
      sum = f32x4.add(sum, e);
    }
    for (let at = a; at < end; at += apart) v128.store(at, f32x4.div(v128.load(at), sum));
  }
}
