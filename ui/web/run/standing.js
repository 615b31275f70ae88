// The state of a panel: six small state machines, and the values that belong to them. This module uses no element and
// sends no request, so that node can test it.

import { RUN } from "../words/page.js";
import { duration } from "../words/units.js";

/** @import { Mistake } from "../form/form.js" */
/** @import { Values } from "../messages/client.js" */
/** @import { Stream } from "./stream.js" */

/** The arguments of `Status.show`. @typedef {[text: string, left: string, isExample: boolean, progress?: number | null]} Line */

/**
 * For each machine and each of its states: the next state at each event. An event that a state does not list changes
 * nothing.
 * @type {Record<keyof Standing["state"], Record<string, Record<string, string>>>}
 */
export const NEXT = {
  // What is shown. "begun": a run has begun but has no picture yet, so the earlier pictures are still visible.
  shown: {
    nothing: { example: "example", begin: "begun" },
    example: { begin: "begun" },
    begun: { example: "example", picture: "run" },
    run: { example: "example", begin: "begun" },
  },
  // Whether the form still has the settings of the shown run.
  form: { same: { edit: "edited" }, edited: { start: "same" } },
  // The sketch, a quick preview. "awaited": only a sentence announces it. "over": it covers the pictures.
  sketch: {
    none: { cover: "over", await: "awaited" },
    awaited: { cover: "over", lift: "none", begin: "none", picture: "none" },
    over: { await: "awaited", lift: "none", picture: "none" },
  },
  // Who found a mistake in the values: the check of the form, or a run.
  wrong: {
    nothing: { refuse: "form", fail: "run" },
    form: { accept: "nothing", start: "nothing", fail: "run" },
    run: { refuse: "form", edit: "nothing", start: "nothing" },
  },
  // Why a run may begin once its time is known. "change": a setting changed, so it begins if it is quick. "press": the
  // visitor pressed Run, so it begins however long it takes.
  reason: {
    none: { change: "change", link: "change", demand: "press" },
    change: { demand: "press", start: "none", decide: "none" },
    press: { link: "change", start: "none", decide: "none" },
  },
  // The request to the engine. "models": the page asks what the models offer. "pause": the page waits until the visitor
  // pauses. "run": the page asks how long a run takes. An event that leads to the same state repeats the request.
  question: {
    models: { choose: "models", know: "none" },
    none: { choose: "models", wait: "pause" },
    pause: { choose: "models", wait: "pause", ask: "run" },
    run: { choose: "models", wait: "pause", answer: "none" },
  },
};

/**
 * What follows the estimate of a run's time, for each reason to begin the run. "again": ask for the time again.
 * @type {Record<string, Record<"quick" | "slow" | "unknown", "" | "begin" | "again">>}
 */
const FOLLOWS = {
  none: { quick: "", slow: "", unknown: "" },
  change: { quick: "begin", slow: "", unknown: "again" },
  press: { quick: "begin", slow: "begin", unknown: "begin" },
};

export class Standing {
  state = {
    shown: /** @type {"nothing" | "example" | "begun" | "run"} */ ("nothing"),
    form: /** @type {"same" | "edited"} */ ("same"),
    sketch: /** @type {"none" | "awaited" | "over"} */ ("none"),
    wrong: /** @type {"nothing" | "form" | "run"} */ ("nothing"),
    reason: /** @type {"none" | "change" | "press"} */ ("none"),
    question: /** @type {"models" | "none" | "pause" | "run"} */ ("models"),
  };
  /** The values of the shown run or example, as in its link; null for a resumed run until its model is known. @type {Values | null} */
  values = null;
  /** The sentences about the example and about the sketch. */
  words = { example: "", sketch: "" };
  /** @type {Mistake[]} */
  mistakes = [];

  /** Let every machine react to an event. @param {string} event a name in `NEXT` */
  on(event) {
    const state = /** @type {Record<string, string>} */ (this.state);
    for (const [region, states] of Object.entries(NEXT)) state[region] = states[state[region]][event] ?? state[region];
  }

  /** Remember mistakes in the values, and who found them. @param {"refuse" | "fail"} event @param {Mistake[]} mistakes */
  blame(event, mistakes) {
    this.on(event);
    this.mistakes = mistakes;
  }

  /** The mistakes that are not corrected yet. */
  get wrong() {
    return this.state.wrong === "nothing" ? [] : this.mistakes;
  }

  /**
   * Return what follows the estimate of a run's time: "begin" the run, estimate "again", or "" for nothing. The reason
   * to begin the run ends here, unless the result is "again".
   * @param {boolean | null} isQuick null if the time is not known @param {boolean} isPossible
   * @param {boolean} isThere whether this run is already active or finished
   */
  afterEstimate(isQuick, isPossible, isThere) {
    const speed = isQuick === null ? "unknown" : isQuick && !isThere ? "quick" : "slow";
    const next = isPossible ? FOLLOWS[this.state.reason][speed] : "";
    if (next !== "again") this.on("decide");
    return next;
  }

  /** Whether a recorded run is shown. */
  get isExample() {
    return this.state.shown === "example";
  }

  /**
   * Return how the pictures differ from the form: "awaited" while the run has no picture yet, "other" if the pictures
   * have other settings than the form, else "".
   * @param {boolean} isActive whether a run is active @param {() => boolean} isSame whether the form has the values of
   * the shown run
   */
  difference(isActive, isSame) {
    const { shown, form, sketch } = this.state;
    if (sketch === "over" || shown === "nothing") return "";
    if (isActive && shown === "begun") return "awaited";
    return form === "edited" && !isSame() ? "other" : "";
  }

  /**
   * Return the status line above the pictures.
   * @param {Pick<Stream<any>, "active" | "left" | "progress" | "words">} stream @param {boolean} isOutdated whether the
   * form has other settings than the pictures
   * @param {string} offer the label of Run, "" if it is disabled @param {string | null} correction a sentence that names the
   * fields to correct, or null
   * @returns {Line}
   */
  line({ active, left, progress, words }, isOutdated, offer, correction) {
    const { sketch } = this.state;
    const isExample = this.isExample && sketch !== "over";
    const text = this.isExample ? this.words.example : (correction ?? words);
    if (active) return [text, left === null ? "" : RUN.left(duration(Math.max(1, left))), isExample, progress];
    if (!isOutdated && sketch === "none") return [text, "", isExample];
    return [sketch === "none" ? RUN.changed : this.words.sketch, offer, isExample];
  }
}
