// What the Plane tab is given, what it can ask, and what a run sends: ui/tabs/plane/handlers.py and job.py.

/** @import { Refusal } from "../shared/answers.js" */

/**
 * What is wanted, as ui/tabs/plane/wanted.py checks it; also the keys of an address.
 * @typedef {Record<string, string | number>} Values
 */

/** @typedef {{ centres: number[], width: number }} Data x₁, x₂ of each centre in turn */

/**
 * @typedef {object} Server
 * @property {(asked: Values) => Promise<{ estimate: string, python: string, data: Data, lanes: string[], error?: undefined } | Refusal>} describe_run
 */

/**
 * @typedef {object} Given
 * @property {number} MAX_SEED
 * @property {number} DRAWN points of a drawing, at most
 * @property {number} UNIT of coordinates
 * @property {number} ARROWS a side of a field
 * @property {number} ARROW_UNIT of their lengths
 */

/**
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {number} T
 * @property {number} count
 * @property {Data} data
 * @property {{ name: string, denoiser: string, times: number[] }[]} lanes times: s of the frames that are to come, from T down to 0
 */

/**
 * How a training goes.
 * @typedef {object} Training
 * @property {"training"} kind
 * @property {number} steps
 * @property {[step: number, loss: number][]} curve
 * @property {number} least the loss of the exact ε
 * @property {string | null} x a small cloud of the network as it is, int16; null when the training is done
 */

/**
 * A cloud.
 * @typedef {object} FrameResult
 * @property {"frame"} kind
 * @property {number} lane
 * @property {number} s
 * @property {number} alpha_bar of s
 * @property {number} reach how far the plane is seen at s
 * @property {string} x int16
 * @property {string | null} field the network's score, int8; null for the exact one
 */

/** @typedef {Plan | Training | FrameResult} Result */

export {};
