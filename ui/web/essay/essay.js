// The script of the essay. Some words of the text become buttons that change the settings of a figure. The address of
// the page can contain a visitor's picture. Without this script, the text is complete.

import { Figure } from "../figures/figure.js";
import { picture } from "../figures/picture.js";
import { nameSymbols } from "../words/symbols.js";

/** Turn words with the attribute data-set into buttons, which set a figure. */
function makeButtons() {
  for (const span of document.querySelectorAll("span[data-set]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "set";
    button.append(...span.childNodes);
    const values = Object.fromEntries(new URLSearchParams(span.getAttribute("data-set") ?? ""));
    const figure = span.closest("section")?.querySelector("ddpm-figure");
    button.addEventListener("click", () => figure instanceof Figure && figure.set(values));
    span.replaceWith(button);
  }
}

/** Prepare for printing: open all formulas and load the pictures of figures that have not started. Close the formulas after printing. */
function printWhole() {
  const closed = [...document.querySelectorAll("details")].filter(({ open }) => !open);
  for (const details of closed) details.open = true;
  for (const image of document.querySelectorAll("img")) image.loading = "eager";
  const close = () => {
    for (const details of closed) details.open = false;
  };
  addEventListener("afterprint", close, { once: true });
}

nameSymbols(document.body);
makeButtons();
addEventListener("beforeprint", printWhole);
picture.open(new URLSearchParams(location.hash.slice(1)).get("picture") ?? "");
document.documentElement.dataset.ready = "true";
