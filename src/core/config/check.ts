// Decides whether a config document may be published: its shape, its cross-references, its schemas, its prices, its policy and its tests.
import type { Mistake } from "../errors.ts";
import type { Price } from "../budget/price.ts";
import { sharedNames } from "../mcp/names.ts";
import { isPrivateHost } from "../guard/address.ts";
import { schemaMistakes } from "../policy/arguments.ts";
import { failureText, runPolicyTests } from "../policy/policy-tests.ts";
import { AUTO } from "./routing-document.ts";
import { transactionMistakes } from "./check-transactions.ts";
import { providerRuleMistakes } from "./check-providers.ts";
import { routeMistakes } from "./check-routes.ts";
import { checkPolicy, type PolicyCheck } from "./check-policy.ts";
import { checkRouting, routingTestMistakes } from "./check-routing.ts";
import { evalMistakes } from "./check-evals.ts";
import { identityMistakes } from "./check-identity.ts";
import { releaseMistakes, releaseWarnings } from "./check-releases.ts";
import { probeUrl, requestMistakes, requestWarnings } from "./check-tool-request.ts";
import type { ConfigDocument, ModelEntry, ProviderEntry, ToolEntry } from "./document.ts";
import { secretsOfExport } from "./export-document.ts";
import { priceOfEntry } from "./model-price.ts";
import type { McpServerEntry } from "./mcp-document.ts";
import { didYouMean } from "./mistakes.ts";
import { unpublished, type PublishedRule } from "./published.ts";
import { readDocument } from "./read-document.ts";
import { secretsOfAuth } from "./request-document.ts";

/** Answers a model's list price from an independent table, or `undefined` when the table does not know it. */
export type PriceBook = (provider: ProviderEntry, upstreamName: string) => Price | undefined;

/**
 * What publishing needs to know of the deployment and the tenant besides the document. `null` is "not known here":
 * what rests on it is not checked.
 */
export interface Surroundings {
  readonly priceBook: PriceBook | null;
  /** Names of the tenant's stored secrets. */
  readonly secrets: readonly string[] | null;
  /** Names of the deployment's service bindings. */
  readonly services: readonly string[] | null;
  /** Whether the deployment has an `AI` binding; left out, it is not known here. */
  readonly hasWorkersAi?: boolean;
  /** Whether plain `http:` and private hosts may be targets (local development only). */
  readonly allowPrivateEgress: boolean;
  /** The tenant's active document: what a candidate leaves to it, stays. Left out, there is none. */
  readonly active?: ConfigDocument | undefined;
}

/** A document that may be published, with what publishing found out about it; or every mistake in it at once. */
export type ConfigCheck =
  | {
      readonly ok: true;
      readonly document: ConfigDocument;
      readonly prices: Readonly<Record<string, Price>>;
      readonly rules: Readonly<Record<string, PublishedRule>>;
      /** What looks wrong and does not forbid publishing. */
      readonly warnings: readonly Mistake[];
    }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/**
 * Checks a candidate document and reports all mistakes together, each with its path. The policy's tests run once
 * nothing else is wrong; with `tests: "warn"` one that fails is a warning, as for a rollback, which must not wait.
 */
export function checkConfig(
  candidate: unknown,
  around: Surroundings,
  { tests = "refuse" }: { readonly tests?: "refuse" | "warn" } = {},
): ConfigCheck {
  const read = readDocument(candidate, around.active);
  if (!read.ok) return read;
  const { document } = read;
  const prices = pricesOf(document, around);
  const policy = checkPolicy(document);
  const routing = checkRouting(document);
  const mistakes = [...referenceMistakes(document, prices, around), ...policy.mistakes, ...routing.mistakes];
  if (mistakes.length > 0)
    return { ok: false, mistakes: mistakes.map((each) => ({ ...each, path: read.shownPath(each.path) })) };
  const rules = { ...policy.rules, ...routing.rules };
  const failed = [...testMistakes(document, policy), ...routingTestMistakes(document, rules)];
  if (failed.length > 0 && tests === "refuse") return { ok: false, mistakes: failed };
  const requests = Object.entries(document.tools).flatMap(([name, entry]) => requestWarnings(`tools.${name}`, entry));
  const warnings = [...read.warnings, ...requests, ...policy.warnings, ...releaseWarnings(document), ...failed];
  return { ok: true, document, prices, rules, warnings };
}

function pricesOf(document: ConfigDocument, { priceBook }: Surroundings): Readonly<Record<string, Price>> {
  const priced = Object.entries(document.models).flatMap(([name, entry]) => {
    const price = priceOf(name, entry, document, priceBook);
    return price === undefined ? [] : [[name, price] as const];
  });
  return Object.fromEntries(priced);
}

function referenceMistakes(
  document: ConfigDocument,
  prices: Readonly<Record<string, Price>>,
  around: Surroundings,
): readonly Mistake[] {
  return [
    ...Object.entries(document.providers).flatMap(([name, entry]) =>
      providerMistakes(`providers.${name}`, entry, document, around),
    ),
    ...Object.entries(document.models).flatMap(([name, entry]) =>
      modelMistakes(`models.${name}`, entry, document, around.priceBook === null || Object.hasOwn(prices, name)),
    ),
    ...Object.entries(document.tools).flatMap(([name, entry]) =>
      toolMistakes(`tools.${name}`, entry, document, around),
    ),
    ...Object.entries(document.mcp.servers).flatMap(([name, entry]) =>
      serverMistakes(`mcp.servers.${name}`, entry, document, around),
    ),
    ...shownNameMistakes(document),
    ...routeMistakes(document),
    ...actorMistakes(document),
    ...releaseMistakes(document),
    ...evalMistakes(document),
    ...approvalMistakes(document, around),
    ...identityMistakes(document, (path, url) => targetMistakes({ path, url, service: undefined }, document, around)),
    ...exportMistakes(document, around),
    ...noticeMistakes("trace.alerts", { ...document.trace.alerts, fallback: undefined }, document, around),
    ...testReferenceMistakes(document),
  ];
}

function testMistakes(document: ConfigDocument, { rules }: PolicyCheck): readonly Mistake[] {
  const { tests } = document.policy;
  if (tests.length === 0) return [];
  return runPolicyTests(unpublished(document, rules), tests).flatMap((result) =>
    result.ok ? [] : [{ path: `policy.tests.${result.index}`, message: failureText(result) }],
  );
}

/** A test that names a tool nobody has would fail, or pass, for the wrong reason. */
function testReferenceMistakes({ policy, tools }: ConfigDocument): readonly Mistake[] {
  const known = Object.keys(tools);
  const unknown = (tool: string, path: string): readonly Mistake[] =>
    known.includes(tool) ? [] : [{ path, message: `"${tool}" is not in the config${didYouMean(tool, known)}` }];
  return policy.tests.flatMap(({ call, session }, index) => [
    ...unknown(call.tool, `policy.tests.${index}.call.tool`),
    ...(session?.history ?? []).flatMap((past, at) =>
      unknown(past.tool, `policy.tests.${index}.session.history.${at}.tool`),
    ),
  ]);
}

function approvalMistakes(document: ConfigDocument, around: Surroundings): readonly Mistake[] {
  const { webhook, secret, approvers, links_without_account } = document.approvals;
  const told = Object.entries(approvers);
  return [
    ...noticeMistakes("approvals", { webhook, secret, fallback: undefined }, document, around),
    ...told.flatMap(([name, approver]) =>
      noticeMistakes(`approvals.approvers.${name}`, { ...approver, fallback: secret }, document, around),
    ),
    ...(links_without_account && told.length === 0
      ? [
          {
            path: "approvals.approvers",
            message: "expected at least one approver: `links_without_account` lets the addressed one decide",
          },
        ]
      : []),
  ];
}

/** An export's address must be allowed and its secrets stored: else nothing would ever arrive there. */
function exportMistakes(document: ConfigDocument, around: Surroundings): readonly Mistake[] {
  return Object.entries(document.trace.exports).flatMap(([name, entry]) => {
    const path = `trace.exports.${name}`;
    return [
      ...targetMistakes({ path: `${path}.url`, url: entry.url, service: undefined }, document, around),
      ...secretsOfExport(entry).flatMap((secret) =>
        secretMistakes(`${path}.headers.${secret.header}.secret`, secret.name, around),
      ),
    ];
  });
}

interface Notice {
  readonly webhook?: string | undefined;
  readonly secret?: string | undefined;
  readonly fallback: string | undefined;
}

function noticeMistakes(
  path: string,
  { webhook, secret, fallback }: Notice,
  document: ConfigDocument,
  around: Surroundings,
): readonly Mistake[] {
  const isUnsigned = webhook !== undefined && secret === undefined && fallback === undefined;
  return [
    ...targetMistakes({ path: `${path}.webhook`, url: webhook, service: undefined }, document, around),
    ...secretMistakes(`${path}.secret`, secret, around),
    ...(isUnsigned
      ? [{ path: `${path}.secret`, message: "expected the name of a stored secret: webhooks are signed" }]
      : []),
  ];
}

function priceOf(name: string, entry: ModelEntry, document: ConfigDocument, book: PriceBook | null): Price | undefined {
  if (entry.price !== undefined) return priceOfEntry(entry.price);
  const provider = document.providers[entry.provider];
  return provider === undefined ? undefined : book?.(provider, entry.upstream ?? name);
}

function providerMistakes(
  path: string,
  entry: ProviderEntry,
  document: ConfigDocument,
  around: Surroundings,
): readonly Mistake[] {
  return [
    ...providerRuleMistakes(path, entry, around.hasWorkersAi),
    ...targetMistakes({ path: `${path}.base_url`, url: entry.base_url, service: entry.service }, document, around),
    ...secretMistakes(`${path}.secret`, entry.secret, around),
  ];
}

function modelMistakes(
  path: string,
  entry: ModelEntry,
  document: ConfigDocument,
  isPriced: boolean,
): readonly Mistake[] {
  const providers = Object.keys(document.providers);
  if (!providers.includes(entry.provider)) {
    return [{ path: `${path}.provider`, message: `no such provider${didYouMean(entry.provider, providers)}` }];
  }
  return isPriced
    ? []
    : [
        {
          path: `${path}.price`,
          message: "no known list price for this model: expected input_per_mtok_usd and output_per_mtok_usd",
        },
      ];
}

function toolMistakes(
  path: string,
  entry: ToolEntry,
  document: ConfigDocument,
  around: Surroundings,
): readonly Mistake[] {
  const properties = Object.keys(entry.input_schema["properties"] ?? {});
  const unknownIn = (field: string, names: readonly string[]): readonly Mistake[] =>
    names
      .filter((each) => !properties.includes(each.split(".")[0] ?? each))
      .map((each) => ({
        path: `${path}.${field}`,
        message: `"${each}" is not an argument of the tool${didYouMean(each, properties)}`,
      }));
  return [
    ...schemaMistakes(entry.input_schema).map((mistake) => ({
      ...mistake,
      path: [`${path}.input_schema`, mistake.path].filter((part) => part !== "").join("."),
    })),
    ...(entry.kind === "mcp"
      ? originMistakes(path, entry, document)
      : [...requestMistakes(path, entry), ...connectionMistakes(path, entry, document, around)]),
    ...unknownIn("amount.field", entry.amount === undefined ? [] : [entry.amount.field]),
    ...unknownIn("pii.writes", entry.pii?.writes ?? []),
    ...transactionMistakes(path, entry, document.tools),
  ];
}

/** What is wrong with where a tool is, and with the credential that goes there. */
function connectionMistakes(
  path: string,
  entry: Pick<ToolEntry, "kind" | "url" | "service" | "auth">,
  document: ConfigDocument,
  around: Surroundings,
): readonly Mistake[] {
  const target = { path: `${path}.url`, url: probeUrl(entry), service: entry.service };
  const { auth } = entry;
  return [
    ...(entry.kind === "service" && entry.service === undefined ? [] : targetMistakes(target, document, around)),
    ...(auth?.kind === "oauth2_client_credentials"
      ? targetMistakes({ path: `${path}.auth.token_url`, url: auth.token_url, service: undefined }, document, around)
      : []),
    ...secretsOfAuth(auth).flatMap(({ field, name }) => secretMistakes(`${path}.auth.${field}`, name, around)),
  ];
}

/** A server's own place and credential: its tools share them. */
function serverMistakes(
  path: string,
  { url, service, auth }: McpServerEntry,
  document: ConfigDocument,
  around: Surroundings,
): readonly Mistake[] {
  if (service !== undefined && !/^\/(?!\/)/.test(url))
    return [{ path: `${path}.url`, message: "expected a path such as `/mcp`: the binding is the host" }];
  const kind = service === undefined ? "http" : "service";
  return connectionMistakes(path, { kind, url, service, auth }, document, around);
}

/** Tools of MCP servers are made of definitions: one that somebody wrote has nothing that was accepted. */
function originMistakes(path: string, { mcp }: ToolEntry, document: ConfigDocument): readonly Mistake[] {
  const servers = Object.keys(document.mcp.servers);
  if (mcp === undefined)
    return [{ path: `${path}.mcp`, message: "is missing: tools of kind `mcp` come from `mcp.servers`, not from here" }];
  return servers.includes(mcp.server)
    ? []
    : [{ path: `${path}.mcp.server`, message: `no such MCP server${didYouMean(mcp.server, servers)}` }];
}

interface Target {
  readonly path: string;
  readonly url: string | undefined;
  readonly service: string | undefined;
}

function targetMistakes(
  { path, url, service }: Target,
  document: ConfigDocument,
  around: Surroundings,
): readonly Mistake[] {
  if (service !== undefined && around.services !== null && !around.services.includes(service)) {
    return [{ path: path.replace(/[^.]*$/, "service"), message: `no service binding "${service}" in this deployment` }];
  }
  if (url === undefined) return [];
  if (!URL.canParse(url)) return [{ path, message: "expected an absolute URL" }];
  if (service !== undefined) return [];
  const { protocol, host, hostname } = new URL(url);
  if (protocol !== "https:" && !around.allowPrivateEgress) return [{ path, message: "expected an https URL" }];
  if (!around.allowPrivateEgress && isPrivateHost(hostname))
    return [{ path, message: `host "${host}" is private: no call would reach it` }];
  return isHostAllowed(document.egress.allow, host, hostname)
    ? []
    : [{ path, message: `host "${host}" is not in egress.allow` }];
}

/** With another separator than the dot, two tools may come to one name on `/mcp`: then nobody could call the other. */
function shownNameMistakes({ mcp, tools }: ConfigDocument): readonly Mistake[] {
  return sharedNames(mcp.separator ?? ".", tools).map(({ shown, names: [one, other] }) => ({
    path: "mcp.separator",
    message: `"${one}" and "${other}" would both be "${shown}" on /mcp: expected another separator, or other names`,
  }));
}

/** Whether a host (`name` or `name:port`) is on an allow-list of hosts and `*.suffix` patterns. */
export function isHostAllowed(allow: readonly string[], host: string, hostname: string): boolean {
  return allow.some(
    (pattern) =>
      pattern === host ||
      pattern === hostname ||
      (pattern.startsWith("*.") && (hostname.endsWith(pattern.slice(1)) || host.endsWith(pattern.slice(1)))),
  );
}

function secretMistakes(path: string, secret: string | undefined, around: Surroundings): readonly Mistake[] {
  if (secret === undefined || around.secrets === null || around.secrets.includes(secret)) return [];
  return [
    {
      path,
      message: `no stored secret "${secret}"${didYouMean(secret, around.secrets)}: store it first with \`PUT /v1/secrets/${secret}\``,
    },
  ];
}

function actorMistakes(document: ConfigDocument): readonly Mistake[] {
  const tools = Object.keys(document.tools);
  const routed = document.routing === undefined ? [] : [AUTO];
  const named = [document.models, document.routes, document.agents].flatMap((table) => Object.keys(table));
  const models = [...named, ...routed];
  const unknown = (listed: readonly string[] | undefined, known: readonly string[], path: string): readonly Mistake[] =>
    (listed ?? [])
      .map((each, index) => ({ each, path: `${path}.${index}` }))
      .filter(({ each }) => each !== "*" && !each.endsWith(".*") && !known.includes(each))
      .map(({ each, path: at }) => ({ path: at, message: `"${each}" is not in the config${didYouMean(each, known)}` }));
  return Object.entries(document.actors).flatMap(([name, actor]) => [
    ...unknown(actor.allowed_tools, tools, `actors.${name}.allowed_tools`),
    ...unknown(actor.models, models, `actors.${name}.models`),
  ]);
}
