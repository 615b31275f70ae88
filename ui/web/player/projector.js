// The projector view: the player or stage of a part fills the whole page, with a title and the QR code of the link.
import { all, button, el, find, write } from "../drawing/dom.js";
import { WORDS } from "../words/page.js";

/** @import { Page } from "../app.js" */

export class Projector {
  /** The element that fills the page, null outside the projector view. @type {HTMLElement | null} */
  root = null;
  #title = el("h2", null);
  #question = el("strong", { class: "question" });
  #code = el("img", { alt: WORDS.code });
  #address = el("p", null);
  /** The chart that was open before the projector view; it is opened again afterwards. @type {Element | null} */
  #chart = null;
  /**
   * Whether the visitor has made the projector view dark. It is null before the visitor chooses; then the view has the
   * page's theme.
   * @type {boolean | null}
   */
  #dark = null;
  /**
   * The state of the page before the projector view: its theme, the focused element, and the scroll position in pixels.
   * @type {{ dark: boolean, focus: HTMLElement | null, y: number }}
   */
  #before = { dark: false, focus: null, y: 0 };

  /** @param {Page} page @param {() => void} keys opens the list of keys */
  constructor(page, keys) {
    this.page = page;
    const back = button({ class: "button", "aria-label": WORDS.back }, () => this.hide(), "×");
    const theme = button({ class: "button", "aria-label": WORDS.theme }, () => this.#switchTheme(), "◐");
    this.bar = el("header", { class: "wall" }, this.#title, theme, button({ class: "button" }, keys, "?"), back);
    this.room = el("aside", { class: "room" }, this.#code, this.#address);
  }

  /** Enter the projector view. @param {HTMLElement} element of a part @param {string} title @param {string} question of an open lesson, or "" */
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
    this.#chart?.removeAttribute("open"); // in the projector view, the key N opens the chart
    write(this.#title, title);
    write(this.#question, question);
    this.root.prepend(...(question ? [this.#question] : []), this.bar);
    this.root.append(this.room);
    this.#showCode();
    this.#mark(true);
    if (!this.root.hasAttribute("tabindex")) this.root.tabIndex = -1;
    this.root.focus();
  }

  /** Switch between light and dark. */
  #switchTheme() {
    this.#dark = document.documentElement.classList.toggle("dark");
  }

  /** Leave the projector view. */
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

  /**
   * Begin or end the projector view: set its classes, and let the Tab key skip the page behind it.
   * @param {boolean} on whether the view begins
   */
  #mark(on) {
    const { root } = this;
    if (!root) return;
    root.classList.toggle("projector", on);
    document.documentElement.classList.toggle("projecting", on);
    for (let at = root; at !== document.body && at.parentElement; at = at.parentElement)
      for (const other of all(at.parentElement, ":scope > :not([role=status], .keys)"))
        if (other !== at) other.inert = on;
  }

  /** Handle a key. @param {string} key @returns {boolean} whether the projector view uses the key */
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
