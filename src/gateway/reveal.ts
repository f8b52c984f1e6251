// Gives people who may have it what masking took away: each look is on record before anything is answered.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { sivTokens } from "../core/guard/mask-tokens.ts";
import type { TraceId } from "../core/units/identifier.ts";
import type { Ports, Recorder } from "./ports.ts";
import type { RawRecord } from "./ports/masking.ts";
import { ACT_ATTR, type Act } from "../core/trace/act.ts";
import { recordActFirst } from "./record-act.ts";

/** Attribute names of a look. */
export const REVEAL_ATTR = {
  /** The tokens that were opened, or asked to be. */
  tokens: "interlock.reveal.tokens",
} as const;

/** Who looks, and why. */
export interface Look {
  readonly tenant: string;
  /** The id of the key. */
  readonly by: string;
  readonly reason: string;
}

type RevealPorts = Pick<Ports, "system" | "masking" | "raw">;

/**
 * The values of tokens; one that no key of the tenant has made has none. Refuses `trace_store_down` where the look cannot
 * be recorded.
 */
export async function revealTokens(
  ports: RevealPorts,
  recorder: Recorder,
  look: Look & { readonly tokens: readonly string[] },
): Promise<Outcome<ReadonlyMap<string, string>>> {
  const traceHex = ports.system.randomHex(16);
  const isOnRecord = await recordLook(ports, recorder, look, {
    traceHex,
    subject: "tokens",
    attributes: { [REVEAL_ATTR.tokens]: look.tokens },
  });
  if (!isOnRecord) return notOnRecord();
  const tokens = sivTokens(await ports.masking.keysOf(look.tenant));
  return accept(
    new Map(
      look.tokens.flatMap((token) => {
        const value = tokens.open(token);
        return value === undefined ? [] : [[token, value] as const];
      }),
    ),
  );
}

/** What is kept unmasked of a trace; empty where nothing is. Refuses as `revealTokens`. */
export async function readRaw(
  ports: RevealPorts,
  recorder: Recorder,
  look: Look & { readonly trace: TraceId },
): Promise<Outcome<readonly RawRecord[]>> {
  // Stands in the trace that was read: whoever looks at it sees who else has.
  const isOnRecord = await recordLook(ports, recorder, look, { traceHex: look.trace.hex, subject: "raw" });
  if (!isOnRecord) return notOnRecord();
  return accept(await ports.raw.read(look.tenant, look.trace.hex, ports.system.now()));
}

function recordLook(
  ports: RevealPorts,
  recorder: Recorder,
  { tenant, by, reason }: Look,
  what: Pick<Act, "traceHex" | "subject" | "attributes">,
): Promise<boolean> {
  return recordActFirst(ports, recorder, {
    tenant,
    kind: "reveal",
    session: null,
    actor: null,
    status: "revealed",
    by,
    reason,
    ...what,
    attributes: { ...what.attributes, [ACT_ATTR.by]: by },
  });
}

function notOnRecord(): Outcome<never> {
  return refuse("trace_store_down", "that somebody looked could not be recorded, so nothing is shown; try again");
}
