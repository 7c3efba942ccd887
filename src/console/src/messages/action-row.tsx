import { Icon, type IconName } from "../parts/icon";

/** Something that can be done with a message, where `may` says so. */
export interface Offer {
  readonly name: string;
  readonly icon: IconName;
  readonly may: boolean;
  readonly act: () => void;
}

/** The buttons of what can be done with a message, and what else stands among them. */
export function ActionRow(props: {
  readonly offered: readonly Offer[];
  readonly before?: React.ReactNode;
  readonly after?: React.ReactNode;
}): React.ReactNode {
  const { offered, before, after } = props;
  return (
    <div className="actions" role="group" aria-label="What can be done with this message">
      {before}
      {offered.map(
        ({ name, icon, may, act }) =>
          may && (
            <button
              key={name}
              type="button"
              className="icon"
              title={name}
              aria-label={name}
              data-act={name.toLowerCase().replace("…", "")}
              onClick={act}
            >
              <Icon name={icon} />
            </button>
          ),
      )}
      {after}
    </div>
  );
}
