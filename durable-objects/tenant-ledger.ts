// Remembers a tenant's active config version, live releases, kill switches and cross-session limits; every rule is in src/core/state/tenant-*.ts.
import { DurableObject } from "cloudflare:workers";
import type { PublishedConfig } from "../src/core/config/published.ts";
import type { MeterNeed, RateNeed } from "../src/core/policy/limits.ts";
import type { Switch } from "../src/core/policy/switches.ts";
import type { GivenUp } from "../src/core/state/lease.ts";
import * as meters from "../src/core/state/meter.ts";
import * as tenants from "../src/core/state/tenant-ledger.ts";
import type {
  Controls,
  SwitchRecord,
  TenantCommand,
  TenantLedgerState,
  TenantReply,
  TenantTransition,
} from "../src/core/state/tenant-ledger.ts";
import {
  grantShare,
  takeTurns,
  type GrantReply,
  type KeyedGrant,
  type MeterRow,
} from "../src/core/state/tenant-limits.ts";
import type { KeyedReport } from "../src/core/state/breaker.ts";
import type { ReleasePointer } from "../src/core/release/pointer.ts";
import { reviewReleases, type ReleaseReview } from "../src/core/release/sealed.ts";
import type { ReleaseChange, ReleaseOrder, ReleaseReply } from "../src/core/state/tenant-releases.ts";
import type { UpstreamAsk } from "../src/core/state/tenant-upstream.ts";
import { configAct, switchAct, tenantAct, type ToldAt } from "../src/core/trace/act.ts";
import type { TraceRecord } from "../src/core/trace/record.ts";
import { releaseAct } from "../src/core/trace/release-act.ts";
import { ActOutbox, toldNow } from "./act-outbox.ts";
import { ReleaseRows } from "./release-rows.ts";
import { SqlStore, type RecordQueue } from "./sql-store.ts";
import { keysOf, UpstreamRows, type Released } from "./upstream-rows.ts";

/** A session's ledger, as this object calls it. */
interface RemoteSession {
  reclaim(leaseId: string): Promise<number>;
}

/** What the object needs of its Worker. */
interface TenantEnv {
  readonly CONFIG: KVNamespace;
  readonly TRACES: RecordQueue;
  readonly SESSION_LEDGER: { getByName(name: string): RemoteSession };
}

/** A version as it is listed. */
type VersionLine = Pick<PublishedConfig, "version" | "digest" | "published_at" | "published_by" | "rolled_back">;

/** A mirror that did not go through is tried again after this long. */
const MIRROR_RETRY_MS = 2_000;
/** Meters whose window is over are deleted this often. */
const PURGE_EVERY_MS = 3_600_000;
/** A session that does not answer a reclaim in this time keeps its lease. */
const RECLAIM_TIMEOUT_MS = 1_000;

/** One tenant's ledger, named `<tenant>`. */
export class TenantLedger extends DurableObject<TenantEnv> {
  readonly #store: SqlStore;
  readonly #upstreams: UpstreamRows;
  readonly #releases: ReleaseRows;
  readonly #acts: ActOutbox;
  #state: TenantLedgerState;
  /** Mirrors run one after another: an older pointer never lands on a newer one. */
  #mirroring: Promise<void> = Promise.resolve();
  /** Whether the alarm is set for a purge already. */
  #isPurgeDue = false;

  constructor(ctx: DurableObjectState, env: TenantEnv) {
    super(ctx, env);
    this.#store = new SqlStore(ctx.storage);
    this.#upstreams = new UpstreamRows(this.#store);
    this.#releases = new ReleaseRows(this.#store);
    this.#acts = new ActOutbox(this.#store, (at) => this.#wakeBy(at));
    this.#state = { ...tenants.NO_TENANT, ...(this.#store.readState() as TenantLedgerState | undefined) };
  }

  /** Creates the tenant; answers whether it is new. */
  async create(name: string, by: string): Promise<boolean> {
    const isNew = this.#apply({ type: "create", name }).type === "created";
    if (isNew) await this.#acts.tell(tenantAct(this.#name, by), toldNow());
    return isNew;
  }

  /** Keeps an act that is about to be done elsewhere: durable before the reply. */
  beginAct(record: TraceRecord): Promise<void> {
    return this.#acts.begin(record);
  }

  /** Tells what it came to; `null` where there was nothing to do. */
  endAct(spanId: string, record: TraceRecord | null): Promise<void> {
    return this.#acts.end(spanId, record);
  }

  /** Whether the tenant was created. */
  exists(): boolean {
    return this.#state.name !== null;
  }

  /** What every enforcement point must know: the active version, the switches that hold, the breakers that are not closed. */
  controls(): Controls {
    const now = Date.now();
    return tenants.controlsOf(this.#state, this.#upstreams.listed(now), now);
  }

  /** Counts what calls have come to; answers whether a breaker has changed. */
  async report(reports: readonly KeyedReport[]): Promise<boolean> {
    const hasChanged = this.#upstreams.report(reports, Date.now());
    if (hasChanged) await this.#purgeLater();
    return hasChanged;
  }

  /** Gives back slots and probes of a call that has ended or never ran. */
  release(released: Released): void {
    this.#upstreams.release(released);
  }

  /** Sets a kill switch: durable before the reply, with the record that tells of it. */
  setSwitch(set: Omit<Switch, "set_at">, told: ToldAt): Promise<TenantReply> {
    return this.#switched({ type: "set_switch", switch: set }, told);
  }

  /** Clears a kill switch. */
  clearSwitch(
    id: string,
    { by, reason, told }: { readonly by: string; readonly reason: string | null; readonly told: ToldAt },
  ): Promise<TenantReply> {
    return this.#switched({ type: "clear_switch", id, by, reason }, told);
  }

  async #switched(command: TenantCommand, told: ToldAt): Promise<TenantReply> {
    const reply = this.#apply(command);
    if (reply.type === "switch_set" || reply.type === "switch_cleared")
      await this.#acts.tell(switchAct(this.#name, reply.record, null), told);
    return reply;
  }

  /** Moves an agent's releases: durable before the reply, with the record that tells of it. */
  async moveRelease(order: ReleaseOrder, told: ToldAt): Promise<ReleaseReply> {
    const reply = this.#follow(tenants.orderRelease(this.#state, order, this.version(), Date.now()));
    if (reply.type === "release_moved") await this.#acts.tell(releaseAct(this.#name, reply.change, null), told);
    return reply;
  }

  /** How an agent's releases stand, and their last changes, newest first. */
  releases(agent: string): { readonly pointer: ReleasePointer | null; readonly history: readonly ReleaseChange[] } {
    const { releases } = this.#state;
    const pointer = Object.hasOwn(releases, agent) ? (releases[agent] ?? null) : null;
    return { pointer, history: this.#releases.history(agent) };
  }

  /** What publishing a document would be refused for, and what in it has no effect, as its prompts and releases go. */
  reviewReleases(document: PublishedConfig["document"]): ReleaseReview {
    return reviewReleases(document, (key) => this.#releases.sealed(key), this.#state.releases);
  }

  /** Every switch ever set, newest first, with who cleared it and when. */
  switches(): readonly SwitchRecord[] {
    return (this.#store.allRows(SWITCH_ROWS) as readonly SwitchRecord[]).toSorted((a, b) => b.set_at - a.set_at);
  }

  /** Grants a session everything a call needs of limits, rates and its upstream, or nothing. Idle leases of others are reclaimed first. */
  async grant(
    session: string,
    shortages: readonly MeterNeed[],
    rates: readonly RateNeed[],
    upstream: UpstreamAsk,
  ): Promise<GrantReply> {
    const taken = this.#upstreams.take(upstream, Date.now());
    if (!("ok" in taken)) return taken;
    const reply = await this.#grantShares(session, shortages, rates);
    if (reply.type !== "granted") this.#upstreams.release({ ...upstream, ...keysOf(upstream) });
    return reply;
  }

  async #grantShares(
    session: string,
    shortages: readonly MeterNeed[],
    rates: readonly RateNeed[],
  ): Promise<GrantReply> {
    const granted: KeyedGrant[] = [];
    for (const shortage of shortages) {
      const step = await this.#grantOne(session, shortage);
      if (step.type === "limit_exceeded") {
        this.#undo(granted);
        return step;
      }
      granted.push(step.keyed);
    }
    const turns = takeTurns(
      rates,
      (key) => (this.#store.readRow(`${RATE_ROWS}${key}`) as { tat: number } | undefined)?.tat ?? 0,
      Date.now(),
    );
    if ("type" in turns) {
      this.#undo(granted);
      return turns;
    }
    for (const { key, tat } of turns.tats) this.#store.writeRow(`${RATE_ROWS}${key}`, { tat });
    await this.#purgeLater();
    return { type: "granted", grants: granted };
  }

  /** Takes back what sessions have not used. */
  giveUp(unused: readonly GivenUp[]): void {
    for (const { key, ...lease } of unused) {
      const row = this.#meter(key);
      if (row !== undefined) this.#writeMeter(key, { ...row, state: meters.giveUp(row.state, row.spec, lease) });
    }
  }

  /** How far the named meters are used. */
  usage(keys: readonly string[]): readonly { readonly key: string; readonly used: number }[] {
    const now = Date.now();
    return keys.map((key) => {
      const row = this.#meter(key);
      return { key, used: row === undefined ? 0 : meters.usage(row.state, row.spec, now).used };
    });
  }

  /** Publishes a version if `expected` is the active one; the reply leaves once the edge copy shows it. */
  async publish(candidate: Omit<PublishedConfig, "version" | "published_at">, expected: number): Promise<TenantReply> {
    const previous = this.version()?.digest ?? null;
    const sealed = (key: string): string | undefined => this.#releases.sealed(key);
    const reply = this.#apply({ type: "publish", candidate, expected, sealed });
    if (reply.type === "published") {
      await this.#acts.tell(configAct(reply.config, previous), toldNow());
      await this.ctx.storage.setAlarm(Date.now() + MIRROR_RETRY_MS);
      // Published it is: an edge copy that cannot be written now is written by the alarm.
      await this.#mirror().catch(() => undefined);
    }
    return reply;
  }

  /** A version's document; the active one when no version is named. */
  version(version?: number): PublishedConfig | undefined {
    return this.#store.readRow(rowOf(version ?? this.#state.active)) as PublishedConfig | undefined;
  }

  /** Every version, oldest first, without its document. */
  versions(): readonly VersionLine[] {
    const all = this.#store.allRows(VERSION_ROWS) as readonly PublishedConfig[];
    return all.map(({ version, digest, published_at, published_by, rolled_back }) => ({
      version,
      digest,
      published_at,
      published_by,
      ...(rolled_back === undefined ? {} : { rolled_back }),
    }));
  }

  /** Writes the edge copy again if it does not show the active version; answers whether it had to. */
  async repairMirror(): Promise<boolean> {
    const config = this.version();
    if (config === undefined) return false;
    const pointer = await this.env.CONFIG.get<{ version: number }>(`active/${config.tenant}`, "json");
    if (pointer?.version === config.version) return false;
    await this.#mirror();
    return true;
  }

  override async alarm(): Promise<void> {
    this.#isPurgeDue = false;
    this.#purge();
    const again = await this.#acts.drain(this.env.TRACES);
    if (again !== null) await this.#wakeBy(again);
    if (this.#state.mirrored < this.#state.active) await this.#mirror();
  }

  async #grantOne(
    session: string,
    shortage: MeterNeed,
  ): Promise<
    { readonly type: "granted"; readonly keyed: KeyedGrant } | (GrantReply & { readonly type: "limit_exceeded" })
  > {
    const asking = { session, leaseId: crypto.randomUUID() };
    const first = grantShare(this.#meter(shortage.key), shortage, { ...asking, hasReclaimed: false, now: Date.now() });
    this.#writeMeter(shortage.key, first.row);
    if (first.type === "granted") return first;
    if (first.type === "refused") return first.refusal;
    await this.#reclaim(shortage.key, first.holders);
    const second = grantShare(this.#meter(shortage.key), shortage, { ...asking, hasReclaimed: true, now: Date.now() });
    this.#writeMeter(shortage.key, second.row);
    if (second.type === "granted") return second;
    if (second.type === "refused") return second.refusal;
    throw new Error("a meter asked to reclaim twice");
  }

  /** Asks the holders of leases for what they have left. Who does not answer keeps it until it expires. */
  async #reclaim(
    key: string,
    holders: readonly { readonly session: string; readonly leaseId: string }[],
  ): Promise<void> {
    const { name } = this.ctx.id;
    if (name === undefined) return;
    await Promise.all(
      holders.map(async ({ session, leaseId }) => {
        const unused = await Promise.race([
          this.env.SESSION_LEDGER.getByName(`${name}/${session}`).reclaim(leaseId),
          scheduler.wait(RECLAIM_TIMEOUT_MS).then(() => undefined),
        ]).catch(() => undefined);
        // One that has nothing left is closed all the same: it is not asked again.
        if (unused !== undefined) this.giveUp([{ key, leaseId, unused }]);
      }),
    );
  }

  #undo(granted: readonly KeyedGrant[]): void {
    this.giveUp(granted.map(({ key, grant }) => ({ key, leaseId: grant.leaseId, unused: grant.amount })));
  }

  #meter(key: string): MeterRow | undefined {
    return this.#store.readRow(`${METER_ROWS}${key}`) as MeterRow | undefined;
  }

  #writeMeter(key: string, row: MeterRow): void {
    this.#store.writeRow(`${METER_ROWS}${key}`, row);
  }

  /** The tenant, whose name the object has. */
  get #name(): string {
    return this.ctx.id.name ?? "";
  }

  async #wakeBy(at: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > at) await this.ctx.storage.setAlarm(at);
  }

  async #purgeLater(): Promise<void> {
    if (this.#isPurgeDue) return;
    this.#isPurgeDue = true;
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + PURGE_EVERY_MS);
  }

  #purge(): void {
    const now = Date.now();
    this.#upstreams.purge(now);
    for (const { id, body } of this.#store.rowsUnder(METER_ROWS))
      if (meters.purgeAt((body as MeterRow).state) <= now) this.#store.deleteRow(id);
    for (const { id, body } of this.#store.rowsUnder(RATE_ROWS))
      if ((body as { readonly tat: number }).tat <= now * TAT_PER_MS) this.#store.deleteRow(id);
  }

  #mirror(): Promise<void> {
    this.#mirroring = this.#mirroring.catch(() => undefined).then(() => this.#mirrorOnce());
    return this.#mirroring;
  }

  async #mirrorOnce(): Promise<void> {
    const config = this.version();
    if (config === undefined) return;
    await this.env.CONFIG.put(`config/${config.tenant}/${config.version}`, JSON.stringify(config));
    await this.env.CONFIG.put(`active/${config.tenant}`, JSON.stringify({ version: config.version }));
    this.#apply({ type: "mirrored", version: config.version });
  }

  #apply(command: TenantCommand): TenantReply {
    return this.#follow(tenants.transition(this.#state, command, Date.now()));
  }

  #follow<Reply>({ next, reply, effects }: TenantTransition<Reply>): Reply {
    this.#state = next;
    for (const effect of effects) {
      switch (effect.type) {
        case "persist":
          this.#store.writeState(next);
          break;
        case "write_version":
          this.#store.writeRow(rowOf(effect.config.version), effect.config);
          break;
        case "write_seals":
          this.#releases.seal(effect.seals);
          break;
        case "write_release":
          this.#releases.write(effect.change);
          break;
        case "write_switch":
          this.#store.writeRow(`${SWITCH_ROWS}${effect.record.id}`, effect.record);
          break;
        default:
          effect satisfies never;
      }
    }
    return reply;
  }
}

const VERSION_ROWS = "version/";
const SWITCH_ROWS = "switch/";
const METER_ROWS = "meter/";
const RATE_ROWS = "rate/";
/** Arrival times are kept in microseconds. */
const TAT_PER_MS = 1_000;

function rowOf(version: number): string {
  return `${VERSION_ROWS}${String(version).padStart(8, "0")}`;
}
