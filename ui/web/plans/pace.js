// How long a run will take: the steps of its plan, times the seconds for a step that an engine has measured.

import { UserError } from "../process/errors.js";
import { downloads } from "../words/checkpoints.js";
import { expected } from "../words/units.js";
import { RUN } from "../words/wrong.js";
import { evaluations, left } from "./plan.js";
import { gain } from "./strands.js";

/** @import { Pace, PaceOf } from "../messages/protocol.d.ts" */
/** @import { Plan, StepKind } from "./plan.js" */

const QUICK = 3; // seconds: a run that takes less starts without a press on Run

/**
 * The seconds of a step, or null if no step was measured. They are scaled in proportion from the measured batch whose size is
 * nearest. Two lanes share evaluations, so a step of one of them is quicker than a step alone. Where only a step alone was
 * measured, its time is used.
 * @param {PaceOf | undefined} pace of its checkpoint @param {StepKind} kind
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
 * The names of everything whose speed determines a run's time: its checkpoints, and what else its steps compute.
 * @param {string[]} refs
 * @param {Plan | null} plan
 */
export const namesOf = (refs, plan) => [...new Set([...refs, ...(plan?.steps ?? []).map(({ kind }) => kind.ref)])];

/**
 * Whether all paces are measured and none can change before a run ends. The page need not ask again then.
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
 * What a run costs, in words and in seconds. seconds is null if the time is not known, or if a model must be downloaded
 * first. auto says whether the run is so quick that it may start by itself; null if its time is not known yet. Throws a
 * UserError if the run is over the limit of its machine.
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
