// The connection of a panel to its run. It begins and stops the run and receives its messages. It finds the run again
// after the page was reloaded, or after the connection broke.

import { kept } from "../messages/client.js";
import { UserError } from "../process/errors.js";
import { RUN } from "../words/page.js";
import { failure } from "../words/units.js";

/** @import { Order, Resumed, State, Values } from "../messages/client.js" */
/** @import { Plan } from "../plans/plan.js" */
/** @import { PlannedOrder } from "./knowledge.js" */
/** @import { Panel } from "./panel.js" */

const AGAIN = 1000; // ms between the loss of the connection and the search for the run

/**
 * Make an order that only downloads models. A run can be planned only when the models' files are here.
 * @param {string[]} refs @returns {Order}
 */
const downloadOrder = (refs) => ({
  part: "fetch",
  plan: { request: {}, refs, images: 0, steps: [] },
  asked: { refs },
  shown: (result) => result,
});

export class Connection {
  leave = () => {}; // stops receiving the messages of the run
  /** The plan of the current run; null if only models are downloaded. @type {Plan | null} */
  plan = null;

  /** @param {Panel<any>} panel */
  constructor(panel) {
    this.panel = panel;
    this.name = `run-${panel.part}`; // key under which the window stores the run and its values
  }

  /** Begin a run. @param {Values} values @param {State | null} from a state of an earlier run, with which the new run begins */
  begin(values, from) {
    kept.remove(this.name); // after a reload, the page must find the new run and not the earlier one
    this.panel.stream.start();
    this.#follow(values, () => this.panel.orderOf(values), null, from);
  }

  /** Stop the run, on the page and in the engine. */
  stop() {
    const { stream, page } = this.panel;
    stream.stop(() => page.client.ask("engine", "stop", { run: stream.run }));
  }

  /**
   * Receive the messages of the stored run. Returns false without a stored run, or if the engine no longer has the run.
   */
  async resume() {
    const { stream, page, part } = this.panel;
    const { run, values, fetches } = JSON.parse(kept.get(this.name) ?? "{}");
    if (!run || (await page.ask("engine", "run", { run })).error !== undefined) return false;
    if (stream.active) return false; // the visitor pressed Run in the meantime
    stream.run = null; // `start` would otherwise drop the messages of this run
    stream.start();
    this.#follow(values, async () => (fetches ? null : page.knowledge.order(part, values)), { part, resume: run });
    return true;
  }

  /** Look for the run after the connection broke. */
  async reconnect() {
    const { stream } = this.panel;
    await new Promise((later) => setTimeout(later, AGAIN));
    if (!(await this.resume()) && stream.state === "lost") stream.lose(RUN.gone);
  }

  /** Plan and begin the run whose models have just been downloaded. @param {Values} values */
  #beginFetched(values) {
    this.#follow(values, async () => {
      const order = await this.panel.page.knowledge.order(this.panel.part, values);
      if (!order) throw new UserError(RUN.noModel);
      return order;
    });
  }

  /**
   * Begin or resume a run, and pass its messages to the stream. If the files of a model are missing, begin with a run
   * that only downloads them.
   * @param {Values} values @param {() => PlannedOrder | null | Promise<PlannedOrder | null>} ordered makes the order;
   * null if files are missing
   * @param {Resumed | null} [resumed] a run that the engine already has @param {State | null} from as in `begin`
   */
  #follow(values, ordered, resumed = null, from = null) {
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
    let before = Promise.resolve(); // planning takes a while, and this chain keeps the messages in their order
    /** Run `act` after all earlier acts have ended, unless the page has stopped following the run. */
    const inOrder = (/** @type {() => unknown} */ act) => {
      before = before.then(() => (isLeft ? undefined : act())).catch((error) => stream.lose(failure(error)));
    };
    inOrder(async () => {
      const own = await ordered();
      const order = own ?? downloadOrder(await knowledge.refs(part, values));
      if (isLeft) return;
      this.plan = own?.plan ?? null;
      leave = page.client.run(
        resumed ?? { ...order, from },
        (message) =>
          inOrder(() => {
            const { run, state, status, results } = message;
            // the server has lost the state with which the run begins, so begin the whole run
            if (status?.kind === "gone") return this.#follow(values, ordered);
            if (run !== stream.run) kept.set(this.name, JSON.stringify({ run, values, fetches: !own }));
            if (!own && state === "finished") this.#beginFetched(values);
            else stream.receive({ ...message, results: results.map(order.shown) });
          }),
        (why) => inOrder(() => stream.lose(why)),
      );
    });
  }
}
