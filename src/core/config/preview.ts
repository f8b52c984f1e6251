// Decides what a document alone says about itself, where neither a tenant nor a deployment is known.
import { checkConfig, type ConfigCheck, type Surroundings } from "./check.ts";
import type { ConfigDocument } from "./document.ts";
import { readDocument } from "./read-document.ts";
import { secretsOfAuth, type ToolAuth } from "./request-document.ts";

/** Nothing is known of secrets, services and prices: what rests on them is not checked. */
export const NOWHERE: Surroundings = { priceBook: null, secrets: null, services: null, allowPrivateEgress: true };

/** What a check without a gateway covers, and what it leaves out. */
export interface Preview {
  readonly check: ConfigCheck;
  readonly tests: number;
  /** What was not checked, in words; empty where the document names none of it. */
  readonly unchecked: readonly string[];
}

/**
 * Checks shape, references within the document, rules against schemas, and runs the policy's tests. Definitions of MCP
 * servers that the candidate leaves out are those of the active document.
 */
export function previewConfig(candidate: unknown, active?: ConfigDocument): Preview {
  const check = checkConfig(candidate, { ...NOWHERE, active });
  const read = readDocument(candidate, active);
  if (!read.ok) return { check, tests: 0, unchecked: [] };
  const { document } = read;
  const { providers, models, tools, mcp, approvals, policy } = document;
  const entries = [
    ...Object.values(providers),
    ...Object.values(tools),
    ...Object.values(mcp.servers),
    approvals,
    ...Object.values(approvals.approvers),
  ];
  const secrets = entries.flatMap((entry) => secretsOf(entry));
  const services = [...Object.values(providers), ...Object.values(tools), ...Object.values(mcp.servers)].flatMap(
    ({ service }) => service ?? [],
  );
  const unpriced = Object.entries(models).flatMap(([name, { price }]) => (price === undefined ? [name] : []));
  return {
    check,
    tests: policy.tests.length,
    unchecked: [
      ...told("secrets", "are stored", secrets),
      ...told("service bindings", "exist", services),
      ...told("models", "have a list price", unpriced),
    ],
  };
}

function secretsOf(entry: {
  readonly secret?: string | undefined;
  readonly auth?: ToolAuth | undefined;
}): readonly string[] {
  return [entry.secret, ...secretsOfAuth(entry.auth).map(({ name }) => name)].filter((name) => name !== undefined);
}

function told(what: string, verb: string, names: readonly string[]): readonly string[] {
  const unique = [...new Set(names)];
  return unique.length === 0 ? [] : [`whether the ${what} ${unique.join(", ")} ${verb}`];
}
