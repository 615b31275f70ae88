// What the page knows of checkpoints, and what it says of a run before it begins. Its words are the page's, its time the
// engine's.

import { aboutOf, estimate, factsOf } from "../plans/facts.js";
import { check, together, Wrong } from "../plans/fields.js";
import { plannerOf } from "../plans/index.js";
import { UserError } from "../process/errors.js";
import { Catalogue, hasEmoji } from "../words/catalogue.js";
import { RUN } from "../words/page.js";
import { failure } from "../words/units.js";

/** @import { Planner, Request } from "../plans/plan.js" */
/** @import { Words } from "../words/catalogue.js" */
/** @import { About, FieldForm, Mistake } from "../form/form.js" */
/** @import { Answer, Ask, Refusal, Values } from "../messages/client.js" */
/** @import { FactsAnswer } from "../messages/protocol.d.ts" */

/**
 * What the page says of a run before it begins.
 * @typedef {object} Description
 * @property {string} estimate
 * @property {number | null} seconds
 * @property {boolean | null} auto whether a run may begin by itself; null while its time is not known
 * @property {string} [summary] the settings in one line
 * @property {string} [caption]
 * @property {string} [python]
 * @property {string} [diffusers]
 * @property {string} [why] there is no script for diffusers
 * @property {import("../plans/plan.js").Plan | null} plan of the run; null where a model has no files here
 * @property {string} of the described values, as JSON
 * @property {undefined} [error]
 */
/** wrong: values that the form's check refuses. @typedef {Description | Refusal & { wrong?: Mistake[] }} Described */

export class Knowledge {
  /** The newest facts, by their refs. @type {Map<string, FactsAnswer>} */
  #known = new Map();
  /** Checkpoints that the visitor has chosen. Of others, which a link names, the engine fetches nothing before Run. @type {Set<string>} */
  typed = new Set();

  /**
   * @param {Words} words @param {Record<string, FieldForm[]>} forms of each part
   * @param {Ask} ask the engine
   * @param {string} [precision] of an engine that has only one
   */
  constructor(words, forms, ask, precision = undefined) {
    this.catalogue = new Catalogue(words);
    this.forms = forms;
    this.ask = ask;
    this.precision = precision;
  }

  /** Ask what a form offers for a checkpoint. @param {string} ref @param {boolean} [pictures] with examples of pictures @returns {Promise<Answer<About>>} */
  async about(ref, pictures = false) {
    const known = await this.ask("engine", "facts", { ref, pictures, typed: this.typed.has(ref) });
    if (known.error !== undefined) return known;
    this.#known.set(ref, known);
    return aboutOf(known, this.catalogue);
  }

  /** Plan a run. Throws a UserError where one of its models is not here. @param {string} part @param {Values} values */
  async plan(part, values) {
    const { planner, request, models } = await this.#request(part, values);
    if (!models) throw new UserError(RUN.noModel);
    return planner.plan(request, models, this.catalogue);
  }

  /** The settings of a run in a line; "" where they mean nothing any more, as when its model has gone. @param {string} part @param {Values} values */
  async summary(part, values) {
    try {
      const { planner, request } = await this.#request(part, values);
      return planner.summary(request, this.catalogue);
    } catch (error) {
      if (error instanceof UserError) return "";
      throw error;
    }
  }

  /** Describe the run of a form's values. This is the one place that asks an engine what a run takes. @param {string} part @param {Values} values @returns {Promise<Described>} */
  async describe(part, values) {
    try {
      const { planner, request, models } = await this.#request(part, values);
      const summary = planner.summary(request, this.catalogue);
      const plan = models && planner.plan(request, models, this.catalogue);
      const cost = await this.ask(part, "cost", values);
      if (cost.error !== undefined) return cost;
      return { ...estimate(cost), ...(summary && { summary }), ...plan?.about(), plan, of: JSON.stringify(values) };
    } catch (error) {
      const all = error instanceof Wrong ? error.all : [];
      const wrong = all.map((one) => ({ field: one.field, error: failure(one) }));
      return { error: failure(error), wrong };
    }
  }

  /**
   * Check the values of a form, and get the facts of its models; null where a model has no files here.
   * @param {string} part @param {Values} values
   */
  async #request(part, values) {
    /** @type {[Planner<any>, Request]} */
    const [planner, request] = [await this.#planner(part), check(this.forms[part], values)];
    const refs = planner.refs(request);
    const prepared = Promise.all([this.#prepare(request), planner.prepare?.(request)]);
    const asked = await Promise.allSettled(refs.map((ref) => this.#facts(ref)));
    const facts = together(
      asked.map((one, i) => () => {
        if (one.status === "fulfilled") return one.value;
        const field = this.forms[part].find(({ kind, name }) => kind === "reference" && request[name] === refs[i]);
        throw field ? new Wrong(field.name, failure(one.reason)) : one.reason;
      }),
    );
    await prepared;
    const models = facts.flatMap((one) => one ?? []);
    return { planner, request, models: models.length === refs.length ? models : null };
  }

  /** The planner of a part. Its module may fail to load without a network: then once the engine answers again. @param {string} part @returns {Promise<Planner<any>>} */
  #planner(part) {
    return plannerOf(part).catch(() => this.ask("engine", "models", {}).then(() => plannerOf(part)));
  }

  /** Get the facts of a checkpoint. Throws the engine's sentence where there is no such checkpoint. @param {string} ref */
  async #facts(ref) {
    if (!this.#known.get(ref)?.facts) {
      const { error } = await this.about(ref);
      if (error !== undefined) throw new UserError(error);
    }
    const facts = this.#known.get(ref)?.facts;
    return facts ? { ...factsOf(ref, facts), precision: this.precision } : null;
  }

  /** Get the names of emoji, where a request has some. @param {Request} request */
  async #prepare(request) {
    const { catalogue } = this;
    const needed = Object.values(request).some((value) => typeof value === "string" && hasEmoji(value));
    if (!needed || Object.keys(catalogue.emoji).length) return;
    const names = await this.ask("engine", "emoji", {});
    if (names.error === undefined) catalogue.emoji = names;
  }
}
