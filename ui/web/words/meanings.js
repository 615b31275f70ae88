// Explanations of symbols and words. A press on a line below the results opens them.

export const MEANINGS = {
  "x₀": "a clean picture: for each pixel and colour a number from −1, dark, to 1, bright",
  xₜ: "the picture at time t, with noise in it: the next step starts from it. x_T is only noise",
  "x̂₀": "the finished picture as the network guesses it from xₜ (Eq. 15)",
  y: "the part of the picture that is not erased",
  seed: "a number that fixes all the noise: the same seed gives the same noise",
  step: "which reverse step made this picture, of how many",
  t: "time, the level of noise: T (1000 for most models) is pure noise, 0 the clean picture. a → b: before and after a step",
  ε: "noise: a draw of the bell curve N(0, 1), with mean 0 and deviation 1, for each pixel and colour",
  βₜ: "variance of the noise of one small step (Eq. 2). Used for a step back, it is the upper limit",
  β̃ₜ: "variance of the step back if x₀ is known (Eq. 7): the lower limit, 0 at the last step",
  analytic: "the noise between βₜ and β̃ₜ that is best for this network, computed from the size of its errors",
  ᾱ: "share of the picture's variance that is left in xₜ: xₜ = √ᾱ·x₀ + √(1 − ᾱ)·ε (Eq. 4)",
  SNR: "signal-to-noise ratio of the schedule, ᾱ / (1 − ᾱ), for a picture of variance 1. Most pictures have less variance: multiply SNR by it",
  σ: "standard deviation of the fresh noise this step adds (σ · 127.5 in grey levels of 0…255). The mean of a DDPM step has too little noise, so the step adds noise. DDIM (η = 0) keeps enough old noise: its σ is 0",
  μ̃ₜ: "the mean of the step back: the average xₜ₋₁, if x₀ and xₜ are known",
  "q( )": "how likely each value is when noise is added; q(a | b): if b is known",
  "grey levels": "units of brightness: 0 is black, 255 white",
  apart: "how much the pictures of a row differ: the standard deviation over all of them and their pixels",
  DDPM: "the paper's sampler: a step goes to the mean of all possible xₜ₋₁, and adds fresh noise",
  DDIM: "a sampler that adds no fresh noise (η = 0): one path leads from x_T to x₀, so fewer steps are enough",
  "DPM++, UniPC": "like DDIM, but a step also uses the previous guess, so even fewer steps are enough",
  latent: "a small array that a decoder turns into a picture; also the noisy picture xₜ, which the chain decodes",
  attention: "how much each position of the picture takes from a word: bright is much",
  "bits/dim": "bits for each colour of each pixel: 8 without a model; a better model needs fewer",
  "L₀, L_T": "the bits of the last step, for the finest details; the bits of x_T, which is almost only noise",
  rate: "the bits/dim that are sent before the receiver has xₜ",
  RMSE: "root mean square error: how far a guess is from the picture, in grey levels",
  linspace: "steps at evenly spaced times",
  "±": "standard error: how much the mean would vary by chance",
  "exact ε":
    "the best possible guess of the noise, which a formula gives here; a trained ε is the guess of a small network",
  score: "∇ log q(xₜ): the direction in which the points become denser; a longer arrow means faster",
  spread: "how far the points lie from their mean: the sum of both variances, the trace of the covariance",
  marginal: "how often each value of one of the two coordinates occurs",
  "U-Net":
    "the network: it makes the picture smaller and larger again in many layers, and returns a number for each pixel",
  block: "a few layers of the network: on the way down they make the picture smaller, on the way up larger again",
  skips: "numbers that a block on the way up takes directly from the way down, at the same size",
  channels: "the maps of numbers that a block computes",
  "self-attention": "each position of the picture takes something from all other positions",
  "share, %":
    "R²: how much of the guess x̂₀ a linear probe (reader) finds in the numbers of a block, measured on new runs",
  weights: "the numbers of the network that training changes",
  "moving average":
    "of the weights over the last steps (EMA). Single steps go too far in one direction or another; the average does not",
  "error of the guess":
    "root mean square of x̂₀ − x₀ in grey levels, on the same noised pictures. So you can compare two networks by it",
  loss: "the number that training makes smaller. Don't compare it between networks with another prediction, weighting or choice of t",
  "Eq., Fig.": "equations and figures of the paper: Ho, Jain & Abbeel 2020",
};

/** The entries about samplers and their noise. */
export const WAYS = /** @type {const} */ (["DDPM", "DDIM", "DPM++, UniPC", "βₜ", "β̃ₜ", "analytic"]);

/** The entries that every list of explanations has. */
export const EVERYWHERE = /** @type {const} */ (["t", "x₀", "xₜ", "x̂₀", "ε", "seed", "grey levels", "Eq., Fig."]);

export const TITLE = "What do these mean?";
