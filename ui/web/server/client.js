// The client of ui/serving/server.py: the models compute on the server's machine.
import { attempt, kept, token } from "../messages/client.js";
import { unpacked, unpacking } from "../messages/packing.js";
import { isEnd } from "../run/stream.js";
import { NO_ANSWER, WORDS } from "../words/page.js";

/** @import { Order, Refusal, Resumed, Values } from "../messages/client.js" */
/** @import { RunMessage } from "../messages/protocol.d.ts" */

// A browser keeps six connections to a server, of all its windows, and each run that goes on takes one: with no more left,
// nothing would be answered. So the windows keep a list of the runs that they hear, each with the time until which it
// counts. Another message comes before that; only a window that has crashed is on the list for longer than it hears.
const MOST = 4;
const LIST = "lab-heard";
const COUNTS = 20_000; // ms after a message
const SESSION = /^[0-9a-f]{32}$/; // as `token` makes it

/** The runs that this browser hears. @returns {[name: string, until: number][]} */
function heard() {
  const list = attempt(() => Object.entries(JSON.parse(localStorage.getItem(LIST) ?? "{}"))) ?? [];
  const now = Date.now(); // which a computer may set back
  return list.filter(([, until]) => until > now && until <= now + COUNTS);
}

/** A run is heard until then, or no more. @param {string} name @param {number} until */
function hear(name, until = 0) {
  const list = Object.fromEntries(heard().filter(([other]) => other !== name));
  attempt(() => localStorage.setItem(LIST, JSON.stringify(until ? { ...list, [name]: until } : list)));
}

/** Where the server has something, whatever path the page has. @param {string} path */
const at = (path) => new URL(path, document.baseURI).href;

const AGAIN = 3; // seconds until a request is made again that had too many beside it, where the server says no other time

const LOST = { error: NO_ANSWER, lost: true };

/** @param {Error & { again?: number, lost?: boolean }} error @returns {Refusal} */
const refusal = ({ message, again, lost }) => (lost ? LOST : { error: message, ...(again && { again }) });

const silent = () => {
  throw Object.assign(new Error(NO_ANSWER), { lost: true });
};

/** What an answer has packed. @param {Response} answer */
const content = async (answer) => unpacked(new Uint8Array(await answer.arrayBuffer()));

/** The messages of a run as they come. @param {ReadableStream<Uint8Array>} body @returns {AsyncGenerator<RunMessage<any>>} */
async function* messages(body) {
  try {
    yield* unpacking(body);
  } catch {
    silent();
  }
}

export const connect = () => new Server();

/** A `Client`. */
export class Server {
  session = token();
  #load = token(); // of this page, whose runs are numbered
  #runs = 0;
  /** @type {Set<string>} the runs that this window hears */
  #open = new Set();

  constructor() {
    // Kept only from the moment this page goes to that of the next one in its window: a copy of the window, which has
    // what is kept too, is another visitor.
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
   * The answer to a request. Throws an Error with a sentence where there is none.
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

  /** The answer to a POST of JSON. @param {string} path @param {Values} content @param {AbortSignal} [signal] */
  #send(path, content, signal) {
    const body = JSON.stringify({ page: this.session, ...content });
    return this.#fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body, signal });
  }

  /** @type {import("../messages/client.js").Ask} */
  ask = async (/** @type {string} */ part, /** @type {string} */ what, /** @type {any} */ values) => {
    const read = (/** @type {Response} */ answer) => content(answer).catch(silent);
    const answer = await this.#send("ask", { part, what, values }).then(read).catch(refusal);
    return answer.closing ? LOST : answer; // the next start of the server is to answer
  };

  /**
   * Begin a run; its messages come one after another.
   * @param {Order | Resumed} order
   * @param {(message: RunMessage<any>) => void} take
   * @param {(why: string) => void} lost called when the connection breaks, or the server refuses, and why
   * @returns {() => void} what stops listening
   */
  run(order, take, lost) {
    if (new Set([...this.#open, ...heard().map(([name]) => name)]).size >= MOST) {
      lost(WORDS.four);
      return () => {};
    }
    const number = ++this.#runs; // says which run is the newest, as requests may overtake each other
    const name = `${this.session}.${this.#load}.${number}`;
    const connection = new AbortController();
    let counts = 0;
    let over = false; // its last message has come
    const hears = () => {
      if (counts > Date.now() + COUNTS / 2) return;
      counts = Date.now() + COUNTS;
      hear(name, counts);
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
      const values = "resume" in order ? { resume: order.resume } : order.asked;
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

  /** What the files of a run are made of, or a Refusal. @param {string | null} run */
  async kept(run) {
    return this.#fetch(`kept/${run}`).then(content).catch(refusal);
  }
}
