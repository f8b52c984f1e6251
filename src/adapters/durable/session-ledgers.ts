// Reaches session ledgers: one object per tenant and session. Settlements ride on the session's next admission, or go in small batches.
import { GatewayFault } from "../../core/errors.ts";
import type { TraceRecord } from "../../core/trace/record.ts";
import type { Admission, Defer, SessionLedgers, Settlement, System } from "../../gateway/ports.ts";
import { LingeringSender } from "../lingering-sender.ts";
import type { ObjectNamespace, RemoteSessionLedger, RemoteSettlement } from "./rpc.ts";

/** A settlement waits this long for an admission to ride on. */
const LINGER_MS = 50;

/** Session ledgers behind a Durable Object namespace, for one isolate. */
export class DurableSessionLedgers implements SessionLedgers {
  readonly #namespace: ObjectNamespace<RemoteSessionLedger>;
  #waiting = new Map<string, RemoteSettlement[]>();
  readonly #sender: LingeringSender;

  constructor(namespace: ObjectNamespace<RemoteSessionLedger>, system: System) {
    this.#namespace = namespace;
    this.#sender = new LingeringSender(system, LINGER_MS, () => this.#sendAll());
  }

  async admit(admission: Admission): ReturnType<SessionLedgers["admit"]> {
    const name = nameOf(admission.ref.tenant, admission.ref.session);
    const riding = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    try {
      return await this.#namespace.getByName(name).admit(admission, riding);
    } catch (error) {
      // Whether they arrived is not known; settling twice changes nothing.
      await this.#send(name, riding);
      throw error;
    }
  }

  settle({ tenant, session, holdId, actual }: Settlement, defer: Defer): void {
    this.#add(nameOf(tenant, session), { holdId, actual });
    this.#sender.wake(defer);
  }

  read(tenant: string, session: string): ReturnType<SessionLedgers["read"]> {
    return this.#namespace.getByName(nameOf(tenant, session)).read();
  }

  consult(
    tenant: string,
    session: string,
    asked: Parameters<SessionLedgers["consult"]>[2],
  ): ReturnType<SessionLedgers["consult"]> {
    return this.#namespace.getByName(nameOf(tenant, session)).consult(asked);
  }

  async resume(tenant: string, session: string, record: TraceRecord): ReturnType<SessionLedgers["resume"]> {
    const reply = await this.#namespace.getByName(nameOf(tenant, session)).resume(record);
    if (reply.type === "resumed") return { was: reply.was };
    if (reply.type === "session_paused") return { ended: reply.pause };
    throw new GatewayFault("internal", `the session's ledger answered "${reply.type}" to a resumption`);
  }

  async pause(
    tenant: string,
    session: string,
    pause: Parameters<SessionLedgers["pause"]>[2],
    record: TraceRecord,
  ): ReturnType<SessionLedgers["pause"]> {
    const reply = await this.#namespace.getByName(nameOf(tenant, session)).pause(pause, record);
    if (reply.type === "session_paused") return reply.pause;
    throw new GatewayFault("internal", `the session's ledger answered "${reply.type}" to a pause`);
  }

  saga(
    tenant: string,
    session: string,
    { task, isClosing }: Parameters<SessionLedgers["saga"]>[2],
  ): ReturnType<SessionLedgers["saga"]> {
    return this.#namespace.getByName(nameOf(tenant, session)).saga(task, isClosing);
  }

  stash(tenant: string, session: string, records: Parameters<SessionLedgers["stash"]>[2]): Promise<void> {
    return this.#namespace.getByName(nameOf(tenant, session)).stash(records);
  }

  forget(tenant: string, session: string): ReturnType<SessionLedgers["forget"]> {
    return this.#namespace.getByName(nameOf(tenant, session)).forget();
  }

  #add(name: string, settlement: RemoteSettlement): void {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) this.#waiting.set(name, [settlement]);
    else waiting.push(settlement);
  }

  async #sendAll(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = new Map();
    await Promise.all([...batch].map(([name, settlements]) => this.#send(name, settlements)));
  }

  async #send(name: string, settlements: readonly RemoteSettlement[]): Promise<void> {
    if (settlements.length === 0) return;
    const send = (): Promise<void> => this.#namespace.getByName(name).settle(settlements);
    try {
      await send().catch(send);
    } catch {
      console.error(JSON.stringify({ event: "settlements_lost", session: name, count: settlements.length }));
    }
  }
}

function nameOf(tenant: string, session: string): string {
  return `${tenant}/${session}`;
}
