// A process that is asked what settings mean, and what a form offers, without an engine. A line {words, emoji} comes first,
// then one for each question: {part, values, models, sets, pace, result, computes}, {known} of a model, or {forms} of a part, which checks its values; all as Python tells the page.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { formsFor, plansOf } from "../../parts/index.js";
import { aboutOf, factsOf } from "../../plans/facts.js";
import { check } from "../../plans/fields.js";
import { estimate } from "../../plans/pace.js";
import { UserError } from "../../process/errors.js";
import { Catalogue } from "../../words/catalogue.js";

globalThis.fetch = async (address) => new Response(readFileSync(new URL(address))); // of the kernel

/** The same with arrays as a file of JSON has them. */
function written(value) {
  if (ArrayBuffer.isView(value))
    return {
      type: value.constructor.name.replace("Array", "").toLowerCase(),
      base64: Buffer.from(value.buffer).toString("base64"),
    };
  if (Array.isArray(value)) return value.map(written);
  if (value?.constructor !== Object) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, written(item)]));
}

/** What the worker of a page computes of a plan that needs no model: {results}, and what it keeps for files. */
async function computed(part, plan, shown) {
  const { computation } = await import(`../../parts/${part}/compute.js`);
  const results = [];
  const addResult = (result) => results.push(result.kind === "plan" ? shown(result) : result);
  const work = { recording: computation.record(plan), addResult, count: async () => {} };
  await computation.compute(plan, [], work);
  return written({ results, clouds: [...work.recording.clouds] });
}

/**
 * What the page says of settings: {refs, summary}; with their models also {steps, asked, …}, what the page
 * shows of the plan before the run, and its scripts; or
 * {error}. result: one, or several, of an engine, as they are shown. computes: also what this page computes.
 */
async function answer(
  { words, emoji },
  { part, values, models, sets, pace, known, result, computes, forms, first = "mnist-tiny" },
) {
  const catalogue = new Catalogue({ ...words, sets: sets ?? words.sets });
  catalogue.emoji = emoji;
  if (known) return aboutOf(known, catalogue);
  try {
    const form = formsFor(first, words.embedded)[forms ?? part];
    if (forms) return { fields: form, request: check(form, values ?? {}) };
    const [{ planner }, request] = [await plansOf(part), check(form, values)];
    await planner.prepare?.(request);
    const refs = planner.refs(request);
    const said = { refs, summary: planner.summary(request, catalogue) };
    if (refs.some((ref) => !models[ref])) return { ...said, ...(pace && estimate(null, pace)) };
    const facts = refs.map((ref) => factsOf(ref, models[ref]));
    const plan = planner.plan(request, facts, catalogue);
    const shown = (one) => planner.shown(plan, one, catalogue);
    return {
      ...{ ...said, ...(pace && estimate(plan, pace)), steps: plan.steps, asked: planner.asked?.(plan) },
      ...planner.about?.(plan),
      ...(await planner.scripts(plan, catalogue)),
      ...(computes && (await computed(part, plan, shown))),
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
