// The client of a page that has two engines. The server computes with its models. The browser computes with the models
// that were trained in it; it also computes the part "plane", which needs no model.

import { isTrainedHere } from "../words/catalogue.js";
import { ENGINES } from "../words/page.js";

/** @import { Client, Order, Resumed } from "../messages/client.js" */
/** @import { Plan } from "../plans/plan.js" */

/** Whether the browser, and not the server, computes the model or kind of step with this name. @param {string} name */
const isHere = (name) => isTrainedHere(name) || name.startsWith("plane-");

/** Log why the browser's engine can't be loaded, and return the error for the visitor. @param {unknown} error */
function unloaded(error) {
  console.warn(error);
  return /** @type {any} */ ({ error: ENGINES.unloaded });
}

/** @implements {Client} */
export class Engines {
  /** @type {Promise<Client> | null} */
  #browser = null;
  /** The names of the runs that this browser computes. @type {Set<string>} */
  #runs = new Set();

  /** @param {Client} server @param {() => Promise<Client>} start starts the browser's client */
  constructor(server, start) {
    this.server = server;
    this.start = start;
  }

  /** The id of this page at the server. */
  get session() {
    return this.server.session;
  }

  /** The entries that the server adds to the Share menu. */
  get items() {
    return this.server.items;
  }

  /** Ask the engine that computes these models, or that computed this run. @type {Client["ask"]} */
  ask = async (/** @type {any} */ part, /** @type {any} */ what, /** @type {any} */ values) => {
    const { run, ref, refs = ref === undefined ? [] : [ref] } = values;
    const here = refs.filter(isHere).length;
    if (here && here < refs.length) return /** @type {any} */ ({ error: ENGINES.mixed });
    if (!here && !this.#runs.has(run)) return this.server.ask(part, what, values);
    return this.#inBrowser().then((browser) => browser.ask(part, what, values), unloaded);
  };

  /** Begin or resume a run on the engine that computes it. Returns the function that stops receiving its messages. @type {Client["run"]} */
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
      (error) => lost(unloaded(error).error),
    );
    return () => {
      isLeft = true;
      leave();
    };
  }

  /** Return the data for the files of a run, from the engine that has computed it. @param {string | null} run */
  async kept(run) {
    if (run === null || !this.#runs.has(run)) return this.server.kept(run);
    return this.#inBrowser().then((browser) => browser.kept(run), unloaded);
  }

  /** Load models before a run, if the browser computes all of them. @param {string[]} refs */
  preload(refs, fetch = false) {
    if (refs.length && refs.every(isHere))
      this.#inBrowser().then((browser) => browser.preload?.(refs, fetch), unloaded);
  }

  /** Whether the browser computes an order. @param {Order | Resumed} order */
  #isHere(order) {
    return "resume" in order
      ? this.#runs.has(order.resume)
      : !order.asked || /** @type {Plan} */ (order.plan).refs.some(isHere);
  }

  /** Return the browser's client. The first call starts it. */
  #inBrowser() {
    this.#browser ??= this.start().catch((error) => {
      this.#browser = null; // forget the failed attempt, so that the next call tries again
      throw error;
    });
    return this.#browser;
  }
}
