// How long a run takes, before it starts: from the steps of its plan, and from what an engine tells of its pace.

import { UserError } from "../process/errors.js";
import { downloads, expected } from "../words/units.js";
import { RUN } from "../words/wrong.js";
import { evaluations, left } from "./plan.js";
import { gain } from "./strands.js";

/** @import { Pace, PaceOf } from "../messages/protocol.d.ts" */
/** @import { Plan, StepKind } from "./plan.js" */

const QUICK = 3; // seconds: runs that take less start by themselves

/**
 * Seconds of a step, scaled in proportion from the nearest batch that was measured; null where none was. Lanes share
 * evaluations, so a step of one of two is quicker than a step alone: that time is taken until the other was measured.
 * @param {PaceOf | undefined} pace of its checkpoint @param {StepKind} kind
 */
export function secondsOf(pace, { batch, lanes }) {
  const measured = pace?.seconds ?? [];
  const own = measured.filter(([of]) => of === lanes);
  const known = own.length ? own : measured.filter(([of]) => of === 1);
  if (!known.length) return null;
  const distance = (/** @type {number[]} */ [, images]) => Math.abs(Math.log(images / batch));
  const [, images, seconds] = known.reduce((best, one) => (distance(one) < distance(best) ? one : best));
  return (seconds * batch) / images;
}

/** What has to be asked of an engine for a run: its checkpoints, and what else takes time. @param {string[]} refs @param {Plan | null} plan */
export const namesOf = (refs, plan) => [...new Set([...refs, ...(plan?.steps ?? []).map(({ kind }) => kind.ref)])];

/** Whether a pace says all there is to know, and stays as it is until a run has ended. @param {Pace} pace */
export const isSettled = ({ paces, busy }) =>
  !busy && Object.values(paces).every(({ seconds, download }) => seconds.length > 0 && !download);

/** Throw where a run needs more computing than its machine allows. @param {Plan} plan @param {Pace} pace */
function checkLimit(plan, { paces, tflop }) {
  const flop = (/** @type {string} */ ref) => paces[ref]?.flop ?? 0;
  const total = plan.steps.reduce((sum, { kind, n }) => sum + n * kind.batch * flop(kind.ref), 0);
  if (tflop === null || total <= 1e12 * tflop) return;
  const steps = plan.steps.reduce((sum, { n }) => sum + n, 0);
  const all = evaluations(plan.steps);
  throw new UserError(RUN.long(steps, all / steps, total / all, tflop));
}

/**
 * What a run takes, its download included. seconds is null where it is not known, or where something has to be downloaded
 * first. auto: whether it may start by itself, as it is quick; null while its time is not known yet. Throws a sentence for a
 * run over the limit of its machine.
 * @param {Plan | null} plan null where a model is not here @param {Pace} pace
 * @returns {{ estimate: string, seconds: number | null, auto: boolean | null }}
 */
export function estimate(plan, pace) {
  const { paces, device, busy, workers = 1 } = pace;
  if (plan) checkLimit(plan, pace);
  const alone = plan && left(plan.steps, (kind) => secondsOf(paces[kind.ref], kind));
  const seconds = plan && alone && alone / gain(plan, workers);
  const text = expected(seconds, plan && !plan.refs.length ? "CPU" : device);
  const missing = Object.entries(paces).flatMap(([ref, { download }]) => (download ? [{ ref, bytes: download }] : []));
  if (missing.length) return { estimate: downloads(missing, text), seconds: null, auto: false };
  return { estimate: text, seconds, auto: seconds === null ? null : seconds < QUICK && !busy };
}
