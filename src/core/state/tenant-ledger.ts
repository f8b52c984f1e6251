// Decides which config version of a tenant is active, which releases are live and which kill switches are set, and that nobody overwrites anybody.
import type { PublishedConfig } from "../config/published.ts";
import { isSet, type Switch } from "../policy/switches.ts";
import type { Mistake } from "../errors.ts";
import { reviewReleases, sealsOf, type Pointers, type Seal } from "../release/sealed.ts";
import type { ListedBreaker } from "./breaker.ts";
import {
  firstChanges,
  moveRelease,
  pointersUnder,
  type ReleaseChange,
  type ReleaseOrder,
  type ReleaseReply,
} from "./tenant-releases.ts";

/** A tenant's strongly consistent facts. `mirrored` is the version that the edge copy is known to show. */
export interface TenantLedgerState {
  readonly name: string | null;
  readonly createdAt: number | null;
  readonly active: number;
  readonly mirrored: number;
  /** Rises with every publication and every switch: whoever knows it knows how old their facts are. */
  readonly epoch: number;
  /** Switches that are set; an expired one leaves with the next change. */
  readonly switches: readonly Switch[];
  /** Which release of each agent is live, and which is its canary. */
  readonly releases: Pointers;
}

/** What every enforcement point must know, no older than its stated bound. */
export interface Controls {
  readonly epoch: number;
  readonly activeVersion: number;
  readonly switches: readonly Switch[];
  /** Breakers that are not closed. */
  readonly breakers: readonly ListedBreaker[];
  readonly releases: Pointers;
}

/** A switch with what became of it, as it is audited. */
export interface SwitchRecord extends Switch {
  readonly cleared_by: string | null;
  readonly cleared_at: number | null;
  readonly clear_reason: string | null;
}

/** Switches a tenant may have set at once. */
const MAX_SWITCHES = 200;

/** Commands of the ledger. */
export type TenantCommand =
  | { readonly type: "create"; readonly name: string }
  | {
      readonly type: "publish";
      readonly candidate: Omit<PublishedConfig, "version" | "published_at">;
      readonly expected: number;
      /** The digest that was published under a name before. */
      readonly sealed: (key: string) => string | undefined;
    }
  | { readonly type: "mirrored"; readonly version: number }
  | { readonly type: "set_switch"; readonly switch: Omit<Switch, "set_at"> }
  | { readonly type: "clear_switch"; readonly id: string; readonly by: string; readonly reason: string | null };

/** Replies of the ledger. */
export type TenantReply =
  | { readonly type: "created" }
  | { readonly type: "exists" }
  | { readonly type: "published"; readonly config: PublishedConfig }
  | { readonly type: "stale"; readonly active: number }
  /** It would change what never changes, or remove what is in use. */
  | { readonly type: "refused"; readonly mistakes: readonly Mistake[] }
  | { readonly type: "noted" }
  | { readonly type: "switch_set"; readonly record: SwitchRecord }
  | { readonly type: "switch_cleared"; readonly record: SwitchRecord }
  | { readonly type: "unknown_switch" }
  | { readonly type: "too_many_switches"; readonly limit: number };

/** What the object must do before the reply leaves. */
export type TenantEffect =
  | { readonly type: "persist" }
  | { readonly type: "write_version"; readonly config: PublishedConfig }
  | { readonly type: "write_seals"; readonly seals: readonly Seal[] }
  | { readonly type: "write_release"; readonly change: ReleaseChange }
  | { readonly type: "write_switch"; readonly record: SwitchRecord };

/** The result of a command. */
export interface TenantTransition<Reply = TenantReply> {
  readonly next: TenantLedgerState;
  readonly reply: Reply;
  readonly effects: readonly TenantEffect[];
}

/** A tenant never created. */
export const NO_TENANT: TenantLedgerState = {
  name: null,
  createdAt: null,
  active: 0,
  mirrored: 0,
  epoch: 0,
  switches: [],
  releases: {},
};

/** What enforcement points are told: the version to use, the switches that hold, the breakers that are not closed. */
export function controlsOf(
  { epoch, active, switches, releases }: TenantLedgerState,
  breakers: readonly ListedBreaker[],
  now: number,
): Controls {
  return { epoch, activeVersion: active, switches: switches.filter((each) => isSet(each, now)), breakers, releases };
}

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
    case "publish":
      return publish(state, command, now);
    case "mirrored":
      if (command.version <= state.mirrored) return { next: state, reply: { type: "noted" }, effects: [] };
      return {
        next: { ...state, mirrored: command.version },
        reply: { type: "noted" },
        effects: [{ type: "persist" }],
      };
    case "set_switch":
      return setSwitch(state, { ...command.switch, set_at: now }, now);
    case "clear_switch":
      return clearSwitch(state, command, now);
    default:
      return command satisfies never;
  }
}

function publish(
  state: TenantLedgerState,
  { candidate, expected, sealed }: TenantCommand & { type: "publish" },
  now: number,
): TenantTransition {
  if (expected !== state.active) return { next: state, reply: { type: "stale", active: state.active }, effects: [] };
  const { document } = candidate;
  const { mistakes } = reviewReleases(document, sealed, state.releases);
  if (mistakes.length > 0) return { next: state, reply: { type: "refused", mistakes }, effects: [] };
  const config: PublishedConfig = { ...candidate, version: state.active + 1, published_at: now };
  const releases = pointersUnder(config, state.releases);
  const seals = sealsOf(document).filter(({ key }) => sealed(key) === undefined);
  const changes = firstChanges(state.releases, releases, { by: candidate.published_by, at: now });
  return {
    next: { ...state, active: config.version, epoch: state.epoch + 1, releases },
    reply: { type: "published", config },
    effects: [
      { type: "write_version", config },
      ...(seals.length === 0 ? [] : [{ type: "write_seals", seals } as const]),
      ...changes.map((change) => ({ type: "write_release", change }) as const),
      { type: "persist" },
    ],
  };
}

/** Applies an order on an agent's releases, which are those of the active version. */
export function orderRelease(
  state: TenantLedgerState,
  order: ReleaseOrder,
  config: PublishedConfig | undefined,
  now: number,
): TenantTransition<ReleaseReply> {
  const reply = moveRelease(state.releases, order, config, now);
  if (reply.type !== "release_moved") return { next: state, reply, effects: [] };
  const releases = { ...state.releases, [order.agent]: reply.pointer };
  return {
    next: { ...state, epoch: state.epoch + 1, releases },
    reply,
    effects: [{ type: "persist" }, { type: "write_release", change: reply.change }],
  };
}

function setSwitch(state: TenantLedgerState, set: Switch, now: number): TenantTransition {
  const standing = state.switches.filter((each) => isSet(each, now) && each.id !== set.id);
  if (standing.length >= MAX_SWITCHES)
    return { next: state, reply: { type: "too_many_switches", limit: MAX_SWITCHES }, effects: [] };
  const record: SwitchRecord = { ...set, cleared_by: null, cleared_at: null, clear_reason: null };
  return {
    next: { ...state, epoch: state.epoch + 1, switches: [...standing, set] },
    reply: { type: "switch_set", record },
    effects: [{ type: "persist" }, { type: "write_switch", record }],
  };
}

function clearSwitch(
  state: TenantLedgerState,
  { id, by, reason }: TenantCommand & { type: "clear_switch" },
  now: number,
): TenantTransition {
  const found = state.switches.find((each) => each.id === id && isSet(each, now));
  if (found === undefined) return { next: state, reply: { type: "unknown_switch" }, effects: [] };
  const record: SwitchRecord = { ...found, cleared_by: by, cleared_at: now, clear_reason: reason };
  return {
    next: { ...state, epoch: state.epoch + 1, switches: state.switches.filter((each) => each.id !== id) },
    reply: { type: "switch_cleared", record },
    effects: [{ type: "persist" }, { type: "write_switch", record }],
  };
}
