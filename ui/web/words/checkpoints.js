// The words about checkpoints: short names and notes. The facts come from ui/models/catalogue.py.

import { countOfSteps, duration, megabytes, SAMPLER } from "./units.js";

/** @import { ModelChoice } from "../messages/protocol.d.ts" */

/** For each known checkpoint, its short name and a note. @type {Record<string, [string, string]>} */
const KNOWN = {
  "google/ddpm-cifar10-32": ["CIFAR-10 32", "the paper's, not EMA"],
  "google/ddpm-ema-bedroom-256": ["Bedroom 256", "EMA"],
  "google/ncsnpp-bedroom-256": ["Bedroom 256, score", ""],
  "openai/diffusers-cd_bedroom256_lpips": ["Bedroom 256 in 2 steps", "LPIPS"],
  "openai/diffusers-cd_bedroom256_l2": ["Bedroom 256 in 2 steps, L2", "L2"],
  "openai/diffusers-ct_bedroom256": ["Bedroom 256 in 2 steps, CT", ""],
  "google/ddpm-ema-church-256": ["Church 256", "EMA"],
  "google/ncsnpp-church-256": ["Church 256, score", ""],
  "google/ddpm-ema-cat-256": ["Cat 256", "EMA"],
  "openai/diffusers-cd_cat256_lpips": ["Cat 256 in 2 steps", "LPIPS"],
  "openai/diffusers-cd_cat256_l2": ["Cat 256 in 2 steps, L2", "L2"],
  "openai/diffusers-ct_cat256": ["Cat 256 in 2 steps, CT", ""],
  "google/ddpm-ema-celebahq-256": ["CelebA-HQ 256", "EMA"],
  "CompVis/ldm-celebahq-256": ["CelebA-HQ 256, latent", "64×64 latents"],
  "facebook/DiT-XL-2-256": ["ImageNet 256", "learned variance"],
  "stabilityai/sd-turbo": ["SD-Turbo", "takes prompts, 1 to 4 steps"],
  "stable-diffusion-v1-5/stable-diffusion-v1-5": ["Stable Diffusion 1.5", "takes prompts, very slow on a CPU"],
  "mnist-tiny": ["Digits", "clear and fast"],
  "cifar10-tiny": ["CIFAR-10 tiny", "in colour, rough"],
  "emoji-tiny": ["Emoji", "draws your prompt"],
  "mnist-tiny-consistency": ["Digits student", "1 to 4 steps"],
  "mnist-tiny-2-steps": ["Digits student", "2 steps"],
  "cifar10-tiny-4-steps": ["CIFAR-10 student", "4 steps"],
  "cifar10-tiny-2-steps": ["CIFAR-10 student", "2 steps"],
  "emoji-tiny-3-steps": ["Emoji student", "3 steps"],
};
/** The names of training sets, by their codes. @type {Record<string, string>} */
export const DATA = {
  ...{ cifar10: "CIFAR-10", bedroom: "LSUN bedroom", church: "LSUN church", cat: "LSUN cat" },
  ...{ celebahq: "CelebA-HQ", imagenet: "ImageNet, by class", words: "Prompts" },
};
/** @type {Record<string, string>} */
const FAMILY = {
  ...{ ddpm: "DDPM", score: "score SDE", distilled: "consistency, distilled", alone: "consistency, without a teacher" },
  ...{ latent: "latent diffusion", dit: "DiT" },
};
const REASONS = { offline: "not available offline", missing: "not found", download: "" };
/** Prompts to try. The training pictures of emoji-tiny lacked some of these things, colours and moods. */
export const PROMPTS = [
  ...["red apple", "green apple", "blue apple", "red heart", "fox", "green fox", "cat face", "winking dog face"],
  ...["smiling face", "smiling face with sunglasses", "pizza", "rocket"],
];
// Measured TFLOP/s of pixel networks on two cores in bf16, with AMX and without AMX
const SPEEDS = [1.45, 0.27];

/** Return the short name of a checkpoint. @param {string} ref @returns {string} */
export const nameOf = (ref) =>
  Object.hasOwn(KNOWN, ref) ? KNOWN[ref][0] : (ref.replace(/\/+$/, "").split("/").at(-1) ?? ref);

/** Estimate how long a picture takes on two CPU cores, "" if `tflop` is 0. @param {number} steps @param {number} tflop of one step */
function forecast(steps, tflop) {
  const [low, high] = SPEEDS.map((speed) => duration((steps * tflop) / speed));
  return tflop ? `${low} to ${high} on two cores` : "";
}

/**
 * Return the text behind a model's name in the list of models. If the model can't be chosen, the text says why.
 * @param {ModelChoice} model
 */
export function aboutOf({ ref, group, family, steps = 0, gigabytes, tflop = 0, state, bytes }) {
  const special = Object.hasOwn(KNOWN, ref) ? KNOWN[ref][1] : "";
  const parts = family
    ? [FAMILY[family], steps ? countOfSteps(steps) : "", special, forecast(steps, tflop)]
    : [special];
  if (state === "download") parts.push(bytes ? `${megabytes(bytes)} download` : "download");
  else if (group === "hub" && gigabytes) parts.push(`about ${gigabytes} GB`);
  else if (bytes) parts.push(megabytes(bytes));
  if (state) parts.push(REASONS[state]);
  return parts.filter(Boolean).join(" · ");
}

/** The titles of a score model's variances. They name the samplers of these variances as the model's authors did. */
export const OF_SCORES = { beta: "reverse diffusion, βₜ", beta_tilde: "ancestral sampler, β̃ₜ" };

/** Return a sentence about a model's unusual choices, "" for an ordinary model. @param {{ variance: string, snr: number | null }} facts @param {string | null} sampler a student's only sampler */
export function note({ variance, snr }, sampler) {
  if (sampler)
    return `It has learned ${SAMPLER[sampler]} steps only: no other sampler is possible, and no bits per dimension.`;
  if (variance.startsWith("learned")) return "It has learned its variance, too: the third choice beside βₜ and β̃ₜ.";
  if (snr !== null)
    return "A score model: βₜ is its authors’ reverse diffusion, β̃ₜ Song’s ancestral sampler, of the same mean.";
  return "";
}

/** Return the estimate of a run that first downloads models. @param {{ ref: string, bytes: number }[]} missing @param {string} time of the run after the download */
export function downloads(missing, time) {
  const size = megabytes(missing.reduce((sum, { bytes }) => sum + bytes, 0));
  return `Run downloads ${missing.map(({ ref }) => ref).join(" and ")} first (${size}) · ${time}`;
}
