// Train: the choices, the buttons, and a question to the server once a second while a run goes on.

import { el, find, button as made, markup, sheet } from "../drawing/dom.js";
import { Form } from "../form/form.js";
import { slideItem } from "../run/items.js";
import { copy } from "../run/share.js";
import { WORDS } from "../words/train.js";
import { History, Run } from "./train/history.js";
import { MARKUP } from "./train/markup.js";
import { Pad } from "./train/pad.js";
import { View } from "./train/view.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Answer, Refusal } from "../messages/client.js" */
/** @import { DoAsked, TrainState } from "../messages/protocol.d.ts" */
/** @import { Given } from "./train/server.js" */

const OFTEN = 1000; // milliseconds between two questions while something goes on
const SELDOM = 20_000; // otherwise, so that the server knows that somebody is here

/** @type {TrainState[]} */
const UNDER_WAY = ["starting", "waiting", "running", "pausing", "stopping", "silent"];

/**
 * Its element has data-state (see server.js), data-run, data-grids, data-at (the step whose samples are shown), data-live
 * and data-example.
 * @param {Page} page @param {string} part @returns {Part}
 */
export function mount(page, part) {
  const given = /** @type {Given} */ (page.given.initial[part]);
  const recorded = page.given.recorded?.[part];
  const root = el("section", { class: "part train", "aria-label": WORDS.title });
  markup(root, MARKUP);
  const me = page.client.session; // kept when the page is loaded again: then the training is still there
  const { ask } = page.client;
  const history = new History();
  const view = new View(root, history, (text) => page.say(text));
  const form = new Form(page.given.forms[part], page.given, (name, done) => {
    complain();
    if (name === "path" && done) lookInto();
  });
  /** @type {Pad | null} a page without a server has none */
  const pad = given.drawings
    ? new Pad(given.drawings, given.public ? null : form.place("path"), () => complain())
    : null;
  if (pad) form.adopt("path", pad);
  find(root, ".choices", HTMLFormElement).append(form.layout());
  find(root, ".choices", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
  const wrong = find(root, ".wrong");
  const said = find(root, ".kept");
  const button = (/** @type {string} */ name) => find(root, `.button.${name}`, HTMLButtonElement);

  let isLost = false; // whether what is wrong is that no answer has come
  /** Say what is wrong, or that nothing is. @param {Partial<Refusal>} [refusal] */
  function complain({ error: text = "", lost = false } = {}) {
    isLost = lost;
    wrong.textContent = text;
    wrong.hidden = !text;
  }

  let known = ""; // the newest path that was looked into, if it can be learned

  /** Say what there is in the folder that is named, or what is wrong with it, beside it. Returns whether it can be learned. */
  async function lookInto() {
    const path = pad?.get();
    if (pad) pad.found.textContent = path ? WORDS.looking : "";
    const got = path ? await ask("train", "pictures", { visitor: me, path }) : { found: "" };
    if (!pad || path !== pad.get()) return false; // another one is named meanwhile
    form.mark("path", got.error ?? "");
    pad.found.textContent = got.error === undefined ? got.found : "";
    known = got.error === undefined ? path : "";
    return got.error === undefined;
  }

  /** The run and the step that are kept, or used as a model. */
  let safe = "";
  const now = () => `${history.answer.number} ${history.answer.step}`;

  /**
   * Whether the run on screen may be deleted: it is asked where it is the visitor's, and not kept.
   * @param {string} instead what is done in its place
   */
  async function mayDrop(instead) {
    const { answer, run } = history;
    if (answer.followed || !run.grids.length || answer.state === "error" || safe === now()) return true;
    const keeps = answer.saved && !given.public;
    const choice = (/** @type {string} */ value, /** @type {string} */ text) =>
      made({ class: "button", value }, () => dialog.close(value), text);
    const row = el("div", { class: "row" }, choice("drop", instead), choice("", WORDS.cancel));
    if (keeps) row.prepend(choice("keep", WORDS.keepThen(instead)));
    const dialog = sheet("sure", instead, el("p", null, WORDS.dropped), row);
    document.body.append(dialog);
    dialog.showModal();
    await new Promise((closed) => dialog.addEventListener("close", closed));
    dialog.remove();
    if (dialog.returnValue !== "keep") return dialog.returnValue === "drop";
    const kept = await keep();
    if (kept) page.say(WORDS.kept(kept), true); // what stands beside the run goes with it
    return Boolean(kept);
  }

  /** Keep the run. Returns the folder, "" where it could not be kept. */
  async function keep() {
    const at = now();
    const got = await command("keep");
    if (got.error !== undefined || !got.kept) return "";
    const { kept: folder, data } = got;
    safe = at;
    const words = data ? ` --data "${data}"` : "";
    const text = `python -m train fit --resume --out "${folder}"${words}`;
    const line = made({ class: "preset" }, () => copy(text, WORDS.command), WORDS.copy);
    said.replaceChildren(WORDS.kept(folder), " ", line);
    return folder;
  }

  function render() {
    view.render();
    const { state, saved, followed } = history.answer;
    const under = UNDER_WAY.includes(state);
    const own = (under && !followed) || state === "paused";
    const goes = ["pausing", "paused"].includes(state) || (state === "stopped" && saved);
    button("start").hidden = own;
    button("start").textContent = state === "idle" || followed ? WORDS.start : WORDS.anew;
    button("stop").hidden = !own;
    button("pause").hidden = !own && !goes;
    button("pause").textContent = goes ? WORDS.on : WORDS.pause;
    if (!safe.startsWith(`${history.answer.number} `)) said.replaceChildren();
    button("hurry").hidden = state !== "waiting" || given.public;
    document.querySelector("#places [data-place=train]")?.classList.toggle("going", under && !followed);
    button("pause").disabled = state === "pausing" || state === "stopping";
    button("stop").disabled = state === "stopping";
    button("use").disabled = !saved;
    button("keep").disabled = !saved || Boolean(followed);
    if (recorded) for (const name of ["start", "pause", "stop", "hurry", "use", "keep"]) button(name).hidden = true;
  }

  // --- Questions

  let timer = 0;
  let asking = false;
  let again = false; // somebody asked meanwhile: the answer under way may be older
  async function refresh() {
    clearTimeout(timer);
    again = asking;
    if (asking) return;
    asking = true;
    let wait = SELDOM;
    const answer = await ask("train", "now", { visitor: me, ...history.asked });
    if (answer.error === undefined) {
      if (isLost) complain();
      history.take(answer);
      render();
      if (answer.more) wait = 0;
      else if (UNDER_WAY.includes(answer.state)) wait = OFTEN;
    } else {
      complain(answer);
      wait = 5 * OFTEN;
    }
    asking = false;
    timer = window.setTimeout(refresh, again ? 0 : wait);
  }

  /**
   * Wait for an answer, show its error if it has one, and refresh the page.
   * @template T @param {Promise<Answer<T>>} answer
   */
  async function then(answer) {
    complain();
    const got = await answer;
    if (got.error !== undefined) complain(got);
    await refresh();
    return got;
  }

  /** @param {DoAsked["what"]} what */
  const command = (what) => then(ask("train", "do", { visitor: me, what }));

  button("start").addEventListener("click", async () => {
    button("start").disabled = true;
    complain();
    const learns = [known, ""].includes(pad?.get() ?? "") || form.value("data") !== "own" || (await lookInto());
    if (learns && (await mayDrop(WORDS.anew))) {
      page.remember(part, form.values);
      const { error } = await then(ask("train", "start", { visitor: me, ...form.values, drawings: pad?.drawings }));
      if (!error) view.follow();
    }
    button("start").disabled = false;
  });
  button("pause").addEventListener("click", () =>
    command(["paused", "stopped"].includes(history.answer.state) ? "resume" : "pause"),
  );
  button("hurry").addEventListener("click", () => command("hurry"));
  button("stop").addEventListener("click", () => command("stop"));
  button("use").addEventListener("click", async () => {
    const at = now();
    const got = await then(ask("train", "use", { visitor: me }));
    if (got.error !== undefined) return;
    safe = at;
    await page.refresh();
    page.open("watch", { checkpoint: got.ref, label: "any" }, { push: true, cause: "press" });
  });
  button("keep").addEventListener("click", keep);
  const follow = find(root, ".follow", HTMLFormElement);
  follow.hidden = given.public;
  button("keep").hidden = given.public;
  follow.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await mayDrop(WORDS.other))) return;
    const { error } = await then(
      ask("train", "follow", { visitor: me, path: find(follow, "input", HTMLInputElement).value }),
    );
    if (!error) view.follow();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !recorded) refresh();
  });
  if (recorded) {
    find(root, ".recorded").textContent = recorded;
    for (const hidden of [".choices", ".here"]) find(root, hidden).hidden = true;
  }
  find(root, ".recorded").hidden = !recorded;

  /** A recorded training plays until there is one of the visitor's. */
  async function showExample() {
    const example = new Run(0);
    for (const result of (await page.example(part))?.results ?? []) example.take(result);
    if (!example.grids.length) return;
    history.example = example;
    if (history.answer.state === "idle") view.scrubber.toggle();
    render();
  }

  render();
  if (recorded) showExample();
  else refresh().then(showExample);
  return {
    element: root,
    set: (values) => form.set(values),
    values: () => form.values,
    items: () =>
      history.shown.grids.length
        ? [
            slideItem(
              page,
              () => view.slide(),
              () => page.link(part, form.values),
            ),
          ]
        : [],
    show: recorded ? undefined : refresh,
  };
}
