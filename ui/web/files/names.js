// Makes the names of a run's files. A lane is one of the runs that are shown together.

import { names } from "../plans/captions.js";
import { optionsOf } from "../plans/settings.js";
import { general } from "../words/floats.js";
import { ANY, countOfSteps } from "../words/units.js";
import { doneOf } from "./record.js";

/** @import { Lane } from "../plans/settings.js" */
/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Frames } from "./record.js" */

/**
 * Return the name of a run's file without its ending. The name consists of the run's settings.
 * @param {Lane[]} lanes @param {Frames} frames @param {Catalogue} catalogue
 */
export function stem(lanes, frames, catalogue) {
  const [first] = lanes;
  const parts =
    lanes.length > 2
      ? [catalogue.name(first.checkpoint), "grid"]
      : lanes.flatMap((lane, i) => wordsOf(lane, doneOf(frames[i]), i ? first : null, catalogue));
  const whole = [...parts, `seed ${first.seed}`].join(" ").replace(/[^\p{L}\p{N}_.-]+/gu, "-");
  return whole.replace(/^-+|-+$/g, "");
}

/**
 * Return the words for a lane in the name of a file. For a second lane, leave out the model and prompt that it shares
 * with the first lane.
 * @param {Lane} lane @param {number} done number of finished steps @param {Lane | null} first
 * @param {Catalogue} catalogue
 */
function wordsOf(lane, done, first, catalogue) {
  const { checkpoint, label, prompt, steps, sampler, variance, touch } = lane;
  if (touch) return names([lane], catalogue);
  const { variance: _, ...own } = optionsOf(lane);
  return [
    ...(first ? ["against"] : []),
    ...(checkpoint === first?.checkpoint ? [] : [catalogue.name(checkpoint)]),
    ...(first || label === ANY ? [] : [label]),
    ...(!prompt || prompt === first?.prompt ? [] : [[...prompt].slice(0, 40).join("")]),
    done === steps ? countOfSteps(steps) : `step ${done} of ${steps}`,
    sampler === "ddpm" ? variance : sampler,
    ...Object.entries(own).map(([name, value]) => `${name} ${general(Number(value))}`),
  ];
}
