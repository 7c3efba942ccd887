/**
 * The client as a state machine: input, time and chance in; effects out.
 *
 *     offline --connect--> connecting --hello--> replaying --all rooms live--> live
 *                            ^   |                   |  ^                       |
 *               backoff over |   | socket closed     |  +------ gap ------------+
 *                            |   v                   v                          |
 *                           waiting <---------- socket closed <-----------------+
 *
 * Everything else is in docs/client/specification.md.
 */

import {
  type AckFrame,
  CLOSE_CODE,
  type ErrorFrame,
  type HelloFrame,
  type MessageBroadcastFrame,
  type ServerFrame,
} from "../contract.gen.js";
import { Heartbeat, HEARTBEAT_TIMER, PONG_TIMER } from "./heartbeat.js";
import { Queue, RETRY_TIMER } from "./queue.js";
import { ROOM_TIMER, Rooms } from "./rooms.js";
import { type Token, TOKEN_TIMER, Tokens } from "./tokens.js";
import { Refs, Turn } from "./turn.js";
import {
  ANSWER_MS_MAX,
  BACKOFF_ATTEMPTS_MAX,
  BACKOFF_BASE_MS,
  BACKOFF_MAX_MS,
  type Effect,
  type Input,
  type InputOf,
  OPENING_MS,
  QUEUE_MAX,
  type Reason,
  type State,
} from "./types.js";

export const BACKOFF_TIMER = "backoff";
const OPENING_TIMER = "opening";
const NORMAL = 1000;

type RoomInput =
  | ("join" | "leave" | "pause" | "unpause")
  | ("loaded" | "load_failed" | "typing" | "seen");

export interface MachineConfig {
  readonly queue_max?: number;
  /** Whether the shell keeps a persistent queue. */
  readonly persistent?: boolean;
  /** Who the user is, where that is known before the first `hello`. */
  readonly user_id?: string | null;
}

/** One client. Duty of the caller: carry out the effects of each input in order. */
export class Machine {
  state: State = "offline";
  reason: Reason | null = { code: "not_started", close_code: null, detail: "" };
  attempt = 0;
  readonly rooms: Rooms;
  readonly queue: Queue;
  readonly #tokens: Tokens;
  #socket = false;
  #connected = false;
  readonly #heartbeat = new Heartbeat();

  constructor(config: MachineConfig = {}) {
    const refs = new Refs();
    this.rooms = new Rooms(refs);
    this.queue = new Queue(refs, {
      items_max: config.queue_max ?? QUEUE_MAX,
      persistent: config.persistent ?? false,
      user_id: config.user_id ?? null,
    });
    this.#tokens = new Tokens(refs);
  }

  /**
   * Take one input; what is to be done about it. `at_ms` is the time in milliseconds since 1970;
   * `chance` is random, in [0, 1).
   */
  handle(input: Input, at_ms: number, chance: number): Effect[] {
    const turn = new Turn(at_ms, chance);
    this.#take(turn, input);
    this.queue.merge(turn, (room_id, sequence) => this.rooms.awaits(room_id, sequence));
    if (this.#connected) {
      this.queue.send(turn, (room_id) => this.rooms.mayBeSentTo(room_id));
      this.#judge(turn);
    }
    return turn.effects;
  }

  #take(turn: Turn, input: Input): void {
    switch (input.type) {
      case "frame":
        return this.#frame(turn, input.frame);
      case "timer":
        return this.#timer(turn, input.timer);
      case "opened":
        return;
      case "closed":
        return this.#socketClosed(turn, input.code, input.reason);
      case "connect":
        return this.#userConnects(turn);
      case "close":
        return this.#userCloses(turn);
      case "online":
        return this.#online(turn);
      case "offline":
        return this.#offline(turn);
      case "token":
        return this.#token(turn, input);
      case "token_failed":
        return this.#tokenFailed(turn, input.detail);
      case "enqueue":
        return this.#enqueue(turn, input);
      case "restore":
        return this.queue.restore(turn, input.items);
      case "withdraw":
        return this.queue.withdraw(turn, input);
      default:
        return this.#room(turn, input);
    }
  }

  // Signals and tokens

  #userConnects(turn: Turn): void {
    if (this.state === "offline" || this.state === "waiting" || this.state === "closed") {
      this.#connect(turn);
    }
  }

  #userCloses(turn: Turn): void {
    if (this.state !== "closed") {
      this.#dropSocket(turn, NORMAL, "closed by the user");
      this.#close(turn, { code: "closed_by_user", close_code: null, detail: "" });
    }
  }

  #online(turn: Turn): void {
    if (this.state === "offline" || this.state === "waiting") {
      this.#connect(turn);
    } else if (this.#connected) {
      this.#heartbeat.ping(turn);
    }
  }

  #offline(turn: Turn): void {
    if (this.state !== "offline" && this.state !== "closed") {
      this.#dropSocket(turn, NORMAL, "offline");
      this.#enter(turn, "offline", { code: "offline", close_code: null, detail: "" });
    }
  }

  #token(turn: Turn, given: Token): void {
    if (this.#connected) {
      this.#tokens.renew(turn, given);
    } else if (this.state === "connecting" && this.#socket) {
      this.#tokens.keep(given);
    } else if (this.state === "connecting") {
      if (this.#tokens.wasRefused(given)) {
        const close_code = CLOSE_CODE.UNAUTHENTICATED;
        this.#close(turn, { code: "unauthenticated", close_code, detail: "no other token" });
      } else {
        this.#open(turn, given);
      }
    } else if (
      this.state === "closed" &&
      this.reason?.code === "unauthenticated" &&
      !this.#tokens.wasRefused(given)
    ) {
      this.#tokens.reopened();
      this.#enter(turn, "connecting", null);
      turn.emit({ type: "set_timer", timer: OPENING_TIMER, after_ms: OPENING_MS });
      this.#open(turn, given);
    }
  }

  #tokenFailed(turn: Turn, detail: string): void {
    if (this.#connected) {
      turn.emit({ type: "report", code: "token_failed", detail, room_id: null });
      this.#tokens.failed(turn);
    } else if (this.state === "connecting" && !this.#socket) {
      this.#wait(turn, { code: "token_failed", close_code: null, detail });
    }
  }

  #enqueue(turn: Turn, input: InputOf<"enqueue">): void {
    if (this.state === "closed" && this.reason !== null) {
      const { room_id, key } = input;
      const { code, detail } = this.reason;
      turn.emit({ type: "refused", room_id, key, code, detail, field: null });
    } else {
      this.queue.enqueue(turn, input);
    }
  }

  // Rooms

  #room(turn: Turn, input: InputOf<RoomInput>): void {
    const connected = this.#connected;
    switch (input.type) {
      case "join":
        return this.rooms.join(turn, input, connected);
      case "leave":
        return this.rooms.leave(turn, input.room_id, connected);
      case "pause":
        return this.rooms.pause(turn, input.room_id, connected);
      case "unpause":
        return this.rooms.unpause(turn, input.room_id, connected);
      case "seen":
        return this.rooms.seen(turn, input, connected);
      case "typing":
        return connected ? this.rooms.typing(turn, input) : undefined;
      case "loaded":
        if (this.rooms.loaded(turn, input)) {
          this.queue.reset(turn, input.room_id);
          this.rooms.beginAnew(turn, input.room_id);
        }
        return;
      case "load_failed":
        return this.rooms.loadFailed(turn, input);
    }
  }

  // Timers

  #timer(turn: Turn, timer: string): void {
    if (timer === BACKOFF_TIMER && this.state === "waiting") {
      this.#connect(turn);
    } else if (timer === OPENING_TIMER && this.state === "connecting") {
      this.#dropSocket(turn, CLOSE_CODE.HEARTBEAT, "no hello");
      this.#wait(turn, { code: "no_hello", close_code: null, detail: "" });
    } else if (!this.#connected) {
      return;
    } else if (timer === HEARTBEAT_TIMER) {
      this.#beat(turn);
    } else if (timer === PONG_TIMER) {
      this.#noPong(turn);
    } else if (timer === TOKEN_TIMER) {
      this.#tokens.fetch(turn);
    } else if (timer.startsWith(ROOM_TIMER)) {
      this.rooms.timer(turn, timer.slice(ROOM_TIMER.length));
    } else if (timer.startsWith(RETRY_TIMER)) {
      this.queue.timer(turn, timer.slice(RETRY_TIMER.length));
    }
  }

  #beat(turn: Turn): void {
    const asked_ms = Math.min(...this.queue.askedMs(), ...this.rooms.askedMs());
    if (turn.at_ms - asked_ms > ANSWER_MS_MAX) {
      this.#dropSocket(turn, CLOSE_CODE.HEARTBEAT, "no answer");
      this.#wait(turn, { code: "no_answer", close_code: null, detail: "" });
    } else {
      this.#heartbeat.beat(turn);
    }
  }

  #noPong(turn: Turn): void {
    if (!this.#heartbeat.late(turn)) {
      this.#dropSocket(turn, CLOSE_CODE.HEARTBEAT, "no pong");
      this.#wait(turn, { code: "no_pong", close_code: null, detail: "" });
    }
  }

  // What the server says

  #frame(turn: Turn, frame: ServerFrame): void {
    if (!this.#connected) {
      if (this.state === "connecting" && this.#socket) {
        this.#firstFrame(turn, frame);
      }
      return;
    }
    this.#heartbeat.heard();
    switch (frame.type) {
      case "event":
        return this.#event(turn, frame);
      case "ack":
        return this.#ack(turn, frame);
      case "error":
        return this.#error(turn, frame);
      case "subscribed":
        return this.rooms.subscribed(turn, frame);
      case "live":
        return this.rooms.live(turn, frame);
      case "unsubscribed":
        return this.rooms.unsubscribed(turn, frame);
      case "pong":
        this.#heartbeat.pong(turn);
        return this.rooms.pong(turn, frame);
      case "authenticated":
        return this.#tokens.authenticated(turn, frame);
      case "presence":
      case "typing":
      case "notification":
      case "notice":
        return turn.emit({ type: "pass", frame });
      case "hello":
        return;
    }
  }

  #firstFrame(turn: Turn, frame: ServerFrame): void {
    if (frame.type === "error") {
      const { code, detail, room_id = null } = frame;
      turn.emit({ type: "report", code, detail, room_id });
    } else if (frame.type === "hello") {
      this.#hello(turn, frame);
    }
  }

  #hello(turn: Turn, frame: HelloFrame): void {
    if (this.queue.user_id !== null && this.queue.user_id !== frame.user_id) {
      this.#dropSocket(turn, NORMAL, "another user");
      const detail = "the token is another user's";
      this.#close(turn, { code: "user_changed", close_code: null, detail });
      return;
    }
    this.#connected = true;
    turn.emit({ type: "cancel_timer", timer: OPENING_TIMER });
    this.#heartbeat.begin(turn, frame.heartbeat_seconds);
    this.#tokens.connected(turn);
    this.queue.belongsTo(turn, frame.user_id);
    this.rooms.connected(turn);
  }

  #event(turn: Turn, frame: MessageBroadcastFrame): void {
    const verdict = this.rooms.event(turn, frame);
    if (verdict === "next") {
      turn.emit({ type: "deliver", frame, key: this.queue.event(frame.event.id) });
    } else if (verdict === "replay_broken") {
      this.#dropSocket(turn, CLOSE_CODE.POSITION_LOST, "a gap within a replay");
      this.#wait(turn, { code: "replay_broken", close_code: null, detail: "" });
    }
  }

  #ack(turn: Turn, frame: AckFrame): void {
    this.queue.acked(turn, frame, this.rooms.awaits(frame.room_id, frame.sequence));
  }

  #error(turn: Turn, frame: ErrorFrame): void {
    if (!this.queue.refused(turn, frame) && !this.rooms.refused(turn, frame)) {
      this.#tokens.refused(frame);
      const { code, detail, room_id = null } = frame;
      turn.emit({ type: "report", code, detail, room_id });
    }
  }

  // Transitions

  #socketClosed(turn: Turn, code: number, detail: string): void {
    if (!this.#socket) {
      return;
    }
    this.#socket = false;
    if (code === CLOSE_CODE.UNAUTHENTICATED) {
      if (this.#tokens.turnedAway()) {
        this.#connect(turn);
      } else {
        this.#close(turn, { code: "unauthenticated", close_code: code, detail });
      }
    } else if (code >= 4500 && code <= 4999) {
      this.#close(turn, { code: "refused", close_code: code, detail });
    } else {
      const limited = code === CLOSE_CODE.RATE_LIMITED;
      const told = limited ? /retry_after=(\d+(\.\d+)?)/.exec(detail) : null;
      const least_ms = told === null ? 0 : Math.ceil(Number(told[1]) * 1000);
      this.#wait(turn, { code: "connection_lost", close_code: code, detail }, least_ms);
    }
  }

  #connect(turn: Turn): void {
    this.#enter(turn, "connecting", null);
    turn.emit({ type: "set_timer", timer: OPENING_TIMER, after_ms: OPENING_MS });
    this.#tokens.fetch(turn);
  }

  #open(turn: Turn, token: Token): void {
    this.#socket = true;
    this.#tokens.opens(turn, token);
  }

  #wait(turn: Turn, reason: Reason, least_ms = 0): void {
    this.#enter(turn, "waiting", reason);
    const limit_ms = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** this.attempt);
    const after_ms = least_ms + turn.shareOf(limit_ms);
    turn.emit({ type: "set_timer", timer: BACKOFF_TIMER, after_ms });
    this.attempt = Math.min(this.attempt + 1, BACKOFF_ATTEMPTS_MAX);
  }

  #close(turn: Turn, reason: Reason): void {
    this.#enter(turn, "closed", reason);
    this.queue.close(turn, reason.code, reason.detail);
  }

  #dropSocket(turn: Turn, code: number, reason: string): void {
    if (this.#socket) {
      this.#socket = false;
      turn.emit({ type: "close_socket", code, reason });
    }
  }

  /** Be in a state without a connection. */
  #enter(turn: Turn, state: State, reason: Reason | null): void {
    turn.emit({ type: "cancel_timers" });
    this.#connected = false;
    this.rooms.lost();
    this.queue.lost();
    this.state = state;
    this.reason = reason;
    turn.emit({ type: "state", state, reason });
  }

  /** Connected: whole or not? */
  #judge(turn: Turn): void {
    const state = this.rooms.whole ? "live" : "replaying";
    if (state === "live") {
      this.attempt = 0;
    }
    if (state !== this.state) {
      this.state = state;
      this.reason = null;
      turn.emit({ type: "state", state, reason: null });
    }
  }
}
