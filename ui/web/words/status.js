// Sentences for the status that an engine sends with a run's state.

import { countOf, duration, megabytes } from "./units.js";

/** @import { RunMessage, RunStatus } from "../messages/protocol.d.ts" */

/** @type {Record<import("../messages/protocol.d.ts").PlainStatus["kind"], string>} */
const PLAIN = {
  previous: "Finishing the previous step",
  first: "Running: the first step",
  closed: "The app has stopped, and this run with it",
  replaced: "A newer run of this page has replaced it",
  unheard: "The run was stopped, because its page or script was gone",
  cut: "Stopped in the middle of a step: these pictures can't be saved.",
  full: "Finished, but this browser keeps no more files: the model is loaded anew next time",
  gone: "The earlier run is no longer here: press Run again",
};

/** Return the sentence for a status. @param {RunStatus} status @param {(ref: string) => string} name of a checkpoint */
function words(status, name) {
  switch (status.kind) {
    case "load":
      return `Loading ${name(status.ref)}`;
    case "download":
      return `Downloading ${name(status.ref)}: ${download(status)}`;
    case "line":
      return `Number ${status.before + 1} in the queue${begins(status)}`;
    case "shared":
      return `Running, shared with ${countOf(status.others, "other")}`;
    case "closing":
      if (!status.seconds) return "The app stops now";
      return `The app is about to stop: this run has ${status.seconds.toFixed(0)} s to finish`;
    default:
      return PLAIN[status.kind];
  }
}

/**
 * Describe a download: its size, and if the speed is known, the speed and the time left.
 * @param {import("../messages/protocol.d.ts").DownloadStatus} status
 */
function download({ done, total, speed }) {
  const [here, all] = [(done / 1e6).toFixed(0), megabytes(total)];
  if (!speed) return `${here} of ${all}`;
  return `${here} of ${all} · ${(speed / 1e6).toFixed(1)} MB/s · ${duration((total - done) / speed)} left`;
}

/** Say when a run in the queue begins, "" if that is not known. @param {import("../messages/protocol.d.ts").LineStatus} status */
function begins({ loads, seconds }) {
  if (loads) return " · a model is loading";
  return seconds === null ? "" : ` · starts in ${seconds < 1 ? "" : "about "}${duration(seconds)}`;
}

/** Return the sentence of a message, "" if it has only a state. @param {Pick<RunMessage<any>, "status" | "text">} message @param {(ref: string) => string} name of a checkpoint */
export const said = ({ status, text }, name) => text || (status ? words(status, name) : "");
