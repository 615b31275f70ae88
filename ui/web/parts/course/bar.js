// The bar of a lesson: a goal, a thing to do, a question. It stays above the place while the visitor does it.
import { Chart, ceiling, halves, key, path, scale } from "../../drawing/chart.js";
import { all, button, el, find, isShown } from "../../drawing/dom.js";
import { linked } from "../../form/link.js";
import { copy } from "../../run/share.js";
import { BAR, WORDS } from "../../words/course.js";
import { SHARE } from "../../words/page.js";

/** @import { Page } from "../../app.js" */
/** @import { Values } from "../../messages/client.js" */

/**
 * A lesson as ui/parts/course.py has it.
 * @typedef {object} Lesson
 * @property {string} name in an address
 * @property {string} title
 * @property {number} minutes
 * @property {string} part
 * @property {Values} values
 * @property {string[]} guesses
 * @property {{ seeds: number, curves: { side: number, points: [t: number, share: number][] }[] } | null} curves
 * @property {string} goal
 * @property {string} todo
 * @property {string} button
 * @property {string} question
 * @property {string} answer
 * @property {number} step at which its run comes to rest, from 1; 0 for the last one
 * @property {Task[]} then
 */
/** A thing to do after the lesson's first one. values: beside the lesson's own. @typedef {Pick<Lesson, "values" | "todo" | "button" | "question" | "answer"> & Partial<Lesson>} Task */

/** Of lessons that have one, by their names: what draws it. @type {Record<string, () => Promise<HTMLElement>>} */
const FIGURES = { "one-path": async () => (await import("./path.js")).path() };

/** Begin a lesson. @param {Page} page @param {Lesson} lesson @param {import("../../run/panel.js").Cause} [cause] */
export async function begin(page, { name, part, values, step }, cause = "lesson") {
  const changes = page.lesson !== name;
  await page.open(part, page.whole(part, values), { push: true, lesson: name, cause, step });
  if (changes) find(document, "#course-bar h2").focus(); // Tab goes on here, and screen readers read it
}

/** Which thing to do a link shows: the last one whose values it has. @param {Page} page @param {Lesson} lesson */
function linkedTask(page, { part, then }) {
  const { part: shown, values } = linked(location.href);
  if (shown !== part) return 0;
  const all = page.whole(part, values);
  const has = (/** @type {Task} */ task) =>
    Object.entries(task.values).every(([name, value]) => String(all[name]) === String(value));
  return then.findLastIndex(has) + 1;
}

/** Draw the bar of a lesson. @param {Page} page @param {HTMLElement} bar @param {string} name @param {number} [pressed] which thing to do was chosen */
export function draw(page, bar, name, pressed) {
  if (bar.dataset.lesson === name && !pressed) return;
  const { lessons } = /** @type {{ lessons: Lesson[] }} */ (page.given.initial.course);
  const at = lessons.findIndex((one) => one.name === name);
  const lesson = lessons[at];
  /** @type {Task[]} */
  const tasks = [lesson, ...lesson.then];
  const which = pressed ?? linkedTask(page, lesson);
  const task = { guesses: [], curves: null, ...tasks[which] };
  bar.dataset.lesson = name;
  const action = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => unknown} */ act) =>
    button({ class: "button", ...(title && { "aria-label": title }) }, act, text);
  const leave = (/** @type {string} */ part) => page.open(part, null, { push: true, lesson: null });
  const back = action("◂", BAR.previous, () => begin(page, lessons[at - 1]));
  back.disabled = at === 0;
  const steps = el("nav", { "aria-label": BAR.all }, back, el("span", null, BAR.place(at + 1, lessons.length)));
  const end = action("×", BAR.end, () => leave(page.part));
  /** The question alone, once the rest has been read. @param {boolean} folded */
  const fold = (folded) => {
    bar.classList.toggle("folded", folded);
    more.textContent = folded ? "▾" : "▴";
    more.setAttribute("aria-expanded", String(!folded));
  };
  const more = action("", BAR.lesson, () => fold(!bar.classList.contains("folded")));
  const doing = action(task.button, "", () => {
    fold(lesson.part !== "forward"); // there more is to be done after what plays
    if (!isShown(doing)) more.focus({ preventScroll: true }); // it unfolds what had the focus
    begin(page, { ...lesson, values: { ...lesson.values, ...task.values }, step: task.step ?? 0 }, "press");
  });
  doing.classList.add("primary");
  find(document, "#place").onchange = () => {
    if (page.part === lesson.part && !bar.querySelector("details[open]")) fold(true);
  };
  fold(false);
  const answer = el("details", null, el("summary", null, BAR.answer), el("p", null, task.answer));
  if (task.curves) answer.append(...touches(task.curves));
  answer.addEventListener("toggle", () => doing.classList.toggle("primary", !answer.open)); // what leads is what comes next
  const isOver = at === 0; // the tour is the first lesson
  const following = [];
  if (tasks[which + 1])
    following.push(action(BAR.further(which + 2, tasks.length), "", () => draw(page, bar, name, which + 1)));
  const hasPad = Boolean(page.given.initial.train?.drawings);
  if (isOver && hasPad) following.push(action(BAR.own, "", () => drawOwn(page)));
  const next = lessons[at + 1];
  if (next) following.push(action(tasks[which + 1] ? BAR.skip(at + 2) : BAR.on, "", () => begin(page, next)));
  else following.push(action(BAR.deeper, "", () => leave("course")));
  following[0].classList.add("primary");
  if (isOver) answer.append(el("p", { class: "over" }, BAR.over(hasPad)));
  answer.append(el("div", { class: "row" }, ...following));
  const guesses = task.guesses.map((text) => {
    const guess = () => {
      for (const one of guesses) one.setAttribute("aria-pressed", String(one.textContent === text));
      answer.open = true;
    };
    return button({ class: "preset", "aria-pressed": false }, guess, text);
  });
  const asked = el("div", { class: "row guesses", role: "group", "aria-label": BAR.guess }, ...guesses);
  const again = action(BAR.again, "", () => page.open(lesson.part, null, { push: true }));
  const elsewhere = el("p", null, el("b", null, BAR.title(at + 1, lesson.title)));
  bar.replaceChildren(
    el(
      "div",
      { class: "away row" },
      elsewhere,
      again,
      action("×", BAR.end, () => leave(page.part)),
    ),
    el(
      "header",
      null,
      el("h2", { tabindex: -1 }, lesson.title),
      el(
        "span",
        { class: "info" },
        tasks[1] ? BAR.part(lesson.minutes, which + 1, tasks.length) : BAR.minutes(lesson.minutes),
      ),
      el("div", { class: "row" }, steps, more, end),
    ),
    el(
      "div",
      { class: "do" },
      ...(which ? [] : [el("p", null, lesson.goal)]),
      el("p", { class: "todo" }, task.todo),
      doing,
    ),
    el(
      "div",
      { class: "ask" },
      el("p", { class: "question" }, task.question),
      ...(guesses.length ? [asked] : []),
      answer,
      ...(page.only ? [] : [teacher(page, tasks)]),
    ),
  );
  if (pressed) find(bar, "h2").focus(); // what was pressed is gone
  FIGURES[name]?.().then((figure) => bar.dataset.lesson === name && bar.append(figure), console.error);
}

/** End the course at the drawing pad of Train. @param {Page} page */
async function drawOwn(page) {
  await page.open("train", { data: "own" }, { push: true, lesson: null });
  const sheet = find(document, ".train .pad .sheet");
  sheet.scrollIntoView({ block: "center" });
  sheet.focus({ preventScroll: true });
}

/** How often a touch made another digit, by its t. @param {NonNullable<Lesson["curves"]>} given */
function touches({ seeds, curves }) {
  const first = Math.max(...curves.flatMap(({ points }) => points.map(([t]) => t)));
  const high = ceiling(Math.max(0.1, ...curves.flatMap(({ points }) => points.map(([, share]) => share))));
  const y = scale(0, high);
  const chart = new Chart(BAR.touches(seeds));
  const names = curves.map(({ side }, i) => /** @type {const} */ ([`lane-${i}`, BAR.cells(side)]));
  const paths = curves.map(({ points }, i) =>
    path(
      `lane-${i}`,
      points.map(([t, share]) => [100 - (100 * t) / first, y(share)]),
    ),
  );
  chart.draw(halves(high), paths, [
    [0, `t ${first}`],
    [100, "t 0"],
  ]);
  return [chart.node, key(...names)];
}

/**
 * What makes a link of a teacher's own: this lesson with the settings as they are now, and only some of the controls. Those
 * that the lesson sets are ticked; the others are behind one line.
 * @param {Page} page @param {Pick<Task, "values">[]} tasks of the lesson
 */
function teacher(page, tasks) {
  const set = tasks.flatMap(({ values }) => Object.keys(values));
  const names = new Set(set.filter((name) => !name.startsWith("checkpoint"))); // another model is another lesson
  const box = el("div", { class: "controls" });
  const said = el("span", { class: "info", role: "status" });
  const copyLink = async () => {
    const url = page.chosen;
    const ticked = all(box, "input", HTMLInputElement).filter(({ checked }) => checked);
    url.searchParams.set("only", ticked.map(({ value }) => value).join(","));
    const { address, why } = await page.invitation(url);
    said.textContent = BAR.copied(await copy(address, SHARE.theLink), why);
  };
  const details = el(
    "details",
    { class: "teacher" },
    el("summary", null, WORDS.teachers),
    el("p", { class: "info" }, BAR.controls),
    box,
    el("div", { class: "row" }, button({ class: "button" }, copyLink, BAR.copy), said),
  );
  details.addEventListener("toggle", () => {
    const [own, others] = [true, false].map((isOwn) =>
      page.controls
        .filter(([name]) => names.has(name) === isOwn)
        .map(([value, title]) => {
          const input = el("input", { type: "checkbox", value, ...(isOwn && { checked: true }) });
          return el("label", { class: "row" }, input, title);
        }),
    );
    const rest = el("details", null, el("summary", null, BAR.others), el("div", { class: "controls" }, ...others));
    box.replaceChildren(...own, rest);
  });
  return details;
}
