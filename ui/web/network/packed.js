// Packed files of weights, which ui/static/packing.py writes.
import { unpacked } from "../messages/bytes.js";
import { UserError } from "../process/errors.js";

export const PACKED = ".packed"; // suffix of the files

/** Return the file that was packed. Throws a UserError for a damaged file. @param {ArrayBuffer} content @param {string} path for messages */
export async function unpack(content, path) {
  const separated = await unpacked(new Uint8Array(content)).catch((cause) => {
    throw new UserError(`${path} is damaged or cut off: load it again`, { cause });
  });
  const file = new Uint8Array(separated.length);
  const odd = (file.length + 1) >> 1; // where the bytes of odd index begin
  for (let i = 0; i < file.length; i++) file[i] = separated[(i & 1 ? odd : 0) + (i >> 1)];
  return file.buffer;
}
