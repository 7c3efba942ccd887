import {
  type ReactNode,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { flushSync } from "react-dom";
import { ListWindow, type Span } from "./window";

export interface ListHandle {
  /** Put a row into sight; false where it is not in the list. */
  show(key: string): boolean;
  showEnd(): void;
  /** The element of a row, where it is there. */
  element(key: string): HTMLElement | null;
  focus(): void;
}

/** What is seen of the list. */
export interface Seen {
  readonly isAtEnd: boolean;
  readonly first: number;
  readonly end: number;
}

const NOTHING: Span = { first: 0, end: 0 };
/** Where a row is put that was looked for: so far down the viewport. */
const SHOWN_AT = 0.3;

/** A list of which only what is about the viewport exists. Each row's element has `data-row`. */
export function WindowedList<
  R extends { readonly key: string; readonly kind: string },
>(props: {
  readonly rows: readonly R[];
  readonly estimate: (row: R) => number;
  readonly render: (row: R, index: number) => ReactNode;
  readonly onSeen: (seen: Seen) => void;
  readonly handle: Ref<ListHandle>;
  readonly onKeyDown?: (key: React.KeyboardEvent) => void;
  readonly label: string;
  readonly busy: boolean;
}): ReactNode {
  const { rows, estimate, render, onSeen, handle, onKeyDown, label, busy } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const space = useRef<HTMLDivElement>(null);
  const block = useRef<HTMLDivElement>(null);
  const [list] = useState(() => new ListWindow(true));
  const known_px = useRef(0);
  const [span, setSpan] = useState(NOTHING);
  const measured = useMemo(
    () =>
      rows.map((row) => ({
        key: row.key,
        estimate: estimate(row),
        holds: row.kind === "message",
      })),
    [rows, estimate],
  );

  /** Put everything where it belongs, and find out which rows have to be there. */
  const place = useCallback(() => {
    const [outer, inner, shown] = [scroller.current, space.current, block.current];
    if (outer === null || inner === null || shown === null) {
      return;
    }
    list.resize(outer.clientHeight);
    if (Math.abs(outer.scrollTop - known_px.current) >= 1) {
      // The reader has scrolled, and the browser has not told of it yet.
      list.scrolledTo(outer.scrollTop);
    }
    // Rows that are there for the first time turn out to be of another height than was thought.
    list.measure(heightsOf(shown));
    inner.style.height = `${list.height}px`;
    shown.style.transform = `translateY(${list.offsetOf(Number(shown.dataset["first"]))}px)`;
    const top = list.top;
    if (Math.abs(outer.scrollTop - top) >= 1) {
      outer.scrollTop = top;
    }
    known_px.current = outer.scrollTop;
    setSpan((now) => list.span(now));
    onSeen({ isAtEnd: list.isAtEnd, ...list.visible() });
  }, [list, onSeen]);

  useLayoutEffect(() => {
    list.setRows(measured);
    place();
  }, [list, measured, place, span]);

  useEffect(() => {
    // In a frame of its own: rows that come because of it change what is observed.
    const observer = new ResizeObserver(() => requestAnimationFrame(place));
    for (const element of [scroller.current, block.current]) {
      if (element !== null) {
        observer.observe(element);
      }
    }
    return () => observer.disconnect();
  }, [place]);

  useImperativeHandle(handle, () => ({
    show: (key) => {
      place();
      const height = scroller.current?.clientHeight ?? 0;
      const found = list.show(key, height * SHOWN_AT);
      place();
      return found;
    },
    showEnd: () => {
      place();
      list.showEnd();
      place();
    },
    element: (key) =>
      block.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`) ?? null,
    focus: () => scroller.current?.focus({ preventScroll: true }),
  }));

  return (
    <div
      ref={scroller}
      className="scroller"
      role="log"
      // What comes and goes with scrolling is nothing new: what is new is announced elsewhere.
      aria-live="off"
      aria-label={label}
      aria-busy={busy}
      // What scrolls must be reached by the keyboard too.
      tabIndex={0}
      // At once: a frame later, whoever scrolls fast would see where nothing is yet.
      onScroll={() => flushSync(place)}
      onKeyDown={onKeyDown}
    >
      <div ref={space} className="space">
        <div ref={block} className="block" data-first={span.first}>
          {rows.slice(span.first, span.end).map((row, n) => render(row, span.first + n))}
        </div>
      </div>
    </div>
  );
}

function heightsOf(block: HTMLElement): [string, number][] {
  return [...block.children].flatMap((child): [string, number][] => {
    const key = child instanceof HTMLElement ? child.dataset["row"] : undefined;
    return key === undefined ? [] : [[key, child.getBoundingClientRect().height]];
  });
}
