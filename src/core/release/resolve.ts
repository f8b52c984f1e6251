// Decides which release of an agent answers one call: live or canary by the session, or the one that its caller may name.
import { accept, refuse, type Outcome } from "../errors.ts";
import { sha256Hex } from "../json/digest.ts";
import type { Canary, ReleasePointer } from "./pointer.ts";
import type { ResolvedRelease } from "./release.ts";

/** What a call asks of an agent. */
export interface ReleaseAsk {
  readonly agent: string;
  /** The release that the caller named in `Interlock-Release`. */
  readonly named: string | null;
  readonly session: string;
  /** Whether the caller may try a release that is neither live nor the canary. */
  readonly mayTryAny: boolean;
}

/** The release that answers, and by which way it was chosen. */
export interface ChosenRelease {
  readonly release: ResolvedRelease;
  readonly how: "live" | "canary" | "named";
}

/**
 * Chooses the release of a call. A session keeps its release while the pointer stands: whether it is one of the canary's
 * is drawn from agent, canary and session alone. Refuses `unknown_release` for a named release that the agent has not,
 * `release_forbidden` for one that the caller may not choose, `release_policy_mismatch` for one that is pinned to another
 * policy than the active one, and `control_plane_down` while pointer and config do not yet agree.
 */
export function resolveRelease(
  ask: ReleaseAsk,
  pointer: ReleasePointer | undefined,
  find: (release: string) => ResolvedRelease | undefined,
): Outcome<ChosenRelease> {
  if (pointer === undefined) return notYet(ask.agent);
  const { agent, named } = ask;
  if (named !== null && !mayName(named, pointer, ask)) return forbidden(agent, named);
  const id = named ?? drawnFor(pointer, ask);
  const release = find(id);
  if (release === undefined) return named === null ? notYet(agent) : unknownRelease(agent, named);
  const { pin } = release;
  if (pin !== null && pin.isStrict && !pin.holds) return pinnedElsewhere(release);
  return accept(named === null ? drawn(release, pointer) : { release, how: "named" });
}

function drawn(release: ResolvedRelease, { canary }: ReleasePointer): ChosenRelease {
  return { release, how: release.id === canary?.release ? "canary" : "live" };
}

function mayName(named: string, { live, canary }: ReleasePointer, { mayTryAny }: ReleaseAsk): boolean {
  return mayTryAny || named === live.release || named === canary?.release;
}

function drawnFor({ live, canary }: ReleasePointer, { agent, session }: ReleaseAsk): string {
  return canary !== null && isDrawnFor(agent, canary, session) ? canary.release : live.release;
}

/**
 * Whether a session is one of a canary's. The draw is uniform over sessions and independent of the weight: raising it
 * keeps those that are on the canary, and another canary draws anew.
 */
export function isDrawnFor(agent: string, { release, since, weight }: Canary, session: string): boolean {
  const drawn = Number.parseInt(sha256Hex(`canary\n${agent}\n${release}\n${since}\n${session}`).slice(0, 12), 16);
  return drawn < (weight / 100) * 2 ** 48;
}

/** The refusal of a release that an agent has not. */
export function unknownRelease(agent: string, release: string): ReturnType<typeof refuse> {
  return refuse("unknown_release", `agent "${agent}" has no release "${release}"`, {
    mistakes: [{ path: "Interlock-Release", message: "expected a release of the agent" }],
  });
}

/** An agent may learn no more of releases than that it may not have this one: neither whether it exists. */
function forbidden(agent: string, release: string): ReturnType<typeof refuse> {
  return refuse(
    "release_forbidden",
    `"${release}" is neither the live release of agent "${agent}" nor its canary: only keys that may move releases try others`,
  );
}

function pinnedElsewhere({ agent, id, entry }: ResolvedRelease): ReturnType<typeof refuse> {
  return refuse(
    "release_policy_mismatch",
    `release "${id}" of agent "${agent}" is pinned to policy ${entry.policy?.digest.slice(0, 12) ?? ""}, and another one is active: promote a release made for it, or pin this one loosely`,
  );
}

function notYet(agent: string): ReturnType<typeof refuse> {
  return refuse("control_plane_down", `the releases of agent "${agent}" are changing: try again`, { retryAfterS: 1 });
}
