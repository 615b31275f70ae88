// Course: the lessons to begin, and cards that go deeper.
import { all, button, el, find, markup } from "../drawing/dom.js";
import { readLink } from "../form/link.js";
import { BAR, TEACHERS, WORDS } from "../words/course.js";
import { begin } from "./course/bar.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Lesson } from "./course/bar.js" */

/** Its element has data-cards: how many there are. @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  const { lessons } = /** @type {{ lessons: Lesson[] }} */ (page.given.initial[part]);
  const minutes = lessons.reduce((sum, lesson) => sum + lesson.minutes, 0);
  const list = el("ol", { class: "lessons" });
  for (const lesson of lessons) {
    const words = [el("b", null, lesson.title), el("span", null, lesson.goal)];
    const open = button(null, () => begin(page, lesson), ...words, el("small", null, BAR.minutes(lesson.minutes)));
    list.append(el("li", null, open));
  }
  const element = el("section", { class: "course", "data-cards": 0 });
  markup(
    element,
    `
<h2>${WORDS.lessons(lessons.length, minutes)}</h2>
<p class="info">${WORDS.about}</p>
<h2>${WORDS.deeper}</h2>
<p class="info">${WORDS.ideas}</p>
<div class="cards"></div>`,
  );
  /** A row of a plan, with links to its lessons. @param {import("../words/course.js").Row} row */
  const planned = ([time, who, names, text]) => {
    const links = lessons.filter(({ name }) => names.includes(name));
    const what = links.flatMap(({ name, title }) => [el("a", { href: `?lesson=${name}` }, title), ", "]);
    return el(
      "tr",
      null,
      el("th", { scope: "row" }, time),
      el("td", null, who),
      el("td", null, ...(text ? what : what.slice(0, -1)), text),
    );
  };
  const entries = TEACHERS.flatMap(([name, about]) => {
    const said = typeof about === "string" ? about : el("table", null, ...about.map(planned));
    return [el("dt", null, name), el("dd", null, said)];
  });
  const teachers = el("details", { class: "card teachers" }, el("summary", null, el("h3", null, WORDS.teachers)));
  teachers.append(el("dl", null, ...entries));
  find(element, ".info").after(list, ...(page.only ? [] : [teachers]));
  const cards = find(element, ".cards");

  /** A card folds: its picture and its title are what is seen of it. @param {HTMLElement} article */
  function card(article) {
    const { name, part: opened = "", values = "{}" } = article.dataset;
    const src = new URL(`../examples/course/${name}.webp`, import.meta.url).href;
    const picture = el("img", { src, alt: "", loading: "lazy" });
    const title = find(article, "h3");
    const open = find(article, "button", HTMLButtonElement);
    open.hidden = !page.has(opened);
    open.addEventListener("click", () =>
      page.open(opened, page.whole(opened, JSON.parse(values)), { push: true, cause: "press" }),
    );
    const id = `card=${name}`;
    find(article, ".row").append(el("a", { href: `#${id}` }, WORDS.link));
    return el("details", { class: "card", "data-name": name ?? "", id }, el("summary", null, picture, title), article);
  }

  /** Open the card that the address names. */
  function follow() {
    const { card } = readLink(location.href).values;
    const named = all(cards, ".card", HTMLDetailsElement).find(({ dataset }) => dataset.name === card);
    if (!named) return;
    named.open = true;
    named.scrollIntoView();
  }

  async function load() {
    if (cards.children.length) return;
    const got = await page.client.ask("course", "cards", {});
    if (got.error !== undefined) return page.say(got.error, true);
    if (cards.children.length) return;
    const body = el("div", null);
    markup(body, got.html); // our own file, ui/parts/course.html
    cards.append(...all(body, "article").map(card));
    element.dataset.cards = String(cards.children.length);
    follow();
  }

  return { element, set: follow, show: load };
}
