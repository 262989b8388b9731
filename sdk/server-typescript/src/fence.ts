// The rules that fence: who may act for a session, over all links of this server. Pure: the time comes in from outside,
// nothing here sends. A message is judged first; only when the game agrees is the verdict carried out.

/** What this server is for a session. */
export type Role = "authority" | "frozen" | "adopted" | "gone";

/** What is kept for one session. `Link` is whatever tells links apart, `Holding` what the server keeps with it. */
export interface Session<Link, Holding> {
  readonly id: string;
  /** The highest epoch named by any message that was accepted. */
  newest: number;
  /** The highest epoch under which it was attached or adopted here. */
  taken: number;
  /** The epoch under which this server acts, if it is the authority. */
  acting: number;
  role: Role;
  /** Of the freeze or adopt that gave it its role. */
  transfer: string | undefined;
  /** The link that holds it, while that link is open. */
  link: Link | undefined;
  leaseMs: number;
  orphanWindowMs: number;
  /** Since when no link holds it, or since when it is gone. */
  orphanSince: number | undefined;
  /** What was accepted last: the same again is answered the same way. */
  last: Fenced | undefined;
  holding: Holding | undefined;
}

/** The part of a message that the rules look at. */
export interface Fenced {
  type: "attach" | "adopt" | "freeze" | "commit" | "abort" | "detach";
  session: string;
  epoch: number;
  transfer?: string;
}

export type Verdict =
  | { do: "accept" }
  | { do: "repeat" }
  | { do: "ignore" }
  | { do: "refuse"; reason: string; newest?: number };

export class Fence<Link, Holding> {
  readonly #sessions = new Map<string, Session<Link, Holding>>();

  get(session: string): Session<Link, Holding> | undefined {
    return this.#sessions.get(session);
  }

  all(): IterableIterator<Session<Link, Holding>> {
    return this.#sessions.values();
  }

  /** The session that this link holds, if it holds it. */
  heldBy(link: Link, session: string): Session<Link, Holding> | undefined {
    const known = this.#sessions.get(session);
    return known?.link === link ? known : undefined;
  }

  /** What the rules say about a message on a link; changes nothing. */
  judge(link: Link, message: Fenced): Verdict {
    const known = this.#sessions.get(message.session);
    const holds = known !== undefined && known.link === link;
    const { epoch, transfer } = message;
    if (holds && known.last?.type === message.type && known.last.epoch === epoch && known.last.transfer === transfer) {
      return { do: "repeat" };
    }
    const stale = (): Verdict => ({ do: "refuse", reason: "stale", newest: known?.newest ?? 0 });
    switch (message.type) {
      case "attach":
      case "adopt":
        return known && (epoch <= known.taken || epoch < known.newest) ? stale() : { do: "accept" };
      case "freeze":
        if (!known) return { do: "refuse", reason: "not here" };
        if (!holds || epoch < known.newest) return stale();
        if (known.role === "authority" || known.role === "frozen") return { do: "accept" };
        return { do: "refuse", reason: "not the authority" };
      case "commit":
        if (!known) return { do: "refuse", reason: "not here" };
        if (!holds || epoch < known.newest) return stale();
        if (known.role === "adopted" && epoch === known.taken && known.transfer === transfer) return { do: "accept" };
        return { do: "refuse", reason: "not adopted" };
      case "abort":
        if (!holds || epoch < known.newest || known.transfer !== transfer) return { do: "ignore" };
        return known.role === "frozen" || known.role === "adopted" ? { do: "accept" } : { do: "ignore" };
      case "detach":
        return !holds || epoch < known.newest || known.role === "gone" ? { do: "ignore" } : { do: "accept" };
    }
  }

  /** Carries out an accepted message. Returns the session and the link that lost it, which is to be closed. */
  accept(
    link: Link,
    message: Fenced,
    now: number,
    windows?: { leaseMs: number; orphanWindowMs: number },
  ): { session: Session<Link, Holding>; superseded: Link | undefined } {
    let session = this.#sessions.get(message.session);
    if (!session) {
      session = {
        id: message.session, newest: 0, taken: 0, acting: 0, role: "gone", transfer: undefined, link: undefined,
        leaseMs: 0, orphanWindowMs: 0, orphanSince: undefined, last: undefined, holding: undefined,
      };
      this.#sessions.set(message.session, session);
    }
    let superseded: Link | undefined;
    session.newest = message.epoch;
    session.last = { type: message.type, session: message.session, epoch: message.epoch };
    if (message.transfer !== undefined) session.last.transfer = message.transfer;
    switch (message.type) {
      case "attach":
      case "adopt":
        superseded = session.link === link ? undefined : session.link;
        session.taken = message.epoch;
        session.acting = message.epoch;
        session.role = message.type === "attach" ? "authority" : "adopted";
        session.transfer = message.transfer;
        session.link = link;
        session.orphanSince = undefined;
        if (windows) Object.assign(session, windows);
        break;
      case "freeze":
        session.role = "frozen";
        session.transfer = message.transfer;
        break;
      case "commit":
        session.role = "authority";
        session.acting = message.epoch;
        break;
      case "abort":
        if (session.role === "frozen") {
          session.role = "authority";
          session.acting = message.epoch;
        } else {
          session.role = "gone";
          session.orphanSince = now;
        }
        break;
      case "detach":
        session.role = "gone";
        session.orphanSince = now;
        break;
    }
    return { session, superseded };
  }

  /** A link is lost. It neither thaws nor forgets; the orphan window begins. */
  lost(link: Link, session: string, now: number): void {
    const known = this.heldBy(link, session);
    if (!known) return;
    known.link = undefined;
    known.last = undefined;
    known.orphanSince ??= now;
  }

  /** Forgets the sessions whose orphan window is over, and returns them. */
  expire(now: number): Session<Link, Holding>[] {
    const over = [...this.#sessions.values()].filter(
      (session) => session.orphanSince !== undefined && now - session.orphanSince > session.orphanWindowMs,
    );
    for (const session of over) this.#sessions.delete(session.id);
    return over;
  }
}
