// Watch: one run of the reverse chain. What opens is a recorded one, already playing.
import { Player } from "../player/player.js";
import { Recording } from "../player/recording.js";
import { Panel } from "../shared/panel.js";

/** @import { Lab, Part } from "../app.js" */
/** @import { Result } from "../player/recording.js" */

/** @param {Lab} lab @param {string} part @returns {Part} */
export function mount(lab, part) {
  const player = new Player(lab.client);
  /** @type {Panel<Result>} */
  const panel = new Panel(lab, part, {
    take: (result) => player.take(result),
    renew: () => player.start(),
    render() {
      player.active = panel.stream.active;
      const { form } = panel;
      form.show("guidance", form.value("label") !== "any");
      form.show("variance", form.value("sampler") === "ddpm");
      form.show("eta", form.value("sampler") === "ddim");
    },
  });
  panel.stage.append(player.root);
  panel.options.render();
  panel.showExample((results) => {
    const recording = new Recording();
    for (const result of results) recording.take(result);
    player.open(recording);
  });
  return {
    element: panel.element,
    set: (values, eager) => panel.set(values, eager),
    hide: () => player.hide(),
    items: () => panel.items(["png", "gif", "webp", "strip", "zip"], player.view.coming.count > 0),
    key: (event) => player.key(event),
  };
}
