// What noise destroys: x_t is mixed here for every t, from a picture and an ε that the server sent once, so that dragging t
// needs no server.

import { key } from "../shared/chart.js";
import { all, context2d, el, find, onScrub } from "../shared/dom.js";
import { fraction, number } from "../shared/numbers.js";
import { Plot } from "./forward/charts.js";
import { MARKUP } from "./forward/markup.js";
import { noised, rms, sum, visibleGain, write } from "./forward/mix.js";
import { Scene } from "./forward/scene.js";
import { unpackTables } from "./forward/server.js";
import { Walk } from "./forward/walk.js";
import { deviations, mean, readouts, remark, sentence, snr } from "./forward/words.js";

/** @import { Lab, Part } from "../app.js" */
/** @import { Given, Table } from "./forward/server.js" */
/** @typedef {{ t?: unknown, schedule?: unknown, picture?: unknown, seed?: unknown }} Choice */

const PAUSE = 400; // ms after the last change until the address has it
const SEEDS = 1000; // that New noise draws from: short ones can be told to a neighbour

/**
 * Its element has data-t, data-schedule, data-picture, data-seed, and data-ready: whether nothing is on its way.
 * @param {Lab} lab @param {string} part @returns {Promise<Part>}
 */
export async function mount(lab, part) {
  /** @type {Given} */
  const { T, thumbs: pictures } = lab.given.initial[part];
  const fields = Object.fromEntries(lab.given.forms[part].map((field) => [field.name, field]));
  const root = el("section", { class: "part forward", "aria-label": "What noise destroys" });
  root.innerHTML = MARKUP;
  find(root, ".thumbs", HTMLElement).append(
    ...Object.entries(pictures).map(([name, src]) => {
      const input = el("input", { type: "radio", name: "forward-picture", value: name, "aria-label": name });
      return el("label", { title: name }, input, el("img", { src, alt: "" }));
    }),
  );
  const scene = new Scene(lab, { name: fields.picture.default }, fields.seed.default);
  const tables = unpackTables(await scene.ask("tables")); // the picture is on its way meanwhile
  const walk = new Walk(root, scene, render);
  const slider = find(root, ".t-slider", HTMLInputElement);
  const field = find(root, ".t", HTMLInputElement);
  const schedules = all(root, ".schedules input", HTMLInputElement);
  const thumbs = all(root, ".thumbs input", HTMLInputElement);

  /** @param {(table: Table, t: number) => number} value */
  const ofAll = (value) =>
    Object.fromEntries(
      Object.entries(tables).map(([name, table]) => [name, (/** @type {number} */ t) => value(table, t)]),
    );
  const plots = [
    new Plot(
      {
        title: "Noise of a step, βₜ (log)",
        log: true,
        low: -5,
        high: 0,
        ticks: [-4, -2, 0],
        values: ofAll((table, t) => table.beta[t]),
      },
      T,
    ),
    new Plot(
      {
        title: "Signal left, ᾱₜ",
        low: 0,
        high: 1,
        ticks: [0, 0.5, 1],
        values: ofAll((table, t) => table.signal[t] ** 2),
      },
      T,
    ),
    new Plot(
      { title: "Signal to noise, SNR (log)", log: true, low: -5, high: 5, ticks: [-4, 0, 4], values: ofAll(snr) },
      T,
    ),
  ];

  /** @param {string} selector @param {string} text */
  const say = (selector, text) => {
    find(root, selector, HTMLElement).textContent = text;
  };

  // --- Drawing

  let due = false;
  let later = 0;
  function remember() {
    const { t, schedule, seed, picture } = scene;
    lab.remember(part, { t, schedule, seed, picture: picture ?? undefined });
  }

  function render() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      renderSetting();
      walk.render();
      clearTimeout(later);
      later = setTimeout(remember, PAUSE);
      if (scene.size) renderPictures();
    });
  }

  function changed() {
    root.dataset.ready = String(scene.ready);
    say(".wrong", scene.problem);
    find(root, ".wrong", HTMLElement).hidden = !scene.problem;
    if (scene.ready) for (const input of thumbs) input.checked = input.value === scene.picture;
    render();
  }

  function renderSetting() {
    const { t, schedule, seed, picture } = scene;
    const table = tables[schedule];
    const alphaBar = table.signal[t] ** 2;
    Object.assign(root.dataset, { t, schedule, picture: picture ?? "own", seed });
    slider.value = String(t);
    slider.style.setProperty("--at", `${(100 * t) / T}%`);
    slider.setAttribute("aria-valuetext", `t ${t} of ${T}, ᾱ ${fraction(alphaBar)}`);
    if (document.activeElement !== field) field.value = String(t);
    for (const input of schedules) input.checked = input.value === schedule;
    say(".seed", `seed ${seed}`);
    say(".x0 .at", `× √ᾱ = ${fraction(table.signal[t])}`);
    say(".eps .at", `× √(1−ᾱ) = ${fraction(table.noise[t])}`);
    const items = readouts(table, t, T).map(([text, title]) => el("span", { title }, text));
    find(root, ".readouts", HTMLElement).replaceChildren(...items.flatMap((item, i) => (i ? [" · ", item] : [item])));
    say(".sentence", sentence(t, alphaBar));
    const values = [t ? number(table.beta[t]) : "–", fraction(alphaBar), t ? number(snr(table, t)) : "∞"];
    for (const [i, plot] of plots.entries()) plot.point(t, schedule, values[i]);
    say(".weights", mean(t, table.of_x_0[t], table.of_x_t[t]));
    const entries = deviations(table, t).flatMap(([name, value, text]) => [
      el("dt", null, name),
      el("dd", null, value, el("small", null, text)),
    ]);
    find(root, ".numbers", HTMLElement).replaceChildren(...entries);
    say(".remark", remark(table, t));
  }

  /** @param {string} figure @param {Float32Array} values @param {string} [label] @param {number} [gain] */
  function paint(figure, values, label, gain) {
    const canvas = find(root, `${figure} canvas`, HTMLCanvasElement);
    if (canvas.width !== scene.size || canvas.height !== scene.size) canvas.width = canvas.height = scene.size;
    const context = context2d(canvas);
    const image = context.createImageData(scene.size, scene.size);
    write(image.data, values, gain);
    context.putImageData(image, 0, 0);
    if (label) canvas.setAttribute("aria-label", label);
  }

  function renderPictures() {
    const { t, x0, epsilon, picture } = scene;
    const table = tables[scene.schedule];
    const xt = noised(x0, epsilon, table.signal[t], table.noise[t]);
    paint(".x0", x0);
    paint(".eps", epsilon, undefined, 127.5);
    paint(".xt", xt, `x_t: ${picture ?? "your picture"} noised up to t = ${t}`);
    // At t = 0 there is no step back: the picture itself stands there.
    const back = t ? sum(table.of_x_0[t], x0, table.of_x_t[t], xt) : x0;
    const change = sum(1, xt, -1, back);
    const gain = t ? visibleGain(rms(change)) : 1;
    paint(".mean", back, `Mean of the step from t = ${t} to ${Math.max(0, t - 1)}`);
    paint(".change", change, `What the mean takes away from x_t, ${gain} times enlarged`, gain);
    say(".change .at", gain > 1 ? `× ${gain}, to make it visible` : "");
  }

  // --- Input

  /** @param {Choice} choice */
  function set({ t, schedule, picture, seed }) {
    const time = Number(t);
    if (t !== undefined && Number.isInteger(time)) scene.t = Math.min(T, Math.max(0, time));
    if (typeof schedule === "string" && tables[schedule]) scene.schedule = schedule;
    if (typeof picture === "string" && pictures[picture] && !scene.wants(picture)) scene.load({ name: picture });
    if (seed !== undefined && /^\d{1,10}$/.test(String(seed)) && Number(seed) !== scene.seed) scene.renew(Number(seed));
    render();
  }

  /** @param {FileList | null | undefined} files */
  function open(files) {
    if (files?.length) scene.open(files[0]);
  }

  slider.addEventListener("input", () => set({ t: Number(slider.value) }));
  slider.addEventListener("change", () => lab.say(find(root, ".sentence", HTMLElement).textContent));
  field.addEventListener("input", () => {
    if (field.value !== "") set({ t: Math.round(Number(field.value)) });
  });
  field.addEventListener("blur", render);
  for (const input of schedules) input.addEventListener("change", () => set({ schedule: input.value }));
  for (const input of thumbs) input.addEventListener("change", () => scene.load({ name: input.value }));
  find(root, ".new-noise", HTMLElement).addEventListener("click", () => scene.renew(Math.floor(Math.random() * SEEDS)));
  const files = find(root, ".upload input", HTMLInputElement);
  files.addEventListener("change", () => {
    open(files.files);
    files.value = ""; // so that the same file can be chosen again
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    open(event.dataTransfer?.files);
  });
  for (const { area } of plots) onScrub(area, (share) => set({ t: Math.round(T * share) }));

  // --- Start

  const plotted = find(root, ".plots", HTMLElement);
  plotted.append(...plots.map(({ node }) => node));
  plotted.after(key(...Object.keys(tables).map((name) => /** @type {const} */ ([name, name]))));
  scene.changed = changed;
  changed();
  return { element: root, set };
}
