// node texts.mjs FOLDER QUESTIONS: what the parts say of settings, [[part, values], …], as JSON.
import { readFileSync } from "node:fs";
import { opened } from "./checkpoints.mjs";

const [folder, questions] = process.argv.slice(2);
const { describe } = await opened(folder);
const asked = JSON.parse(readFileSync(questions, "utf8"));
const answers = [];
for (const [part, values] of asked) answers.push(await describe(part, values));
process.stdout.write(JSON.stringify(answers));
