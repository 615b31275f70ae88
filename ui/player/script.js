// The frame player. gradio runs this once per mount as a function of (element, props, watch, …); Python writes messages
// to props.value:
//   { run, seq, state, text?, progress?, left?, plan?, frames? }
//   plan   { settings, title, caption, size, count, pixelated, seeds, T,
//            lanes: [{ name, steps: [[t, s, alpha_bar_t, sigma], …] }] }
//   frames [{ lane, k, x, x0, sigma? }]: sprites, `count` pictures side by side; x is x_s after step k (t → s), x0 is
//          x̂_0 seen from x_t. Long runs are thinned: not every k comes.
// The scrubber goes over ticks, the values of s of all lanes from noisy to clean; with one lane, tick = k. A lane
// without a frame at a tick shows its last one before, and before its first one nothing.

const root = element.querySelector(".ddpm-player");
const $ = (selector) => root.querySelector(selector);
const ACTIVE = new Set(["starting", "queued", "loading", "waiting", "running", "stopping"]);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// --- State

const store = {
  run: newRun(null, "idle"), // the newest run: what the status line tells
  shown: newRun(null, "idle"), // the run whose pictures are on screen: the newest one from its first frame on
  tick: 0,
  live: true, // the view follows the newest frame
  playing: false,
  image: 0, // which picture of the batch
  gain: 0, // chosen for the difference of two lanes; 0: not shown
  values: null, // what the controls say now
};
const seen = new Set(); // run ids; all but the newest are stale

function newRun(id, state) {
  return {
    id, state, seq: -1, text: null, progress: null, left: null, lost: false, // what the last message said
    plan: null, lanes: [], ticks: [], tickOf: new Map(), // from the plan
    held: [], count: 0, // the ticks that have a frame, ascending; the number of frames
    early: [], // frames that came before the plan: gradio may drop a message, and Python may send the plan again
  };
}

const isActive = () => ACTIVE.has(store.run.state) && !store.run.lost;
const newest = () => store.shown.held.at(-1) ?? 0;
const gain = () => (store.shown.lanes.length > 1 ? store.gain : 0);
const isFollowing = () => store.playing || (store.live && isActive() && store.shown === store.run);

// The frame of a lane at a tick, with its step, or undefined before the lane's first.
function frameAt(lane, tick) {
  return lane.frames.findLast((frame) => frame.step[1] >= store.shown.ticks[tick]);
}

// --- Messages

function receive(message) {
  if (!message?.run) return;
  let run = store.run;
  if (run.id !== message.run) {
    if (seen.has(message.run)) return;
    seen.add(message.run);
    if (run.state === "starting" && run.id === null) run.id = message.run;
    else run = store.run = newRun(message.run, "queued");
  }
  if (!(message.seq > run.seq)) return;
  const same = message.state === run.state;
  const news = !same || run.lost;
  Object.assign(run, { seq: message.seq, state: message.state, lost: false });
  // A heartbeat leaves the words as they are; a new state does not keep those of the old one.
  for (const field of ["text", "progress", "left"]) if (field in message || !same) run[field] = message[field] ?? null;
  if (message.plan && !run.plan) takePlan(run, message.plan);
  run.early.push(...(message.frames ?? []));
  if (run.plan) for (const frame of run.early.splice(0)) takeFrame(run, frame);
  if (run.count && store.shown !== run) show(run);
  if (store.live && store.shown === run) follow();
  watchdog();
  if (news) announce();
  render();
}

function takePlan(run, plan) {
  run.plan = plan;
  run.lanes = plan.lanes.map(({ name, steps }) => ({ name, steps, sigma: steps.map((step) => step[3]), frames: [] }));
  run.ticks = [...new Set(run.lanes.flatMap(({ steps }) => steps.map(([, s]) => s)))].sort((a, b) => b - a);
  run.tickOf = new Map(run.ticks.map((s, tick) => [s, tick]));
}

function takeFrame(run, { lane: index, k, x, x0, sigma }) {
  const lane = run.lanes[index];
  const step = lane?.steps[k];
  if (!step || ![x, x0].every((uri) => uri?.startsWith("data:image/"))) return;
  if (lane.frames.some((frame) => frame.k === k)) return;
  if (sigma != null) lane.sigma[k] = sigma;
  lane.frames.push({ k, step, x, x0, sigma: lane.sigma[k] });
  lane.frames.sort((a, b) => a.k - b.k);
  const tick = run.tickOf.get(step[1]);
  if (!run.held.includes(tick)) run.held.push(tick);
  run.held.sort((a, b) => a - b);
  run.count += 1;
}

// Under reduced motion the live picture changes once a second instead of with every frame.
let calmTimer = null;
function follow() {
  if (!calm.matches || !isActive()) store.tick = newest();
  else calmTimer ??= setTimeout(() => {
    calmTimer = null;
    if (store.live) store.tick = newest();
    render();
  }, 1000);
}

let watchdogTimer = null;
function watchdog() {
  clearTimeout(watchdogTimer);
  if (isActive()) watchdogTimer = setTimeout(() => {
    store.run.lost = true;
    announce();
    render();
  }, Number(root.dataset.timeout));
}

// What this page offers to the controls beside the player, and to tests.
window.ddpmPlayer?.unmount();
window.ddpmPlayer = {
  starting(values) {
    if (store.run.id) seen.add(store.run.id);
    store.run = newRun(null, "starting");
    store.values = values ?? store.values;
    store.live = true;
    pause();
    watchdog();
    announce();
    render();
  },
  settings(values) {
    store.values = values;
    render();
  },
  state() {
    const { run, shown, tick, live } = store;
    return { run: run.id, state: root.dataset.state, frames: shown.count, k: tick, live };
  },
  unmount() { // everything that would outlive the element
    document.removeEventListener("keydown", projectorKeys);
    store.playing = false;
    clearTimeout(watchdogTimer);
    clearTimeout(calmTimer);
  },
};

// --- Moving through the frames

function go(tick) {
  const { held } = store.shown;
  if (!held.length) return;
  store.live = false;
  store.tick = held.reduce((best, at) => (Math.abs(at - tick) < Math.abs(best - tick) ? at : best));
  render();
}

function step(by) {
  const { held } = store.shown;
  pause();
  go(held[Math.min(held.length - 1, Math.max(0, held.indexOf(store.tick) + by))]);
}

function goLive() {
  pause();
  store.live = true;
  store.tick = newest();
  render();
}

function pause() {
  store.playing = false;
}

// 1× is 10 frames a second, and no run takes longer than 15 s. A run that is still sampling goes live when caught up.
function play() {
  const run = store.shown;
  if (!run.held.length) return;
  if (isFollowing()) {
    pause();
    store.live = false;
    return render();
  }
  if (store.tick === newest() && !isActive()) store.tick = run.held[0];
  store.live = false;
  store.playing = true;
  let last = performance.now();
  let due = 0;
  const turn = (now) => {
    if (!store.playing || store.shown !== run) return;
    due += ((now - last) / 1000) * Math.max(10, run.held.length / 15) * $(".speed").value;
    last = now;
    const index = run.held.indexOf(store.tick) + Math.floor(due);
    due %= 1;
    store.tick = run.held[Math.min(index, run.held.length - 1)];
    if (index >= run.held.length - 1) {
      pause();
      store.live = isActive() && store.run === run;
    }
    render();
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
  render();
}

// --- Pictures: decode, then draw. One decoding at a time, always of what is wanted by then, so a slow decoder skips
// frames but never shows an old one last.

const decoded = new Map(); // the last few sprites, oldest first

async function decode(uri) {
  let image = decoded.get(uri);
  if (!image) {
    image = new Image();
    image.src = uri;
    await image.decode();
    decoded.set(uri, image);
    if (decoded.size > 12) decoded.delete(decoded.keys().next().value);
  }
  return image;
}

let painting = false;
let painted = "";
async function paint() {
  if (painting) return;
  painting = true;
  try {
    while (painted !== wanted()) painted = await paintOnce();
  } finally {
    painting = false; // whatever happened, the next frame is tried
  }
}

const framesNow = () => store.shown.lanes.map((lane) => frameAt(lane, store.tick));
// Which pictures are on screen, or should be.
const wanted = () => [store.shown.id, store.image, gain(), root.dataset.kind, ...framesNow().map((frame) => frame?.k)].join();

async function paintOnce() {
  const { shown, image } = store;
  const key = wanted();
  for (const [i, frame] of framesNow().entries()) {
    for (const kind of ["x", "x0"]) {
      const sprite = frame && (await decode(frame[kind]).catch(() => null));
      if (store.shown !== shown) return "";
      const { canvas } = view.lanes[i][kind];
      if (!frame) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      if (!sprite) continue;
      blit(canvas, sprite, image);
      if (i === 0 && kind === "x0") view.thumbs.forEach(({ canvas }, n) => blit(canvas, sprite, n));
    }
  }
  if (gain()) paintDifference();
  return key;
}

function blit(canvas, sprite, n) {
  const size = sprite.naturalHeight;
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "copy"; // pictures may be transparent
  context.drawImage(sprite, n * size, 0, size, size, 0, 0, canvas.width, canvas.height);
}

// |A − B| of what the two panes show, in grey levels, times the gain.
function paintDifference() {
  const [a, b] = view.lanes.map((lane) => lane[root.dataset.kind].canvas);
  const [one, other] = [a, b].map((canvas) => canvas.getContext("2d").getImageData(0, 0, a.width, a.height));
  for (let i = 0; i < one.data.length; i++)
    one.data[i] = i % 4 === 3 ? 255 : Math.abs(one.data[i] - other.data[i]) * gain();
  view.difference.getContext("2d").putImageData(one, 0, 0);
}

// --- Building: what depends on the plan only

const view = { lanes: [], difference: null, thumbs: [], chart: null, sigmas: null };

function show(run) {
  const { plan } = run;
  store.shown = run;
  store.live = true;
  store.tick = newest();
  store.image = Math.min(store.image, plan.count - 1);
  pause();
  painted = "";
  decoded.clear();
  root.classList.toggle("pixelated", plan.pixelated);
  root.classList.toggle("compare", run.lanes.length > 1);
  delete root.dataset.large;
  $(".gains").hidden = run.lanes.length < 2;
  $(".caption").hidden = !plan.caption;
  $(".caption").textContent = plan.caption ?? "";
  view.lanes = buildLanes(run.lanes.map(({ name }) => name), plan.size);
  view.thumbs = plan.seeds.map((seed, n) => {
    const canvas = el("canvas", { width: Math.min(plan.size, 128), height: Math.min(plan.size, 128) });
    const label = `seed ${seed}`;
    const short = seed.length > 6 ? `…${seed.slice(-4)}` : seed;
    const thumb = el("button", { type: "button", role: "radio", title: label, "aria-label": label }, canvas,
      el("span", null, short));
    thumb.addEventListener("click", () => pick(n));
    return { thumb, canvas };
  });
  $(".batch").replaceChildren(...view.thumbs.map(({ thumb }) => thumb));
  $(".batch").hidden = plan.count < 2;
  $(".scrubber").max = Math.max(1, run.ticks.length - 1);
  view.sigmas = null;
}

function buildLanes(names, size) {
  const lanes = names.map((name, i) => {
    const lane = {};
    const group = el("div", { class: `lane lane-${i}` });
    if (names.length > 1) group.append(el("h4", null, el("i"), `${"AB"[i]}: ${name}`));
    for (const kind of ["x", "x0"]) {
      const canvas = el("canvas", { width: size, height: size, role: "img", "aria-label": "No picture yet" });
      const at = el("span", { class: "at" });
      const words = kind === "x" ? " now" : " best guess";
      group.append(el("figure", { class: kind }, el("figcaption", null, el("span", null, ...symbol(kind), words), at),
        el("div", { class: "frame" }, canvas)));
      lane[kind] = { canvas, at };
    }
    return { ...lane, group };
  });
  $(".lanes").replaceChildren(...lanes.map(({ group }) => group));
  if (names.length > 1) {
    view.difference = el("canvas", { width: size, height: size, role: "img", "aria-label": "Difference of A and B" });
    const figure = el("figure", null, el("div", { class: "frame" }, view.difference));
    $(".lanes").append(el("div", { class: "lane difference" }, el("h4", null, "|A − B|"), figure));
  }
  return lanes;
}

function buildChart() {
  const { lanes, tickOf } = store.shown;
  const sigmas = String(lanes.map((lane) => lane.sigma)); // learned ones become known while running
  if (view.sigmas === sigmas) return;
  view.sigmas = sigmas;
  view.chart = chart(lanes, tickOf);
  $(".plot").replaceChildren(...view.chart.nodes);
  const what = view.chart.noise ? "σ, noise added (log)" : "σ = 0: no noise added";
  const [first, second] = lanes.map(({ name }) => name);
  $(".key-sigma").textContent = second ? `A: ${first}` : what;
  $(".key-second").textContent = second ? `B: ${second}` : "";
  $(".key-second").hidden = !second;
  $(".chart").hidden = false;
}

// Before the first run: what will be seen, over the noise that every run starts from.
function buildEmpty() {
  const [lane] = buildLanes([""], 32);
  const pixels = lane.x.canvas.getContext("2d");
  const noise = pixels.createImageData(32, 32);
  for (let i = 0, seed = 1; i < noise.data.length; i++) {
    seed = (seed * 48271) % 2147483647;
    noise.data[i] = i % 4 === 3 ? 255 : (seed / 2147483647) * 255;
  }
  pixels.putImageData(noise, 0, 0);
  root.classList.add("pixelated");
  const texts = {
    x: "Here pure noise turns into a picture: each step takes a little of the noise away.",
    x0: "Here the network shows its best guess of the finished picture: blurred at first, sharper with every step.",
  };
  for (const [kind, text] of Object.entries(texts))
    lane[kind].canvas.parentElement.append(el("p", { class: "empty" }, text, el("b", null, "Press Run to watch.")));
}

function buildLegend() {
  const entry = (name, text) => [el("dt", null, name), el("dd", null, text)];
  const entries = Object.entries({ ...LEGEND_PICTURES, ...LEGEND });
  $(".legend dl").append(...entries.flatMap(([name, text]) => entry(name, text)));
}

// --- Rendering: the page from the state

function render() {
  const { run, shown, tick } = store;
  const state = run.lost ? "lost" : run.state;
  Object.assign(root.dataset, { state, run: run.id ?? "", frames: shown.count, k: tick, live: store.live });
  root.classList.toggle("differing", gain() > 0);
  root.classList.toggle("dim", isActive() && shown !== run && shown.count > 0);
  renderStatus(run);
  renderTransport();
  if (shown.count) {
    renderFrame();
    buildChart();
    view.chart.mark(tick, newest(), shown.lanes.map((lane) => frameAt(lane, tick)));
    paint();
  }
}

function statusText(run) {
  if (!run.lost) return run.text || STATES[run.state];
  return `Connection lost: ${run.count ? "these frames are kept; Run repeats the run exactly" : "Run starts it again"}`;
}

// The time left stands beside the readouts once there are frames, and in the status line before.
const inReadouts = (run) => run.count > 0 && run.state === "running";

function renderStatus(run) {
  $(".status-text").textContent = statusText(run);
  const left = run.left != null && isActive() && !inReadouts(run);
  $(".status-left").textContent = left ? `${duration(run.left)} left` : "";
  $(".title").textContent = $(".title").title = store.shown.plan?.title ?? "";
  // Which settings the pictures are of; unknown while a run has not said its plan yet.
  const plan = run.plan ?? (isActive() ? null : store.shown.plan);
  $(".note").hidden = !plan?.settings || !store.values || String(plan.settings) === String(store.values);
  const bar = $(".progress");
  bar.hidden = !isActive();
  bar.classList.toggle("unknown", run.progress == null);
  bar.firstElementChild.style.width = `${100 * (run.progress ?? 0)}%`;
  if (run.progress == null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", Math.round(100 * run.progress));
}

function renderTransport() {
  const { shown, run, tick, live } = store;
  const empty = !shown.count;
  const slider = $(".scrubber");
  slider.disabled = $(".play").disabled = empty;
  $(".play").setAttribute("aria-label", isFollowing() ? "Pause" : "Play");
  $(".play").classList.toggle("on", isFollowing());
  $(".live").disabled = !(isActive() && shown === run && !empty);
  $(".live").setAttribute("aria-pressed", live && !$(".live").disabled);
  if (empty) return;
  slider.value = tick;
  slider.style.setProperty("--at", `${(100 * tick) / slider.max}%`);
  slider.style.setProperty("--held", `${(100 * newest()) / slider.max}%`);
  slider.setAttribute("aria-valuetext", `step ${tick + 1} of ${shown.ticks.length}, t ${shown.ticks[tick]}`);
}

function renderFrame() {
  const { shown, run, tick, image } = store;
  const { lanes, plan } = shown;
  lanes.forEach((lane, i) => {
    const frame = frameAt(lane, tick);
    const { x, x0 } = view.lanes[i];
    if (!frame) {
      x.at.textContent = x0.at.textContent = `still x_T, t = ${lane.steps[0][0]}`;
      return;
    }
    const [t, s] = frame.step;
    const name = lanes.length > 1 ? `${"AB"[i]}, ${lane.name}, ` : "";
    const where = `${name}seed ${plan.seeds[image]}, step ${frame.k + 1} of ${lane.steps.length}`;
    x.at.textContent = `t = ${s}`;
    x0.at.textContent = `seen from t = ${t}`;
    x.canvas.setAttribute("aria-label", `Picture now, x_t: ${where}, t = ${s}`);
    x0.canvas.setAttribute("aria-label", `Best guess of the finished picture, x̂_0: ${where}, seen from t = ${t}`);
  });
  const left = shown === run && isActive() && inReadouts(run) ? run.left : null;
  $(".readouts").replaceChildren(...lanes.map((lane, i) => {
    const frame = frameAt(lane, tick);
    const last = i + 1 === lanes.length ? left : null;
    const items = frame ? readouts(frame.step, frame.k, lane.steps.length, frame.sigma, last) : [];
    const spans = items.flatMap(([text, title], n) => [n ? " · " : "", el("span", { title }, text)]);
    return el("p", { class: `lane-${i}` }, ...(lanes.length > 1 ? [el("b", null, "AB"[i]), " "] : []), ...spans);
  }));
  const frames = lanes.map((lane) => frameAt(lane, tick)).filter(Boolean);
  const cleanest = frames.reduce((best, frame) => (frame.step[1] < best.step[1] ? frame : best), frames[0]);
  if (cleanest) $(".sentence").textContent = sentence(cleanest.step[2], cleanest.step[1]);
  view.thumbs.forEach(({ thumb }, n) => {
    thumb.setAttribute("aria-checked", n === image);
    thumb.tabIndex = n === image ? 0 : -1;
  });
}

// Milestones for screen readers: the start, the end, an error; not frames.
function announce() {
  const { run } = store;
  const milestones = ["starting", "running", "stopped", "finished", "error"];
  if (!run.lost && !milestones.includes(run.state)) return;
  const title = run.state === "running" && run.plan ? `: ${run.plan.title}` : "";
  $(".announce").textContent = title && !run.lost ? `Running${title}` : statusText(run);
}

// --- Input

function pick(n) {
  store.image = n;
  render();
}

root.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || !store.shown.count) return;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[key];
  if (target.closest(".batch")) { // a radio group: its own arrows, Home and End
    const { count } = store.shown.plan;
    const n = key === "Home" ? 0 : key === "End" ? count - 1 : by && (store.image + by + count) % count;
    if (n == null) return;
    event.preventDefault();
    pick(n);
    return view.thumbs[n].thumb.focus();
  }
  if (target.closest("select, summary") || (key === " " && target.closest("button"))) return;
  const to = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1, Home: -Infinity, End: Infinity }[key];
  if (key !== " " && !to) return;
  event.preventDefault();
  if (to) step(to);
  else play();
});

$(".scrubber").addEventListener("input", (event) => {
  pause();
  go(Number(event.target.value));
});

function scrubChart(event) {
  const { left, width } = $(".plot").getBoundingClientRect();
  pause();
  go(Math.round(((event.clientX - left) / width) * (store.shown.ticks.length - 1)));
}
$(".plot").addEventListener("pointerdown", (event) => {
  $(".plot").setPointerCapture(event.pointerId);
  scrubChart(event);
});
$(".plot").addEventListener("pointermove", (event) => event.buttons && scrubChart(event));
$(".play").addEventListener("click", play);
$(".live").addEventListener("click", goLive);
function choice(group, take) {
  $(group).addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    for (const other of $(group).querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
    take(button.dataset);
    render();
  });
}
choice(".kinds", ({ kind }) => { root.dataset.kind = kind; });
choice(".gains", ({ gain }) => { store.gain = Number(gain); });
// Of two lanes, a tap on one gives it all the room, and another tap gives it back.
$(".lanes").addEventListener("click", ({ target }) => {
  const lane = view.lanes.findIndex(({ group }) => group.contains(target.closest(".frame")));
  if (lane < 0 || view.lanes.length < 2) return;
  if (root.dataset.large === String(lane)) delete root.dataset.large;
  else root.dataset.large = lane;
});

// --- The projector view: the player over the whole page, large, with the address for the room

async function project(on) {
  root.classList.toggle("projector", on);
  $(".project").setAttribute("aria-pressed", on);
  document.documentElement.style.overflow = on ? "hidden" : "";
  if (!on) return;
  root.focus();
  $(".room").hidden = false;
  const { address, code, why } = await server.invitation(location.origin + location.pathname).catch(() => ({}));
  $(".room").hidden = !(address || why);
  $(".room img").hidden = !code;
  if (code) $(".room img").src = code;
  $(".room p").textContent = address ?? why ?? "";
}

function projectorKeys(event) {
  const typing = event.target.closest?.("input:not([type=range]), textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || root.clientWidth === 0) return;
  const on = root.classList.contains("projector");
  if (event.key.toLowerCase() === "f") project(!on);
  else if (event.key === "Escape" && on) project(false);
  else if (on && !root.contains(event.target) && store.shown.count && /^Page(Up|Down)$/.test(event.key))
    step(event.key === "PageUp" ? -1 : 1); // a remote control does not know where the focus is
  else return;
  event.preventDefault();
}
document.addEventListener("keydown", projectorKeys);
$(".project").addEventListener("click", () => project(!root.classList.contains("projector")));

// --- Start

$(".chart").open = root.clientWidth === 0 || root.clientWidth > 560;
buildLegend();
buildEmpty();
render();
watch("value", () => receive(props.value));
receive(props.value);
