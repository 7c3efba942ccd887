/** A word to the user, shown for a moment. */

type Listener = (text: string) => void;

const listeners = new Set<Listener>();

export function say(text: string): void {
  for (const listener of [...listeners]) {
    listener(text);
  }
}

export function onSaid(listener: Listener): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** Put an address into the clipboard; where the browser has none, it shows it in its own field. */
export async function copyAddress(href: string): Promise<void> {
  const { href: whole } = new URL(href, window.location.href);
  try {
    await navigator.clipboard.writeText(whole);
    say("The link is in the clipboard");
  } catch {
    // On pages without TLS there is no clipboard.
    window.history.replaceState(null, "", href);
    say("The link is in the address field");
  }
}
