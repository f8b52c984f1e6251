// Sequences a kill switch: set or cleared where switches are owned, then told in the trace store.
import { didYouMean } from "../core/config/mistakes.ts";
import type { ConfigDocument } from "../core/config/document.ts";
import { accept, refuse, type Mistake, type Outcome } from "../core/errors.ts";
import type { SwitchKind, SwitchScope } from "../core/policy/switches.ts";
import type { SwitchRecord } from "../core/state/tenant-ledger.ts";
import { switchAct } from "../core/trace/act.ts";
import type { Ports, Recorder } from "./ports.ts";
import { recordAct, toldNow } from "./record-act.ts";

/** What a person asks for. */
export interface SwitchOrder {
  readonly tenant: string;
  readonly by: string;
  readonly kind: SwitchKind;
  readonly scope: SwitchScope;
  readonly reason: string;
  /** Epoch milliseconds; `null` until somebody clears it. */
  readonly expiresAt: number | null;
}

/** A switch that is set, and what could not be checked about it. */
export interface SwitchSet {
  readonly record: SwitchRecord;
  readonly warnings: readonly string[];
}

/**
 * Sets a kill switch, durably, before it answers. A scope that names a tool or an actor which the config has not would
 * stop nothing, so it is refused by name; a config that cannot be read stops no switch: it is set, with a warning.
 */
export async function setSwitch(ports: Ports, order: SwitchOrder, recorder: Recorder): Promise<Outcome<SwitchSet>> {
  const checked = await checkScope(ports, order);
  if (checked.mistakes.length > 0) {
    const detail = checked.mistakes.map(({ path, message }) => `${path}: ${message}`).join("; ");
    return refuse("invalid_request", detail, { mistakes: checked.mistakes });
  }
  const { tenant, by, kind, scope, reason, expiresAt } = order;
  const id = `sw_${ports.system.randomHex(12)}`;
  const told = toldNow(ports);
  const set = await ports.switches.set(tenant, { id, kind, scope, reason, set_by: by, expires_at: expiresAt }, told);
  if (!set.ok) return set;
  recordAct(ports, recorder, switchAct(tenant, set.value, reason), told);
  return accept({ record: set.value, warnings: checked.warnings });
}

/** Clears a kill switch; refuses `not_found` for one that is not set. */
export async function clearSwitch(
  ports: Ports,
  {
    tenant,
    id,
    by,
    reason,
  }: { readonly tenant: string; readonly id: string; readonly by: string; readonly reason: string | null },
  recorder: Recorder,
): Promise<Outcome<SwitchRecord>> {
  const told = toldNow(ports);
  const cleared = await ports.switches.clear(tenant, id, { by, reason, told });
  if (cleared.ok) recordAct(ports, recorder, switchAct(tenant, cleared.value, reason), told);
  return cleared;
}

interface ScopeCheck {
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly string[];
}

async function checkScope(ports: Ports, { tenant, scope }: SwitchOrder): Promise<ScopeCheck> {
  if (scope.tool === undefined && scope.actor === undefined) return { mistakes: [], warnings: [] };
  let document: ConfigDocument | undefined;
  try {
    // Asked of its owner: no edge copy, that may be down, stands between a person and a stop.
    document = (await ports.configs.current(tenant))?.document;
  } catch {
    return {
      mistakes: [],
      warnings: ["the config could not be read: whether the scope names anything was not checked"],
    };
  }
  const mistakes = [
    ...unknown("scope.tool", scope.tool, Object.keys(document?.tools ?? {})),
    ...unknown("scope.actor", scope.actor, Object.keys(document?.actors ?? {})),
  ];
  return { mistakes, warnings: [] };
}

function unknown(path: string, name: string | undefined, known: readonly string[]): readonly Mistake[] {
  if (name === undefined || known.includes(name)) return [];
  const what = path.replace("scope.", "");
  return [
    {
      path,
      message: `no ${what} "${name}" in the tenant's config, so the switch would stop nothing${didYouMean(name, known)}`,
    },
  ];
}
