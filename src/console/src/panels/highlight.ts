const MARK = /<mark>(.*?)<\/mark>/gsu;
const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&amp;": "&",
  "&quot;": '"',
  "&#x27;": "'",
  "&#39;": "'",
};

export interface Stretch {
  readonly text: string;
  readonly marked: boolean;
}

/** A search's `highlight` as text, of which some is marked: no HTML has to be put anywhere. */
export function stretches(highlight: string): Stretch[] {
  return highlight.split(MARK).flatMap((part, n) => {
    const text = part.replace(/&(?:lt|gt|amp|quot|#x27|#39);/gu, (found) => ENTITIES[found] ?? "");
    return text === "" ? [] : [{ text, marked: n % 2 === 1 }];
  });
}
