// The board on which visitors draw their own data: points, by pointer or keyboard, with coordinates in hundredths.
import { el, find } from "../../drawing/dom.js";
import { ARROWS, onDrag } from "../../drawing/hands.js";
import { BOARD } from "./words.js";

/** @typedef {[x: number, y: number]} Point in hundredths, −100 to 100 */

const APART = 4; // hundredths between the points of a line
const STEP = 5; // hundredths by which an arrow key moves the cross; 1 with Shift

/** Round a coordinate, and limit it to −100..100. @param {number} v */
const inside = (v) => Math.max(-100, Math.min(100, Math.round(v)));

/**
 * Return the points, followed by points on the line from `from` to `to`, or by `to` alone if `from` is null.
 * The result has `most` points or fewer.
 * @param {Point[]} points @param {Point | null} from @param {Point} to @param {number} most
 * @returns {Point[]}
 */
export function addLine(points, from, to, most) {
  const long = from ? Math.hypot(to[0] - from[0], to[1] - from[1]) : 0;
  if (from && long < APART) return points;
  const parts = from ? Math.floor(long / APART) : 1;
  const added = Array.from({ length: parts }, (_, i) => {
    const share = from ? (APART * (i + 1)) / long : 1;
    const [x, y] = from ?? to;
    return /** @type {Point} */ ([inside(x + share * (to[0] - x)), inside(y + share * (to[1] - y))]);
  });
  return [...points, ...added].slice(0, most);
}

/** Write points as text, such as "12,-30 4,5". @param {Point[]} points */
export const toText = (points) => points.map(([x, y]) => `${x},${y}`).join(" ");

/** Read points from a text. Return [] if the text is invalid. @param {string} text @param {number} most the largest number of points @returns {Point[]} */
export function fromText(text, most) {
  const parts = text.trim().split(/\s+/).slice(0, most);
  if (!parts.every((part) => /^-?\d{1,3},-?\d{1,3}$/.test(part))) return [];
  return parts.map((part) => {
    const [x, y] = part.split(",").map(Number);
    return [inside(x), inside(y)];
  });
}

/** Make a marker on the board. name: its CSS class. @param {string} name @param {Point} at */
const mark = (name, [x, y]) => el("i", { class: name, style: `left:${(x + 110) / 2.2}%;top:${(110 - y) / 2.2}%` });

/** The board and its buttons. Its points are the visitor's data. */
export class Board {
  /** @type {Point[]} */
  points = [];
  /** @type {Point} */
  #cross = [0, 0];
  #byKeys = false;

  /**
   * @param {HTMLElement} root
   * @param {number} most the largest number of points
   * @param {() => void} changed called when the points have changed
   */
  constructor(root, most, changed) {
    this.root = root;
    this.most = most;
    this.changed = changed;
    this.board = find(root, ".board");
    /** @type {Point} the end of the line that is being drawn */
    let last = [0, 0];
    /** Add points up to the pointer. x, y: from 0 to 1. @param {number} x @param {number} y @param {boolean} first whether the pointer was just pressed */
    const draw = (x, y, first) => {
      /** @type {Point} */
      const at = [inside(220 * x - 110), inside(110 - 220 * y)];
      const more = addLine(this.points, first ? null : last, at, this.most);
      if (more === this.points) return;
      last = first ? at : (more.at(-1) ?? at);
      this.set(more);
    };
    onDrag(this.board, draw);
    this.board.addEventListener("keydown", (event) => this.#key(event));
    this.board.addEventListener("blur", () => {
      this.#byKeys = false;
      this.render();
    });
    find(root, ".undo").addEventListener("click", () => this.set(this.points.slice(0, -1)));
    find(root, ".empty-board").addEventListener("click", () => this.set([]));
  }

  /** The points as text. */
  get text() {
    return toText(this.points);
  }

  /** Replace the points, and report the change. @param {Point[]} points */
  set(points) {
    this.points = points;
    this.render();
    this.changed();
  }

  /** Handle a key: move the cross, set a point, or remove the last point. @param {KeyboardEvent} event */
  #key(event) {
    const by = ARROWS[event.key];
    const sets = event.key === " " || event.key === "Enter";
    if (!by && !sets && event.key !== "Backspace") return;
    event.preventDefault();
    this.#byKeys = true;
    const step = event.shiftKey ? 1 : STEP;
    if (by) {
      this.#cross = [inside(this.#cross[0] + step * by[0]), inside(this.#cross[1] - step * by[1])];
      this.render();
    } else this.set(sets ? addLine(this.points, null, this.#cross, this.most) : this.points.slice(0, -1));
  }

  /** Show the points, the number of points, and the cross. */
  render() {
    const { points, most } = this;
    const marks = points.map((point) => mark("point", point));
    this.board.replaceChildren(...marks, ...(this.#byKeys ? [mark("cross", this.#cross)] : []));
    const many = BOARD.count(points.length);
    const said = points.length >= most ? BOARD.full(many) : many;
    const [x, y] = this.#cross.map((at) => at / 100);
    find(this.root, ".drawn").textContent = this.#byKeys ? BOARD.cross(said, x, y) : said;
    for (const name of [".undo", ".empty-board"]) find(this.root, name, HTMLButtonElement).disabled = !points.length;
  }
}
