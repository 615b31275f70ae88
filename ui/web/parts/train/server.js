// What the part is given and what it can ask, ui/parts/training.py.

/** @typedef {{ public: boolean, drawings?: Drawings }} Given */

/**
 * What the sheet is like, ABOUT of ui/training/drawings.py.
 * @typedef {object} Drawings
 * @property {number} side pixels
 * @property {number} units of a stroke's coordinates in a pixel
 * @property {number} fewest
 * @property {number} most
 * @property {string} how they are learned
 */
/** @typedef {[step: number, loss: number | null, imagesPerSecond: number | null, seconds: number]} Point */

/**
 * Samples of a step; pictures are data-URIs.
 * @typedef {object} Grid
 * @property {number} step
 * @property {number} seconds of training, until then; 0 where that says nothing, in the recorded run
 * @property {number | null} error of x̂_0 with the moving average, in grey levels
 * @property {string} ema with the moving average
 * @property {string} raw with the weights themselves
 * @property {string} [pairs] those of `ema`, each beside the nearest drawing of the visitor's
 * @property {number} [likeness] how far they are from it, as a share of how far the drawings are from each other
 */

/**
 * idle: there is no run. starting: no samples yet. waiting: likewise, as others compute. silent: a followed run that says nothing any more.
 * @typedef {"idle" | "starting" | "waiting" | "running" | "pausing" | "paused" | "stopping" | "stopped" | "finished" | "error" | "silent"} State
 */

/**
 * The state of the visitor's run, and with it what the page does not know yet. `version` changes when what was known no
 * longer holds; `from`: how many points and grids the new ones follow.
 * @typedef {object} Answer
 * @property {State} state
 * @property {number} number of the run, counted by visitor
 * @property {string} [text]
 * @property {string} [title]
 * @property {string} [recipe] the same for runs whose losses can be compared
 * @property {string | null} [followed] a folder
 * @property {number} [step]
 * @property {number | null} [left] seconds
 * @property {boolean} [saved] whether there is a model
 * @property {number} [version]
 * @property {[points: number, grids: number]} [from]
 * @property {Point[]} [points]
 * @property {Grid[]} [grids]
 * @property {boolean} [more] grids are left: ask again at once
 * @property {number} [total] steps
 * @property {number} [batch] images a step
 * @property {number} [classes]
 * @property {undefined} [error]
 */

/** @typedef {{ number: number, version: number, points: number, grids: number }} LookAsked */
/** @typedef {"pause" | "resume" | "stop" | "hurry" | "keep"} Command */

export {};
