// The titles, labels and explanations of the form fields of the part "Train".

import { RUN } from "../../words/forms.js";

/** @import { FieldWords } from "../../words/forms.js" */

/** @satisfies {Record<string, FieldWords>} */
export const FIELDS = {
  data: {
    title: "kind of pictures",
    label: "Pictures",
    titles: { digits: "3,000 digits", drawings: "My drawings", own: "My pictures" },
  },
  two: { title: "Two networks" },
  prediction: {
    title: "prediction",
    label: "The network predicts",
    titles: { v: "a mix, v", epsilon: "the noise, ε", x0: "the picture, x₀", flow: "a flow" },
    sentences: {
      v: "A mixture of noise and picture. It is about equally hard at every t.",
      epsilon: "As in the paper. At large t, a small error is a large error of the picture.",
      x0: "The picture. At small t, the input already shows it.",
      flow: "The way from picture to noise, ε − x₀, in a straight line.",
    },
  },
  objective: {
    title: "loss",
    label: "Which t it sees most",
    titles: { lognormal: "middle t", uniform: "every t", min_snr: "weighted" },
    sentences: {
      lognormal: "The t at which shapes are decided (Karras et al. 2022).",
      uniform: "All t equally often, as in the paper (Eq. 14). At half of them, almost all is noise.",
      min_snr: "All t equally often. The loss is weighted by the SNR, up to 5 (Hang et al. 2023).",
    },
  },
  schedule: { title: "schedule", label: "Schedule of the noise", titles: { linear: "linear", cosine: "cosine" } },
  width: {
    title: "width",
    label: "Width of the network",
    titles: { "8 16 32": "half", "16 32 64": "as usual", "32 64 128": "double" },
    sentences: {
      "8 16 32": "8, 16 and 32 channels. A quarter of the weights: quicker, coarser.",
      "16 32 64": "16, 32 and 64 channels, as in the digits model of this page.",
      "32 64 128": "32, 64 and 128 channels. Four times the weights: slower.",
    },
  },
  rate: {
    title: "learning rate",
    titles: { 0.001: "0.001", 0.003: "0.003", 0.012: "0.012" },
    sentences: {
      0.001: "Small steps: steady, and slower.",
      0.003: "Suits these networks.",
      0.012: "Large steps: quick at first, but they may go too far.",
    },
  },
  batch: { title: "batch", label: "Pictures of a step" },
  average: { title: "average", label: "Average the weights", help: "Samples use the average over many steps (EMA)." },
  length: {
    title: "length",
    titles: { 12800: "short", 25600: "as usual", 64000: "long" },
    sentences: {
      12800: "The network sees 12,800 pictures.",
      25600: "The network sees 25,600 pictures.",
      64000: "The network sees 64,000 pictures.",
    },
  },
  seed: { ...RUN.seed, help: "Fixes the first weights and all noise" },
};
