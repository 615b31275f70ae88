// One's own data: points drawn with a pointer or the keyboard, kept in hundredths.
import { context2d, find } from "../../shared/dom.js";

/** @typedef {[x: number, y: number]} Point in hundredths, −100 to 100 */

const APART = 4; // hundredths between the points of a line
const KEYS = /** @type {const} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] });
const STEP = 5; // of the cross, with Shift 1

/** @param {number} v */
const inside = (v) => Math.max(-100, Math.min(100, Math.round(v)));

/**
 * The points with those of a line from the last one, or from nowhere, to a new one; at most `most` in all.
 * @param {Point[]} points @param {Point | null} from @param {Point} to @param {number} most
 * @returns {Point[]}
 */
export function extended(points, from, to, most) {
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

/** "12,-30 4,5" @param {Point[]} points */
export const toText = (points) => points.map(([x, y]) => `${x},${y}`).join(" ");

/** The points of a text; none where it is not one. @param {string} text @param {number} most @returns {Point[]} */
export function fromText(text, most) {
  const parts = text.trim().split(/\s+/).slice(0, most);
  if (!parts.every((part) => /^-?\d{1,3},-?\d{1,3}$/.test(part))) return [];
  return parts.map((part) => {
    const [x, y] = part.split(",").map(Number);
    return [inside(x), inside(y)];
  });
}

export class Board {
  /** @type {Point[]} */
  points = [];
  /** @type {Point} */
  #cross = [0, 0];
  #byKeys = false;

  /**
   * @param {HTMLElement} root
   * @param {number} most points
   * @param {(done: boolean) => void} changed done: not while a line is drawn
   */
  constructor(root, most, changed) {
    this.root = root;
    this.most = most;
    this.changed = changed;
    this.board = find(root, ".board", HTMLElement);
    this.#pointer();
    this.board.addEventListener("keydown", (event) => this.#key(event));
    this.board.addEventListener("blur", () => {
      this.#byKeys = false;
      this.render();
    });
    find(root, ".undo", HTMLElement).addEventListener("click", () => this.set(this.points.slice(0, -1)));
    find(root, ".empty-board", HTMLElement).addEventListener("click", () => this.set([]));
  }

  get text() {
    return toText(this.points);
  }

  /** @param {Point[]} points @param {boolean} [done] */
  set(points, done = true) {
    this.points = points;
    this.render();
    this.changed(done);
  }

  #pointer() {
    const { board } = this;
    /** @type {Point | null} the end of the line that is being drawn */
    let last = null;
    /** @param {PointerEvent} event @returns {Point} */
    const at = (event) => {
      const { left, top, width, height } = board.getBoundingClientRect();
      return [
        inside((110 * (2 * (event.clientX - left))) / width - 110),
        inside(110 - (110 * (2 * (event.clientY - top))) / height),
      ];
    };
    board.addEventListener("pointerdown", (event) => {
      board.setPointerCapture(event.pointerId);
      last = at(event);
      this.set(extended(this.points, null, last, this.most), false);
    });
    board.addEventListener("pointermove", (event) => {
      if (!last || !event.buttons) return;
      const more = extended(this.points, last, at(event), this.most);
      if (more === this.points) return;
      last = more.at(-1) ?? last;
      this.set(more, false);
    });
    board.addEventListener("pointerup", () => {
      if (last) this.changed(true);
      last = null;
    });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const by = KEYS[/** @type {keyof typeof KEYS} */ (event.key)];
    const sets = event.key === " " || event.key === "Enter";
    if (!by && !sets && event.key !== "Backspace") return;
    event.preventDefault();
    this.#byKeys = true;
    const step = event.shiftKey ? 1 : STEP;
    if (by) {
      this.#cross = [inside(this.#cross[0] + step * by[0]), inside(this.#cross[1] + step * by[1])];
      this.render();
    } else this.set(sets ? extended(this.points, null, this.#cross, this.most) : this.points.slice(0, -1));
  }

  render() {
    const { points, most } = this;
    const canvas = find(this.board, "canvas", HTMLCanvasElement);
    const context = context2d(canvas);
    const style = getComputedStyle(canvas);
    const side = canvas.width;
    /** @param {Point} point */
    const place = ([x, y]) => [(side * (x + 110)) / 220, (side * (110 - y)) / 220];
    context.clearRect(0, 0, side, side);
    context.strokeStyle = style.getPropertyValue("--line");
    const [low, high] = [place([-100, 100])[0], place([100, -100])[0]];
    context.strokeRect(low, low, high - low, high - low);
    context.fillStyle = style.color;
    for (const point of points) {
      const [x, y] = place(point);
      context.beginPath();
      context.arc(x, y, 5, 0, 7);
      context.fill();
    }
    if (this.#byKeys) {
      const [x, y] = place(this.#cross);
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = 3;
      context.beginPath();
      context.moveTo(x - 14, y);
      context.lineTo(x + 14, y);
      context.moveTo(x, y - 14);
      context.lineTo(x, y + 14);
      context.stroke();
      context.lineWidth = 1;
    }
    const full = points.length >= most ? ", which is the most" : "";
    const where = this.#byKeys ? ` · cross at ${this.#cross[0] / 100}, ${this.#cross[1] / 100}` : "";
    find(this.root, ".drawn", HTMLElement).textContent =
      `${points.length} point${points.length === 1 ? "" : "s"}${full}${where}`;
    for (const name of [".undo", ".empty-board"]) find(this.root, name, HTMLButtonElement).disabled = !points.length;
  }
}
