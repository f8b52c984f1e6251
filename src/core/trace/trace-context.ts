// Decides what a W3C `traceparent` says and how one is written (W3C Trace Context, level 2).

/** A position in a distributed trace. */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceHex: string;
  /** 16 lower-case hex digits of the caller's span. */
  readonly parentId: string;
  readonly isSampled: boolean;
  /** Level 2 `random` flag: kept when a trace is continued. */
  readonly isRandom: boolean;
  /** What other systems have put into `tracestate`, to be sent on as it is; absent where there is none. */
  readonly state?: string;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Reads a `traceparent` header. `undefined` for anything invalid (all-zero ids, version ff, a version 00 with more
 * than four fields, two headers joined by a comma): the trace is then restarted, as §3.2 asks.
 */
export function readTraceparent(header: string | null | undefined): TraceContext | undefined {
  if (header === null || header === undefined) return undefined;
  const match = TRACEPARENT.exec(header.trim());
  if (match === null) return undefined;
  const [, version, traceHex, parentId, flagText, rest] = match as unknown as readonly [
    string,
    string,
    string,
    string,
    string,
    string | undefined,
  ];
  const isInvalid = version === "ff" || (version === "00" && rest !== undefined);
  if (isInvalid || isAllZero(traceHex) || isAllZero(parentId)) return undefined;
  const flags = Number.parseInt(flagText, 16);
  return { traceHex, parentId, isSampled: (flags & 1) === 1, isRandom: (flags & 2) === 2 };
}

function isAllZero(hex: string): boolean {
  return /^0+$/.test(hex);
}

/** The `traceparent` that a span sends on: version 00, its own id as parent. */
export function writeTraceparent(
  traceHex: string,
  spanId: string,
  flags: Pick<TraceContext, "isSampled" | "isRandom">,
): string {
  const bits = (flags.isSampled ? 1 : 0) | (flags.isRandom ? 2 : 0);
  return `00-${traceHex}-${spanId}-${bits.toString(16).padStart(2, "0")}`;
}

/** Most members of a `tracestate`. */
const MAX_MEMBERS = 32;
const MEMBER = /^([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])$/;

/**
 * The `tracestate` to send on (§3.3): its members without the space around them, of equal keys the first. `undefined`
 * for none, and for one that cannot be parsed or has more than 32 members: it is dropped whole, and the traceparent stands.
 */
export function readTracestate(header: string | null | undefined): string | undefined {
  const members = (header ?? "")
    .split(",")
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((member) => member !== "");
  const read = members.map((member) => MEMBER.exec(member));
  if (members.length === 0 || members.length > MAX_MEMBERS || read.includes(null)) return undefined;
  const byKey = new Map(read.toReversed().map((match) => [match?.[1], match?.[0]] as const));
  return [...byKey.values()].toReversed().join(",");
}

/** The caller's place in its trace from both headers; `undefined` where the trace begins here. */
export function readTraceContext(
  traceparent: string | null | undefined,
  tracestate: string | null | undefined,
): TraceContext | undefined {
  const context = readTraceparent(traceparent);
  const state = readTracestate(tracestate);
  return context === undefined || state === undefined ? context : { ...context, state };
}
