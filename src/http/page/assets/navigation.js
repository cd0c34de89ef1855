// The page's address: filter, table, tab and open call stand behind its `#`, so that a reload keeps them and they can be
// passed on. What an operator takes for a step (a story, another tab, a filter) is an entry of the browser's history:
// Back undoes it, and leaves the page only from where it was opened.

/** Called when Back, Forward or the user has changed the address. */
const readers = [];

/** Changes that came while the browser was on its way back. */
let waiting;

/** The fields of the address. */
export const fields = () => new URLSearchParams(location.hash.slice(1));

/** Calls this with the fields whenever somebody else than `write` and `leave` has changed the address. */
export const onChange = (reader) => readers.push(reader);

/** Writes these fields into the address; those of `names` that are not given leave it. A step is an entry of its own. */
export function write(given, names, isStep = false) {
  later(() => {
    const hash = changed(given, names);
    if (hash === location.hash) return;
    if (isStep) history.pushState({ before: location.hash }, "", to(hash));
    else history.replaceState(history.state, "", to(hash));
  });
}

/** Takes these fields out: goes back, if the entry before is the same without them. */
export function leave(names) {
  later(() => {
    const hash = changed({}, names);
    if (hash === location.hash) return;
    if (history.state?.before !== hash) return history.replaceState(history.state, "", to(hash));
    waiting = [];
    history.back();
  });
}

function later(change) {
  if (waiting) waiting.push(change);
  else change();
}

function changed(given, names) {
  const address = fields();
  for (const name of names) address.delete(name);
  for (const [name, value] of Object.entries(given)) address.set(name, value);
  const text = address.toString();
  return text ? `#${text}` : "";
}

const to = (hash) => hash || location.pathname + location.search;

addEventListener("popstate", () => {
  if (waiting) {
    // Ours: the page shows already what this entry says.
    const changes = waiting;
    waiting = undefined;
    for (const change of changes) later(change);
    return;
  }
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  for (const reader of readers) reader(fields());
});
