// The bar of a lesson: a goal, a thing to do, a question. It stays above the place while the visitor does it.
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
 * @property {number} screen of the tour, from 1; 0 for a lesson
 * @property {Values} sets what its button sets beside the values
 */
/** A thing to do after the lesson's first one. values: beside the lesson's own; without any, it goes on with what is there. @typedef {Pick<Lesson, "values" | "todo" | "button" | "question" | "answer"> & Partial<Lesson>} Task */

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
  const { part: shown, values } = readLink(location.href);
  if (shown !== part) return 0;
  const all = page.whole(part, values);
  const has = (/** @type {[string, unknown][]} */ set) =>
    set.length > 0 && set.every(([name, value]) => String(all[name]) === String(value));
  return then.findLastIndex((task) => has(Object.entries(task.values))) + 1;
}

/** A button of the bar. @param {string} text @param {string} label that a screen reader says, where the text does not do @param {() => unknown} act */
const action = (text, label, act) => button({ class: "button", ...(label && { "aria-label": label }) }, act, text);

/** Its element has data-lesson: the name of the lesson that it shows. */
export class Bar {
  /** @type {Lesson | null} that it shows */
  #lesson = null;
  #more = action("", BAR.lesson, () => this.#fold(!this.element.classList.contains("folded")));

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
    find(document, "#place").addEventListener("click", foldTour, true); // before what is pressed comes into sight
  }

  /** Show a lesson, if it is not the one that is shown: the thing to do that the link has. @param {string} name */
  show(name) {
    const lesson = this.all.find((one) => one.name === name);
    if (!lesson || lesson === this.#lesson) return;
    this.#lesson = lesson;
    this.#draw(lesson, linkedTask(this.page, lesson));
  }

  /** Forget the lesson, so that it begins anew. */
  clear() {
    this.#lesson = null;
    delete this.element.dataset.lesson;
  }

  /** Leave the question alone, once the rest has been read. @param {boolean} folded */
  #fold(folded) {
    this.element.classList.toggle("folded", folded);
    this.#more.textContent = folded ? "▾" : "▴";
    this.#more.setAttribute("aria-expanded", String(!folded));
  }

  /** End the course. @param {string} part that is shown then */
  #leave(part) {
    this.page.open(part, null, { push: true, lesson: null });
  }

  /** @param {Lesson} lesson @param {number} which thing to do */
  #draw(lesson, which) {
    const { element, page } = this;
    const { name } = lesson;
    /** @type {Task[]} */
    const tasks = [lesson, ...lesson.then];
    const task = tasks[which];
    element.dataset.lesson = name;
    element.classList.toggle("tour", lesson.screen > 0);
    this.#fold(false);
    const doing = this.#doing(lesson, task);
    const answer = this.#answer(lesson, tasks, which);
    const asked = lesson.screen ? [this.#next()] : [answer, ...(page.only ? [] : [teacher(page, tasks)])];
    answer.addEventListener("toggle", () => doing.classList.toggle("primary", !answer.open)); // then the next step leads
    const { guesses = [] } = task;
    element.replaceChildren(
      this.#away(lesson),
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
        ...(guesses.length ? [guessing(guesses, answer)] : []),
        ...asked,
      ),
    );
    FIGURES[name]?.().then((figure) => this.#lesson === lesson && element.append(figure), console.error);
  }

  /** Return the note that replaces a lesson while another part is shown. @param {Lesson} lesson */
  #away({ part, title, screen }) {
    const { page } = this;
    const lead = el("p", null, el("b", null, screen ? TOUR.title(title) : BAR.title(this.#number, title)));
    const again = action(BAR.again, "", () => page.open(part, null, { push: true }));
    return el(
      "div",
      { class: "away row" },
      lead,
      again,
      action("×", screen ? TOUR.end : BAR.end, () => this.#leave(page.part)),
    );
  }

  /** The lessons, or the screens of the tour: the row that the visitor goes along. */
  get lessons() {
    return this.all.filter(({ screen }) => Boolean(screen) === Boolean(this.#lesson?.screen));
  }

  /** The place of the lesson in its row, from 1. */
  get #number() {
    return this.lessons.findIndex(({ name }) => name === this.#lesson?.name) + 1;
  }

  /** @param {Lesson} lesson @param {Task[]} tasks @param {number} which */
  #header({ title, minutes, screen }, { length }, which) {
    const number = this.#number;
    const { previous, place, all, end } = screen ? TOUR : BAR;
    const back = action("◂", previous, () => begin(this.page, this.lessons[number - 2]));
    back.disabled = number === 1;
    const at = el("span", null, place(number, this.lessons.length));
    const over = action("×", end, () => this.#leave(this.page.part));
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

  /** The button of a task. @param {Lesson} lesson @param {Task} task */
  #doing(lesson, task) {
    const doing = action(task.button, "", () => {
      this.#fold(lesson.part !== "forward"); // there more is to be done after what plays
      if (!isShown(doing)) this.#more.focus({ preventScroll: true }); // the button that unfolds the focused element takes the focus
      begin(
        this.page,
        { ...lesson, values: { ...lesson.values, ...task.values, ...lesson.sets }, step: task.step ?? 0 },
        "press",
      );
    });
    doing.classList.add("primary");
    return doing;
  }

  /** Return what leads from a screen of the tour to the next one, and at last to the card at the end of the essay. */
  #next() {
    const next = this.lessons[this.#number];
    if (next)
      return el(
        "div",
        { class: "next" },
        action(TOUR.next, "", () => begin(this.page, next, next.button ? "lesson" : "inside")),
      );
    const href = essayAt("card");
    return el("div", { class: "next" }, ...(href ? [el("a", { class: "button", href }, TOUR.card)] : []));
  }

  /** The answer of a task, and what follows. @param {Lesson} lesson @param {Task[]} tasks @param {number} which */
  #answer(lesson, tasks, which) {
    const { page, lessons } = this;
    const number = this.#number;
    const { answer, curves = null } = tasks[which];
    const [further, next] = [tasks[which + 1], lessons[number]];
    const following = [];
    if (further)
      following.push(action(BAR.further(which + 2, tasks.length), "", () => this.#proceed(lesson, which + 1)));
    if (next) following.push(action(further ? BAR.skip(number + 1) : BAR.on, "", () => begin(page, next)));
    else following.push(action(BAR.deeper, "", () => this.#leave("course")));
    following[0].classList.add("primary");
    return el(
      "details",
      null,
      el("summary", null, BAR.answer),
      el("p", null, answer),
      ...(curves ? touches(curves) : []),
      el("div", { class: "row" }, ...following),
    );
  }

  /** Go on to another thing to do. @param {Lesson} lesson @param {number} which */
  #proceed(lesson, which) {
    this.#draw(lesson, which);
    find(this.element, "h2").focus(); // what was pressed is gone
  }
}

/** Answers to choose from; a choice opens the answer. @param {string[]} texts @param {HTMLDetailsElement} answer */
function guessing(texts, answer) {
  const guesses = texts.map((text, i) => {
    const guess = () => {
      for (const [other, node] of guesses.entries()) node.setAttribute("aria-pressed", String(other === i));
      answer.open = true;
    };
    return button({ class: "preset", "aria-pressed": false }, guess, text);
  });
  return el("div", { class: "row guesses", role: "group", "aria-label": BAR.guess }, ...guesses);
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
