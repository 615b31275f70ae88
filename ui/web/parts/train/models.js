// What becomes of a training: the model that it has learned is used, kept as a file, or opened again; and what is asked of the
// rooms that only a training needs.

import { configOf } from "../../learning/recipe.js";
import { learnedWeights, shapesOf } from "../../learning/shapes.js";
import { keepTraining, keptTraining } from "../../learning/shelf.js";
import { Training, workersFor } from "../../learning/training.js";
import { Weights } from "../../network/weights.js";
import { UserError } from "../../process/errors.js";
import { RUN } from "../../words/train.js";
import { machineOf, rateFrom } from "./machine.js";

/** @import { Page } from "../../app.js" */
/** @import { Pictures } from "../../learning/pictures.js" */
/** @import { Recipe } from "../../learning/recipe.js" */
/** @import { Snapshot } from "../../learning/training.js" */
/** @import { Asked, Kept, Session } from "./session.js" */

const MODEL = "mnist-tiny"; // whose weights know lines,
const NO_LABEL = 10; // and what it gets for no label
const WEIGHTS = `checkpoints/${MODEL}/diffusion_pytorch_model.safetensors`;

export class Models {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** What the session of the page is made of. */
  get means() {
    return {
      make: (/** @type {Asked} */ asked, /** @type {Snapshot | undefined} */ snapshot) => this.#make(asked, snapshot),
      keep: keepTraining,
    };
  }

  /** @param {Asked} asked @param {Snapshot} [snapshot] */
  async #make({ pictures, recipes }, snapshot) {
    const counts = recipes.map((recipe) => workersFor(recipe, pictures, machineOf(navigator)));
    const weights = snapshot ? [] : await Promise.all(recipes.map((recipe) => this.#weights(recipe, pictures)));
    return new Training(pictures, recipes, { workers: Math.min(...counts), snapshot, weights });
  }

  /** The weights with which a lane begins; null where it has learned nothing before. @param {Recipe} recipe @param {Pictures} pictures */
  async #weights(recipe, pictures) {
    if (!recipe.starts) return null;
    const answer = await fetch(new URL(WEIGHTS, document.baseURI)).catch(() => null);
    if (!answer?.ok) throw new UserError(RUN.noWeights);
    const file = new Weights(await answer.arrayBuffer(), MODEL);
    return learnedWeights(file, shapesOf(configOf(recipe, pictures)["config.json"]), NO_LABEL);
  }

  /** The training of before the page was loaded again. @returns {Promise<Kept | null>} */
  async kept() {
    return keptTraining();
  }

  /** Images a second that this computer may learn, by how quickly it evaluates a network; 0 where that is not known. */
  async rate() {
    if (!this.page.given.knowledge) return 0; // a server says how quick its own machine is
    const pace = await this.page.client.ask("engine", "pace", { refs: [MODEL] });
    const [[, , seconds] = [0, 0, 0]] = (pace.error === undefined && pace.paces[MODEL]?.seconds) || [];
    return seconds ? rateFrom(seconds, pace.error === undefined ? (pace.workers ?? 1) : 1) : 0;
  }

  /** @param {Session} session @param {number} lane */
  async use(session, lane) {
    throw new UserError("");
  }

  /** @param {Session} session @param {number} lane */
  async keep(session, lane) {
    throw new UserError("");
  }

  /** @param {File} file */
  async open(file) {
    throw new UserError("");
  }
}
