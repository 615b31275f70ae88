// A file of a run, which the page makes of the results that the engine has stored.

import type { Plan } from "../plans/plan.js";
import type { Catalogue } from "../words/catalogue.js";
import type { About } from "./record.js";

/** What an engine stores of a run. about: facts of each of its checkpoints. Other fields are those that the files of its part need. */
export type Kept = { plan: Plan | null; about: About } & Record<string, any>;

export type File = [name: string, content: BlobPart];

/** Wait a moment after a picture, so that the page can react to the visitor. */
export type Rest = (done: number, all: number) => Promise<unknown>;

/** Make a file of a kind, such as "png". Throw a UserError if there is nothing for the file yet. */
export type Save = (kind: string, run: any, catalogue: Catalogue, rest: Rest) => File | Promise<File>;
