import { counted, exactTime, nameOf } from "../format";
import { Avatar } from "../parts/avatar";
import { useRoomView } from "../room-context";
import { Panel } from "./panel";

const RANK = { commander: 0, responder: 1, observer: 2 } as const;

/** The room's members: who is here now first, then by what they may do. */
export function People(props: { readonly onClose: () => void }): React.ReactNode {
  const { members, online } = useRoomView();
  const all = [...members].toSorted(
    ([one, { role }], [other, { role: otherRole }]) =>
      Number(online.has(other)) - Number(online.has(one)) ||
      RANK[role] - RANK[otherRole] ||
      nameOf(one, members).localeCompare(nameOf(other, members)),
  );
  // Auditors and admins may be here without being members.
  const guests = [...online].filter((user) => !members.has(user));
  return (
    <Panel title="People" onClose={props.onClose}>
      <p className="quiet summary">
        {counted(members.size, "member")}, {online.size} here now
      </p>
      <ul className="people">
        {all.map(([user, { role, since }]) => (
          <li key={user}>
            <Avatar userId={user} members={members} online={online.has(user)} />
            <span className="who" title={`${user}, since ${exactTime(since)}`}>
              {nameOf(user, members)}
              <span className="quiet">{user}</span>
            </span>
            <span className="quiet">{role}</span>
            <span className="visually-hidden">{online.has(user) ? "here now" : "away"}</span>
          </li>
        ))}
        {guests.map((user) => (
          <li key={user}>
            <Avatar userId={user} online />
            <span className="who" title={user}>
              {nameOf(user)}
              <span className="quiet">{user}</span>
            </span>
            <span className="quiet">guest</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
