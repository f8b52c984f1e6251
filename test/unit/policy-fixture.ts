// Builds configs for policy tests: checked as publishing checks them, or with rules that publishing would refuse.
import { checkConfig, type Surroundings } from "../../src/core/config/check.ts";
import { ConfigDocument } from "../../src/core/config/document.ts";
import { unpublished, type ActiveConfig, type PublishedRule } from "../../src/core/config/published.ts";
import { encodeExpression, parseExpression } from "../../src/core/policy/cel/expression.ts";
import { distinctPaths, usesSession } from "../../src/core/policy/check/check-expression.ts";

/** A deployment where every secret and service is there. */
export const ANYWHERE: Surroundings = { priceBook: null, secrets: null, services: null, allowPrivateEgress: false };

/** A config that publishing accepts; throws with every mistake where it does not. */
export function published(candidate: unknown): ActiveConfig {
  const checked = checkConfig(candidate, ANYWHERE);
  if (!checked.ok) throw new Error(checked.mistakes.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return unpublished(checked.document, checked.rules);
}

/** A config whose rules are parsed and not checked: what an evaluator meets when checking has missed something. */
export function unchecked(candidate: unknown): ActiveConfig {
  const document = ConfigDocument.parse(candidate);
  const rules = document.policy.rules.flatMap(({ id, when }): readonly (readonly [string, PublishedRule])[] => {
    if (when === undefined) return [];
    const parsed = parseExpression(when);
    if (!parsed.ok) throw new Error(`${id}: ${parsed.fault.message}`);
    const { ast } = parsed.parsed;
    const counts = distinctPaths(ast).map(({ tool, path }) => ({ tool, path: path.replace(/^args\./, "") }));
    return [[id, { tree: encodeExpression(parsed.parsed), uses_session: usesSession(ast), counts }]];
  });
  return unpublished(document, Object.fromEntries(rules));
}
