import { useEffect, useLayoutEffect, useRef, useState } from "react";

const EMOJI = [
  ["👍", "thumbs up"],
  ["👎", "thumbs down"],
  ["✅", "done"],
  ["❌", "no"],
  ["👀", "looking"],
  ["🚀", "deployed"],
  ["🔥", "on fire"],
  ["🚨", "alarm"],
  ["⚠️", "warning"],
  ["🛠️", "working on it"],
  ["🔍", "investigating"],
  ["⏳", "waiting"],
  ["📈", "going up"],
  ["📉", "going down"],
  ["💡", "idea"],
  ["❓", "question"],
  ["🎉", "party"],
  ["🙏", "thank you"],
  ["💯", "hundred"],
  ["❤️", "heart"],
  ["😄", "smile"],
  ["😬", "grimace"],
  ["🤔", "thinking"],
  ["😱", "scream"],
] as const;
const PER_LINE = 8;

const STEPS: Readonly<Record<string, number>> = {
  ArrowRight: 1,
  ArrowLeft: -1,
  ArrowDown: PER_LINE,
  ArrowUp: -PER_LINE,
};

/** A small choice of emoji; arrow keys go about in it, Escape leaves it. */
export function EmojiPicker(props: {
  readonly onPicked: (emoji: string) => void;
  readonly onClose: () => void;
}): React.ReactNode {
  const { onPicked, onClose } = props;
  const place = useRef<HTMLDivElement>(null);
  const [isAbove, setAbove] = useState(false);

  useLayoutEffect(() => {
    const bottom = place.current?.getBoundingClientRect().bottom ?? 0;
    const end = place.current?.closest(".scroller")?.getBoundingClientRect().bottom ?? bottom;
    setAbove(bottom > end);
  }, []);

  useEffect(() => {
    const element = place.current;
    const before = document.activeElement;
    element?.querySelector("button")?.focus();
    const onPress = (press: PointerEvent): void => {
      if (element !== null && !element.parentElement?.contains(press.target as Node)) {
        onClose();
      }
    };
    document.addEventListener("pointerdown", onPress);
    return () => {
      document.removeEventListener("pointerdown", onPress);
      if (before instanceof HTMLElement && element?.contains(document.activeElement) === true) {
        before.focus();
      }
    };
  }, [onClose]);

  const onKeyDown = (key: React.KeyboardEvent): void => {
    if (key.key === "Escape") {
      key.stopPropagation();
      onClose();
      return;
    }
    const step = STEPS[key.key];
    const all = [...(place.current?.querySelectorAll("button") ?? [])];
    const now = all.indexOf(document.activeElement as HTMLButtonElement);
    if (step !== undefined) {
      key.preventDefault();
      key.stopPropagation();
      all[Math.max(0, Math.min(now + step, all.length - 1))]?.focus();
    }
  };
  return (
    <div
      ref={place}
      className={isAbove ? "emoji above" : "emoji"}
      role="group"
      aria-label="Reactions"
      onKeyDown={onKeyDown}
    >
      {EMOJI.map(([emoji, name]) => (
        <button
          key={emoji}
          type="button"
          aria-label={name}
          title={name}
          onClick={() => onPicked(emoji)}
        >
          {emoji}
        </button>
      ))}
    </div>
  );
}
