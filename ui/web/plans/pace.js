// Estimate how long a run takes: the number of its steps times the measured seconds of a step.

import { UserError } from "../process/errors.js";
import { downloads } from "../words/checkpoints.js";
import { expected } from "../words/units.js";
import { RUN } from "../words/wrong.js";
import { evaluations, left } from "./plan.js";
import { gain } from "./strands.js";

/** @import { Pace, PaceOf } from "../messages/protocol.d.ts" */
/** @import { Plan, StepKind } from "./plan.js" */

const QUICK = 3; // a run that takes less than this many seconds starts without a press on Run

/**
 * Return the seconds of a step, or null if no step was measured. The time of the nearest measured batch size is
 * scaled in proportion. Steps of two lanes that share evaluations are quicker, so their time is measured separately;
 * if there is no such measurement, the time of a single lane is used.
 * @param {PaceOf | undefined} pace of the step's checkpoint @param {StepKind} kind
 */
export function secondsOf(pace, { batch, lanes }) {
  const measured = pace?.seconds ?? [];
  const alike = measured.filter(([measuredLanes]) => measuredLanes === lanes);
  const usable = alike.length ? alike : measured.filter(([measuredLanes]) => measuredLanes === 1);
  if (!usable.length) return null;
  const distance = (/** @type {number[]} */ [, images]) => Math.abs(Math.log(images / batch));
  const [, images, seconds] = usable.reduce((best, other) => (distance(other) < distance(best) ? other : best));
  return (seconds * batch) / images;
}

/**
 * Return the names of all kinds of steps in a run: its checkpoints, and other computations.
 * @param {string[]} refs
 * @param {Plan | null} plan
 */
export const namesOf = (refs, plan) => [...new Set([...refs, ...(plan?.steps ?? []).map(({ kind }) => kind.ref)])];

/**
 * Return whether all paces are measured, and none can change before a run ends. If so, the page keeps the paces.
 * @param {Pace} pace
 */
export const isSettled = ({ paces, busy }) =>
  !busy && Object.values(paces).every(({ seconds, download }) => seconds.length > 0 && !download);

/** Throw if a run needs more computing than its machine allows. @param {Plan} plan @param {Pace} pace */
function checkLimit(plan, { paces, tflop }) {
  const flop = (/** @type {string} */ ref) => paces[ref]?.flop ?? 0;
  const total = plan.steps.reduce((sum, { kind, n }) => sum + n * kind.batch * flop(kind.ref), 0);
  if (tflop === null || total <= 1e12 * tflop) return;
  const steps = plan.steps.reduce((sum, { n }) => sum + n, 0);
  const all = evaluations(plan.steps);
  throw new UserError(RUN.long(steps, all / steps, total / all, tflop));
}

/**
 * Estimate a run, in words and in seconds. seconds is null if the time is not known, or if a model must be downloaded
 * first. auto is whether the run is so quick that it may start by itself; null if the time is not known. Throws a
 * UserError if the run exceeds the limit of its machine.
 * @param {Plan | null} plan null if the files of a model are not here @param {Pace} pace
 * @returns {{ estimate: string, seconds: number | null, auto: boolean | null }}
 */
export function estimate(plan, pace) {
  const { paces, device, busy, workers = 1 } = pace;
  if (plan) checkLimit(plan, pace);
  const alone = plan && left(plan.steps, (kind) => secondsOf(paces[kind.ref], kind));
  const seconds = plan && alone && alone / gain(plan, workers);
  const text = expected(seconds, device);
  const missing = Object.entries(paces).flatMap(([ref, { download }]) => (download ? [{ ref, bytes: download }] : []));
  if (missing.length) return { estimate: downloads(missing, text), seconds: null, auto: false };
  return { estimate: text, seconds, auto: seconds === null ? null : seconds < QUICK && !busy };
}
