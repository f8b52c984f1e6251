// Decides which texts of an imported case are masked, and by which paths the tenant's rules know them.
import { telltaleId } from "../../guard/caller-id.ts";
import type { PathOf } from "../../guard/mask-json.ts";
import type { Mistake } from "../../errors.ts";
import type { CaseCall, CaseTool, EvalCase } from "../case.ts";

/** Masks a JSON text, as `maskJson` does; `where` answers the path of a place in it. Throws for what it cannot mask. */
export type MaskText = (text: string, where: PathOf) => string;

/**
 * The case with every text that others wrote masked: requests, answers, arguments, results, asks, labels, tags and the
 * end user. Rules know the places as they know those of records: `arguments.customer.name`, `result.email`. Numbers that
 * are ours stay. Throws what `mask` throws.
 */
export function maskedCase(item: EvalCase, mask: MaskText): EvalCase {
  const at =
    (first: string): PathOf =>
    (path) => [first, ...path];
  const { user } = masked({ user: item.source?.user ?? null }, mask, at("ask"));
  return {
    ...item,
    source: item.source === null ? null : { ...item.source, user },
    tags: masked({ tags: item.tags }, mask, (path) => path).tags,
    labels: masked(item.labels, mask, labelPath),
    outcome: masked({ outcome: item.outcome }, mask, (path) => path).outcome,
    calls: item.calls.map((call) => maskedCall(call, mask)),
    tools: item.tools.map((tool) => maskedTool(tool, mask)),
    asks: item.asks.map((call) => ({
      ...call,
      ask: masked(call.ask, mask, (path) => (path[0] === "args" ? ["arguments", ...path.slice(1)] : ["ask", ...path])),
      outcome: masked(call.outcome, mask, (path) => (path[0] === "result" ? path : ["outcome", ...path])),
    })),
  };
}

function maskedCall(call: CaseCall, mask: MaskText): CaseCall {
  return {
    ...call,
    request: masked(call.request, mask, (path) => ["request", ...path]),
    reply:
      call.reply === null
        ? null
        : { ...call.reply, parts: masked(call.reply.parts, mask, (path) => ["response", ...path]) },
  };
}

function maskedTool(tool: CaseTool, mask: MaskText): CaseTool {
  const { args, content } = masked({ args: tool.args, content: tool.content }, mask, (path) => [
    path[0] === "args" ? "arguments" : "result",
    ...path.slice(1),
  ]);
  return { ...tool, args, content };
}

function labelPath(path: readonly string[]): readonly string[] {
  return path[2] === "args" ? ["arguments", ...path.slice(3)] : ["labels", ...path];
}

/** A value masked as JSON. It keeps its shape; whoever reads it afterwards holds it against the document again. */
function masked<T>(value: T, mask: MaskText, where: PathOf): T {
  return value === null ? value : (JSON.parse(mask(JSON.stringify(value), where)) as T);
}

/** Ids and names stand unmasked in listings: one that tells who somebody is, or opens something, is a mistake. */
export function telltaleIds({ id, cluster, source, injection, tools }: EvalCase): readonly Mistake[] {
  const ids: readonly (readonly [string, string | null | undefined])[] = [
    ["id", id],
    ["cluster", cluster],
    ["source.trace_id", source?.trace_id],
    ["source.session", source?.session],
    ["source.actor", source?.actor],
    ["source.release", source?.release],
    ["injection.id", injection?.id],
    ["injection.canary", injection?.canary],
    ...tools.flatMap(({ name, tool }, at) => [
      [`tools.${at}.name`, name] as const,
      [`tools.${at}.tool`, tool] as const,
    ]),
  ];
  return ids.flatMap(([path, text]) => {
    const found = text === null || text === undefined ? undefined : telltaleId(text);
    return found === undefined ? [] : [{ path, message: `expected no ${found.replace(/^an? /, "")} in it` }];
  });
}
