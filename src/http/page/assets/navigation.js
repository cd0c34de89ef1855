// Filter, table, tab and open call are kept in the fragment of the page's URL, so that a reload
// keeps them and the URL can be shared. Each step of an operator (opening a call, another tab, a
// filter) is an entry of the browser's history: Back undoes one step, and leaves the page only
// after the first.

/** Called with the parameters after Back, Forward or a change of the URL by the user. */
const listeners = [];

/**
 * Changes requested while `history.back()` is under way; it ends with a `popstate` event.
 * `undefined` at other times.
 */
let queued;

/** The parameters in the URL's fragment. */
export const params = () => new URLSearchParams(location.hash.slice(1));

/**
 * Registers a function that is called with the parameters when the URL changed in another way than
 * by this module.
 */
export const onNavigate = (listener) => listeners.push(listener);

/**
 * Sets these parameters and removes the others of `names`. A step gets a history entry of its own.
 */
export function setParams(values, names, { isStep = false } = {}) {
  whenIdle(() => {
    const hash = fragment(values, names);
    if (hash === location.hash) return;
    if (isStep) history.pushState({ previous: location.hash }, "", url(hash));
    else history.replaceState(history.state, "", url(hash));
  });
}

/**
 * Removes these parameters: goes back if the previous history entry is the same URL without them.
 */
export function removeParams(names) {
  whenIdle(() => {
    const hash = fragment({}, names);
    if (hash === location.hash) return;
    if (history.state?.previous !== hash) return history.replaceState(history.state, "", url(hash));
    queued = [];
    history.back();
  });
}

function whenIdle(change) {
  if (queued) queued.push(change);
  else change();
}

function fragment(values, names) {
  const changed = params();
  for (const name of names) changed.delete(name);
  for (const [name, value] of Object.entries(values)) changed.set(name, value);
  const text = changed.toString();
  return text ? `#${text}` : "";
}

const url = (hash) => hash || location.pathname + location.search;

addEventListener("popstate", () => {
  if (queued) {
    // removeParams went back; the views show this entry already.
    const changes = queued;
    queued = undefined;
    for (const change of changes) whenIdle(change);
    return;
  }
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  for (const listener of listeners) listener(params());
});
