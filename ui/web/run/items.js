// The entries of a part's Share menu: files of its run, a slide, and scripts. The modules that make them load only when
// a visitor presses an entry.

import { SHARE, WORDS } from "../words/page.js";
import { FILES } from "../words/pictures.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Panel } from "./panel.js" */
/** @import { Slide } from "./slide.js" */
/** @import { Item } from "../messages/client.js" */
/** @import { Scripts } from "../plans/plan.js" */

/**
 * Return the entries of the Share menu for a part.
 * @param {Panel<any>} panel @param {string[]} kinds kinds of files @param {boolean} some whether there is something to save
 * @param {Part["slide"]} [slide] makes a slide @returns {Item[]}
 */
export function itemsOf(panel, kinds, some, slide) {
  const { page, part, standing, recorded } = panel;
  const isSeen = some && standing.state.sketch !== "over";
  if (recorded) kinds = [];
  const films = kinds.filter((kind) => kind === "gif");
  // a part with a ZIP offers no PNG, because the ZIP contains the same pixels
  const others = kinds.filter((kind) => kind !== "gif" && (kind !== "png" || !kinds.includes("zip")));
  const link = () => page.link(part, panel.ran);
  const pictures = slide && isSeen ? [slideItem(page, slide, link, () => panel.description?.summary ?? "")] : [];
  const research = [...filesOf(panel, others, isSeen), ...(recorded ? [] : scriptsOf(panel))];
  return [...pictures, ...filesOf(panel, films, isSeen), ...research.map((item) => ({ ...item, research: true }))];
}

/** Return an entry for each kind of file. @param {Panel<any>} panel @param {string[]} kinds @param {boolean} isSeen whether there is a result to save @returns {Item[]} */
function filesOf(panel, kinds, isSeen) {
  const { isExample, state } = panel.standing;
  const isHere = isSeen && (isExample ? panel.canRun : state.shown === "run");
  return kinds.map((kind) => ({
    title: isExample ? SHARE.after(FILES[kind] ?? kind, panel.bar.run.textContent) : (FILES[kind] ?? kind),
    save: (say) => panel.save(kind, say),
    disabled: isHere ? "" : SHARE.first,
  }));
}

/**
 * Make the entry that saves a slide.
 * @param {Page} page @param {() => Slide | Promise<Slide>} make makes the slide @param {() => URL} link returns the
 * address of the shown run @param {() => string} [summary] returns the settings, for a slide without settings
 * @returns {Item}
 */
export const slideItem = (page, make, link, summary = () => "") => ({
  title: SHARE.slide,
  save: async () => {
    const slide = await make(); // made before the import, so that the slide shows what was visible at the press
    return (await import("./slide.js")).save(page, slide, link(), summary());
  },
});

/**
 * Return the entries that copy scripts. The scripts are written when the menu opens, because browsers allow copying
 * only directly after a press.
 * @param {Panel<any>} panel
 * @returns {Item[]}
 */
function scriptsOf({ page, part, description }) {
  const plan = description?.order?.plan;
  if (!plan) return [script(SHARE.python, "", description ? SHARE.impossible : SHARE.unknown)];
  const items = (/** @type {Scripts} */ { python, diffusers, why }) => {
    const { precision } = page.given.device;
    const isCoarse = ["bf16", "fp16"].includes(precision);
    const noted = diffusers && isCoarse ? `${SHARE.precision(precision)}\n${diffusers}` : diffusers;
    const other = diffusers === undefined ? [] : [script(SHARE.diffusers, noted, why)];
    return [script(SHARE.python, python, why), ...other];
  };
  const written = page.knowledge.scripts(part, plan).then(items, (error) => {
    console.error(error);
    return [script(SHARE.python, "", WORDS.unloaded)];
  });
  return [{ title: SHARE.python, written }];
}

/** Make an entry that copies a script. @param {string} title @param {string} [text] the script, or "" @param {string} [why] the reason if there is no script @returns {Item} */
const script = (title, text = "", why = "") => ({
  title,
  copy: () => text,
  what: SHARE.script,
  disabled: text ? "" : why,
});
