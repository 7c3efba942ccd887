import { Clock } from "./clock.js";
import type { ServerFrame } from "./contract.gen.js";
import { RoomlogError } from "./errors.js";
import { BACKOFF_TIMER, Machine, type MachineConfig } from "./machine/machine.js";
import type { Effect, Input } from "./machine/types.js";
import type { QueueStore } from "./queue-store.js";
import { Socket, type WebSocketConstructor } from "./socket.js";
import type { TokenSource } from "./token-source.js";

/** What the driver does not do itself: what concerns whoever uses the client. */
export type ToldEffect = Exclude<
  Effect,
  {
    type:
      | ("fetch_token" | "open_socket" | "close_socket" | "send")
      | ("set_timer" | "cancel_timer" | "cancel_timers" | "store" | "forget");
  }
>;

export interface DriverParts {
  /** The address of `/ws`, asked for at each attempt. */
  readonly socketUrl: () => string;
  readonly WebSocket: WebSocketConstructor;
  readonly tokens: TokenSource;
  readonly queue: QueueStore | null;
  readonly config: MachineConfig;
  /** Takes every other effect, in order. */
  readonly tell: (effect: ToldEffect) => void;
  /** Told until when it waits before it tries again. */
  readonly waits: (until_ms: number) => void;
}

/**
 * The machine's shell: the clock and chance that it is given, and the socket, token, timers and
 * persistent queue that its effects are about. An input is taken when all effects of the one
 * before are carried out.
 */
export class Driver {
  readonly machine: Machine;
  readonly #parts: DriverParts;
  readonly #clock = new Clock();
  readonly #inputs: (() => Input | null)[] = [];
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #effects: Effect[] = [];
  #socket: Socket | null = null;
  #busy = false;

  constructor(parts: DriverParts) {
    this.#parts = parts;
    this.machine = new Machine(parts.config);
  }

  /** Give the machine an input; at once, unless it is at work. */
  give(input: Input): void {
    this.#giveLater(() => input);
  }

  /** Do something when every effect of what was given before is carried out. */
  afterwards(work: () => void): void {
    this.#giveLater(() => {
      work();
      return null;
    });
  }

  /** `null` when its time has come: it does not count any more. */
  #giveLater(input: () => Input | null): void {
    this.#inputs.push(input);
    if (!this.#busy) {
      this.#work();
    }
  }

  #work(): void {
    this.#busy = true;
    try {
      for (;;) {
        const waits = this.#carryOut();
        if (waits !== null) {
          void waits.then(() => this.#work());
          return;
        }
        const next = this.#inputs.shift();
        if (next === undefined) {
          break;
        }
        const input = next();
        const at_ms = this.#clock.now();
        this.#effects = input === null ? [] : this.machine.handle(input, at_ms, Math.random());
      }
    } catch (error) {
      // A defect must be seen, and must not stop everything for good.
      queueMicrotask(() => {
        throw error;
      });
      queueMicrotask(() => this.#work());
      return;
    }
    this.#busy = false;
  }

  /** Carry out what is to be done, up to the first effect that must be waited for. */
  #carryOut(): Promise<void> | null {
    for (;;) {
      const effect = this.#effects.shift();
      if (effect === undefined) {
        return null;
      }
      const done = this.#do(effect);
      if (done !== null) {
        return done;
      }
    }
  }

  #do(effect: Effect): Promise<void> | null {
    switch (effect.type) {
      case "store":
        return this.#keep((queue) => queue.put(effect.item));
      case "forget":
        return this.#keep((queue) => queue.remove(effect.room_id, effect.key));
      case "fetch_token":
        this.#fetchToken();
        return null;
      case "open_socket":
        this.#open(effect.token);
        return null;
      case "close_socket":
        this.#socket?.close(effect.code, effect.reason);
        this.#socket = null;
        return null;
      case "send":
        this.#socket?.send(JSON.stringify(effect.frame));
        return null;
      case "set_timer":
        this.#setTimer(effect.timer, effect.after_ms);
        return null;
      case "cancel_timer":
        this.#cancelTimer(effect.timer);
        return null;
      case "cancel_timers":
        for (const timer of [...this.#timers.keys()]) {
          this.#cancelTimer(timer);
        }
        return null;
      default:
        this.#parts.tell(effect);
        return null;
    }
  }

  #keep(work: (queue: QueueStore) => void | Promise<void>): Promise<void> | null {
    if (this.#parts.queue === null) {
      return null;
    }
    try {
      const done = work(this.#parts.queue);
      return done === undefined ? null : done.catch((error: unknown) => this.#notKept(error));
    } catch (error) {
      this.#notKept(error);
      return null;
    }
  }

  #notKept(error: unknown): void {
    const detail = `the persistent queue failed: ${String(error)}`;
    this.#parts.tell({ type: "report", code: "internal", detail, room_id: null });
  }

  #fetchToken(): void {
    this.#parts.tokens.fetch().then(
      (token) => this.give({ type: "token", ...token }),
      (error: unknown) => {
        const detail = error instanceof RoomlogError ? error.detail : String(error);
        this.give({ type: "token_failed", detail });
      },
    );
  }

  #open(token: string): void {
    const { WebSocket, socketUrl } = this.#parts;
    const socket: Socket = new Socket(WebSocket, socketUrl(), token, {
      opened: () => this.#giveFrom(socket, { type: "opened" }),
      text: (text) => {
        for (const line of text.split("\n")) {
          const frame = parsed(line);
          if (frame !== null) {
            this.#giveFrom(socket, { type: "frame", frame });
          }
        }
      },
      closed: (code, reason) => this.#giveFrom(socket, { type: "closed", code, reason }),
    });
    this.#socket = socket;
  }

  /** What a socket says counts as long as it is the one. */
  #giveFrom(socket: Socket, input: Input): void {
    this.#giveLater(() => (this.#socket === socket ? input : null));
  }

  #setTimer(timer: string, after_ms: number): void {
    this.#cancelTimer(timer);
    if (timer === BACKOFF_TIMER) {
      this.#parts.waits(Date.now() + after_ms);
    }
    const running = setTimeout(() => {
      // By the time that it is taken it may have been cancelled or set anew.
      this.#giveLater(() => {
        if (this.#timers.get(timer) !== running) {
          return null;
        }
        this.#timers.delete(timer);
        return { type: "timer", timer };
      });
    }, after_ms);
    this.#timers.set(timer, running);
  }

  #cancelTimer(timer: string): void {
    clearTimeout(this.#timers.get(timer));
    this.#timers.delete(timer);
  }
}

function parsed(line: string): ServerFrame | null {
  try {
    return JSON.parse(line) as ServerFrame;
  } catch {
    // The server sends JSON and nothing else; what is cut short is cut with its connection.
    return null;
  }
}
