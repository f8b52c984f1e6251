// Decides whether the policy sections of a config may be published: names, expressions against schemas, limits, flows, approvals.
import { shadowedRules } from "../policy/analysis/shadowed.ts";
import { isUnsatisfiable } from "../policy/analysis/unsatisfiable.ts";
import { encodeExpression, parseExpression, type ParsedExpression } from "../policy/cel/expression.ts";
import type { ExpressionFault } from "../policy/cel/syntax.ts";
import {
  checkExpression,
  distinctPaths,
  usesSession,
  type CheckEnvironment,
} from "../policy/check/check-expression.ts";
import { matchesAny } from "../policy/constraints.ts";
import { isBuiltIn } from "../policy/decision.ts";
import type { Mistake } from "../errors.ts";
import { didYouMean } from "./mistakes.ts";
import type { ActorEntry, ConfigDocument } from "./document.ts";
import type { ApprovalTermsEntry, LimitEntry, RuleEntry } from "./policy-document.ts";
import type { PublishedRule } from "./published.ts";

/** What checking the policy found: mistakes that refuse it, remarks that do not, and its rules ready to be stored. */
export interface PolicyCheck {
  readonly mistakes: readonly Mistake[];
  /** Rules that can never match, or never matter. */
  readonly warnings: readonly Mistake[];
  readonly rules: Readonly<Record<string, PublishedRule>>;
}

/** Checks every rule, limit and tier of a document that has the right shape; all mistakes at once. */
export function checkPolicy(document: ConfigDocument): PolicyCheck {
  const { rules, limits } = document.policy;
  const found = rules.map((rule, index) => checkRule(rule, `policy.rules.${index}`, document));
  const mistakes = [
    ...duplicates(rules, "policy.rules"),
    ...duplicates(limits, "policy.limits"),
    ...found.flatMap((each) => each.mistakes),
    ...limits.flatMap((limit, index) => limitMistakes(limit, `policy.limits.${index}`, document)),
    ...termMistakes(document.approvals.defaults, "approvals.defaults"),
    ...Object.entries(document.actors).flatMap(([name, actor]) => tierMistakes(actor, `actors.${name}`, document)),
  ];
  const published = rules.flatMap((rule, index) => {
    const entry = found[index]?.published;
    return entry === undefined ? [] : [[rule.id, entry] as const];
  });
  return {
    mistakes,
    warnings: [
      ...found.flatMap((each) => each.warnings),
      ...shadowedRules(rules.map((rule, index) => ({ ...rule, ast: found[index]?.parsed?.ast }))).map((each) => ({
        path: `policy.rules.${rules.findIndex((rule) => rule.id === each.id)}`,
        message: each.message,
      })),
    ],
    rules: Object.fromEntries(published),
  };
}

function duplicates(entries: readonly { readonly id: string }[], path: string): readonly Mistake[] {
  return entries.flatMap(({ id }, index) => {
    const first = entries.findIndex((each) => each.id === id);
    return first === index
      ? []
      : [{ path: `${path}.${index}.id`, message: `"${id}" is the id of entry ${first} already` }];
  });
}

interface CheckedRule {
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly Mistake[];
  readonly parsed?: ParsedExpression;
  readonly published?: PublishedRule;
}

function checkRule(rule: RuleEntry, path: string, document: ConfigDocument): CheckedRule {
  const named = [
    ...nameMistakes(rule, path),
    ...listMistakes(rule, path),
    ...patternMistakes(rule.tools, `${path}.tools`, document),
  ];
  const pointless = pointlessList(rule, path);
  if (rule.when === undefined) return { mistakes: named, warnings: pointless };
  const parsed = parseExpression(rule.when);
  if (!parsed.ok) return { mistakes: [...named, located(rule, path, parsed.fault)], warnings: pointless };
  const { ast } = parsed.parsed;
  const mistakes = [...named, ...expressionMistakes(rule, path, parsed.parsed, document)];
  const { unsatisfiable, why } = isUnsatisfiable(ast);
  const never = `rule "${rule.id}" can never match${why === undefined ? "" : `: ${why}`}`;
  const warnings = [...pointless, ...(unsatisfiable ? [{ path: `${path}.when`, message: never }] : [])];
  const published = { tree: encodeExpression(parsed.parsed), uses_session: usesSession(ast), counts: countsOf(ast) };
  return { mistakes, warnings, parsed: parsed.parsed, published };
}

function countsOf(ast: ParsedExpression["ast"]): PublishedRule["counts"] {
  return distinctPaths(ast).map(({ tool, path }) => ({ tool, path: path.replace(/^args\./, "") }));
}

/** Roles of keys that may not decide: any other name is a group, which a key joins by its scopes. */
const DECIDE_NOTHING = ["agent", "auditor", "admin"];

/** Terms that nobody can satisfy. */
function termMistakes(terms: ApprovalTermsEntry | undefined, path: string): readonly Mistake[] {
  const roles = terms?.roles ?? [];
  if (roles.length === 0 || roles.some((role) => !DECIDE_NOTHING.includes(role))) return [];
  const message = `keys with role ${roles.join(" or ")} may not approve: expected approver, operator, or a group`;
  return [{ path: `${path}.roles`, message }];
}

function nameMistakes({ id, approval, effect }: RuleEntry, path: string): readonly Mistake[] {
  return [
    ...termMistakes(approval, `${path}.approval`),
    ...(isBuiltIn(id)
      ? [{ path: `${path}.id`, message: `"${id}" reads like a reason of the gateway's own; choose another id` }]
      : []),
    ...(approval !== undefined && effect !== "require_approval"
      ? [{ path: `${path}.approval`, message: `expected only with effect "require_approval", not "${effect}"` }]
      : []),
  ];
}

/** What a list rule cannot do: while tools are listed there is nobody to ask, and no session to pause. */
function listMistakes({ phase, effect, stop_and_ask }: RuleEntry, path: string): readonly Mistake[] {
  if (phase !== "list") return [];
  return [
    ...(effect === "require_approval"
      ? [
          {
            path: `${path}.effect`,
            message:
              "nobody can be asked while tools are listed: expected `deny`, which hides the tool, " +
              "or no `phase: list`, and people are asked at the call",
          },
        ]
      : []),
    ...(stop_and_ask === true
      ? [{ path: `${path}.stop_and_ask`, message: "there is no session to pause while tools are listed: drop it" }]
      : []),
  ];
}

function pointlessList({ id, phase, effect }: RuleEntry, path: string): readonly Mistake[] {
  return phase === "list" && effect === "allow"
    ? [{ path, message: `rule "${id}" never matters: tools that an actor lists are shown unless a list rule denies` }]
    : [];
}

/** A rule is checked against the schema of every tool it names; the same mistake in several tools is told once. */
function expressionMistakes(
  rule: RuleEntry,
  path: string,
  { source, ast }: ParsedExpression,
  document: ConfigDocument,
): readonly Mistake[] {
  const told = new Map<string, Mistake>();
  const names = namesIn(document);
  for (const [tool, entry] of Object.entries(document.tools)) {
    if (rule.tools !== undefined && !matchesAny(tool, rule.tools)) continue;
    const { input_schema: argsSchema, amount } = entry;
    const environment = { argsSchema, hasAmount: amount !== undefined, phase: rule.phase, ...names };
    for (const fault of checkExpression(source, ast, environment)) {
      const mistake = located(rule, path, fault);
      if (!told.has(mistake.message))
        told.set(mistake.message, { ...mistake, message: `${mistake.message} (tool "${tool}")` });
    }
  }
  return [...told.values()];
}

/** The names that a rule may compare with: all of them are the document's own. */
function namesIn({ tools, actors }: ConfigDocument): Omit<CheckEnvironment, "argsSchema" | "hasAmount"> {
  const captured = Object.values(tools).flatMap(({ capture = {} }) => Object.keys(capture));
  return {
    toolNames: Object.keys(tools),
    actorNames: Object.keys(actors),
    taintNames: Object.entries(tools).flatMap(([name, tool]) => (tool.output_trust === "untrusted" ? [name] : [])),
    factNames: [...new Set(captured.flatMap((path) => /^\w+/.exec(path) ?? []))],
  };
}

function located({ id }: RuleEntry, path: string, { message, position, text }: ExpressionFault): Mistake {
  return {
    path: `${path}.when`,
    message: `rule "${id}", line ${position.line}, column ${position.column}: ${message}: \`${text}\``,
  };
}

function patternMistakes(
  patterns: readonly string[] | undefined,
  path: string,
  document: ConfigDocument,
): readonly Mistake[] {
  const tools = Object.keys(document.tools);
  return (patterns ?? []).flatMap((pattern, index) =>
    pattern === "*" || tools.some((tool) => matchesAny(tool, [pattern]))
      ? []
      : [
          {
            path: `${path}.${index}`,
            message: `"${pattern}" names no tool of the config${didYouMean(pattern, tools)}`,
          },
        ],
  );
}

function limitMistakes(limit: LimitEntry, path: string, document: ConfigDocument): readonly Mistake[] {
  const tools = Object.entries(document.tools).filter(
    ([name]) => limit.tools === undefined || matchesAny(name, limit.tools),
  );
  const by = limit.per === undefined ? [] : typeof limit.per === "string" ? [limit.per] : limit.per;
  const needed = [
    ...(limit.sum === undefined ? [] : [{ field: "sum", argument: limit.sum.replace(/^args\./, "") }]),
    ...by
      .filter((each) => each.startsWith("args."))
      .map((each) => ({ field: "per", argument: each.replace(/^args\./, "") })),
  ];
  return [
    ...patternMistakes(limit.tools, `${path}.tools`, document),
    ...tools.flatMap(([name, { input_schema }]) =>
      needed.flatMap(({ field, argument }) => missingArgument(`${path}.${field}`, name, input_schema, argument)),
    ),
  ];
}

function missingArgument(
  path: string,
  tool: string,
  schema: Readonly<Record<string, unknown>>,
  argument: string,
): readonly Mistake[] {
  const properties = Object.keys(schema["properties"] ?? {});
  const first = argument.split(".")[0] ?? argument;
  if (!properties.includes(first))
    return [{ path, message: `"${argument}" is not an argument of "${tool}"${didYouMean(first, properties)}` }];
  const { required } = schema;
  const isRequired = Array.isArray(required) && required.includes(first);
  // A call without the amount is denied; one without whom it counts for could step out of every count.
  return isRequired || !path.endsWith(".per")
    ? []
    : [{ path, message: `"${argument}" is not required by the input_schema of "${tool}": a call could leave it out` }];
}

function tierMistakes({ tier, flows }: ActorEntry, path: string, document: ConfigDocument): readonly Mistake[] {
  const listed = flows === undefined || Array.isArray(flows) ? [] : Object.entries(flows);
  const unknown = listed.flatMap(([flow, { tools }]) =>
    patternMistakes(tools, `${path}.flows.${flow}.tools`, document),
  );
  if (unknown.length > 0) return unknown;
  if (tier === "autonomous" && flows === undefined)
    return [
      { path: `${path}.flows`, message: 'expected the flows that "autonomous" covers: it is given per flow only' },
    ];
  if (Array.isArray(flows) && tier !== "autonomous")
    return [
      {
        path: `${path}.flows`,
        message: 'expected a tier for each flow: a bare list names the flows of tier "autonomous"',
      },
    ];
  return [];
}
