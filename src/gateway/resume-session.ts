// Sequences what a person does to a session: lets it go on, pauses it, or ends it for good; each act is recorded.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { ACT_ATTR, actRecord, actTrace, type Act, type ToldAt } from "../core/trace/act.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import type { SessionPause } from "../core/state/session-messages.ts";
import { pausedRefusal } from "./enforce.ts";
import type { Ports, Recorder, SessionView } from "./ports.ts";
import { recordAct, toldNow } from "./record-act.ts";

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
  const told = toldNow(ports);
  const act = sessionAct(order, { status: "resumed", seen: seen.value, was: seen.value.state.pause });
  const resumed = await ports.sessions.resume(order.tenant, order.session, unexplained(act, told));
  if ("ended" in resumed) return pausedRefusal(resumed.ended);
  if (resumed.was !== null)
    recordAct(ports, recorder, sessionAct(order, { status: "resumed", seen: seen.value, was: resumed.was }), told);
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
  const told = toldNow(ports);
  const act = sessionAct(order, { status: kind, seen: seen.value, was });
  const pause = { kind, rule_id: "person", message: reason };
  const standing = await ports.sessions.pause(tenant, session, pause, unexplained(act, told));
  if (kind === "paused" && standing.kind === "ended") return pausedRefusal(standing);
  const isNew = was === null || was.kind !== standing.kind;
  if (isNew) recordAct(ports, recorder, act, told);
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

function sessionAct({ tenant, session, by, reason }: SessionOrder, { status, seen, was }: SessionAct): Act {
  return {
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
  };
}

/** What the session's ledger keeps of an act: no free text, which is masked where the gateway records it. */
function unexplained(act: Act, told: ToldAt): TraceRecord {
  return actRecord(
    { ...act, reason: null, attributes: { ...act.attributes, [ACT_ATTR.pauseReason]: undefined } },
    told,
  );
}
