// Input on an element by a pressed pointer and by arrow keys.

import { all } from "./dom.js";

/** The direction of each arrow key. @type {Record<string, [right: number, down: number]>} */
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Call take with where a pointer is, in shares of an element's width and height, while it is held down on it.
 * @param {HTMLElement} area
 * @param {(x: number, y: number, first: boolean) => void} take
 * @param {() => void} [done] it has been let go
 */
export function onDrag(area, take, done) {
  let held = false;
  /** @param {PointerEvent} event @param {boolean} first */
  const tell = ({ clientX, clientY }, first) => {
    const { left, top, width, height } = area.getBoundingClientRect();
    take((clientX - left) / width, (clientY - top) / height, first);
  };
  area.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary) return; // ignore a second finger, or the palm
    area.setPointerCapture(event.pointerId);
    held = true;
    tell(event, true);
  });
  area.addEventListener("pointermove", (event) => {
    if (held && event.isPrimary && event.buttons) tell(event, false);
  });
  for (const end of ["pointerup", "pointercancel"])
    area.addEventListener(end, (event) => {
      if (!(/** @type {PointerEvent} */ (event).isPrimary)) return;
      if (held) done?.();
      held = false;
    });
}

/** Let arrow keys move the focus from a button of an element to its neighbours. @param {HTMLElement} element @param {string} back @param {string} on */
export function onArrows(element, back, on) {
  element.addEventListener("keydown", (event) => {
    const by = { [back]: -1, [on]: 1 }[event.key];
    const buttons = all(element, "button:enabled", HTMLButtonElement);
    const at = buttons.findIndex((one) => one.matches(":focus"));
    if (!by || !buttons.length) return;
    event.preventDefault();
    buttons[(at + by + buttons.length) % buttons.length].focus();
  });
}
