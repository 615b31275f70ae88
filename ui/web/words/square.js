// The name of a place in the square between four texts.

/** Describe a mixture by its shares in per cent, the largest first. @param {number[]} shares @param {string[]} corners */
export const mixed = (shares, corners) =>
  shares
    .map((share, i) => /** @type {const} */ ([Math.round(100 * share), corners[i]]))
    .filter(([share]) => share > 0)
    .sort(([a], [b]) => b - a)
    .map(([share, name]) => `${share} % ${name}`)
    .join(", ");
