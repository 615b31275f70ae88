// The figure of the lesson "One path": a recorded chain, the clocks that tell its times, and what its network says of x.
import { el, find } from "../../drawing/dom.js";
import { PATH } from "./words.js";

/**
 * What one-path.json holds: the numbers that belong to the pictures of one-path.webp.
 * @typedef {object} Recorded
 * @property {number} side pixels of a picture
 * @property {Record<string, number>[]} times of each step, on each clock
 * @property {number[]} at where they are on the axis, 0..1, and the end
 * @property {Record<string, [label: string, at: number][]>} ticks of each clock
 */

const SHOWN = 72; // pixels of a picture on the page

/** @param {string} name */
const recorded = (name) => new URL(`../../examples/course/${name}`, import.meta.url);

/** @returns {Promise<HTMLElement>} */
export async function path() {
  /** @type {Recorded} */
  const { side, times, at, ticks } = await (await fetch(recorded("one-path.json"))).json();
  const names = Object.keys(ticks);
  const slider = el("input", { type: "range", class: "slider", min: 0, max: times.length, "aria-label": PATH.step });
  const said = el("p", { class: "info", role: "status" });
  const here = el("div", { class: "here" });
  const clocks = names.map((name) => {
    const marks = ticks[name].map(([label, at]) => el("span", { style: `left: ${100 * at}%` }, label));
    return el("div", { class: "clock" }, el("b", null, name), el("div", { class: "ticks" }, ...marks));
  });
  const sheet = `background-image: url(${recorded("one-path.webp").href}); background-size: ${(times.length + 1) * SHOWN}px; `;
  const pictures = PATH.rows.map(([title, what], row) => {
    const picture = el("div", { class: "drawn", style: sheet, role: "img", "aria-label": `${title}: ${what}` });
    return el(
      "figure",
      { "data-row": row },
      picture,
      el("figcaption", null, el("b", null, title), el("span", null, what)),
    );
  });
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
  slider.value = String(times.length - 4); // where a digit can be guessed
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
