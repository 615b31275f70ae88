// node about.mjs FOLDER: of each of its models what Python says that a form offers, and what the page's facts say, as JSON.
import { aboutModel } from "../../plans/facts.js";
import { opened } from "./lab.mjs";

const { lab } = await opened(process.argv[2]);
const both = [];
for (const ref of lab.knowledge.models) {
  await lab.learn(ref);
  both.push([lab.known(ref).about, aboutModel(lab.facts(ref), lab.catalogue)]);
}
process.stdout.write(JSON.stringify(both));
