import { memo, useMemo, useRef, useState } from "react";
import { counted, duration, exactTime, timeWithSeconds } from "../format";
import { STATUS_NAMES } from "../parts/badges";
import { Icon } from "../parts/icon";
import { SPEEDS, type Speed } from "./playback";
import type { MarkKind, Story } from "./story";
import type { Playback } from "./use-playback";

const BARS = 240;
const PLACES = 1000;
const PAGE = 0.05;

/** The whole length of the incident: go anywhere in it, step, play. */
export function Scrubber(props: {
  readonly story: Story;
  /** Rises whenever the story has more. */
  readonly version: number;
  readonly playback: Playback;
}): React.ReactNode {
  const { story, version, playback } = props;
  const { goTo, sequence, isPlaying, toggle } = playback;
  const previous = story.markBeside(sequence, -1);
  const next = story.markBeside(sequence, 1);
  const buttons = [
    { name: "Previous change", icon: "earlier", to: previous?.sequence },
    { name: "Previous event", icon: "back", to: story.stepped(sequence, -1) },
    { name: isPlaying ? "Stop" : "Play", icon: isPlaying ? "pause" : "play", to: null },
    { name: "Next event", icon: "forward", to: story.stepped(sequence, 1) },
    { name: "Next change", icon: "later", to: next?.sequence },
  ] as const;
  return (
    <section className="scrubber" aria-label="Timeline">
      <Track story={story} version={version} playback={playback} />
      <div className="controls">
        <div className="transport" role="group" aria-label="Playing">
          {buttons.map(({ name, icon, to }) => (
            <button
              key={icon === "pause" ? "play" : icon}
              type="button"
              className={to === null ? "icon primary" : "icon"}
              title={name}
              aria-label={name}
              disabled={to === undefined || story.isEmpty}
              onClick={() => (to === null || to === undefined ? toggle() : goTo(to))}
            >
              <Icon name={icon} />
            </button>
          ))}
        </div>
        <Speeds playback={playback} />
        <Where story={story} playback={playback} />
      </div>
    </section>
  );
}

function Speeds(props: { readonly playback: Playback }): React.ReactNode {
  const { speed, setSpeed, skip, setSkip } = props.playback;
  return (
    <div className="speeds">
      <label>
        <span className="visually-hidden">Speed</span>
        <select
          value={speed}
          title="Speed"
          onChange={(choice) => setSpeed(Number(choice.target.value) as Speed)}
        >
          {SPEEDS.map((one) => (
            <option key={one} value={one}>
              {one}×
            </option>
          ))}
        </select>
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={skip}
          onChange={(choice) => setSkip(choice.target.checked)}
        />
        Skip silences
      </label>
    </div>
  );
}

function Where(props: {
  readonly story: Story;
  readonly playback: Playback;
}): React.ReactNode {
  const { story, playback } = props;
  const { time_ms, sequence } = playback;
  if (story.isEmpty) {
    return null;
  }
  return (
    <p className="where">
      <time title={exactTime(time_ms)}>{timeWithSeconds(time_ms)}</time>
      <span className="quiet">
        {duration(time_ms - story.begins_ms)} of {duration(story.ends_ms - story.begins_ms)}
        <span className="events">
          {" · "}
          {story.indexAt(sequence).toLocaleString()} of {counted(story.sequences.length, "event")}
        </span>
      </span>
    </p>
  );
}

/** The track itself: how much happened when, how the incident stood, and what was changed. */
function Track(props: {
  readonly story: Story;
  readonly version: number;
  readonly playback: Playback;
}): React.ReactNode {
  const { story, version, playback } = props;
  const { time_ms, sequence, goTo, goToTime, toggle } = playback;
  const place = useRef<HTMLDivElement>(null);
  const [under, setUnder] = useState<number | null>(null);
  const length_ms = Math.max(1, story.ends_ms - story.begins_ms);
  const share = clamped((time_ms - story.begins_ms) / length_ms);

  const timeUnder = (pointer: React.PointerEvent): number => {
    const { left, width } = place.current?.getBoundingClientRect() ?? { left: 0, width: 1 };
    return story.begins_ms + clamped((pointer.clientX - left) / width) * length_ms;
  };
  const onKeyDown = (key: React.KeyboardEvent): void => {
    const to = steppedTo(key.key, story, playback, length_ms);
    if (key.key === " ") {
      key.preventDefault();
      toggle();
    } else if (to !== null) {
      key.preventDefault();
      goTo(to);
    }
  };
  const status = story.statusAt(sequence);
  const index = Math.max(0, story.indexAt(sequence) - 1);
  return (
    <div
      ref={place}
      className="track"
      role="slider"
      tabIndex={0}
      aria-label="Moment"
      aria-valuemin={0}
      aria-valuemax={Math.max(0, story.sequences.length - 1)}
      aria-valuenow={index}
      aria-valuetext={`${exactTime(time_ms)}${status === null ? "" : `, ${STATUS_NAMES[status]}`}`}
      onKeyDown={onKeyDown}
      onPointerDown={(pointer) => {
        pointer.currentTarget.setPointerCapture(pointer.pointerId);
        goToTime(timeUnder(pointer));
      }}
      onPointerMove={(pointer) => {
        setUnder(timeUnder(pointer));
        if (pointer.currentTarget.hasPointerCapture(pointer.pointerId)) {
          goToTime(timeUnder(pointer));
        }
      }}
      onPointerLeave={() => setUnder(null)}
    >
      <Drawing story={story} version={version} />
      <div className="past" style={{ width: `${share * 100}%` }} />
      <div className="head" style={{ left: `${share * 100}%` }} />
      {under !== null && (
        <output
          className="under"
          style={{ left: `${((under - story.begins_ms) / length_ms) * 100}%` }}
        >
          {timeWithSeconds(under)}
        </output>
      )}
    </div>
  );
}

function clamped(share: number): number {
  return Math.max(0, Math.min(share, 1));
}

function steppedTo(
  key: string,
  story: Story,
  { sequence, time_ms }: Playback,
  length_ms: number,
): number | null {
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return story.stepped(sequence, -1);
    case "ArrowRight":
    case "ArrowUp":
      return story.stepped(sequence, 1);
    case "PageDown":
      return Math.max(story.first, story.sequenceAt(time_ms - length_ms * PAGE));
    case "PageUp":
      return story.sequenceAt(Math.max(time_ms + length_ms * PAGE, story.begins_ms));
    case "Home":
      return story.first;
    case "End":
      return story.head;
    default:
      return null;
  }
}

const LANES: readonly MarkKind[] = ["edit", "delete", "redact", "status"];

const Drawing = memo(function Drawing(props: {
  readonly story: Story;
  readonly version: number;
}): React.ReactNode {
  const { story, version } = props;
  const drawn = useMemo(() => drawingOf(story, version), [story, version]);
  return (
    <svg viewBox={`0 0 ${PLACES} 60`} preserveAspectRatio="none" aria-hidden="true">
      {drawn.spans.map(({ status, from, to }) => (
        <rect key={from} className="span" data-status={status} x={from} y={54} width={to - from} height={6} />
      ))}
      <path className="density" d={drawn.density} />
      {LANES.map((kind) => (
        <path key={kind} className="mark" data-kind={kind} d={drawn.marks.get(kind) ?? ""} />
      ))}
    </svg>
  );
});

interface Drawn {
  readonly density: string;
  readonly marks: ReadonlyMap<MarkKind, string>;
  readonly spans: readonly { readonly status: string; readonly from: number; readonly to: number }[];
}

function drawingOf(story: Story, _version: number): Drawn {
  const length_ms = Math.max(1, story.ends_ms - story.begins_ms);
  const placeOf = (at_ms: number): number =>
    Math.round(((at_ms - story.begins_ms) / length_ms) * PLACES);
  const counts = story.density(BARS);
  const most = Math.sqrt(Math.max(1, ...counts));
  const width = PLACES / BARS;
  const density = counts
    .map((count, n) => {
      const height = count === 0 ? 0 : 3 + (Math.sqrt(count) / most) * 33;
      return `M${n * width} 50h${width * 0.8}v-${height}h-${width * 0.8}z`;
    })
    .join("");
  const places = new Map(LANES.map((kind) => [kind, new Set<number>()]));
  for (const { kind, at_ms } of story.marks) {
    places.get(kind)?.add(placeOf(at_ms));
  }
  const marks = new Map<MarkKind, string>();
  for (const [kind, at] of places) {
    marks.set(kind, [...at].map((x) => `M${x} ${kind === "status" ? 0 : 2}V52`).join(""));
  }
  const spans = story.statusSpans().map(({ status, from_ms, to_ms }) => ({
    status,
    from: placeOf(from_ms),
    to: Math.max(placeOf(to_ms ?? story.ends_ms), placeOf(from_ms) + 1),
  }));
  return { density, marks, spans };
}
