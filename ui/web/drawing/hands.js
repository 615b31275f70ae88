// Handle a pointer that is pressed on an element, and arrow keys.

import { all } from "./dom.js";

/** The direction of each arrow key. @type {Record<string, [right: number, down: number]>} */
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * While a pointer is pressed on an element, call `take` with its position, in shares of the element's width and height.
 * @param {HTMLElement} area
 * @param {(x: number, y: number, first: boolean) => void} take first: whether the pointer was just pressed
 * @param {() => void} [done] called when the pointer is released
 */
export function onDrag(area, take, done) {
  let held = false;
  /** @param {PointerEvent} event @param {boolean} first */
  const tell = ({ clientX, clientY }, first) => {
    const { left, top, width, height } = area.getBoundingClientRect();
    take((clientX - left) / width, (clientY - top) / height, first);
  };
  area.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary) return; // ignore further fingers and the palm
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

/** Let two keys move the focus between the buttons of an element. @param {HTMLElement} element @param {string} previous the key for the previous button, such as ArrowLeft @param {string} next the key for the next button */
export function onArrows(element, previous, next) {
  element.addEventListener("keydown", (event) => {
    const by = { [previous]: -1, [next]: 1 }[event.key];
    const buttons = all(element, "button:enabled", HTMLButtonElement);
    const at = buttons.findIndex((one) => one.matches(":focus"));
    if (!by || !buttons.length) return;
    event.preventDefault();
    buttons[(at + by + buttons.length) % buttons.length].focus();
  });
}
