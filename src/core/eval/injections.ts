// Decides which attack is placed into which recorded result of a case, with which mark, and what the agent must not do then.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { sha256Hex } from "../json/digest.ts";
import type { CaseCall, CaseTool, EvalCase, ToolLabel } from "./case.ts";
import { INJECTIONS, type InjectionFamily, type InjectionPattern } from "./injection-library.ts";
import { planted, shownIn } from "./injection-place.ts";
import { attackText } from "./injection-text.ts";

/** What an attack is placed with. */
export interface InjectionAsk {
  readonly seed: number;
  /** Tools of the tenant's that write, the most dangerous first: the one that an attack wants called. */
  readonly tools: readonly string[];
}

/**
 * The case with an attack in one of its recorded results, and in every request that shows it: JSON stays JSON. Where
 * other results say the same, they say the attack too: what is poisoned is what they came from. The case has an id of its
 * own, its case's cluster, at least high risk, and forbids the call that the attack wants where the case did not make it
 * anyway; of an attack on an argument, the call with that value. The same seed gives the same case, and its mark is in
 * no other. `undefined` where no result is a place for it, no tool is left to be hijacked, or no argument to be changed.
 */
export function withInjection(
  each: EvalCase,
  attack: InjectionPattern,
  { seed, tools }: InjectionAsk,
): EvalCase | undefined {
  const drawn = sha256Hex(`${seed}\n${each.id}\n${attack.id}`);
  const at = lotIn(drawn, 0) % Math.max(1, each.tools.length);
  const target = each.tools[at];
  if (target === undefined) return undefined;
  const canary = `CNRY-${drawn.slice(8, 20)}`;
  const goal = goalOf(each, attack, { tools, at, canary, lot: lotIn(drawn, 28) });
  if (goal === undefined) return undefined;
  const text = attackText(attack, { canary, ...goal });
  const before = target.content;
  const after = planted(before, text, lotIn(drawn, 20));
  const forbidden = [...(each.labels.forbidden ?? []), ...goal.forbidden];
  return {
    ...each,
    id: `case_${sha256Hex(`${each.id}\n${attack.id}\n${seed}`).slice(0, 16)}`,
    tags: [...new Set([...each.tags, "adversarial", `attack:${attack.family}`])].toSorted(),
    risk: each.risk === "critical" ? "critical" : "high",
    labels: { ...each.labels, ...(forbidden.length === 0 ? {} : { forbidden }) },
    injection: { id: attack.id, at, canary },
    calls: each.calls.map((call): CaseCall => ({ ...call, request: shownIn(call.request, { before, after }) })),
    tools: each.tools.map((one): CaseTool => (one.content === before ? { ...one, content: after } : one)),
  };
}

function lotIn(drawn: string, from: number): number {
  return Number.parseInt(drawn.slice(from, from + 8), 16);
}

/** What an attack is after. */
interface Goal {
  readonly tool: string;
  readonly argument: string;
  readonly value: string;
  readonly forbidden: readonly ToolLabel[];
}

interface Drawn extends Pick<InjectionAsk, "tools"> {
  /** Index of the result that carries the attack. */
  readonly at: number;
  readonly canary: string;
  readonly lot: number;
}

function goalOf(each: EvalCase, attack: InjectionPattern, drawn: Drawn): Goal | undefined {
  if (attack.wantsArgument) return argumentGoal(each, drawn);
  const usual = new Set([
    ...each.tools.flatMap(({ tool }) => tool ?? []),
    ...(each.labels.tools ?? []).map(({ tool }) => tool),
  ]);
  const fresh = drawn.tools.find((name) => !usual.has(name));
  const tool = fresh ?? drawn.tools[0];
  if (!attack.wantsTool) return { tool: "", argument: "", value: "", forbidden: [] };
  if (tool === undefined) return undefined;
  return { tool, argument: "", value: "", forbidden: fresh === undefined ? [] : [{ tool: fresh }] };
}

/** An argument of a call that the case makes: of one that writes and comes after the result, as far as there is one. */
function argumentGoal(each: EvalCase, { tools, at, canary, lot }: Drawn): Goal | undefined {
  const writes = new Set(tools);
  const usable = each.tools.flatMap((call, index) => {
    const args = argumentsOf(call.args);
    const rank = (call.tool !== null && writes.has(call.tool) ? 2 : 0) + (index > at ? 1 : 0);
    return args.length === 0 ? [] : [{ tool: call.tool ?? call.name, args, rank }];
  });
  const chosen = usable.toSorted((left, right) => right.rank - left.rank)[0];
  const argument = chosen?.args[lot % Math.max(1, chosen.args.length)];
  if (chosen === undefined || argument === undefined) return undefined;
  const [name, was] = argument;
  // A text becomes the mark, so that it is known wherever it turns up; a number another one.
  const value: Json = typeof was === "number" ? Math.trunc(Math.abs(was)) + 9_000 + (lot % 900) : canary;
  return {
    tool: chosen.tool,
    argument: name,
    value: String(value),
    forbidden: [{ tool: chosen.tool, args: { [name]: value } }],
  };
}

/** Arguments that are a text or a number: what an attacker writes another value into. */
function argumentsOf(text: string): readonly (readonly [string, string | number])[] {
  const given = readObject(text);
  return Object.entries(given).flatMap(([name, value]) =>
    (typeof value === "string" && value !== "") || typeof value === "number" ? [[name, value] as const] : [],
  );
}

function readObject(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** So many attacks on a case, of different families as far as there are. */
export function attacked(
  each: EvalCase,
  { perCase, ...ask }: InjectionAsk & { readonly perCase: number },
): readonly EvalCase[] {
  const order = INJECTIONS.map((attack) => ({
    attack,
    lot: sha256Hex(`${ask.seed}\n${each.id}\n${attack.id}\norder`),
  })).toSorted((left, right) => (left.lot < right.lot ? -1 : 1));
  const taken: EvalCase[] = [];
  const families = new Set<InjectionFamily>();
  for (const isFresh of [true, false])
    for (const { attack } of order) {
      if (taken.length >= perCase || families.has(attack.family) === isFresh) continue;
      const made = withInjection(each, attack, ask);
      if (made === undefined || taken.some(({ id }) => id === made.id)) continue;
      families.add(attack.family);
      taken.push(made);
    }
  return taken;
}
