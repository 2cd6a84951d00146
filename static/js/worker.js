// The service worker; the server puts `const SHELL = {version, offline, files}` before it and serves it as /sw.js.
// It keeps static files for when the server is away, and a page that says so. It never keeps what holds data.

const CACHE = `hephaestus-${SHELL.version}`;
const STATIC = "/static/";

self.addEventListener("install", (event) => {
  // Everything else goes past the worker: its start would cost the first click on a ticket 50 ms.
  try {
    event.addRoutes?.([
      { condition: { urlPattern: "/api/*" }, source: "network" },
      { condition: { urlPattern: "/tickets/*/*" }, source: "network" },
    ])?.catch?.(() => {});
  } catch { /* a browser that knows other conditions */ }
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll([SHELL.offline, ...SHELL.files].map((url) => new Request(url, { cache: "reload", credentials: "omit" })));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name.startsWith("hephaestus-") && name !== CACHE) await caches.delete(name);
    await self.registration.navigationPreload?.enable();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(event));
  else if (url.pathname.startsWith(STATIC) && !request.headers.has("range")) event.respondWith(file(event));
});

// A page is always the server's own; only where none answers, the kept page says so at the same address.
async function page(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await caches.match(SHELL.offline, { cacheName: CACHE, ignoreVary: true })) ?? Response.error();
  }
}

// The server's first: names carry no version, and a page must not meet scripts of another.
async function file(event) {
  try {
    const answer = await fetch(event.request);
    if (answer.status === 200 && answer.type === "basic") {
      const copy = answer.clone();
      event.waitUntil(caches.open(CACHE).then((cache) => cache.put(event.request, copy)).catch(() => {}));
    }
    return answer;
  } catch (error) {
    const kept = await caches.match(event.request, { cacheName: CACHE, ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}
