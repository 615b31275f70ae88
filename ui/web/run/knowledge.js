// What the page knows of checkpoints, and what it says of a run before it begins. Its words are the page's, its time the
// engine's.

import { aboutOf, factsOf } from "../plans/facts.js";
import { check, together, Wrong } from "../plans/fields.js";
import { plannerOf } from "../plans/index.js";
import { estimate, isSettled, namesOf } from "../plans/pace.js";
import { WORDED } from "../plans/plan.js";
import { UserError } from "../process/errors.js";
import { Catalogue, hasEmoji } from "../words/catalogue.js";
import { failure } from "../words/units.js";

/** @import { Plan, Planner, Request } from "../plans/plan.js" */
/** @import { Words } from "../words/catalogue.js" */
/** @import { About, FieldForm, Mistake } from "../form/form.js" */
/** @import { Answer, Ask, Order, Refusal, Values } from "../messages/client.js" */
/** @import { FactsAnswer, Pace } from "../messages/protocol.d.ts" */

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
  /** Questions under way. @type {Map<string, Promise<any>>} */
  #asked = new Map();
  /** How long steps take, by the names of what takes them. @type {Map<string, Pace>} */
  #paces = new Map();
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
    const known = await this.#shared("facts", { ref, pictures, typed: this.typed.has(ref) });
    if (known.error !== undefined) return known;
    this.#known.set(ref, known);
    return aboutOf(known, this.catalogue);
  }

  /** A run has ended: steps may take another time now. @param {boolean} failed maybe as the files of its models have changed */
  ended(failed) {
    this.#paces.clear();
    if (failed) this.#known.clear();
  }

  /** The plan of a run, null where the files of a model are not here. @param {string} part @param {Values} values @returns {Promise<Plan | null>} */
  async plan(part, values) {
    const { planner, request, models } = await this.#request(part, values);
    return models && planner.plan(request, models, this.catalogue);
  }

  /** The checkpoints that a run needs. @param {string} part @param {Values} values */
  async refs(part, values) {
    return (await this.#planner(part)).refs(check(this.forms[part], values));
  }

  /** A plan as an engine takes it. @param {string} part @param {Plan} plan @returns {Promise<Order>} */
  async order(part, plan) {
    const planner = await this.#planner(part);
    const shown = (/** @type {any} */ result) =>
      WORDED.includes(result.kind) ? planner.shown(plan, result, this.catalogue) : result;
    return { part, plan, asked: planner.asked(plan), shown };
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
      const { planner, request, models, refs } = await this.#request(part, values);
      const summary = planner.summary(request, this.catalogue);
      const plan = models && planner.plan(request, models, this.catalogue);
      const pace = await this.#pace(namesOf(refs, plan));
      if (pace.error !== undefined) return pace;
      const about = plan && planner.about(plan, this.catalogue);
      return { ...estimate(plan, pace), ...(summary && { summary }), ...about, plan, of: JSON.stringify(values) };
    } catch (error) {
      const all = error instanceof Wrong ? error.all : [];
      const wrong = all.map((one) => ({ field: one.field, error: failure(one) }));
      return { error: failure(error), wrong };
    }
  }

  /** How long steps take. @param {string[]} refs of what takes them @returns {Promise<Answer<Pace>>} */
  async #pace(refs) {
    const key = refs.join("\n");
    const before = this.#paces.get(key);
    if (before) return before;
    const pace = await this.#shared("pace", { refs });
    if (pace.error === undefined && isSettled(pace)) this.#paces.set(key, pace);
    return pace;
  }

  /**
   * Ask the engine. Those who ask the same meanwhile share the answer.
   * @template {"facts" | "pace"} W @param {W} what @param {Values} values
   * @returns {Promise<Answer<W extends "facts" ? FactsAnswer : Pace>>}
   */
  #shared(what, values) {
    const key = JSON.stringify([what, values]);
    const answer =
      this.#asked.get(key) ??
      this.ask("engine", what, /** @type {any} */ (values)).finally(() => this.#asked.delete(key));
    this.#asked.set(key, answer);
    return /** @type {Promise<any>} */ (answer);
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
    return { planner, request, refs, models: models.length === refs.length ? models : null };
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
