// The list of the page's parts, in their order on the page. To add a part, add a folder here and a line to `ALL`. If a
// server computes the part, also add a line to `PARTS` of ui/parts/__init__.py.

import { MODEL } from "../plans/forms.js";
import { between } from "./between/index.js";
import { compare } from "./compare/index.js";
import { course } from "./course/index.js";
import { forward } from "./forward/index.js";
import { grid } from "./grid/index.js";
import { latents } from "./latents/index.js";
import { likelihood } from "./likelihood/index.js";
import { network } from "./network/index.js";
import { plane } from "./plane/index.js";
import { repair } from "./repair/index.js";
import { sketch } from "./sketch/index.js";
import { train } from "./train/index.js";
import { watch } from "./watch/index.js";

/** @import { Page, Part } from "../app.js" */
/** @import { FieldForm } from "../form/form.js" */
/** @import { Values } from "../messages/client.js" */
/** @import { ShownFigure } from "../run/embed.js" */
/** @import { Plans } from "../run/knowledge.js" */

/**
 * The data of a part that the page needs before it loads the part's other modules.
 * @typedef {object} PagePart
 * @property {string} [place] a key of PLACES in words/page.js: the entry of the page's bar that contains the part. Missing if
 * visitors can't open the part
 * @property {string} [title] the part's name in the menu of this entry
 * @property {FieldForm[]} [fields] the fields of its form
 * @property {(values: Values) => ShownFigure} [figure] returns a figure of these values, which other sites can embed
 */
/** The module mount.js of a part's folder, which draws the part. @typedef {{ mount(page: Page, part: string): Part | Promise<Part> }} Mount */

/** All parts by name. A part's name is also the name of its folder and its name in addresses. @type {Record<string, PagePart>} */
const ALL = {
  ...{ watch, compare, grid, plane, between },
  ...{ network, forward, latents, repair, likelihood },
  ...{ train, course, sketch },
};

/** Return the titles of a place's parts, by the parts' names. @param {string} place a key of PLACES in words/page.js */
export const partsOf = (place) =>
  Object.fromEntries(
    Object.entries(ALL).flatMap(([name, part]) => (part.place === place ? [[name, part.title ?? ""]] : [])),
  );

/** Return the figure that shows a part with these values; undefined if the part has no figure. @param {string} part @param {Values} values */
export const figureOf = (part, values) => ALL[part].figure?.(values);

// The page opens sooner because it imports a part's other modules only when a visitor needs them. Only the worker
// imports compute.js.

/** Import the module that draws a part. @param {string} part @returns {Promise<Mount>} */
export const mountOf = (part) => import(`./${part}/mount.js`);

/** Import the module that plans a part's runs. @param {string} part @returns {Promise<Plans>} */
export const plansOf = (part) => import(`./${part}/plan.js`);

/**
 * Return the fields of each part's form. A form's default model becomes `first` if the form allows any model, or if the
 * page lacks the default model.
 * @param {string} first the page's first model @param {string[]} refs the models of the page @returns {Record<string, FieldForm[]>}
 */
export function formsFor(first, refs) {
  /** Return whether a field chooses a model, and its default must become `first`. */
  const needsFirst = (/** @type {FieldForm} */ { name, default: usual }) =>
    name === "checkpoint" && (usual === MODEL || !refs.includes(usual));
  /** Return the fields, with `first` as the default where it is needed. */
  const withFirst = (/** @type {FieldForm[]} */ fields) =>
    fields.map((each) => (needsFirst(each) ? { ...each, default: first } : each));
  return Object.fromEntries(
    Object.entries(ALL).flatMap(([name, { fields }]) => (fields ? [[name, withFirst(fields)]] : [])),
  );
}
