// What becomes of a training: the model that it has learned is used, kept as a file, or opened again; and what is asked of the
// rooms that only a training needs.

import { cardRows, filesOf, openZip, toZip } from "../../learning/checkpoint.js";
import { configOf } from "../../learning/recipe.js";
import { shapesOf } from "../../learning/shapes.js";
import { Shelf } from "../../learning/shelf.js";
import { measureRate, Training, workersFor } from "../../learning/training.js";
import { continueWithout, UserError } from "../../process/errors.js";
import { give } from "../../run/saving.js";
import { ANY } from "../../words/units.js";
import { costOf, machineOf } from "./machine.js";
import { MODELS, NO_WEIGHTS } from "./words.js";

/** @import { Page } from "../../app.js" */
/** @import { Files } from "../../learning/checkpoint.js" */
/** @import { Recipe } from "../../learning/recipe.js" */
/** @import { Snapshot } from "../../learning/training.js" */
/** @import { Asked, Kept, Session } from "./session.js" */

const CONFIG = "config.json";
const MODEL = "mnist-tiny"; // a training may start from its weights, which know lines
const NO_LABEL = 10; // the label that this model takes where a drawing has none
const WEIGHTS = `checkpoints/${MODEL}/diffusion_pytorch_model.safetensors`;

export class Models {
  #shelf = new Shelf(document.baseURI);

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** What the session of the page is made of. */
  get means() {
    return {
      make: (/** @type {Asked} */ asked, /** @type {Snapshot | undefined} */ snapshot) => this.#make(asked, snapshot),
      keep: (/** @type {Kept} */ kept) => this.#shelf.keep(apart(kept)),
    };
  }

  /** @param {Asked} asked @param {Snapshot} [snapshot] */
  async #make({ pictures, recipes }, snapshot) {
    const counts = recipes.map((recipe) => workersFor(recipe, pictures, machineOf(navigator)));
    const weights = snapshot ? [] : await Promise.all(recipes.map((recipe) => this.#weights(recipe)));
    return new Training(pictures, recipes, { workers: Math.min(...counts), snapshot, weights });
  }

  /** The weights with which a lane begins; null where it has learned nothing before. @param {Recipe} recipe */
  async #weights(recipe) {
    if (!recipe.starts) return null;
    const answer = await fetch(new URL(WEIGHTS, document.baseURI)).catch(
      continueWithout("the weights that a training begins with"),
    );
    if (!answer?.ok) throw new UserError(NO_WEIGHTS);
    return { file: await answer.arrayBuffer(), name: MODEL, nullLabel: NO_LABEL };
  }

  /** The training of before the page was loaded again. @returns {Promise<Kept | null>} */
  async kept() {
    const record = await this.#shelf.restore();
    return record && whole(record);
  }

  /** Images of the usual network that this computer learns a second, by some steps of a recipe; 0 where it can't. @param {Recipe} recipe */
  async rate(recipe) {
    const workers = workersFor(recipe, { side: 28 }, machineOf(navigator));
    return (await measureRate(recipe, workers)) * costOf([recipe], 28);
  }

  // --- The model that was learned

  /** Save a lane's model as a ZIP. Returns a sentence that says so. @param {Session} session @param {number} lane */
  async keep(session, lane) {
    const { title, files } = await learned(session, lane);
    session.safe = session.track?.step ?? -1;
    return give(`${title}.zip`, toZip(title, files));
  }

  /** Put a lane's model into the list of models, and watch it. @param {Session} session @param {number} lane */
  async use(session, lane) {
    const model = await learned(session, lane);
    await this.#offer(model);
    session.safe = session.track?.step ?? -1;
  }

  /** Open a model that was kept as a ZIP, here or by `train fit`. @param {File} file */
  async open(file) {
    const files = await openZip(new Uint8Array(await file.arrayBuffer()));
    await this.#offer({ title: file.name.replace(/\.zip$/i, ""), facts: {}, files });
  }

  /** @param {{ title: string, facts: Record<string, string>, files: Files }} model */
  async #offer(model) {
    const ref = await this.#shelf.put(model);
    await this.page.refresh();
    this.page.open("watch", { checkpoint: ref, label: ANY }, { push: true, cause: "press" });
  }
}

/** Split a kept training, so that the tensors of each lane are separate entries. Each entry is copied in its own task. @param {Kept} kept */
function apart({ snapshot: { lanes, ...snapshot }, ...rest }) {
  const tensors = lanes.flatMap((lane, i) => Object.entries(lane).map(([what, all]) => [`${i} ${what}`, all]));
  return { ...rest, snapshot, ...Object.fromEntries(tensors) };
}

/** The same as it was. @param {any} record @returns {Kept} */
function whole({ snapshot, ...rest }) {
  const lanes = snapshot.recipes.map(() => ({}));
  for (const name of Object.keys(rest).filter((one) => /^\d /.test(one))) {
    const [lane, what] = name.split(" ");
    lanes[Number(lane)][what] = rest[name];
    delete rest[name];
  }
  return { ...rest, snapshot: { ...snapshot, lanes } };
}

/** A lane's model as it is kept: what it is called, the rows of its card, and its files. @param {Session} session @param {number} lane */
async function learned(session, lane) {
  const { asked, track } = session;
  if (!asked || !track) throw new Error("there is no training");
  const { pictures } = asked;
  const recipe = asked.recipes[lane];
  const json = configOf(recipe, pictures);
  const weights = await session.weights(lane);
  const shapes = [...shapesOf(json[CONFIG])];
  const tensors = new Map(
    shapes.map(([name, shape]) => [name, { shape, values: /** @type {Float32Array} */ (weights.get(name)) }]),
  );
  const facts = cardRows(recipe, pictures, tensors, { steps: track.step, seconds: track.seconds });
  const title = MODELS.title(pictures.kind, track.step * recipe.batch, asked.recipes.length > 1 ? lane : null);
  return { title, facts, files: filesOf({ json, tensors, title, facts }) };
}
