import { Icon } from "../parts/icon";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const DEPTH_MAX = 3;
const ITEMS_MAX = 50;
const TEXT_CHARS_MAX = 2000;

/** `incident_data` as a card: what kind it is, and its data as names and values. */
export function IncidentCard(props: {
  readonly metadata: Readonly<Record<string, unknown>>;
}): React.ReactNode {
  const { kind, data } = props.metadata as { kind?: unknown; data?: Json };
  return (
    <section className="card">
      <h3>
        <Icon name="data" />
        {typeof kind === "string" ? readable(kind) : "Data"}
      </h3>
      {data !== undefined && <Value value={data} depth={0} />}
    </section>
  );
}

function Value(props: { readonly value: Json; readonly depth: number }): React.ReactNode {
  const { value, depth } = props;
  if (value === null || typeof value !== "object") {
    return <Scalar value={value} />;
  }
  const isList = Array.isArray(value);
  const entries = Object.entries(value as Record<string, Json>);
  if (entries.length === 0) {
    return <span className="quiet">none</span>;
  }
  if (depth >= DEPTH_MAX) {
    return <code>{JSON.stringify(value).slice(0, TEXT_CHARS_MAX)}</code>;
  }
  const left = entries.length - ITEMS_MAX;
  const shown = entries.slice(0, ITEMS_MAX);
  if (isList && shown.every(([, one]) => one === null || typeof one !== "object")) {
    const texts = shown.map(([, one]) => scalarText(one as string)).join(", ");
    return left > 0 ? `${texts} and ${left} more` : texts;
  }
  return (
    <dl>
      {shown.map(([name, one]) => (
        <div key={name}>
          <dt>{isList ? `${Number(name) + 1}` : readable(name)}</dt>
          <dd>
            <Value value={one} depth={depth + 1} />
          </dd>
        </div>
      ))}
      {left > 0 && (
        <div>
          <dt className="quiet">and {left} more</dt>
          <dd />
        </div>
      )}
    </dl>
  );
}

function Scalar(props: { readonly value: null | boolean | number | string }): React.ReactNode {
  const { value } = props;
  if (typeof value === "string" && /^https:\/\/\S+$/u.test(value)) {
    return (
      <a href={value} target="_blank" rel="noopener noreferrer nofollow">
        {value}
      </a>
    );
  }
  const isNumber = typeof value === "number";
  return <span className={isNumber ? "number" : undefined}>{scalarText(value)}</span>;
}

function scalarText(value: null | boolean | number | string): string {
  if (value === null) {
    return "none";
  }
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  return typeof value === "number"
    ? value.toLocaleString(undefined, { maximumFractionDigits: 6, useGrouping: "min2" })
    : value.slice(0, TEXT_CHARS_MAX);
}

/** `window_s` as people read it: `window s`. */
function readable(name: string): string {
  return name.replaceAll("_", " ");
}
