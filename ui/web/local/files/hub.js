// Finds checkpoints of the Hugging Face Hub for a page without a server: the list of a repository's files, and the
// facts of a loaded model.
import { UserError } from "../../process/errors.js";
import { MARK, PATIENCE } from "./store.js";

/** @import { WrittenFacts } from "../facts.js" */
/** @import { Model } from "../../network/model.js" */

const ID = /^\w[\w.-]*\/\w[\w.-]*(@[\w./-]+)?$/;
const MOST = 1.5e9; // most bytes of all files of a model, as browsers give a page only a few gigabytes
const WANTED =
  /(^|\/)((scheduler_)?config|model_index|ddpm_core|analytic_variance|optimised_steps|tokenizer(_config)?|vocab)\.json$|(^|\/)(merges\.txt|readers\.safetensors)$/;
const WEIGHTS = /^((unet|vae|vqvae)\/)?diffusion_pytorch_model\.safetensors$|^text_encoder\/model\.safetensors$/;

/**
 * Return a model's files on the Hub. All other facts are null until the model is loaded. Throws a UserError if the page
 * can't use the model.
 * @param {string} ref @param {string} base the Hub's address @returns {Promise<WrittenFacts>}
 */
export async function onHub(ref, base) {
  if (!ID.test(ref))
    throw new UserError(
      `There is no model ${ref} on this page: choose one of the list, or a Hub id such as google/ddpm-cifar10-32`,
    );
  const [id, revision = "main"] = ref.split("@");
  const address = `${base}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const silent = (/** @type {unknown} */ cause) => {
    throw new UserError("The Hub did not answer: is there a network?", { cause });
  };
  const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE) }).catch(silent);
  if (!answer.ok) throw new UserError(`The Hub has no open model ${ref}`);
  const listing = await answer.json().catch(silent);
  const { sha, siblings } = listing;
  /** @type {WrittenFacts["files"]} */
  const files = {};
  for (const { rfilename: name, size = 0, lfs } of siblings)
    if (WANTED.test(name) || WEIGHTS.test(name)) files[name] = [size, lfs?.sha256?.slice(0, MARK) ?? sha];
  const bytes = Object.values(files).reduce((sum, [size]) => sum + size, 0);
  if (!Object.keys(files).some((name) => WEIGHTS.test(name)))
    throw new UserError(`${ref} has no weights as .safetensors, and a browser can't read others, such as .bin`);
  if (bytes > MOST)
    throw new UserError(`${ref} has ${Math.round(bytes / 1e6)} MB, too many for a browser: use the installed lab`);
  const none = { spec: null, home: null, colours: null, scheduler: null, sidecars: null };
  return { ...none, root: `${base}/${id}/resolve/${sha}`, commit: sha, files };
}

/** Return the facts of a loaded model of the Hub. @param {Model} model @param {string} ref @param {WrittenFacts} known @returns {Partial<WrittenFacts>} */
export function factsOfModel(model, ref, { commit, files }) {
  const { T, beta, alphaBar, exploding, classes, classNames, nullLabel, size, channels, pictureSize } = model;
  const { student, gamma, optimised } = model;
  const [id] = ref.split("@");
  const named = Object.keys(files).some((name) => name === "scheduler/scheduler_config.json");
  const file = Object.keys(files).find((name) => /^(unet\/)?diffusion_pytorch/.test(name));
  return {
    spec: {
      ...{ image_size: size, channels, prediction: model.prediction, variance: model.variance, clip: model.clip },
      ...{
        num_classes: classes,
        null_label: nullLabel,
        class_names: classNames,
        leading_offset: model.offset,
        student: student && {
          method: student.method,
          times: student.times,
          usual: student.usual ?? [],
          guidance: student.guidance ?? null,
        },
      },
      ...{
        latent: model.decode !== null,
        factor: pictureSize / size,
        takes_words: model.words !== null,
        coordinates: model.times && "TrainedOn",
        snr: null,
        corrections: 1,
        gamma: gamma && true,
        ...(model.config.time_embedding_type === "learned" && { whole_times: true }),
        readers: Object.keys(files).some((name) => name.endsWith("readers.safetensors")),
      },
      source: { ref, name: id, revision: commit, weights: "unknown", file, fixed: true },
      optimised: null,
    },
    home: { where: `'${id}', revision='${commit}'`, has_scheduler: named, autoencoder: null, own_class: false },
    scheduler: { T, beta, alphaBar, exploding },
    sidecars: { gamma, optimised },
  };
}
