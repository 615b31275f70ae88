// Made from ui/protocol.py by `python ui/web/page_types.py`: change the types there.

/** 8 bits in each of 1 to 4 channels, row by row; of 2 or 4 channels the last is alpha. */
export type Picture = { width: number; height: number; channels: number; data: Uint8Array };

/** Pictures beside each other: their pixels, or a file. */
export type Sprite = Picture[] | Blob;

/** The state of a run. The table in ui/runs/states.py lists the states that can follow each state. */
export type State = "queued" | "loading" | "running" | "stopping" | "finished" | "stopped" | "error" | "lost";

/** The status of a run while its model is being loaded. */
export type LoadStatus = {
  kind: "load";
  ref: string;
};

/** The status of a run while the files of its model are being downloaded. All sizes are in bytes. */
export type DownloadStatus = {
  kind: "download";
  ref: string;
  /** bytes downloaded so far */
  done: number;
  total: number;
  /** bytes per second; null until it was measured */
  speed: number | null;
};

/** The status of a run that waits for its first turn. */
export type LineStatus = {
  kind: "line";
  /** number of runs that begin before this run */
  before: number;
  /** whether a model is being loaded now; the waiting time is then unknown */
  loads: boolean;
  /** seconds until this run begins; null if unknown */
  seconds: number | null;
};

/** The status of a run that takes turns with other runs. */
export type SharedStatus = {
  kind: "shared";
  others: number;
};

/** The status of a run while the app is about to stop. */
export type ClosingStatus = {
  kind: "closing";
  /** seconds that the run has to finish */
  seconds: number;
};

/** A status without values. previous: the run waits for the last step of the page's previous run. first: the first step is being computed. closed: the app has stopped. replaced: a newer run of the page replaced this run. unheard: the run was stopped because no client read its messages. cut: the run's worker was terminated during a step. full: the browser had too little memory for the model. gone: the state at which the run should begin is no longer stored. */
export type PlainStatus = {
  kind: "previous" | "first" | "closed" | "replaced" | "unheard" | "cut" | "full" | "gone";
};

/** Details about the state of a run. The page turns them into sentences (ui/web/words/status.js). */
export type RunStatus = LoadStatus | DownloadStatus | LineStatus | SharedStatus | ClosingStatus | PlainStatus;

/** A message about a run: its state, and the results that were computed since the previous message. */
export type RunMessage<R> = {
  /** id of the run */
  run: string;
  /** number of this message, from 1 */
  seq: number;
  state: State;
  /** null if the page's usual sentence for the state suffices */
  status: RunStatus | null;
  /** sentence that the page shows instead of the status: an error or a notice; "" if there is none */
  text: string;
  /** share of the run that is done, 0..1; null if unknown */
  progress: number | null;
  /** seconds of computing that are left; null if unknown */
  left: number | null;
  results: R[];
};

/** A block of a U-Net. */
export type NetworkBlock = {
  name: string;
  /** [channels, rows, columns] of the block's output */
  shape: number[];
  /** layers of the block, such as "2 resnets, 1 attention" */
  parts: string;
  /** number of attention layers in the block */
  attentions: number;
};

/** The measurements of `python -m benchmarks inside`: the effect of switching off parts of a network. */
export type Figures = {
  seeds: number;
  steps: number;
  /** The quantity that the numbers below measure. right: the share of runs that show the requested class. rms: the root mean square of the difference from the runs of the unchanged network. */
  unit: "right" | "rms";
  /** accuracy of the digit classifier ("right") and the number of its test digits ("digits"); null for "rms" */
  judge: Record<string, number> | null;
  /** the measurement for the unchanged network */
  whole: number;
  /** for each part of the network: the measurement if it is switched off in "all" steps, or in the "first" or "second" half */
  off: Record<string, Record<string, number>>;
  /** for each range of steps: the measurement if the network receives the class only in these steps */
  condition: Record<string, number>;
  /** for each range of steps: measurements if the middle block's output in these steps comes from a run of another class */
  graft: Record<string, Record<string, number>>;
};

/** The first result of a run: what the engine knows before the first step. The page adds the rest of the plan. */
export type Opening = {
  kind: "plan";
  /** words of the prompt as the tokenizer splits them; only for runs with one lane */
  words?: string[];
  /** words of the prompt that did not occur in the training captions */
  unknown?: string[];
  /** the paper's Table 4 if it applies to these pictures: rows of [t, rate in bits/dim, RMSE in grey levels] */
  published?: number[][] | null;
  /** blocks of the network in the order of computation */
  blocks?: NetworkBlock[];
  /** names of the skip connections, from the lowest resolution to the highest */
  skips?: string[];
  /** For each block, R² at each step of its reader, which predicts x̂_0 from the block's output; null if no readers were fitted. */
  r2?: Record<string, number[]> | null;
  figures?: Figures | null;
};

/** The pictures after step k of a lane. If a run has many steps, only some of them get a frame. */
export type LaneFrame = {
  kind: "frame";
  lane: number;
  k: number;
  sigma: number;
  /** x_s, the state after the step */
  x: Sprite;
  /** x̂_0, predicted from x_t */
  x0: Sprite;
  /** preview of the latent x_s, one pixel per position; only for latent models */
  z?: Sprite;
  /** preview of the latent x̂_0, one pixel per position; only for latent models */
  z0?: Sprite;
  /** whether the decoder made x and x0; if false, they are enlarged previews */
  decoded?: boolean;
  /** Differences between each picture of an edited lane and the same picture of lane A: the mean of |A − B| in grey levels, and the share of pixels that differ visibly. */
  apart?: [number, number][];
  /** attention of each picture to each word of the prompt, one row of pictures per word */
  attention?: Sprite;
};

/** The self-attention of one position of the picture, in one layer. */
export type Look = {
  /** name of the layer in the network */
  layer: string;
  /** one map per attention head; the largest weight is white */
  maps: Sprite;
};

/** Pictures of the blocks' outputs in one evaluation of the network. Lists are in the order of the blocks. */
export type BlockPictures = {
  /** one picture per channel of the selected block; the least value is black, the largest is white */
  channels: Sprite;
  /** estimate of x̂_0 that each block's reader makes */
  read?: Sprite[];
  /** the values of each block's output as colours */
  colours?: Sprite[];
  /** self-attention of the selected position, for each layer */
  looks?: Look[];
};

/** The result of an opened network for step k of a lane. */
export type InsideFrame = BlockPictures & {
  kind: "inside";
  lane: number;
  k: number;
  t: number;
  /** x_s, the state after the step */
  x: Sprite;
  x0: Sprite;
};

/** A picture from which the rows of pictures begin. It may still be noisy (final = false). */
export type SourcePicture = {
  kind: "source";
  i: number;
  x: Sprite;
  final: boolean;
};

/** Pictures at the head of a row. latent: the noisy pictures at which the row begins. map: a picture that is bright where the row's pictures differ. */
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

/** Statistics of a finished row, in grey levels. spread: the standard deviation between its pictures. gap: the RMS difference between the measured values of its pictures and the given values. */
export type RowEnd = {
  kind: "row";
  row: number;
  spread: number;
  gap?: number;
};

/** Finished pictures, and the indices of their cells in the square. */
export type CellPictures = {
  kind: "cells";
  cells: number[];
  x: Sprite;
};

/** Progressive decoding: for each measured picture, one row with the guesses x̂_0 at these times. */
export type Decoding = {
  kind: "decoding";
  times: number[];
  rows: Sprite[];
};

/** The bits/dim of the first picture, computed with a short chain. steps: the length of this chain. */
export type Early = {
  kind: "early";
  steps: number;
  bits: number;
};

/** Curves of a variational bound over the times of `MeanBound.times`, in bits/dim. L: the terms L_{t−1}. rate: the bits that are sent until time t. */
export type BoundCurves = {
  L: number[];
  rate: number[];
};

/** A variational bound (Eq. 5 of the DDPM paper), averaged over pictures. */
export type MeanBound = {
  /** For each variance and number of steps: [bits/dim, standard error, prior term L_T, last term L_0]. */
  chains: Record<string, Record<string, [number, number | null, number, number]>>;
  /** curves for each variance */
  curves: Record<string, BoundCurves>;
  /** RMSE of x̂_0 at each time, on the scale 0..255 */
  rmse: number[];
  /** times t of the curves, ascending */
  times: number[];
};

/** The bound, averaged over the pictures that are done. */
export type MeanBits = MeanBound & {
  kind: "bits";
  /** number of pictures that are done */
  done: number;
};

export type Result = Opening | LaneFrame | InsideFrame | SourcePicture | RowHead | RowStep | RowEnd | CellPictures | Decoding | Early | MeanBits;

/** The values of a question. Anybody can send them, so the engine checks each value. */
export type Asked = Record<string, unknown>;

/** A question or answer without values. */
export type Nothing = {
};

/** A checkpoint in the page's list of models. */
export type ModelChoice = {
  ref: string;
  /** name of the app's start folder, or the name that the visitor gave to a trained model */
  label?: string;
  /** here: on this machine. trained: a model that the visitor trained, or the app's start folder. hub: must be downloaded. */
  group: "here" | "trained" | "hub";
  /** code of the training data if the model is on the Hub; "" if unknown */
  data: string;
  /** whether a visitor can choose it */
  ready: boolean;
  latent: boolean;
  /** URL of a thumbnail; "" if there is none */
  picture: string;
  /** why its files are not on this machine */
  state?: "download" | "offline" | "missing";
  /** bytes that must be downloaded first */
  bytes?: number;
  /** code of the kind of model; this field and those below exist only for models of the Hub list */
  family?: string;
  /** number of steps that its authors use; 0 if they name none */
  steps?: number;
  /** approximate size of its files */
  gigabytes?: number;
  /** TFLOP of one evaluation for one picture; 0 if it was not counted */
  tflop?: number;
};

/** The hardware and software that evaluate the network. */
export type Device = {
  engine: string;
  /** precision of the network's arithmetic, such as "bf16"; "" before a model was loaded */
  precision: string;
};

export type ModelList = {
  models: ModelChoice[];
  device: Device;
  /** whether the server has queried the Hub for all models of the list */
  known: boolean;
};

export type ModelAsked = {
  ref: string;
  /** whether the answer should include example pictures */
  pictures?: boolean;
  /** whether the visitor chose the model; false if a link names it */
  typed?: boolean;
};

/** The source of a checkpoint (see `ddpm_core.model.Source`). */
export type Origin = {
  ref?: string | null;
  name?: string | null;
  revision?: string | null;
  weights?: string | null;
  file?: string | null;
  fixed?: boolean | null;
};

/** The properties of a distilled model. */
export type StudentSpec = {
  method: "consistency" | "progressive";
  times: number[];
  /** times of the recommended number of steps; empty if all `times` are recommended */
  usual: number[];
  /** guidance scale that distillation built into the model; null without guidance */
  guidance: number | null;
};

/** The fields of `ddpm_core.model.ModelSpec` that are plain data. */
export type Spec = {
  image_size: number;
  channels: number;
  /** picture pixels per latent position along one side; 1 for models without an autoencoder */
  factor: number;
  prediction: string;
  variance: string;
  num_classes: number;
  null_label: number | null;
  class_names: string[] | null;
  clip: boolean;
  source: Origin | null;
  /** true if Γ was estimated for these weights; else null */
  gamma: boolean | null;
  /** optimised times for each sampler and number of steps */
  optimised: Record<string, Record<string, number[]>> | null;
  student: StudentSpec | null;
  latent: boolean;
  takes_words: boolean;
  leading_offset: number;
  /** class name of the coordinates (ddpm_core.coordinates); null for DDPM models on their own schedule */
  coordinates: string | null;
  /** minimum σ of a model with coordinates */
  floor?: number;
  snr: number | null;
  corrections: number;
  /** whether readers of x̂_0 were fitted to the blocks (`python -m train readers`) */
  readers: boolean;
  /** true if the network takes only integer times t; else absent */
  whole_times?: boolean;
};

/** The autoencoder of a latent model. The network works on scale · (z − shift). */
export type Autoencoder = {
  /** folder of the autoencoder in the checkpoint */
  folder: string;
  /** class name in diffusers */
  kind: string;
  scale: number;
  shift: number;
};

/** The location of a checkpoint, as code for diffusers needs it. */
export type Home = {
  /** arguments of `from_pretrained` in Python syntax */
  where: string;
  /** whether the checkpoint has a folder for its scheduler */
  has_scheduler: boolean;
  autoencoder: Autoencoder | null;
  /** whether diffusers lacks the network's class */
  own_class: boolean;
};

/** The values of a noise schedule for t = 0..T. */
export type ScheduleTable = {
  T: number;
  beta: number[];
  alphaBar: number[];
  exploding?: boolean;
};

/** Γ at some times. The times ascend. */
export type KeptGamma = {
  times: number[];
  gamma: number[];
};

export type KeptTimes = {
  /** optimised times for each sampler and number of steps, as text, descending */
  times: Record<string, Record<string, string>>;
};

/** The contents of the files beside the weights that sampling uses; null if there is no such file. */
export type Sidecars = {
  gamma: KeptGamma | null;
  optimised: KeptTimes | null;
};

/** The diffusers pipeline of a model with coordinates. */
export type Pipeline = {
  name: string;
  /** standard deviation of the initial state x_T */
  sigma: number | null;
};

/** Everything that is known about a checkpoint from its small files, without the weights. */
export type CheckpointFacts = {
  spec: Spec;
  home: Home;
  scheduler: ScheduleTable;
  sidecars: Sidecars;
  pipeline?: Pipeline | null;
  /** linear map from latent channels to colours, for previews */
  colours?: number[][] | null;
  /** hash of all facts, which changes when any of them changes */
  stamp?: string;
};

/** A set of pictures that comes with the page. */
export type ShippedSet = {
  /** code of the set */
  name: string;
  count: number;
};

/** A picture of a set that comes with the page. */
export type ExamplePicture = {
  /** name of its class */
  name: string;
  /** the pixels as text (see ui/web/pictures/text.js) */
  text: string;
};

/** The answer to `facts`: what the page needs to offer a checkpoint. */
export type FactsAnswer = {
  ref: string;
  /** default number of pictures */
  count: number;
  /** bytes to download; 0 if the files are here or the size is unknown */
  download: number;
  /** null until the files are on this machine */
  facts: CheckpointFacts | null;
  set?: ShippedSet | null;
  examples?: ExamplePicture[];
};

export type PaceAsked = {
  /** checkpoints, or other names under which the engine stores step times */
  refs: string[];
};

/** The step time of one entry of `PaceAsked.refs`. */
export type PaceOf = {
  /** measured steps: (number of lanes, images per evaluation, seconds per step) */
  seconds: [number, number, number][];
  /** FLOP of one evaluation for one image; null if unknown */
  flop: number | null;
  /** bytes that must be downloaded first */
  download: number;
};

/** The answer to `pace`: how long a step takes. */
export type Pace = {
  paces: Record<string, PaceOf>;
  /** kind of device: "CPU" or "GPU" */
  device: string;
  /** whether the server is public and computes for other visitors now */
  busy: boolean;
  /** limit of a run's cost in TFLOP; null if there is none */
  tflop: number | null;
  /** number of workers that compute at the same time in a browser */
  workers?: number;
};

export type RunAsked = {
  run: string | null;
};

/** The answer to `run` if the messages of the run are still stored. */
export type RunHere = {
  /** whether the run ended because the app stopped */
  closing: boolean;
};

export type RoomAsked = {
  /** URL of the page */
  page: string;
};

/** The URL at which others can open the page, or the reason why they can't. */
export type Invitation = {
  address?: string;
  /** QR code of the URL: an SVG image as data URI */
  code?: string;
  /** alone: only this machine can open the page. nowhere: the page has no usable URL. static: each browser computes on its own. */
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

/** Sample pictures at a step of a training; null if a file is missing. */
export type TrainingGrid = {
  step: number;
  /** seconds of training until this step */
  seconds: number;
  /** error of x̂_0 with the averaged (EMA) weights, in grey levels */
  error: number | null;
  /** samples with the averaged (EMA) weights */
  ema: Sprite | null;
  /** samples with the latest weights */
  raw: Sprite | null;
};

/** from: numbers of [points, grids] that the page already has. This is not a class because Python reserves the name `from`. */
export type Continued = {
  /** from: numbers of [points, grids] that the page already has. This is not a class because Python reserves the name `from`. */
  from: [number, number];
};

/** The state of a training in another terminal, and its news since the page's last question. */
export type Followed = Continued & {
  /** silent: the training has written nothing for two minutes */
  state: "running" | "finished" | "silent";
  title: string;
  step: number;
  /** seconds until the end; null if unknown */
  left: number | null;
  /** folder of the saved model; null until it exists */
  model: string | null;
  /** number that changes when the page must discard its points and grids */
  version: number;
  /** [step, loss, images per second, seconds of training] */
  points: ([number, number | null, number | null, number])[];
  grids: TrainingGrid[];
  /** whether more grids are waiting, so the page should ask again at once */
  more: boolean;
  /** number of steps of the whole training */
  total: number;
  /** images per step */
  batch: number;
  classes: number;
};

export type FollowAsked = {
  /** folder of the training */
  path: string;
  /** `version` of the latest answer */
  version?: number;
  /** number of points that the page has */
  points?: number;
  /** number of grids that the page has */
  grids?: number;
};

export type TrainQuestions = {
  follow: (asked: FollowAsked) => Followed;
};

export type Cards = {
  /** HTML of the course's cards */
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
