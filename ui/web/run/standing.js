// What a panel remembers between two events: six states side by side, and the values that belong to them. This module touches
// no element and sends no request, so that node can test it.

import { RUN } from "../words/page.js";
import { duration } from "../words/units.js";

/** @import { Mistake } from "../form/form.js" */
/** @import { Values } from "../messages/client.js" */
/** @import { Stream } from "./stream.js" */

/** What `Status.show` takes. @typedef {[text: string, left: string, isExample: boolean, progress?: number | null]} Line */

/**
 * For each state, the state that follows each event. A state stays as it is at events that it does not name.
 * @type {Record<keyof Standing["state"], Record<string, Record<string, string>>>}
 */
export const NEXT = {
  // What is shown. "begun": a run has begun but has no picture yet, so the earlier pictures still stand there.
  shown: {
    nothing: { example: "example", begin: "begun" },
    example: { begin: "begun" },
    begun: { example: "example", picture: "run" },
    run: { example: "example", begin: "begun" },
  },
  // Whether the form still has the settings of what is shown.
  form: { same: { edit: "edited" }, edited: { start: "same" } },
  // The sketch, a quick preview. "awaited": only a sentence says that it will come. "over": it covers what is shown.
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
  // The question that waits for an answer. "models": what the models offer. "run": how long a run takes. "pause": that
  // question follows when the visitor pauses. An event that leads to the same question asks it again.
  question: {
    models: { choose: "models", know: "none" },
    none: { choose: "models", wait: "pause" },
    pause: { choose: "models", wait: "pause", ask: "run" },
    run: { choose: "models", wait: "pause", answer: "none" },
  },
};

/**
 * What happens once the time of a run is known, for each reason to begin it. "again": ask for the time once more.
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
  /** The values of what is shown, as its link has them; null while the model of a resumed run is not known. @type {Values | null} */
  values = null;
  /** The sentences about the example and about the sketch. */
  words = { example: "", sketch: "" };
  /** @type {Mistake[]} */
  mistakes = [];

  /** Move every state on to the one that follows this event. @param {string} event */
  on(event) {
    const state = /** @type {Record<string, string>} */ (this.state);
    for (const [region, states] of Object.entries(NEXT)) state[region] = states[state[region]][event] ?? state[region];
  }

  /** Remember mistakes in the values, and who found them. @param {"refuse" | "fail"} event @param {Mistake[]} mistakes */
  blame(event, mistakes) {
    this.on(event);
    this.mistakes = mistakes;
  }

  get wrong() {
    return this.state.wrong === "nothing" ? [] : this.mistakes;
  }

  /**
   * What happens now that the time of a run is known: see `FOLLOWS`.
   * @param {boolean | null} auto whether the run is quick, null if its time is not known @param {boolean} isPossible
   * @param {boolean} isThere whether this run is under way or shown already
   */
  follow(auto, isPossible, isThere) {
    const speed = auto === null ? "unknown" : auto && !isThere ? "quick" : "slow";
    const next = isPossible ? FOLLOWS[this.state.reason][speed] : "";
    if (next !== "again") this.on("decide");
    return next;
  }

  get isExample() {
    return this.state.shown === "example";
  }

  /**
   * How the pictures differ from the form: "awaited" if those of the run are still to come, "other" if they have other
   * settings, else "".
   * @param {boolean} isActive whether a run is under way @param {() => boolean} isSame whether the form has the values of what is
   *   shown
   */
  difference(isActive, isSame) {
    const { shown, form, sketch } = this.state;
    if (sketch === "over" || shown === "nothing") return "";
    if (isActive && shown === "begun") return "awaited";
    return form === "edited" && !isSame() ? "other" : "";
  }

  /**
   * What the line above the pictures says.
   * @param {Pick<Stream<any>, "active" | "left" | "progress" | "words">} stream @param {boolean} isOutdated
   * @param {string} offer what Run says, "" if it can't be pressed @param {string | null} waits what Run waits for
   * @returns {Line}
   */
  line({ active, left, progress, words }, isOutdated, offer, waits) {
    const { sketch } = this.state;
    const isExample = this.isExample && sketch !== "over";
    const text = this.isExample ? this.words.example : (waits ?? words);
    if (active) return [text, left === null ? "" : RUN.left(duration(Math.max(1, left))), isExample, progress];
    if (!isOutdated && sketch === "none") return [text, "", isExample];
    return [sketch === "none" ? RUN.changed : this.words.sketch, offer, isExample];
  }
}
