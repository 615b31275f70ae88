// Group normalisation of x + shift, then SiLU, in one pass over images whose channels lie innermost, and its gradient;
// and, for processors with AMX, the weight gradient of a convolution.
//
// x is read twice and the result written once; everything between stays in registers. An image is one thread's work
// from end to end, so that results don't depend on the number of threads.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

#if defined(__AVX512BW__) && __has_include(<amxbf16intrin.h>)
#define HAS_AMX
#include <immintrin.h>
#endif

namespace {

using Floats = std::vector<float>;

inline float wide(float x) { return x; }
inline float wide(uint16_t x) {  // bfloat16 is the upper half of a float32
  uint32_t bits = static_cast<uint32_t>(x) << 16;
  float y;
  std::memcpy(&y, &bits, 4);
  return y;
}

template <typename T> inline T narrow(float x);
template <> inline float narrow<float>(float x) { return x; }
template <> inline uint16_t narrow<uint16_t>(float x) {  // to the nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return x == x ? rounded : 0x7fc0;
}

// 1/(1 + exp(-z)) to about 1e-7, in operations that compilers turn into vector instructions:
// exp(-z) = 2^whole · 2^part with part in [-1/2, 1/2], the latter by its Taylor series.
inline float sigmoid(float z) {
  float power = -z * 1.44269504f;
  power = power < 126.f ? power : 126.f;
  power = power > -126.f ? power : -126.f;
  int32_t exponent = static_cast<int32_t>(power + 127.5f);  // biased, as floats have it
  float part = (power - static_cast<float>(exponent - 127)) * 0.693147181f;
  float series =
      1.f + part * (1.f + part * (1.f / 2 + part * (1.f / 6 + part * (1.f / 24 + part * (1.f / 120 + part / 720)))));
  uint32_t bits = static_cast<uint32_t>(exponent) << 23;
  float scale;
  std::memcpy(&scale, &bits, 4);
  return 1.f / (1.f + series * scale);
}

struct Shape {
  int64_t images, channels, pixels, groups;
  int64_t width() const { return channels / groups; }
  float count() const { return static_cast<float>(width() * pixels); }
};

// What normalisation makes of a channel: z = x · scale + offset, and x̂ = x · rstd + centre.
struct Channels {
  Floats scale, offset, centre, rstd;
  Channels(const Shape& s, const float* shift, const float* mean, const float* rstd_, const float* gamma,
           const float* beta)
      : scale(s.channels), offset(s.channels), centre(s.channels), rstd(s.channels) {
    for (int64_t c = 0; c < s.channels; ++c) {
      int64_t g = c / s.width();
      rstd[c] = rstd_[g];
      centre[c] = ((shift ? shift[c] : 0.f) - mean[g]) * rstd[c];
      scale[c] = gamma[c] * rstd[c];
      offset[c] = beta[c] + gamma[c] * centre[c];
    }
  }
};

template <typename T>
void forward_image(const Shape& s, const T* x, const float* shift, const float* gamma, const float* beta, float eps,
                   T* y, float* mean, float* rstd) {
  const int64_t C = s.channels;
  // Sums of x less its first pixel: those of x itself would drown the variance of a channel far from 0.
  Floats first(C), sum(C, 0.f), squares(C, 0.f);
  for (int64_t c = 0; c < C; ++c) first[c] = wide(x[c]);
  float *k = first.data(), *a = sum.data(), *b = squares.data();
  for (int64_t p = 0; p < s.pixels; ++p) {
    const T* row = x + p * C;
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) {
      float value = wide(row[c]) - k[c];
      a[c] += value;
      b[c] += value * value;
    }
  }
  for (int64_t g = 0; g < s.groups; ++g) {
    const int64_t from = g * s.width(), to = from + s.width();
    auto channel_mean = [&](int64_t c) { return (shift ? shift[c] : 0.0) + k[c] + a[c] / double(s.pixels); };
    double average = 0, variance = 0;
    for (int64_t c = from; c < to; ++c) average += channel_mean(c) / s.width();
    for (int64_t c = from; c < to; ++c) {
      double within = (b[c] - double(a[c]) * a[c] / s.pixels) / s.pixels, between = channel_mean(c) - average;
      variance += (std::max(within, 0.0) + between * between) / s.width();
    }
    mean[g] = average;
    rstd[g] = 1 / std::sqrt(variance + eps);
  }
  Channels channel(s, shift, mean, rstd, gamma, beta);
  const float *scale = channel.scale.data(), *offset = channel.offset.data();
  for (int64_t p = 0; p < s.pixels; ++p) {
    const T* row = x + p * C;
    T* out = y + p * C;
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) {
      float z = wide(row[c]) * scale[c] + offset[c];
      out[c] = narrow<T>(z * sigmoid(z));
    }
  }
}

template <typename T>
void backward_image(const Shape& s, const T* dy, const T* x, const float* shift, const float* gamma, const float* beta,
                    const float* mean, const float* rstd, T* dx, float* dshift, float* dgamma, float* dbeta) {
  const int64_t C = s.channels;
  Channels channel(s, shift, mean, rstd, gamma, beta);
  const float *scale = channel.scale.data(), *offset = channel.offset.data();
  Floats sum_dz(C, 0.f), sum_dzx(C, 0.f), sum_x(C, 0.f), slope(C), level(C);
  float *a = sum_dz.data(), *b = sum_dzx.data(), *e = sum_x.data();
  for (int64_t p = 0; p < s.pixels; ++p) {
    const T *row = x + p * C, *out = dy + p * C;
    T* dz_row = dx + p * C;  // dz waits where dx will stand
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) {
      float value = wide(row[c]), z = value * scale[c] + offset[c], half = sigmoid(z);
      float dz = wide(out[c]) * half * (1.f + z * (1.f - half));
      a[c] += dz;
      b[c] += dz * value;
      e[c] += value;
      dz_row[c] = narrow<T>(dz);
    }
  }
  for (int64_t c = 0; c < C; ++c) {
    dbeta[c] = a[c];
    dgamma[c] = channel.rstd[c] * b[c] + channel.centre[c] * a[c];
  }
  for (int64_t g = 0; g < s.groups; ++g) {
    float first = 0, second = 0;  // means over the group of γ dz and of γ dz x̂
    for (int64_t c = g * s.width(); c < (g + 1) * s.width(); ++c) {
      first += gamma[c] * dbeta[c];
      second += gamma[c] * dgamma[c];
    }
    first /= s.count();
    second /= s.count();
    for (int64_t c = g * s.width(); c < (g + 1) * s.width(); ++c) {  // dx = rstd (γ dz − first − x̂ second)
      slope[c] = -rstd[g] * rstd[g] * second;
      level[c] = -rstd[g] * (first + channel.centre[c] * second);
    }
  }
  const float *m = slope.data(), *n = level.data();
  for (int64_t p = 0; p < s.pixels; ++p) {
    const T* row = x + p * C;
    T* out = dx + p * C;
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) out[c] = narrow<T>(scale[c] * wide(out[c]) + m[c] * wide(row[c]) + n[c]);
  }
  if (dshift)
    for (int64_t c = 0; c < C; ++c) dshift[c] = scale[c] * a[c] + m[c] * e[c] + n[c] * s.pixels;
}

const float* row(const float* rows, int64_t i, int64_t width) { return rows ? rows + i * width : nullptr; }

#ifdef HAS_AMX
// The weight gradient of a 3×3 convolution, stride 1, padding 1, in bfloat16 with sums in float32:
//   dW[o, y, x, i] = Σ_p dY[p − (y − 1, x − 1), o] X[p, i], summed over the pixels p of all images.
// For each (y, x) it is a product of matrices, outputs × positions times positions × inputs, in tiles of 16 × 32 and
// 32 × 16. The positions of a stack of images are in the order row, image, column: a shift by a row is then one by
// whole tiles. A thread sums its share of the images: the last bits depend on the number of threads, as torch's do.
#define AMX __attribute__((target("avx512bf16,amx-tile,amx-bf16")))

constexpr int64_t kTile = 16 * 32;

struct Group {  // images that are copied at once, in stacks
  int64_t images, height, band, stack, tiles;  // tiles: in one row of a stack, in a stack, in a group
  Group(int64_t count, int64_t height_, int64_t width) : height(height_) {
    constexpr int64_t positions = 1024;  // about, so that 32 outputs of them and their shifts stay in the L2 cache
    const int64_t unit = 32 / std::gcd(width, int64_t{32});
    const int64_t stacks = std::min((count + unit - 1) / unit, positions / (height * width * unit));
    images = unit * std::max<int64_t>(1, stacks);
    band = unit * width / 32;
    stack = band * height;
    tiles = images / unit * stack;
  }
  int64_t tile(int64_t y, int64_t k) const { return (k / band * height + y) * band + k % band; }
};

// Up to 32 channels at 32 positions, and 0 from the position `valid` on. low, high: 16 channels each, in pairs of
// positions.
AMX inline void load_pairs(const uint16_t* from, int64_t stride, int64_t channels, const int64_t* position,
                           int64_t valid, __m512i* low, __m512i* high) {
  const __mmask32 mask = channels < 32 ? (1u << channels) - 1 : ~0u;
  const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) {
    __m512i a = _mm512_maskz_loadu_epi16(2 * j < valid ? mask : 0, from + position[2 * j] * stride);
    __m512i b = _mm512_maskz_loadu_epi16(2 * j + 1 < valid ? mask : 0, from + position[2 * j + 1] * stride);
    a = _mm512_permutexvar_epi64(order, a);
    b = _mm512_permutexvar_epi64(order, b);
    low[j] = _mm512_unpacklo_epi16(a, b);
    high[j] = _mm512_unpackhi_epi16(a, b);
  }
}

// 16 × 16 pairs: for each bit of the two indices, exchanges the elements where it is set in one of them.
AMX inline void transpose(__m512i* rows) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i second = _mm512_set1_epi32(16);  // + lane: of the second operand
#pragma GCC unroll 4
  for (int bit = 1; bit < 16; bit *= 2) {
    const __m512i other = _mm512_xor_epi32(lane, _mm512_set1_epi32(bit));
    const __mmask16 set = _mm512_test_epi32_mask(lane, _mm512_set1_epi32(bit));
    const __m512i unset_of_both = _mm512_mask_add_epi32(lane, set, other, second);
    const __m512i set_of_both = _mm512_mask_add_epi32(other, set, lane, second);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i)
      if (!(i & bit)) {
        __m512i a = rows[i], b = rows[i | bit];
        rows[i] = _mm512_permutex2var_epi32(a, unset_of_both, b);
        rows[i | bit] = _mm512_permutex2var_epi32(a, set_of_both, b);
      }
  }
}

// dw[o, i] += Σ_k a[o, k] b[k, i] for 32 × 32 channels and `count` tiles; half: from the first 16 channels to the rest.
AMX void add_product(const uint16_t* a, const uint16_t* b, int64_t half, int64_t count, float* dw, int64_t row) {
  float *upper = dw, *lower = dw + 16 * row;
  _tile_loadd(0, upper, row * 4);
  _tile_loadd(1, upper + 16, row * 4);
  _tile_loadd(2, lower, row * 4);
  _tile_loadd(3, lower + 16, row * 4);
  for (int64_t k = 0; k < count; ++k, a += kTile, b += kTile) {
    _tile_loadd(4, a, 64);
    _tile_loadd(5, a + half, 64);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + half, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, upper, row * 4);
  _tile_stored(1, upper + 16, row * 4);
  _tile_stored(2, lower, row * 4);
  _tile_stored(3, lower + 16, row * 4);
}

struct Memory {  // aligned to a line of the cache, not initialised
  uint16_t* at;
  explicit Memory(int64_t size) : at(static_cast<uint16_t*>(std::aligned_alloc(64, (2 * size + 63) / 64 * 64))) {}
  ~Memory() { std::free(at); }
};

int64_t padded(int64_t channels) { return (channels + 31) / 32 * 32; }

// Adds what the groups from first to last give to dw: (O, 3, 3, I) and db: (O), O and I padded.
AMX void add_weight_gradient(int64_t images, int64_t outputs, int64_t inputs, int64_t height, int64_t width,
                             const uint16_t* dy, const uint16_t* x, const Group& group, int64_t first, int64_t last,
                             float* dw, float* db) {
  const int64_t half = group.tiles * kTile, count = group.images * width / 32, line = 32 * count + 32;
  const int64_t row = 9 * padded(inputs);
  const Memory shifted(6 * half), pairs(padded(inputs) / 16 * half), margins(33 * line);
  uint16_t* const a = shifted.at;           // dY, transposed, [column shift][half of 32 outputs][tile]
  uint16_t* const b = pairs.at;             // X, [16 inputs][tile]
  uint16_t* const lines = margins.at + 32;  // a row of dY, [output][position], and a margin
  std::vector<int64_t> position(32 * count);
  std::vector<uint32_t> inside(3 * count);  // where an image has a pixel in the column that a shift takes
  for (int64_t p = 0; p < 32 * count; ++p) {
    position[p] = p / width * height * width + p % width;
    for (int s = 0; s < 3; ++s) {
      int64_t column = p % width + 1 - s;
      inside[s * count + p / 32] |= static_cast<uint32_t>(column >= 0 && column < width) << p % 32;
    }
  }
  struct {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  _tile_loadconfig(&config);
  const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
  __m512i low[16], high[16];
  for (int64_t image = first * group.images; image < std::min(images, last * group.images); image += group.images) {
    const int64_t valid = std::min(group.images, images - image) * width;
    auto from = [&](const uint16_t* t, int64_t channels, int64_t y, int64_t channel) {
      return t + (image * height + y) * width * channels + channel;
    };
    for (int64_t i = 0; i < inputs; i += 32)
      for (int64_t y = 0; y < height; ++y)
        for (int64_t k = 0; k < count; ++k) {
          load_pairs(from(x, inputs, y, i), inputs, inputs - i, &position[32 * k], valid - 32 * k, low, high);
          uint16_t* to = b + i / 16 * half + group.tile(y, k) * kTile;
          std::memcpy(to, low, sizeof low);
          std::memcpy(to + half, high, sizeof high);
        }
    for (int64_t o = 0; o < outputs; o += 32) {
      float* sums = db + o;
      __m512 low_sum = _mm512_loadu_ps(sums), high_sum = _mm512_loadu_ps(sums + 16);
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t k = 0; k < 32 * count; k += 32) {
          load_pairs(from(dy, outputs, y, o), outputs, outputs - o, &position[k], valid - k, low, high);
          for (int j = 0; j < 16; ++j) {
            low_sum = _mm512_dpbf16_ps(low_sum, (__m512bh)low[j], ones);
            high_sum = _mm512_dpbf16_ps(high_sum, (__m512bh)high[j], ones);
          }
          transpose(low);
          transpose(high);
          for (int j = 0; j < 16; ++j) {
            _mm512_storeu_si512(lines + j * line + k, low[j]);
            _mm512_storeu_si512(lines + (16 + j) * line + k, high[j]);
          }
        }
        for (int s = 0; s < 3; ++s)
          for (int64_t k = 0; k < count; ++k) {
            uint16_t* to = a + 2 * s * half + group.tile(y, k) * kTile;
            for (int j = 0; j < 32; ++j)
              _mm512_storeu_si512(
                  to + j / 16 * half + j % 16 * 32,
                  _mm512_maskz_loadu_epi16(inside[s * count + k], lines + j * line + 32 * k + 1 - s));
          }
      }
      _mm512_storeu_ps(sums, low_sum);
      _mm512_storeu_ps(sums + 16, high_sum);
      constexpr int64_t piece = 8;  // tiles whose a and b stay in the L1 cache for all nine shifts
      for (int64_t i = 0; i < inputs; i += 32)
        for (int64_t stack = 0; stack < group.tiles; stack += group.stack)
          for (int64_t start = 0; start < group.stack; start += piece)
            for (int s = 0; s < 3; ++s)
              for (int r = 0; r < 3; ++r) {
                const int64_t rows = (r - 1) * group.band, begin = std::max(start, rows);
                const int64_t end = std::min({start + piece, group.stack, group.stack + rows});
                if (begin < end)
                  add_product(a + 2 * s * half + (stack + begin - rows) * kTile,
                              b + i / 16 * half + (stack + begin) * kTile, half, end - begin,
                              dw + o * row + (r * 3 + s) * padded(inputs) + i, row);
              }
    }
  }
  _tile_release();
}

#endif

}  // namespace

// What Python calls, by ctypes. Images are (N, H, W, C) in memory, float32 or, where `bfloat16` is not 0, of that type;
// all else is float32. threads: of the OpenMP that torch uses, so that both share them.
extern "C" {

// shift: (N, C) or null; gamma, beta: (C). Fills y, and mean and rstd: (N, groups).
void norm_silu(int64_t bfloat16, int64_t threads, int64_t images, int64_t channels, int64_t pixels, int64_t groups,
               double eps, const void* x, const float* shift, const float* gamma, const float* beta, void* y,
               float* mean, float* rstd) {
  const Shape s{images, channels, pixels, groups};
  auto run = [&](auto zero) {
    using T = decltype(zero);
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < images; ++i) {
      const int64_t at = i * channels * pixels;
      forward_image<T>(s, static_cast<const T*>(x) + at, row(shift, i, channels), gamma, beta, eps,
                       static_cast<T*>(y) + at, mean + i * groups, rstd + i * groups);
    }
  };
  bfloat16 ? run(uint16_t{}) : run(float{});
}

// Fills dx, and one row an image of dshift (or null), dgamma and dbeta, whose sums over the images are the gradients of
// the last two.
void norm_silu_gradient(int64_t bfloat16, int64_t threads, int64_t images, int64_t channels, int64_t pixels,
                        int64_t groups, const void* dy, const void* x, const float* shift, const float* gamma,
                        const float* beta, const float* mean, const float* rstd, void* dx, float* dshift,
                        float* dgamma, float* dbeta) {
  const Shape s{images, channels, pixels, groups};
  auto run = [&](auto zero) {
    using T = decltype(zero);
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < images; ++i) {
      const int64_t at = i * channels * pixels, c = i * channels;
      backward_image<T>(s, static_cast<const T*>(dy) + at, static_cast<const T*>(x) + at, row(shift, i, channels),
                        gamma, beta, mean + i * groups, rstd + i * groups, static_cast<T*>(dx) + at,
                        dshift ? dshift + c : nullptr, dgamma + c, dbeta + c);
    }
  };
  bfloat16 ? run(uint16_t{}) : run(float{});
}

#ifdef HAS_AMX
// dy: (N, H, W, O), x: (N, H, W, I), bfloat16. Adds to dw: (threads, O, 3, 3, I), db: (threads, O), channels padded to
// multiples of 32; their sums over the threads are the gradients.
void weight_gradient(int64_t threads, int64_t images, int64_t outputs, int64_t inputs, int64_t height, int64_t width,
                     const uint16_t* dy, const uint16_t* x, float* dw, float* db) {
  const Group group(images, height, width);
  const int64_t groups = (images + group.images - 1) / group.images, O = padded(outputs), I = padded(inputs);
#pragma omp parallel for num_threads(threads)
  for (int64_t share = 0; share < threads; ++share)
    add_weight_gradient(images, outputs, inputs, height, width, dy, x, group, share * groups / threads,
                        (share + 1) * groups / threads, dw + share * O * 9 * I, db + share * O);
}
#endif
}
