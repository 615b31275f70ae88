"""What the page does by itself when something is pressed. `values` are those of the controls, in the order of PAGE."""

from __future__ import annotations

import json

from ui.settings import MAX_SEED, PAGE

DRAW = f"String(Math.floor(Math.random() * {MAX_SEED + 1}))"
# The page's address with everything that the controls say; what else is in it stays.
ADDRESS = f"""(values, revision) => {{
  const url = new URL(location.href);
  const said = values.map((value) => value ?? "");
  if (revision && said[0] && !said[0].includes("@")) said[0] += "@" + revision;
  {json.dumps(PAGE)}.forEach((name, i) => url.searchParams.set(name, said[i]));
  const tab = document.querySelector("[role=tab][aria-selected=true]");
  url.searchParams.set("tab", tab ? tab.textContent.trim().toLowerCase() : "denoise");
  return url;
}}"""
# The values are followed by the seed's lock and the revision of the model.
ON_RUN = f"""(...values) => {{
  const revision = values.pop();
  const locked = values.pop();
  if (!locked) values[{PAGE.index("seed")}] = {DRAW};
  document.querySelector("#controls").classList.remove("open");
  window.ddpmPlayer?.starting(values);
  history.replaceState(null, "", ({ADDRESS})(values, revision));
  return [...values, locked, revision];
}}"""
# Without a secure origin there is no navigator.clipboard, and both may refuse: then the text is shown, to copy by hand.
COPY = """async (text, button, what) => {
  const label = button.textContent;
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area);
  area.select();
  const written = navigator.clipboard?.writeText(text) ?? Promise.reject();
  const copied = await written.then(() => true, () => document.execCommand("copy"));
  area.remove();
  if (!copied) return prompt(what, text);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
}"""
ON_COPY_LINK = f"""(...values) => {{
  const revision = values.pop();
  const url = ({ADDRESS})(values, revision);
  history.replaceState(null, "", url);
  ({COPY})(String(url), document.querySelector("#copy-link"), "The link:");
}}"""


def copy_text(button: str) -> str:
    """Copy a text; button: the id of what was pressed."""
    return f"(text) => {{ ({COPY})(text, document.querySelector('#{button}'), 'The script:'); }}"


ON_CHANGE = "(...values) => { window.ddpmPlayer?.settings(values); }"
ON_SUMMARY = """() => {
  const open = document.querySelector("#controls").classList.toggle("open");
  document.querySelector("#summary").setAttribute("aria-expanded", open);
}"""
