// Makes trainings, and handles trained models: saves models as ZIP files, opens these files, and uses models in
// "Watch".

import { cardRows, filesOf, openZip, toZip } from "../../learning/checkpoint.js";
import { configOf } from "../../learning/recipe.js";
import { shapesOf } from "../../learning/shapes.js";
import { Shelf } from "../../learning/shelf.js";
import { measureRate, Training, workersFor } from "../../learning/training.js";
import { PACKED, unpack } from "../../network/packed.js";
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
const MODEL = "mnist-tiny"; // drawings start from this model's weights, because it has already learned lines
const NO_LABEL = 10; // mnist-tiny's label for a picture without a class
const WEIGHTS = `checkpoints/${MODEL}/diffusion_pytorch_model.safetensors`;

export class Models {
  #shelf = new Shelf(document.baseURI);

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** The functions that a session needs: `make` makes a training, `keep` stores a training in the browser. */
  get means() {
    return {
      make: (/** @type {Asked} */ asked, /** @type {Snapshot | undefined} */ snapshot) => this.#make(asked, snapshot),
      keep: (/** @type {Kept} */ kept) => this.#shelf.keep(splitTensors(kept)),
    };
  }

  /** Make a training. With a snapshot, the training continues from the snapshot. @param {Asked} asked @param {Snapshot} [snapshot] */
  async #make({ pictures, recipes }, snapshot) {
    const counts = recipes.map((recipe) => workersFor(recipe, pictures, machineOf(navigator)));
    const weights = snapshot ? [] : await Promise.all(recipes.map((recipe) => this.#weights(recipe)));
    return new Training(pictures, recipes, { workers: Math.min(...counts), snapshot, weights });
  }

  /** Load the published weights with which a lane begins; null for random weights. @param {Recipe} recipe */
  async #weights(recipe) {
    if (!recipe.starts) return null;
    const suffix = this.page.given.words.static ? PACKED : "";
    const answer = await fetch(new URL(WEIGHTS + suffix, document.baseURI)).catch(
      continueWithout("the weights that a training begins with"),
    );
    if (!answer?.ok) throw new UserError(NO_WEIGHTS);
    const content = await answer.arrayBuffer();
    const file = suffix ? await unpack(content, WEIGHTS) : content;
    return { file, name: MODEL, nullLabel: NO_LABEL };
  }

  /** Return the training that the browser stored before the page was reloaded; null if no training is stored. @returns {Promise<Kept | null>} */
  async kept() {
    const record = await this.#shelf.restore();
    return record && joinTensors(record);
  }

  /** Measure this computer's speed by some training steps. Return images per second with the usual network; 0 if the computer can't train. @param {Recipe} recipe */
  async rate(recipe) {
    const workers = workersFor(recipe, { side: 28 }, machineOf(navigator));
    return (await measureRate(recipe, workers)) * costOf([recipe], 28);
  }

  // --- Trained models

  /** Save a lane's model as a ZIP file. Return a sentence that names the saved file. @param {Session} session @param {number} lane */
  async keep(session, lane) {
    const { title, files } = await modelOf(session, lane);
    session.safe = session.track?.step ?? -1;
    return give(`${title}.zip`, toZip(title, files));
  }

  /** Add a lane's model to the list of models, and open the part "Watch" with it. @param {Session} session @param {number} lane */
  async use(session, lane) {
    const model = await modelOf(session, lane);
    await this.#offer(model);
    session.safe = session.track?.step ?? -1;
  }

  /** Open a model from a ZIP file that this page or `python -m train fit` has saved. @param {File} file */
  async open(file) {
    const files = await openZip(new Uint8Array(await file.arrayBuffer()));
    await this.#offer({ title: file.name.replace(/\.zip$/i, ""), facts: {}, files });
  }

  /** Add a model to the list of models, and open the part "Watch" with it. @param {{ title: string, facts: Record<string, string>, files: Files }} model */
  async #offer(model) {
    const ref = await this.#shelf.put(model);
    await this.page.refresh();
    this.page.open("watch", { checkpoint: ref, label: ANY }, { push: true, cause: "press" });
  }
}

/** Split a training for storage, so that the tensors of each lane are separate entries. Each entry is copied in its own task, which keeps the page responsive. @param {Kept} kept */
function splitTensors({ snapshot: { lanes, ...snapshot }, ...rest }) {
  const tensors = lanes.flatMap((lane, i) => Object.entries(lane).map(([what, all]) => [`${i} ${what}`, all]));
  return { ...rest, snapshot, ...Object.fromEntries(tensors) };
}

/** Undo `splitTensors`: put the tensors back into the snapshot of the training. @param {any} record @returns {Kept} */
function joinTensors({ snapshot, ...rest }) {
  const lanes = snapshot.recipes.map(() => ({}));
  for (const name of Object.keys(rest).filter((one) => /^\d /.test(one))) {
    const [lane, what] = name.split(" ");
    lanes[Number(lane)][what] = rest[name];
    delete rest[name];
  }
  return { ...rest, snapshot: { ...snapshot, lanes } };
}

/** Return a lane's model: its title, the rows of its model card, and its files. @param {Session} session @param {number} lane */
async function modelOf(session, lane) {
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
