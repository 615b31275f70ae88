// The projector view: what a part shows over the whole page, as large as it goes, with a title and the code of its link.
import { all, button, el, find, write } from "../drawing/dom.js";
import { WORDS } from "../words/page.js";

/** @import { Page } from "../app.js" */

export class Projector {
  /** The element that is shown large, null for none. @type {HTMLElement | null} */
  root = null;
  #title = el("h2", null);
  #question = el("strong", { class: "question" });
  #code = el("img", { alt: WORDS.code });
  #address = el("p", null);
  /** The chart that was open. @type {Element | null} */
  #chart = null;
  /** Whether it is dark; null: as the page. @type {boolean | null} */
  #dark = null;
  /** The page as it was: its theme, what had the focus, and how far it was scrolled. @type {{ dark: boolean, focus: HTMLElement | null, y: number }} */
  #before = { dark: false, focus: null, y: 0 };

  /** @param {Page} page @param {() => void} keys opens what the keys do */
  constructor(page, keys) {
    this.page = page;
    const back = button({ class: "button", "aria-label": WORDS.back }, () => this.hide(), "×");
    const theme = button({ class: "button", "aria-label": WORDS.theme }, () => this.#change(), "◐");
    this.bar = el("header", { class: "wall" }, this.#title, theme, button({ class: "button" }, keys, "?"), back);
    this.room = el("aside", { class: "room" }, this.#code, this.#address);
  }

  /** @param {HTMLElement} element of a part @param {string} title @param {string} question of an open lesson, or "" */
  show(element, title, question) {
    const { activeElement: focus, body } = document;
    const { classList } = document.documentElement;
    this.#before = {
      dark: classList.contains("dark"),
      focus: /** @type {HTMLElement} */ (focus === body ? find(document, "#place") : focus),
      y: scrollY,
    };
    classList.toggle("dark", this.#dark ?? this.#before.dark);
    this.root = element.querySelector(".ddpm-player") ?? element.querySelector(".stage") ?? element;
    this.#chart = this.root.querySelector(".chart[open]");
    this.#chart?.removeAttribute("open"); // a key shows the numbers
    write(this.#title, title);
    write(this.#question, question);
    this.root.prepend(...(question ? [this.#question] : []), this.bar);
    this.root.append(this.room);
    this.#showCode();
    this.#mark(true);
    if (!this.root.hasAttribute("tabindex")) this.root.tabIndex = -1;
    this.root.focus();
  }

  /** Change from light to dark, or back. */
  #change() {
    this.#dark = document.documentElement.classList.toggle("dark");
  }

  hide() {
    this.#mark(false);
    this.#chart?.setAttribute("open", "");
    this.#question.remove();
    this.bar.remove();
    this.room.remove();
    this.root = null;
    document.documentElement.classList.toggle("dark", this.#before.dark);
    this.#before.focus?.focus({ preventScroll: true });
    scrollTo(0, this.#before.y);
  }

  /** @param {boolean} on */
  #mark(on) {
    const { root } = this;
    if (!root) return;
    root.classList.toggle("projector", on);
    document.documentElement.classList.toggle("projecting", on);
    // Tab does not stop at what lies behind.
    for (let at = root; at !== document.body && at.parentElement; at = at.parentElement)
      for (const other of all(at.parentElement, ":scope > :not([role=status], .keys)"))
        if (other !== at) other.inert = on;
  }

  /** Answer a key. @param {string} key @returns {boolean} whether it was for this view */
  key(key) {
    const name = { t: "with-thumbs", b: "with-touch", q: "with-code" }[key];
    if (!name || !this.root) return false;
    this.root.classList.toggle(name);
    return true;
  }

  /** Show the QR code of this link, for the people in the room. */
  async #showCode() {
    const { code, address, why } = await this.page.invitation(new URL(location.href));
    this.#code.hidden = !code;
    if (code) this.#code.src = code;
    this.#address.textContent = why || address;
    this.room.classList.toggle("empty", !code);
  }
}
