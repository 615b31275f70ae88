// Both engines of a page with a server: the server computes with its models, and this browser with those that were trained
// in it.

import { isTrainedHere } from "../words/catalogue.js";
import { ENGINES } from "../words/page.js";

/** @import { Client, Order, Resumed } from "../messages/client.js" */
/** @import { Plan } from "../plans/plan.js" */

/** @implements {Client} */
export class Engines {
  /** @type {Promise<Client> | null} */
  #browser = null;
  /** The runs of the browser, by their names. @type {Set<string>} */
  #runs = new Set();

  /** @param {Client} server @param {() => Promise<Client>} start the browser's client */
  constructor(server, start) {
    this.server = server;
    this.start = start;
  }

  get session() {
    return this.server.session;
  }

  get items() {
    return this.server.items;
  }

  /** @type {Client["ask"]} */
  ask = async (/** @type {any} */ part, /** @type {any} */ what, /** @type {any} */ values) => {
    const { run, ref, refs = ref === undefined ? [] : [ref] } = values;
    const here = refs.filter(isTrainedHere).length;
    if (here && here < refs.length) return /** @type {any} */ ({ error: ENGINES.mixed });
    const engine = here || this.#runs.has(run) ? await this.#inBrowser() : this.server;
    return engine.ask(part, what, values);
  };

  /** @type {Client["run"]} */
  run(order, take, lost) {
    if (!this.#isHere(order)) return this.server.run(order, take, lost);
    let leave = () => {};
    let isLeft = false;
    this.#inBrowser().then(
      (browser) => {
        if (isLeft) return;
        const note = (/** @type {Parameters<typeof take>[0]} */ message) => {
          this.#runs.add(message.run);
          take(message);
        };
        leave = browser.run(order, note, lost);
      },
      () => lost(ENGINES.unloaded),
    );
    return () => {
      isLeft = true;
      leave();
    };
  }

  /** @param {string | null} run */
  async kept(run) {
    return (run !== null && this.#runs.has(run) ? await this.#inBrowser() : this.server).kept(run);
  }

  /** @param {string[]} refs */
  near(refs, fetch = false) {
    if (refs.length && refs.every(isTrainedHere)) this.#inBrowser().then((browser) => browser.near?.(refs, fetch));
  }

  /** @param {Order | Resumed} order */
  #isHere(order) {
    return "resume" in order
      ? this.#runs.has(order.resume)
      : /** @type {Plan} */ (order.plan).refs?.some(isTrainedHere);
  }

  #inBrowser() {
    this.#browser ??= this.start();
    this.#browser.catch(() => {
      this.#browser = null; // the network may be down: the next question tries again
    });
    return this.#browser;
  }
}
