// A file of a run, made in the page of what an engine kept of the run.

import { factsOf } from "../plans/facts.js";
import { check } from "../plans/fields.js";
import { Catalogue } from "../words/catalogue.js";
import { unpack } from "./text.js";

/** @import { Planner } from "../plans/plan.js" */
/** @import { FieldForm } from "../shared/form/form.js" */
/** @import { Values } from "../shared/run/client.js" */
/** @import { About } from "./record.js" */

/** What an engine keeps of a run. values: of its request. about: of each of its checkpoints. The rest is what the files of its part need. @typedef {{ values: Values, about: About } & Record<string, any>} Kept */
/** @typedef {[name: string, content: BlobPart]} File */
/** Wait a moment after a picture, so that the page stays alive. @typedef {(done: number, all: number) => Promise<unknown>} Rest */
/** Make a file of a kind. run: what was kept, with its plan. Throws a sentence where there is nothing for the file yet. @typedef {(kind: string, run: any, catalogue: Catalogue, rest: Rest) => File | Promise<File>} Save */

/** Where a part's plan and its files are made. @type {Record<string, () => Promise<{ planner: Planner<any>, save: Save }>>} */
const PARTS = {
  watch: async () => ({ planner: (await import("../plans/sampling.js")).watch, ...(await import("./save.js")) }),
  compare: async () => ({ planner: (await import("../plans/sampling.js")).compare, ...(await import("./save.js")) }),
  grid: async () => ({ planner: (await import("../plans/sampling.js")).grid, ...(await import("./save.js")) }),
  latents: async () => ({ planner: (await import("../plans/latents.js")).planner, ...(await import("./rows.js")) }),
  repair: async () => ({ planner: (await import("../plans/repair.js")).planner, ...(await import("./rows.js")) }),
  between: async () => ({ planner: (await import("../plans/between.js")).planner, ...(await import("./rows.js")) }),
  plane: async () => ({ planner: (await import("../plans/plane.js")).planner, ...(await import("./points.js")) }),
  likelihood: () => import("./bits.js"),
};

/**
 * A file of a run. Throws an Error with a sentence where it can't be made.
 * @param {string} part @param {string} kind such as "png" @param {Kept} kept @param {FieldForm[]} form of the part
 * @param {(what: string, values?: Values) => Promise<any>} ask the engine; throws where there is no answer @param {Rest} rest
 */
export async function make(part, kind, { values, ...kept }, form, ask, rest) {
  const { planner, save } = await PARTS[part]();
  const request = check(form, values);
  const refs = planner.refs(request);
  const [{ words, emoji }, models] = await Promise.all([
    ask("words"),
    Promise.all(refs.map(async (ref) => factsOf(ref, (await ask("facts", { ref })).facts))),
    unpack(request.picture), // which some plans want at once
    unpack(request.picture_b),
  ]);
  const catalogue = Object.assign(new Catalogue(words), { emoji });
  return save(kind, { ...kept, plan: planner.plan(request, models, catalogue) }, catalogue, rest);
}
