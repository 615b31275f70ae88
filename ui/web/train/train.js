// The Train tab: the choices, the buttons, and a question to the server once a second while a run goes on.
import { find } from "../shared/dom.js";
import { choices } from "./form.js";
import { History } from "./history.js";
import { NO_ANSWER } from "./server.js";
import { View } from "./view.js";

/** @import { Command, Given, Server, State } from "./server.js" */

/**
 * What the rest of the page needs of the tab, `window.ddpmTrain`.
 * @typedef {{ visitor: string }} TrainHandle
 */

const OFTEN = 1000; // milliseconds between two questions while something goes on
const SELDOM = 20_000; // otherwise, so that the server knows that somebody is here
const TOKEN = "ddpm-train-visitor";

/** @type {State[]} */
const UNDER_WAY = ["starting", "running", "pausing", "stopping", "silent"];

/** The page's token, kept when it is loaded again: then the run is still there. */
function visitor() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const fresh = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    const kept = sessionStorage.getItem(TOKEN) ?? fresh;
    sessionStorage.setItem(TOKEN, kept);
    return kept;
  } catch {
    return fresh; // a browser that keeps nothing
  }
}

/**
 * Bring the tab to life. Its `.ddpm-train` then carries data-state (see server.js), data-run, data-grids, data-at (the
 * step whose samples are shown) and data-live.
 * @param {{ element: HTMLElement, server: Server, given: Given }} component
 */
export function mount({ element, server, given }) {
  const root = find(element, ".ddpm-train", HTMLElement);
  const me = visitor();
  window.ddpmTrain = { visitor: me };
  const history = new History();
  const view = new View(root, history);
  const chosen = choices(find(root, ".choices", HTMLFormElement), given.groups);
  const wrong = find(root, ".wrong", HTMLElement);
  const kept = find(root, ".kept", HTMLElement);
  const button = (/** @type {string} */ name) => find(root, `.button.${name}`, HTMLButtonElement);

  /** @param {string} [text] */
  function complain(text = "") {
    wrong.textContent = text;
    wrong.hidden = !text;
  }

  function render() {
    view.render();
    const { state, saved, followed } = history.answer;
    const under = UNDER_WAY.includes(state);
    button("start").hidden = (under && !followed) || state === "paused";
    button("start").textContent = state === "idle" || followed ? "Train" : "Train anew";
    button("pause").hidden = !(under && !followed);
    button("pause").disabled = state === "pausing" || state === "stopping";
    button("resume").hidden = state !== "paused";
    button("stop").hidden = !((under && !followed) || state === "paused");
    button("stop").disabled = state === "stopping";
    button("use").disabled = !saved;
    button("keep").disabled = !saved || Boolean(followed);
  }

  // --- Questions

  let timer = 0;
  let asking = false;
  let again = false; // somebody asked meanwhile: the answer under way may be older
  async function look() {
    clearTimeout(timer);
    again = asking;
    if (asking) return;
    asking = true;
    let wait = SELDOM;
    const answer = await server.train_look(history.asked(me)).catch(() => ({ error: NO_ANSWER }));
    if (answer.error === undefined) {
      if (wrong.textContent === NO_ANSWER) complain();
      history.take(answer);
      render();
      if (answer.more) wait = 0;
      else if (UNDER_WAY.includes(answer.state)) wait = OFTEN;
    } else {
      complain(answer.error);
      wait = 5 * OFTEN;
    }
    asking = false;
    timer = window.setTimeout(look, again ? 0 : wait);
  }

  /**
   * Ask for something, and look what came of it.
   * @param {Promise<{ error?: string, kept?: string }>} answer
   */
  async function then(answer) {
    complain();
    const got = await answer.catch(() => ({ error: NO_ANSWER, kept: undefined }));
    complain(got.error);
    await look();
    return got;
  }

  /** @param {Command} what */
  const command = (what) => then(server.train_do({ visitor: me, what }));

  button("start").addEventListener("click", async () => {
    button("start").disabled = true;
    kept.textContent = "";
    view.live = true;
    await then(server.train_start({ visitor: me, chosen: chosen() }));
    button("start").disabled = false;
  });
  button("pause").addEventListener("click", () => command("pause"));
  button("resume").addEventListener("click", () => command("resume"));
  button("stop").addEventListener("click", () => command("stop"));
  button("use").addEventListener("click", () => find(document, "#train-use", HTMLElement).click());
  button("keep").addEventListener("click", async () => {
    const { kept: folder } = await command("keep");
    if (folder) kept.textContent = `Kept. Go on with: python -m train fit --resume --out "${folder}"`;
  });
  const form = find(root, ".follow", HTMLFormElement);
  form.hidden = given.public;
  button("keep").hidden = given.public;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    view.live = true;
    then(server.train_follow({ visitor: me, path: find(form, "input", HTMLInputElement).value }));
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  render();
  look();
}
