// The page of one figure, which other sites show in a frame: figure.html?name=guess&t=560#picture=… When the reader
// changes a value, the page's address changes, too.

import { Figure } from "../figures/figure.js";
import { picture } from "../figures/picture.js";

const asked = new URLSearchParams(location.search);
const theme = asked.get("theme");
if (theme === "dark" || theme === "light") document.documentElement.classList.add(theme);
picture.open(new URLSearchParams(location.hash.slice(1)).get("picture") ?? "");

const figure = new Figure();
for (const [name, value] of asked) if (/^[a-z]+$/.test(name)) figure.setAttribute(name, value);
document.querySelector("main")?.prepend(figure);

figure.addEventListener("change", () => {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(figure.values)) url.searchParams.set(name, String(value));
  history.replaceState(null, "", url);
});
// Tell the page around the frame how high the figure is.
new ResizeObserver(() =>
  parent.postMessage({ ddpmFigure: asked.get("name"), height: document.body.scrollHeight }, "*"),
).observe(document.body);
document.documentElement.dataset.ready = "true";
