// Decides whether a document's routing may be published: its tiers lead somewhere, its rules are conditions, its tests pass.
import { encodeExpression, parseExpression } from "../policy/cel/expression.ts";
import type { ExpressionFault } from "../policy/cel/syntax.ts";
import { usesSession } from "../policy/check/check-expression.ts";
import type { Mistake } from "../errors.ts";
import { routingRuleMistakes } from "../routing/check-rule.ts";
import { AUTO } from "./routing-document.ts";
import { failedRoutingTests } from "../routing/routing-tests.ts";
import type { ConfigDocument } from "./document.ts";
import { didYouMean } from "./mistakes.ts";
import { routingRuleKey, unpublished, type PublishedRule } from "./published.ts";
import type { RoutingEntry, RoutingRuleEntry } from "./routing-document.ts";

/** What checking the routing found: mistakes that refuse it, and its rules ready to be stored. */
export interface RoutingCheck {
  readonly mistakes: readonly Mistake[];
  readonly rules: Readonly<Record<string, PublishedRule>>;
}

/** Checks every tier, rule and threshold of a document that has the right shape; all mistakes at once. */
export function checkRouting(document: ConfigDocument): RoutingCheck {
  const { routing } = document;
  const narrowed = narrowingMistakes(document);
  if (routing === undefined) return { mistakes: narrowed, rules: {} };
  const found = routing.rules.map((rule, index) => checkRule(rule, `routing.rules.${index}`, document));
  const rules = routing.rules.flatMap((rule, index) => {
    const published = found[index]?.published;
    return published === undefined ? [] : [[routingRuleKey(rule.id), published] as const];
  });
  return {
    mistakes: [
      ...nameMistakes(document),
      ...tierMistakes(routing, document),
      ...duplicates(
        routing.rules.map(({ id }) => id),
        (index) => `routing.rules.${index}.id`,
      ),
      ...referenceMistakes(routing, document),
      ...found.flatMap((each) => each.mistakes),
      ...narrowed,
    ],
    rules: Object.fromEntries(rules),
  };
}

/** The tests that fail, as mistakes. */
export function routingTestMistakes(
  document: ConfigDocument,
  rules: Readonly<Record<string, PublishedRule>>,
): readonly Mistake[] {
  const { routing } = document;
  if (routing === undefined || routing.tests.length === 0) return [];
  return failedRoutingTests(unpublished(document, rules), routing).map(({ index, message }) => ({
    path: `routing.tests.${index}`,
    message,
  }));
}

function nameMistakes({ models, routes }: ConfigDocument): readonly Mistake[] {
  return (
    [
      ["models", models],
      ["routes", routes],
    ] as const
  ).flatMap(([section, entries]) =>
    Object.hasOwn(entries, AUTO)
      ? [{ path: `${section}.${AUTO}`, message: `expected another name: "${AUTO}" stands for what routing chooses` }]
      : [],
  );
}

function tierMistakes({ tiers }: RoutingEntry, { models, routes }: ConfigDocument): readonly Mistake[] {
  return [
    ...duplicates(
      tiers.map(({ name }) => name),
      (index) => `routing.tiers.${index}.name`,
    ),
    ...tiers.flatMap(({ route, model }, index) => {
      const path = `routing.tiers.${index}`;
      if ((route === undefined) === (model === undefined))
        return [{ path, message: "expected either `route` or `model`" }];
      return [
        ...(route === undefined
          ? []
          : unknownName(`${path}.route`, route, { what: "route", known: Object.keys(routes) })),
        ...(model === undefined
          ? []
          : unknownName(`${path}.model`, model, { what: "model", known: Object.keys(models) })),
      ];
    }),
  ];
}

function referenceMistakes(routing: RoutingEntry, document: ConfigDocument): readonly Mistake[] {
  const tiers = { what: "tier", known: routing.tiers.map(({ name }) => name) };
  const models = { what: "model", known: Object.keys(document.models) };
  const rules = { what: "rule", known: routing.rules.map(({ id }) => id) };
  const actors = { what: "actor", known: Object.keys(document.actors) };
  const named = (path: string, name: string | undefined, of: Known): readonly Mistake[] =>
    name === undefined ? [] : unknownName(`routing.${path}`, name, of);
  return [
    ...named("default", routing.default, tiers),
    ...routing.rules.flatMap(({ tier }, index) => named(`rules.${index}.tier`, tier, tiers)),
    ...routing.complexity.flatMap(({ tier }, index) => named(`complexity.${index}.tier`, tier, tiers)),
    ...routing.degrade.flatMap(({ tier }, index) => named(`degrade.${index}.tier`, tier, tiers)),
    ...routing.tests.flatMap(({ call, session, expect }, index) => [
      ...named(`tests.${index}.call.actor`, call.actor, actors),
      ...named(`tests.${index}.session.tier`, session?.tier, tiers),
      ...named(`tests.${index}.expect.tier`, expect.tier, tiers),
      ...named(`tests.${index}.expect.model`, expect.model, models),
      ...(expect.rules ?? []).flatMap((id, at) => named(`tests.${index}.expect.rules.${at}`, id, rules)),
    ]),
  ];
}

/** An actor is narrowed to tiers that there are. */
function narrowingMistakes({ actors, routing }: ConfigDocument): readonly Mistake[] {
  const known = routing?.tiers.map(({ name }) => name) ?? [];
  return Object.entries(actors).flatMap(([actor, { model_tiers }]) =>
    (model_tiers ?? []).flatMap((tier, index) =>
      unknownName(`actors.${actor}.model_tiers.${index}`, tier, { what: "tier of `routing`", known }),
    ),
  );
}

interface Known {
  readonly what: string;
  readonly known: readonly string[];
}

function unknownName(path: string, name: string, { what, known }: Known): readonly Mistake[] {
  return known.includes(name) ? [] : [{ path, message: `no such ${what}: "${name}"${didYouMean(name, known)}` }];
}

function duplicates(names: readonly string[], pathOf: (index: number) => string): readonly Mistake[] {
  return names.flatMap((name, index) => {
    const first = names.indexOf(name);
    return first === index ? [] : [{ path: pathOf(index), message: `"${name}" is the name of entry ${first} already` }];
  });
}

function checkRule(
  rule: RoutingRuleEntry,
  path: string,
  { actors }: ConfigDocument,
): { readonly mistakes: readonly Mistake[]; readonly published?: PublishedRule } {
  const parsed = parseExpression(rule.when);
  if (!parsed.ok) return { mistakes: [located(rule, path, parsed.fault)] };
  const { ast } = parsed.parsed;
  const mistakes = routingRuleMistakes(rule.when, ast, Object.keys(actors)).map((fault) => located(rule, path, fault));
  return {
    mistakes,
    published: { tree: encodeExpression(parsed.parsed), uses_session: usesSession(ast), counts: [] },
  };
}

function located({ id }: RoutingRuleEntry, path: string, { message, position, text }: ExpressionFault): Mistake {
  return {
    path: `${path}.when`,
    message: `rule "${id}", line ${position.line}, column ${position.column}: ${message}: \`${text}\``,
  };
}
