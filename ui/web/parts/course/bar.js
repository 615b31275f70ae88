// The bar of a lesson, or of a screen of the tour: it shows the goal, a task and a question. The bar stays above the
// part while the visitor works on the task.
import { Chart, ceiling, halves, key, path, scale } from "../../drawing/chart.js";
import { all, button, el, find, isShown } from "../../drawing/dom.js";
import { readLink } from "../../form/link.js";
import { copy } from "../../run/share.js";
import { SHARE } from "../../words/page.js";
import { essayAt } from "./moved.js";
import { BAR, TOUR, WORDS } from "./words.js";

/** @import { Page } from "../../app.js" */
/** @import { Values } from "../../messages/client.js" */

/**
 * A lesson, or a screen of the tour: see `Lesson` in ui/parts/course.py.
 * @typedef {object} Lesson
 * @property {string} name the lesson's name in addresses
 * @property {string} title
 * @property {number} minutes how long the lesson takes
 * @property {string} part the part that the lesson opens
 * @property {Values} values the values that the lesson sets in the part's form
 * @property {string[]} guesses answers from which the visitor chooses one before reading the right answer
 * @property {{ seeds: number, curves: { side: number, points: [t: number, share: number][] }[] } | null} curves the data of
 * `touchChart`
 * @property {string} goal
 * @property {string} todo the text of the first task
 * @property {string} button the label of the button that starts the task
 * @property {string} question
 * @property {string} answer
 * @property {number} step the step, from 1, at which the lesson's run stops playing; 0 for the last step
 * @property {Task[]} then the further tasks
 * @property {number} screen the number of the tour's screen, from 1; 0 for a lesson
 * @property {Values} sets the values that only the button sets, in addition to `values`
 */
/** A task of a lesson. values: the values that the task adds to the lesson's values. @typedef {Pick<Lesson, "values" | "todo" | "button" | "question" | "answer"> & Partial<Lesson>} Task */

/** For each lesson with a figure, a function that makes the figure. @type {Record<string, () => Promise<HTMLElement>>} */
const FIGURES = { "one-path": async () => (await import("./path.js")).path() };

/** Open a lesson's part with the lesson's values, and show the lesson's bar. @param {Page} page @param {Lesson} lesson @param {import("../../run/panel.js").Cause} [cause] */
export async function begin(page, { name, part, values, step }, cause = "lesson") {
  const changes = page.lesson !== name;
  await page.open(part, page.whole(part, values), { push: true, lesson: name, cause, step });
  if (changes) find(document, "#course-bar h2").focus(); // then screen readers read the title, and Tab continues from the title
}

/** Return the index of the lesson's last task whose values are all in the page's address; 0 if there is no such task. @param {Page} page @param {Lesson} lesson */
function linkedTask(page, { part, then }) {
  const { part: shown, values } = readLink(location.href);
  if (shown !== part) return 0;
  const all = page.whole(part, values);
  const has = (/** @type {[string, unknown][]} */ set) =>
    set.length > 0 && set.every(([name, value]) => String(all[name]) === String(value));
  return then.findLastIndex((task) => has(Object.entries(task.values))) + 1;
}

/** Make a button of the bar. @param {string} text @param {string} label the text for screen readers; "" if the visible text is enough @param {() => unknown} act */
const barButton = (text, label, act) => button({ class: "button", ...(label && { "aria-label": label }) }, act, text);

/** The bar. Its element has the name of the shown lesson in data-lesson. */
export class Bar {
  /** The lesson that the bar shows. @type {Lesson | null} */
  #lesson = null;
  #more = barButton("", BAR.lesson, () => this.#fold(!this.element.classList.contains("folded")));

  /** @param {Page} page @param {HTMLElement} element */
  constructor(page, element) {
    this.page = page;
    this.element = element;
    this.all = /** @type {Lesson[]} */ (page.given.initial.course.lessons);
    find(document, "#place").addEventListener("change", () => {
      if (page.part === this.#lesson?.part && !element.querySelector("details[open]")) this.#fold(true);
    });
    const foldTour = () => {
      if (this.#lesson?.screen && page.part === this.#lesson.part) this.#fold(true);
    };
    // Listen in the capture phase, because the bar must be folded before the pressed element scrolls into view
    find(document, "#place").addEventListener("click", foldTour, true);
  }

  /** Show a lesson, at the task that belongs to the page's address. Do nothing if the bar already shows the lesson. @param {string} name */
  show(name) {
    const lesson = this.all.find((one) => one.name === name);
    if (!lesson || lesson === this.#lesson) return;
    this.#lesson = lesson;
    this.#draw(lesson, linkedTask(this.page, lesson));
  }

  /** Forget the shown lesson, so that `show` draws the lesson anew. */
  clear() {
    this.#lesson = null;
    delete this.element.dataset.lesson;
  }

  /** Fold the bar until only its question is visible, or unfold it. @param {boolean} folded */
  #fold(folded) {
    this.element.classList.toggle("folded", folded);
    this.#more.textContent = folded ? "▾" : "▴";
    this.#more.setAttribute("aria-expanded", String(!folded));
  }

  /** End the course and open a part. @param {string} part */
  #leave(part) {
    this.page.open(part, null, { push: true, lesson: null });
  }

  /** Draw the bar for one task of a lesson. @param {Lesson} lesson @param {number} which the index of the task */
  #draw(lesson, which) {
    const { element, page } = this;
    const { name } = lesson;
    /** @type {Task[]} */
    const tasks = [lesson, ...lesson.then];
    const task = tasks[which];
    element.dataset.lesson = name;
    element.classList.toggle("tour", lesson.screen > 0);
    this.#fold(false);
    const doing = this.#taskButton(lesson, task);
    const answer = this.#answerBox(lesson, tasks, which);
    const asked = lesson.screen ? [this.#nextButton()] : [answer, ...(page.only ? [] : [teacherBox(page, tasks)])];
    // While the answer is open, the button of the next task is the primary button
    answer.addEventListener("toggle", () => doing.classList.toggle("primary", !answer.open));
    const { guesses = [] } = task;
    element.replaceChildren(
      this.#awayNote(lesson),
      this.#header(lesson, tasks, which),
      el(
        "div",
        { class: "do" },
        ...(which || !lesson.goal ? [] : [el("p", null, lesson.goal)]),
        el("p", { class: "todo" }, task.todo),
        ...(task.button ? [doing] : []),
      ),
      el(
        "div",
        { class: "ask" },
        el("p", { class: "question" }, task.question),
        ...(guesses.length ? [guessButtons(guesses, answer)] : []),
        ...asked,
      ),
    );
    FIGURES[name]?.().then((figure) => this.#lesson === lesson && element.append(figure), console.error);
  }

  /** Return the note that replaces the lesson's bar while another part is shown. @param {Lesson} lesson */
  #awayNote({ part, title, screen }) {
    const { page } = this;
    const lead = el("p", null, el("b", null, screen ? TOUR.title(title) : BAR.title(this.#number, title)));
    const again = barButton(BAR.again, "", () => page.open(part, null, { push: true }));
    return el(
      "div",
      { class: "away row" },
      lead,
      again,
      barButton("×", screen ? TOUR.end : BAR.end, () => this.#leave(page.part)),
    );
  }

  /** The sequence that contains the shown lesson: all lessons, or all screens of the tour. */
  get lessons() {
    return this.all.filter(({ screen }) => Boolean(screen) === Boolean(this.#lesson?.screen));
  }

  /** The position of the shown lesson in its sequence, from 1. */
  get #number() {
    return this.lessons.findIndex(({ name }) => name === this.#lesson?.name) + 1;
  }

  /** Return the bar's header: the title, the position in the sequence, and the buttons that go back, fold and close. @param {Lesson} lesson @param {Task[]} tasks @param {number} which the index of the task */
  #header({ title, minutes, screen }, { length }, which) {
    const number = this.#number;
    const { previous, place, all, end } = screen ? TOUR : BAR;
    const back = barButton("◂", previous, () => begin(this.page, this.lessons[number - 2]));
    back.disabled = number === 1;
    const at = el("span", null, place(number, this.lessons.length));
    const over = barButton("×", end, () => this.#leave(this.page.part));
    return el(
      "header",
      null,
      el("h2", { tabindex: -1 }, title),
      ...(screen
        ? []
        : [el("span", { class: "info" }, length > 1 ? BAR.part(minutes, which + 1, length) : BAR.minutes(minutes))]),
      el("div", { class: "row" }, el("nav", { "aria-label": all }, back, at), this.#more, over),
    );
  }

  /** Return the button that starts a task. @param {Lesson} lesson @param {Task} task */
  #taskButton(lesson, task) {
    const doing = barButton(task.button, "", () => {
      // In the part "forward", the task continues after the animation, so the bar stays open
      this.#fold(lesson.part !== "forward");
      // If folding has hidden this button, the button that unfolds the bar gets the focus
      if (!isShown(doing)) this.#more.focus({ preventScroll: true });
      begin(
        this.page,
        { ...lesson, values: { ...lesson.values, ...task.values, ...lesson.sets }, step: task.step ?? 0 },
        "press",
      );
    });
    doing.classList.add("primary");
    return doing;
  }

  /** Return a button for the next screen of the tour; on the last screen, a link to the card at the end of the essay. */
  #nextButton() {
    const next = this.lessons[this.#number];
    if (next)
      return el(
        "div",
        { class: "next" },
        barButton(TOUR.next, "", () => begin(this.page, next, next.button ? "lesson" : "inside")),
      );
    const href = essayAt("card");
    return el("div", { class: "next" }, ...(href ? [el("a", { class: "button", href }, TOUR.card)] : []));
  }

  /** Return the folded answer of a task, with buttons for the next task and the next lesson. @param {Lesson} lesson @param {Task[]} tasks @param {number} which the index of the task */
  #answerBox(lesson, tasks, which) {
    const { page, lessons } = this;
    const number = this.#number;
    const { answer, curves = null } = tasks[which];
    const [further, next] = [tasks[which + 1], lessons[number]];
    const following = [];
    if (further)
      following.push(barButton(BAR.further(which + 2, tasks.length), "", () => this.#proceed(lesson, which + 1)));
    if (next) following.push(barButton(further ? BAR.skip(number + 1) : BAR.on, "", () => begin(page, next)));
    else following.push(barButton(BAR.deeper, "", () => this.#leave("course")));
    following[0].classList.add("primary");
    return el(
      "details",
      null,
      el("summary", null, BAR.answer),
      el("p", null, answer),
      ...(curves ? touchChart(curves) : []),
      el("div", { class: "row" }, ...following),
    );
  }

  /** Show another task of the lesson. @param {Lesson} lesson @param {number} which the index of the task */
  #proceed(lesson, which) {
    this.#draw(lesson, which);
    find(this.element, "h2").focus(); // the pressed button no longer exists, so the focus needs another place
  }
}

/** Return buttons with possible answers. A press on a button opens the right answer. @param {string[]} texts @param {HTMLDetailsElement} answer */
function guessButtons(texts, answer) {
  const guesses = texts.map((text, i) => {
    /** Mark the pressed answer, and open the right answer. */
    const guess = () => {
      for (const [other, node] of guesses.entries()) node.setAttribute("aria-pressed", String(other === i));
      answer.open = true;
    };
    return button({ class: "preset", "aria-pressed": false }, guess, text);
  });
  return el("div", { class: "row guesses", role: "group", "aria-label": BAR.guess }, ...guesses);
}

/** Return a chart and its key. The chart shows how often a change of x_t by hand led to another digit, over the t of the change. @param {NonNullable<Lesson["curves"]>} given */
function touchChart({ seeds, curves }) {
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
 * Return the box in which a teacher makes a link to this lesson with the current settings. Checkboxes choose the
 * controls that the students get. The controls that the lesson sets are ticked; all others are in a folded list.
 * @param {Page} page @param {Pick<Task, "values">[]} tasks of the lesson
 */
function teacherBox(page, tasks) {
  const set = tasks.flatMap(({ values }) => Object.keys(values));
  const names = new Set(set.filter((name) => !name.startsWith("checkpoint"))); // a lesson is written for one model, so the choice of the model is not ticked
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
