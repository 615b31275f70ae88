// What becomes of a training: the model that it has learned is used, kept as a file, or opened again; and what is asked of the
// rooms that only a training needs.

import { Training, workersFor } from "../../learning/training.js";
import { UserError } from "../../process/errors.js";
import { machineOf, rateFrom } from "./machine.js";

/** @import { Page } from "../../app.js" */
/** @import { Snapshot } from "../../learning/training.js" */
/** @import { Asked, Kept, Session } from "./session.js" */
/** @import { Moment } from "./track.js" */
/** @import { Copies } from "./view.js" */

const MODEL = "mnist-tiny";

export class Models {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** What the session of the page is made of. */
  get means() {
    return {
      make: (/** @type {Asked} */ asked, /** @type {Snapshot | undefined} */ snapshot) => this.#make(asked, snapshot),
      keep: async (/** @type {Kept} */ kept) => {},
    };
  }

  /** @param {Asked} asked @param {Snapshot} [snapshot] */
  async #make({ pictures, recipes }, snapshot) {
    const counts = recipes.map((recipe) => workersFor(recipe, pictures, machineOf(navigator)));
    return new Training(pictures, recipes, { workers: Math.min(...counts), snapshot });
  }

  /** The training of before the page was loaded again. @returns {Promise<Kept | null>} */
  async kept() {
    return null;
  }

  /** Images a second that this computer may learn, by how quickly it evaluates a network; 0 where that is not known. */
  async rate() {
    if (!this.page.given.knowledge) return 0; // a server says how quick its own machine is
    const pace = await this.page.client.ask("engine", "pace", { refs: [MODEL] });
    const [[, , seconds] = [0, 0, 0]] = (pace.error === undefined && pace.paces[MODEL]?.seconds) || [];
    return seconds ? rateFrom(seconds, pace.error === undefined ? (pace.workers ?? 1) : 1) : 0;
  }

  /** @param {Session} session @param {number} lane @param {Moment} moment @returns {Copies | null} */
  copied(session, lane, moment) {
    return null;
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
