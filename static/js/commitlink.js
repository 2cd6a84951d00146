// A commit over the ticket that leads to it: the address changes, back closes, a reload shows the page of its own.

const COMMIT = /^\/commits\/[0-9a-f]{4,64}$/;

let dialog = null; // its module, once a commit was opened
let opener = ""; // the address of the link that the first of them was opened by

// The link that a click follows in this tab; null for any other click.
export function followed(event) {
  const isPlain = !(event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  const link = isPlain && event.target.closest?.("a[href]");
  return link && !link.matches("[data-leave], [target]") ? link : null;
}

export const isCommit = (link) => link.origin === location.origin && COMMIT.test(link.pathname);
export const hideCommit = () => dialog?.hide();

// under: what it stands over, and where the focus goes back to
export function goToCommit(link, under) {
  const address = link.pathname + link.search;
  const { depth = 0, commitDepth = 0 } = history.state ?? {};
  history.pushState({ ...history.state, commit: address, commitDepth: commitDepth + 1, depth: depth + 1 }, "", address);
  showCommit(under);
}

// Shows the commit that the browser's history is at.
export async function showCommit(under) {
  const { commit } = history.state;
  if (!dialog?.isOpen()) opener = document.activeElement?.closest("a")?.getAttribute("href") ?? "";
  dialog ??= await import("./commitdialog.js");
  if (history.state?.commit !== commit) return; // gone back meanwhile
  dialog.show(commit, () => {
    if (history.state?.commit) history.go(-history.state.commitDepth);
    // The link may have been drawn anew meanwhile.
    if (document.activeElement === document.body && under.checkVisibility()) (under.querySelector(`a[href="${CSS.escape(opener)}"]`) ?? under.querySelector(".panel-main"))?.focus();
  });
}
