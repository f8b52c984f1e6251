// Decides what a probe's answer says of the call it is about: it happened, it was not found, or it cannot be told.
import type { ToolEntry } from "../config/document.ts";
import type { Json } from "../json/canonical.ts";
import type { Finding } from "../state/tool-call-record.ts";
import { memberAt, type MappingSource } from "./argument-mapping.ts";
import { compileExpression, parseExpression } from "./cel/expression.ts";
import type { Schema } from "./cel/schema-walk.ts";
import { bindFinding } from "./cel/world.ts";

/** A tool's probe. */
export type ProbeEntry = NonNullable<ToolEntry["probe"]>;

/**
 * What a probe's result says. A condition that cannot be evaluated says nothing; so do two that both hold. `undefined`
 * leaves the outcome unknown.
 */
export function findingOf(
  probe: ProbeEntry,
  { status, argsSchema, ...seen }: MappingSource & { readonly status: number; readonly argsSchema: Schema },
): Finding | undefined {
  const holds = (source: string | undefined): boolean | undefined => {
    if (source === undefined) return false;
    const parsed = parseExpression(source);
    if (!parsed.ok) return undefined;
    const answer = compileExpression(parsed.parsed).evaluate(bindFinding({ ...seen, status }, argsSchema));
    return answer.ok ? answer.value : undefined;
  };
  const [succeeded, failed] = [holds(probe.succeeded_when), holds(probe.failed_when)];
  if (succeeded === true && failed !== true) {
    const evidence = `${probe.tool} answered, and ${probe.succeeded_when}`;
    const outcome = { status: "succeeded", result: resultOf(probe, seen.result), httpStatus: status } as const;
    return { type: "settled", outcome, resolution: { by: "probe", evidence, keyId: null } };
  }
  if (failed === true && succeeded === false)
    return { type: "absent", message: `${probe.tool} answered twice, and ${probe.failed_when ?? ""}` };
  return undefined;
}

function resultOf({ result: path }: ProbeEntry, result: Json): Json {
  return memberAt(result, (path ?? "result").split(".").slice(1)) ?? null;
}
