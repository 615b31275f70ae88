// What an engine says of a run: the messages, and the results in them. ui/runs/protocol.py has the same types. A sprite is pictures beside each other.

/** @import { Sprite } from "../drawing/sprite.js" */
/** @import { State } from "./stream.js" */

/**
 * @template [R=Result]
 * @typedef {object} Message
 * @property {string} run
 * @property {number} seq 1, 2, …
 * @property {State} state
 * @property {string} text
 * @property {number | null} progress 0 to 1
 * @property {number | null} left seconds
 * @property {R[]} results what has been computed since the last message
 */

/**
 * @typedef {object} Opening what the engine has read before the first step; the page's own plan adds the rest
 * @property {"plan"} kind
 * @property {string[]} [words] the prompt of one lane, as the model reads it
 * @property {string[]} [unknown] words that are new to a model
 * @property {number[][] | null} [published] what the paper has of these pictures
 */

/**
 * The pictures after step k of a lane: x is x_s, x0 is x̂_0 as seen from x_t. Long runs are thinned: not every k comes.
 * @typedef {object} Frame
 * @property {"frame"} kind
 * @property {number} lane
 * @property {number} k
 * @property {number} sigma
 * @property {Sprite} x
 * @property {Sprite} x0
 * @property {Sprite} [z] of a latent model: x as it is, a pixel for each latent
 * @property {Sprite} [z0] likewise x̂_0
 * @property {boolean} [decoded] whether x and x0 are decoded; else they are previews
 * @property {[number, number][]} [apart] of a touched lane, how far each picture is from lane A's: the mean of |A − B| in
 *   grey levels, and the share of pixels in which they differ
 * @property {Sprite} [attention] where each word is looked at: pictures with a row for each word
 */

/**
 * @typedef {object} Source a picture on its way or final
 * @property {"source"} kind
 * @property {number} i
 * @property {Sprite} x
 * @property {boolean} final
 */

/**
 * @typedef {object} Head beside a row: what it began with, or where its pictures differ
 * @property {"latent" | "map"} kind
 * @property {number} row
 * @property {Sprite[]} x
 */

/**
 * @typedef {object} Step
 * @property {"step"} kind
 * @property {number} row
 * @property {number} k
 * @property {number} s
 * @property {Sprite} x0
 * @property {Sprite} [x]
 */

/**
 * @typedef {object} Row the end of a row; in grey levels
 * @property {"row"} kind
 * @property {number} row
 * @property {number} spread
 * @property {number} [gap]
 */

/**
 * @typedef {object} Cells pictures beside each other, and their places
 * @property {"cells"} kind
 * @property {number[]} cells
 * @property {Sprite} x
 */

/**
 * @typedef {object} Training how one in the plane goes
 * @property {"training"} kind
 * @property {number} steps
 * @property {[number, number][]} curve step and loss
 * @property {number} least the loss of the exact ε
 * @property {Int16Array | null} x a small cloud of the network as it is; null when the training is done
 */

/**
 * @typedef {object} Cloud points of the plane
 * @property {"frame"} kind
 * @property {number} lane
 * @property {number} s
 * @property {number} alpha_bar of s
 * @property {number} reach how far the plane is seen at s
 * @property {Int16Array} x
 * @property {Int8Array | null} field the network's score; null for the exact one
 */

/**
 * @typedef {object} Decoding the receiver's guesses: pictures for each picture
 * @property {"decoding"} kind
 * @property {number[]} times
 * @property {Sprite[]} rows
 */

/**
 * @typedef {object} Early the first picture, by a short chain
 * @property {"early"} kind
 * @property {number} steps
 * @property {number} bits
 */

/**
 * @typedef {object} Curves at the times
 * @property {number[]} L
 * @property {number[]} rate
 */

/**
 * @typedef {object} Bits means over the pictures so far
 * @property {"bits"} kind
 * @property {number} done pictures
 * @property {Record<string, Record<string, [number, number | null, number, number]>>} chains by variance and steps: bits, error, prior, L_0
 * @property {Record<string, Curves>} curves by variance, at the times
 * @property {number[]} rmse at the times, on the scale 0 to 255
 * @property {number[]} times ascending
 */

/** @typedef {Opening | Frame | Source | Head | Step | Row | Cells | Training | Cloud | Decoding | Early | Bits} Result */

export {};
