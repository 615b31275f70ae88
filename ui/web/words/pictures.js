// Sentences about a visitor's own picture, and titles of files.

export const UNREADABLE = "This file could not be read as a picture: choose a PNG, JPEG, WEBP, GIF or BMP.";
export const UNCHOSEN = "Choose a picture first";
export const NOT_HERE = "Pictures for this model can be chosen once it is downloaded: run it with a seed first";
export const LATENT = "This model takes no picture of yours. Choose a model of pixels.";

/** Write a number for a sentence, such as 1,200. @param {number} value */
const amount = (value) => Math.round(value).toLocaleString("en");

/** The error for a large file. @param {number} megabytes the limit */
export const tooLarge = (megabytes) => `This file is too large: choose one of up to ${megabytes} MB.`;

/** The error for a narrow picture. @param {number} ratio of the sides @param {number} most */
export const tooLong = (ratio, most) =>
  `This picture is ${amount(ratio)} times as long as wide: choose one of up to ${most} times.`;

/** The error for a large picture. @param {number} pixels of the picture @param {number} megapixels the limit */
export const tooManyPixels = (pixels, megapixels) =>
  `This picture has ${amount(pixels / 1e6)} megapixels: choose one of up to ${megapixels}.`;

/** The error for a picture of another size. @param {number} size of the model's pictures, pixels a side */
export const anotherSize = (size) => `The picture must have the model's size, ${size}×${size}: choose it again`;

/** The titles of files, by their kind. @type {Record<string, string>} */
export const FILES = {
  png: "Pixels (PNG)",
  gif: "Film (GIF)",
  webp: "WebP",
  strip: "Film strip (PNG)",
  csv: "Table (CSV)",
  zip: "Everything (ZIP)",
};
