// The projector view: the player over the whole page, as large as it goes. What is not a picture comes with a key.
import { all, find } from "../shared/drawing/dom.js";

/** @import { Client } from "../shared/run/client.js" */

/** What the keys show and hide: a class of the player. */
const KEYS = /** @type {Record<string, string>} */ ({
  n: "with-numbers",
  t: "with-thumbs",
  b: "with-touch",
  q: "with-code",
});

export class Projector {
  /** @param {HTMLElement} root @param {Client} client */
  constructor(root, client) {
    this.root = root;
    this.client = client;
    this.button = find(root, ".project", HTMLButtonElement);
    this.button.addEventListener("click", () => this.show(!this.on));
  }

  get on() {
    return this.root.classList.contains("projector");
  }

  /** @param {boolean} on */
  show(on) {
    if (on === this.on) return;
    this.root.classList.toggle("projector", on);
    this.button.setAttribute("aria-pressed", String(on));
    document.documentElement.classList.toggle("projecting", on);
    // What lies behind is no stop of Tab.
    for (let at = this.root; at !== document.body && at.parentElement; at = at.parentElement)
      for (const other of all(at.parentElement, ":scope > :not(#said)")) if (other !== at) other.inert = on;
    if (on) this.root.focus();
  }

  /** @param {string} key @returns {boolean} whether it was one of the view's */
  key(key) {
    const name = KEYS[key.toLowerCase()];
    if (!name) return false;
    const shown = this.root.classList.toggle(name);
    if (name === "with-code" && shown) this.#showCode();
    return true;
  }

  /** The QR code of this very link, for the people in the room. */
  async #showCode() {
    const room = find(this.root, ".room");
    const picture = find(room, "img", HTMLImageElement);
    const { address, code, why, error } = await this.client.ask("lab", "room", { page: location.href });
    picture.hidden = !code;
    if (code) picture.src = code;
    find(room, "p").textContent = address ?? why ?? error ?? "";
  }
}
