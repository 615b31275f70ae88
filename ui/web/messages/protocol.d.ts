// Made from ui/protocol.py by `python ui/web/page_types.py`: change the types there.

/** 8 bits in each of 1 to 4 channels, row by row; of 2 or 4 channels the last is alpha. */
export type Picture = { width: number; height: number; channels: number; data: Uint8Array };

/** Pictures beside each other: their pixels, or a file. */
export type Sprite = Picture[] | Blob;

/** The stage of a run; ui/runs/states.py lists which follows which. */
export type State = "queued" | "loading" | "running" | "stopping" | "finished" | "stopped" | "error" | "lost";

/** A model is loaded. */
export type LoadStatus = {
  kind: "load";
  ref: string;
};

/** The files of a model are downloaded. */
export type DownloadStatus = {
  kind: "download";
  ref: string;
  /** bytes */
  done: number;
  total: number;
  /** bytes a second */
  speed: number | null;
};

/** The run waits for its first turn. */
export type LineStatus = {
  kind: "line";
  /** runs that begin before it */
  before: number;
  /** whether a model is loading, and so nobody knows when it begins */
  loads: boolean;
  /** until it begins */
  seconds: number | null;
};

/** The run takes turns with others. */
export type SharedStatus = {
  kind: "shared";
  others: number;
};

/** The app is about to stop. */
export type ClosingStatus = {
  kind: "closing";
  /** that the run has to finish */
  seconds: number;
};

/** previous: it waits for the last step of the run before. first: its first step is under way. closed: the app has stopped. replaced: a newer run of the page has taken its place. unheard: nobody listened. cut: its worker was ended within a step. full: the browser could not keep its model. gone: the state with which it was to begin is not kept any more. */
export type PlainStatus = {
  kind: "previous" | "first" | "closed" | "replaced" | "unheard" | "cut" | "full" | "gone";
};

/** What is said of a run beside its state. The words are the page's: ui/web/words/status.js. */
export type RunStatus = LoadStatus | DownloadStatus | LineStatus | SharedStatus | ClosingStatus | PlainStatus;

/** How a run stands, and what it has computed since the message before. */
export type RunMessage<R> = {
  /** its id */
  run: string;
  /** 1, 2, … */
  seq: number;
  state: State;
  /** null for the usual words of the state */
  status: RunStatus | null;
  /** the sentence of an error or of a library, said in place of the status; "" for none */
  text: string;
  /** 0 to 1 */
  progress: number | null;
  /** seconds */
  left: number | null;
  results: R[];
};

/** A block of a U-Net. */
export type NetworkBlock = {
  name: string;
  /** channels, rows, columns */
  shape: number[];
  /** its layers, such as "2 resnets, 1 attention" */
  parts: string;
  /** how many of these are attention */
  attentions: number;
};

/** What `python -m benchmarks inside` has measured with parts of a network switched off. */
export type Figures = {
  seeds: number;
  steps: number;
  /** What the numbers are: the share of runs that show the right class, or the distance (RMS) from the whole runs. */
  unit: "right" | "rms";
  /** how often the classifier of digits is right, and on how many; null without it */
  judge: Record<string, number> | null;
  /** the number of the whole runs */
  whole: number;
  /** by part: switched off in all steps, in the first half, in the second */
  off: Record<string, Record<string, number>>;
  /** with the class in some steps only */
  condition: Record<string, number>;
  /** with the middle of a run of another class, by its steps */
  graft: Record<string, Record<string, number>>;
};

/** What the engine has read before the first step; the page's own plan adds the rest. */
export type Opening = {
  kind: "plan";
  /** the prompt of one lane, as the model reads it */
  words?: string[];
  /** words that are new to the model */
  unknown?: string[];
  /** the paper's numbers for the measured pictures: t, rate, RMSE */
  published?: number[][] | null;
  /** the blocks of an opened network, in the order of the computation */
  blocks?: NetworkBlock[];
  /** the coarsest first */
  skips?: string[];
  /** How well each block can be read at each step; null where no readers were fitted. */
  r2?: Record<string, number[]> | null;
  figures?: Figures | null;
};

/** The pictures after step k of a lane. Long runs are thinned: not every k comes. */
export type LaneFrame = {
  kind: "frame";
  lane: number;
  k: number;
  sigma: number;
  /** x_s */
  x: Sprite;
  /** x̂_0 as seen from x_t */
  x0: Sprite;
  /** x of a latent model as it is, a pixel for each latent */
  z?: Sprite;
  /** x̂_0 likewise */
  z0?: Sprite;
  /** whether x and x0 are decoded; else they are previews */
  decoded?: boolean;
  /** How far each picture of a touched lane is from lane A's: the mean of |A − B| in grey levels, and the share of pixels in which they differ. */
  apart?: [number, number][];
  /** where each word is looked at: pictures with a row for each word */
  attention?: Sprite;
};

/** Where a place looks in a layer of self-attention. */
export type Look = {
  /** its name in the network */
  layer: string;
  /** the attention of its heads: white is the largest share */
  maps: Sprite;
};

/** Pictures of the blocks in one evaluation, in the order of the blocks. */
export type BlockPictures = {
  /** the channels of the chosen block, each from its darkest number to its brightest one */
  channels: Sprite;
  /** the estimate of x̂_0 that a reader makes from each block */
  read?: Sprite[];
  /** the numbers of each block as colours */
  colours?: Sprite[];
  /** where the chosen place looks */
  looks?: Look[];
};

/** What an opened network gives at step k of a lane. */
export type InsideFrame = BlockPictures & {
  kind: "inside";
  lane: number;
  k: number;
  t: number;
  /** x_s */
  x: Sprite;
  x0: Sprite;
};

/** A picture from which rows begin, on its way or final. */
export type SourcePicture = {
  kind: "source";
  i: number;
  x: Sprite;
  final: boolean;
};

/** The pictures beside a row: what it began with, or where its pictures differ. */
export type RowHead = {
  kind: "latent" | "map";
  row: number;
  x: Sprite[];
};

/** The pictures of a row after step k. */
export type RowStep = {
  kind: "step";
  row: number;
  k: number;
  s: number;
  x0: Sprite;
  x?: Sprite;
};

/** The end of a row, in grey levels. */
export type RowEnd = {
  kind: "row";
  row: number;
  spread: number;
  gap?: number;
};

/** Pictures beside each other, and their places. */
export type CellPictures = {
  kind: "cells";
  cells: number[];
  x: Sprite;
};

/** The receiver's guesses: a row for each picture. */
export type Decoding = {
  kind: "decoding";
  times: number[];
  rows: Sprite[];
};

/** The bits/dim of the first picture, by a short chain. */
export type Early = {
  kind: "early";
  steps: number;
  bits: number;
};

/** Curves of a bound at its times, in bits/dim. */
export type BoundCurves = {
  L: number[];
  rate: number[];
};

/** A bound, as means over pictures. */
export type MeanBound = {
  /** By variance and steps: bits/dim, its standard error, prior, L_0. */
  chains: Record<string, Record<string, [number, number | null, number, number]>>;
  /** by variance */
  curves: Record<string, BoundCurves>;
  /** at the times, on the scale 0 to 255 */
  rmse: number[];
  /** ascending */
  times: number[];
};

/** The bound of the pictures so far. */
export type MeanBits = MeanBound & {
  kind: "bits";
  /** pictures */
  done: number;
};

export type Result = Opening | LaneFrame | InsideFrame | SourcePicture | RowHead | RowStep | RowEnd | CellPictures | Decoding | Early | MeanBits;

/** The values of a question: they may come from anybody, so each is checked. */
export type Asked = Record<string, unknown>;

/** A question or an answer without values. */
export type Nothing = {
};

/** A checkpoint in the list of models. */
export type ModelChoice = {
  ref: string;
  /** the name that a user gave it */
  label?: string;
  /** whether it is here, was trained here, or needs the Hub */
  group: "here" | "trained" | "hub";
  /** the code of the set with which a model of the Hub was trained; "" if that is not known */
  data: string;
  /** whether it can be chosen */
  ready: boolean;
  latent: boolean;
  /** the address of a thumbnail, "" for none */
  picture: string;
  /** of its files, if they are not here */
  state?: "download" | "offline" | "missing";
  /** of its files, if they must come first */
  bytes?: number;
  /** this and the rest are of a model of the Hub's list: the code of its kind */
  family?: string;
  /** of a picture, as its authors draw one; 0 if they don't say it */
  steps?: number;
  /** about how much its files take */
  gigabytes?: number;
  /** the cost of one evaluation for one picture; 0 if it was not counted */
  tflop?: number;
};

/** What computes. */
export type Device = {
  engine: string;
  /** the precision of the network's arithmetic, such as "bf16"; "" before a model was loaded */
  precision: string;
};

export type ModelList = {
  models: ModelChoice[];
  device: Device;
  /** whether the Hub has been asked for all of them */
  known: boolean;
};

export type ModelAsked = {
  ref: string;
  /** whether examples are wanted */
  pictures?: boolean;
  /** whether the visitor has chosen it, and no link */
  typed?: boolean;
};

/** Where a checkpoint is from. */
export type Origin = {
  ref?: string | null;
  name?: string | null;
  revision?: string | null;
  weights?: string | null;
  file?: string | null;
  fixed?: boolean | null;
};

/** What a distilled model was made for. */
export type StudentSpec = {
  method: "consistency" | "progressive";
  times: number[];
  /** the times of its authors, where they take fewer steps; else empty */
  usual: number[];
  /** the scale that it has learned */
  guidance: number | null;
};

/** The fields of `ddpm_core.model.ModelSpec` that are plain data. */
export type Spec = {
  image_size: number;
  channels: number;
  /** pixels a side of one number of x: 1 but for a latent model */
  factor: number;
  prediction: string;
  variance: string;
  num_classes: number;
  null_label: number | null;
  class_names: string[] | null;
  clip: boolean;
  source: Origin | null;
  /** whether Γ was estimated for these weights */
  gamma: boolean | null;
  /** times by sampler and number of steps */
  optimised: Record<string, Record<string, number[]>> | null;
  student: StudentSpec | null;
  latent: boolean;
  takes_words: boolean;
  leading_offset: number;
  /** null but for score, EDM and flow models, and on another schedule */
  coordinates: string | null;
  /** the least σ of such a model */
  floor?: number;
  snr: number | null;
  corrections: number;
  /** whether readers were fitted */
  readers: boolean;
  /** whether the network takes only whole times; absent for others */
  whole_times?: boolean;
};

/** The autoencoder of a latent model: the network knows z · scale, shifted. */
export type Autoencoder = {
  /** its folder in the checkpoint */
  folder: string;
  /** its class */
  kind: string;
  scale: number;
  shift: number;
};

/** Where a checkpoint lies for diffusers. */
export type Home = {
  /** the arguments of `from_pretrained` that name it, as Python */
  where: string;
  /** whether its scheduler has its own folder */
  has_scheduler: boolean;
  autoencoder: Autoencoder | null;
  /** whether diffusers lacks the network's class */
  own_class: boolean;
};

/** A schedule at t = 0..T. */
export type ScheduleTable = {
  T: number;
  beta: number[];
  alphaBar: number[];
  exploding?: boolean;
};

/** Γ at some times, ascending. */
export type KeptGamma = {
  times: number[];
  gamma: number[];
};

export type KeptTimes = {
  /** by sampler and number of steps, descending */
  times: Record<string, Record<string, string>>;
};

/** The files beside the weights, as far as they are used; null where there are none. */
export type Sidecars = {
  gamma: KeptGamma | null;
  optimised: KeptTimes | null;
};

/** diffusers' pipeline for a model with coordinates. */
export type Pipeline = {
  name: string;
  /** σ of the state x_T */
  sigma: number | null;
};

/** Everything about a checkpoint except its network, known when its files are here. */
export type CheckpointFacts = {
  spec: Spec;
  home: Home;
  scheduler: ScheduleTable;
  sidecars: Sidecars;
  pipeline?: Pipeline | null;
  /** of the preview of a latent */
  colours?: number[][] | null;
  /** changes when any of these does */
  stamp?: string;
};

/** A set of pictures that comes with the page. */
export type ShippedSet = {
  /** its code */
  name: string;
  count: number;
};

/** A picture of such a set. */
export type ExamplePicture = {
  /** what it shows */
  name: string;
  /** the picture, as addresses have it: see ui/web/pictures/text.js */
  text: string;
};

/** The answer to `facts`: what a page needs to offer a checkpoint. */
export type FactsAnswer = {
  ref: string;
  /** pictures of a first run */
  count: number;
  /** bytes, 0 where it is here or nobody knows */
  download: number;
  /** null as long as its files are not here */
  facts: CheckpointFacts | null;
  set?: ShippedSet | null;
  examples?: ExamplePicture[];
};

export type PaceAsked = {
  /** checkpoints, and what else takes time */
  refs: string[];
};

/** How long a step takes of one of `PaceAsked.refs`. */
export type PaceOf = {
  /** as measured: (lanes, images, seconds) of a step */
  seconds: [number, number, number][];
  /** of an evaluation of one image, null where that is not known */
  flop: number | null;
  /** bytes that must come first */
  download: number;
};

/** How long steps take: the answer to `pace`. */
export type Pace = {
  paces: Record<string, PaceOf>;
  /** "CPU" or "GPU" */
  device: string;
  /** whether others compute on it, on a page for all */
  busy: boolean;
  /** the most that a run may take, null for any */
  tflop: number | null;
  /** of a browser, how many compute at once */
  workers?: number;
};

export type RunAsked = {
  run: string | null;
};

/** A run whose messages can still be had. */
export type RunHere = {
  /** whether they end with this app */
  closing: boolean;
};

export type RoomAsked = {
  /** the address of the page */
  page: string;
};

/** How others can open the page, or why they can't. */
export type Invitation = {
  address?: string;
  /** the address as a QR code, an SVG as data-URI */
  code?: string;
  /** Why they can't: only this machine opens the page, the page has no address, or it computes in the browser alone. */
  why?: "alone" | "nowhere" | "static";
};

export type EngineQuestions = {
  models: (asked: Nothing) => ModelList;
  facts: (asked: ModelAsked) => FactsAnswer;
  pace: (asked: PaceAsked) => Pace;
  emoji: (asked: Nothing) => Record<string, string>;
  stop: (asked: RunAsked) => Nothing;
  run: (asked: RunAsked) => RunHere;
  room: (asked: RoomAsked) => Invitation;
};

/** Samples of a step of a training; null where a picture is gone. */
export type TrainingGrid = {
  step: number;
  /** seconds of training until this step */
  seconds: number;
  /** the error of x̂_0 with the averaged weights, in grey levels */
  error: number | null;
  /** with the moving average */
  ema: Sprite | null;
  /** with the weights themselves */
  raw: Sprite | null;
};

/** How many points and grids the new ones follow. (`from` can't be the name of a field in a class.) */
export type Continued = {
  /** How many points and grids the new ones follow. (`from` can't be the name of a field in a class.) */
  from: [number, number];
};

/** The state of a training in another terminal, and what the page does not know of it yet. */
export type Followed = Continued & {
  /** silent: nothing has come from it for a while */
  state: "running" | "finished" | "silent";
  title: string;
  step: number;
  /** seconds */
  left: number | null;
  /** the folder of its model, once there is one */
  model: string | null;
  /** changes when what the page knew no longer holds */
  version: number;
  /** step, loss, images a second, seconds */
  points: ([number, number | null, number | null, number])[];
  grids: TrainingGrid[];
  /** grids are left: ask again at once */
  more: boolean;
  /** steps */
  total: number;
  /** images a step */
  batch: number;
  classes: number;
};

export type FollowAsked = {
  /** of its folder */
  path: string;
  /** this and the rest: what the page has */
  version?: number;
  points?: number;
  grids?: number;
};

export type TrainQuestions = {
  follow: (asked: FollowAsked) => Followed;
};

export type Cards = {
  /** of its lessons */
  html: string;
};

export type CourseQuestions = {
  cards: (asked: Nothing) => Cards;
};

export type Questions = {
  engine: EngineQuestions;
  train: TrainQuestions;
  course: CourseQuestions;
};
