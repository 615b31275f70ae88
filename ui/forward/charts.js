// The charts of the Forward tab: curves stretched to their box by CSS, with labels, dots and markers as HTML placed in
// per cent, so that nothing is redrawn on resize. el, svg, number and fraction are the player's.

const path = (name, points) => svg("path", {
  class: name, "vector-effect": "non-scaling-stroke",
  d: points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join(""),
});
const box = (...curves) => svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, ...curves);
const power = (exponent) => (exponent === 0 ? "1" : exponent === 1 ? "10" :
  `10${exponent < 0 ? "⁻" : ""}${[...String(Math.abs(exponent))].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`);

// One quantity of all schedules over t = 0..T. low, high: the axis, as powers of ten if `log`. Curves that leave it are
// cut off. Returns { node, mark(t, chosen) }.
function plot({ title, values, low, high, log, ticks }) {
  const T = GIVEN.T;
  const y = (v) => 100 - (100 * ((log ? Math.log10(v) : v) - low)) / (high - low);
  const area = el("div", { class: "area" });
  for (const tick of ticks)
    area.append(el("span", { class: "grid", style: `top:${y(log ? 10 ** tick : tick)}%` }, log ? power(tick) : String(tick).replace(/^0\./, ".")));
  const curves = Object.entries(values).map(([name, column]) => {
    const points = [];
    for (let t = 1; t <= T; t += t < 40 ? 1 : 4) points.push([(100 * t) / T, y(column(t))]);
    points.push([100, y(column(T))]);
    return path(name, points);
  });
  const marker = el("i", { class: "marker" });
  const dot = el("i", { class: "dot" });
  area.append(el("div", { class: "clip" }, box(...curves)), marker, dot);
  const value = el("span", { class: "at" });
  const node = el("figure", { class: "plot" },
    el("figcaption", null, el("span", null, title), value), area,
    el("div", { class: "axis", "aria-hidden": "true" }, el("span", null, "t 0"), el("span", null, String(T))));
  function mark(t, chosen, text) {
    value.textContent = text;
    marker.style.left = dot.style.left = `${(100 * t) / T}%`;
    const at = t > 0 ? y(values[chosen](t)) : NaN;
    dot.hidden = !(at >= 0 && at <= 100);
    dot.style.top = `${at}%`;
    dot.className = `dot ${chosen}`;
    for (const curve of curves) curve.classList.toggle("chosen", curve.classList.contains(chosen));
  }
  return { node, mark, area };
}

// Two histograms over the same edges, and the density they should have.
function histogram(edges, [first, second]) {
  const high = 0.5;
  const left = edges[0], right = edges.at(-1);
  const x = (v) => (100 * (v - left)) / (right - left);
  const y = (density) => 100 - (100 * density) / high;
  const steps = (density) => [...density].flatMap((d, i) => [[x(edges[i]), y(d)], [x(edges[i + 1]), y(d)]]);
  const normal = Array.from({ length: 121 }, (_, i) => left + ((right - left) * i) / 120)
    .map((v) => [x(v), y(Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI))]);
  const area = el("div", { class: "area" }, el("div", { class: "clip" }, box(
    path("filled", [[0, 100], ...steps(first), [100, 100]]), path("linear chosen", steps(first)),
    path("cosine chosen", steps(second)), path("normal", normal))));
  const axis = el("div", { class: "axis", "aria-hidden": "true" },
    ...[left, left / 2, 0, right / 2, right].map((v) => el("span", null, String(v).replace("-", "−"))));
  return [area, axis];
}
