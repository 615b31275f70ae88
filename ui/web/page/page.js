// What the page does by itself when something is pressed. `values` are those of the controls, in the order of `names`,
// which is PAGE of ui/runs/settings.py.
import { find } from "../shared/dom.js";

/** @typedef {(string | number | boolean | null)[]} Values */
/** @typedef {(string | null)[]} Revisions of the models of both lanes; of lane B's only where it is another one */

/** The names of the models, in the order of their revisions. */
const MODELS = ["checkpoint", "checkpoint_b"];

/** A whole number from 0 to `largest`, as text. @param {number} largest */
export const draw = (largest) => String(Math.floor(Math.random() * (largest + 1)));

/**
 * The page's address with everything that the controls say; what else is in it stays.
 * @param {string | URL} now
 * @param {readonly string[]} names
 * @param {Values} values
 * @param {Revisions} revisions
 * @param {string} tab
 */
export function address(now, names, values, revisions, tab) {
  const url = new URL(now);
  for (const [i, name] of names.entries()) {
    const said = String(values[i] ?? "");
    const revision = revisions[MODELS.indexOf(name)];
    url.searchParams.set(name, revision && said && !said.includes("@") ? `${said}@${revision}` : said);
  }
  url.searchParams.set("tab", tab);
  return url;
}

/** @param {readonly string[]} names @param {Values} values @param {Revisions} revisions */
function writeAddress(names, values, revisions) {
  const tab = document.querySelector("[role=tab][aria-selected=true]")?.textContent.trim().toLowerCase();
  const url = address(location.href, names, values, revisions, tab ?? "denoise");
  history.replaceState(null, "", url);
  return String(url);
}

/**
 * Run was pressed: draw a seed where it is not locked, and get the page ready. Returns the values to run with.
 * @param {readonly string[]} names
 * @param {number} largestSeed
 * @param {Values} values
 * @param {boolean} locked
 * @param {Revisions} revisions
 */
export function run(names, largestSeed, values, locked, revisions) {
  const chosen = [...values];
  if (!locked) chosen[names.indexOf("seed")] = draw(largestSeed);
  find(document, "#controls", HTMLElement).classList.remove("open");
  window.ddpmPlayer?.starting(chosen);
  writeAddress(names, chosen, revisions);
  return [...chosen, locked, ...revisions];
}

/** @param {readonly string[]} names @param {Values} values @param {Revisions} revisions */
export const copyLink = (names, values, revisions) =>
  copy(writeAddress(names, values, revisions), "copy-link", "The link:");

/**
 * Copy a text, and say so on the button. Without a secure origin there is no navigator.clipboard, and both ways may be
 * refused: then the text is shown, to copy by hand.
 * @param {string} text
 * @param {string} id of the button
 * @param {string} what the text is
 */
export async function copy(text, id, what) {
  const button = find(document, `#${id}`, HTMLElement);
  const label = button.textContent;
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const written = navigator.clipboard?.writeText(text) ?? Promise.reject();
  const copied = await written.then(
    () => true,
    () => document.execCommand("copy"),
  );
  area.remove();
  if (!copied) {
    prompt(what, text);
    return;
  }
  button.textContent = "Copied";
  setTimeout(() => {
    button.textContent = label;
  }, 1500);
}

/** Open or close the settings, on a phone. */
export function toggleSettings() {
  const open = find(document, "#controls", HTMLElement).classList.toggle("open");
  find(document, "#summary", HTMLElement).setAttribute("aria-expanded", String(open));
}
