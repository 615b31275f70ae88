// What a panel knows between two events: six states side by side, and the values that belong to them. No element, no request.

import { RUN } from "../words/page.js";
import { duration } from "../words/units.js";

/** @import { Mistake } from "../form/form.js" */
/** @import { Values } from "../messages/client.js" */
/** @import { Stream } from "./stream.js" */

/** What `Status.show` takes. @typedef {[text: string, left: string, isExample: boolean, progress?: number | null]} Line */

/**
 * The state that follows each state by each event. An event that a state does not name leaves it as it is.
 * @type {Record<keyof Standing["state"], Record<string, Record<string, string>>>}
 */
export const NEXT = {
  // What is shown. "begun": a run that has no picture yet, so the pictures are those of before.
  shown: {
    nothing: { example: "example", begin: "begun" },
    example: { begin: "begun" },
    begun: { example: "example", picture: "run" },
    run: { example: "example", begin: "begun" },
  },
  // The form, compared with what is shown.
  form: { same: { edit: "edited" }, edited: { start: "same" } },
  // A sketch. "awaited": there are only words about it. "over": it covers what is shown.
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
  // Why a run begins once its time is known. "change": it begins if it is quick. "press": it begins.
  reason: {
    none: { change: "change", link: "change", demand: "press" },
    change: { demand: "press", start: "none", decide: "none" },
    press: { link: "change", start: "none", decide: "none" },
  },
  // The question under way: what the models offer, what a run takes ("pause": soon), or none. An event that leads to the
  // same question asks it anew.
  question: {
    models: { choose: "models", know: "none" },
    none: { choose: "models", wait: "pause" },
    pause: { choose: "models", wait: "pause", ask: "run" },
    run: { choose: "models", wait: "pause", answer: "none" },
  },
};

/**
 * What follows once the time of a run is known, for each reason to begin it.
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
  /** Of what is shown, as its link has them; null while the model of a run that was found again is not known. @type {Values | null} */
  values = null;
  /** What is said of the example, and of the sketch. */
  words = { example: "", sketch: "" };
  /** @type {Mistake[]} */
  mistakes = [];

  /** Something has happened. @param {string} event */
  on(event) {
    const state = /** @type {Record<string, string>} */ (this.state);
    for (const [region, states] of Object.entries(NEXT)) state[region] = states[state[region]][event] ?? state[region];
  }

  /** Values were found to be wrong. @param {"refuse" | "fail"} event @param {Mistake[]} mistakes */
  blame(event, mistakes) {
    this.on(event);
    this.mistakes = mistakes;
  }

  get wrong() {
    return this.state.wrong === "nothing" ? [] : this.mistakes;
  }

  /**
   * What follows now that the time of a run is known: "begin", "again" (ask it once more), or "".
   * @param {boolean | null} auto the run is quick, null where its time is not known @param {boolean} isPossible
   * @param {boolean} isThere it goes on, or is shown
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
   * How the pictures differ from what the form says: those of the run are "awaited", they are of "other" settings, or "".
   * @param {boolean} isActive a run goes on @param {() => boolean} isSame the form has the values of what is shown
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
   * @param {string} offer what Run says, "" where it can't be pressed @param {string | null} waits for what Run waits
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
