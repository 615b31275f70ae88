// The Share menu: the link, files and scripts.

import { button, el } from "../drawing/dom.js";
import { onArrows } from "../drawing/hands.js";
import { UserError } from "../process/errors.js";
import { SHARE } from "../words/page.js";

/** @import { Item } from "../messages/client.js" */

export class ShareMenu {
  /** Returns the current entries. @type {() => Item[]} */
  #items = () => [];

  /**
   * @param {HTMLElement} root @param {(text: string) => void} say if the menu is closed by then, shows whether a file
   * was saved
   */
  constructor(root, say) {
    this.tell = say;
    this.list = el("dialog", { class: "menu", id: "share-menu", "aria-label": SHARE.menu });
    this.said = el("p", { class: "menu-said", role: "status" });
    const opener = { class: "button", "aria-haspopup": "dialog", "aria-expanded": false };
    this.button = button(opener, () => this.toggle(), SHARE.open);
    root.append(this.button, this.list);
    this.list.addEventListener("close", () => this.button.setAttribute("aria-expanded", "false"));
    document.addEventListener("pointerdown", (event) => {
      if (!root.contains(/** @type {Node} */ (event.target))) this.close();
    });
    onArrows(root, "ArrowUp", "ArrowDown");
  }

  /** Open or close the menu. */
  toggle() {
    if (this.close()) return;
    this.#fill();
    this.list.show();
    this.button.setAttribute("aria-expanded", "true");
  }

  /** Close the menu. Returns whether it was open. */
  close() {
    const { open } = this.list;
    this.list.close();
    return open;
  }

  /** Set the entries of the menu. @param {() => Item[]} items */
  show(items) {
    this.#items = items;
    this.close();
  }

  /** Put the current entries into the menu. */
  #fill() {
    this.said.textContent = "";
    this.list.replaceChildren(...this.#entries(this.#items()), this.said);
  }

  /** Make the elements of the entries, with a heading above the first entry for researchers. @param {Item[]} items */
  #entries = (items) => {
    const first = items.findIndex(({ research }) => research);
    return items.flatMap((item, i) => [
      ...(i === first ? [el("p", { class: "group" }, SHARE.research)] : []),
      this.#entry(item),
    ]);
  };

  /** Make the button of an entry. @param {Item} item */
  #entry(item) {
    const take = async () => {
      entry.after(this.said); // the message appears beside the pressed entry
      if (item.copy) this.said.textContent = (await copy(item.copy(), item.what ?? "")) ? SHARE.copied : "";
      if (!item.save) return;
      const say = (/** @type {string} */ text) => {
        this.said.textContent = text;
      };
      say(SHARE.making);
      const end = await item.save(say).catch((error) => {
        if (error instanceof UserError) return error.message;
        console.error(error);
        return SHARE.failed;
      });
      if (this.list.open) say(end);
      else this.tell(end);
    };
    const why = item.disabled ? [el("small", null, item.disabled)] : [];
    const entry = button({ class: item.apart ? "apart" : "" }, take, item.title, ...why);
    entry.disabled = Boolean(item.disabled || item.written); // an entry with `written` is disabled until the entries that replace it are ready
    item.written?.then((items) => entry.replaceWith(...items.map((one) => this.#entry(one))));
    return entry;
  }
}

/** Let the browser save a file. Returns a sentence for the visitor. @param {string} href @param {string} name */
export function download(href, name) {
  el("a", { href, download: name }).click();
  return SHARE.saved(name);
}

/**
 * Copy a text, and return whether that worked. navigator.clipboard exists only on secure origins; elsewhere,
 * execCommand copies. If both fail, a prompt shows the text, so that the visitor can copy it by hand.
 * @param {string} text @param {string} what the label of the prompt
 */
export async function copy(text, what) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const written = navigator.clipboard?.writeText(text) ?? Promise.reject();
  const copied = await written.then(
    () => true,
    () => document.execCommand("copy"),
  );
  area.remove();
  before?.focus();
  if (!copied) prompt(what, text);
  return copied;
}
