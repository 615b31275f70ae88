// The essay as a page: its text sets the figures, and a link brings a picture. Without this the text is whole.

import { Figure } from "../figures/figure.js";
import { picture } from "../figures/picture.js";
import { nameSymbols } from "../words/symbols.js";

/** The words of the text that set a figure become buttons. */
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

/** On paper all formulas are open, and figures that have not begun are the pictures that stand in them. */
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
