// How a run stands, written into the header of a tab.
import { find } from "./dom.js";
import { duration } from "./numbers.js";

/** @import { Stream } from "./stream.js" */

const MILESTONES = ["starting", "running", "stopped", "finished", "error", "lost"];

/**
 * Write it; for screen readers milestones only. Returns whether a run has just ended.
 * @param {HTMLElement} root of a .ddpm-form
 * @param {Stream<any>} stream
 */
export function renderStatus(root, stream) {
  const before = root.dataset.state;
  root.dataset.state = stream.state;
  root.dataset.run = stream.run ?? "";
  find(root, ".status-text", HTMLElement).textContent = stream.words;
  const left = stream.active && stream.left !== null ? `${duration(stream.left)} left` : "";
  find(root, ".status-left", HTMLElement).textContent = left;
  const bar = find(root, ".progress", HTMLElement);
  bar.hidden = !stream.active;
  const percent = 100 * (stream.progress ?? 0);
  find(bar, "i", HTMLElement).style.width = `${percent}%`;
  bar.setAttribute("aria-valuenow", String(Math.round(percent)));
  find(root, ".stop", HTMLButtonElement).disabled = !stream.active;
  if (before === stream.state) return false;
  if (MILESTONES.includes(stream.state)) find(root, ".announce", HTMLElement).textContent = stream.words;
  return !stream.active && stream.state !== "idle";
}
