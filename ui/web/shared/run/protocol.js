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
 * @typedef {object} Block of a U-Net
 * @property {string} name
 * @property {number[]} shape channels, rows, columns
 * @property {string} parts its layers
 */

/**
 * What `python -m benchmarks inside` found.
 * @typedef {object} Figures
 * @property {number} seeds
 * @property {number} steps
 * @property {"right" | "rms"} unit the share of runs that show the class asked for, or the distance from the whole runs
 * @property {Record<string, number> | null} judge
 * @property {number} whole of the whole runs
 * @property {Record<string, Record<string, number>>} off without a part: in all steps, in the first half, in the second
 * @property {Record<string, number>} condition with the class in some steps only
 * @property {Record<string, Record<string, number>>} graft with the middle of a run of another class, by its steps
 */

/**
 * @typedef {object} Opening what the engine has read before the first step; the page's own plan adds the rest
 * @property {"plan"} kind
 * @property {string[]} [words] the prompt of one lane, as the model reads it
 * @property {string[]} [unknown] words that are new to a model
 * @property {number[][] | null} [published] what the paper has of these pictures
 * @property {Block[]} [blocks] of an opened network, in the order of the computation
 * @property {string[]} [skips] the coarsest first
 * @property {Record<string, number[]> | null} [r2] how well each block can be read at each step; null where no readers were fitted
 * @property {Figures | null} [figures] what was measured with parts switched off
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
 * @typedef {object} Look where a place looks in a layer of self-attention
 * @property {string} layer its name in the network
 * @property {Sprite} maps of its heads: the largest share is white
 */

/**
 * What an opened network gives at step k of a lane. The pictures of blocks are in their order.
 * @typedef {object} Inside
 * @property {"inside"} kind
 * @property {number} lane
 * @property {number} k
 * @property {number} t
 * @property {Sprite} x x_s
 * @property {Sprite} x0
 * @property {Sprite} channels of the chosen block, each from its darkest number to its brightest one
 * @property {Sprite[]} [read] what a reader finds of x̂_0 in each block
 * @property {Sprite[]} [colours] the numbers of each block as colours
 * @property {Look[]} [looks] where the chosen place looks
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

/** @typedef {Opening | Frame | Inside | Source | Head | Step | Row | Cells | Training | Cloud | Decoding | Early | Bits} Result */

export {};
