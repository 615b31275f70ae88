// Makes the files of a run: the final pictures and a film strip as PNG, the trajectory as GIF or WebP, a table as CSV,
// and a ZIP. All but the CSV contain the settings as JSON: PNG as Description, GIF as comment, WebP in its EXIF data,
// ZIP as settings.json.

import { grid } from "../pictures/compose.js";
import { thin } from "../plans/kept.js";
import { forRun } from "../plans/scripts.js";
import { seedsOf } from "../plans/settings.js";
import { UserError } from "../process/errors.js";
import { flat } from "../process/floats.js";
import { gaussian } from "../process/noise.js";
import { json } from "../words/literal.js";
import { NOTHING } from "../words/wrong.js";
import { ANIMATED } from "./animations.js";
import { utf8 } from "./bytes.js";
import { film, strip } from "./labels.js";
import { stem } from "./names.js";
import { png } from "./png.js";
import { MOMENTS, measure, moments, settings, table, titles } from "./record.js";
import { npy, zip } from "./zip.js";

/** @import { Catalogue } from "../words/catalogue.js" */
/** @import { File, Rest } from "./file.d.ts" */
/** @import { Frames, Planned, Run } from "./record.js" */

/** The end of a file's name, after the name of the run, by the kind of file. @type {Record<string, string>} */
const SUFFIX = { png: ".png", gif: ".gif", webp: ".webp", strip: "-strip.png", csv: ".csv", zip: ".zip" };
const STRIP = 10; // most moments of a film strip

/**
 * Make a file of a run. Throw a UserError if the run has no picture yet.
 * @param {string} kind a key of SUFFIX @param {Run} run @param {Catalogue} catalogue @param {Rest} rest
 * @returns {Promise<File>}
 */
export async function save(kind, { plan, about, frames: kept, x0 }, catalogue, rest) {
  const frames = kept.map((lane) => new Map(lane));
  if (!frames.some(({ size }) => size)) throw new UserError(NOTHING.picture);
  const said = settings(plan, frames, about);
  const name = `${stem(plan.lanes, frames, catalogue)}${SUFFIX[kind]}`;
  if (kind === "png") return [name, await png(final(plan, frames), json(said))];
  if (kind === "csv") return [name, table(plan, await measure(plan, frames, rest), catalogue)];
  if (kind === "zip") return [name, zip(await everything(plan, frames, x0, json(said, 2), catalogue, rest))];
  const all = moments(plan, frames);
  const shown = thin(all, MOMENTS[kind] ?? all.length);
  const called = titles(plan, catalogue);
  if (kind === "strip")
    return [name, await png(strip(thin(shown, STRIP), plan.lanes.length === 2 ? called : []), json(said))];
  return [name, await ANIMATED[kind](film(shown, called, kind), shown.length, json(said), rest)];
}

/**
 * Return the last pictures of all lanes as one picture: one lane fills a square, each of two lanes a row; more lanes are
 * the cells of the part Grid.
 * @param {Planned} plan @param {Frames} frames
 */
function final({ lanes }, frames) {
  const last = frames.flatMap((lane) => (lane.size ? [lane.get(Math.max(...lane.keys())) ?? []] : []));
  const { count } = lanes[0];
  const cells = new Set(lanes.map(({ steps }) => steps)).size * count;
  const columns = last.length > 1 ? count : Math.ceil(Math.sqrt(count));
  return grid(last.flat(), lanes.length > 2 ? cells : columns);
}

/**
 * Return the files of a ZIP: the settings, the script, the table, x_T and x_0 as NumPy arrays, and every stored x_t as
 * PNG.
 * @param {Planned} plan @param {Frames} frames @param {Run["x0"]} x0 @param {string} about the settings as JSON
 * @param {Catalogue} catalogue @param {Rest} rest
 * @returns {Promise<[string, Uint8Array][]>}
 */
async function everything(plan, frames, x0, about, catalogue, rest) {
  const { lanes, rows, models } = plan;
  const [{ channels, image_size: size }] = models;
  const seeds = seedsOf(lanes[0]);
  const shape = [seeds.length, channels, size, size];
  const noise = flat(seeds.map((seed) => gaussian(BigInt(seed), 0, channels * size ** 2)));
  const ended = new Map(x0);
  /** @type {[string, Uint8Array][]} */
  const files = [
    ["settings.json", utf8(about)],
    ["steps.csv", utf8(table(plan, await measure(plan, frames, rest), catalogue))],
    ["x_T.npy", npy(noise, shape)],
  ];
  const { python } = forRun(plan, catalogue);
  if (python) files.push(["run.py", utf8(python)]);
  const all = frames.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  for (const [lane, kept] of frames.entries()) {
    const folder = folderOf(lane, lanes.length);
    const end = ended.get(lane); // undefined if the lane has not finished
    if (end) files.push([`${folder}x_0.npy`, npy(end, shape)]);
    for (const [k, pictures] of kept) {
      const s = String(rows[lane][k][1]).padStart(4, "0");
      for (const [i, picture] of pictures.entries())
        files.push([`${folder}seed-${seeds[i]}/x_${s}.png`, await png(picture)]);
      await rest(++done, all);
    }
  }
  return files;
}

/** Return the folder of a lane in a ZIP. @param {number} lane @param {number} lanes number of lanes */
function folderOf(lane, lanes) {
  if (lanes === 1) return "";
  return lanes === 2 ? `lane-${"ab"[lane]}/` : `cell-${String(lane).padStart(2, "0")}/`;
}
