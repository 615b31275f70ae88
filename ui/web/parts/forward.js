// What noise destroys: x_t is mixed here for every t, from a picture and an ε that the server sent once, so that dragging t
// needs no server.

import { key } from "../drawing/chart.js";
import { all, button, context2d, el, find, markup, meanings, onFile, write as put } from "../drawing/dom.js";
import { play } from "../drawing/motion.js";
import { Form } from "../form/form.js";
import { show } from "../pictures/sprite.js";
import { checked } from "../plans/fields.js";
import { slideItem } from "../run/slide.js";
import { deviations, mean, readouts, remark, sentence, snr, WORDS } from "../words/forward.js";
import { fraction } from "../words/numbers.js";
import { attribute } from "../words/symbols.js";
import { failure } from "../words/units.js";
import { Plot } from "./forward/charts.js";
import { MARKUP } from "./forward/markup.js";
import { noised, rms, sum, visibleGain, write } from "./forward/mix.js";
import { Scene } from "./forward/scene.js";
import { Walk } from "./forward/walk.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Weights } from "../messages/protocol.js" */

const PLAYED = 10; // seconds from t = 0 to T
const PAUSE = 400; // ms after the last change until the address has it

/**
 * Its element has data-t, data-schedule, data-picture, data-seed, and data-ready: whether nothing is on its way.
 * @param {Page} page @param {string} part @returns {Promise<Part>}
 */
export async function mount(page, part) {
  /** @type {number} */
  const T = page.given.initial[part].T;
  const fields = Object.fromEntries(page.given.forms[part].map((field) => [field.name, field]));
  const names = fields.picture.names ?? [];
  const root = el("section", { class: "part forward", "aria-label": WORDS.title });
  markup(root, MARKUP);
  find(root, ".thumbs").append(
    ...names.map((value) => {
      const load = () => scene.load({ name: value });
      return button({ value, title: value, "aria-label": value }, load, el("img", { alt: "" }));
    }),
  );
  let pause = () => {}; // of t, which plays
  const form = new Form(page.given.forms[part], page.given, (name, done) => {
    pause();
    take();
    if (done && name === "t") page.say(find(root, ".sentence").textContent);
  });
  const scene = new Scene(page, { name: form.value("picture") }, Number(form.value("seed")));
  form.adopt("picture", {
    element: find(root, ".pictures"),
    input: null,
    get: () => scene.picture ?? "",
    set: (name) => {
      if (names.includes(name) && !scene.wants(name)) scene.load({ name });
    },
  });
  find(root, ".side").append(form.place("schedule"), form.place("seed"));
  find(root, ".facts").append(meanings("ᾱ", "SNR", "βₜ", "β̃ₜ", "q( )", "μ̃ₜ"));
  find(root, ".equation").after(form.place("t"));
  const { ask } = page.client; // the picture is on its way meanwhile
  const [got, drawings] = await Promise.all([ask("forward", "tables", {}), ask("forward", "thumbs", {})]);
  if (got.error !== undefined) throw new Error(got.error);
  const tables = /** @type {Record<string, Weights>} */ (got);
  const walk = new Walk(root, scene, render);
  const thumbs = all(root, ".thumbs button", HTMLButtonElement);
  for (const thumb of thumbs)
    show(find(thumb, "img", HTMLImageElement), drawings.error === undefined ? drawings[thumb.value] : null);
  const plots = [
    new Plot(WORDS.beta, tables, ({ beta }, t) => beta[t], { low: -5, high: 0, ticks: [-4, -2, 0] }),
    new Plot(WORDS.signal, tables, ({ signal }, t) => signal[t] ** 2),
    new Plot(WORDS.snr, tables, snr, { low: -5, high: 5, ticks: [-4, 0, 4] }),
  ];

  /** @param {string} selector @param {string} text */
  const say = (selector, text) => put(find(root, selector), text);

  // --- Drawing

  let due = false;
  let later = 0;
  function remember() {
    const { t, schedule, seed, picture } = scene;
    page.remember(part, { t, schedule, seed, picture: picture ?? undefined });
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
    find(root, ".wrong").hidden = !scene.problem;
    for (const thumb of thumbs) thumb.setAttribute("aria-pressed", String(scene.wants(thumb.value)));
    render();
  }

  function renderSetting() {
    const { t, schedule, seed, picture } = scene;
    const table = tables[schedule];
    Object.assign(root.dataset, { t, schedule, picture: picture ?? "own", seed });
    say(".x0 .at", `× √ᾱ = ${fraction(table.signal[t])}`);
    say(".eps .at", `× √(1−ᾱ) = ${fraction(table.noise[t])}`);
    const items = readouts(table, t, T, scene.variance).map(([text, title]) => el("span", { title }, text));
    find(root, ".readouts").replaceChildren(...items.flatMap((item, i) => (i ? [" · ", item] : [item])));
    say(".sentence", sentence(t, table.signal[t] ** 2, scene.variance));
    for (const plot of plots) plot.point(t, schedule);
    say(".weights", mean(t, table.of_x_0[t], table.of_x_t[t]));
    const entries = deviations(table, t).flatMap(([name, value, text]) => [
      el("dt", null, name),
      el("dd", null, value, el("small", null, text)),
    ]);
    find(root, ".numbers").replaceChildren(...entries);
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
    if (label) attribute(canvas, "aria-label", label);
  }

  function renderPictures() {
    const { t, x0, epsilon, picture } = scene;
    const table = tables[scene.schedule];
    const xt = noised(x0, epsilon, table.signal[t], table.noise[t]);
    paint(".x0", x0);
    paint(".eps", epsilon, undefined, 127.5);
    paint(".xt", xt, WORDS.xt(picture, t));
    // At t = 0 there is no step back: the picture itself stands there.
    const back = t ? sum(table.of_x_0[t], x0, table.of_x_t[t], xt) : x0;
    const change = sum(1, xt, -1, back);
    const gain = t ? visibleGain(rms(change)) : 1;
    paint(".mean", back, WORDS.back(t));
    paint(".change", change, WORDS.change(gain), gain);
    say(".change .at", WORDS.gain(gain));
  }

  function slide() {
    const { t, schedule } = scene;
    const { signal, noise } = tables[schedule];
    const tiles = Object.entries(WORDS.slide(signal[t], noise[t], t)).map(([name, label]) => ({
      picture: find(root, `.${name} canvas`, HTMLCanvasElement),
      label,
    }));
    const read = readouts(tables[schedule], t, T, scene.variance).map(([text]) => text);
    const settings = [WORDS.schedule(schedule), ...read].join(" · ");
    return { title: WORDS.title, tiles, columns: 3, said: sentence(t, signal[t] ** 2, scene.variance), settings };
  }

  // --- Input

  /** The value of a field as it is computed with, or as it was where the form has a wrong one, which is marked. @template T @param {string} name @param {T} before @returns {T} */
  function taken(name, before) {
    try {
      const value = checked(fields[name], form.value(name));
      form.mark(name, "");
      return /** @type {T} */ (value);
    } catch (error) {
      form.mark(name, failure(error));
      return before;
    }
  }

  /** Show what the form says. */
  function take() {
    scene.t = taken("t", scene.t);
    scene.schedule = taken("schedule", scene.schedule);
    const seed = taken("seed", scene.wanted.seed);
    if (seed !== scene.wanted.seed) scene.renew(seed);
    render();
  }

  /** Let t go from 0 to T. */
  function playAll() {
    let t = 0;
    pause = play((seconds) => {
      t = Math.min(T, t + (T * seconds) / PLAYED);
      form.set({ t: Math.round(t) });
      take();
      return t < T;
    });
  }

  onFile(root, (file) => scene.load({ file }));
  for (const plot of plots)
    plot.onScrub((share) => {
      pause();
      form.set({ t: Math.min(T, Math.max(0, Math.round(T * share))) });
      take();
    });

  // --- Start

  const plotted = find(root, ".plots");
  plotted.append(...plots.map(({ node }) => node));
  plotted.after(key(...Object.keys(tables).map((name) => /** @type {const} */ ([name, name]))));
  scene.changed = changed;
  changed();
  return {
    element: root,
    set(values, cause) {
      pause();
      form.set(values);
      take();
      if (cause === "press" && scene.t === 0) playAll();
      if (cause && cause !== "lesson") form.place("t").scrollIntoView({ block: "nearest" });
    },
    hide: () => pause(),
    items: () => (scene.size ? [slideItem(page, slide, () => new URL(location.href))] : []),
  };
}
