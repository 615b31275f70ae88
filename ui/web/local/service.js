// The service worker of a page without a server: after the first visit, the page opens offline. ui/static writes this
// file to the root of the page's folder, and replaces VERSION and FILES: FILES lists all files but those that few
// visitors need. Models have their own cache (files/store.js).
//
// Each version has its own cache, which is used only when it is complete. An open page keeps the version with which it
// began, so it never mixes old and new files.

const worker = /** @type {any} */ (self);
const VERSION = "VERSION";
/** @type {string[]} */
const FILES = JSON.parse('"FILES"');
const HERE = new URL("./", worker.location.href);
const OURS = `lab-page ${HERE.pathname} `; // begins the names of this page's caches; other pages of the same origin use other names
const CACHE = OURS + VERSION;

/**
 * Put all files into the cache. If a file can't be fetched, this throws, and the browser keeps the previous version.
 */
async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(
    FILES.map((file) => new Request(file, { cache: /^(web|knowledge)\//.test(file) ? "default" : "reload" })),
  );
}

/** Delete the caches of other versions and serve the open pages. */
async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OURS) && name !== CACHE).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/**
 * Return the answer to a request, from this version's cache or else from the network. A file that FILES lacks is cached
 * when it is first fetched.
 * @param {Request} request
 */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const found = request.mode === "navigate" ? await cache.match("./") : await cache.match(request);
  if (found) return found;
  const fetched = await fetch(request);
  if (fetched.ok && request.url.startsWith(`${HERE.href}web/`))
    await cache.put(request, fetched.clone()).catch(console.warn); // the cache may be full
  return fetched;
}

worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(install()));
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { method, mode, url } = event.request;
  const isPage = url.split(/[?#]/)[0] === HERE.href || url.split(/[?#]/)[0] === `${HERE.href}index.html`;
  if (method === "GET" && url.startsWith(HERE.href) && (mode !== "navigate" || isPage))
    event.respondWith(answer(event.request));
});
