// The page's words: its places and keys, the bar of a run, the Share menu, and forms.

import { DATA } from "./checkpoints.js";
import { DECODED, DECODED_ALL } from "./player.js";
import { INSTALL } from "./wrong.js";

/** @import { ModelChoice } from "../messages/protocol.d.ts" */

export const NO_ANSWER = "The server did not answer: try again.";

/** The titles of places, by their names. @type {Record<string, string>} */
export const PLACES = {
  watch: "Watch",
  compare: "Compare",
  inside: "Look inside",
  train: "Train",
  course: "Course",
};

/**
 * Return the keys and their actions. behind: whether the key does nothing in the projector view.
 * @param {string[]} places titles of the places @returns {[keys: string, what: string, behind?: boolean][]}
 */
export const keysOf = (places) => [
  ["Space", "play, pause"],
  ["← →", "one step"],
  ["Home, End", "the first and the last"],
  [`1 … ${places.length}`, places.join(", "), true],
  ["R", "Run", true],
  ["S", "Share", true],
  ["F", "projector"],
  ["N, T, B, Q", "numbers, thumbnails, the brush of Watch, a large code of the link"],
  ["Tab", "all other controls"],
];

/** The reason why a part only has a recording in the edition without a server. @type {Record<string, string>} */
export const RECORDED = {
  likelihood: `This is a recorded measurement. The installed lab measures other pictures and models. ${INSTALL}`,
};

export const WORDS = {
  title: (/** @type {string} */ part) => `${part} · DDPM Lab`,
  keys: "Keys",
  letters: "Letters, numbers and ? work as keys",
  projector: "Projector",
  wall: "For the wall (F)",
  code: "QR code of the page's address",
  /** Sentences about who else in the room can open the page. */
  room: {
    alone: "Only this machine can open the page: start the app with --host 0.0.0.0 so that others can open it",
    nowhere: "This page has no address that others could open",
    static: "Everybody in the room can open this page's own address: nothing computes on a server.",
  },
  back: "Back to the page",
  theme: "Light or dark",
  lesson: (/** @type {number} */ at, /** @type {number} */ count) => ` ${at} of ${count}`,
  unloaded: "This part of the page could not be loaded: try again.",
  again: "The server answers again.",
  lost: "Connection lost. Trying again; you don't need to do anything.",
  four: "This browser already has four runs. Stop one of them in its window, or wait.",
  table: "Table",
  noCanvas: "this browser has no canvas",
  changedPixels: "Your browser changes the pixels of pictures. Allow this page to read canvases, then load it again.",
  play: "Play",
  pause: "Pause",
  past: "Your last runs",
};

/** The status line for each state of a run, if the engine sends no other sentence. @type {Record<import("../messages/protocol.d.ts").State | "idle" | "starting", string>} */
export const STATES = {
  idle: "Ready",
  starting: "Starting…",
  queued: "Waiting in the queue",
  loading: "Loading the model",
  running: "Running",
  stopping: "Stopping after this step",
  stopped: "Stopped: what is done is kept",
  finished: "Finished",
  error: "The run failed",
  lost: "Connection lost: looking for the run…",
};

/** The words of the bar of a run. */
export const RUN = {
  run: "Run",
  takes: (/** @type {string} */ time) => `Run, ${time}`,
  stop: "Stop",
  progress: "Progress of the run",
  gone: "The run was lost: Run starts it again",
  noModel: "The model of this run is not here any more: press Run",
  correct: (/** @type {string[]} */ fields) => `Correct ${fields.map((field) => `“${field}”`).join(", ")} first`,
  impossible: (/** @type {string[]} */ values) => `Not possible here: ${values.join(", ")}.`,
  changed: "Settings changed",
  left: (/** @type {string} */ time) => `${time} left`,
  done: (/** @type {number} */ percent, /** @type {string} */ left) => `${percent} % done. ${left}`,
  /** The announcement of an ended run: its state and a sentence about the outcome. A sentence that says that the run is finished stands alone. */
  ended: (/** @type {string} */ state, /** @type {string} */ outcome) =>
    [DECODED, DECODED_ALL].some((end) => outcome.startsWith(end)) ? outcome : `${state}. ${outcome}`,
  example: "Example",
  going: "This run",
  earlier: "Earlier run",
  /** The line that names the settings of the shown pictures. @type {(what: string, settings: string) => string} */
  of: (what, settings) => `${what}${settings ? `: ${settings}` : " with other settings"}`,
  recorded: "A recorded run",
  own: "A recorded run. Change anything to run your own.",
  thinned: "A recorded run. Run shows every step.",
};

/** The words of the Share menu. */
export const SHARE = {
  menu: "Share",
  open: "Share ▾",
  link: "Link",
  theLink: "The link:",
  onlyHere: "Only this browser has the model: save it as a ZIP",
  model: "Model (ZIP)",
  remove: "Remove the model from this browser",
  python: "Copy Python",
  diffusers: "Copy for diffusers",
  /** The first line of a script for diffusers. */
  precision: (/** @type {string} */ precision) =>
    `# The page computes in ${precision}, and this script in fp32: the pictures differ a little.`,
  script: "The script:",
  impossible: "Not for these settings",
  unknown: "Not known yet",
  first: "Run first",
  after: (/** @type {string} */ file, /** @type {string} */ run) => `${file} · ${run}`,
  slide: "Picture (PNG)",
  embed: "Embed",
  embedFigure: "Embed as <ddpm-figure>",
  theLine: "The line:",
  noEmbed: "This page may not be embedded: start the app with --embed, or use the static page",
  research: "For researchers",
  copied: "Copied.",
  making: "Making the file…",
  made: (/** @type {number} */ done, /** @type {number} */ all) => `Making the file: ${done} of ${all} pictures…`,
  saved: (/** @type {string} */ name) => `Saved: ${name}. Look in your browser’s downloads.`,
  failed: "It could not be made: try again.",
};

/** Errors of a page on which a server and the browser compute. */
export const ENGINES = {
  mixed: "One of these models was trained in your browser. The other one is the server’s. Choose two of one kind.",
  unloaded: "What computes in this browser could not be loaded: try again.",
};

/** The words of forms. */
export const FORM = {
  more: "More",
  how: "Settings",
  was: (/** @type {string} */ value) => `${value} is not possible with this model, so it was changed.`,
  seed: "Another seed",
  dice: "⚄ Another",
  name: "a part of its name, or its number",
  model: "Another model",
  ref: "owner/name, or a folder",
  same: "As A",
  other: "Another one…",
  /** The title of a model's group in the list of models. data: the code of its training set. @type {Record<ModelChoice["group"], (model: ModelChoice) => string>} */
  groups: {
    here: () => "Ready here",
    trained: () => "Trained here",
    hub: ({ data }) => (data ? `Needs the Hub: ${DATA[data]}` : "Needs the Hub"),
  },
  laneB: (/** @type {string} */ label) => `${label} (B)`,
};

/** Titles of the comparisons of form/presets.js, by their names. @type {Record<string, string>} */
export const COMPARISONS = {
  words: "Two words, one noise",
  guidance: "Guidance: 1 or 7?",
  latents: "β or β̃ in latents?",
  bedroomsScore: "Bedrooms: DDPM and score SDE",
  bedroomsConsistency: "Bedrooms: DDPM and a consistency model",
  churches: "Churches: DDPM and score SDE",
  cats: "Cats: DDPM and a consistency model",
  grain: "Only 10 steps: why does one picture stay grainy?",
  long: "And at 1000 steps?",
  solver: "A better solver?",
  student: "Teacher or student?",
};
