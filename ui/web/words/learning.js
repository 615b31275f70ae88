// Sentences about training pictures and trained models.

/** Write a number for a sentence, such as 1,200. @param {number} value */
const amount = (value) => value.toLocaleString("en");

/** List the first three names, and count the others. @param {string[]} names */
const some = (names) =>
  names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${amount(names.length - 3)} more` : names.join(", ");

/** Sentences about a ZIP. */
export const ZIP = {
  none: "This file is no ZIP that can be read here, or it is cut off.",
  large: (/** @type {number} */ megabytes) => `This ZIP is too large: choose one of up to ${megabytes} MB, unpacked.`,
  damaged: (/** @type {string} */ name) => `This ZIP is damaged: its file ${name} can't be read.`,
  noModel: (/** @type {string} */ name) => `This ZIP holds no model that can be opened here: it has no ${name}.`,
};

/** Sentences about the pictures that a network learns. */
export const PICTURES = {
  digits: "The digits could not be loaded: is there a network? Try again.",
  drawings: (/** @type {number} */ count, /** @type {number} */ fewest, /** @type {number} */ most) =>
    `Draw ${fewest} to ${most} small pictures. There are ${count} now.`,
  few: (/** @type {number} */ count, /** @type {number} */ fewest) =>
    `Choose at least ${fewest} pictures. ${count} could be read.`,
  unread: (/** @type {string[]} */ names) =>
    names.length === 1
      ? `One file could not be read as a picture: ${names[0]}.`
      : `${amount(names.length)} files could not be read as pictures: ${some(names)}.`,
  many: (/** @type {number} */ count, /** @type {number} */ most) =>
    `Of ${amount(count)} files, ${amount(most)} are taken, evenly.`,
};

/** Shown if a training can't begin, because another window trains. */
export const ELSEWHERE = "Another window of this browser trains already. Stop it there, then try again.";

/** Sentences for browsers that can't store a model. */
export const SHELF = {
  full: "The browser has no room left. The training goes on: save the model as a ZIP before you leave.",
  none: "The browser keeps nothing here, as in a private window. Save the model as a ZIP before you leave.",
};

/** Sentences about models that were trained in this browser. */
export const OWN = {
  gone: (/** @type {string} */ ref) =>
    `This browser has no model ${ref}. It was removed, or trained in another browser.`,
  removed: "The model was removed from this browser.",
};
