// Decides which models may answer a call by the name that was asked for, in which order, and how long each may take.
import type { ActiveConfig, ResolvedModel } from "../config/published.ts";
import type { ProviderEntry, RouteEntry } from "../config/document.ts";
import { accept, refuse, type Outcome } from "../errors.ts";
import { retryTerms, type RetryTerms } from "../policy/retry.ts";
import type { RoutePick } from "../state/session-route.ts";
import type { Routed } from "./routed-call.ts";

/** The time limits of one attempt, in milliseconds. */
export interface Timeouts {
  /** Until the answer's headers; `null` where only `firstByteMs` bounds it. */
  readonly connectMs: number | null;
  /** From sending until a stream's first event with content, or the whole of another answer. */
  readonly firstByteMs: number;
  /** Between two chunks of a stream. */
  readonly idleMs: number;
  /** From sending until the end. */
  readonly totalMs: number;
}

/** One model that may answer. */
export interface Candidate {
  readonly model: ResolvedModel;
  readonly timeouts: Timeouts;
}

/** How a call is to be answered. */
export interface RoutePlan {
  /** The name that was asked for. */
  readonly asked: string;
  /** At least one, in the order in which they are tried. */
  readonly candidates: readonly Candidate[];
  readonly tier: string | undefined;
  /** Why these: `explicit`, `route`, or what routing says: `default`, `complexity`, `rule:<id>`, `capped`, `sticky`, `degraded`. */
  readonly reason: string;
  readonly retry: RetryTerms;
  readonly hedgeMs: number | undefined;
  readonly cacheTtlS: number | undefined;
  /** Whether an upstream call is read to its end when its caller leaves. */
  readonly drains: boolean;
  /** A text that goes before everything the caller sends. */
  readonly system?: string;
  /** Members of the caller's `metadata` that are in that text, and were not for the provider. */
  readonly takenIn?: readonly string[];
  /** The tiers that the call's session chooses from, where routing does; this plan is that of one of them. */
  readonly routing?: Routing;
  /** The release that the name stood for, where it is an agent's. */
  readonly release?: PlannedRelease;
}

/** The release that answers a call. */
export interface PlannedRelease {
  readonly agent: string;
  readonly id: string;
  readonly digest: string;
  readonly how: "live" | "canary" | "named";
}

/** The tiers of a routed call, each with its plan, and the tables that its session chooses by. */
export interface Routing {
  /** In ascending order; at least one. */
  readonly plans: readonly RoutePlan[];
  readonly isSticky: boolean;
  readonly clean: readonly RoutePick[];
  readonly tainted: readonly RoutePick[];
  readonly degrade: readonly { readonly used: number; readonly choice: number }[];
  readonly routed: Routed;
}

/** How long a provider may take to answer whole, or to begin a stream, when nothing else is said. */
const DEFAULT_TIMEOUT_MS = 120_000;
/** The longest a stream may run once it has begun, and the longest silence in it. */
const DEFAULT_STREAM_MS = 600_000;
const DEFAULT_IDLE_MS = 120_000;

type TimeoutsEntry = NonNullable<ProviderEntry["timeouts"]>;

/** The plan of a model or a route; refuses `unknown_model`. `seed` keeps a caller on its share of a weighted route. */
export function planRoute(config: ActiveConfig, asked: string, seed: string): Outcome<RoutePlan> {
  const route = config.route(asked);
  if (route !== undefined) return planOfRoute(config, { asked, route, seed });
  const model = config.model(asked);
  if (model === undefined)
    return refuse(
      "unknown_model",
      `no model "${asked}" in the tenant's config: GET /v1/models lists what a key may ask for`,
      {
        mistakes: [{ path: "model", message: "expected a configured model, a route, an agent, or `auto`" }],
      },
    );
  return accept({
    asked,
    candidates: [{ model, timeouts: timeoutsOf(model.provider, []) }],
    tier: model.entry.tier,
    reason: "explicit",
    retry: retryTerms(undefined),
    hedgeMs: undefined,
    cacheTtlS: undefined,
    drains: false,
  });
}

function planOfRoute(
  config: ActiveConfig,
  { asked, route, seed }: { readonly asked: string; readonly route: RouteEntry; readonly seed: string },
): Outcome<RoutePlan> {
  const ordered = route.balance === "weighted" ? byWeight(route.candidates, seed) : route.candidates;
  const candidates = ordered.flatMap(({ model: name, timeouts }): readonly Candidate[] => {
    const model = config.model(name);
    return model === undefined ? [] : [{ model, timeouts: timeoutsOf(model.provider, [timeouts, route.timeouts]) }];
  });
  const [first] = candidates;
  if (first === undefined) return refuse("unknown_model", `no model of route "${asked}" is in the tenant's config`);
  return accept({
    asked,
    candidates,
    tier: route.tier ?? first.model.entry.tier,
    reason: "route",
    retry: retryTerms(route.retry),
    hedgeMs: route.hedge_ms,
    cacheTtlS: route.cache?.ttl_s,
    drains: route.on_caller_left === "drain",
  });
}

/** The first by its share of the weights, the others behind it in order; one of weight 0 is only ever behind. */
function byWeight<T extends { readonly weight?: number | undefined }>(all: readonly T[], seed: string): readonly T[] {
  const weightOf = ({ weight }: T): number => weight ?? 1;
  const total = all.reduce((sum, each) => sum + weightOf(each), 0);
  let at = fractionOf(seed) * total;
  const first = all.find((each) => {
    at -= weightOf(each);
    return at < 0;
  });
  return first === undefined ? all : [first, ...all.filter((each) => each !== first)];
}

/** Where a text falls between 0 and 1: the same text always falls in the same place (FNV-1a, mixed). */
export function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** The limits of an attempt: the nearest entry that names one counts. */
function timeoutsOf(provider: ProviderEntry, nearer: readonly (TimeoutsEntry | undefined)[]): Timeouts {
  const entries = [...nearer, provider.timeouts];
  const named = (key: keyof TimeoutsEntry): number | undefined =>
    entries.map((each) => each?.[key]).find((each) => each !== undefined);
  const firstByteMs = named("first_byte_ms") ?? provider.timeout_ms ?? DEFAULT_TIMEOUT_MS;
  return {
    connectMs: named("connect_ms") ?? null,
    firstByteMs,
    idleMs: named("idle_ms") ?? DEFAULT_IDLE_MS,
    totalMs: named("total_ms") ?? firstByteMs + DEFAULT_STREAM_MS,
  };
}
