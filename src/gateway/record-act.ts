// Sequences the telling of what somebody did to the gateway itself: recorded where it was done, and by the gateway.
import { actRecord, type Act, type ToldAt } from "../core/trace/act.ts";
import type { Ports, Recorder } from "./ports.ts";

/** How an act that begins now is told. */
export function toldNow({ system }: Pick<Ports, "system">): ToldAt {
  return { spanId: system.randomHex(8), now: system.now() };
}

/**
 * Records a person's act: who, what, why. Best effort in the store; what it did is durable with its owner. Told as
 * its owner tells it too, it is stored once.
 */
export function recordAct(ports: Pick<Ports, "system">, recorder: Recorder, act: Act, told?: ToldAt): void {
  recorder.write(actRecord(act, told ?? toldNow(ports)), []);
}

/**
 * Does something to what no ledger owns, keys and credentials, so that it is told at least once: that it is about to be
 * done is durable before, and what it came to after. Where the gateway dies in between, the tenant's ledger tells it as
 * an act whose outcome is unknown. `cameTo` says what differs from what was to be done; `null`, that there was nothing.
 */
export async function doAct<T>(
  ports: Pick<Ports, "system" | "tenants">,
  act: Act,
  { perform, cameTo }: { readonly perform: () => Promise<T>; readonly cameTo: (done: T) => Partial<Act> | null },
): Promise<T> {
  const at = toldNow(ports);
  await ports.tenants.beginAct(actRecord(act, at));
  const done = await perform();
  const came = cameTo(done);
  const record = came === null ? null : actRecord({ ...act, ...came }, at);
  // Done it is: what cannot be told now, the ledger tells by itself.
  await ports.tenants.endAct(act.tenant, at.spanId, record).catch(() => undefined);
  return done;
}

/** Records an act before it is done; whether the record will not be lost. What nobody can be held to is not done. */
export function recordActFirst(ports: Pick<Ports, "system">, recorder: Recorder, act: Act): Promise<boolean> {
  return recorder.writeNow(actRecord(act, toldNow(ports)), []);
}
