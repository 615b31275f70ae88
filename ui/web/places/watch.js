// Watch: one run of the reverse chain. What opens is a recorded one, already playing.
import { el } from "../shared/dom.js";
import { Panel } from "../shared/panel.js";
import { Player } from "../player/player.js";
import { Recording } from "../player/recording.js";

/** @import { Lab, Part } from "../app.js" */
/** @import { Item } from "../shared/share.js" */
/** @import { Result } from "../player/recording.js" */

/** What the files of a run are called, by kind. */
export const FILES = { png: "Picture (PNG)", strip: "Film strip (PNG)", gif: "GIF", webp: "WebP", csv: "Steps (CSV)", zip: "Everything (ZIP)" };

/**
 * What can be taken away of a run.
 * @param {Panel<Result>} panel @param {Player} player @param {(keyof typeof FILES)[]} kinds @returns {Item[]}
 */
export function items(panel, player, kinds) {
  const { description } = panel;
  const none = panel.stream.run && player.view.coming.count ? "" : "Run first";
  return [
    ...kinds.map((kind) => ({ title: FILES[kind], save: () => panel.save(kind), disabled: none })),
    { title: "Copy Python", copy: () => description?.python ?? "", what: "The script:", disabled: description?.python ? "" : "Not known yet" },
    { title: "Copy for diffusers", copy: () => description?.diffusers ?? "", what: "The script:", disabled: description?.diffusers ? "" : (description?.why ?? "Not known yet") },
  ];
}

/** @param {Lab} lab @param {string} part @returns {Part} */
export function mount(lab, part) {
  const player = new Player(lab.client);
  /** @type {Panel<Result>} */
  const panel = new Panel(lab, part, {
    take: (result) => player.take(result),
    renew: () => player.start(),
    render: () => {
      player.active = panel.stream.active;
      form.show("guidance", form.value("label") !== "any");
      form.show("variance", form.value("sampler") === "ddpm");
      form.show("eta", form.value("sampler") === "ddim");
      example.hidden = player.view.shown !== recorded;
    },
  });
  const { form } = panel;
  const recorded = new Recording();
  const example = el("p", { class: "example", hidden: true }, "Example: a recorded run. Change anything, and yours begins.");
  panel.stage.append(example, player.root);
  panel.options.render();
  return {
    element: panel.element,
    set: (values, eager) => panel.set(values, eager),
    hide: () => player.hide(),
    items: () => items(panel, player, ["png", "gif", "webp", "strip", "zip"]),
    key: (event) => player.key(event),
  };
}
