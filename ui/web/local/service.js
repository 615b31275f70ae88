// The service worker of a page without a server: after the first visit the page opens offline. ui/static writes it to the
// folder's root, with the version and the list of all files of the page; models are kept by files/store.js.
//
// A version has a cache of its own, which is complete before it is used, and a page keeps the version that it began with:
// so old and new files are never together.

const worker = /** @type {any} */ (self);
const VERSION = "VERSION";
/** @type {string[]} */
const FILES = JSON.parse('"FILES"');
const HERE = new URL("./", worker.location.href);
const OURS = `lab-page ${HERE.pathname} `; // the caches of this folder; another lab of the origin has its own
const CACHE = OURS + VERSION;

/** Put all files into the cache; if one can't be had, the version before stays. */
async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(
    FILES.map((file) => new Request(file, { cache: /^(web|knowledge)\//.test(file) ? "default" : "reload" })),
  );
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OURS) && name !== CACHE).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** A file, from the cache of this version. What is not in FILES, as not every visitor needs it, is kept when it first comes. @param {Request} request */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const found = request.mode === "navigate" ? await cache.match("./") : await cache.match(request);
  if (found) return found;
  const fetched = await fetch(request);
  if (fetched.ok && request.url.startsWith(`${HERE.href}web/`))
    await cache.put(request, fetched.clone()).catch(console.warn); // no room
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
