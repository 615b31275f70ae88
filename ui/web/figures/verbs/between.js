// The question of the figure "words": pictures between four texts.

import { UserError } from "../../process/errors.js";
import { toUint8 } from "../../process/floats.js";
import { trajectory } from "../../process/runs.js";
import { mixture } from "../../process/square.js";

/** @import { Model } from "./run.js" */

/**
 * Draw a picture for each place of a square with a text at each corner, and yield its RGB pixels. right and down: 0 to
 * 1.
 * @param {Model} model @param {{ corners: string[], places: [right: number, down: number][], seed: number }} values
 */
export async function* between(model, { corners, places, seed }) {
  const { words, decode } = model;
  if (!words || !decode) throw new UserError("this model reads no words");
  const states = corners.map((text) => words(text));
  for (const [i, [right, down]] of places.entries()) {
    const label = mixture(states, right, down);
    for await (const { s, x } of trajectory(model, { seed: String(seed), label }))
      yield s ? null : { i, side: model.pictureSize, pixels: toUint8(decode(x), 3) };
  }
}
