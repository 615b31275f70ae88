// node about.mjs FOLDER: what a form offers for each of its models, by their names, as JSON.
import { aboutOf } from "../../plans/facts.js";
import { opened } from "./lab.mjs";

const { lab } = await opened(process.argv[2]);
const offered = {};
for (const ref of lab.knowledge.models) {
  await lab.learn(ref);
  offered[ref] = aboutOf(lab.said(ref), lab.catalogue);
}
process.stdout.write(JSON.stringify(offered));
