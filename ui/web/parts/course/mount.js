// Draws the part "Course": the list of lessons, notes for teachers, and cards with further ideas.
import { all, button, el, find, markup } from "../../drawing/dom.js";
import { readLink } from "../../form/link.js";
import { begin } from "./bar.js";
import { essayAt, MOVED } from "./moved.js";
import { BAR, PICTURES, TEACHERS, WORDS } from "./words.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { Row } from "./words.js" */
/** @import { Lesson } from "./bar.js" */

/** Build the part. @param {Page} page @param {string} part @returns {Part} */
export const mount = (page, part) => new Course(page, part);

/** The part's view. Its element has the number of loaded cards in data-cards. */
class Course {
  element = el("section", { class: "course", "data-cards": 0 });

  /** @param {Page} page @param {string} part */
  constructor(page, part) {
    this.page = page;
    const all = /** @type {Lesson[]} */ (page.given.initial[part].lessons);
    this.lessons = all.filter(({ screen }) => !screen);
    const minutes = this.lessons.reduce((sum, lesson) => sum + lesson.minutes, 0);
    markup(
      this.element,
      `
<h2>${WORDS.lessons(this.lessons.length, minutes)}</h2>
<p class="info">${WORDS.about}</p>
<h2>${WORDS.deeper}</h2>
<p class="info">${WORDS.ideas}</p>
<div class="cards"></div>`,
    );
    this.cards = find(this.element, ".cards");
    find(this.element, ".info").after(this.#lessonList(), ...(page.only ? [] : [this.#teacherCard()]));
  }

  // --- Functions that the page calls

  /** Open the card that the page's address names. If only older versions had this card, open its replacement. */
  set() {
    const { card = "" } = readLink(location.href).values;
    const moved = Object.hasOwn(MOVED, card) ? MOVED[card] : {};
    if (moved.section && essayAt(moved.section)) return location.replace(essayAt(moved.section));
    if (moved.lesson) return location.replace(`?lesson=${moved.lesson}`);
    const id = idOf(moved.card ?? card);
    const named = all(this.cards, ".card", HTMLDetailsElement).find((one) => one.id === id);
    if (!named) return;
    named.open = true;
    named.scrollIntoView();
  }

  /** Load the cards from the engine (the server or a worker), once. */
  async show() {
    const { cards, page } = this;
    if (cards.children.length) return;
    const got = await page.client.ask("course", "cards", {});
    if (got.error !== undefined) return page.say(got.error, true);
    if (cards.children.length) return;
    const body = el("div", null);
    markup(body, got.html); // safe: this HTML is the project's own file ui/parts/course.html
    cards.append(...all(body, "article").map((article) => this.#card(article)));
    this.element.dataset.cards = String(cards.children.length);
    this.set();
  }

  // --- Elements

  /** Return the list of the lessons. A press on a lesson begins it. */
  #lessonList() {
    const lessons = this.lessons.map((lesson) => {
      const src = pictureOf(`lesson-${lesson.name}`);
      const picture = el("img", { src, alt: PICTURES[lesson.name], loading: "lazy" });
      const words = [picture, el("b", null, lesson.title), el("span", null, lesson.goal)];
      const time = el("small", null, BAR.minutes(lesson.minutes));
      return el(
        "li",
        null,
        button(null, () => begin(this.page, lesson), ...words, time),
      );
    });
    return el("ol", { class: "lessons" }, ...lessons);
  }

  /** Return a folded card with the notes for teachers. */
  #teacherCard() {
    const entries = TEACHERS.flatMap(([name, about]) => {
      const said = typeof about === "string" ? about : el("table", null, ...about.map((row) => this.#planRow(row)));
      return [el("dt", null, name), el("dd", null, said)];
    });
    const summary = el("summary", null, el("h3", null, WORDS.teachers));
    return el("details", { class: "card teachers" }, summary, el("dl", null, ...entries));
  }

  /** Return a row of the lesson plan, with links to its lessons. @param {Row} row */
  #planRow([time, who, names, text]) {
    const links = this.lessons.filter(({ name }) => names.includes(name));
    const what = links.flatMap(({ name, title }) => [el("a", { href: `?lesson=${name}` }, title), ", "]);
    return el(
      "tr",
      null,
      el("th", { scope: "row" }, time),
      el("td", null, who),
      el("td", null, ...(text ? what : what.slice(0, -1)), text),
    );
  }

  /** Make a card that folds: while it is closed, it shows only its picture and its title. @param {HTMLElement} article */
  #card(article) {
    const { page } = this;
    const { name = "", part: opened = "", values = "{}" } = article.dataset;
    const picture = el("img", { src: pictureOf(name), alt: "", loading: "lazy" });
    const title = find(article, "h3");
    const open = find(article, "button", HTMLButtonElement);
    open.hidden = !page.has(opened);
    open.addEventListener("click", () =>
      page.open(opened, page.whole(opened, JSON.parse(values)), { push: true, cause: "press" }),
    );
    const id = idOf(name);
    find(article, ".row").append(el("a", { href: `#${id}` }, WORDS.link));
    return el("details", { class: "card", "data-name": name, id }, el("summary", null, picture, title), article);
  }
}

/** Return the address of a picture of the course. @param {string} name */
const pictureOf = (name) => new URL(`../../examples/course/${name}.webp`, import.meta.url).href;

/** Return the id of a card's element. The card's address ends with this id, after "#". @param {string} name */
const idOf = (name) => `card=${name}`;
