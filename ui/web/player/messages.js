// What Python writes to the player, ui/runs/frames.py: every message is one of these. A run's messages are numbered; old
// and repeated ones are dropped, since gradio may lose one and a page may get those of a run it has left.

/**
 * How a run stands. The last message of a run is "stopped", "finished" or "error".
 * @typedef {"queued" | "loading" | "waiting" | "running" | "stopping" | "stopped" | "finished" | "error"} State
 */

/**
 * @typedef {object} Message
 * @property {string} run which run this is of
 * @property {number} seq 1, 2, …
 * @property {State} state
 * @property {string} text the state in words, or "" for the usual ones
 * @property {number | null} progress from 0 to 1, where it is known
 * @property {number | null} left seconds
 * @property {Plan} [plan] once, with the first frame or before
 * @property {Frame[]} [frames] those since the last message
 */

/**
 * What a run is going to do.
 * @typedef {object} Plan
 * @property {unknown[]} settings what the controls said
 * @property {string} title
 * @property {string} caption what there is to see in two lanes, or ""
 * @property {number} size pixels a side
 * @property {number} count pictures in a sprite
 * @property {boolean} pixelated enlarged without smoothing
 * @property {string[]} seeds of the pictures
 * @property {number} T
 * @property {Lane[]} lanes
 */

/**
 * @typedef {object} Lane
 * @property {string} name
 * @property {Step[]} steps
 */

/**
 * A reverse step t → s. σ is null where only the network knows it.
 * @typedef {[t: number, s: number, alphaBar: number, sigma: number | null]} Step
 */

/**
 * The pictures after step k of a lane, as data-URIs of sprites, `count` pictures side by side: x is x_s, x0 is x̂_0 as
 * seen from x_t. Long runs are thinned: not every k comes.
 * @typedef {object} Frame
 * @property {number} lane
 * @property {number} k
 * @property {string} x
 * @property {string} x0
 * @property {number} sigma
 */

/** States in which a run computes, or is going to. "starting" is the page's own, before the first message. */
export const ACTIVE = new Set(["starting", "queued", "loading", "waiting", "running", "stopping"]);

/** @type {Record<State | "idle" | "starting", string>} */
export const STATES = {
  idle: "Ready",
  starting: "Starting…",
  queued: "Waiting in the queue",
  loading: "Loading the model",
  waiting: "Finishing the previous step",
  running: "Running",
  stopping: "Stopping after this step",
  stopped: "Stopped: the frames so far are kept",
  finished: "Finished",
  error: "The run failed",
};
