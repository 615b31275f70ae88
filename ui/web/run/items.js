// The entries of a part's Share menu: files of its run, a slide, and scripts. The code that makes them loads only when
// it is needed.

import { SHARE, WORDS } from "../words/page.js";
import { FILES } from "../words/pictures.js";

/** @import { Page, Part } from "../app.js" */
/** @import { Panel } from "./panel.js" */
/** @import { Slide } from "./slide.js" */
/** @import { Item } from "../messages/client.js" */
/** @import { Scripts } from "../plans/plan.js" */

/**
 * @param {Panel<any>} panel @param {string[]} kinds of files @param {boolean} some whether there is something to save
 * @param {Part["slide"]} [slide] @returns {Item[]}
 */
export function itemsOf(panel, kinds, some, slide) {
  const { page, part, standing, recorded } = panel;
  const isSeen = some && standing.state.sketch !== "over";
  if (recorded) kinds = [];
  const films = kinds.filter((kind) => kind === "gif");
  // No PNG beside a ZIP, because the ZIP contains its pixels
  const others = kinds.filter((kind) => kind !== "gif" && (kind !== "png" || !kinds.includes("zip")));
  const link = () => page.link(part, panel.ran);
  const pictures = slide && isSeen ? [slideItem(page, slide, link, () => panel.description?.summary ?? "")] : [];
  const research = [...filesOf(panel, others, isSeen), ...(recorded ? [] : scriptsOf(panel))];
  return [...pictures, ...filesOf(panel, films, isSeen), ...research.map((item) => ({ ...item, research: true }))];
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

/**
 * The entry of Share that saves a slide.
 * @param {Page} page @param {() => Slide | Promise<Slide>} make @param {() => URL} link of what is shown @param {() => string} [summary] the settings, if the slide has none
 * @returns {Item}
 */
export const slideItem = (page, make, link, summary = () => "") => ({
  title: SHARE.slide,
  save: async () => {
    const slide = await make(); // the slide is made first, so that it shows what was visible at the press
    return (await import("./slide.js")).save(page, slide, link(), summary());
  },
});

/**
 * Write the scripts for the form's values while the menu is open. A press can then copy them at once: browsers refuse
 * to copy later.
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
  return [{ ...script(SHARE.python, "", SHARE.writing), written }];
}

/** @param {string} title @param {string} [text] "" if there is none @param {string} [why] there is none @returns {Item} */
const script = (title, text = "", why = "") => ({
  title,
  copy: () => text,
  what: SHARE.script,
  disabled: text ? "" : why,
});
