// A file of a run, made in the page of what an engine kept of the run.

/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { Plan } from "../plans/plan.js" */
/** @import { About } from "./record.js" */

/** What an engine keeps of a run, with its plan. about: of each of its checkpoints. The rest is what the files of its part need. @typedef {{ plan: Plan | null, about: About } & Record<string, any>} Kept */
/** @typedef {[name: string, content: BlobPart]} File */
/** Wait a moment after a picture, so that the page stays alive. @typedef {(done: number, all: number) => Promise<unknown>} Rest */
/** Make a file of a kind. run: what was kept, with its plan. Throws a UserError where there is nothing for the file yet. @typedef {(kind: string, run: any, catalogue: Catalogue, rest: Rest) => File | Promise<File>} Save */

const lanes = () => import("./save.js");
const rows = () => import("./rows.js");
/** The modules that make the files of each part. @type {Record<string, () => Promise<{ save: Save }>>} */
const PARTS = {
  ...{ watch: lanes, compare: lanes, grid: lanes },
  ...{ latents: rows, repair: rows, between: rows, network: rows },
  plane: async () => ({ save: (await import("../parts/likelihood/files.js")).points }),
  likelihood: async () => ({ save: (await import("../parts/likelihood/files.js")).bound }),
};

/**
 * A file of a run. Throws a UserError where it can't be made.
 * @param {Catalogue} catalogue @param {string} part @param {string} kind such as "png" @param {Kept} run @param {Rest} rest
 * @returns {Promise<File>}
 */
export async function make(catalogue, part, kind, run, rest) {
  const { save } = await PARTS[part]();
  return save(kind, run, catalogue, rest);
}
