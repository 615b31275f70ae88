// The parts of the page, in its order. A part is its folder, a line here and, where a server computes it, one in `PARTS` of
// ui/parts/__init__.py.

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
/** @import { Plans } from "../run/knowledge.js" */

/**
 * What the page knows of a part from the beginning.
 * @typedef {object} PagePart
 * @property {string} [place] of the page's bar, one of PLACES of words/page.js; none: visitors do not open it
 * @property {string} [title] beside the other parts of its place
 * @property {FieldForm[]} [fields] of its form
 * @property {(values: Values) => ShownFigure} [figure] returns the figure with the same content, which other sites can show
 */
/** The attributes of a figure: its name, and the time t for some figures. @typedef {{ name: string, t?: string }} ShownFigure */
/** The module of a part's folder that draws it. @typedef {{ mount(page: Page, part: string): Part | Promise<Part> }} Mount */

/** By their names, which addresses and folders have, too. @type {Record<string, PagePart>} */
const ALL = {
  ...{ watch, compare, grid, plane, between },
  ...{ network, forward, latents, repair, likelihood },
  ...{ train, course, sketch },
};

/** The names of the parts of a place, with their titles. @param {string} place */
export const partsOf = (place) =>
  Object.fromEntries(
    Object.entries(ALL).flatMap(([name, part]) => (part.place === place ? [[name, part.title ?? ""]] : [])),
  );

/** Return the figure that shows a part with these values, undefined if there is none. @param {string} part @param {Values} values */
export const figureOf = (part, values) => ALL[part].figure?.(values);

// The other modules of a folder come when they are needed, so that the page opens sooner. Its compute.js is the worker's alone.

/** @param {string} part @returns {Promise<Mount>} */
export const mountOf = (part) => import(`./${part}/mount.js`);

/** @param {string} part @returns {Promise<Plans>} */
export const plansOf = (part) => import(`./${part}/plan.js`);

/**
 * The forms of all parts. A form that takes any model begins with `first`; so does one whose model the page does not have.
 * @param {string} first @param {string[]} refs the models of the page @returns {Record<string, FieldForm[]>}
 */
export function formsFor(first, refs) {
  const takesFirst = (/** @type {FieldForm} */ { name, default: usual }) =>
    name === "checkpoint" && (usual === MODEL || !refs.includes(usual));
  const ofPage = (/** @type {FieldForm[]} */ fields) =>
    fields.map((each) => (takesFirst(each) ? { ...each, default: first } : each));
  return Object.fromEntries(
    Object.entries(ALL).flatMap(([name, { fields }]) => (fields ? [[name, ofPage(fields)]] : [])),
  );
}
