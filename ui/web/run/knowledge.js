// The facts of checkpoints, and the description of a run before it begins. The engine supplies facts and measured
// times; the page writes the text. A ref is the name by which a checkpoint is loaded.

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
 * The description of a run before it begins.
 * @typedef {object} Description
 * @property {string} estimate a sentence with the time that the run takes
 * @property {number | null} seconds the time that the run takes; null if that is not known
 * @property {boolean | null} auto whether the run may begin by itself; null while its time is not known
 * @property {string} [summary] the settings in one line
 * @property {PlannedOrder | null} order the order for the engine; null if the engine lacks the files of a model
 * @property {string} of the values of the form that are described, as JSON
 * @property {undefined} [error]
 */
/** An order that contains the page's plan of the run. @typedef {Order & { plan: Plan }} PlannedOrder */
/** A description, or an error. wrong: the mistakes that the check of the form found. @typedef {Description | Refusal & { wrong?: Mistake[] }} Described */

/**
 * The modules of a part that plan its runs. files: loads the module that makes the part's files.
 * @typedef {{ planner: Planner<any>, files?: () => Promise<{ save: Save }> }} Plans
 */

export class Knowledge {
  /** The newest facts of each checkpoint, by its ref. @type {Map<string, FactsAnswer>} */
  #known = new Map();
  /** Requests without an answer yet, by their content as JSON. @type {Map<string, Promise<any>>} */
  #asked = new Map();
  /** Measured times of steps. A key is a list of refs, one in each line. @type {Map<string, Pace>} */
  #paces = new Map();
  /** Refs that the visitor chose. For a ref that only a link names, the engine downloads nothing before Run. @type {Set<string>} */
  typed = new Set();

  /**
   * @param {Words} words @param {Record<string, FieldForm[]>} forms the fields of each part
   * @param {(part: string) => Promise<Plans>} plansOf loads the module of a part that plans its runs @param {Ask} ask
   * asks the engine
   * @param {string} [precision] the number format of the engine, if it has only one
   */
  constructor(words, forms, plansOf, ask, precision = undefined) {
    this.catalogue = new Catalogue(words);
    offerOwn(words.samplers ?? []);
    this.forms = forms;
    this.plansOf = plansOf;
    this.ask = ask;
    this.precision = precision;
  }

  /**
   * Return what a form offers for a checkpoint.
   * @param {string} ref @param {boolean} [pictures] whether to include example pictures
   * @returns {Promise<Answer<About>>}
   */
  async about(ref, pictures = false) {
    const answer = await this.#shared("facts", { ref, pictures, typed: this.typed.has(ref) });
    if (answer.error !== undefined) return answer;
    this.#known.set(ref, answer);
    return aboutOf(answer, this.catalogue);
  }

  /** Forget measured times after a run. After a failed run, forget all facts, because files may have changed. @param {boolean} failed */
  forgetAfterRun(failed) {
    this.#paces.clear();
    if (failed) this.#known.clear();
  }

  /**
   * Plan a run, and return the order with which an engine computes it, or null if the engine lacks the files of a
   * model.
   * @param {string} part @param {Values} values @returns {Promise<PlannedOrder | null>}
   */
  async order(part, values) {
    const { planner, request, models } = await this.#request(part, values);
    return models && this.#order(part, planner, planner.plan(request, models, this.catalogue));
  }

  /** Make the order of a planned run. @param {string} part @param {Planner} planner of the part @param {Plan} plan @returns {PlannedOrder} */
  #order(part, planner, plan) {
    const shown = (/** @type {any} */ result) =>
      WORDED.includes(result.kind) ? planner.shown(plan, result, this.catalogue) : result;
    return { part, plan, asked: planner.asked?.(plan), shown };
  }

  /** Return the refs of the checkpoints that a run needs. @param {string} part @param {Values} values */
  async refs(part, values) {
    return (await this.#planner(part)).refs(check(this.forms[part], values));
  }

  /** Return the scripts that repeat a plan. @param {string} part @param {Plan} plan */
  async scripts(part, plan) {
    return (await this.#planner(part)).scripts(plan, this.catalogue);
  }

  /** Return the settings of a run in one line, or "" if they are impossible, for example because the model was removed. @param {string} part @param {Values} values */
  async summary(part, values) {
    try {
      const { planner, request } = await this.#request(part, values);
      return planner.summary(request, this.catalogue);
    } catch (error) {
      if (error instanceof UserError) return "";
      throw error;
    }
  }

  /**
   * Describe a run with these values of the form. Errors are returned, not thrown.
   * @param {string} part @param {Values} values @returns {Promise<Described>}
   */
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

  /**
   * Return how long steps take, as measured by the engine.
   * @param {string[]} refs checkpoints, and names of kinds of steps that need no checkpoint
   * @returns {Promise<Answer<Pace>>}
   */
  async #pace(refs) {
    const key = refs.join("\n");
    const remembered = this.#paces.get(key);
    if (remembered) return remembered;
    const pace = await this.#shared("pace", { refs });
    if (pace.error === undefined && isSettled(pace)) this.#paces.set(key, pace);
    return pace;
  }

  /**
   * Send a request to the engine. Equal requests at the same time share one answer.
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
   * Check the values of a form, and get the facts of its models. `models` of the result is null if the engine lacks the
   * files of a model.
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

  /**
   * Load the planner of a part. If this fails, the network may be down: try again once the engine answers.
   * @param {string} part @returns {Promise<Planner<any>>}
   */
  #planner(part) {
    const load = async () => (await this.plansOf(part)).planner;
    return load().catch(async (error) => {
      console.warn(error);
      await this.ask("engine", "models", {});
      return load();
    });
  }

  /**
   * Return the facts of a checkpoint, null if the engine lacks its files. Throws a UserError if there is no such
   * checkpoint.
   * @param {string} ref
   */
  async #facts(ref) {
    if (!this.#known.get(ref)?.facts) {
      const { error } = await this.about(ref);
      if (error !== undefined) throw new UserError(error);
    }
    const facts = this.#known.get(ref)?.facts;
    return facts ? { ...factsOf(ref, facts), precision: this.precision } : null;
  }

  /** Load the names of emoji if a text of the request contains emoji. @param {Request} request */
  async #prepare(request) {
    const { catalogue } = this;
    const needed = Object.values(request).some((value) => typeof value === "string" && hasEmoji(value));
    if (!needed || Object.keys(catalogue.emoji).length) return;
    const names = await this.ask("engine", "emoji", {});
    if (names.error === undefined) catalogue.emoji = names;
  }
}
