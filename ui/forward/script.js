// The Forward tab. x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε is mixed here for every t, from a picture and an ε that the server sent
// once; all weights are ddpm_core's. Pixels are kept as grey levels around 127.5, which is 0 in [−1, 1].

const root = element.querySelector(".ddpm-forward");
const $ = (selector) => root.querySelector(selector);
const $$ = (selector) => [...root.querySelectorAll(selector)];
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const TABLES = Object.fromEntries(Object.entries(GIVEN.TABLES).map(([name, columns]) =>
  [name, Object.fromEntries(Object.entries(columns).map(([key, text]) => [key, new Float32Array(bytes(text).buffer)]))]));

const store = {
  t: 250, schedule: "linear", seed: 42, picture: "lighthouse",
  source: null, // what was asked for the picture on screen
  size: 0, text: null, x0: null, epsilon: null, // the pixels as base64 and as Float32Array of grey levels − 127.5
  loaded: 0, // how many pictures have been
  compared: null, // what the comparison on screen is of
};
// What the newest request asks for: { name } of a picture or { file } to upload, and a seed; older requests are dropped.
let wanted = { source: null, seed: store.seed };

const snr = (table, t) => (table.signal[t] / table.noise[t]) ** 2;

// --- From the server

const load = (source) => bring({ ...wanted, source });
const renew = () => bring({ ...wanted, seed: Math.floor(Math.random() * (GIVEN.MAX_SEED + 1)) });

async function bring(request, before = "") {
  wanted = request;
  root.dataset.ready = "false";
  const failure = await fetched(request).catch(() => "The server did not answer: try again.");
  if (wanted !== request) return;
  wrong(failure || before);
  // A picture that cannot be had leaves the one before, and new noise is still wanted for that.
  if (failure && store.source && request.source !== store.source) return bring({ ...request, source: store.source }, failure);
  for (const input of $$(".thumbs input")) input.checked = input.value === store.picture;
  root.dataset.ready = "true";
}

// Take over what a request asks for, if it is still the newest; returns what is wrong, for the user.
async function fetched(request) {
  const { source, seed } = request;
  const isNew = source !== store.source;
  const got = isNew ? await server.picture(source.file ? await upload(source.file) : source) : { size: store.size };
  if (got.error || wanted !== request) return got.error;
  const noise = isNew || seed !== store.seed ? await server.noise({ size: got.size, seed }) : null;
  if (noise?.error || wanted !== request) return noise?.error;
  if (noise) Object.assign(store, { seed, epsilon: unpack(noise.epsilon) });
  if (isNew) {
    const x0 = Float32Array.from(bytes(got.pixels), (v) => v - 127.5);
    Object.assign(store, { source, size: got.size, text: got.pixels, x0, picture: source.name ?? null, loaded: store.loaded + 1 });
    for (const canvas of $$("canvas")) canvas.width = canvas.height = store.size;
  }
  render();
}

const unpack = (text) => Float32Array.from(new Int16Array(bytes(text).buffer), (v) => v * GIVEN.EPSILON_UNIT);

function open(file) {
  if (!file) return;
  if (file.size > GIVEN.MAX_BYTES) wrong(`This file is too large: up to ${GIVEN.MAX_BYTES / 1e6} MB are read.`);
  else load({ file });
}

function wrong(text) {
  $(".wrong").textContent = text;
  $(".wrong").hidden = !text;
}

// What a comparison is of.
const setting = () => `${store.t} ${store.schedule} ${store.seed} ${store.loaded}`;

async function take() {
  const { t, schedule, seed, size, text } = store;
  if (!text) return;
  const of = setting();
  $(".take").disabled = true;
  $(".walk .note").textContent = "Walking…";
  const got = await server.compare({ t, schedule, seed, size, pixels: text })
    .catch(() => ({ error: "The server did not answer: try again." }));
  $(".take").disabled = false;
  $(".walk .note").textContent = got.error ?? "";
  if (got.error) return;
  store.compared = { of, t, schedule };
  $(".steps img").src = got.walk;
  $(".jump img").src = got.jump;
  $(".steps img").alt = `x_t after ${t} small steps`;
  $(".jump img").alt = `x_t after one jump to t = ${t}`;
  for (const img of $$(".walk img")) img.hidden = false;
  $(".result").hidden = false;
  $(".histogram").replaceChildren(...histogram(got.edges, got.densities));
  const signed = (v) => (v < 0 ? `−${number(-v)}` : number(v));
  const rows = [
    ["mean", ...got.mean.map(signed), "0"],
    ["deviation", ...got.std.map((v) => v.toFixed(4).replace(/^0/, "")), got.sigma.toFixed(4).replace(/^0/, "")],
    ["draws of ε", ...[t, 1].map((n) => (n * 3 * size * size).toLocaleString("en")), ""],
  ];
  $("tbody").replaceChildren(...rows.map(([head, ...cells]) =>
    el("tr", null, el("th", { scope: "row" }, head), ...cells.map((cell) => el("td", null, cell)))));
  const percent = (v) => `${(100 * v).toFixed(1)} %`;
  $(".verdict").textContent = t === 0 ? "At t = 0 nothing is added." : got.gap <= got.chance
    ? `Their distributions are at most ${percent(got.gap)} apart. Two draws of one distribution stay within ${percent(got.chance)} 19 times out of 20: no difference to be seen.`
    : `Their distributions are ${percent(got.gap)} apart. Two draws of one distribution go beyond ${percent(got.chance)} one time in 20, and this was one: try new noise.`;
  render();
}

// --- Drawing

function paint(selector, value) {
  const context = $(selector).getContext("2d");
  const image = context.createImageData(store.size, store.size);
  const { data } = image; // clamped and rounded by the browser
  for (let i = 0, j = 0; i < store.x0.length; i += 3, j += 4) {
    data[j] = 127.5 + value(i);
    data[j + 1] = 127.5 + value(i + 1);
    data[j + 2] = 127.5 + value(i + 2);
    data[j + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

const plots = [
  plot({
    title: "βₜ, noise of a step (log)", log: true, low: -5, high: 0, ticks: [-4, -2, 0],
    values: column((table, t) => table.beta[t]),
  }),
  plot({
    title: "ᾱₜ, signal left", low: 0, high: 1, ticks: [0, 0.5, 1],
    values: column((table, t) => table.signal[t] ** 2),
  }),
  plot({
    title: "SNR (log)", log: true, low: -5, high: 5, ticks: [-4, 0, 4], values: column(snr),
  }),
];
function column(value) {
  return Object.fromEntries(Object.entries(TABLES).map(([name, table]) => [name, (t) => value(table, t)]));
}

let due = false;
function render() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}

function draw() {
  const { t, schedule, x0, epsilon } = store;
  const table = TABLES[schedule];
  const signal = table.signal[t], noise = table.noise[t];
  const alphaBar = signal ** 2;
  Object.assign(root.dataset, { t, schedule, picture: store.picture ?? "own", seed: store.seed });
  const slider = $(".slider");
  slider.value = t;
  slider.style.setProperty("--at", `${(100 * t) / GIVEN.T}%`);
  slider.setAttribute("aria-valuetext", `t ${t} of ${GIVEN.T}, ᾱ ${fraction(alphaBar)}`);
  if (document.activeElement !== $(".t")) $(".t").value = t;
  for (const input of $$(".schedules input")) input.checked = input.value === schedule;
  $(".seed").textContent = `seed ${store.seed}`;
  $(".x0 .at").textContent = `× √ᾱ = ${fraction(signal)}`;
  $(".eps .at").textContent = `× √(1−ᾱ) = ${fraction(noise)}`;
  const ratio = t ? number(snr(table, t)) : "∞";
  const items = [
    [`t ${t} of ${GIVEN.T}`, "how many small steps of noise have been added"],
    [`β ${t ? number(table.beta[t]) : "0"}`, "variance that step t adds (Eq. 2)"],
    [`ᾱ ${fraction(alphaBar)}`, "share of the picture's variance left: the product of all 1 − β so far"],
    [`SNR ${ratio}`, "signal-to-noise ratio ᾱ / (1 − ᾱ): at 1, picture and noise weigh the same"],
    [`noise ${number(noise * 127.5)} grey levels`, "standard deviation √(1 − ᾱ) of the noise in xₜ, on the scale 0 to 255"],
  ];
  $(".readouts").replaceChildren(...items.flatMap(([text, title], i) => [i ? " · " : "", el("span", { title }, text)]));
  $(".sentence").textContent = noised(t, alphaBar);
  [t ? number(table.beta[t]) : "–", fraction(alphaBar), ratio].forEach((text, i) => plots[i].mark(t, schedule, text));
  $(".steps .count").textContent = $("th.count").textContent = `${store.compared?.t ?? t} step${(store.compared?.t ?? t) === 1 ? "" : "s"}`;
  $(".take").textContent = t === 1 ? "Take 1 step" : `Take ${t} steps`;
  const stale = store.compared && store.compared.of !== setting();
  $(".walk").dataset.state = store.compared ? (stale ? "stale" : "done") : "none";
  if (!$(".take").disabled) $(".walk .note").textContent = stale ? `shown: t = ${store.compared.t}, ${store.compared.schedule}` : "";
  if (!x0) return;

  const xt = new Float32Array(x0.length);
  for (let i = 0; i < xt.length; i++) xt[i] = signal * x0[i] + noise * 127.5 * epsilon[i];
  const picture = store.picture ?? "your picture";
  paint(".x0 canvas", (i) => x0[i]);
  paint(".eps canvas", (i) => 127.5 * epsilon[i]);
  paint(".xt canvas", (i) => xt[i]);
  $(".xt canvas").setAttribute("aria-label", `x_t: ${picture} noised up to t = ${t}`);
  drawPosterior(table, t, xt);
}

function drawPosterior(table, t, xt) {
  const { x0 } = store;
  // At t = 0 there is no step back: the picture itself stands there.
  const a = t ? table.of_x_0[t] : 1, b = table.of_x_t[t];
  const change = new Float32Array(xt.length);
  let sum = 0;
  for (let i = 0; i < xt.length; i++) {
    change[i] = xt[i] - (a * x0[i] + b * xt[i]);
    sum += change[i] ** 2;
  }
  const rms = Math.sqrt(sum / xt.length);
  const gain = t ? [1, 2, 5, 10, 20, 50, 100, 200, 500].findLast((k) => k * rms <= 60) ?? 1 : 1;
  paint(".mean canvas", (i) => a * x0[i] + b * xt[i]);
  paint(".change canvas", (i) => gain * change[i]);
  $(".mean canvas").setAttribute("aria-label", `Mean of the step from t = ${t} to ${Math.max(0, t - 1)}`);
  $(".change canvas").setAttribute("aria-label", `What the mean takes away from x_t, ${gain} times enlarged`);
  $(".change .at").textContent = gain > 1 ? `× ${gain} to be seen` : "";
  const levels = (sigma) => `${number(sigma)} (${number(sigma * 127.5)} grey levels)`;
  const tilde = Math.sqrt(table.beta_tilde[t]), beta = Math.sqrt(table.beta[t]);
  $(".weights").textContent = t ? `μ̃ = ${weight(a)} x₀ + ${weight(b)} xₜ` : "At t = 0 there is no step back.";
  const entries = t ? [["√β̃ₜ", levels(tilde), "with x₀ known"], ["√βₜ", levels(beta), "with x₀ ~ N(0, I)"]] : [];
  $(".numbers").replaceChildren(...entries.flatMap(([name, value, text]) =>
    [el("dt", null, name), el("dd", null, value, el("small", null, text))]));
  $(".remark").textContent = !t ? "" : t === 1 ? "At t = 1 the posterior is certain: β̃ is 0 and the mean is x₀."
    : tilde / beta < 0.99 ? `√β̃ is ${number((100 * tilde) / beta)} % of √β here: near t = 0 the choice of σ matters.`
      : `√β̃ is ${(100 * (tilde / beta)).toFixed(2)} % of √β here: over one small step the two are nearly the same.`;
}

const weight = (v) => (v < 0.0005 ? number(v) : v.toFixed(4).replace(/^0/, ""));

function noised(t, alphaBar) {
  if (t === 0) return "The picture as it is.";
  if (alphaBar > 0.97) return "A little grain: nothing is lost yet.";
  if (alphaBar > 0.5) return "Details drown first; the picture still outweighs the noise.";
  if (alphaBar > 0.08) return "The noise outweighs the picture: shapes and colours are left.";
  if (alphaBar > 0.004) return "Only the largest shapes can be guessed.";
  return "Next to pure noise: the same N(0, I) whatever the picture was.";
}

// --- Input

function set({ t, schedule, picture }) {
  if (Number.isInteger(t)) store.t = Math.min(GIVEN.T, Math.max(0, t));
  if (TABLES[schedule]) store.schedule = schedule;
  if (picture && picture !== store.picture) load({ name: picture });
  render();
}

$(".slider").addEventListener("input", (event) => set({ t: Number(event.target.value) }));
$(".slider").addEventListener("change", () => { $(".announce").textContent = $(".sentence").textContent; });
$(".t").addEventListener("input", (event) => event.target.value !== "" && set({ t: Math.round(Number(event.target.value)) }));
$(".t").addEventListener("blur", render);
for (const input of $$(".schedules input")) input.addEventListener("change", () => set({ schedule: input.value }));
for (const input of $$(".thumbs input")) input.addEventListener("change", () => load({ name: input.value }));
$(".new-noise").addEventListener("click", renew);
$(".take").addEventListener("click", take);
$(".upload input").addEventListener("change", (event) => {
  open(event.target.files[0]);
  event.target.value = ""; // so that the same file can be chosen again
});
root.addEventListener("dragover", (event) => event.preventDefault());
root.addEventListener("drop", (event) => {
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});
for (const { area } of plots) {
  const scrub = (event) => {
    const { left, width } = area.getBoundingClientRect();
    set({ t: Math.round((GIVEN.T * (event.clientX - left)) / width) });
  };
  area.addEventListener("pointerdown", (event) => {
    area.setPointerCapture(event.pointerId);
    scrub(event);
  });
  area.addEventListener("pointermove", (event) => event.buttons && scrub(event));
}

// --- Start. What a card of the Learn tab asked for before this tab was first opened is waiting.

$(".plots").append(...plots.map(({ node }) => node));
$(".key").append(...Object.keys(TABLES).map((name) => el("span", null, el("i", { class: `swatch ${name}` }), name)));
const waiting = window.ddpmForward;
window.ddpmForward = { set };
store.picture = waiting?.picture ?? store.picture;
set({ ...waiting, picture: undefined });
load({ name: store.picture });
