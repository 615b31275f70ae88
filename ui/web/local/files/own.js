// Models that were trained in this browser: their files lie on its shelf.
import { Shelf } from "../../learning/shelf.js";
import { load } from "../../network/model.js";
import { UserError } from "../../process/errors.js";
import { OWN } from "../../words/learning.js";
import { factsOfModel } from "./hub.js";

/** @import { WrittenFacts } from "../facts.js" */

/** Return the facts of a model of the shelf, with its files. @param {string} ref @param {string} base where the page is @returns {Promise<WrittenFacts>} */
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
  // The ZIP that the page saves becomes a folder of this name.
  const home = { where: `'${ref}'`, has_scheduler: false, autoencoder: null, own_class: false };
  return /** @type {WrittenFacts} */ ({ ...known, ...facts, spec, home });
}
