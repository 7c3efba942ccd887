import type { RoomRole } from "./contract.gen.js";
import type { PassedFrame } from "./machine/types.js";

const NOBODY: readonly string[] = [];

/** Who is in a room and types there, as the connection tells; user ids. */
export class Presence {
  online: readonly string[] = NOBODY;
  typing: readonly string[] = NOBODY;
  /** The user's own role, as told when the room was subscribed. */
  role: RoomRole | null = null;

  /** Take in what was told; whether anything is different now. */
  passed(frame: PassedFrame): boolean {
    switch (frame.type) {
      case "subscribed":
        this.role = frame.role;
        this.online = frame.online;
        this.typing = NOBODY;
        return true;
      case "presence": {
        const others = this.online.filter((user) => user !== frame.left && user !== frame.joined);
        this.online = frame.joined == null ? others : [...others, frame.joined];
        return true;
      }
      case "typing":
        this.typing = frame.users;
        return true;
      default:
        return false;
    }
  }

  /** Who types is told by a connection, and not kept beyond it. */
  connectionLost(): void {
    this.typing = NOBODY;
  }

  ended(): void {
    this.online = this.typing = NOBODY;
  }
}
