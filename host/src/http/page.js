// Keeps the page fresh: asks for the part that changes and changes what differs, node by node, so that nothing jumps, and what was
// opened or has the focus stays so. Without this script the page loads itself anew.
"use strict";

const AT_REST = 5000;
const SILENCE = 10000;
let heard = Date.now();

/** Makes `old` what `fresh` is. What a person opened stays open. */
function become(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  const [mine, theirs] = [[...old.childNodes], [...fresh.childNodes]];
  mine.slice(theirs.length).forEach((node) => node.remove());
  theirs.forEach((node, at) => (mine[at] ? become(mine[at], node) : old.append(node)));
}

async function refresh() {
  const live = document.getElementById("live");
  try {
    const answer = await fetch("/live", { signal: AbortSignal.timeout(SILENCE) });
    if (!answer.ok) throw new Error(answer.statusText);
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = parsed.getElementById("live");
    become(live, document.adoptNode(fresh));
    document.title = live.dataset.title;
    heard = Date.now();
  } catch {
    live.querySelector(".stale").hidden = Date.now() - heard < SILENCE / 2;
  }
}

async function follow() {
  if (!document.hidden) await refresh();
  setTimeout(follow, Number(document.getElementById("live").dataset.every) || AT_REST);
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());
follow();
