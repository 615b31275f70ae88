// The Latents tab: what is wanted, a run of it, and taking it away.
import { asked } from "../shared/answers.js";
import { all, el, find } from "../shared/dom.js";
import { fill, RunForm } from "../shared/form.js";
import { linked } from "../shared/link.js";
import { Source } from "../shared/source.js";
import { renderStatus } from "../shared/status.js";
import { Stream } from "../shared/stream.js";
import { Rows } from "./rows.js";

/** @import { Message } from "../shared/stream.js" */
/** @import { About } from "../shared/answers.js" */
/** @import { Upload } from "../shared/source.js" */
/** @import { Given, Result, Server, Values } from "./server.js" */

/**
 * How the rest of the page sets the tab, `window.ddpmLatents`. Before the tab is opened it holds what to show then.
 * @typedef {Values & { set?: (values: Values) => void }} LatentsHandle
 */

const FIELDS = ["checkpoint", "times", "count", "steps", "sampler", "variance", "eta", "label"];
const LEAD = {
  reconstruct:
    "Each row noises the picture up to t, and undoes the noise again with other draws. What the pictures of a row share is what xₜ still knows (Fig. 7).",
  interpolate:
    "Each row noises both pictures up to t, mixes the two latents, and undoes the noise with one and the same draw. Small t blends pixels, large t invents (Figs. 8, 9).",
};

/**
 * Bring the tab to life. Its `.ddpm-latents` then carries data-state (a message's state, or "idle", "starting", "lost"),
 * data-run, data-ready (the model is known), data-mode, and data-rows: how many are finished.
 * @param {{ element: HTMLElement, server: Server, upload: Upload, trigger: (event: string, data?: object) => void, given: Given }} component
 * @returns {(message: Message<Result> | null) => void} what takes its messages
 */
export function mount({ element, server, upload, trigger, given }) {
  const root = find(element, ".ddpm-latents", HTMLElement);
  /** @param {string} name */
  const field = (name) => {
    const node = root.querySelector(`.${name}`);
    if (!(node instanceof HTMLInputElement || node instanceof HTMLSelectElement)) throw new Error(`no field ${name}`);
    return node;
  };
  const modes = all(root, ".mode input", HTMLInputElement);
  const saves = all(root, ".save", HTMLButtonElement);
  const checkpoint = () => field("checkpoint").value;
  const sources = all(root, ".source", HTMLElement).map(
    (place) => new Source(place, server, upload, given, checkpoint, () => form.changed()),
  );
  const rows = new Rows(root);
  const stream = new Stream(
    render,
    (/** @type {Result} */ result) => rows.take(result),
    () => rows.clear(),
  );

  const mode = () => (modes[1].checked ? "interpolate" : "reconstruct");

  /** @returns {Values} */
  function values() {
    return {
      mode: mode(),
      seed: sources[0].seed.value.trim(),
      seed_b: sources[1].seed.value.trim(),
      ...Object.fromEntries(FIELDS.map((name) => [name, field(name).value])),
    };
  }

  /** Pictures as text, which are too long for the query of an address. */
  const pictures = () => ({
    picture: sources[0].text,
    picture_b: mode() === "interpolate" ? sources[1].text : "",
  });

  const missing = () => sources.slice(0, mode() === "interpolate" ? 2 : 1).find((source) => source.missing)?.missing;

  const form = new RunForm({
    root,
    tab: "latents",
    server,
    describe: server.describe_run,
    values,
    pictures,
    missing,
    controls: renderControls,
    begin: () => stream.start(),
    end: (ask) => stream.stop(ask),
    trigger,
  });

  // --- Drawing

  function render() {
    if (renderStatus(root, stream)) form.changed(); // the pace is known better now
    rows.render();
    const some = rows.done > 0;
    for (const button of saves) button.disabled = !some;
  }

  function renderControls() {
    if (!rows.plan) root.dataset.mode = mode();
    for (const place of all(root, ".source[data-which=b]", HTMLElement)) place.hidden = mode() !== "interpolate";
    find(root, ".lead", HTMLElement).textContent = LEAD[mode()];
    for (const name of ["ddpm", "ddim"])
      find(root, `.of-${name}`, HTMLElement).hidden = field("sampler").value !== name;
  }

  // --- While the user chooses

  /** What a model offers. wanted: values for the fields that depend on it. @param {string} ref @param {Values} wanted */
  const choose = (ref, wanted = {}) => form.choose(ref, (about) => offer(about, wanted));

  /** @param {About} about @param {Values} wanted */
  function offer(about, wanted) {
    const variance = find(root, ".variance", HTMLSelectElement);
    fill(variance, about.variances, String(wanted.variance ?? (variance.value || "beta_tilde")));
    const label = find(root, ".label", HTMLSelectElement);
    fill(
      label,
      about.labels.map((name) => [name, name]),
      String(wanted.label ?? label.value),
    );
    find(root, ".of-class", HTMLElement).hidden = !about.labels.length;
    const sampler = find(root, ".sampler", HTMLSelectElement);
    fill(sampler, about.samplers, String(wanted.sampler ?? sampler.value));
    const steps = find(root, ".steps", HTMLInputElement);
    const [least, most, usual] = about.steps;
    [steps.min, steps.max] = [String(least), String(most)];
    if (Number(steps.value) < least || Number(steps.value) > most) steps.value = String(usual);
    find(root, ".times", HTMLInputElement).placeholder = about.times.join(", ");
    for (const source of sources) source.offer(about);
  }

  /** @param {Values} wanted */
  async function set(wanted) {
    if (wanted.mode) modes[wanted.mode === "interpolate" ? 1 : 0].checked = true;
    for (const name of ["times", "count", "steps", "sampler", "eta"])
      if (wanted[name] !== undefined) field(name).value = String(wanted[name]);
    if (wanted.seed !== undefined) sources[0].seed.value = String(wanted.seed);
    if (wanted.seed_b !== undefined) sources[1].seed.value = String(wanted.seed_b);
    const ref = String(wanted.checkpoint || checkpoint() || window.ddpmModel || given.checkpoint);
    if (ref !== checkpoint() || Object.keys(wanted).length !== 1) await choose(ref, wanted);
    if (wanted.picture) sources[0].restore(String(wanted.picture));
    if (wanted.picture_b) sources[1].restore(String(wanted.picture_b));
  }

  // --- What is pressed

  for (const node of all(root, ".side input, .side select", HTMLElement)) {
    if (node.closest(".source")) continue;
    node.addEventListener(node.matches("select, [type=radio]") ? "change" : "input", () => {
      if (node.matches(".checkpoint")) choose(checkpoint());
      else form.changed();
    });
    node.addEventListener("keydown", (event) => {
      if (event instanceof KeyboardEvent && event.key === "Enter" && node.matches("input")) form.start();
    });
  }
  for (const button of saves) {
    const kind = button.dataset.kind ?? "";
    button.hidden = !given.kinds.includes(kind);
    button.addEventListener("click", async () => {
      const said = find(root, ".said", HTMLElement);
      said.textContent = "Making the file…";
      const got = await asked(server.save_run({ run: stream.run ?? "", kind }));
      said.textContent = got.error ?? "";
      if (got.error !== undefined) return;
      const href = new URL(`gradio_api/file=${encodeURIComponent(got.path)}`, document.baseURI).href;
      el("a", { href, download: got.name }).click();
    });
  }

  // --- Start

  const waiting = window.ddpmLatents ?? linked(location.href, "latents") ?? {};
  window.ddpmLatents = /** @type {any} */ ({ set });
  renderControls();
  set(waiting);
  render();
  return (message) => stream.receive(message);
}
