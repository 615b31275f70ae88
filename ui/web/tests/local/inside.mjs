// node inside.mjs FOLDER VALUES: what the part "network" gives for values of its form, as JSON; pictures as lists of levels.
import { opened } from "./checkpoints.mjs";

const [folder, values] = process.argv.slice(2);
const { run } = await opened(folder);
const { messages } = await run("network", JSON.parse(values));
const { state, text } = messages.at(-1);
const results = messages.flatMap((message) => message.results);
const plain = (_, value) => (value instanceof Uint8Array ? Array.from(value) : value);
process.stdout.write(JSON.stringify({ state, text, results }, plain));
