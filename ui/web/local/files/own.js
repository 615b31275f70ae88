// Models that were trained in this browser. Their files lie in the browser's database (see Shelf).
import { Shelf } from "../../learning/shelf.js";
import { load } from "../../network/model.js";
import { UserError } from "../../process/errors.js";
import { OWN } from "../../words/learning.js";
import { factsOfModel } from "./hub.js";

/** @import { WrittenFacts } from "../facts.js" */

/** Return the facts and the files of a model that was trained in this browser. @param {string} ref @param {string} base the page's address @returns {Promise<WrittenFacts>} */
export async function onShelf(ref, base) {
  const found = await new Shelf(base).get(ref);
  if (!found) throw new UserError(OWN.gone(ref));
  const own = found.files;
  /** @type {WrittenFacts["files"]} */
  const files = Object.fromEntries([...own].map(([path, { length }]) => [path, [length, ""]]));
  const none = { spec: null, home: null, colours: null, scheduler: null, sidecars: null };
  const known = { ...none, files, own };
  const facts = factsOfModel(await load(async (path) => own.get(path)?.slice().buffer ?? null, ref), ref, known);
  const source = facts.spec?.source && { ...facts.spec.source, revision: null, fixed: false };
  const spec = facts.spec && { ...facts.spec, source };
  // a saved ZIP unpacks to a folder of this name, where scripts find the model
  const home = { where: `'${ref}'`, has_scheduler: false, autoencoder: null, own_class: false };
  return /** @type {WrittenFacts} */ ({ ...known, ...facts, spec, home });
}
