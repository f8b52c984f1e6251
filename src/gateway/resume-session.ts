// Sequences what a person does to a session: lets it go on, pauses it, or ends it for good; each act is recorded.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { ACT_ATTR, actTrace } from "../core/trace/act.ts";
import type { SessionPause } from "../core/state/session-messages.ts";
import { pausedRefusal } from "./enforce.ts";
import type { Ports, Recorder, SessionView } from "./ports.ts";
import { recordAct } from "./record-act.ts";

/** What a person asks of a session. */
export interface SessionOrder {
  readonly tenant: string;
  readonly session: string;
  /** The id of the key. */
  readonly by: string;
  readonly reason: string | null;
}

/** The session after the act, and why it was paused before it. */
export interface SessionActed {
  readonly view: SessionView;
  readonly was: SessionPause | null;
}

/** Lets a paused session go on; one that is not paused stays as it is. Refuses `not_found` and `session_ended`. */
export async function resumeSession(
  ports: Ports,
  order: SessionOrder,
  recorder: Recorder,
): Promise<Outcome<SessionActed>> {
  const seen = await findSession(ports, order);
  if (!seen.ok) return seen;
  const resumed = await ports.sessions.resume(order.tenant, order.session);
  if ("ended" in resumed) return pausedRefusal(resumed.ended);
  if (resumed.was !== null)
    recordSession(ports, recorder, order, { status: "resumed", seen: seen.value, was: resumed.was });
  return after(ports, order, resumed.was);
}

/**
 * Pauses a session, or ends it for good: every new model or tool call in it is refused from then on. A repeat of an
 * idempotency key still gets its first answer: it has no effect, and the same key may read it from the call itself.
 * A pause that stands already stays what it was; a paused session can still be ended, and an ended one refuses to be
 * paused: `session_ended`. Refuses `not_found` for one never seen.
 */
export async function stopSession(
  ports: Ports,
  order: SessionOrder & { readonly kind: SessionPause["kind"]; readonly reason: string },
  recorder: Recorder,
): Promise<Outcome<SessionActed>> {
  const seen = await findSession(ports, order);
  if (!seen.ok) return seen;
  const was = seen.value.state.pause;
  const { tenant, session, kind, reason } = order;
  const standing = await ports.sessions.pause(tenant, session, { kind, rule_id: "person", message: reason });
  if (kind === "paused" && standing.kind === "ended") return pausedRefusal(standing);
  const isNew = was === null || was.kind !== standing.kind;
  if (isNew) recordSession(ports, recorder, order, { status: kind, seen: seen.value, was });
  return after(ports, order, was);
}

async function findSession(ports: Ports, { tenant, session }: SessionOrder): Promise<Outcome<SessionView>> {
  const view = await ports.sessions.read(tenant, session);
  return view.state.actor === null ? refuse("not_found", `session "${session}" is not here`) : accept(view);
}

async function after(
  ports: Ports,
  { tenant, session }: SessionOrder,
  was: SessionPause | null,
): Promise<Outcome<SessionActed>> {
  return accept({ view: await ports.sessions.read(tenant, session), was });
}

interface SessionAct {
  readonly status: "resumed" | "paused" | "ended";
  readonly seen: SessionView;
  readonly was: SessionPause | null;
}

function recordSession(
  ports: Ports,
  recorder: Recorder,
  { tenant, session, by, reason }: SessionOrder,
  { status, seen, was }: SessionAct,
): void {
  recordAct(ports, recorder, {
    tenant,
    kind: "session",
    // Everything people did to one session reads as one story.
    traceHex: actTrace("session", tenant, session),
    session,
    actor: seen.state.actor,
    subject: "session",
    status,
    by,
    reason,
    attributes: {
      [ACT_ATTR.pauseRule]: was?.rule_id,
      [ACT_ATTR.pauseReason]: was?.message,
    },
  });
}
