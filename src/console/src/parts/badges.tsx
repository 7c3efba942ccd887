import type { RoomStatus } from "roomlog-js";

export const STATUS_NAMES: Readonly<Record<RoomStatus, string>> = {
  open: "Open",
  mitigated: "Mitigated",
  resolved: "Resolved",
  closed: "Closed",
};

export function StatusBadge(props: { readonly status: RoomStatus }): React.ReactNode {
  return (
    <span className="badge status" data-status={props.status}>
      {STATUS_NAMES[props.status]}
    </span>
  );
}

export function SeverityBadge(props: { readonly severity: string | null }): React.ReactNode {
  return props.severity === null ? null : (
    <span className="badge severity">
      <span className="visually-hidden">Severity </span>
      {props.severity}
    </span>
  );
}
