// Group normalisation of x + shift, then SiLU, in one pass over images whose channels lie innermost, and its gradient.
//
// x is read twice and the result written once; everything between stays in registers. An image is one thread's work
// from end to end, so that results don't depend on the number of threads.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

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
}
