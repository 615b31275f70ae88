// Draws the part "How much a noisy picture still knows". Each row shows pictures that the model decodes from the same
// latent (a noised picture x_t) with several seeds, or from mixtures of two latents.
import { find, write } from "../../drawing/dom.js";
import { Source } from "../../form/source.js";
import { Rows } from "../../player/rows.js";
import { Panel } from "../../run/panel.js";
import { LEAD, WORDS } from "../../words/rows.js";

/** @import { Page, Part } from "../../app.js" */
/** @import { Result } from "../../player/rows.js" */

/** The first result of a run, before its pictures. @typedef {import("../../plans/rows.js").Shown & { mode: keyof typeof LEAD }} Plan */

/** Build the part. Its element has the form's mode in data-mode and the number of finished rows in data-rows. @param {Page} page @param {string} part @returns {Part} */
export function mount(page, part) {
  const rows = new Rows("latents");
  /** @type {Panel<Result>} */
  const panel = new Panel(page, part, { take, render, finish: () => rows.outcome });
  const { form } = panel;
  const mode = () => /** @type {keyof typeof LEAD} */ (form.value("mode"));
  const source = new Source(panel, "picture", WORDS.picture, WORDS.sample);
  const other = new Source(panel, "picture_b", WORDS.second, WORDS.sample);
  form.adopt("picture", source);
  form.adopt("picture_b", other);
  form.place("seed").before(source.element);
  form.place("seed_b").before(other.element);
  find(rows.root, ".rows").before(panel.origin);
  panel.stage.append(rows.root);

  /** Draw a result of the newest run. @param {Result} result */
  function take(result) {
    if (result.kind === "plan") {
      const { mode } = /** @type {Plan} */ (result);
      rows.saysApart = mode !== "interpolate";
      rows.root.dataset.mode = mode; // used by the style sheet
    }
    rows.take(result);
  }

  /** Draw the rows again, after the run's state or the form has changed. */
  function render() {
    rows.render();
    panel.element.dataset.mode = mode();
    write(find(rows.root, ".lead"), LEAD[mode()]);
    panel.element.dataset.rows = String(rows.done);
  }
  return panel.asPart(["png", "gif", "webp"], () => rows.done > 0, { slide: rows.slide });
}
