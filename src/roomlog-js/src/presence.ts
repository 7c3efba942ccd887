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
      case "presence":
        return this.#changed(frame.joined ?? null, frame.left ?? null);
      case "typing":
        this.typing = frame.users;
        return true;
      default:
        return false;
    }
  }

  #changed(joined: string | null, left: string | null): boolean {
    if (joined !== null && !this.online.includes(joined)) {
      this.online = [...this.online, joined];
      return true;
    }
    if (left !== null && this.online.includes(left)) {
      this.online = this.online.filter((user) => user !== left);
      return true;
    }
    return false;
  }

  /** Who types is told by a connection, and not kept beyond it. */
  connectionLost(): void {
    this.typing = NOBODY;
  }

  ended(): void {
    this.online = this.typing = NOBODY;
  }
}
