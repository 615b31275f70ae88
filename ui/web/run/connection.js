// The connection of a panel to its run. It begins and stops the run and receives its messages. It finds the run again after
// the page was reloaded, or after the connection broke.

import { kept } from "../messages/client.js";
import { UserError } from "../process/errors.js";
import { RUN } from "../words/page.js";
import { failure } from "../words/units.js";

/** @import { Order, Resumed, State, Values } from "../messages/client.js" */
/** @import { Plan } from "../plans/plan.js" */
/** @import { PlannedOrder } from "./knowledge.js" */
/** @import { Panel } from "./panel.js" */

const AGAIN = 1000; // ms after a break of the connection, before it looks for the run

/** The order that only fetches models: before their files are here, there are no facts to plan a run with. @param {string[]} refs @returns {Order} */
const fetching = (refs) => ({
  part: "fetch",
  plan: { request: {}, refs, images: 0, steps: [] },
  asked: { refs },
  shown: (result) => result,
});

export class Connection {
  leave = () => {}; // stops listening to the run
  /** The plan of that run. @type {Plan | null} */
  plan = null;

  /** @param {Panel<any>} panel */
  constructor(panel) {
    this.panel = panel;
    this.name = `run-${panel.part}`; // under which the window keeps the run and its values
  }

  /** Begin a run. @param {Values} values @param {State | null} from the state of an earlier run at which it begins */
  begin(values, from) {
    kept.remove(this.name); // after a reload, the page must find the new run and not the earlier one
    this.panel.stream.start();
    this.#hear(values, () => this.panel.orderOf(values), null, from);
  }

  stop() {
    const { stream, page } = this.panel;
    stream.stop(() => page.client.ask("engine", "stop", { run: stream.run }));
  }

  /** Listen again to a run that continued meanwhile. Returns whether there is one. */
  async resume() {
    const { stream, page, part } = this.panel;
    const { run, values, fetches } = JSON.parse(kept.get(this.name) ?? "{}");
    if (!run || (await page.ask("engine", "run", { run })).error !== undefined) return false;
    if (stream.active) return false; // the visitor pressed Run in the meantime
    stream.run = null; // otherwise its messages would count as messages of an earlier run
    stream.start();
    this.#hear(values, async () => (fetches ? null : page.knowledge.order(part, values)), { part, resume: run });
    return true;
  }

  /** The connection broke: look for the run. */
  async reconnect() {
    const { stream } = this.panel;
    await new Promise((later) => setTimeout(later, AGAIN));
    if (!(await this.resume()) && stream.state === "lost") stream.lose(RUN.gone);
  }

  /** Begin the run whose models have just been fetched: only now can it be planned. @param {Values} values */
  #beginFetched(values) {
    this.#hear(values, async () => {
      const order = await this.panel.page.knowledge.order(this.panel.part, values);
      if (!order) throw new UserError(RUN.noModel);
      return order;
    });
  }

  /**
   * Listen to a run with these values. If the files of a model are not here, nothing can be ordered: then it first listens to
   * a run that only fetches them, and begins the run itself after that.
   * @param {Values} values @param {() => PlannedOrder | null | Promise<PlannedOrder | null>} ordered @param {Resumed | null} [resumed] a run
   *   that continues
   * @param {State | null} from
   */
  #hear(values, ordered, resumed = null, from = null) {
    this.leave();
    const { part, stream, page } = this.panel;
    const { knowledge } = page;
    let isLeft = false;
    let leave = () => {};
    this.leave = () => {
      isLeft = true;
      leave();
    };
    /** @type {Promise<unknown>} */
    let before = Promise.resolve(); // handle messages one after another, though planning takes a while
    const then = (/** @type {() => unknown} */ act) => {
      before = before.then(() => (isLeft ? undefined : act())).catch((error) => stream.lose(failure(error)));
    };
    then(async () => {
      const own = await ordered();
      const order = own ?? fetching(await knowledge.refs(part, values));
      if (isLeft) return;
      this.plan = own?.plan ?? null;
      leave = page.client.run(
        resumed ?? { ...order, from },
        (message) =>
          then(() => {
            const { run, state, status, results } = message;
            // The server no longer has this state, so listen to the whole run again
            if (status?.kind === "gone") return this.#hear(values, ordered);
            if (run !== stream.run) kept.set(this.name, JSON.stringify({ run, values, fetches: !own }));
            if (!own && state === "finished") this.#beginFetched(values);
            else stream.receive({ ...message, results: results.map(order.shown) });
          }),
        (why) => then(() => stream.lose(why)),
      );
    });
  }
}
