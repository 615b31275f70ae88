// The marker on a square of pictures between four texts, and the mixture of pictures at its position.

import { cellsAround } from "../process/square.js";
import { el } from "./dom.js";
import { ARROWS, onDrag } from "./hands.js";

/** A marker that a pointer or arrow keys move. */
export class Finger {
  /** The marker's position, from 0 to 1. @type {[right: number, down: number]} */
  at = [0, 0];
  element = el("i", { class: "finger" });

  /**
   * @param {HTMLElement} area the element on which the marker moves
   * @param {() => number} side returns the number of pictures on each side of the square; 0 without pictures
   * @param {(first: boolean) => void} moved called after each move; first: whether a pointer was just pressed
   * @param {number} step how far an arrow key moves the marker, in pictures
   */
  constructor(area, side, moved, step) {
    this.side = side;
    this.moved = moved;
    // Convert a share of the area's width or height to a position from 0 (middle of the first picture) to 1 (middle
    // of the last picture).
    const inside = (/** @type {number} */ share) => (share * side() - 0.5) / (side() - 1);
    onDrag(area, (x, y, first) => side() && this.go(inside(x), inside(y), first));
    area.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
      if (!by || !side()) return;
      event.preventDefault();
      event.stopPropagation();
      const [right, down] = this.at.map((at, axis) => at + (by[axis] * step) / (side() - 1));
      this.go(right, down);
    });
  }

  /** Move the marker. A position beyond an edge is moved to the edge. @param {number} right @param {number} down @param {boolean} [first] whether a pointer was just pressed */
  go(right, down, first = false) {
    this.at = [Math.min(1, Math.max(0, right)), Math.min(1, Math.max(0, down))];
    this.moved(first);
  }

  /** Show the marker at its position. */
  show() {
    const side = this.side();
    const [left, top] = this.at.map((at) => `${100 * ((at * (side - 1) + 0.5) / side)}%`);
    Object.assign(this.element.style, { left, top });
  }
}

/**
 * Draw the mixture at a position of a square: the four nearest pictures, the nearest one with the largest weight.
 * @param {CanvasRenderingContext2D} context @param {[right: number, down: number]} at from 0 to 1 @param {number} side the number of pictures on each side
 * @param {(cell: number) => boolean} has returns whether a cell has a picture @param {(cell: number) => void} draw draws a cell's picture over the whole canvas
 */
export function blend(context, [right, down], side, has, draw) {
  context.save();
  context.globalCompositeOperation = "lighter";
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  for (const [cell, share] of cellsAround(right * (side - 1), down * (side - 1), side, has)) {
    context.globalAlpha = share;
    draw(cell);
  }
  context.restore();
}
