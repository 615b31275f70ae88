// What tabs with a model and a picture ask the server: ui/tabs/latents/chooser.py.

/** @typedef {{ text: string, uri: string, name?: string, error?: undefined }} Picture of the model's size */
/** @typedef {{ error: string }} Refusal a sentence for the user */

/**
 * @typedef {object} About a model
 * @property {[label: string, ref: string][]} choices of models
 * @property {string} name
 * @property {boolean} here its files are on the server's machine
 * @property {number[]} times of a latent's rows where none are chosen
 * @property {[least: number, most: number, usual: number]} steps of a chain
 * @property {[label: string, name: string][]} samplers
 * @property {[label: string, name: string][]} variances
 * @property {string[]} labels empty for a model without classes
 * @property {{ title: string, count: number } | null} set of pictures that comes with the page
 * @property {Picture[]} examples
 * @property {undefined} [error]
 */

/**
 * @typedef {object} PictureServer
 * @property {(asked: { checkpoint: string }) => Promise<About | (Refusal & { choices: [string, string][] })>} about_model
 * @property {(asked: { path: string }) => Promise<{ uri: string, width: number, height: number, error?: undefined } | Refusal>} whole_picture
 * @property {(asked: Record<string, unknown>) => Promise<Picture | Refusal>} fit_picture
 * @property {(asked: { text: string, checkpoint: string }) => Promise<Picture | Refusal>} known_picture
 */

export const NO_ANSWER = "The server did not answer: try again.";

/**
 * Whatever the server answers, or a sentence.
 * @template T
 * @param {Promise<T>} answer
 * @returns {Promise<T | Refusal>}
 */
export const asked = (answer) => answer.catch(() => ({ error: NO_ANSWER }));
