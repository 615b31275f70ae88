// The client of a page with a server (ui/serving/server.py), which runs the models.
import { attempt, kept, token } from "../messages/client.js";
import { unpacked, unpacking } from "../messages/packing.js";
import { Engines } from "../run/engines.js";
import { isEnd } from "../run/stream.js";
import { NO_ANSWER, WORDS } from "../words/page.js";

/** @import { Client, Order, Refusal, Resumed, Values } from "../messages/client.js" */
/** @import { RunMessage } from "../messages/protocol.d.ts" */

// A browser opens at most six connections to a server, for all its windows together, and each run takes one. Without a
// free connection, the page gets no answers. So the windows share a list of the runs whose messages they receive. Each
// entry has a time at which it expires, as a window may crash. Each message of the run sets a later time.
const MOST = 4;
const LIST = "lab-heard";
const COUNTS = 20_000; // ms from a message of the run until its entry expires
const SESSION = /^[0-9a-f]{32}$/; // the format of token()

/** Return the entries of the runs whose messages the windows of this browser receive. @returns {[name: string, until: number][]} */
function listedRuns() {
  const list = attempt(() => Object.entries(JSON.parse(localStorage.getItem(LIST) ?? "{}"))) ?? [];
  const now = Date.now(); // an entry too far in the future was made before the clock was set back
  return list.filter(([, until]) => until > now && until <= now + COUNTS);
}

/**
 * Put a run on the list, or remove it from the list.
 * @param {string} name @param {number} until time (ms) at which the entry expires; 0 removes it
 */
function listRun(name, until = 0) {
  const list = Object.fromEntries(listedRuns().filter(([other]) => other !== name));
  attempt(() => localStorage.setItem(LIST, JSON.stringify(until ? { ...list, [name]: until } : list)));
}

/**
 * Return the address of a path on the server, relative to the page, because a proxy may add a path.
 * @param {string} path
 */
const at = (path) => new URL(path, document.baseURI).href;

const AGAIN = 3; // seconds to wait for a busy server that does not say how long

const LOST = { error: NO_ANSWER, lost: true };

/** Return the answer that reports an error. @param {Error & { again?: number, lost?: boolean }} error @returns {Refusal} */
const refusal = ({ message, again, lost }) => (lost ? LOST : { error: message, ...(again && { again }) });

/** Throw the error for a missing or incomplete answer. @param {unknown} [cause] @returns {never} */
function throwLost(cause) {
  if (cause && /** @type {Error} */ (cause).name !== "AbortError") console.warn(NO_ANSWER, cause);
  throw Object.assign(new Error(NO_ANSWER, { cause }), { lost: true });
}

/** Unpack an answer. @param {Response} answer */
const content = async (answer) => unpacked(new Uint8Array(await answer.arrayBuffer()));

/**
 * Yield the messages of a run as they arrive.
 * @param {ReadableStream<Uint8Array>} body @returns {AsyncGenerator<RunMessage<any>>}
 */
async function* messages(body) {
  try {
    yield* unpacking(body);
  } catch (error) {
    throwLost(error);
  }
}

/** Return the client of a page with a server. The browser's own client runs the parts that need no model. @param {unknown} _given @param {() => Promise<Client>} browser */
export const connect = (_given, browser) => new Engines(new Server(), browser);

/** The `Client` that sends questions and runs to a server. */
export class Server {
  session = token();
  #load = token(); // id of this load of the page; each load numbers its runs from 1
  #runs = 0;
  /** Names of the runs whose messages this window receives. @type {Set<string>} */
  #open = new Set();

  constructor() {
    // A reload keeps the session. A copy of the window must get a new session, although browsers copy `sessionStorage`.
    // So the session is stored only while no page is loaded: from the event pagehide of a page to the start of the next
    // page.
    const take = () => {
      const session = kept.get("session");
      kept.remove("session");
      return SESSION.test(session ?? "") ? session : null;
    };
    this.session = take() ?? this.session;
    addEventListener("pagehide", () => {
      kept.set("session", this.session);
      for (const run of this.#open) listRun(run);
    });
    addEventListener("pageshow", take);
  }

  /**
   * Return the answer to a request. Throw an Error with a sentence if there is no answer or a refusal.
   * @param {string} path @param {RequestInit} [request]
   */
  async #fetch(path, request) {
    const answer = await fetch(at(path), request).catch(throwLost);
    if (answer.ok) return answer;
    if (answer.status === 401) location.reload(); // the login has ended
    const content = await answer.json().catch(throwLost);
    const again = answer.status === 503 ? Number(answer.headers.get("retry-after")) || AGAIN : undefined;
    if (typeof content.detail !== "string") throwLost();
    throw Object.assign(new Error(content.detail), { again });
  }

  /** Post JSON, and return the answer. @param {string} path @param {Values} content @param {AbortSignal} [signal] */
  #send(path, content, signal) {
    const body = JSON.stringify({ page: this.session, ...content });
    return this.#fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body, signal });
  }

  /** @type {import("../messages/client.js").Ask} */
  ask = async (/** @type {string} */ part, /** @type {string} */ what, /** @type {any} */ values) => {
    const read = (/** @type {Response} */ answer) => content(answer).catch(throwLost);
    const answer = await this.#send("ask", { part, what, values }).then(read).catch(refusal);
    return answer.closing ? LOST : answer; // the server is closing; the page asks again until it has restarted
  };

  /**
   * Begin or resume a run, and pass on its messages.
   * @param {Order | Resumed} order
   * @param {(message: RunMessage<any>) => void} take
   * @param {(why: string) => void} lost called with the reason if the connection breaks or the server refuses the run
   * @returns {() => void} a function that ends the messages
   */
  run(order, take, lost) {
    if (new Set([...this.#open, ...listedRuns().map(([name]) => name)]).size >= MOST) {
      lost(WORDS.four);
      return () => {};
    }
    const number = ++this.#runs; // requests may overtake each other, so this number tells the server which run is the newest
    const name = `${this.session}.${this.#load}.${number}`;
    const connection = new AbortController();
    let countsUntil = 0;
    let over = false; // whether the last message of the run has arrived
    const renewEntry = () => {
      if (countsUntil > Date.now() + COUNTS / 2) return; // more than half of the time is left, so no new entry is needed
      countsUntil = Date.now() + COUNTS;
      listRun(name, countsUntil);
    };
    this.#open.add(name);
    renewEntry();
    const end = () => {
      this.#open.delete(name);
      listRun(name);
      connection.abort();
    };
    const listen = async () => {
      const { part } = order;
      const values =
        "resume" in order ? { resume: order.resume } : { ...order.asked, ...(order.from && { from: order.from }) };
      const { body } = await this.#send("run", { part, values, load: this.#load, number }, connection.signal);
      if (!body) return throwLost();
      for await (const message of messages(body)) {
        if (connection.signal.aborted) return;
        renewEntry();
        over = isEnd(message.state);
        take(message);
      }
      if (!over) throwLost();
    };
    listen().then(end, ({ message, lost: isLost }) => {
      if (connection.signal.aborted) return;
      end();
      if (!over) lost(isLost ? "" : message);
    });
    return end;
  }

  /** @type {import("../messages/client.js").Item[]} */
  items = [];

  /** Return the data for the files of a run (`Kept`), or a Refusal. @param {string | null} run */
  async kept(run) {
    return this.#fetch(`kept/${run}`).then(content).catch(refusal);
  }
}
