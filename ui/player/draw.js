// Pure helpers of the player: elements, numbers and words, and the chart. The state lives in script.js, which follows
// in the same function.

// --- Elements. Text is always set as text, never parsed: a checkpoint's name is user input.

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const symbol = (kind) => (kind === "x" ? ["x", el("sub", null, "t")] : ["x̂", el("sub", null, "0")]);

// --- Numbers as the paper's readers write them: .21, 2.7, 27, 4·10⁻⁵

function number(v) {
  if (v === 0) return "0";
  if (!Number.isFinite(v)) return "∞";
  if (v >= 9.95) return String(Math.round(v));
  if (v >= 0.00095) return v.toPrecision(2).replace(/^0/, "");
  const [digit, exponent] = v.toExponential(0).split("e-");
  return `${digit}·10⁻${[...exponent].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`;
}

// ᾱ needs the digits that tell it from 1: .9999
function fraction(v) {
  if (v <= 0.95 || v >= 1) return number(v);
  return v.toFixed(Math.max(2, Math.ceil(-Math.log10(1 - v) - 1e-6))).slice(1);
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// --- Words

const LEGEND = {
  step: "which reverse step made this picture, of how many",
  t: "the step's noise levels, before → after: T is pure noise, 0 the finished picture",
  ᾱ: "share of the picture's variance still in xₜ: xₜ = √ᾱ·x₀ + √(1 − ᾱ)·ε (Eq. 4)",
  SNR: "signal-to-noise ratio ᾱ / (1 − ᾱ): at 1, picture and noise weigh the same",
  σ: "standard deviation of the fresh noise this step adds; σ · 127.5 in grey levels of 0…255",
};
const LEGEND_PICTURES = {
  xₜ: "the picture as it is now: what the next step starts from",
  "x̂₀": "the finished picture as the network guesses it from xₜ (Eq. 15)",
};

// The readouts of one step as [[text, explanation], …]. `sigma` may be null: not known.
function readouts(step, k, n, sigma, left) {
  const [t, s, alphaBar] = step;
  const grey = sigma * 127.5;
  const items = [
    [`step ${k + 1}/${n}`, LEGEND.step],
    [`t ${t}→${s}`, LEGEND.t],
    [`ᾱ ${fraction(alphaBar)}`, LEGEND.ᾱ],
    [`SNR ${number(alphaBar / (1 - alphaBar))}`, LEGEND.SNR],
  ];
  if (sigma === 0) items.push(["σ 0: no noise added", LEGEND.σ]);
  else if (sigma != null) items.push([`σ ${number(sigma)} (${number(grey)} grey levels)`, LEGEND.σ]);
  if (left != null) items.push([`${duration(left)} left`, "time until the run is finished"]);
  return items;
}

// What there is to see at ᾱ. The bounds follow the paper's Fig. 7: chains that share x_t at t = 750 (ᾱ .003) share
// next to nothing, at 500 (.08) the layout, at 250 (.52) all but the details.
function sentence(alphaBar, s) {
  if (s === 0) return "The finished picture.";
  if (alphaBar < 0.004) return "Almost pure noise: nothing is decided yet.";
  if (alphaBar < 0.08) return "Large shapes take form: the layout is being decided.";
  if (alphaBar < 0.5) return "The layout is set; detail follows.";
  if (alphaBar < 0.97) return "Detail follows: edges and textures are filled in.";
  return "Only the last grain of noise is left to remove.";
}

const STATES = {
  idle: "Ready",
  starting: "Starting…",
  queued: "Waiting in the queue",
  loading: "Loading the model",
  waiting: "Finishing the previous step",
  running: "Running",
  stopping: "Stopping after this step",
  stopped: "Stopped: the frames so far are kept",
  finished: "Finished",
  error: "The run failed",
};

// --- The chart: σ of every lane on a log axis, ᾱ on 0…1, over the ticks of the scrubber. Curves are stretched to the
// plot's width by CSS; labels, dots and marker are HTML placed in per cent, so nothing is redrawn on resize.

function chart(lanes, tickOf) {
  const positive = lanes.flatMap((lane) => lane.sigma.filter((sigma) => sigma > 0));
  const noise = positive.length > 0;
  const low = noise ? Math.floor(Math.log10(Math.min(...positive))) : 0;
  const high = noise ? Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive)))) : 1;
  const x = (tick) => (100 * tick) / Math.max(1, tickOf.size - 1);
  const ySigma = (sigma) => 100 - (100 * (Math.log10(sigma) - low)) / (high - low);
  const yAlpha = (alphaBar) => 100 * (1 - alphaBar);

  // A curve breaks where σ is not known yet or, being 0, has no place on the axis.
  function curve(name, points) {
    let pen = "M";
    let d = "";
    for (const [px, py] of points) {
      if (py != null) d += `${pen}${px.toFixed(2)} ${py.toFixed(2)}`;
      pen = py == null ? "M" : "L";
    }
    return svg("path", { class: name, d, "vector-effect": "non-scaling-stroke" });
  }
  const area = el("div", { class: "area" });
  for (let decade = low; noise && decade <= high; decade++) {
    const every = Math.ceil((high - low) / 3);
    area.append(el("span", { class: "grid", style: `top:${ySigma(10 ** decade)}%` },
      (decade - low) % every ? "" : decade < 0 ? number(10 ** decade).replace(/0$/, "") : String(10 ** decade)));
  }
  for (const alphaBar of [0, 0.5, 1])
    area.append(el("span", { class: "scale", style: `top:${yAlpha(alphaBar)}%` }, String(alphaBar).replace(/^0\./, ".")));
  const at = ([, s]) => x(tickOf.get(s));
  area.append(svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
    curve("alpha", lanes[0].steps.map((step) => [at(step), yAlpha(step[2])])),
    ...lanes.map(({ steps, sigma }, i) =>
      curve(`sigma lane-${i}`, steps.map((step, k) => [at(step), sigma[k] > 0 ? ySigma(sigma[k]) : null])))));

  const future = el("i", { class: "future" });
  const marker = el("i", { class: "marker" });
  const dotAlpha = el("i", { class: "dot alpha" });
  const dotsSigma = lanes.map((_, i) => el("i", { class: `dot sigma lane-${i}` }));
  area.append(future, marker, dotAlpha, ...dotsSigma);
  function place(dot, tick, y) {
    dot.hidden = y == null;
    dot.style.left = `${x(tick)}%`;
    dot.style.top = `${y ?? 0}%`;
  }
  // The marker stands on `tick`, where the lanes show `frames`; right of `newest` nothing has happened yet.
  function mark(tick, newest, frames) {
    future.style.left = `${x(newest)}%`;
    marker.style.left = `${x(tick)}%`;
    place(dotAlpha, tick, frames[0] ? yAlpha(frames[0].step[2]) : null);
    dotsSigma.forEach((dot, i) => place(dot, tick, frames[i]?.sigma > 0 ? ySigma(frames[i].sigma) : null));
  }
  const { steps } = lanes[0];
  const axis = el("div", { class: "axis" }, ...[steps[0][0], steps[steps.length >> 1][0], 0].map((t) => el("span", null, `t ${t}`)));
  return { nodes: [area, axis], mark, noise };
}
