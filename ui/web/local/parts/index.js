// The parts of the page in the worker: Python's parts, whose computations are computed here.
import { blur, downsample, grey, mask } from "../process/restore.js";
import { $, ValueError } from "../python.js";
import { pixelNatives, Uploads } from "../uploads.js";
import { forward, forwardNatives } from "./forward.js";
import { latents } from "./latents.js";
import { plane, planeNatives } from "./plane.js";
import { repair } from "./repair.js";
import { sampling } from "./sampling.js";

/** @import { Lab } from "../lab.js" */
/** @typedef {any} Part describe, request, and `questions`; `before` prepares its values */

/** What the parts' translated modules take from ddpm_core. @param {Lab} lab */
function natives(lab) {
  pixelNatives();
  planeNatives();
  forwardNatives();
  const method = (/** @type {number} */ rounds, changes = true) => {
    return { rounds, check: (/** @type {any} */ { steps }) => changes && steps.check_no_memory() };
  };
  const absent = {
    check() {
      throw new ValueError(lab.knowledge.answers.installed.gradients);
    },
  };
  $.native("ddpm_core.restore", {
    Task: class {
      constructor(/** @type {unknown} */ _measurement, /** @type {unknown} */ _y, /** @type {any} */ steps) {
        this.steps = steps;
      }
    },
    METHODS: $.dict([
      ["ddnm", method(1, false)],
      ["replacement", method(1)],
      ["repaint", method(10)],
      ["pigdm", absent],
      ["dps", absent],
    ]),
    mask: (/** @type {any} */ known) => () => mask(known.data),
    grey:
      (/** @type {any} */ { values }) =>
      () =>
        grey(values.channels),
    downsample: (/** @type {number} */ factor) => (/** @type {number} */ size) => downsample(factor, size),
    gaussian_kernel: (/** @type {number} */ deviation) => deviation,
    blur: (/** @type {number} */ deviation) => (/** @type {number} */ size) => blur(deviation, size),
  });
}

/** @param {Lab} lab @returns {Record<string, Part>} each by the name of its part; "lab" has what belongs to none */
export function parts(lab) {
  natives(lab);
  const uploads = new Uploads(lab);
  const made = (/** @type {string} */ name, /** @type {string} */ part, /** @type {any} */ computation) => {
    const Made = $.module(name)[part];
    Made.prototype.computation = computation;
    return new Made(lab);
  };
  const watch = made("ui.parts.sampling", "SamplingPart", sampling());
  const { installed } = lab.knowledge.answers;
  const Clouds = plane();
  const { Plane } = $.module("ui.parts.plane");
  const { Part } = $.module("ui.parts.part");
  const absent = (/** @type {string} */ sentence) => ({
    describe() {
      throw new ValueError(sentence);
    },
    request() {
      throw new ValueError(sentence);
    },
  });
  return {
    ...{ watch, compare: watch, grid: watch },
    latents: made("ui.parts.latents", "LatentsPart", latents()),
    repair: made("ui.parts.repair", "RepairPart", repair()),
    plane: Object.assign(new Part(lab), {
      request: (/** @type {string} */ _, /** @type {any} */ values) =>
        new /** @type {any} */ (Clouds)(lab, Plane.check(values), null),
    }),
    forward: { questions: forward(lab, uploads) },
    likelihood: absent(installed.likelihood),
    train: {
      ...absent(installed.train),
      questions: { look: absent(installed.train).request, start: absent(installed.train).request },
    },
    course: { questions: { cards: () => lab.json("cards.json") } },
    lab: { questions: uploads.questions, upload: (/** @type {File} */ file) => uploads.add(file) },
  };
}
