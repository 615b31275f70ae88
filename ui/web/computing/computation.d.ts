// What the worker computes of a part, and what it hands to such a computation.

import type { Result } from "../messages/protocol.d.ts";
import type { Model } from "../network/model.js";
import type { Picture } from "../pictures/resize.js";
import type { StepKind } from "../plans/plan.js";
import type { Process } from "../process/predict.js";

/** A model that can compute, as its runs take it. */
export type Loaded = Model & Process & { colours: number[][] | null };

/**
 * A step as the page sees it; with s alone undefined, an evaluation that is not shown. Pictures: of a step that is kept, with
 * those of a latent and the attention that words get. state: the numbers of x, of the last step, and of steps at which another
 * run may begin. seconds: what it took.
 */
export interface Seen {
  index: number;
  s: number;
  sigma: number;
  x?: Picture;
  x0?: Picture;
  z?: Picture;
  z0?: Picture;
  attention?: Picture;
  state?: Float32Array;
  seconds?: number;
}

/** The steps of strand `number`. */
export type Chains = (number: number) => AsyncIterator<Seen>;

/** The strands of a phase of a run, which several workers may share. */
export interface Strands {
  next(number: number): Promise<Seen>;
}

/** The first result of a part, for its own module of the page. */
export type Opening = { kind: "plan" } & Record<string, unknown>;

/** Where a run begins: at x_s of an earlier run, which has kept these states; null if that run is not here any more. */
export interface From {
  s: number;
  states: any;
}

/**
 * The run of a computation. recording: what it keeps for files. states: what it keeps so that another run can begin at one of
 * them. from: null for a whole run. R: the results that only this part has.
 */
export interface Work<R = never> {
  recording: any;
  states: any;
  from: From | null;
  addResult(result: Result | Opening | R): void;
  /** Share the strands of a phase of the plan among workers. given: as `Computation.chains` takes it. */
  share(phase: number, given?: any): Strands;
  /** So many steps of a kind are done, which took the seconds since the last call, or others. */
  count(kind: StepKind, steps?: number, seconds?: number): Promise<void>;
}

/**
 * How a plan is computed. record: what is kept for its files, as `Work.recording` while it computes, and as the files need it.
 * after: the rest of a plan that begins at a state of an earlier run; null if that is not kept. chains: the steps of its strands,
 * where given is what only earlier phases have found. Whatever they give follows from these arguments alone. models: of each of the plan's refs.
 */
export interface Computation {
  record(plan: any): any;
  after?(plan: any, from: From): any;
  chains?(plan: any, models: Loaded[], phase: number, given: any): Chains;
  compute(plan: any, models: Loaded[], work: Work<any>): Promise<void>;
}
