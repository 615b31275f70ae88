// Compares t small steps of noise with one jump to t. A worker computes the comparison, because the small steps take
// seconds.
import { all, find } from "../../drawing/dom.js";
import { table } from "../../drawing/table.js";
import { show } from "../../pictures/sprite.js";
import { Status } from "../../run/status.js";
import { fixed, signed } from "../../words/numbers.js";
import { WORDS as PAGE, RUN } from "../../words/page.js";
import { attribute } from "../../words/symbols.js";
import { countOfSteps, duration } from "../../words/units.js";
import { histogram } from "./charts.js";
import { press, verdict, WORDS, walked } from "./words.js";

/** @import { Sprite } from "../../messages/protocol.d.ts" */
/** @import { Comparison } from "../../process/forward.js" */
/** @import { Scene } from "./scene.js" */
/** The result of a comparison. walk, jump: the pictures x_t after the small steps and after the jump. @typedef {Omit<Comparison, "walk" | "jump"> & { walk: Sprite, jump: Sprite }} Found */

/**
 * Compute a comparison in a worker. Returns null if the browser can't start the worker.
 * @param {Pick<Scene, "t" | "schedule" | "seed" | "size" | "pixels">} asked the settings
 * @param {(progress: number, left: number) => void} say is called during the steps. progress: 0..1. left: remaining seconds
 * @returns {Promise<Found | null>}
 */
async function compareInWorker(asked, say) {
  const worker = new Worker(new URL("steps.js", import.meta.url), { type: "module" });
  const answer = new Promise((resolve) => {
    worker.addEventListener("message", ({ data }) => (data.walk ? resolve(data) : say(data.progress, data.left)));
    worker.addEventListener("error", () => resolve(null));
  });
  worker.postMessage(asked);
  return answer.finally(() => worker.terminate());
}

/** The view of the comparison. */
export class Walk {
  /** The settings of the comparison on screen. of: the same settings as one text, from `#setting`. @type {{ of: string, t: number, schedule: string } | null} */
  #shown = null;
  #status = new Status(RUN.progress); // shows the progress of the steps if they take long

  /**
   * @param {HTMLElement} root
   * @param {Scene} scene
   * @param {() => void} changed is called after a comparison
   */
  constructor(root, scene, changed) {
    this.root = root;
    this.scene = scene;
    this.changed = changed;
    this.button = find(root, ".take", HTMLButtonElement);
    this.note = find(root, ".walk .note");
    this.#status.element.hidden = true;
    this.note.after(this.#status.element);
    this.button.addEventListener("click", () => this.compare());
  }

  /** All settings on which a comparison depends, as one text. */
  get #setting() {
    const { t, schedule, seed, loaded } = this.scene;
    return `${t} ${schedule} ${seed} ${loaded}`;
  }

  /** Update the button and the note for the form's settings. If the comparison on screen has other settings, the note names them. */
  render() {
    const { t } = this.scene;
    const shown = this.#shown;
    const stale = shown !== null && shown.of !== this.#setting;
    find(this.root, ".steps .count").textContent = countOfSteps(shown?.t ?? t);
    this.button.textContent = press(t);
    find(this.root, ".walk").dataset.state = shown ? (stale ? "stale" : "done") : "none";
    if (this.button.disabled) return; // a comparison is being computed, and the note says so
    this.note.textContent = stale ? WORDS.shown(shown.t, shown.schedule) : "";
  }

  /** Compute and show the comparison for the form's settings. */
  async compare() {
    const { t, schedule, seed, size, pixels } = this.scene;
    const of = this.#setting;
    if (!size) return;
    this.button.disabled = true;
    this.note.textContent = WORDS.walking;
    const got = await compareInWorker({ t, schedule, seed, size, pixels }, (progress, left) => {
      this.#status.show("", RUN.left(duration(Math.max(1, left))), false, progress);
      this.#status.element.hidden = false;
    });
    this.#status.element.hidden = true;
    this.button.disabled = false;
    this.note.textContent = got ? "" : PAGE.unloaded;
    if (!got) return;
    this.#shown = { of, t, schedule };
    this.#show(got, t, 3 * size * size);
    this.changed();
  }

  /** Show a comparison: the pictures, the histograms, the table and the verdict. @param {Found} got @param {number} t @param {number} pixels the number of values in a picture */
  #show(got, t, pixels) {
    const [walk, jump] = all(this.root, ".walk img", HTMLImageElement);
    attribute(show(walk, got.walk), "alt", walked(t));
    attribute(show(jump, got.jump), "alt", WORDS.jumped(t));
    walk.hidden = jump.hidden = false;
    find(this.root, ".result").hidden = false;
    find(this.root, ".histogram").replaceChildren(histogram(got.edges, got.densities));
    const [mean, deviation, draws] = WORDS.rows;
    const rows = [
      [mean, ...got.mean.map(signed), "0"],
      [deviation, ...[...got.std, got.sigma].map((v) => fixed(v))],
      [draws, ...[t, 1].map((n) => (n * pixels).toLocaleString("en")), ""],
    ];
    const heads = ["", countOfSteps(t), WORDS.jump, WORDS.eq4];
    find(this.root, ".result .table").replaceChildren(table("", heads, rows));
    find(this.root, ".verdict").textContent = verdict(t, got);
  }
}
