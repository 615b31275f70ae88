// A file of a run, made in the page of what an engine kept of the run.

import type { Plan } from "../plans/plan.js";
import type { Catalogue } from "../words/catalogue.js";
import type { About } from "./record.js";

/** What an engine keeps of a run, with its plan. about: of each of its checkpoints. The rest is what the files of its part need. */
export type Kept = { plan: Plan | null; about: About } & Record<string, any>;

export type File = [name: string, content: BlobPart];

/** Wait a moment after a picture, so that the page stays alive. */
export type Rest = (done: number, all: number) => Promise<unknown>;

/** Make a file of a kind, such as "png". Throws a UserError where there is nothing for the file yet. */
export type Save = (kind: string, run: any, catalogue: Catalogue, rest: Rest) => File | Promise<File>;
