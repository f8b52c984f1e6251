// Decides what a release holds against calls made under it: tools that it does not have, and a policy it was not made for.
import type { ConfigDocument } from "../config/document.ts";
import { safeName } from "../dialect/tool-names.ts";
import { matchesAny } from "../policy/constraints.ts";
import type { Reason } from "../policy/decision.ts";
import { policyDigest, type ReleaseTools } from "./release.ts";

/** What a release allows of tool calls that name it. */
export interface ReleaseLimits {
  readonly id: string;
  /** Patterns of tools; `null` for every tool. */
  readonly tools: readonly string[] | null;
  /** The policy it is strictly pinned to, where another one is active. */
  readonly pinnedTo: string | null;
}

/** The limits of the release of this id, whichever agent has it; `null` for one that the document has not. */
export function releaseLimits(document: ConfigDocument, id: string): ReleaseLimits | null {
  for (const { releases } of Object.values(document.agents)) {
    const entry = Object.hasOwn(releases, id) ? releases[id] : undefined;
    if (entry === undefined) continue;
    const { tools = null, policy } = entry;
    const holds = policy === undefined || policy.mode === "loose" || policyDigest(document).startsWith(policy.digest);
    return { id, tools, pinnedTo: holds ? null : policy.digest };
  }
  return null;
}

/** What a release holds against a call of a tool. It only narrows: the actor has to list the tool all the same. */
export function releaseReasons(limits: ReleaseLimits | null, tool: string): readonly Reason[] {
  if (limits === null) return [];
  const { id, tools, pinnedTo } = limits;
  return [
    ...(tools === null || matchesAny(tool, tools)
      ? []
      : [
          {
            rule_id: "release.tools",
            effect: "deny",
            message: `release "${id}" does not have tool "${tool}"`,
            path: "tool_call.name",
          } as const,
        ]),
    ...(pinnedTo === null
      ? []
      : [
          {
            rule_id: "release.policy",
            effect: "deny",
            message: `release "${id}" is pinned to policy ${pinnedTo.slice(0, 12)}, and another one is active`,
          } as const,
        ]),
  ];
}

/**
 * What a release holds against a model call that offers these tools: one reason that names each tool it does not have.
 * Models take no dots in names, so that `billing.refund` may be offered as `billing_refund`.
 */
export function offerReasons(
  { id, tools }: { readonly id: string; readonly tools: ReleaseTools | null },
  offered: readonly string[],
): readonly Reason[] {
  if (tools === null) return [];
  const spelled = new Set(tools.names.flatMap((name) => [name, safeName(name), underscored(name)]));
  const foreign = offered.filter((name) => !matchesAny(name, tools.patterns) && !spelled.has(underscored(name)));
  if (foreign.length === 0) return [];
  const names = [...new Set(foreign)].map((name) => `"${name}"`).join(", ");
  return [
    {
      rule_id: "release.tools",
      effect: "deny",
      message: `release "${id}" does not have ${foreign.length === 1 ? "tool" : "tools"} ${names}`,
      path: "tools",
    },
  ];
}

function underscored(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, "_");
}
