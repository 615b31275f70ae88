// A process that tests ask what settings mean, without an engine. A line {forms, words, emoji} comes first, then one for each
// question: {part, values, models, sets}, models by their names as ui/models/facts.py tells them.
import { createInterface } from "node:readline";
import { factsOf } from "../../plans/facts.js";
import { check } from "../../plans/fields.js";
import { plannerOf } from "../../plans/index.js";
import { Catalogue } from "../../words/catalogue.js";

/** What its plan says of settings: {summary}, with models {summary, steps, …} and what the plan is about, or {error}. */
async function answer({ forms, words, emoji }, { part, values, models, sets }) {
  const catalogue = new Catalogue({ ...words, sets: sets ?? words.sets });
  catalogue.emoji = emoji;
  try {
    const [planner, request] = [await plannerOf(part), check(forms[part], values)];
    await planner.prepare?.(request);
    const summary = planner.summary(request, catalogue);
    const refs = planner.refs(request);
    if (refs.some((ref) => !models[ref])) return { summary };
    const facts = refs.map((ref) => factsOf(ref, models[ref]));
    const plan = planner.plan(request, facts, catalogue);
    return { summary, steps: plan.steps, ...plan.about(), shown: plan.shown?.([], "") };
  } catch (error) {
    if (error.constructor !== Error) throw error;
    return { error: error.message };
  }
}

let page;
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (page) process.stdout.write(`${JSON.stringify(await answer(page, told))}\n`);
  else page = told;
}
