// What happens at the station, as it happens. Read by hand rather than by EventSource, which hides the sign of life that
// the station sends: without it a cable that was pulled looks like a quiet line.

import { language } from "./words.js";

const SILENCE_MS = 40_000; // the station says something every 15 seconds
const WAIT_MS = [500, 1000, 2000, 5000];

let end = new AbortController(), isAnew = false;

/** Listen until the page ends; `tell(name, data)` hears events, `state(isOpen)` whether the station is heard. */
export async function listen(tell, state) {
  for (let failures = 0; ; failures += 1) {
    let hasMissed = isAnew;
    isAnew = false;
    const opened = () => {
      failures = 0;
      if (hasMissed) tell("missed", {});
      hasMissed = false;
      state(true);
    };
    try {
      await hear((name, data) => { failures = 0; tell(name, data); }, opened);
    } catch {
      // Whatever it was, the remedy is to try again.
    }
    if (isAnew) continue;
    state(false);
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS[Math.min(failures, WAIT_MS.length - 1)]));
  }
}

/** Listen in the language that is spoken now; what is said between the two is told as `missed`. */
export function listenAnew() {
  isAnew = true;
  end.abort();
}

async function hear(tell, opened) {
  end = new AbortController();
  let patience = setTimeout(() => end.abort(), SILENCE_MS);
  try {
    const answer = await fetch("/events", { headers: { "Accept-Language": language }, signal: end.signal, cache: "no-store" });
    if (answer.status === 401) location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      opened(); // not before: until it has said something, the station may not have begun to listen
      clearTimeout(patience);
      patience = setTimeout(() => end.abort(), SILENCE_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) read(block, tell);
    }
  } finally {
    clearTimeout(patience);
    end.abort();
  }
}

function read(block, tell) {
  const fields = {};
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name) fields[name] = value;
  }
  if (fields.event && fields.data) tell(fields.event, JSON.parse(fields.data));
}
