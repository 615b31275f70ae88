// What a noisy picture remembers: rows of pictures, decoded from latents that are shared or mixed.
import { el, find } from "../shared/dom.js";
import { Panel } from "../shared/panel.js";
import { Rows } from "../shared/rows.js";
import { Source } from "../shared/source.js";

/** @import { Lab, Part } from "../app.js" */
/** @import { Result } from "../shared/rows.js" */

const LEAD = {
  reconstruct:
    "Each row noises the picture up to t, and undoes the noise several times, with new noise each time. What the pictures of a row share is what xₜ still knows (Fig. 7).",
  interpolate:
    "Each row noises both pictures up to t, mixes the two latents, and undoes the noise, with the same noise for every mix. Small t blends pixels, large t invents (Figs. 8, 9).",
};
/** The server's plan, and what its rows are called. @typedef {import("../shared/rows.js").Plan & { mode: keyof typeof LEAD, times: number[] }} Plan */

const STAGE = `
<p class="lead"></p>
<div class="sources" hidden></div>
<div class="rows"></div>
<div class="transport" hidden>
  <span class="at"></span>
</div>
`;

/** Its element has data-mode, and data-rows: how many are finished. @param {Lab} lab @param {string} part @returns {Part} */
export function mount(lab, part) {
  const body = el("div", { class: "latents chains" });
  body.innerHTML = STAGE;
  const rows = new Rows(body);
  /** @type {Panel<Result>} */
  const panel = new Panel(lab, part, {
    take,
    renew: () => rows.clear(),
    render,
    offer: (about) => {
      const times = panel.form.place("times").querySelector("input");
      if (times) times.placeholder = about.times.join(", ");
      for (const source of sources) source.offer(about);
    },
    extra: () => ({ picture: sources[0].text, picture_b: mode() === "interpolate" ? sources[1].text : "" }),
    missing: () => sources.slice(0, mode() === "interpolate" ? 2 : 1).find(({ missing }) => missing)?.missing,
  });
  const { form } = panel;
  const mode = () => /** @type {keyof typeof LEAD} */ (form.value("mode"));
  const sources = ["The picture", "The second picture"].map(
    (title) =>
      new Source(
        lab,
        title,
        "Sample of the seed",
        () => String(form.value("checkpoint")),
        () => panel.changed("picture", true),
      ),
  );
  form.place("seed").before(sources[0].root);
  form.place("seed_b").before(sources[1].root);
  panel.stage.append(body);

  /** @param {Result} result */
  function take(result) {
    if (result.kind !== "plan") return rows.take(result);
    const { mode, times } = /** @type {Plan} */ (result);
    const two = mode === "interpolate";
    body.dataset.mode = mode;
    const titles = times.map((t) => `t = ${t}`);
    const sources = two ? ["First picture", "Second picture"] : ["The picture, x₀"];
    return rows.take({ ...result, titles, sources, what: two ? "pictures between the two" : "reconstructions" });
  }

  function render() {
    rows.render();
    panel.element.dataset.mode = mode();
    find(body, ".lead", HTMLElement).textContent = LEAD[mode()];
    const two = mode() === "interpolate";
    sources[1].root.hidden = !two;
    form.show("seed_b", two);
    form.showOptions();
    panel.element.dataset.rows = String(rows.done);
  }

  render();
  panel.showExample((results) => {
    for (const result of results) take(result);
  });
  return {
    element: panel.element,
    async set(values, eager) {
      await panel.set(values, eager);
      if (values.picture) await sources[0].restore(String(values.picture));
      if (values.picture_b) await sources[1].restore(String(values.picture_b));
    },
    items: () => panel.items(lab.given.initial.latents.kinds, rows.done > 0),
  };
}
