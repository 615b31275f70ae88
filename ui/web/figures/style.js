// The CSS of figures. Pages of other sites may show figures, and set these properties:
// --figure-ink, --figure-muted, --figure-line, --figure-guess, --figure-paper.

export const STYLE = `
:host {
  display: block; position: relative; max-width: 480px; min-width: 0; box-sizing: border-box;
  font: 15px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums; text-align: left;
}
:host([hidden]) { display: none; }
.figure {
  --ink: var(--figure-ink, #1c1c1f); --muted: var(--figure-muted, #5b5b63); --line: var(--figure-line, #d9d9de);
  --guess: var(--figure-guess, #c2410c); --paper: var(--figure-paper, #fff); --on-guess: #fff;
  display: grid; gap: 14px; color: var(--ink); container-type: inline-size;
}
.figure.dark {
  --ink: var(--figure-ink, #ececf0); --muted: var(--figure-muted, #a6a6b0); --line: var(--figure-line, #3a3a42);
  --guess: var(--figure-guess, #fb923c); --paper: var(--figure-paper, #141417); --on-guess: #1c1c1f;
}
*, *::before, *::after { box-sizing: border-box; }
p, fieldset { margin: 0; padding: 0; border: 0; min-width: 0; }
[hidden] { display: none !important; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
:focus-visible { outline: 2px solid var(--guess); outline-offset: 2px; }
sub { font-size: .72em; line-height: 0; vertical-align: -.28em; }
.tilde { position: relative; }
.tilde::after { content: "~"; position: absolute; inset: -.4em 0 auto; font-size: .9em; line-height: 1; text-align: center; }
.tilde > i { font-size: 0; }
.tile { display: block; width: 100%; aspect-ratio: 1; border-radius: 5px; image-rendering: pixelated; background: color-mix(in srgb, var(--ink) 6%, transparent); }
.tile.guess { background: color-mix(in srgb, var(--guess) 9%, transparent); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
.row { display: grid; grid-template-columns: repeat(var(--count, 5), minmax(0, 1fr)); gap: 6px; }
.named { display: grid; grid-template-columns: 84px minmax(0, 1fr); gap: 6px 10px; align-items: center; }
.named.lit > .title { color: var(--guess); font-weight: 600; }
.column { display: grid; gap: 6px; }
.title { font-size: 14px; line-height: 1.3; }
.titled > .title { margin-top: 5px; text-align: center; }
.titled.guess > .title, .of-guess { color: var(--guess); font-weight: 600; }
.note { min-height: 20px; color: var(--muted); font-size: 14px; }
.label { color: var(--muted); font-size: 14px; margin-bottom: -8px; }
.small { color: var(--muted); font-size: 13px; text-align: center; }
.status { margin-block: -8px; overflow-wrap: anywhere; }
.buttons { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
button { min-height: 40px; padding: 0 16px; border: 1px solid var(--line); border-radius: 99px; background: none; color: inherit; font: inherit; font-weight: 500; cursor: pointer; }
button:hover:enabled { border-color: var(--muted); }
button:disabled { opacity: .5; cursor: default; }
button.main, button[aria-pressed="true"] { border-color: transparent; background: var(--guess); color: var(--on-guess); font-weight: 600; }
.slider label { display: flex; flex-wrap: wrap; gap: 0 8px; color: var(--muted); }
.slider .now { color: var(--ink); font-weight: 600; }
.slider .ends { display: flex; justify-content: space-between; color: var(--muted); font-size: 13px; }
input[type="range"] { display: block; width: 100%; height: 40px; margin: 0; appearance: none; background: none; cursor: pointer; touch-action: pan-y; }
input[type="range"]::-webkit-slider-runnable-track { height: 4px; border-radius: 4px; background: linear-gradient(to right, var(--guess) var(--at), var(--line) var(--at)); }
input[type="range"]::-moz-range-track { height: 4px; border-radius: 4px; background: var(--line); }
input[type="range"]::-moz-range-progress { height: 4px; border-radius: 4px; background: var(--guess); }
input[type="range"]::-webkit-slider-thumb { appearance: none; width: 22px; height: 22px; margin-top: -9px; border: 3px solid var(--paper); border-radius: 50%; background: var(--guess); box-shadow: 0 0 0 1px var(--guess); }
input[type="range"]::-moz-range-thumb { width: 16px; height: 16px; border: 3px solid var(--paper); border-radius: 50%; background: var(--guess); box-shadow: 0 0 0 1px var(--guess); }
.choice { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; }
.choice legend { float: left; margin-right: 16px; padding: 0; color: var(--muted); }
.choice label { display: flex; gap: 8px; align-items: center; min-height: 40px; cursor: pointer; }
.choice input { width: 20px; height: 20px; margin: 0; accent-color: var(--guess); }
.large { width: min(100%, 360px); }
.large > .title { margin-top: 5px; }
.sheet { position: relative; width: min(100%, 360px); touch-action: none; cursor: crosshair; }
.sheet canvas { border-radius: 8px; }
.sheet .pen { position: absolute; width: 16px; height: 16px; margin: -8px; border: 2px solid var(--guess); border-radius: 50%; pointer-events: none; }
.sheet .pen.down { background: var(--guess); }
.digits { display: grid; grid-template-columns: repeat(10, minmax(0, 1fr)); gap: 5px; }
.digits button { min-height: 0; padding: 0; border: 0; border-radius: 5px; background: none; }
.digits button[aria-pressed="true"] { outline: 2px solid var(--guess); outline-offset: 1px; }
.sum { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.sum .tile { width: 44px; }
.sum b { font-weight: 600; }
.terms { display: grid; grid-template-columns: 1fr auto 1fr auto 1fr auto 1fr; gap: 4px; align-items: center; text-align: center; }
.terms .weight { font-weight: 600; min-height: 21px; }
.terms .title { font-size: 13px; min-height: 36px; margin-top: 4px; }
.terms > span { padding-top: 0; color: var(--muted); }
.net { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 10px; position: relative; }
.net > div { position: relative; display: grid; align-content: center; justify-items: center; gap: 3px; }
.net .small { background: var(--paper); }
.net .tile { width: var(--wide, 100%); }
.net .lit .tile { outline: 3px solid var(--guess); outline-offset: 2px; }
.net svg { position: absolute; inset: 0; width: 100%; height: 100%; fill: none; stroke: var(--line); stroke-width: 2; z-index: -1; }
.square { position: relative; width: min(100%, 420px); aspect-ratio: 1; border-radius: 8px; background: color-mix(in srgb, var(--ink) 6%, transparent) 0 0 / 100% 100%; touch-action: none; cursor: pointer; }
.square .finger { position: absolute; width: 24px; height: 24px; margin: -12px; border: 3px solid #fff; border-radius: 50%; background: var(--guess); box-shadow: 0 0 0 1px #0006; pointer-events: none; }
.corners { display: flex; justify-content: space-between; gap: 12px; width: min(100%, 420px); }
.corners button { min-height: 32px; padding: 0 10px; font-size: 14px; }
input[type="text"] { min-width: 0; flex: 1; min-height: 40px; padding: 0 10px; border: 1px solid var(--line); border-radius: 8px; background: none; color: inherit; font: inherit; }
.mixed { display: grid; grid-template-columns: 128px minmax(0, 1fr); gap: 16px; align-items: center; min-height: 128px; }
.mixed canvas { width: 128px; height: 128px; border-radius: 8px; background: #fff; }
.chart { display: block; width: 100%; height: 64px; overflow: visible; }
.chart path { fill: none; stroke: var(--guess); stroke-width: 2; vector-effect: non-scaling-stroke; }
.chart line { stroke: var(--muted); vector-effect: non-scaling-stroke; }
.card { display: block; width: 100%; height: auto; border-radius: 10px; box-shadow: 0 0 0 1px var(--line); }
.lab { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; min-height: 32px; font-size: 13px; }
.lab a { color: var(--muted); }
.lab button { min-height: 32px; padding: 0; border: 0; border-radius: 0; color: var(--muted); font-size: 13px; font-weight: 400; text-decoration: underline; }
progress { width: 100%; height: 6px; accent-color: var(--guess); }
@container (max-width: 460px) { .digits + .note { min-height: 40px; } }
@container (max-width: 360px) {
  .row { gap: 4px; }
  .named { grid-template-columns: 62px minmax(0, 1fr); }
  .named .title { font-size: 13px; }
}
@media print { .slider input, .slider .ends, .buttons, .choice, .digits, .label:has(+ .digits), .lab, .sheet .pen { display: none !important; } }
`;
