// A process that tests ask what settings mean, and what a form offers, without an engine. A line {forms, words, emoji} comes
// first, then one for each question: {part, values, models, sets, cost, result}, or {known} of a model; all as Python tells the page.
import { createInterface } from "node:readline";
import { aboutOf, estimate, factsOf } from "../../plans/facts.js";
import { check } from "../../plans/fields.js";
import { plannerOf } from "../../plans/index.js";
import { UserError } from "../../process/errors.js";
import { Catalogue } from "../../words/catalogue.js";

/** What its plan says of settings: {summary}, with models {summary, steps, …} and what the plan is about, or {error}. */
async function answer({ forms, words, emoji }, { part, values, models, sets, cost, known, result }) {
  const catalogue = new Catalogue({ ...words, sets: sets ?? words.sets });
  catalogue.emoji = emoji;
  if (known) return aboutOf(known, catalogue);
  try {
    const [planner, request] = [await plannerOf(part), check(forms[part], values)];
    await planner.prepare?.(request);
    const said = { ...(cost && estimate(cost)), summary: planner.summary(request, catalogue) };
    const refs = planner.refs(request);
    if (refs.some((ref) => !models[ref])) return said;
    const facts = refs.map((ref) => factsOf(ref, models[ref]));
    const plan = planner.plan(request, facts, catalogue);
    return { ...said, steps: plan.steps, ...plan.about(), shown: result && plan.shown(result) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { error: error.message };
  }
}

let page;
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (page) process.stdout.write(`${JSON.stringify(await answer(page, told))}\n`);
  else page = told;
}
