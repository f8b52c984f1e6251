// Decides which config version of a tenant is active, and that two publishers never overwrite each other.
import type { PublishedConfig } from "../config/published.ts";

/** A tenant's strongly consistent facts. `mirrored` is the version that the edge copy is known to show. */
export interface TenantLedgerState {
  readonly name: string | null;
  readonly createdAt: number | null;
  readonly active: number;
  readonly mirrored: number;
}

/** Commands of the ledger. */
export type TenantCommand =
  | { readonly type: "create"; readonly name: string }
  | {
      readonly type: "publish";
      readonly candidate: Omit<PublishedConfig, "version" | "published_at">;
      readonly expected: number;
    }
  | { readonly type: "mirrored"; readonly version: number };

/** Replies of the ledger. */
export type TenantReply =
  | { readonly type: "created" }
  | { readonly type: "exists" }
  | { readonly type: "published"; readonly config: PublishedConfig }
  | { readonly type: "stale"; readonly active: number }
  | { readonly type: "noted" };

/** What the object must do before the reply leaves. */
export type TenantEffect =
  | { readonly type: "persist" }
  | { readonly type: "write_version"; readonly config: PublishedConfig };

/** The result of a command. */
export interface TenantTransition {
  readonly next: TenantLedgerState;
  readonly reply: TenantReply;
  readonly effects: readonly TenantEffect[];
}

/** A tenant never created. */
export const NO_TENANT: TenantLedgerState = { name: null, createdAt: null, active: 0, mirrored: 0 };

/** Applies one command. Publishing compares and sets: a stale `expected` changes nothing. */
export function transition(state: TenantLedgerState, command: TenantCommand, now: number): TenantTransition {
  switch (command.type) {
    case "create":
      if (state.name !== null) return { next: state, reply: { type: "exists" }, effects: [] };
      return {
        next: { ...state, name: command.name, createdAt: now },
        reply: { type: "created" },
        effects: [{ type: "persist" }],
      };
    case "publish": {
      if (command.expected !== state.active)
        return { next: state, reply: { type: "stale", active: state.active }, effects: [] };
      const config: PublishedConfig = {
        ...command.candidate,
        version: state.active + 1,
        published_at: now,
      };
      return {
        next: { ...state, active: config.version },
        reply: { type: "published", config },
        effects: [{ type: "write_version", config }, { type: "persist" }],
      };
    }
    case "mirrored":
      if (command.version <= state.mirrored) return { next: state, reply: { type: "noted" }, effects: [] };
      return {
        next: { ...state, mirrored: command.version },
        reply: { type: "noted" },
        effects: [{ type: "persist" }],
      };
    default:
      return command satisfies never;
  }
}
