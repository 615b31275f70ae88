// The client of ui/serving/server.py: the models compute on the server's machine.
import { attempt, kept, token } from "../messages/client.js";
import { unpacked, unpacking } from "../messages/packing.js";
import { Engines } from "../run/engines.js";
import { isEnd } from "../run/stream.js";
import { NO_ANSWER, WORDS } from "../words/page.js";

/** @import { Client, Order, Refusal, Resumed, Values } from "../messages/client.js" */
/** @import { RunMessage } from "../messages/protocol.d.ts" */

// A browser opens at most six connections to a server, for all its windows together, and each run takes one. Without a free
// one, the page would get no answer to anything. So the windows share a list of the runs that they listen to. An entry counts
// until a certain time, and each message of the run moves this time on. So an entry of a window that has crashed expires.
const MOST = 4;
const LIST = "lab-heard";
const COUNTS = 20_000; // ms for which an entry counts after a message of its run
const SESSION = /^[0-9a-f]{32}$/; // as `token` makes it

/** The runs that the windows of this browser listen to. @returns {[name: string, until: number][]} */
function heard() {
  const list = attempt(() => Object.entries(JSON.parse(localStorage.getItem(LIST) ?? "{}"))) ?? [];
  const now = Date.now(); // the clock may be set back, so an entry must not lie too far ahead either
  return list.filter(([, until]) => until > now && until <= now + COUNTS);
}

/** Put a run on the list, or take it off. @param {string} name @param {number} until when it counts, 0 to take it off */
function hear(name, until = 0) {
  const list = Object.fromEntries(heard().filter(([other]) => other !== name));
  attempt(() => localStorage.setItem(LIST, JSON.stringify(until ? { ...list, [name]: until } : list)));
}

/** The address of a path on the server, which may serve the page below a path of a proxy. @param {string} path */
const at = (path) => new URL(path, document.baseURI).href;

const AGAIN = 3; // seconds to wait if the server is too busy for a request and does not say how long

const LOST = { error: NO_ANSWER, lost: true };

/** @param {Error & { again?: number, lost?: boolean }} error @returns {Refusal} */
const refusal = ({ message, again, lost }) => (lost ? LOST : { error: message, ...(again && { again }) });

/** No answer has come, or no whole one. @param {unknown} [cause] @returns {never} */
function silent(cause) {
  if (cause && /** @type {Error} */ (cause).name !== "AbortError") console.warn(NO_ANSWER, cause);
  throw Object.assign(new Error(NO_ANSWER, { cause }), { lost: true });
}

/** Unpack an answer. @param {Response} answer */
const content = async (answer) => unpacked(new Uint8Array(await answer.arrayBuffer()));

/** Yield the messages of a run as they come. @param {ReadableStream<Uint8Array>} body @returns {AsyncGenerator<RunMessage<any>>} */
async function* messages(body) {
  try {
    yield* unpacking(body);
  } catch (error) {
    silent(error);
  }
}

/** The clients of the server and, for what needs none of its models, of this browser. @param {unknown} _given @param {() => Promise<Client>} browser */
export const connect = (_given, browser) => new Engines(new Server(), browser);

/** The `Client` of the page for a server. */
export class Server {
  session = token();
  #load = token(); // names this load of the page, in which runs are numbered from 1
  #runs = 0;
  /** @type {Set<string>} the runs that this window hears */
  #open = new Set();

  constructor() {
    // A reload keeps the session; a copy of the window must get a new one. A browser copies what a window keeps. So the
    // session is kept only between the moment when this page goes and the moment when the next one comes.
    const take = () => {
      const session = kept.get("session");
      kept.remove("session");
      return SESSION.test(session ?? "") ? session : null;
    };
    this.session = take() ?? this.session;
    addEventListener("pagehide", () => {
      kept.set("session", this.session);
      for (const run of this.#open) hear(run);
    });
    addEventListener("pageshow", take);
  }

  /**
   * Return the answer to a request. Throws an Error with a sentence if there is none.
   * @param {string} path @param {RequestInit} [request]
   */
  async #fetch(path, request) {
    const answer = await fetch(at(path), request).catch(silent);
    if (answer.ok) return answer;
    if (answer.status === 401) location.reload(); // the login has ended
    const content = await answer.json().catch(silent);
    const again = answer.status === 503 ? Number(answer.headers.get("retry-after")) || AGAIN : undefined;
    if (typeof content.detail !== "string") silent();
    throw Object.assign(new Error(content.detail), { again });
  }

  /** Post JSON, and return the answer. @param {string} path @param {Values} content @param {AbortSignal} [signal] */
  #send(path, content, signal) {
    const body = JSON.stringify({ page: this.session, ...content });
    return this.#fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body, signal });
  }

  /** @type {import("../messages/client.js").Ask} */
  ask = async (/** @type {string} */ part, /** @type {string} */ what, /** @type {any} */ values) => {
    const read = (/** @type {Response} */ answer) => content(answer).catch(silent);
    const answer = await this.#send("ask", { part, what, values }).then(read).catch(refusal);
    return answer.closing ? LOST : answer; // the server is closing: ask again when it has started anew
  };

  /**
   * Begin a run, or resume one, and pass on its messages.
   * @param {Order | Resumed} order
   * @param {(message: RunMessage<any>) => void} take
   * @param {(why: string) => void} lost called with the reason, if the connection breaks or the server refuses
   * @returns {() => void} call it to stop listening
   */
  run(order, take, lost) {
    if (new Set([...this.#open, ...heard().map(([name]) => name)]).size >= MOST) {
      lost(WORDS.four);
      return () => {};
    }
    const number = ++this.#runs; // tells the server which run is the newest, as requests may overtake each other
    const name = `${this.session}.${this.#load}.${number}`;
    const connection = new AbortController();
    let countsUntil = 0;
    let over = false; // its last message has come
    const hears = () => {
      if (countsUntil > Date.now() + COUNTS / 2) return; // the entry is still fresh enough
      countsUntil = Date.now() + COUNTS;
      hear(name, countsUntil);
    };
    this.#open.add(name);
    hears();
    const end = () => {
      this.#open.delete(name);
      hear(name);
      connection.abort();
    };
    const listen = async () => {
      const { part } = order;
      const values =
        "resume" in order ? { resume: order.resume } : { ...order.asked, ...(order.from && { from: order.from }) };
      const { body } = await this.#send("run", { part, values, load: this.#load, number }, connection.signal);
      if (!body) return silent();
      for await (const message of messages(body)) {
        if (connection.signal.aborted) return;
        hears();
        over = isEnd(message.state);
        take(message);
      }
      if (!over) silent();
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

  /** Return the numbers that the files of a run are made of, or a Refusal. @param {string | null} run */
  async kept(run) {
    return this.#fetch(`kept/${run}`).then(content).catch(refusal);
  }
}
