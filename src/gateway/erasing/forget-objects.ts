// Makes the objects of calls and sessions forget, and notes which could not; beside them goes what was kept unmasked.
import type { Forgetting } from "../../core/state/forgetting.ts";
import type { LeftOver } from "../../core/trace/erasure.ts";
import type { Ports } from "../ports.ts";

/** What erasing needs. */
export type ErasurePorts = Pick<
  Ports,
  | "keeping"
  | "erasures"
  | "segments"
  | "sessions"
  | "toolCalls"
  | "deadLetters"
  | "raw"
  | "responseStates"
  | "evalDatasets"
  | "system"
>;

/** Objects that were asked at once. */
const AT_ONCE = 20;

/** What became of objects that were to forget. */
export interface Forgotten {
  /** Ids of those that remember nothing now, whether or not they did before. */
  readonly forgotten: readonly string[];
  readonly left: readonly LeftOver[];
}

/** Makes tool calls' objects forget. */
export function forgetCalls({ toolCalls }: ErasurePorts, tenant: string, ids: Iterable<string>): Promise<Forgotten> {
  return forgetAll("tool_call", [...ids], (id) => toolCalls.forget(tenant, id));
}

/** Makes sessions' ledgers forget. */
export function forgetSessions({ sessions }: ErasurePorts, tenant: string, ids: Iterable<string>): Promise<Forgotten> {
  return forgetAll("session", [...ids], (id) => sessions.forget(tenant, id), true);
}

async function forgetAll(
  kind: LeftOver["kind"],
  ids: readonly string[],
  forget: (id: string) => Promise<Forgetting>,
  isCounted = false,
): Promise<Forgotten> {
  const forgotten: string[] = [];
  const left: LeftOver[] = [];
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const chunk = ids.slice(at, at + AT_ONCE);
    const answers = await Promise.all(chunk.map(forget));
    for (const [place, answer] of answers.entries()) {
      const id = chunk[place] ?? "";
      if (answer.type === "left") left.push(leftOver(kind, id, answer));
      else if (answer.type === "forgotten" || !isCounted) forgotten.push(id);
    }
  }
  return { forgotten, left };
}

function leftOver(
  kind: LeftOver["kind"],
  id: string,
  { why, until }: Forgetting & { readonly type: "left" },
): LeftOver {
  return { kind, id, why, ...(until === undefined ? {} : { until }) };
}

/** Asks once more for what had to stay; answers the calls that remember nothing now, and what stays still. */
export async function forgetLeft(
  ports: ErasurePorts,
  tenant: string,
  left: readonly LeftOver[],
): Promise<{ readonly calls: Forgotten; readonly sessions: Forgotten }> {
  const of = (kind: LeftOver["kind"]): readonly string[] =>
    left.filter((each) => each.kind === kind).map(({ id }) => id);
  const calls = await forgetCalls(ports, tenant, of("tool_call"));
  return { calls, sessions: await forgetSessions(ports, tenant, of("session")) };
}

/** Requests of the store that one step makes for what was kept unmasked: a trace may lie on any of the days kept. */
const RAW_REQUESTS = 400;

/** Of how many traces one step can delete what was kept unmasked on so many days. */
export function tracesAtOnce(days: readonly string[]): number {
  return Math.max(1, Math.min(100, Math.floor(RAW_REQUESTS / (days.length + 1))));
}

/** Deletes what was kept unmasked of traces on these days, whoever's it is; answers how many records. */
export async function eraseRaw(
  { raw }: ErasurePorts,
  tenant: string,
  { traces, days }: { readonly traces: Iterable<string>; readonly days: readonly string[] },
): Promise<number> {
  if (days.length === 0) return 0;
  let removed = 0;
  for (const trace of new Set(traces)) removed += await raw.remove(tenant, trace, days);
  return removed;
}

/** Deletes responses to go on from of sessions, whoever's they are: each holds what was said before it. Answers how many. */
export async function eraseResponses(
  { responseStates }: ErasurePorts,
  tenant: string,
  sessions: Iterable<string | null>,
): Promise<number> {
  let removed = 0;
  for (const session of new Set(sessions)) removed += await responseStates.forget(tenant, session);
  return removed;
}
