// The Likelihood tab: what is measured, how it goes, and results of `train evaluate`.
import { asked } from "../shared/answers.js";
import { all, el, find } from "../shared/dom.js";
import { fill, RunForm } from "../shared/form.js";
import { linked } from "../shared/link.js";
import { Source } from "../shared/source.js";
import { renderStatus } from "../shared/status.js";
import { Stream } from "../shared/stream.js";
import { rateDistortion, terms } from "./charts.js";
import { csv, plusMinus, rates, study, totals } from "./tables.js";

/** @import { About } from "../shared/answers.js" */
/** @import { Upload } from "../shared/source.js" */
/** @import { Message } from "../shared/stream.js" */
/** @import { Bits, Decoding, Early, Given, Plan, Result, Server, Values } from "./server.js" */

/**
 * How the rest of the page sets the tab, `window.ddpmLikelihood`. Before the tab is opened it holds what to show then.
 * @typedef {Values & { set?: (values: Values) => void }} LikelihoodHandle
 */

/**
 * Bring the tab to life. Its `.ddpm-likelihood` then carries data-state (a message's state, or "idle", "starting",
 * "lost"), data-run, data-ready (the model is known), data-mode, and data-done: how many pictures are measured.
 * @param {{ element: HTMLElement, server: Server, upload: Upload, trigger: (event: string, data?: object) => void, given: Given }} component
 * @returns {(message: Message<Result> | null) => void} what takes its messages
 */
export function mount({ element, server, upload, trigger, given }) {
  const root = find(element, ".ddpm-likelihood", HTMLElement);
  const modes = all(root, ".mode input", HTMLInputElement);
  const models = find(root, ".checkpoint", HTMLSelectElement);
  const count = find(root, ".count", HTMLInputElement);
  const labels = find(root, ".labels", HTMLSelectElement);
  const label = find(root, ".label", HTMLSelectElement);
  const folder = find(root, ".folder", HTMLInputElement);
  const checkpoint = () => models.value;
  const source = new Source(find(root, ".source", HTMLElement), server, upload, given, checkpoint, () =>
    form.changed(),
  );
  const stream = new Stream(render, take, clear);
  /** @type {Plan | null} */
  let plan = null;
  /** @type {Bits | null} */
  let bits = null;
  /** @type {About | null} */
  let about = null;

  const mode = () => (modes[1].checked ? "study" : "measure");
  const pictures = () => ({ picture: source.text });

  /** @returns {Values} */
  const values = () => ({
    mode: mode(),
    checkpoint: checkpoint(),
    count: count.value,
    labels: labels.value,
    label: label.value || "any",
    folder: folder.value,
  });

  const form = new RunForm({
    root,
    tab: "likelihood",
    server,
    describe: server.describe_measure,
    values,
    pictures,
    missing: () => source.missing,
    controls: renderControls,
    begin: () => stream.start(),
    end: (ask) => stream.stop(ask),
    trigger,
  });

  // --- What a measurement sends

  function clear() {
    plan = bits = null;
    root.dataset.done = "0";
  }

  /** @param {Result} result */
  function take(result) {
    if (result.kind === "plan") {
      plan = result;
      root.classList.toggle("pixelated", plan.pixelated);
      find(root, ".empty", HTMLElement).hidden = true;
      find(root, ".found", HTMLElement).hidden = false;
      find(root, ".decoding", HTMLElement).hidden = find(root, ".rates", HTMLElement).hidden = true;
      find(root, ".big", HTMLElement).textContent = "Measuring the first picture…";
      for (const place of [".totals", ".charts"]) find(root, place, HTMLElement).replaceChildren();
    } else if (result.kind === "decoding") showDecoding(result);
    else if (result.kind === "early") showEarly(result);
    else showBits(result);
  }

  /** @param {Decoding} found */
  function showDecoding({ times, rows }) {
    const heads = [...times.map(String), "x₀"].map((text) => el("span", null, text));
    find(root, ".times", HTMLElement).replaceChildren(...heads);
    const lines = rows.map((src, i) => {
      const alt = `Picture ${i + 1}: guesses seen from ${times.map((t) => `t = ${t}`).join(", ")}, then the picture`;
      return el("div", { style: `--columns: ${times.length + 1}` }, el("img", { src, alt }));
    });
    find(root, ".guesses", HTMLElement).replaceChildren(...lines);
    find(root, ".decoding", HTMLElement).hidden = false;
  }

  /** @param {Early} found */
  function showEarly({ steps, bits: value }) {
    if (!plan || bits) return;
    const first = `${plusMinus(value, null)} bits/dim with ${plan.variances[0][0]} in ${steps} steps`;
    find(root, ".big", HTMLElement).textContent = `${first} (first picture; all ${plan.T} steps follow)`;
  }

  /** @param {Bits} found */
  function showBits(found) {
    if (!plan) return;
    bits = found;
    const [[name, variance]] = plan.variances;
    const [value, error] = found.chains[variance][plan.T];
    find(root, ".big", HTMLElement).textContent = `${plusMinus(value, error)} bits/dim with ${name}`;
    find(root, ".totals", HTMLElement).replaceChildren(totals(plan, found));
    find(root, ".charts", HTMLElement).replaceChildren(terms(plan, found), rateDistortion(plan, found));
    const place = find(root, ".rates", HTMLElement);
    place.replaceChildren(el("h3", null, "Rate and distortion by t"), rates(plan, found));
    place.hidden = false;
    root.dataset.done = String(found.done);
  }

  function render() {
    if (renderStatus(root, stream)) form.changed(); // the pace is known better now
    find(root, ".csv", HTMLButtonElement).disabled = !bits;
  }

  // --- While the user chooses

  function renderControls() {
    root.dataset.mode = mode();
    const own = source.isPicture;
    const classes = Boolean(about?.labels.length);
    for (const node of all(root, ".of-set", HTMLElement)) node.hidden = own;
    find(root, ".of-classes", HTMLElement).hidden = own || !classes;
    find(root, ".of-own", HTMLElement).hidden = !own || !classes;
  }

  /** @param {string} ref @param {Values} [wanted] */
  const choose = (ref, wanted = {}) =>
    form.choose(ref, (got) => {
      about = got;
      fill(
        label,
        about.labels.map((name) => [name, name]),
        String(wanted.label ?? label.value),
      );
      source.offer(about);
      if (!about.set) source.prefer();
      count.max = String(Math.min(64, about.set?.count ?? 64));
    });

  /** @param {Values} wanted */
  async function set(wanted) {
    if (wanted.mode) modes[wanted.mode === "study" && given.local ? 1 : 0].checked = true;
    if (wanted.count !== undefined) count.value = String(wanted.count);
    if (wanted.labels !== undefined) labels.value = String(wanted.labels);
    if (wanted.folder !== undefined) folder.value = String(wanted.folder);
    const ref = String(wanted.checkpoint || checkpoint() || window.ddpmModel || given.checkpoint);
    if (ref !== checkpoint() || Object.keys(wanted).length !== 1) await choose(ref, wanted);
    if (wanted.picture) source.restore(String(wanted.picture));
  }

  // --- What is pressed

  async function open() {
    const wrong = find(root, ".folder-wrong", HTMLElement);
    const button = find(root, ".open", HTMLButtonElement);
    button.disabled = true;
    const got = await asked(server.open_study({ folder: folder.value }));
    button.disabled = false;
    wrong.textContent = got.error ?? "";
    wrong.hidden = !got.error;
    if (got.error !== undefined) return;
    find(root, ".study", HTMLElement).replaceChildren(...study(got));
    form.remember();
  }

  for (const node of [count, labels, label, ...modes]) node.addEventListener("input", () => form.changed());
  models.addEventListener("change", () => choose(checkpoint()));
  count.addEventListener("keydown", (event) => {
    if (event.key === "Enter") form.start();
  });
  folder.addEventListener("keydown", (event) => {
    if (event.key === "Enter") open();
  });
  find(root, ".open", HTMLElement).addEventListener("click", open);
  find(root, ".csv", HTMLElement).addEventListener("click", () => {
    if (!plan || !bits) return;
    const href = URL.createObjectURL(new Blob([csv(plan, bits)], { type: "text/csv" }));
    el("a", { href, download: "likelihood.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  });

  // --- Start

  find(root, ".what", HTMLElement).hidden = !given.local;
  const waiting = window.ddpmLikelihood ?? linked(location.href, "likelihood") ?? {};
  window.ddpmLikelihood = /** @type {any} */ ({ set });
  renderControls();
  set(waiting).then(() => {
    if (mode() === "study" && folder.value) open();
  });
  render();
  return (message) => stream.receive(message);
}
