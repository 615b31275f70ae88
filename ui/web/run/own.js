// Lists, saves and removes the models that were trained in this browser. Only visitors who have trained a model load
// this module.

import { toZip } from "../learning/checkpoint.js";
import { Shelf } from "../learning/shelf.js";
import { OWN } from "../words/learning.js";
import { give } from "./saving.js";

/** @import { Page } from "../app.js" */
/** @import { ModelChoice } from "../messages/protocol.d.ts" */

const shelf = () => new Shelf(document.baseURI);

/** Return these models as entries of the list of models. @returns {Promise<ModelChoice[]>} */
export async function choices() {
  const usual = {
    about: "",
    group: /** @type {const} */ ("trained"),
    data: "",
    ready: true,
    latent: false,
    picture: "",
  };
  return (await shelf().all()).map(({ ref, title }) => ({ ref, label: title, ...usual }));
}

/** Save a model as a ZIP. Returns a sentence for the visitor: what was saved, or why it was not. @param {string} ref */
export async function save(ref) {
  const found = await shelf().get(ref);
  return found ? give(`${ref.split("/").at(-1)}.zip`, toZip(ref, found.files)) : OWN.gone(ref);
}

/**
 * Remove a model from the browser, and select the page's first model. Returns a sentence for the visitor.
 * @param {Page} page @param {string} ref
 */
export async function remove(page, ref) {
  await shelf().remove(ref);
  await page.refresh();
  await page.open(page.part, { checkpoint: page.given.first }, { cause: "press" });
  return OWN.removed;
}
