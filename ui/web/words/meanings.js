// Explanations of symbols and words. A line below the results opens them.

export const MEANINGS = {
  "x₀": "a clean picture: for each pixel and colour a number from −1, dark, to 1, bright",
  xₜ: "the picture at time t, with noise in it: what the next step starts from. x_T is noise alone",
  "x̂₀": "the finished picture as the network guesses it from xₜ (Eq. 15)",
  y: "what is left of the picture",
  seed: "a number that fixes all the noise: the same seed gives the same noise",
  step: "which reverse step made this picture, of how many",
  t: "time, the level of noise: T (1000 for most models) is pure noise, 0 the clean picture. a → b: before and after a step",
  ε: "noise: a draw of the bell curve N(0, 1), with mean 0 and deviation 1, for each pixel and colour",
  βₜ: "variance of the noise of one small step (Eq. 2). As the noise of a step back it is the most that makes sense",
  β̃ₜ: "variance of the step back where x₀ is known (Eq. 7): the least that makes sense, 0 at the last step",
  analytic: "the noise between βₜ and β̃ₜ that is best for this network, computed from how large its errors are",
  ᾱ: "share of the picture's variance still in xₜ: xₜ = √ᾱ·x₀ + √(1 − ᾱ)·ε (Eq. 4)",
  SNR: "signal-to-noise ratio of the schedule, ᾱ / (1 − ᾱ), as for a picture of variance 1. Most pictures have less variance: their own ratio is that variance times SNR",
  σ: "standard deviation of the fresh noise this step adds (σ · 127.5 in grey levels of 0…255). The mean of a DDPM step has too little noise, and σ makes up for it. DDIM keeps as much old noise as the network expects: with η = 0 its σ is 0",
  μ̃ₜ: "the mean of the step back: where xₜ₋₁ is on average, if x₀ and xₜ are known",
  "q( )": "how likely each value is when noise is added; q(a | b): if b is known",
  "grey levels": "units of brightness: 0 is black, 255 white",
  apart: "how much the pictures of a row differ: the standard deviation over all of them and their pixels",
  DDPM: "the paper's sampler: a step goes to the mean of what may come before xₜ, and adds fresh noise",
  DDIM: "a sampler that adds no fresh noise (η = 0): one path leads from x_T to x₀, so fewer steps are enough",
  "DPM++, UniPC": "like DDIM, but a step also looks at the guess before, so still fewer steps are enough",
  latent: "a code of a picture, from which it can be decoded; also xₜ, which the chain decodes",
  attention: "how much each place of the picture takes from a word: bright where it is much",
  "bits/dim": "bits for each colour of each pixel: 8 without any model, and the fewer the better it knows pictures",
  "L₀, L_T": "what the last step costs, for the finest details; and what x_T costs, which is almost noise alone",
  rate: "bits/dim that are sent until the receiver has xₜ",
  RMSE: "root mean square error: how far a guess is from the picture, in grey levels",
  linspace: "steps at evenly spaced times",
  "±": "standard error: how far chance may have moved a mean of so few",
  "exact ε": "the best possible guess of the noise, which a formula gives here; a trained ε is a small network's",
  score: "∇ log q(xₜ): the direction in which the points become denser, longer where they do so faster",
  spread: "how far the points lie from their mean: the sum of both variances, the trace of the covariance",
  marginal: "how often each value of one of the two coordinates occurs",
  "U-Net":
    "the network: it makes the picture smaller and larger again in many layers, and says a number for each pixel",
  block: "a few layers of the network: on the way down they make the picture smaller, on the way up larger again",
  skips: "what a block on the way up takes directly from the way down, at the same size",
  channels: "maps of numbers that a block computes, one beside the other",
  "self-attention": "each place of the picture takes something from all other places",
  "share, %":
    "R²: how much of the guess x̂₀ a linear reader finds in the numbers of a block, measured on runs that it was not fitted to",
  weights: "the numbers of the network that training changes",
  "moving average":
    "of the weights over the last steps (EMA): single steps go too far here and there, their mean does not",
  "error of the guess":
    "root mean square of x̂₀ − x₀ in grey levels, on the same noised pictures: it means the same for every network, so two of them can be compared",
  loss: "what the training makes smaller. With another prediction, weighting or choice of t it is another one, which can't be compared",
  "Eq., Fig.": "of the paper that all this is from: Ho, Jain & Abbeel 2020",
};

/** The entries about samplers and their noise. */
export const WAYS = /** @type {const} */ (["DDPM", "DDIM", "DPM++, UniPC", "βₜ", "β̃ₜ", "analytic"]);

/** The entries that every list of explanations has. */
export const EVERYWHERE = /** @type {const} */ (["t", "x₀", "xₜ", "x̂₀", "ε", "seed", "grey levels", "Eq., Fig."]);

export const TITLE = "What do these mean?";
