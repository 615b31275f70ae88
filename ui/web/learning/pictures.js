// The training pictures: the digits, or the visitor's files. The files never leave the browser.

import { checkPixels } from "../drawing/canvas.js";
import { ofNpy, unzipped } from "../files/unzip.js";
import { withChannels } from "../pictures/fit.js";
import { open } from "../pictures/open.js";
import { resized } from "../pictures/resize.js";
import { continueWithout, UserError } from "../process/errors.js";
import { PICTURES } from "../words/learning.js";

/** @import { Rest } from "../files/file.d.ts" */

/**
 * @typedef {object} Pictures
 * @property {"digits" | "drawings" | "own"} kind
 * @property {Uint8Array} images count × side × side × channels
 * @property {number} count
 * @property {28 | 32} side pixels
 * @property {1 | 3} channels
 * @property {Uint16Array | null} labels
 * @property {string[]} classes the names of the labels
 * @property {Uint8Array} originals the pictures that samples are compared with: drawings before they were varied, or all images
 */

/** A file of the visitor, with the path from the chosen folder: "holiday/beach/1.jpg". @typedef {{ file: File, path: string }} Chosen */

export const FEWEST = 5; // smallest number of the visitor's pictures
// Largest number of the visitor's pictures: as many as there are digits. A training of a few minutes shows each
// picture about eight times.
export const MOST = 3000;
const [SMALL, LARGE] = /** @type {const} */ ([28, 32]); // side of training pictures, in pixels: 28 if all cropped pictures are at most 28 pixels large, else 32, as in `train fit`
const DECODED = 256; // if a picture's shorter side exceeds this many pixels, blocks of pixels are averaged first, which is quicker

/** Fetch the 3,000 digits that come with the lab. @param {string | URL} url of digits.npz @returns {Promise<Pictures>} */
export async function digits(url) {
  const answer = await fetch(url).catch(continueWithout("the digits"));
  if (!answer?.ok) throw new UserError(PICTURES.digits);
  const files = await unzipped(new Uint8Array(await answer.arrayBuffer()));
  const [pixels, labels, classes] = ["images", "labels", "classes"].map((name) =>
    ofNpy(files.get(`${name}.npy`) ?? new Uint8Array()),
  );
  const images = /** @type {Uint8Array} */ (pixels.data);
  return {
    ...{ kind: "digits", images, count: pixels.shape[0], side: SMALL, channels: 1, originals: images },
    ...{ labels: Uint16Array.from(labels.data, Number), classes: Array.from(classes.data, String) },
  };
}

/** Return the files of an input for files or for a folder, with their paths. @param {Iterable<File>} files @returns {Chosen[]} */
export const chosen = (files) => Array.from(files, (file) => ({ file, path: file.webkitRelativePath || file.name }));

/** Return the dropped files, including the files in dropped folders. Call this inside the handler of the drop event. @param {DataTransfer} transfer @returns {Promise<Chosen[]>} */
export async function dropped({ items }) {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry());
  return (await Promise.all(entries.map((entry) => (entry ? below(entry) : [])))).flat();
}

/** Return the files below an entry. Unreadable entries are skipped. @param {FileSystemEntry} entry @returns {Promise<Chosen[]>} */
async function below(entry) {
  if (entry.isFile) {
    const found = new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
    return found.then((file) => [{ file, path: entry.fullPath.slice(1) }], continueWithout("a file", []));
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([]))); // a browser returns at most 100 entries in a call
    if (!some.length) return all;
    for (const one of some) all.push(...(await below(one)));
  }
}

/**
 * Return training pictures from the visitor's files: the middle square of each, in the size of the network. Throws a
 * UserError for too few.
 * @param {Chosen[]} files @param {Rest} rest
 * @returns {Promise<{ pictures: Pictures, said: string[] }>} said: sentences about files that could not be used
 */
export async function ownPictures(files, rest) {
  checkPixels();
  const shown = inFolders(files.filter(({ path }) => !/(^|\/)(\.|__MACOSX\/)/.test(path)));
  const count = Math.min(MOST, shown.length);
  const taken = Array.from({ length: count }, (_, k) => shown[Math.floor((k * shown.length) / count)]);
  const [read, unread] = [/** @type {(Read & { path: string[] })[]} */ ([]), /** @type {string[]} */ ([])];
  for (const [i, { file, path }] of taken.entries()) {
    const found = await squares(file).catch(continueWithout(file.name)); // the page lists the files that could not be read
    if (found) read.push({ ...found, path });
    else unread.push(file.name);
    await rest(i + 1, taken.length);
  }
  if (read.length < FEWEST) throw new UserError(PICTURES.few(read.length, FEWEST));
  const said = unread.length ? [PICTURES.unread(unread)] : [];
  if (taken.length < shown.length) said.push(PICTURES.many(shown.length, taken.length));
  return { pictures: joined(read), said };
}

/** A picture in colour, in both training sizes: 28 × 28 and 32 × 32 pixels. small: null if the picture is larger than 28 × 28. @typedef {{ small: Uint8Array | null, large: Uint8Array }} Read */

/** Sort files by path, and split the paths. Folders that all paths share are removed. @param {Chosen[]} files */
function inFolders(files) {
  const sorted = files.map(({ file, path }) => ({ file, path: path.split("/") }));
  sorted.sort((a, b) => (a.path.join("/") < b.path.join("/") ? -1 : 1));
  const [first] = sorted;
  let shared = 0;
  while (first && sorted.every(({ path }) => path.length > shared + 1 && path[shared] === first.path[shared])) shared++;
  return sorted.map(({ file, path }) => ({ file, path: path.slice(shared) }));
}

/** Return the middle square of a picture file in the training sizes, as `square` of ddpm_core/imaging/image_files.py makes it. @param {File} file @returns {Promise<Read>} */
async function squares(file) {
  const whole = await open(file, (long, short) => Math.ceil((DECODED * long) / short));
  const { width, height } = whole;
  const short = Math.min(width, height);
  const [left, top] = [(width - short) / 2, (height - short) / 2];
  const colours = withChannels(whole, 3);
  const fit = (/** @type {number} */ size) =>
    resized(colours, size, size, "bicubic", [left, top, left + short, top + short]).data;
  return { small: short > SMALL ? null : fit(SMALL), large: fit(LARGE) };
}

/** Return training pictures that all have one size. The pictures have one channel if all are grey, else three channels. @param {(Read & { path: string[] })[]} read @returns {Pictures} */
function joined(read) {
  const side = read.every(({ small }) => small) ? SMALL : LARGE;
  const all = read.map(({ small, large }) => /** @type {Uint8Array} */ (side === SMALL ? small : large));
  const isGrey = all.every((data) => data.every((level, i) => level === data[i - (i % 3)]));
  const [channels, size] = [isGrey ? 1 : 3, side * side];
  const images = new Uint8Array(all.length * size * channels);
  for (const [n, data] of all.entries())
    images.set(isGrey ? data.filter((_, i) => i % 3 === 0) : data, n * size * channels);
  const names = read.every(({ path }) => path.length > 1) ? read.map(({ path }) => path[0]) : [];
  const classes = inOrder([...new Set(names)]);
  const labels = classes.length > 1 ? Uint16Array.from(names, (name) => classes.indexOf(name)) : null;
  return {
    ...{ kind: "own", images, count: all.length, side, channels: /** @type {1 | 3} */ (channels), originals: images },
    ...{ labels, classes: labels ? classes : [] },
  };
}

/** Sort names alphabetically; if all names are whole numbers, sort them by value. @param {string[]} names */
const inOrder = (names) =>
  names.every((name) => /^\d+$/.test(name)) ? names.sort((a, b) => Number(a) - Number(b)) : names.sort();
