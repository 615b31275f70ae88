// The recording of a run: its plan, and the frames that have arrived. A frame is the pictures of a step. A lane is one
// of the runs that are shown together, A or B.

/** @import { LaneFrame } from "../messages/protocol.d.ts" */
/** @import { Row } from "../process/runs.js" */

/**
 * The plan of a run, which is its first result.
 * @typedef {object} Plan
 * @property {"plan"} kind
 * @property {string} title
 * @property {string} heading the title in two words
 * @property {string} caption says what to look for in two lanes, or is ""
 * @property {number} size of a picture, pixels a side
 * @property {number} [latent] width of x in latent pixels; undefined if x is a picture
 * @property {string[]} [words] the words of the prompt
 * @property {number} count number of pictures in a sprite
 * @property {boolean} pixelated whether pictures are enlarged without smoothing
 * @property {string[]} seeds of the pictures
 * @property {number} T
 * @property {Lane[]} lanes
 * @property {number | null} [split] step after which the visitor changes x of lane B; until then both lanes are equal
 * @property {boolean} [colours] whether the pictures have colours
 * @property {string} [untouchable] why the visitor can't change a state of this run, or ""
 */

/** @typedef {{ name: string, steps: Row[], settings: Record<string, unknown> }} Lane */

/** @typedef {Plan | LaneFrame} Result */
/** @typedef {LaneFrame & { step: Row }} Held a frame with its step */
/** @typedef {{ name: string, steps: Row[], sigma: (number | null)[], frames: Held[] }} RecordedLane */

/**
 * Return σ of the noise that a lane's last step but one adds, in grey levels, or Infinity if the network decides this
 * σ.
 * @param {RecordedLane} lane
 */
export const lastAdded = ({ sigma }) => (sigma.length > 1 ? (sigma.at(-2) ?? Infinity) * 127.5 : 0);

/**
 * A run with the ticks of its slider. There is a tick for each value of s in any lane, from noisy to clean. With one
 * lane, the tick is the step's number k.
 */
export class Recording {
  /** @type {Plan | null} */
  plan = null;
  /** @type {RecordedLane[]} */
  lanes = [];
  /** @type {number[]} */
  ticks = [];
  /** The tick of each s. @type {Map<number, number>} */
  tickOf = new Map();
  /** The ticks that have a frame, ascending. @type {number[]} */
  held = [];
  count = 0; // number of frames that have arrived

  /** The last tick that has a frame. */
  get newest() {
    return this.held.at(-1) ?? 0;
  }

  /** Add the plan or a frame. @param {Result} result */
  add(result) {
    if (result.kind === "plan") this.#begin(result);
    else this.#addFrame(result);
  }

  /** Begin the recording with the plan. @param {Plan} plan */
  #begin(plan) {
    this.plan = plan;
    this.lanes = plan.lanes.map(({ name, steps }) => {
      return { name, steps, sigma: steps.map((step) => step[3]), frames: [] };
    });
    const times = this.lanes.flatMap(({ steps }) => steps.map(([, s]) => s));
    this.ticks = [...new Set(times)].sort((a, b) => b - a);
    this.tickOf = new Map(this.ticks.map((s, tick) => [s, tick]));
  }

  /** Add a frame to its lane, unless the lane has a frame of this step. @param {LaneFrame} frame */
  #addFrame(frame) {
    const { k, sigma } = frame;
    const lane = this.lanes[frame.lane];
    const step = lane?.steps[k];
    if (!step || lane.frames.some((frame) => frame.k === k)) return;
    lane.sigma[k] = sigma;
    lane.frames.push({ ...frame, step });
    lane.frames.sort((a, b) => a.k - b.k);
    const tick = this.tickOf.get(step[1]) ?? 0;
    if (!this.held.includes(tick)) this.held.push(tick);
    this.held.sort((a, b) => a - b);
    this.count += 1;
  }

  /**
   * Return for each lane its newest frame at a tick, or undefined before the lane's first frame.
   * @param {number} tick
   */
  framesAt(tick) {
    return this.lanes.map(({ frames }) => frames.findLast((frame) => frame.step[1] >= this.ticks[tick]));
  }
}
