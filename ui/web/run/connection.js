// The connection of a panel to its run: it begins and stops the run, hears its messages, and finds it again when the page
// was loaded anew or the connection broke.

import { kept } from "../messages/client.js";
import { fetching } from "../plans/index.js";
import { UserError } from "../process/errors.js";
import { RUN } from "../words/page.js";
import { failure } from "../words/units.js";

/** @import { Resumed, Values } from "../messages/client.js" */
/** @import { Plan } from "../plans/plan.js" */
/** @import { Panel } from "./panel.js" */

const AGAIN = 1000; // ms after which a run whose connection broke is looked for

export class Connection {
  leave = () => {}; // the run that is heard
  /** Of that run. @type {Plan | null} */
  plan = null;

  /** @param {Panel<any>} panel */
  constructor(panel) {
    this.panel = panel;
    this.name = `run-${panel.part}`; // under which the window keeps the run and its values
  }

  /** Begin a run. @param {Values} values */
  begin(values) {
    kept.remove(this.name); // nobody looks for the run before it any more
    this.panel.stream.start();
    this.#hear(values, () => this.panel.planOf(values));
  }

  stop() {
    const { stream, page } = this.panel;
    stream.stop(() => page.client.ask("engine", "stop", { run: stream.run }));
  }

  /** Hear a run again that went on meanwhile. Returns whether there is one. */
  async resume() {
    const { stream, page, part } = this.panel;
    const { run, values, fetches } = JSON.parse(kept.get(this.name) ?? "{}");
    if (!run || (await page.ask("engine", "run", { run })).error !== undefined) return false;
    if (stream.active) return false; // Run was pressed meanwhile
    stream.run = null; // else its messages would count as those of an earlier run
    stream.start();
    this.#hear(values, async () => (fetches ? null : page.knowledge.plan(part, values)), { part, resume: run });
    return true;
  }

  /** The connection broke: look for the run. */
  async reconnect() {
    const { stream } = this.panel;
    await new Promise((later) => setTimeout(later, AGAIN));
    if (!(await this.resume()) && stream.state === "lost") stream.lose(RUN.gone);
  }

  /** The models of a run are here: now it can be planned. @param {Values} values */
  #beginFetched(values) {
    this.#hear(values, async () => {
      const plan = await this.panel.page.knowledge.plan(this.panel.part, values);
      if (!plan) throw new UserError(RUN.noModel);
      return plan;
    });
  }

  /**
   * Hear a run of these values. Where the files of a model are not here it has no plan: then what is heard is how they are
   * fetched, and the run begins after that.
   * @param {Values} values @param {() => Plan | null | Promise<Plan | null>} planned @param {Resumed | null} [resumed] a run that goes on
   */
  #hear(values, planned, resumed = null) {
    this.leave();
    const { part, stream, page } = this.panel;
    const { knowledge, client } = page;
    let isLeft = false;
    let leave = () => {};
    this.leave = () => {
      isLeft = true;
      leave();
    };
    /** @type {Promise<unknown>} */
    let before = Promise.resolve(); // messages are taken one after another
    const then = (/** @type {() => unknown} */ act) => {
      before = before.then(() => (isLeft ? undefined : act())).catch((error) => stream.lose(failure(error)));
    };
    then(async () => {
      const plan = await planned();
      const order = plan ? await knowledge.order(part, plan) : fetching(await knowledge.refs(part, values));
      if (isLeft) return;
      this.plan = plan;
      leave = client.run(
        resumed ?? order,
        (message) =>
          then(() => {
            const { run, state, results } = message;
            if (run !== stream.run) kept.set(this.name, JSON.stringify({ run, values, fetches: !plan }));
            if (!plan && state === "finished") this.#beginFetched(values);
            else stream.receive({ ...message, results: results.map(order.shown) });
          }),
        (why) => then(() => stream.lose(why)),
      );
    });
  }
}
