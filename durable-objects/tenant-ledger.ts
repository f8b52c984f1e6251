// Remembers a tenant's active config version and mirrors it to KV; every rule is in src/core/state/tenant-ledger.ts.
import { DurableObject } from "cloudflare:workers";
import type { PublishedConfig } from "../src/core/config/published.ts";
import * as tenants from "../src/core/state/tenant-ledger.ts";
import type { TenantCommand, TenantLedgerState, TenantReply } from "../src/core/state/tenant-ledger.ts";
import { SqlStore } from "./sql-store.ts";

/** What the object needs of its Worker. */
interface TenantEnv {
  readonly CONFIG: KVNamespace;
}

/** A version as it is listed. */
type VersionLine = Pick<PublishedConfig, "version" | "digest" | "published_at" | "published_by">;

/** A mirror that did not go through is tried again after this long. */
const MIRROR_RETRY_MS = 2_000;

/** One tenant's ledger, named `<tenant>`. */
export class TenantLedger extends DurableObject<TenantEnv> {
  readonly #store: SqlStore;
  #state: TenantLedgerState;
  /** Mirrors run one after another: an older pointer never lands on a newer one. */
  #mirroring: Promise<void> = Promise.resolve();

  constructor(ctx: DurableObjectState, env: TenantEnv) {
    super(ctx, env);
    this.#store = new SqlStore(ctx.storage);
    this.#state = (this.#store.readState() as TenantLedgerState | undefined) ?? tenants.NO_TENANT;
  }

  /** Creates the tenant; answers whether it is new. */
  create(name: string): boolean {
    return this.#apply({ type: "create", name }).type === "created";
  }

  /** Whether the tenant was created. */
  exists(): boolean {
    return this.#state.name !== null;
  }

  /** Publishes a version if `expected` is the active one; the reply leaves once the edge copy shows it. */
  async publish(candidate: Omit<PublishedConfig, "version" | "published_at">, expected: number): Promise<TenantReply> {
    const reply = this.#apply({ type: "publish", candidate, expected });
    if (reply.type === "published") {
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
    const all = this.#store.allRows() as readonly PublishedConfig[];
    return all.map(({ version, digest, published_at, published_by }) => ({
      version,
      digest,
      published_at,
      published_by,
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
    if (this.#state.mirrored < this.#state.active) await this.#mirror();
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
    const { next, reply, effects } = tenants.transition(this.#state, command, Date.now());
    this.#state = next;
    for (const effect of effects) {
      if (effect.type === "persist") this.#store.writeState(next);
      if (effect.type === "write_version") this.#store.writeRow(rowOf(effect.config.version), effect.config);
    }
    return reply;
  }
}

function rowOf(version: number): string {
  return `version/${String(version).padStart(8, "0")}`;
}
