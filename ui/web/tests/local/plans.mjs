// A process that tests ask what settings mean, without an engine. A line {forms, words, emoji} comes first, then one for each
// question: {part, values, models}, models by their names as ui/models/facts.py tells them.
import { createInterface } from "node:readline";
import { unpack } from "../../files/text.js";
import { planner as between } from "../../plans/between.js";
import { factsOf } from "../../plans/facts.js";
import { check } from "../../plans/fields.js";
import { planner as latents } from "../../plans/latents.js";
import { planner as plane } from "../../plans/plane.js";
import { planner as repair } from "../../plans/repair.js";
import { compare, grid, watch } from "../../plans/sampling.js";
import { Catalogue } from "../../words/catalogue.js";

const PLANNERS = { watch, compare, grid, latents, repair, between, plane };

/** What its plan says of settings: {summary}, with models {summary, steps, …} and what `describe` adds, or {error}. */
async function answer({ forms, catalogue }, { part, values, models }) {
  const { [part]: planner } = PLANNERS;
  try {
    const request = check(forms[part], values);
    await Promise.all([request.picture, request.picture_b].map(unpack));
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
  else {
    page = { forms: told.forms, catalogue: new Catalogue(told.words) };
    page.catalogue.emoji = told.emoji;
  }
}
