// node about.mjs FOLDER: what a form offers for each of its models, by their names, as JSON.
import { aboutOf } from "../../plans/facts.js";
import { opened } from "./checkpoints.mjs";

const { checkpoints } = await opened(process.argv[2]);
const offered = {};
for (const ref of checkpoints.knowledge.models) {
  await checkpoints.learn(ref);
  offered[ref] = aboutOf(await checkpoints.answer(ref), checkpoints.catalogue);
}
process.stdout.write(JSON.stringify(offered));
