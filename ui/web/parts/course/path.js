// The figure of the lesson "One path". It shows a recorded chain step by step, the time of each step in the units of
// each model family, and the network's output for x.
import { el, find } from "../../drawing/dom.js";
import { PATH } from "./words.js";

/**
 * The content of one-path.json: the numbers for the pictures in one-path.webp. A clock is the time variable of a model
 * family, for example t or σ.
 * @typedef {object} Recorded
 * @property {number} side the side of a picture, in pixels
 * @property {Record<string, number>[]} times for each step, the time on each clock
 * @property {number[]} at the position of each step on the common axis, 0..1, then the position of the end
 * @property {Record<string, [label: string, at: number][]>} ticks for each clock, its ticks on the axis
 */

const SHOWN = 72; // the side of a picture on the page, in CSS pixels

/** Return the address of a file of the course. @param {string} name */
const addressOf = (name) => new URL(`../../examples/course/${name}`, import.meta.url);

/** Return the figure. @returns {Promise<HTMLElement>} */
export async function path() {
  /** @type {Recorded} */
  const { side, times, at, ticks } = await (await fetch(addressOf("one-path.json"))).json();
  const names = Object.keys(ticks);
  const slider = el("input", { type: "range", class: "slider", min: 0, max: times.length, "aria-label": PATH.step });
  const said = el("p", { class: "info", role: "status" });
  const here = el("div", { class: "here" });
  const clocks = names.map((name) => {
    const marks = ticks[name].map(([label, at]) => el("span", { style: `left: ${100 * at}%` }, label));
    return el("div", { class: "clock" }, el("b", null, name), el("div", { class: "ticks" }, ...marks));
  });
  const sheet = `background-image: url(${addressOf("one-path.webp").href}); background-size: ${(times.length + 1) * SHOWN}px; `;
  const pictures = PATH.rows.map(([title, what], row) => {
    const picture = el("div", { class: "drawn", style: sheet, role: "img", "aria-label": `${title}: ${what}` });
    return el(
      "figure",
      { "data-row": row },
      picture,
      el("figcaption", null, el("b", null, title), el("span", null, what)),
    );
  });
  /** Show the step that the slider selects. */
  const show = () => {
    const k = Number(slider.value);
    slider.style.setProperty("--at", `${(100 * k) / times.length}%`);
    here.style.left = `${100 * at[k]}%`;
    const now = times[k] && names.map((name) => `${name} = ${times[k][name]}`.replace("-", "−"));
    said.textContent = now ? PATH.sees(k + 1, times.length, now) : PATH.end;
    slider.setAttribute("aria-valuetext", said.textContent);
    pictures.forEach((figure, row) => {
      find(figure, ".drawn").style.backgroundPosition = `${-k * SHOWN}px ${-row * SHOWN}px`;
      figure.classList.toggle("now", Boolean(now) || row < 2);
    });
  };
  slider.value = String(times.length - 4); // begin at a step at which the digit is already recognizable
  slider.addEventListener("input", show);
  show();
  const axis = el("div", { class: "clocks" }, ...clocks, el("div", { class: "marker" }, here));
  const note = el("p", { class: "info" }, PATH.note);
  const width = `--side: ${SHOWN}px; --rendering: ${side < SHOWN ? "pixelated" : "auto"}`;
  return el(
    "div",
    { class: "one-path", style: width },
    slider,
    said,
    axis,
    el("div", { class: "readings" }, ...pictures),
    note,
  );
}
