import { hueOf, initials, nameOf } from "../format";

/** Letters on a colour, always the same for a user; `online` adds a dot. */
export function Avatar(props: {
  readonly userId: string;
  /** What the user is called, where that is not to be looked up among the members. */
  readonly name?: string;
  readonly members?: ReadonlyMap<string, { readonly name: string | null }>;
  readonly online?: boolean;
}): React.ReactNode {
  const { userId, name, members, online = false } = props;
  return (
    <span className="avatar" data-hue={hueOf(userId)} aria-hidden="true">
      {initials(name ?? nameOf(userId, members))}
      {online && <span className="presence" />}
    </span>
  );
}
