// The states of a training, and the buttons of each state. This module uses no element of the page, so that node can
// test it.

/** @import { Action, Standing } from "./words.js" */

/**
 * For each state, the state that follows each event. Other events do not change the state. "kept": the page was
 * reloaded and has restored a training. "preparing": the pictures are being read.
 * @type {Record<Standing, Record<string, Standing>>}
 */
export const NEXT = {
  idle: { begin: "preparing", find: "kept", open: "finished" },
  kept: { begin: "preparing", resume: "starting" },
  preparing: { begin: "preparing", learn: "starting", stop: "idle", fail: "failed" },
  starting: {
    ...{ begin: "preparing", stop: "stopped", fail: "failed" },
    ...{ running: "running", paused: "paused", stopped: "stopped", finished: "finished" },
  },
  running: { begin: "preparing", paused: "paused", stopped: "stopped", finished: "finished", fail: "failed" },
  paused: { begin: "preparing", running: "running", stopped: "stopped", finished: "finished", fail: "failed" },
  stopped: { begin: "preparing", resume: "starting", fail: "failed" },
  finished: { begin: "preparing", fail: "failed" },
  failed: { begin: "preparing", resume: "starting" },
};

/**
 * What the part shows in each state. buttons: in the order of the page; the first one is the main button. works:
 * whether the training uses the processor. model: whether the model can be used and saved.
 * @type {Record<Standing, { buttons: Action[], works: boolean, model: boolean }>}
 */
export const SHOWS = {
  idle: { buttons: ["start"], works: false, model: false },
  kept: { buttons: ["resume", "start"], works: false, model: true },
  preparing: { buttons: ["stop"], works: true, model: false },
  starting: { buttons: ["stop"], works: true, model: false },
  running: { buttons: ["pause", "stop"], works: true, model: true },
  paused: { buttons: ["resume", "stop"], works: false, model: true },
  stopped: { buttons: ["resume", "start"], works: false, model: true },
  finished: { buttons: ["start"], works: false, model: true },
  failed: { buttons: ["start", "resume"], works: false, model: false },
};
