// The Plane tab: what is wanted, a run of it, and taking it away.
import { copy } from "../page/page.js";
import { asked } from "../shared/answers.js";
import { all, find } from "../shared/dom.js";
import { linked, linkTo } from "../shared/link.js";
import { renderStatus } from "../shared/status.js";
import { Stream } from "../shared/stream.js";
import { Board, fromText } from "./board.js";
import { Stage } from "./stage.js";

/** @import { Message } from "../shared/stream.js" */
/** @import { Given, Result, Server, Values } from "./server.js" */

/**
 * How the rest of the page sets the tab, `window.ddpmPlane`. Before the tab is opened it holds what to show then.
 * @typedef {Values & { set?: (values: Values) => void }} PlaneHandle
 */

const SHARED = ["cloud", "seed", "width", "spacing", "training"];
const OF_LANE = ["denoiser", "sampler", "steps", "variance"];
const SUFFIXES = { a: "", b: "_b" };

/**
 * Bring the tab to life. Its `.ddpm-plane` then carries data-state (a message's state, or "idle", "starting", "lost"),
 * data-run, data-ready (the data are drawn), data-shape, data-t, data-frames (of both lanes), data-training (a network
 * is), and data-last: whether the end of a run is shown.
 * @param {{ element: HTMLElement, server: Server, trigger: (event: string, data?: object) => void, given: Given }} component
 * @returns {(message: Message<Result> | null) => void} what takes its messages
 */
export function mount({ element, server, trigger, given }) {
  const root = find(element, ".ddpm-plane", HTMLElement);
  const shapes = all(root, ".shapes input", HTMLInputElement);
  const run = find(root, ".run", HTMLButtonElement);
  const board = new Board(find(root, ".draw", HTMLElement), given.DRAWN, changed);
  const stage = new Stage(root, given);
  const stream = new Stream(
    render,
    (/** @type {Result} */ result) => stage.take(result),
    () => stage.clear(),
  );
  let script = "";

  /** @param {string} name as in the address @returns {HTMLInputElement | HTMLSelectElement} */
  function field(name) {
    const lane = name.endsWith("_b") ? "b" : "a";
    const own = name.replace(/_b$/, "");
    const node = root.querySelector(SHARED.includes(own) ? `.side .${own}` : `.lane[data-lane=${lane}] .${own}`);
    if (!(node instanceof HTMLInputElement || node instanceof HTMLSelectElement)) throw new Error(`no field ${name}`);
    return node;
  }
  const names = [...SHARED, ...Object.values(SUFFIXES).flatMap((suffix) => OF_LANE.map((name) => name + suffix))];
  const usual = Object.fromEntries(SHARED.map((name) => [name, field(name).value]));
  const shape = () => shapes.find(({ checked }) => checked)?.value ?? "ring";

  /** @returns {Values} */
  const values = () => ({
    shape: shape(),
    ...Object.fromEntries(names.map((name) => [name, field(name).value.trim()])),
  });
  /** Points as text, which are too long for the query of an address. */
  const drawing = () => ({ drawing: shape() === "drawing" ? board.text : "" });
  const link = () => linkTo(location.href, "plane", values(), drawing());

  // --- Drawing

  function render() {
    const ended = renderStatus(root, stream);
    stage.active = stream.active;
    stage.soon();
    if (!ended) return;
    if (stream.state === "finished") find(root, ".announce", HTMLElement).textContent = `Finished. ${stage.summary}`;
    changed(); // the pace is known better now
  }

  function renderControls() {
    root.dataset.shape = shape();
    find(root, ".draw", HTMLElement).hidden = shape() !== "drawing";
    for (const suffix of Object.values(SUFFIXES)) {
      const variance = field(`variance${suffix}`).closest("label");
      if (variance) variance.hidden = field(`sampler${suffix}`).value !== "ddpm";
    }
  }

  // --- While the user chooses

  let timer = 0;
  let asks = 0;
  function changed() {
    renderControls();
    clearTimeout(timer);
    timer = setTimeout(describe, 120);
  }

  async function describe() {
    const ask = ++asks;
    const got = await asked(server.describe_run({ ...values(), ...drawing() }));
    if (ask !== asks) return;
    const place = find(root, ".estimate", HTMLElement);
    place.textContent = got.error ?? got.estimate;
    place.classList.toggle("wrong", got.error !== undefined);
    run.disabled = got.error !== undefined;
    script = got.error === undefined ? got.python : "";
    find(root, "#plane-copy-python", HTMLButtonElement).disabled = !script;
    if (got.error === undefined) stage.offer(got.data, got.lanes);
    else if (shape() === "drawing" && !board.points.length) stage.offer(null, []);
    root.dataset.ready = "true";
    root.dataset.described = String(ask);
  }

  /** @param {Values} wanted */
  function set(wanted) {
    const chosen = shapes.find(({ value }) => value === wanted.shape);
    if (chosen) chosen.checked = true;
    for (const name of names) if (wanted[name] !== undefined) field(name).value = String(wanted[name]);
    if (wanted.drawing) board.points = fromText(String(wanted.drawing), given.DRAWN);
    board.render();
    if (SHARED.some((name) => field(name).value !== usual[name])) find(root, ".more", HTMLDetailsElement).open = true;
    changed();
  }

  // --- What is pressed

  function start() {
    if (run.disabled) return;
    stream.start();
    history.replaceState(null, "", link());
    trigger("submit", { ...values(), ...drawing() });
  }

  for (const node of all(root, ".side input, .side select", HTMLElement)) {
    node.addEventListener(node.matches("select, [type=radio]") ? "change" : "input", changed);
    node.addEventListener("keydown", (event) => {
      if (event instanceof KeyboardEvent && event.key === "Enter" && node.matches("input")) start();
    });
  }
  run.addEventListener("click", start);
  find(root, ".stop", HTMLElement).addEventListener("click", () => stream.stop(() => trigger("stop")));
  find(root, "#plane-copy-link", HTMLElement).addEventListener("click", () => {
    history.replaceState(null, "", link());
    copy(String(link()), "plane-copy-link", "The link:");
  });
  find(root, "#plane-copy-python", HTMLElement).addEventListener("click", () =>
    copy(script, "plane-copy-python", "The script:"),
  );

  // --- Start

  const waiting = window.ddpmPlane ?? linked(location.href, "plane") ?? {};
  window.ddpmPlane = /** @type {any} */ ({ set });
  set(waiting);
  render();
  return (message) => stream.receive(message);
}
