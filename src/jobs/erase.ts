// Runs on a cron: carries on the erasures that have work to do, as far as one invocation's requests go.
import { advanceErasure } from "../gateway/erasing/advance-erasure.ts";
import type { ErasurePorts } from "../gateway/erasing/forget-objects.ts";

/** Erasures that one run carries on, and steps of each. */
const ERASURES = 10;
const STEPS = 60;
/** Requests after which a run begins no further step: an invocation has 10,000, and a step makes some 1,500 at most. */
const MAX_REQUESTS = 7_000;

/**
 * Carries erasures on, in turn; one that fails is reported and does not stop the others: its step is taken again by the
 * next run. All share what one invocation may ask of the platform; where each is, is stored after every step.
 */
export async function runErasures(ports: ErasurePorts): Promise<void> {
  const spent = { requests: 0 };
  const counted = countedPorts(ports, spent);
  const due = await ports.erasures.due(ports.system.now(), ERASURES);
  for (const [at, erasure] of due.entries()) {
    // Those behind have their share, whatever the first would still find to do.
    const until = spent.requests + (MAX_REQUESTS - spent.requests) / (due.length - at);
    try {
      await advanceErasure(counted, erasure, STEPS, () => spent.requests >= until);
    } catch (error) {
      const reason = error instanceof Error ? error.name : "unknown";
      console.error(JSON.stringify({ event: "erasure_failed", tenant: erasure.tenant, id: erasure.id, reason }));
    }
  }
}

/** The same ports, each use of which is counted as the requests it makes at least. */
function countedPorts(ports: ErasurePorts, spent: { requests: number }): ErasurePorts {
  const { raw, toolCalls, sessions, responseStates } = ports;
  const count = <T>(requests: number, work: () => T): T => {
    spent.requests += requests;
    return work();
  };
  return {
    ...ports,
    keeping: eachCounted(ports.keeping, spent),
    segments: eachCounted(ports.segments, spent),
    raw: {
      ...raw,
      remove: (tenant, trace, days) => count(days.length + 1, () => raw.remove(tenant, trace, days)),
    },
    toolCalls: { ...toolCalls, forget: (tenant, id) => count(1, () => toolCalls.forget(tenant, id)) },
    sessions: { ...sessions, forget: (tenant, id) => count(1, () => sessions.forget(tenant, id)) },
    responseStates: {
      ...responseStates,
      forget: (tenant, session) => count(3, () => responseStates.forget(tenant, session)),
    },
  };
}

function eachCounted<T extends object>(port: T, spent: { requests: number }): T {
  return new Proxy(port, {
    get: (target, name): unknown => {
      spent.requests += 1;
      return Reflect.get(target, name);
    },
  });
}
