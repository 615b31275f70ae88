// Plans the part "The network". Its first run has the whole network. If the visitor changes the network, a second run has
// the changed network. A change switches parts off, or takes the output of a block from a third run with another class or
// prompt. Each of these runs is a lane.

import { classNames } from "../../plans/facts.js";
import { shown } from "../../plans/fields.js";
import { byKind, stepKind } from "../../plans/plan.js";
import { laneAsked, rows, stemOf } from "../../plans/rows.js";
import { copied, lines, load } from "../../plans/scripts.js";
import { args, batch, laneOf, plain, resolved } from "../../plans/settings.js";
import { UserError } from "../../process/errors.js";
import { modelPairs } from "../../process/times.js";
import { keywords, literal } from "../../words/literal.js";
import { NETWORK } from "../../words/wrong.js";
import { askedFor, secondTitle } from "./words.js";

/** @import { Catalogue } from "../../words/catalogue.js" */
/** @import { Facts, Planner, Request, StepKind } from "../../plans/plan.js" */
/** @import { Options, RowsPlan } from "../../plans/rows.js" */

/**
 * The plan of the runs. cut: the parts that are switched off in the second run. grafted: the options of the third run;
 * null if there is none. times: the t of each step. place: the marked place in the picture, down and right, from 0 to
 * below 1; null for none. kind: the kind of all steps, for time estimates. changed: the times at which the second run
 * differs from the first; empty if there is no second run.
 * @typedef {RowsPlan & { cut: string[], grafted: Options | null, times: number[], changed: Set<number>, kind: StepKind, place: [number, number] | null }} NetworkPlan
 */

const OPENED = 4; // on a server, an evaluation with pictures of all blocks costs as much as this many usual evaluations: see ui/parts/network.py
const PART = /^(middle|attention|condition|time|skips \d{1,4}|(down|up) \d)$/;
const BLOCK = /^(middle|(down|up) \d)$/;
const PLACE = /^(\d{1,2}) (\d{1,2})$/;

/** Return the names of the parts that are switched off. Throws a UserError if a name is invalid. @param {string} off names, separated by commas */
function cutOf(off) {
  const names = off
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  const wrong = names.find((name) => !PART.test(name));
  if (wrong !== undefined) throw new UserError(NETWORK.part(shown(wrong)));
  return [...new Set(names)];
}

/** Check a request, and plan its runs. Throws a UserError if the request is invalid. @param {Request} request @param {Facts[]} models @param {Catalogue} catalogue @returns {NetworkPlan} */
function plan(request, [model], catalogue) {
  const { graft, graft_block, first, last, block, checkpoint } = request;
  if ([...graft].length > 300) throw new UserError(NETWORK.prompt([...graft].length));
  const cut = cutOf(request.off);
  const wrong = [block, graft_block].find((name) => !BLOCK.test(name));
  if (wrong !== undefined) throw new UserError(NETWORK.block(shown(wrong)));
  if (graft && !model.num_classes && !model.takes_words) throw new UserError(NETWORK.graft);
  if (graft && cut.includes(graft_block)) throw new UserError(NETWORK.both(graft_block));
  const [, down, right] = request.place.match(PLACE) ?? [];
  if (request.place && !down) throw new UserError(NETWORK.place(shown(request.place)));
  const place = down ? /** @type {[number, number]} */ ([Number(down) / 100, Number(right) / 100]) : null;
  const chain = resolved(plain(laneOf(request)), model, catalogue);
  const other = graft ? plain({ ...chain, ...(model.takes_words ? { prompt: graft } : { label: graft }) }) : null;
  /** Return the options of a lane without its seeds. */
  const optionsOf = (/** @type {typeof chain} */ lane) => {
    const { seeds: _, ...options } = args(lane, model);
    return options;
  };
  const times = modelPairs(model.process, chain.steps, chain.spacing, chain.sampler).map(([t]) => t);
  const apart = cut.length > 0 || graft !== "";
  const changed = new Set(apart ? times.slice(first - 1, last || undefined) : []);
  if (apart && !changed.size) throw new UserError(NETWORK.steps(times.length));
  const options = optionsOf(chain);
  const grafted = other && optionsOf(other);
  const kind = stepKind(checkpoint, batch(chain, model));
  const lanes = 1 + Number(apart) + Number(graft !== "");
  return {
    ...{
      request,
      refs: [checkpoint],
      images: 1,
      model,
      options,
      cut,
      times,
      changed,
      place,
      grafted,
      columns: 1,
      kind,
    },
    stem: stemOf(request, "network", catalogue),
    steps: byKind([kind, (catalogue.words.static ? 1 : OPENED) * lanes * times.length]),
  };
}

/** Return the first result for the page: the network's blocks and the settings of the runs. @type {Planner<NetworkPlan>["shown"]} */
function shownOf({ request, model, cut, times, place, grafted }, { blocks, skips, r2, figures }) {
  const { checkpoint, graft, graft_block, first, last, block } = request;
  // A request may contain the number of a class, but the page shows the name of the class.
  const label = grafted?.labels ?? null;
  const donor = label === null ? graft : classNames(model)[label];
  return {
    ...{ kind: "plan", blocks, skips, r2, figures },
    ...{ checkpoint, steps: times.length, block, place, asked: askedFor(request, model) },
    ...{ second: secondTitle(request, cut, donor, times, model), grafted: graft && graft_block },
    span: [first, last || times.length],
  };
}

/** @type {Planner<NetworkPlan>} */
export const planner = {
  ...rows,
  plan,
  prepare: async () => {},
  scripts: (plan) => ({ python: copied(() => script(plan)) }),
  shown: shownOf,
  /** Return the request to a server. */
  asked({ request, grafted, ...plan }) {
    const { seed, block, graft_block, first, last } = request;
    return {
      ...laneAsked(plan),
      ...{ seed, block, cut: plan.cut, place: plan.place, first, last },
      graft: grafted && { block: graft_block, lane: laneAsked({ ...plan, options: grafted }).lane },
    };
  },
};

/** Return a Python script that repeats the last run with ddpm_core. The script saves x̂_0 of each step, and the estimates of the model's readers (linear probes) if the model has readers. @param {NetworkPlan} plan */
function script({ request, model, options, cut, times, changed, grafted, place }) {
  const { checkpoint, seed, graft_block: block } = request;
  const every = changed.size === times.length;
  /** Return the options that are not null as Python keyword arguments. */
  const keywordsOf = /** @type {(options: Options) => string} */ (given) =>
    keywords(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)));
  // Heun's sampler also evaluates the network between the times of the steps: after churn, and at the end of a step.
  const isHeun = options.sampler === "heun";
  const low = times.find((t) => t < Math.min(...changed)) ?? 0;
  const high = times.findLast((t) => t > Math.max(...changed));
  const inside = isHeun ? `${low} < t${high ? ` < ${high}` : ""}` : "t in times";
  const when = every ? "" : `, when=lambda t: ${inside}`;
  const taken = isHeun ? "taken[t]" : `donor.taps[${literal(block)}]`;
  const kept = ["taken = {}", `donor.change(${literal(block)}, lambda found, t: taken.update({t: found}) or found)`];
  const graft = [
    "donor = ddpm_core.inside(model)",
    ...(isHeun ? kept : []),
    `opened.change(${literal(block)}, lambda found, t: ${taken}${every ? "" : ` if ${inside} else found`})`,
    `steps = zip(ddpm_core.trajectory(donor.model, [${seed}], ${keywordsOf(grafted ?? options)}),`,
    `            ddpm_core.trajectory(opened.model, [${seed}], ${keywordsOf(options)}))`,
    "for _, step in steps:",
  ];
  const seen = [
    "    for name, heads in opened.looks.items():",
    "        maps = (255 * heads[0] / heads[0].max()).round().byte().flatten(0, 1)",
    '        Image.fromarray(maps.numpy()).save(f"step-{step.index + 1}-{name}.png")',
  ];
  const read = [
    "    read = [model.pictures(readers.read(name, tap[:1], opened.t))[0] for name, tap in opened.taps.items()]",
    "    x_0 = np.concatenate([*read, x_0], 1)",
  ];
  return lines(
    ...(model.readers ? ["import numpy as np"] : []),
    "from PIL import Image",
    "",
    "import ddpm_core",
    "",
    `model = ${load(checkpoint, model)}`,
    "opened = ddpm_core.inside(model)",
    ...(model.readers ? ["readers = ddpm_core.readers(model)"] : []),
    ...(changed.size && !every && !isHeun ? [`times = ${literal([...changed])}`] : []),
    ...(place ? [`opened.look(${place.join(", ")})`] : []),
    ...(cut.length ? [`opened.cut(${cut.map((name) => literal(name)).join(", ")}${when})`] : []),
    ...(grafted ? graft : [`for step in ddpm_core.trajectory(opened.model, [${seed}], ${keywordsOf(options)}):`]),
    "    x_0 = model.pictures(step.x0_hat)[0]",
    ...(model.readers ? read : []),
    '    Image.fromarray(x_0.squeeze()).save(f"step-{step.index + 1}.png")',
    ...(place ? seen : []),
  );
}

/** Load the module that saves results. */
export const files = () => import("../../files/rows.js");
