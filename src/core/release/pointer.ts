// Decides which release of an agent is live, which is its canary and for how many sessions, and how that moves.

/** A release as somebody made it live or canary: its id, and what it resolved to then. */
export interface Pinned {
  readonly release: string;
  readonly digest: string;
}

/** The canary of an agent. */
export interface Canary extends Pinned {
  /** Percent of sessions, 1 to 100. */
  readonly weight: number;
  /** The generation with which this release became the canary: what sessions are drawn by, whatever its weight becomes. */
  readonly since: number;
}

/** Where calls of an agent go. */
export interface ReleasePointer {
  /** Rises with every change: what callers compare and set by. */
  readonly generation: number;
  readonly live: Pinned;
  readonly canary: Canary | null;
  /** Releases that were live before, the last one last: the way back. */
  readonly past: readonly Pinned[];
}

/** What can be done to a pointer. `pinned` is the release as it resolves at this instant. */
export type PointerMove =
  | { readonly type: "promote"; readonly pinned: Pinned }
  | { readonly type: "canary"; readonly pinned: Pinned; readonly weight: number }
  | { readonly type: "end_canary" }
  /** Without a target: ends the canary if there is one, else goes back to what was live before. */
  | { readonly type: "rollback"; readonly target: Pinned | null };

/** What became of it. */
export type PointerStatus = "promoted" | "canary_set" | "canary_ended" | "rolled_back";

/** A moved pointer, one that stands already as it was to stand, or why it does not move. */
export type Moved =
  | { readonly type: "moved"; readonly pointer: ReleasePointer; readonly status: PointerStatus }
  | { readonly type: "unchanged" }
  | { readonly type: "nothing_before" }
  | { readonly type: "is_live" };

/** Releases back to which a pointer remembers its way. */
const MAX_PAST = 50;

/** The pointer of an agent that is published for the first time. */
export function firstPointer(live: Pinned, canary: (Pinned & { readonly weight: number }) | null): ReleasePointer {
  return { generation: 1, live, canary: canary === null ? null : { ...canary, since: 1 }, past: [] };
}

/**
 * Moves a pointer. `resolve` answers a release as the active config has it, `undefined` for one that is gone: the way
 * back leaves those out.
 */
export function movePointer(
  pointer: ReleasePointer,
  move: PointerMove,
  resolve: (release: string) => Pinned | undefined,
): Moved {
  switch (move.type) {
    case "promote":
      return makeLive(pointer, move.pinned, "promoted");
    case "canary":
      return setCanary(pointer, move.pinned, move.weight);
    case "end_canary":
      return pointer.canary === null ? { type: "unchanged" } : moved(pointer, { canary: null }, "canary_ended");
    case "rollback":
      return rollBack(pointer, move.target, resolve);
    default:
      return move satisfies never;
  }
}

function makeLive(pointer: ReleasePointer, live: Pinned, status: PointerStatus): Moved {
  if (isSame(pointer.live, live) && pointer.canary === null) return { type: "unchanged" };
  const past = pointer.live.release === live.release ? pointer.past : [...pointer.past, pointer.live].slice(-MAX_PAST);
  return moved(pointer, { live, canary: null, past }, status);
}

function setCanary(pointer: ReleasePointer, pinned: Pinned, weight: number): Moved {
  const { canary, generation } = pointer;
  if (pinned.release === pointer.live.release) return { type: "is_live" };
  if (canary !== null && isSame(canary, pinned) && canary.weight === weight) return { type: "unchanged" };
  const since = canary?.release === pinned.release ? canary.since : generation + 1;
  return moved(pointer, { canary: { ...pinned, weight, since } }, "canary_set");
}

function rollBack(
  pointer: ReleasePointer,
  target: Pinned | null,
  resolve: (release: string) => Pinned | undefined,
): Moved {
  if (target !== null) {
    const at = pointer.past.findLastIndex(({ release }) => release === target.release);
    const past = at < 0 ? pointer.past : pointer.past.slice(0, at);
    if (isSame(pointer.live, target) && pointer.canary === null) return { type: "unchanged" };
    return moved(pointer, { live: target, canary: null, past }, "rolled_back");
  }
  if (pointer.canary !== null) return moved(pointer, { canary: null }, "canary_ended");
  for (let at = pointer.past.length - 1; at >= 0; at -= 1) {
    const live = resolve(pointer.past[at]?.release ?? "");
    if (live !== undefined) return moved(pointer, { live, past: pointer.past.slice(0, at) }, "rolled_back");
  }
  return { type: "nothing_before" };
}

function moved(
  pointer: ReleasePointer,
  changes: Partial<Omit<ReleasePointer, "generation">>,
  status: PointerStatus,
): Moved {
  return { type: "moved", pointer: { ...pointer, ...changes, generation: pointer.generation + 1 }, status };
}

function isSame(left: Pinned, right: Pinned): boolean {
  return left.release === right.release && left.digest === right.digest;
}
