// The projector view: the player over the whole page, large, with the address for the room.
import { find } from "../shared/dom.js";

/** @typedef {{ address?: string, code?: string, why?: string }} Invitation of ui/export/invitation.py */

export class Projector {
  /**
   * @param {HTMLElement} root
   * @param {(page: string) => Promise<Invitation>} invitation
   */
  constructor(root, invitation) {
    this.root = root;
    this.invitation = invitation;
    this.button = find(root, ".project", HTMLButtonElement);
    this.button.addEventListener("click", () => this.show(!this.on));
  }

  get on() {
    return this.root.classList.contains("projector");
  }

  /** @param {boolean} on */
  async show(on) {
    this.root.classList.toggle("projector", on);
    this.button.setAttribute("aria-pressed", String(on));
    document.documentElement.style.overflow = on ? "hidden" : "";
    if (!on) return;
    this.root.focus();
    const room = find(this.root, ".room", HTMLElement);
    const picture = find(room, "img", HTMLImageElement);
    /** @type {Invitation} */
    const nothing = {};
    room.hidden = false;
    const { address, code, why } = await this.invitation(location.origin + location.pathname).catch(() => nothing);
    room.hidden = !(address || why);
    picture.hidden = !code;
    if (code) picture.src = code;
    find(room, "p", HTMLElement).textContent = address ?? why ?? "";
  }
}
