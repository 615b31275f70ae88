// A process that is asked what settings mean, and what a form offers, without an engine. A line {words, emoji} comes first,
// then one for each question: {part, values, models, sets, pace, result}, {known} of a model, or {forms} of a part, which checks its values; all as Python tells the page.
import { createInterface } from "node:readline";
import { aboutOf, factsOf } from "../../plans/facts.js";
import { check } from "../../plans/fields.js";
import { formsFor } from "../../plans/forms.js";
import { plannerOf } from "../../plans/index.js";
import { estimate } from "../../plans/pace.js";
import { UserError } from "../../process/errors.js";
import { Catalogue } from "../../words/catalogue.js";

/**
 * What the page says of settings: {refs, summary}; with their models also {steps, asked, …}, what the page
 * shows of the plan before the run, and its scripts; or
 * {error}. result: one, or several, of an engine, as they are shown.
 */
async function answer(
  { words, emoji },
  { part, values, models, sets, pace, known, result, forms, first = "mnist-tiny" },
) {
  const catalogue = new Catalogue({ ...words, sets: sets ?? words.sets });
  catalogue.emoji = emoji;
  if (known) return aboutOf(known, catalogue);
  try {
    const form = formsFor(first, words.embedded)[forms ?? part];
    if (forms) return { fields: form, request: check(form, values ?? {}) };
    const [planner, request] = [await plannerOf(part), check(form, values)];
    await planner.prepare?.(request);
    const refs = planner.refs(request);
    const said = { refs, summary: planner.summary(request, catalogue) };
    if (refs.some((ref) => !models[ref])) return { ...said, ...(pace && estimate(null, pace)) };
    const facts = refs.map((ref) => factsOf(ref, models[ref]));
    const plan = planner.plan(request, facts, catalogue);
    const shown = (one) => planner.shown(plan, one, catalogue);
    return {
      ...{ ...said, ...(pace && estimate(plan, pace)), steps: plan.steps, asked: planner.asked(plan) },
      ...planner.about?.(plan),
      ...(await planner.scripts(plan, catalogue)),
      shown: result && (Array.isArray(result) ? result.map(shown) : shown(result)),
    };
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
