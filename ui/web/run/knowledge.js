// What the page knows of checkpoints, and how it describes a run before it begins. The page writes the words; the engine says
// how long steps take.

import { aboutOf, factsOf } from "../plans/facts.js";
import { check, together, Wrong } from "../plans/fields.js";
import { estimate, isSettled, namesOf } from "../plans/pace.js";
import { WORDED } from "../plans/plan.js";
import { UserError } from "../process/errors.js";
import { offerOwn } from "../process/samplers.js";
import { Catalogue, hasEmoji } from "../words/catalogue.js";
import { failure } from "../words/units.js";

/** @import { Plan, Planner, Request } from "../plans/plan.js" */
/** @import { Save } from "../files/file.d.ts" */
/** @import { Words } from "../words/catalogue.js" */
/** @import { About, FieldForm, Mistake } from "../form/form.js" */
/** @import { Answer, Ask, Order, Refusal, Values } from "../messages/client.js" */
/** @import { FactsAnswer, Pace } from "../messages/protocol.d.ts" */

/**
 * How the page describes a run before it begins.
 * @typedef {object} Description
 * @property {string} estimate
 * @property {number | null} seconds
 * @property {boolean | null} auto whether the run may begin by itself; null while its time is not known
 * @property {string} [summary] the settings in one line
 * @property {PlannedOrder | null} order of the run; null if the files of a model are not here
 * @property {string} of the described values, as JSON
 * @property {undefined} [error]
 */
/** The order of a run that the page has planned. @typedef {Order & { plan: Plan }} PlannedOrder */
/** wrong: values that the form's check refuses. @typedef {Description | Refusal & { wrong?: Mistake[] }} Described */

/** files: loads what makes the files that visitors save. @typedef {{ planner: Planner<any>, files?: () => Promise<{ save: Save }> }} Plans */

export class Knowledge {
  /** The newest facts, by their refs. @type {Map<string, FactsAnswer>} */
  #known = new Map();
  /** Questions under way. @type {Map<string, Promise<any>>} */
  #asked = new Map();
  /** How long steps take, by the names of the kinds of steps. @type {Map<string, Pace>} */
  #paces = new Map();
  /** Checkpoints that the visitor has chosen. If only a link names a checkpoint, the engine fetches nothing before Run. @type {Set<string>} */
  typed = new Set();

  /**
   * @param {Words} words @param {Record<string, FieldForm[]>} forms of each part
   * @param {(part: string) => Promise<Plans>} plansOf loads the module of a part that plans its runs @param {Ask} ask asks the engine
   * @param {string} [precision] of an engine that has only one precision
   */
  constructor(words, forms, plansOf, ask, precision = undefined) {
    this.catalogue = new Catalogue(words);
    offerOwn(words.samplers ?? []);
    this.forms = forms;
    this.plansOf = plansOf;
    this.ask = ask;
    this.precision = precision;
  }

  /** Ask what a form offers for a checkpoint. @param {string} ref @param {boolean} [pictures] with examples of pictures @returns {Promise<Answer<About>>} */
  async about(ref, pictures = false) {
    const answer = await this.#shared("facts", { ref, pictures, typed: this.typed.has(ref) });
    if (answer.error !== undefined) return answer;
    this.#known.set(ref, answer);
    return aboutOf(answer, this.catalogue);
  }

  /** A run has ended: forget how long steps take. @param {boolean} failed if it failed, files may have changed: forget all facts */
  ended(failed) {
    this.#paces.clear();
    if (failed) this.#known.clear();
  }

  /** Plan a run, and return the order with which an engine computes it; null if the files of a model are not here. @param {string} part @param {Values} values @returns {Promise<PlannedOrder | null>} */
  async order(part, values) {
    const { planner, request, models } = await this.#request(part, values);
    return models && this.#order(part, planner, planner.plan(request, models, this.catalogue));
  }

  /** @param {string} part @param {Planner} planner of the part @param {Plan} plan @returns {PlannedOrder} */
  #order(part, planner, plan) {
    const shown = (/** @type {any} */ result) =>
      WORDED.includes(result.kind) ? planner.shown(plan, result, this.catalogue) : result;
    return { part, plan, asked: planner.asked?.(plan), shown };
  }

  /** The checkpoints that a run needs. @param {string} part @param {Values} values */
  async refs(part, values) {
    return (await this.#planner(part)).refs(check(this.forms[part], values));
  }

  /** Get the scripts that repeat a plan. @param {string} part @param {Plan} plan */
  async scripts(part, plan) {
    return (await this.#planner(part)).scripts(plan, this.catalogue);
  }

  /** The settings of a run in a line; "" if they are impossible now, for example because the model has gone. @param {string} part @param {Values} values */
  async summary(part, values) {
    try {
      const { planner, request } = await this.#request(part, values);
      return planner.summary(request, this.catalogue);
    } catch (error) {
      if (error instanceof UserError) return "";
      throw error;
    }
  }

  /** Describe the run of a form's values. No other function asks an engine how long a run takes. @param {string} part @param {Values} values @returns {Promise<Described>} */
  async describe(part, values) {
    try {
      const { planner, request, models, refs } = await this.#request(part, values);
      const summary = planner.summary(request, this.catalogue);
      const plan = models && planner.plan(request, models, this.catalogue);
      const pace = await this.#pace(namesOf(refs, plan));
      if (pace.error !== undefined) return pace;
      const about = plan && planner.about?.(plan);
      const order = plan && this.#order(part, planner, plan);
      return { ...estimate(plan, pace), ...(summary && { summary }), ...about, order, of: JSON.stringify(values) };
    } catch (error) {
      const all = error instanceof Wrong ? error.all : [];
      const wrong = all.map((each) => ({ field: each.field, error: failure(each) }));
      return { error: failure(error), wrong };
    }
  }

  /** How long steps take. @param {string[]} refs the names of the kinds of steps @returns {Promise<Answer<Pace>>} */
  async #pace(refs) {
    const key = refs.join("\n");
    const remembered = this.#paces.get(key);
    if (remembered) return remembered;
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
   * Check the values of a form, and get the facts of its models. models is null if the files of one are not here.
   * @param {string} part @param {Values} values
   */
  async #request(part, values) {
    /** @type {[Planner<any>, Request]} */
    const [planner, request] = [await this.#planner(part), check(this.forms[part], values)];
    const refs = planner.refs(request);
    const prepared = Promise.all([this.#prepare(request), planner.prepare?.(request)]);
    const answers = await Promise.allSettled(refs.map((ref) => this.#facts(ref)));
    const facts = together(
      answers.map((answer, i) => () => {
        if (answer.status === "fulfilled") return answer.value;
        const field = this.forms[part].find(({ kind, name }) => kind === "reference" && request[name] === refs[i]);
        throw field ? new Wrong(field.name, failure(answer.reason)) : answer.reason;
      }),
    );
    await prepared;
    const models = facts.flatMap((each) => each ?? []);
    return { planner, request, refs, models: models.length === refs.length ? models : null };
  }

  /** The planner of a part. Its module may fail to load while the network is down: then try again once the engine answers. @param {string} part @returns {Promise<Planner<any>>} */
  #planner(part) {
    const load = async () => (await this.plansOf(part)).planner;
    return load().catch(async (error) => {
      console.warn(error);
      await this.ask("engine", "models", {});
      return load();
    });
  }

  /** Get the facts of a checkpoint; null if its files are not here. Throws a UserError if there is no such checkpoint. @param {string} ref */
  async #facts(ref) {
    if (!this.#known.get(ref)?.facts) {
      const { error } = await this.about(ref);
      if (error !== undefined) throw new UserError(error);
    }
    const facts = this.#known.get(ref)?.facts;
    return facts ? { ...factsOf(ref, facts), precision: this.precision } : null;
  }

  /** Get the names of emoji, if a request has emoji. @param {Request} request */
  async #prepare(request) {
    const { catalogue } = this;
    const needed = Object.values(request).some((value) => typeof value === "string" && hasEmoji(value));
    if (!needed || Object.keys(catalogue.emoji).length) return;
    const names = await this.ask("engine", "emoji", {});
    if (names.error === undefined) catalogue.emoji = names;
  }
}
