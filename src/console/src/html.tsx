import { useLayoutEffect, useRef } from "react";

interface Policy {
  createHTML(html: string): unknown;
}

interface PolicyFactory {
  createPolicy(name: string, rules: { createHTML(html: string): string }): Policy;
}

// The page's Content-Security-Policy lets no other policy make HTML of text (Trusted Types).
const factory = (window as unknown as { trustedTypes?: PolicyFactory }).trustedTypes;
const policy: Policy = factory?.createPolicy("roomlog", { createHTML: (html) => html }) ?? {
  createHTML: (html) => html,
};

/**
 * `content_html` as the server made it: sanitised there, and the only HTML that is put into the
 * page. Links open beside the page.
 */
export function ServerHtml(props: { readonly html: string }): React.ReactNode {
  const place = useRef<HTMLDivElement>(null);
  const { html } = props;
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) {
      return;
    }
    element.innerHTML = policy.createHTML(html) as string;
    for (const link of element.querySelectorAll("a")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
    }
    for (const block of element.querySelectorAll("pre")) {
      // What scrolls must be reached by the keyboard too.
      block.tabIndex = 0;
    }
  }, [html]);
  return <div className="prose" ref={place} />;
}

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
