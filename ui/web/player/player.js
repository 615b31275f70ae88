// The frame player: messages and the user's hands change the view, and the page follows the view.
import { all, find, onScrub, within } from "../shared/dom.js";
import { CALM, calm, play } from "../shared/motion.js";
import { Panes } from "./panes.js";
import { Pictures } from "./pictures.js";
import { Projector } from "./projector.js";
import { Screen } from "./screen.js";
import { View } from "./view.js";

/** @import { Message } from "./messages.js" */
/** @import { Invitation } from "./projector.js" */
/** @typedef {{ invite: (page: string) => Promise<Invitation> }} Server */

/**
 * What the player offers to the rest of the page, and to tests, as `window.ddpmPlayer`.
 * @typedef {object} PlayerHandle
 * @property {(values?: unknown[]) => void} starting Run was pressed, with these values of the controls
 * @property {(values: unknown[]) => void} settings the controls say something else now
 * @property {() => { run: string | null, state: string | undefined, frames: number, k: number, live: boolean }} state
 * @property {() => void} unmount stop everything that would outlive the element
 */

const NARROW = 560; // pixels, as in player.css

/**
 * Bring a player to life. Its `.ddpm-player` then carries data-state (a message's state, or "idle", "starting",
 * "lost"), data-run, data-frames, data-k and data-live.
 * @param {{ element: HTMLElement, server: Server }} component
 * @returns {(message: Message | null) => void} what takes its messages
 */
export function mount({ element, server }) {
  const root = find(element, ".ddpm-player", HTMLElement);
  const view = new View();
  const panes = new Panes(root, pick);
  const pictures = new Pictures(view, panes);
  const screen = new Screen(root, view, panes);
  const projector = new Projector(root, (page) => server.invite(page));

  function render() {
    screen.render();
    if (view.shown.count) pictures.paint().then(() => screen.painted());
  }

  // --- Messages

  /** @param {Message | null} message */
  function receive(message) {
    const received = message?.run ? view.receive(message) : null;
    if (!received) return;
    if (received.first && view.shown.plan) {
      panes.build(view.shown.plan);
      pictures.renew();
    }
    if (view.live && view.shown === view.run && !received.first) follow();
    watchForSilence();
    if (received.news) screen.announce();
    render();
  }

  // Where little motion is wanted the live picture changes once a second instead of with every frame.
  let nextCalm = 0;
  function follow() {
    if (!calm() || !view.run.active) view.tick = view.shown.newest;
    else if (!nextCalm)
      nextCalm = setTimeout(() => {
        nextCalm = 0;
        if (view.live) view.tick = view.shown.newest;
        render();
      }, CALM);
  }

  let silence = 0;
  function watchForSilence() {
    clearTimeout(silence);
    if (!view.run.active) return;
    silence = setTimeout(() => {
      view.run.lost = true;
      screen.announce();
      render();
    }, Number(root.dataset.timeout));
  }

  // --- Playing

  const speed = find(root, ".speed", HTMLSelectElement);
  let pause = () => {};
  function toggle() {
    pause();
    view.toggle();
    render();
    if (!view.playing) return;
    const run = view.shown;
    pause = play((seconds) => {
      if (!view.playing || view.shown !== run) return false;
      view.advance(seconds, Number(speed.value));
      render();
      return view.playing;
    });
  }

  // --- What is pressed

  /** @param {number} n */
  function pick(n) {
    view.image = n;
    render();
  }

  /** @param {number} tick */
  function go(tick) {
    view.go(tick);
    render();
  }

  /** @param {number} by */
  function step(by) {
    view.step(by);
    render();
  }

  /** @param {KeyboardEvent} event */
  const isPlain = (event) => !(event.ctrlKey || event.metaKey || event.altKey);

  root.addEventListener("keydown", (event) => {
    const { key } = event;
    if (!isPlain(event) || !view.shown.count) return;
    if (within(event, ".batch")) return pickByKey(event);
    if (within(event, "select, summary") || (key === " " && within(event, "button"))) return;
    const to = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1, Home: -Infinity, End: Infinity }[key];
    if (key !== " " && !to) return;
    event.preventDefault();
    if (to) step(to);
    else toggle();
  });

  /** A radio group has arrows, Home and End of its own. @param {KeyboardEvent} event */
  function pickByKey(event) {
    const { length } = panes.thumbs;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    const end = { Home: 0, End: length - 1 }[event.key];
    const n = end ?? (by && (view.image + by + length) % length);
    if (n === undefined) return;
    event.preventDefault();
    pick(n);
    panes.thumbs[n].thumb.focus();
  }

  screen.slider.addEventListener("input", () => go(Number(screen.slider.value)));
  onScrub(find(root, ".plot", HTMLElement), (share) => go(Math.round(share * (view.shown.ticks.length - 1))));
  screen.play.addEventListener("click", toggle);
  screen.live.addEventListener("click", () => {
    view.goLive();
    render();
  });

  /** @param {string} group @param {(data: DOMStringMap) => void} take */
  function choice(group, take) {
    const buttons = all(root, `${group} button`, HTMLButtonElement);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        take(button.dataset);
        render();
      });
    }
  }
  choice(".kinds", ({ kind }) => {
    view.kind = kind === "x0" ? "x0" : "x";
  });
  choice(".gains", ({ gain }) => {
    view.chosenGain = Number(gain);
  });

  // Of two lanes, a tap on one gives it all the room, and another tap gives it back.
  find(root, ".lanes", HTMLElement).addEventListener("click", (event) => {
    const frame = within(event, ".frame");
    const lane = panes.lanes.findIndex(({ group }) => group.contains(frame));
    if (lane < 0 || panes.lanes.length < 2) return;
    if (root.dataset.large === String(lane)) delete root.dataset.large;
    else root.dataset.large = String(lane);
  });

  // --- The keys of the projector view are the whole page's: a remote control does not know where the focus is.

  /** @param {KeyboardEvent} event */
  function projectorKeys(event) {
    const typing = within(event, "input:not([type=range]), textarea, select, [contenteditable]");
    if (typing || !isPlain(event) || root.clientWidth === 0) return;
    const outside = !(event.target instanceof Node && root.contains(event.target));
    if (event.key.toLowerCase() === "f") projector.show(!projector.on);
    else if (event.key === "Escape" && projector.on) projector.show(false);
    else if (projector.on && outside && view.shown.count && /^Page(Up|Down)$/.test(event.key))
      step(event.key === "PageUp" ? -1 : 1);
    else return;
    event.preventDefault();
  }
  document.addEventListener("keydown", projectorKeys);

  // --- Start

  window.ddpmPlayer?.unmount();
  window.ddpmPlayer = {
    starting(values) {
      view.start(values);
      watchForSilence();
      screen.announce();
      render();
    },
    settings(values) {
      view.values = values;
      render();
    },
    state() {
      const { run, shown, tick, live } = view;
      return { run: run.id, state: root.dataset.state, frames: shown.count, k: tick, live };
    },
    unmount() {
      document.removeEventListener("keydown", projectorKeys);
      view.playing = false;
      clearTimeout(silence);
      clearTimeout(nextCalm);
    },
  };
  find(root, ".chart", HTMLDetailsElement).open = root.clientWidth === 0 || root.clientWidth > NARROW;
  render();
  return receive;
}
