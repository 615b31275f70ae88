// The part of the page's address that belongs to a tab: short values in the query, as Denoise has its own there, long
// ones, such as pictures, after the #, which no server ever gets.

/**
 * The address that restores a tab.
 * @param {string | URL} now what else is in it stays
 * @param {string} tab
 * @param {Record<string, string | number>} values
 * @param {Record<string, string>} long
 */
export function linkTo(now, tab, values, long = {}) {
  const url = new URL(now);
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, String(value));
  url.searchParams.set("tab", tab);
  const hash = new URLSearchParams(Object.entries(long).filter(([, value]) => value));
  url.hash = hash.size ? String(hash) : "";
  return url;
}

/**
 * What the address says for a tab, or null when it is of another one.
 * @param {string | URL} address
 * @param {string} tab
 * @returns {Record<string, string> | null}
 */
export function linked(address, tab) {
  const url = new URL(address);
  if (url.searchParams.get("tab") !== tab) return null;
  return { ...Object.fromEntries(url.searchParams), ...Object.fromEntries(new URLSearchParams(url.hash.slice(1))) };
}
