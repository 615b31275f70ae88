// What the translated modules of Python know as the server's lab, in the worker: models and their files, how long a step
// takes, and stand-ins for the modules that are not translated.

import { Files } from "./files/store.js";
import { load } from "./network/model.js";
import { checkSignal } from "./process/predict.js";
import { SAMPLERS } from "./process/samplers.js";
import { schedule } from "./process/schedule.js";
import { timestepPairs } from "./process/times.js";
import { $, Dict, plain, ValueError } from "./python.js";

/** @import { Model } from "./network/model.js" */

/** What ui/static knows of a checkpoint: see `known` there. @typedef {{ about: any, spec: any, home: any, colours: number[][] | null, scheduler: any, sidecars: Record<string, any>, root?: string, commit?: string, files: Record<string, import("./files/store.js").Entry> }} Known */
/** @typedef {{ models: string[], answers: Record<string, any> }} Knowledge */
/** A file of ui/static's knowledge. @typedef {(name: string) => Promise<any>} Json */
/** A model that can compute, as its runs take it. @typedef {Model & import("./process/predict.js").Process & { colours: number[][] | null }} Loaded */
/** What Python calls a model, with `process`, what the run's own code needs of it. @typedef {any} Spec */

/** What is loaded once, and again only where that failed. @template T @param {() => Promise<T>} load @returns {() => Promise<T>} */
export function once(load) {
  /** @type {Promise<T> | null} */
  let loading = null;
  return () => {
    loading ??= load().catch((error) => {
      loading = null;
      throw error;
    });
    return loading;
  };
}

const WEIGHED = 0.2; // of the newest step, in how long one takes
const LONG = 1; // s of an evaluation that is computed only when it is asked for: the worker hears nothing meanwhile

export class Lab {
  /** Seconds of one evaluation for one image. @type {Map<string, number>} */
  #paces = new Map();
  /** The same as it is expected, until one was timed. @type {Map<string, number>} */
  #expected = new Map();
  /** @type {Map<string, Spec>} */
  #specs = new Map();
  /** @type {Map<string, Promise<Loaded>>} */
  #loaded = new Map();
  public = false;
  /** @type {(engine: string) => void} */
  #said = () => {};
  /** What computes the first model, as soon as it is loaded. @type {Promise<string>} */
  engine = new Promise((resolve) => {
    this.#said = resolve;
  });
  /** @type {unknown[]} */
  turns = [];
  limits = { check_run() {} };

  /** @type {Map<string, Known>} */
  #known = new Map();

  /** @param {Knowledge} knowledge @param {Files} files @param {Json} json @param {() => Promise<void>} more loads what Python has written for other parts than the first */
  constructor(knowledge, files, json, more) {
    this.knowledge = knowledge;
    this.json = json;
    this.more = more;
    this.files = files;
    this.step_times = { seconds: (/** @type {any} */ { ref, batch }) => this.seconds(ref, batch) };
    this.models = {
      kind: "CPU",
      flop: () => 0, // nobody else waits for this machine
      known: (/** @type {string} */ ref) => this.spec(ref),
      to_download: (/** @type {string} */ ref) => this.#missing(ref),
    };
  }

  /** What a step takes for so many images, null where that is not known. @param {string} ref */
  seconds(ref, images = 1) {
    const one = this.#paces.get(ref) ?? this.#expected.get(ref);
    return one === undefined ? null : one * images;
  }

  /** @param {string} ref @param {number} seconds that so many evaluations of one image took */
  note(ref, seconds, images = 1) {
    const before = this.#paces.get(ref) ?? seconds / images;
    this.#paces.set(ref, before + WEIGHED * (seconds / images - before));
  }

  /** Find out what there is to know of a checkpoint, on this page or on the Hub. @param {unknown} text a reference */
  async learn(text) {
    const ref = String(text ?? "").trim();
    if (!ref || ref === "same" || this.#known.has(ref)) return;
    const { models, answers } = this.knowledge;
    const known = await (models.includes(ref)
      ? this.json(`models/${models.indexOf(ref)}.json`)
      : import("./files/hub.js").then(({ onHub }) => onHub(ref, answers.hub)));
    if (!this.#known.has(ref)) this.#known.set(ref, known); // it may have been asked for twice
  }

  /** What is known of a checkpoint after `learn`. @param {string} ref @returns {Known} */
  known(ref) {
    const known = this.#known.get(ref);
    if (!known) throw new ValueError(`There is no model ${ref} on this page`);
    return known;
  }

  /** What a form offers for it: `about_model` of ui/models/form_options.py. @param {string} ref */
  about(ref) {
    return this.known(ref).about ?? plain($.module("ui.models.form_options").about_model(this, ref));
  }

  /** Pictures of one's own to try with it. @param {string} ref @returns {Promise<any[]>} */
  async examples(ref) {
    const number = this.knowledge.models.indexOf(ref);
    return number < 0 ? [] : this.json(`models/${number}-examples.json`);
  }

  /** What Python calls a model's specification, null for one of the Hub that is not loaded yet. @param {string} ref @returns {Spec | null} */
  spec(ref) {
    const found = this.#specs.get(ref);
    if (found) return found;
    const { spec, scheduler, sidecars, home, colours } = this.known(ref);
    if (!spec) return null;
    const { ModelSpec, Source } = $.module("ddpm_core.model");
    const { Student } = $.module("ddpm_core.student");
    const table = scheduler.alphaBar ? scheduler : schedule(scheduler);
    const { class_names: names, student, optimised, source } = spec;
    const made = new ModelSpec(
      named({
        ...spec,
        schedule: scheduled(table),
        source: new Source(named(source)),
        class_names: names && $.tuple([...names]),
        student: student && new Student(named({ ...student, times: $.tuple([...student.times]) })),
        optimised: optimised && times(optimised),
      }),
    );
    made.home = home;
    made.process = {
      ...table,
      ...{ colours, prediction: spec.prediction, variance: spec.variance, clip: spec.clip, channels: spec.channels },
      ...{ size: spec.image_size, classes: spec.num_classes, nullLabel: spec.null_label, offset: spec.leading_offset },
      ...{ student: spec.student, gamma: sidecars.gamma, optimised: sidecars.optimised, fixed: spec.source.fixed },
    };
    this.#specs.set(ref, made);
    return made;
  }

  /** Bytes that a model still needs from the network, 0 where it is in memory or small. @param {string} ref */
  #missing(ref) {
    const bytes = sizes(this.known(ref));
    return this.#loaded.has(ref) || bytes < 3e6 ? 0 : bytes;
  }

  /** @param {string} ref */
  isLoaded(ref) {
    return this.#loaded.has(ref);
  }

  /** Load a model before it is asked for, and time it, so that the first visitor, too, is told how long a run takes. @param {string} ref */
  async warm(ref) {
    if (this.#paces.has(ref)) return;
    const model = await this.model(ref).catch(() => null); // whoever runs it is told why
    if (!model || this.#paces.has(ref)) return;
    if (model.seconds) this.#expected.set(ref, model.seconds);
    if (model.seconds && model.seconds > LONG) return;
    const x = new Float32Array(model.channels * model.size ** 2);
    for (let i = 0; i < 3; i++) {
      const began = performance.now();
      await model.network(x, 0, model.words ? model.words("") : model.nullLabel);
      if (i === 2) this.note(ref, (performance.now() - began) / 1000);
    }
  }

  /**
   * A model that can compute.
   * @param {string} ref @param {(done: number, total: number) => void} [progress] bytes @param {AbortSignal} [leave]
   * @returns {Promise<Loaded>}
   */
  model(ref, progress = () => {}, leave = undefined) {
    const found = this.#loaded.get(ref);
    if (found) return found;
    const known = this.known(ref);
    const { files } = known;
    const total = sizes(known);
    /** @type {Map<string, number>} */
    const done = new Map();
    const read = (/** @type {string} */ path) =>
      this.files.read(
        known.root ?? `checkpoints/${ref}`,
        path,
        files[path],
        (bytes) => {
          done.set(path, bytes);
          progress(
            [...done.values()].reduce((a, b) => a + b, 0),
            total,
          );
        },
        leave,
      );
    const loading = load(read, ref).then(async (model) => {
      if (!known.spec) Object.assign(known, (await import("./files/hub.js")).told(model, ref, known));
      this.#said(model.engine);
      return Object.assign(model, this.spec(ref)?.process);
    });
    this.#loaded.set(ref, loading);
    loading.catch(() => this.#loaded.delete(ref));
    return loading;
  }
}

/** Bytes of all files of a checkpoint. @param {Known} known */
const sizes = ({ files }) => Object.values(files).reduce((sum, [size]) => sum + size, 0);

/** A schedule as Python's code reads it. @param {import("./process/schedule.js").Schedule} table */
export const scheduled = ({ T, alphaBar }) => {
  return { T, alpha_bar: Object.assign(alphaBar.slice(), { tolist: () => [...alphaBar] }) };
};

/** @param {Record<string, any>} values */
const named = (values) => $.named(Object.entries(values));

/** @param {Record<string, Record<string, number[]>>} found */
const times = (found) =>
  new Dict(
    Object.entries(found).map(([sampler, byLength]) => [
      sampler,
      new Dict(Object.entries(byLength).map(([n, all]) => [Number(n), $.tuple(all)])),
    ]),
  );

/** One of ddpm_core.samplers.NAMED: what the settings of a run are checked with. */
class StepSampler {
  /** @param {{ values: Record<string, any> }} given name, and its options; once it is checked, the model */
  constructor({ values }) {
    /** @type {Record<string, any>} */
    this.values = values;
    Object.assign(this, values, {
      memory: SAMPLERS[values.name].memory ?? false,
      options: $.dict(Object.keys(SAMPLERS[values.name].options ?? {}).map((name) => [name, values[name]])),
    });
    this.$rows = Object.keys(values).map((name) => ({ name }));
    SAMPLERS[values.name].check?.(values);
  }

  /** @param {Spec} model @param {any} pairs @param {any} guidance */
  bind(model, pairs, guidance) {
    const { check_variance } = $.module("ddpm_core.model");
    const { values } = this;
    const own = "variance" in values ? { variance: check_variance(model, values.variance, pairs, guidance) } : {};
    return new StepSampler($.named(Object.entries({ ...values, ...own, model })));
  }

  /** @param {any} _ @param {any} pairs */
  sigmas(_, pairs) {
    const { name, model, ...options } = this.values;
    const found = SAMPLERS[name].sigmas(model.process, pairs, plain($.dict(Object.entries(options))));
    return found.map((sigma) => (sigma === null ? null : $.float(sigma)));
  }
}

const samplers = () =>
  Object.entries(SAMPLERS).map(([name, { options = {} }]) => {
    const own = $.named([["name", name], ...Object.entries(options)]);
    return /** @type {[string, any]} */ ([name, new StepSampler(own)]);
  });

/** The settings of a run as the process takes them, from the arguments of `ddpm_core.trajectory`. @param {any} given */
export function settingsOf(given) {
  const { labels, ...rest } = plain(given instanceof Dict ? given : new Dict(Object.entries(given)));
  return { ...rest, label: labels ?? null };
}

/** Take the stand-ins of what is not translated, once the rest is. */
export function natives() {
  $.native("ddpm_core.samplers", { NAMED: $.dict(samplers()), StepSampler });
  $.native("ddpm_core.process", {
    check_signal(/** @type {string} */ prediction, /** @type {number} */ alphaBar) {
      checkSignal(/** @type {any} */ ({ prediction, alphaBar: [alphaBar] }), 0);
    },
  });
  $.native("ui.pictures.test_sets", { set_for: () => null });
  $.native("ui.forms.emoji", { in_words: (/** @type {string} */ prompt) => prompt }); // until there are any
  $.native("ddpm_core.checkpoint.refs", { embedded: () => [], typed: (/** @type {string} */ x) => x.trim() });
  $.native("ui.models.loaded", { revision: (/** @type {Spec} */ { source }) => source.revision });
  $.native("functools", { partial: () => null });
  $.native("ui.export.home", { home: (/** @type {Spec} */ model) => model.home });
  $.native("itertools", {
    pairwise: (/** @type {any[]} */ x) => x.slice(1).map((one, i) => $.tuple([x[i], one])),
  });
  $.native("shlex", { quote: (/** @type {string} */ x) => (/^[\w@%+=:,./-]+$/.test(x) ? x : `'${x}'`) });
  const thin = (/** @type {number[]} */ frames, /** @type {number} */ limit) => {
    const n = Math.min(frames.length, limit);
    const last = frames.length - 1;
    const at = Array.from({ length: n }, (_, i) => (n === 1 ? last : evenly(last, n, i)));
    return at.reverse().map((i) => frames[i]);
  };
  $.native("ddpm_core.imaging", { thin });
  const { _TIMES } = $.module("ddpm_core.timesteps");
  for (const spacing of _TIMES.keys())
    _TIMES.set(spacing, (/** @type {number} */ T, /** @type {number} */ n) =>
      timestepPairs(T, n, spacing)
        .map(([t]) => t)
        .reverse(),
    );
}

/** np.linspace(last, 0, n)[i], rounded. @param {number} last @param {number} n @param {number} i */
function evenly(last, n, i) {
  const value = i === n - 1 ? 0 : last + i * (-last / (n - 1));
  return $.builtins.round(value);
}
