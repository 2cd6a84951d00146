// Style sheets of what is loaded when it is asked for. They stand before the page's own, which so has the last word.

const folder = new URL("../css/", import.meta.url);

export function styles(...names) {
  let before = document.querySelector('link[href$="/pages.css"]');
  return Promise.all(names.map((name) => {
    const href = new URL(`${name}.css`, folder).href;
    if ([...document.styleSheets].some((sheet) => sheet.href === href)) return null;
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href });
    const loaded = new Promise((resolve) => { link.onload = link.onerror = resolve; });
    before.after(link);
    before = link;
    return loaded;
  }));
}
