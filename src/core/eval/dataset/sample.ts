// Decides which of many cases make a dataset: none twice, and so many of each kind.
import { sha256Hex } from "../../json/digest.ts";
import { EFFECTS } from "../../policy/decision.ts";
import { dayOf } from "../../units/utc-day.ts";
import type { CaseCall, EvalCase } from "../case.ts";
import { recordedConversation } from "../../trace/recorded-model.ts";
import { askedCalls, plainArgs } from "./asked-calls.ts";

/** By what cases are told apart when a sample is drawn. */
export const SAMPLE_KEYS = ["tool", "outcome", "decision", "release", "risk", "actor", "day"] as const;
/** One of them. */
export type SampleKey = (typeof SAMPLE_KEYS)[number];

/** How the sample is shared out: as the strata are in size, or evenly. */
export const ALLOCATIONS = ["proportional", "equal"] as const;

/** What is to be drawn. */
export interface SampleWish {
  /** Cases taken at most. */
  readonly size: number;
  /** The strata; one of all cases where it is empty. */
  readonly by: readonly SampleKey[];
  readonly seed: number;
  readonly allocation: (typeof ALLOCATIONS)[number];
  /** Cases of each stratum at least, as far as it has them and the size allows it. */
  readonly minPerStratum: number;
}

/** What of a case a draw needs, so that the cases themselves need not be kept meanwhile. */
export interface CaseSketch {
  readonly id: string;
  /** Epoch milliseconds at which its first call began. */
  readonly at: number;
  /** The same for two cases that say the same. */
  readonly sameness: string;
  readonly values: Readonly<Record<SampleKey, string>>;
}

/** How many cases of a stratum there were, and how many were taken: their ratio is each taken case's weight. */
export interface StratumReport {
  readonly stratum: Readonly<Partial<Record<SampleKey, string>>>;
  readonly seen: number;
  readonly taken: number;
}

/** The sketch of a case. `none` stands for what a case does not have. */
export function sketchOf(item: EvalCase): CaseSketch {
  const at = item.calls[0]?.at ?? 0;
  const { asks } = item;
  const used = [...new Set([...item.tools.map(({ name, tool }) => tool ?? name), ...asks.map(({ ask }) => ask.tool)])];
  const strictest = EFFECTS.findLast((effect) => asks.some((each) => each.effect === effect));
  return {
    id: item.id,
    at,
    sameness: samenessOf(item),
    values: {
      tool: used.length === 0 ? "none" : used.toSorted().join("+"),
      outcome: item.outcome ?? "none",
      decision: strictest ?? "none",
      release: item.source?.release ?? "none",
      risk: item.risk,
      actor: item.source?.actor ?? "none",
      day: dayOf(at),
    },
  };
}

/** A digest of what the user said in the first request, the tools offered there, and the calls the model asked for. */
function samenessOf(item: EvalCase): string {
  const [first] = item.calls;
  const { said, offered } = first === undefined ? NOTHING_SAID : saidIn(first);
  const asked = askedCalls(item).map(({ name, args }) => [name, plainArgs(args)]);
  return sha256Hex(JSON.stringify([said, offered, asked]));
}

const NOTHING_SAID = { said: "", offered: [] as readonly string[] };

function saidIn({ dialect, request }: CaseCall): { readonly said: string; readonly offered: readonly string[] } {
  const conversation = recordedConversation(JSON.stringify(request), dialect);
  if (conversation === undefined) return { said: JSON.stringify(request), offered: [] };
  const texts = conversation.turns
    .filter(({ role }) => role === "user")
    .flatMap(({ parts }) => parts)
    .map((part) => (part.type === "text" ? plainText(part.text) : JSON.stringify({ ...part, cache: undefined })));
  return { said: texts.join("\n"), offered: conversation.tools.map(({ name }) => name).toSorted() };
}

/** Texts that differ in case, width and white space alone are one. */
function plainText(text: string): string {
  return text.normalize("NFKC").toLowerCase().replaceAll(/\s+/g, " ").trim();
}

/** One of each group of cases that say the same, the newest; how many others there were. O(n). */
export function withoutRepeats<T extends CaseSketch>(
  sketches: readonly T[],
): { readonly kept: readonly T[]; readonly repeats: number } {
  const newest = new Map<string, T>();
  for (const each of sketches) {
    const known = newest.get(each.sameness);
    if (known === undefined || isNewer(each, known)) newest.set(each.sameness, each);
  }
  return { kept: [...newest.values()], repeats: sketches.length - newest.size };
}

function isNewer(one: CaseSketch, other: CaseSketch): boolean {
  return one.at === other.at ? one.id > other.id : one.at > other.at;
}

/**
 * A stratified sample of cases with different ids, in order of time. Takes min(size, cases) of them. `proportional`
 * gives each stratum its minimum and shares the rest by size (largest remainders, Hamilton's method); `equal` gives all
 * strata the same as far as they have it. Which cases of a stratum are taken is drawn by the seed: the same seed draws
 * the same whatever order the cases come in, and a larger share of a stratum holds the smaller one. O(n log n).
 */
export function sampled<T extends CaseSketch>(
  sketches: readonly T[],
  wish: SampleWish,
): { readonly taken: readonly T[]; readonly strata: readonly StratumReport[] } {
  const groups = Map.groupBy(sketches, ({ values }) => JSON.stringify(wish.by.map((key) => values[key])));
  const strata = [...groups].map(([name, members]) => ({ name, members })).toSorted((a, b) => order(a.name, b.name));
  const shares = sharesOf(
    strata.map(({ members }) => members.length),
    { ...wish, size: Math.min(wish.size, sketches.length) },
  );
  const drawn = strata.map(({ members }, at) => drawnOf(members, wish.seed, shares[at] ?? 0));
  return {
    taken: drawn.flat().toSorted((a, b) => a.at - b.at || order(a.id, b.id)),
    strata: strata.map(({ members }, at) => ({
      stratum: Object.fromEntries(wish.by.map((key) => [key, members[0]?.values[key] ?? "none"])),
      seen: members.length,
      taken: shares[at] ?? 0,
    })),
  };
}

function order(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}

function drawnOf<T extends CaseSketch>(members: readonly T[], seed: number, count: number): readonly T[] {
  return members
    .map((member) => ({ member, lot: sha256Hex(`${seed}\n${member.id}`) }))
    .toSorted((a, b) => order(a.lot, b.lot))
    .slice(0, count)
    .map(({ member }) => member);
}

/** How many of each stratum, given how many each has; `size` is at most their sum, and so much is shared out. */
function sharesOf(seen: readonly number[], { size, allocation, minPerStratum }: SampleWish): readonly number[] {
  if (allocation === "equal") return evenly(seen, seen, size);
  const least = seen.map((each) => Math.min(each, minPerStratum));
  // Where there are too many strata for the minimum, they share what there is, the largest first.
  return sumOf(least) >= size ? evenly(least, seen, size) : inProportion(seen, least, size);
}

/** The smallest have all they can have of what is left for each; the rest is for the larger ones. */
function evenly(most: readonly number[], seen: readonly number[], size: number): readonly number[] {
  const shares = most.map(() => 0);
  const by = (of: readonly number[], a: number, b: number): number => (of[a] ?? 0) - (of[b] ?? 0);
  const bySize = most.map((_, at) => at).toSorted((a, b) => by(most, a, b) || by(seen, a, b) || b - a);
  let left = size;
  for (const [done, at] of bySize.entries()) {
    const share = Math.min(most[at] ?? 0, Math.floor(left / (bySize.length - done)));
    shares[at] = share;
    left -= share;
  }
  return shares;
}

/** Strata whose proportion is below their minimum have the minimum; what that leaves is shared among the others. */
function inProportion(seen: readonly number[], least: readonly number[], size: number): readonly number[] {
  const shares = least.map((each) => each);
  let free = seen.map((_, at) => at);
  for (;;) {
    const isFree = new Set(free);
    const left = size - sumOf(shares.map((share, at) => (isFree.has(at) ? 0 : share)));
    const all = sumOf(free.map((at) => seen[at] ?? 0));
    const isBelow = (at: number): boolean => (left * (seen[at] ?? 0)) / all < (least[at] ?? 0);
    const still = free.filter((at) => !isBelow(at));
    if (still.length === free.length) {
      for (const [at, share] of byRemainder(free, seen, left)) shares[at] = share;
      return shares;
    }
    free = still;
  }
}

/** Whole shares in proportion, the largest remainders rounded up; integers throughout, so that no order matters. */
function byRemainder(
  free: readonly number[],
  seen: readonly number[],
  left: number,
): readonly (readonly [number, number])[] {
  const all = sumOf(free.map((at) => seen[at] ?? 0));
  const parts = free.map((at) => {
    const product = left * (seen[at] ?? 0);
    return { at, whole: Math.floor(product / all), rest: product % all };
  });
  const missing = left - sumOf(parts.map(({ whole }) => whole));
  const raised = new Set(
    parts
      .toSorted((a, b) => b.rest - a.rest || a.at - b.at)
      .slice(0, missing)
      .map(({ at }) => at),
  );
  return parts.map(({ at, whole }) => [at, raised.has(at) ? whole + 1 : whole]);
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}
