// Decides whether a case still holds a credential: what was masked before is none.
import { PII_KINDS } from "../../guard/mask-rules.ts";
import { maskedStretches } from "../../guard/mask-tokens.ts";
import { findSecrets } from "../../guard/secrets.ts";
import type { EvalCase } from "../case.ts";

/** JSON within strings of JSON is looked into so often. */
const MAX_WITHIN = 4;
/** Kinds of tokens that stand in place of what was masked, besides those of personal data. */
const OTHER_KINDS = ["user", "value"];

/**
 * The rule by which a text of a case looks like a credential; `undefined` where none does. Marks and tokens of the
 * masker are passed over, those of the tenant's own patterns by their `kinds`. Linear in the case.
 */
export function secretInCase(item: EvalCase, kinds: readonly string[] = []): string | undefined {
  const masked = new Set([...PII_KINDS, ...OTHER_KINDS, ...kinds]);
  return secretIn(item, { label: "", depth: 0, masked });
}

interface Place {
  readonly label: string;
  readonly depth: number;
  readonly masked: ReadonlySet<string>;
}

function secretIn(value: unknown, place: Place): string | undefined {
  if (typeof value === "string") return secretInText(value, place);
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, each] of Object.entries(value)) {
    const label = Array.isArray(value) ? place.label : key;
    const found = secretInText(key, { ...place, label: "" }) ?? secretIn(each, { ...place, label });
    if (found !== undefined) return found;
  }
  return undefined;
}

function secretInText(text: string, place: Place): string | undefined {
  const within = place.depth < MAX_WITHIN && /^\s*[[{]/.test(text) ? parsed(text) : undefined;
  if (within !== undefined) return secretIn(within, { ...place, depth: place.depth + 1 });
  const open = withoutMasked(text, place.masked);
  return open.trim() === "" ? undefined : findSecrets(open, place.label)[0]?.rule;
}

function withoutMasked(text: string, kinds: ReadonlySet<string>): string {
  const isToken = (token: string): boolean => kinds.has(token.slice(1, token.indexOf(":")));
  let out = "";
  let from = 0;
  for (const { start, end } of maskedStretches(text, isToken)) {
    out += `${text.slice(from, start)}\n`;
    from = end;
  }
  return out + text.slice(from);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
