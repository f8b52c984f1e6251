// Decides how release pointers of a tenant's agents come into being with a publication, and how an order moves one of them.
import { judgeEvidence, type EvidenceRun, type MissingEvidence, type ReleaseGrounds } from "../release/evidence.ts";
import { resolveEntry, type ReleaseWorld } from "../release/release.ts";
import {
  firstPointer,
  movePointer,
  type Moved,
  type Pinned,
  type PointerMove,
  type PointerStatus,
  type ReleasePointer,
} from "../release/pointer.ts";
import type { Pointers } from "../release/sealed.ts";

/** What somebody wants done to an agent's releases. */
export interface ReleaseOrder {
  readonly agent: string;
  readonly type: "promote" | "canary" | "rollback";
  /** Left out of a rollback: what was live before. Left out of a canary: the one that runs. */
  readonly release: string | null;
  /** Of a canary: percent of sessions, 0 to end it. */
  readonly weight: number | null;
  /** The generation that the order was made on; `null` for whichever stands. */
  readonly expected: number | null;
  /** The id of the key. */
  readonly by: string;
  readonly reason: string | null;
  /** Finished runs that speak for, or against, a release that is to be put in use: held against what the config asks for. */
  readonly evidence?: readonly EvidenceRun[];
  /** Whether it goes through without evidence, if there is a reason. */
  readonly breakGlass?: boolean;
  /** Why the watch of a canary ends it. */
  readonly watch?: ReleaseGrounds & { readonly type: "watch" };
}

/** One change of an agent's pointer, as its history keeps it. */
export interface ReleaseChange {
  readonly agent: string;
  readonly generation: number;
  readonly status: PointerStatus | "published";
  readonly live: Pinned;
  readonly canary: (Pinned & { readonly weight: number }) | null;
  /** What was live before; `null` for the first. */
  readonly previous: Pinned | null;
  readonly by: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly reason: string | null;
  /** What it rests on; left out where nothing was asked for. */
  readonly grounds?: ReleaseGrounds;
}

/** What became of an order. */
export type ReleaseReply =
  | { readonly type: "release_moved"; readonly pointer: ReleasePointer; readonly change: ReleaseChange }
  | { readonly type: "release_unchanged"; readonly pointer: ReleasePointer }
  | { readonly type: "unknown_agent" }
  | { readonly type: "unknown_release"; readonly release: string }
  | { readonly type: "stale_release"; readonly generation: number }
  | { readonly type: "nothing_before" }
  | { readonly type: "no_canary" }
  /** Its policy pin is strict, and another policy is active: nothing would be answered. */
  | { readonly type: "pinned_elsewhere"; readonly release: string }
  | { readonly type: "is_live"; readonly release: string }
  /** The config asks for evidence which the order does not bring for what the release resolves to at this instant. */
  | { readonly type: "unproven"; readonly release: string; readonly missing: readonly MissingEvidence[] };

/**
 * Moves the pointer of the order's agent, if it is the generation that the order was made on. Where the config asks for
 * evidence, the order's runs are held against it here, where the release is resolved: what becomes live is the digest that
 * was judged, whatever was published since the runs were looked up. An order that changes nothing needs none.
 */
export function moveRelease(
  pointers: Pointers,
  order: ReleaseOrder,
  world: ReleaseWorld | undefined,
  now: number,
): ReleaseReply {
  const pointer = Object.hasOwn(pointers, order.agent) ? pointers[order.agent] : undefined;
  if (pointer === undefined || world === undefined) return { type: "unknown_agent" };
  if (order.expected !== null && order.expected !== pointer.generation)
    return { type: "stale_release", generation: pointer.generation };
  const move = moveOf(order, pointer, world);
  if (move.type === "unknown_release" || move.type === "no_canary" || move.type === "pinned_elsewhere") return move;
  const usable = (release: string): Pinned | undefined =>
    isUsable(world, order.agent, release) ? pinnedOf(world, order.agent, release) : undefined;
  const moved = movePointer(pointer, move, usable);
  if (moved.type !== "moved") return standing(pointer, moved);
  const grounds = groundsOf(order, move, world, now);
  if (grounds?.type === "unproven") return grounds;
  return changed(pointer, moved, order, { now, grounds });
}

type Unproven = ReleaseReply & { readonly type: "unproven" };

/** What a move rests on; `null` where nothing is asked for. Going back and ending a canary never need evidence. */
function groundsOf(
  { agent, evidence = [], breakGlass = false, reason, watch }: ReleaseOrder,
  move: PointerMove,
  { document }: ReleaseWorld,
  now: number,
): ReleaseGrounds | Unproven | null {
  if (move.type !== "promote" && move.type !== "canary") return watch ?? null;
  const { met, missing } = judgeEvidence(document, { agent, pinned: move.pinned }, evidence, now);
  if (missing.length === 0)
    return met.length === 0 ? null : { type: "evidence", runs: met.map(({ suite, run }) => ({ suite, run })) };
  if (!breakGlass || reason === null) return { type: "unproven", release: move.pinned.release, missing };
  return { type: "break_glass", missing: missing.map(({ suite, gap }) => ({ suite, gap })) };
}

function moveOf(
  { agent, type, release, weight }: ReleaseOrder,
  pointer: ReleasePointer,
  world: ReleaseWorld,
): PointerMove | (ReleaseReply & { readonly type: "unknown_release" | "no_canary" | "pinned_elsewhere" }) {
  if (type === "rollback" && release === null) return { type, target: null };
  if (type === "canary" && weight === 0) return { type: "end_canary" };
  const named = release ?? pointer.canary?.release;
  if (named === undefined) return { type: "no_canary" };
  const pinned = pinnedOf(world, agent, named);
  if (pinned === undefined) return { type: "unknown_release", release: named };
  if (!isUsable(world, agent, named)) return { type: "pinned_elsewhere", release: named };
  return onto(pinned, { type, weight });
}

function onto(pinned: Pinned, { type, weight }: Pick<ReleaseOrder, "type" | "weight">): PointerMove {
  if (type === "rollback") return { type, target: pinned };
  return type === "promote" ? { type, pinned } : { type, pinned, weight: weight ?? 0 };
}

function changed(
  pointer: ReleasePointer,
  { pointer: next, status }: Moved & { readonly type: "moved" },
  { agent, by, reason }: ReleaseOrder,
  { now, grounds }: { readonly now: number; readonly grounds: ReleaseGrounds | null },
): ReleaseReply {
  const change: ReleaseChange = { ...shownOf(agent, next), status, previous: pointer.live, by, at: now, reason };
  return { type: "release_moved", pointer: next, change: grounds === null ? change : { ...change, grounds } };
}

function standing(pointer: ReleasePointer, moved: Exclude<Moved, { readonly type: "moved" }>): ReleaseReply {
  switch (moved.type) {
    case "unchanged":
      return { type: "release_unchanged", pointer };
    case "nothing_before":
      return { type: "nothing_before" };
    case "is_live":
      return { type: "is_live", release: pointer.live.release };
    default:
      return moved satisfies never;
  }
}

/**
 * The pointers under a document that is being published: those that stand, and a first one for every agent that is new.
 * An agent that the document has not loses its pointer.
 */
export function pointersUnder(world: ReleaseWorld, pointers: Pointers): Pointers {
  return Object.fromEntries(
    Object.entries(world.document.agents).flatMap(([agent, { live, canary }]) => {
      const known = Object.hasOwn(pointers, agent) ? pointers[agent] : undefined;
      if (known !== undefined) return [[agent, known]];
      const first = pinnedOf(world, agent, live);
      const second = canary === undefined ? undefined : pinnedOf(world, agent, canary.release);
      if (first === undefined) return [];
      const drawn = second === undefined || canary === undefined ? null : { ...second, weight: canary.weight };
      return [[agent, firstPointer(first, drawn)]];
    }),
  );
}

/** The first changes of agents that a publication brings. */
export function firstChanges(
  before: Pointers,
  after: Pointers,
  { by, at }: { readonly by: string; readonly at: number },
): readonly ReleaseChange[] {
  return Object.entries(after)
    .filter(([agent]) => !Object.hasOwn(before, agent))
    .map(([agent, pointer]) => ({
      ...shownOf(agent, pointer),
      status: "published",
      previous: null,
      by,
      at,
      reason: null,
    }));
}

function shownOf(
  agent: string,
  { generation, live, canary }: ReleasePointer,
): Pick<ReleaseChange, "agent" | "generation" | "live" | "canary"> {
  return {
    agent,
    generation,
    live,
    canary: canary === null ? null : { release: canary.release, digest: canary.digest, weight: canary.weight },
  };
}

function isUsable(world: ReleaseWorld, agent: string, release: string): boolean {
  const pin = resolveEntry(world, agent, release)?.pin ?? null;
  return pin === null || !pin.isStrict || pin.holds;
}

function pinnedOf(world: ReleaseWorld, agent: string, release: string): Pinned | undefined {
  const resolved = resolveEntry(world, agent, release);
  return resolved === undefined ? undefined : { release, digest: resolved.digest };
}
