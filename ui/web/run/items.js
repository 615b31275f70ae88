// What the Share menu offers of a panel: files of its run, a slide, and scripts.

import { SHARE } from "../words/page.js";
import { FILES } from "../words/pictures.js";
import { slideItem } from "./slide.js";

/** @import { Part } from "../app.js" */
/** @import { Panel } from "./panel.js" */
/** @import { Item } from "../messages/client.js" */

/**
 * @param {Panel<any>} panel @param {string[]} kinds of files @param {boolean} some whether there is something to save
 * @param {Part["slide"]} [slide] @returns {Item[]}
 */
export function itemsOf(panel, kinds, some, slide) {
  const { page, part, standing, recorded } = panel;
  const isSeen = some && standing.state.sketch !== "over";
  if (recorded) kinds = [];
  const wanted = kinds.filter((kind) => kind !== "png" || !kinds.includes("zip")); // the ZIP has the PNG's pixels, too
  const files = filesOf(panel, wanted, isSeen);
  if (slide && isSeen) {
    const link = () => page.link(part, panel.ran);
    const item = slideItem(page, slide, link, () => panel.description?.summary ?? "");
    files.splice(Number(wanted[0] === "gif"), 0, item);
  }
  return recorded ? files : [...files, ...scriptsOf(panel)];
}

/** @param {Panel<any>} panel @param {string[]} kinds @param {boolean} isSeen @returns {Item[]} */
function filesOf(panel, kinds, isSeen) {
  const { isExample, state } = panel.standing;
  const isHere = isSeen && (isExample ? panel.canRun : state.shown === "run");
  return kinds.map((kind) => ({
    title: isExample ? SHARE.after(FILES[kind] ?? kind, panel.bar.run.textContent) : (FILES[kind] ?? kind),
    save: (say) => panel.save(kind, say),
    disabled: isHere ? "" : SHARE.first,
  }));
}

/** @param {Panel<any>} panel @returns {Item[]} */
function scriptsOf({ page, description }) {
  const { python, diffusers, why } = description ?? {};
  const unknown = description ? SHARE.impossible : SHARE.unknown;
  const script = (/** @type {string} */ title, text = "", wrong = "") => {
    return { title, copy: () => text, what: SHARE.script, disabled: text ? "" : wrong || unknown };
  };
  const { precision } = page.given.device;
  const isCoarse = ["bf16", "fp16"].includes(precision);
  const noted = diffusers && isCoarse ? `${SHARE.precision(precision)}\n${diffusers}` : diffusers;
  const other = diffusers === undefined ? [] : [script(SHARE.diffusers, noted, why)];
  return [script(SHARE.python, python, why), ...other];
}
