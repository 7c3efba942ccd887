import { useEffect, useId, useRef } from "react";
import { Icon } from "../parts/icon";

/** What stands beside the messages; on a phone, before them. Escape closes it. */
export function Panel(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: React.ReactNode;
}): React.ReactNode {
  const { title, onClose, children } = props;
  const id = useId();
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const element = place.current;
    const first = element?.querySelector<HTMLElement>("input") ?? element;
    first?.focus();
    return () => {
      const within = element?.contains(document.activeElement) === true;
      if ((within || document.activeElement === document.body) && before instanceof HTMLElement) {
        before.focus();
      }
    };
  }, []);
  return (
    <aside
      ref={place}
      className="panel"
      aria-labelledby={id}
      tabIndex={-1}
      onKeyDown={(key) => {
        if (key.key === "Escape") {
          key.stopPropagation();
          onClose();
        }
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" className="icon" aria-label="Close" title="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </aside>
  );
}
