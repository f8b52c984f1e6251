// Decides which texts of a tool's definition read like orders to the model, or hide something: a person looks at them before they are accepted.
import { isJsonObject, type Json } from "../json/canonical.ts";
import type { McpDefinition } from "./definitions.ts";
import { hiddenTextIn, lookAlikes } from "./hidden-text.ts";
import { INSTRUCTION_PATTERNS, type FlagKind } from "./instruction-patterns.ts";
import { shownAround } from "./shown-text.ts";

/** One suspicious place of a definition. */
export interface InstructionFlag {
  readonly tool: string;
  /** Where it is, such as `inputSchema.properties.to.description`. */
  readonly path: string;
  readonly kind: FlagKind;
  /** `danger` is not accepted unless a person says so. */
  readonly severity: "warn" | "danger";
  /** What stands there, with everything that cannot be seen written out; at most some 180 characters. */
  readonly excerpt: string;
}

/** Longer descriptions are flagged: nobody reads them. */
const LONG_CHARS = 4_000;
/** Texts are looked at up to here; what is longer is flagged as long anyway. */
const MAX_SCANNED = 64 * 1024;
const MAX_FLAGS = 50;

/**
 * The flags of some definitions, by tool in their order: at most 50 of each. Only texts that a model may be shown are
 * looked at: names, titles, descriptions, and every text within the schemas and annotations. `others` are further names
 * that the tools might be taken for. It is a help for readers, not a proof: what is not flagged may still be harmful.
 */
export function scanDefinitions(
  definitions: readonly McpDefinition[],
  others: readonly string[] = [],
): readonly InstructionFlag[] {
  const alike = lookAlikes([...definitions.map(({ name }) => name), ...others]);
  return definitions.flatMap((each) => flagsOf(each, alike.get(each.name)).slice(0, MAX_FLAGS));
}

function flagsOf({ name, sent }: McpDefinition, alike: string | undefined): readonly InstructionFlag[] {
  const texts = Object.entries(sent).flatMap(([member, value]) => textsOf(value, member, member === "_meta"));
  const found = texts.flatMap(({ path, text }) => flagsIn(name, path, text));
  const taken: readonly InstructionFlag[] =
    alike === undefined
      ? []
      : [{ tool: name, path: "name", kind: "look_alike", severity: "danger", excerpt: `reads like "${alike}"` }];
  return [...taken, ...found];
}

interface Placed {
  readonly path: string;
  readonly text: string;
}

/** Every text below a value, member names included. */
function textsOf(value: Json, path: string, isOpaque: boolean): readonly Placed[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (Array.isArray(value))
    return (value as readonly Json[]).flatMap((each, index) => textsOf(each, `${path}.${index}`, isOpaque));
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, each]) => {
    const at = `${path}.${key}`;
    // A key is read by the model as well as what stands under it.
    const own = isOpaque || !KEY_WORTH_A_LOOK.test(key) ? [] : [{ path: at, text: key }];
    return [...own, ...textsOf(each, at, isOpaque)];
  });
}

/** Names of members that are no plain words. */
const KEY_WORTH_A_LOOK = /[^A-Za-z0-9_$.-]|.{65}/u;

function flagsIn(tool: string, path: string, whole: string): readonly InstructionFlag[] {
  const text = whole.slice(0, MAX_SCANNED);
  const flag = (
    { kind, severity }: Pick<InstructionFlag, "kind" | "severity">,
    place: { readonly from: number; readonly to: number },
  ): InstructionFlag => ({ tool, path, kind, severity, excerpt: shownAround(text, place) });
  const hidden = hiddenTextIn(text).map((each) => flag({ kind: "hidden_text", severity: each.severity }, each));
  // Orders are looked for in what remains once the hidden characters between their letters are gone.
  const plain = text.replaceAll(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, "").normalize("NFKC");
  const orders = INSTRUCTION_PATTERNS.flatMap(({ pattern, kind, severity }) => {
    const match = pattern.exec(plain);
    if (match === null) return [];
    const place = { from: match.index, to: match.index + match[0].length };
    return [{ tool, path, kind, severity, excerpt: shownAround(plain, place) }];
  });
  const long =
    whole.length > LONG_CHARS ? [flag({ kind: "long_text", severity: "warn" }, { from: 0, to: LONG_CHARS })] : [];
  return [...hidden, ...onePerKind(orders), ...long];
}

/** The gravest of each kind: several patterns of one kind see the same words. */
function onePerKind(flags: readonly InstructionFlag[]): readonly InstructionFlag[] {
  const byKind = new Map<FlagKind, InstructionFlag>();
  for (const each of flags) {
    const known = byKind.get(each.kind);
    if (known === undefined || (known.severity === "warn" && each.severity === "danger")) byKind.set(each.kind, each);
  }
  return [...byKind.values()];
}
