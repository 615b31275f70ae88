// What the page does by itself when something is pressed. `values` are those of the controls, in the order of `names`,
// which is PAGE of ui/runs/settings.py.
import { find } from "../shared/dom.js";

/** @typedef {(string | number | boolean | null)[]} Values */

/** A whole number from 0 to `largest`, as text. @param {number} largest */
export const draw = (largest) => String(Math.floor(Math.random() * (largest + 1)));

/**
 * The page's address with everything that the controls say; what else is in it stays.
 * @param {string | URL} now
 * @param {readonly string[]} names
 * @param {Values} values
 * @param {string | null} revision of the model, which is named first
 * @param {string} tab
 */
export function address(now, names, values, revision, tab) {
  const url = new URL(now);
  const said = values.map((value) => String(value ?? ""));
  if (revision && said[0] && !said[0].includes("@")) said[0] += `@${revision}`;
  for (const [i, name] of names.entries()) url.searchParams.set(name, said[i]);
  url.searchParams.set("tab", tab);
  return url;
}

/** @param {readonly string[]} names @param {Values} values @param {string | null} revision */
function writeAddress(names, values, revision) {
  const tab = document.querySelector("[role=tab][aria-selected=true]")?.textContent.trim().toLowerCase();
  const url = address(location.href, names, values, revision, tab ?? "denoise");
  history.replaceState(null, "", url);
  return String(url);
}

/**
 * Run was pressed: draw a seed where it is not locked, and get the page ready. Returns the values to run with.
 * @param {readonly string[]} names
 * @param {number} largestSeed
 * @param {Values} values
 * @param {boolean} locked
 * @param {string | null} revision
 */
export function run(names, largestSeed, values, locked, revision) {
  const chosen = [...values];
  if (!locked) chosen[names.indexOf("seed")] = draw(largestSeed);
  find(document, "#controls", HTMLElement).classList.remove("open");
  window.ddpmPlayer?.starting(chosen);
  writeAddress(names, chosen, revision);
  return [...chosen, locked, revision];
}

/** @param {readonly string[]} names @param {Values} values @param {string | null} revision */
export const copyLink = (names, values, revision) =>
  copy(writeAddress(names, values, revision), "copy-link", "The link:");

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
