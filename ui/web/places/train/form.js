// The choices of a training: one select for each group, and what the chosen option does under it.
import { el } from "../../shared/dom.js";

/** @import { Group } from "./server.js" */

const AT_ONCE = 4; // groups that are seen without opening "More"

/**
 * Fill the form. Returns a function that gives what is chosen, by the names of the groups; own pictures have a `path`.
 * @param {HTMLFormElement} form
 * @param {Group[]} groups
 * @returns {() => Record<string, string>}
 */
export function choices(form, groups) {
  const path = el("input", {
    type: "text",
    id: "train-path",
    "aria-label": "Folder or data set",
    placeholder: "a folder, .parquet, .npz, or cifar10",
    spellcheck: "false",
  });
  const selects = groups.map((group) => {
    const select = el("select", { id: `train-${group.name}`, name: group.name });
    for (const { name, label } of group.options) select.append(el("option", { value: name }, label));
    select.value = group.first;
    return select;
  });
  const fields = groups.map((group, i) => {
    const select = selects[i];
    const said = el("p", { id: `train-${group.name}-said` });
    select.setAttribute("aria-describedby", said.id);
    const tell = () => {
      said.textContent = group.options.find(({ name }) => name === select.value)?.sentence ?? "";
      if (group.name === "data") path.hidden = select.value !== "own";
    };
    select.addEventListener("change", tell);
    tell();
    const own = group.name === "data" ? [path] : [];
    return el("div", { class: "field" }, el("label", { for: select.id }, group.label), select, ...own, said);
  });
  const rest = el("details", { class: "more" }, el("summary", null, "More"), ...fields.slice(AT_ONCE));
  form.replaceChildren(...fields.slice(0, AT_ONCE), rest);
  form.addEventListener("submit", (event) => event.preventDefault());
  return () => ({
    ...Object.fromEntries(selects.map((select) => [select.name, select.value])),
    path: path.value,
  });
}
