// Takes the request to erase: what is to go is written down before anything goes, and the act is recorded.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { NOT_BEGUN, NOTHING_ERASED, type Erasure, type ErasureScope } from "../../core/trace/erasure.ts";
import type { Ports, Recorder } from "../ports.ts";
import { recordAct } from "../record-act.ts";
import { userToken } from "../user-token.ts";

/** What is asked for. */
export interface ErasureAsk {
  readonly tenant: string;
  readonly scope: ErasureScope;
  readonly session?: string | undefined;
  /** The end user in clear, as callers name them. */
  readonly user?: string | undefined;
  readonly reason: string | null;
  /** The id of the key. */
  readonly by: string;
}

/** Writes an erasure down; refuses `invalid_request` where the subject does not fit its scope. Its work is done by the cron. */
export async function requestErasure(ports: Ports, recorder: Recorder, ask: ErasureAsk): Promise<Outcome<Erasure>> {
  const { tenant, scope, session, user, reason, by } = ask;
  const given = { session, user };
  const needed = scope === "tenant" ? [] : [scope];
  const mistakes = (["session", "user"] as const).flatMap((name) => {
    const isNeeded = needed.includes(name);
    if (isNeeded === (given[name] !== undefined)) return [];
    return [
      {
        path: name,
        message: isNeeded ? `expected with the scope "${scope}"` : `not expected with the scope "${scope}"`,
      },
    ];
  });
  if (mistakes.length > 0)
    return refuse("invalid_request", mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "), {
      mistakes,
    });
  const erasure: Erasure = {
    tenant,
    id: `er_${ports.system.randomHex(16)}`,
    scope,
    subject: scope === "user" ? await userToken(ports, tenant, user ?? "") : (session ?? null),
    reason,
    status: "requested",
    requestedAt: ports.system.now(),
    requestedBy: by,
    finishedAt: null,
    progress: NOT_BEGUN,
    receipt: NOTHING_ERASED,
  };
  await ports.erasures.create(erasure);
  recordAct(ports, recorder, {
    tenant,
    kind: "erasure",
    traceHex: ports.system.randomHex(16),
    session: null,
    actor: null,
    subject: scope,
    status: "requested",
    by,
    reason,
    attributes: { "interlock.erasure.id": erasure.id },
  });
  return accept(erasure);
}
