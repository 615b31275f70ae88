// The connection of a panel to its run: it begins and stops the run, hears its messages, and finds it again when the page
// was loaded anew or the connection broke.

import { kept } from "../messages/client.js";
import { WORDED } from "../plans/plan.js";
import { RUN } from "../words/page.js";
import { failure } from "../words/units.js";

/** @import { Values } from "../messages/client.js" */
/** @import { Panel } from "./panel.js" */

const AGAIN = 1000; // ms after which a run whose connection broke is looked for

export class Connection {
  leave = () => {}; // the run that is heard

  /** @param {Panel<any>} panel */
  constructor(panel) {
    this.panel = panel;
    this.name = `run-${panel.part}`; // under which the window keeps the run and its values
  }

  /** Begin a run. @param {Values} values */
  begin(values) {
    kept.remove(this.name); // nobody looks for the run before it any more
    this.panel.stream.start();
    this.#hear(values, values);
  }

  stop() {
    const { stream, page } = this.panel;
    stream.stop(() => page.client.ask("engine", "stop", { run: stream.run }));
  }

  /** Hear a run again that went on meanwhile. Returns whether there is one. */
  async resume() {
    const { stream, page } = this.panel;
    const { run, values } = JSON.parse(kept.get(this.name) ?? "{}");
    if (!run || (await page.ask("engine", "run", { run })).error !== undefined) return false;
    if (stream.active) return false; // Run was pressed meanwhile
    stream.run = null; // else its messages would count as those of an earlier run
    stream.start();
    this.#hear({ resume: run }, values);
    return true;
  }

  /** The connection broke: look for the run. */
  async reconnect() {
    const { stream } = this.panel;
    await new Promise((later) => setTimeout(later, AGAIN));
    if (!(await this.resume()) && stream.state === "lost") stream.lose(RUN.gone);
  }

  /** @param {Values} asked of the engine @param {Values} values of the run */
  #hear(asked, values) {
    this.leave();
    const { part, stream, page } = this.panel;
    /** @type {Promise<unknown>} */
    let before = Promise.resolve(); // messages are taken one after another
    let isLeft = false;
    const then = (/** @type {() => unknown} */ act) => {
      before = before.then(() => (isLeft ? undefined : act())).catch((error) => stream.lose(failure(error)));
    };
    /** Some results get their words from the plan of the run. @param {any} result */
    const inWords = async (result) =>
      WORDED.includes(result.kind) ? (await this.panel.planOf(values)).shown(result) : result;
    const leave = page.client.run(
      part,
      asked,
      (message) =>
        then(async () => {
          if (message.run !== stream.run) kept.set(this.name, JSON.stringify({ run: message.run, values }));
          const results = await Promise.all(message.results.map(inWords));
          if (!isLeft) stream.receive({ ...message, results });
        }),
      (why) => then(() => stream.lose(why)),
    );
    this.leave = () => {
      isLeft = true;
      leave();
    };
  }
}
