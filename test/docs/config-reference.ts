// Writes docs/config-reference.md from the config's JSON Schema; a field without a description here, or the reverse, is an error.
import { configJsonSchema } from "../../src/core/config/document.ts";
import { EVAL_FIELDS } from "./eval-fields.ts";
import { IDENTITY_FIELDS } from "./identity-fields.ts";
import { MCP_FIELDS, mcpSettings } from "./mcp-fields.ts";
import { MODEL_FIELDS } from "./model-fields.ts";
import { POLICY_FIELDS } from "./policy-fields.ts";
import { RELEASE_FIELDS } from "./release-fields.ts";
import { ROUTING_FIELDS } from "./routing-fields.ts";
import { TOOL_FIELDS } from "./tool-fields.ts";
import { TRACE_FIELDS } from "./trace-fields.ts";
import { TRANSACTION_FIELDS } from "./transaction-fields.ts";

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

interface Field {
  readonly path: string;
  readonly type: string;
  readonly isRequired: boolean;
}

const BUDGETS: Readonly<Record<string, string>> = {
  usd: "Dollars that model calls and `cost_usd` of tools may cost.",
  tokens: "Input, cached and output tokens together.",
  calls: "Model calls.",
  tool_calls: "Tool calls.",
  tool_usd: "Dollars that tools may move: the sum of their `amount` arguments.",
  wall_time_s: "Seconds from the first call on; later calls are refused.",
};

const auth = (at: string): Readonly<Record<string, string>> => ({
  [at]: "The credential that is sent to the tool. See [the guide](guides/tools.md).",
  [`${at}.kind`]:
    "`bearer` sends `Authorization: Bearer …`, `header` the header called `name`, `basic` a user and a password, `oauth2_client_credentials` an access token that it fetches, `hmac` a signature.",
  [`${at}.secret`]:
    "Name of the stored secret: the token, the value, the password, the client's secret, the signing key.",
  [`${at}.name`]: "`header`: name of the header.",
  [`${at}.username`]: "`basic`: the user. Either this or `username_secret`.",
  [`${at}.username_secret`]: "`basic`: name of the stored secret that is the user.",
  [`${at}.token_url`]:
    "`oauth2_client_credentials`: where tokens are fetched. `https`, and its host must be in `egress.allow`.",
  [`${at}.client_id`]: "`oauth2_client_credentials`: the client's id.",
  [`${at}.scopes`]: "`oauth2_client_credentials`: scopes that are asked for.",
  [`${at}.audience`]: "`oauth2_client_credentials`: audience that is asked for.",
  [`${at}.client_auth`]:
    "`oauth2_client_credentials`: how the client proves itself. `basic` (when left out) in `Authorization`, `post` in the form.",
  [`${at}.header`]: "`hmac`: header that carries the signature.",
  [`${at}.algorithm`]: "`hmac`: only `sha256`.",
  [`${at}.signed`]: "`hmac`: what is signed, in this order: `method`, `path`, `body`, `timestamp`.",
  [`${at}.timestamp_header`]: "`hmac`: header that carries a signed timestamp. `X-Timestamp` when left out.",
  [`${at}.key_id`]: "`hmac`: stands before the signature with a colon.",
});

const OWN: Readonly<Record<string, string>> = {
  ...MCP_FIELDS,
  ...auth("mcp.servers.*.auth"),
  ...EVAL_FIELDS,
  ...IDENTITY_FIELDS,
  ...MODEL_FIELDS,
  ...POLICY_FIELDS,
  ...RELEASE_FIELDS,
  ...ROUTING_FIELDS,
  ...TRACE_FIELDS,
  ...TOOL_FIELDS,
  ...TRANSACTION_FIELDS,
  tools: "Tools, by name.",
  "tools.*.kind":
    "`http` is an address, by network or, with `service`, by binding. `service` is another Worker: `url` is a path then, and `service` is required. `mcp` is a tool of a server under `mcp.servers`, and never written by hand.",
  "tools.*.description": "Shown by `GET /v1/tools`.",
  "tools.*.method":
    "Arguments that nothing names go into the query of `GET`, `HEAD` and `DELETE`, into a JSON body otherwise.",
  "tools.*.url":
    "May hold `{argument}` places in path and query; each is filled from the arguments and percent-encoded. `https`, and its host must be in `egress.allow`. A path for `kind: service`.",
  "tools.*.service": "A service binding of the deployment, without its `SERVICE_` prefix, used instead of the network.",
  "tools.*.query":
    "Query parameters by name, each a [template](guides/tools.md). Once declared, nothing else goes into the query. A list becomes one parameter an item; what is nothing but a missing argument is left out.",
  "tools.*.headers":
    "Further headers by name, each a template. Values are visible ASCII; headers of the connection, the gateway and the credential are refused.",
  "tools.*.body":
    "The body as a JSON template: a text that is nothing but `{argument}` keeps the argument's type. Once declared, nothing else goes into the body. `null` is no body.",
  "tools.*.content_type": "How the body is written. JSON when left out; a form has one field an entry.",
  "tools.*.redirects":
    "`follow`: a read by `GET` or `HEAD` follows up to three redirects, each checked like the first address; the credential goes to no other origin. `refuse` when left out: a redirect is a failure.",
  "tools.*.input_schema":
    "JSON Schema of the arguments: draft 2020-12, 2019-09 or 07, of type `object`, at most 64 KiB. Formats are checked; remote references are never fetched.",
  "tools.*.effect":
    "`read` changes nothing. For the others, an answer that is lost leaves the outcome unknown instead of failed.",
  "tools.*.amount": "Which argument says how much money moves. A call without an exact amount there is denied.",
  "tools.*.amount.field": "Dotted path among the arguments.",
  "tools.*.amount.currency": "Only `USD`.",
  "tools.*.pii": "Which arguments write personal data.",
  "tools.*.pii.writes":
    "Dotted paths among the arguments. A call that sets one is denied when its caller declares `pii_write_allowed: false`.",
  "tools.*.scopes": "Scopes that key and actor must both have.",
  ...auth("tools.*.auth"),
  "tools.*.repeat":
    "For calls without an `Idempotency-Key`: `deduplicate` answers an identical call of the same session and task from the first, `allow` runs it again. `allow` for reads, `deduplicate` for the rest when left out.",
  "tools.*.cost_usd": "What one call costs, charged to the dollar budget.",
  actors: "Agents, by name. A caller that is no actor here may do nothing.",
  "actors.*.scopes": "Scopes, or `*`. A call has those of them that its key has too.",
  "actors.*.allowed_tools": "Tool names, `prefix.*` or `*`. Nothing listed means no tool.",
  "actors.*.models": "Names of models, routes and agents, `auto`, `prefix.*` or `*`. Nothing listed means no model.",
  "actors.*.model_tiers":
    "The tiers that routing may choose for the actor, whatever a rule calls for; all of them when left out.",
  "actors.*.max_amount_usd": "The most that one tool call may move.",
  "actors.*.budgets": "Hard limits. A dimension without a limit is counted and not limited.",
  "actors.*.budgets.session": "Limits of one session.",
  "actors.*.budgets.task": "Limits of one task within a session. A call counts in both.",
  ...Object.fromEntries(
    ["session", "task"].flatMap((scope) =>
      Object.entries(BUDGETS).map(([name, text]) => [`actors.*.budgets.${scope}.${name}`, text]),
    ),
  ),
  openapi:
    "OpenAPI documents whose operations become tools when the config is published. The published version has the tools, and no `openapi`.",
  "openapi.*.document":
    "The document, OpenAPI 3.0 or 3.1, inline. References within it are followed; remote ones are refused by name.",
  "openapi.*.prefix": "Stands before the tools' names with a dot. The section's own name when left out.",
  "openapi.*.only":
    "Operations to import: `operationId`, or method and path as in `get /customers/{id}`. All when left out.",
  "openapi.*.effects":
    "What an operation does. When left out, `GET` and `HEAD` are `read`, `DELETE` is `irreversible`, all others `write`.",
  "openapi.*.server": "The address before the paths. The document's first server when left out.",
  "openapi.*.service": "Reaches the tools through this service binding; they are of kind `service`.",
  ...auth("openapi.*.auth"),
  "openapi.*.timeout_ms": "How long each tool may take. 30 s when left out.",
  egress: "Where the gateway may connect to.",
  "egress.allow":
    "Hosts: `api.example.com`, `*.example.com` or `host:8443`. Addresses and private names are refused even when listed. A vendor's own address needs no entry for a provider without `base_url`; service bindings need none.",
};

const DESCRIPTIONS: Readonly<Record<string, string>> = { ...mcpSettings(OWN), ...OWN };

const INTRO = `# Config reference

Generated from the JSON Schema of the document. Do not edit: change \`test/docs/config-reference.ts\` and run \`UPDATE_DOCS=1 npx vitest run --project e2e test/docs\`.

A tenant has one config document. People write it as \`interlock.yaml\`; the API takes it as JSON. Each publication is a new, immutable version. A deployment serves the schema at \`/schemas/interlock.json\`, so that an editor can complete the file.

- Unknown fields are refused by name, so that no setting is silently inactive.
- \`name\` is a letter, then up to 63 letters, digits, \`_\`, \`.\` or \`-\`. \`*\` in a path below stands for such a name.
- Dollars are numbers or strings with at most six decimals. Write a string where every digit matters.
- All mistakes are reported at once, each with its path. Secrets, service bindings, hosts and prices are checked too.
- Retrieval and evals are not part of this version.
`;

/** The page, as it must stand in docs/config-reference.md. Throws when a field and its description do not meet. */
export function configReference(): string {
  // Our own schema, made of the keywords above.
  const fields = fieldsOf("", configJsonSchema());
  const known = new Set(fields.map((field) => field.path));
  const undescribed = fields.filter((field) => DESCRIPTIONS[field.path] === undefined).map((field) => field.path);
  const unused = Object.keys(DESCRIPTIONS).filter((path) => !known.has(path));
  if (undescribed.length + unused.length > 0) {
    throw new Error(
      `without a description: ${undescribed.join(", ") || "none"}; described but not in the schema: ${unused.join(", ") || "none"}`,
    );
  }
  const sections = fields
    .filter((field) => !field.path.includes("."))
    .map((section) => {
      const rows = fields
        .filter((field) => field.path.startsWith(`${section.path}.`))
        .map(
          ({ path, type, isRequired }) =>
            `| \`${path}\` | ${type} | ${isRequired ? "yes" : ""} | ${DESCRIPTIONS[path]} |`,
        );
      return `## ${section.path}\n\n${DESCRIPTIONS[section.path]}\n\n| field | type | required | meaning |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`;
    });
  return [INTRO, ...sections].join("\n");
}

function fieldsOf(path: string, schema: Schema): readonly Field[] {
  const branches = schema.oneOf ?? [schema];
  const found = new Map<string, Field>();
  for (const branch of branches) {
    for (const [name, child] of Object.entries(branch.properties ?? {})) {
      const at = path === "" ? name : `${path}.${name}`;
      const types = branches.flatMap((each) => each.properties?.[name] ?? []).map(typeOf);
      const isRequired = branches.every((each) => each.required?.includes(name) === true);
      if (found.has(at)) continue;
      found.set(at, { path: at, type: [...new Set(types)].join(" or "), isRequired });
      for (const field of below(at, child)) found.set(field.path, field);
    }
  }
  return [...found.values()];
}

function below(path: string, schema: Schema): readonly Field[] {
  const { additionalProperties, items } = schema;
  if (items?.properties !== undefined) return fieldsOf(`${path}[]`, items);
  const table = (schema.anyOf ?? [schema])
    .map((each) => each.additionalProperties)
    .find((each) => typeof each === "object");
  if (typeof table === "object" && table.properties !== undefined) return fieldsOf(`${path}.*`, table);
  return typeof additionalProperties === "object" ? [] : fieldsOf(path, schema);
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((each) => `\`${each}\``).join(" or ");
  if (schema.anyOf !== undefined) return unionType(schema.anyOf);
  if (schema.oneOf !== undefined) return "object";
  if (Array.isArray(schema.type)) return "dollars";
  if (schema.type === "array") return `list of ${schema.items === undefined ? "values" : plural(typeOf(schema.items))}`;
  if (schema.type === "integer") return numberType(schema);
  if (schema.type === "number") return `number, ${schema.minimum ?? 0} to ${schema.maximum ?? "any"}`;
  if (schema.type === "boolean") return "`true` or `false`";
  return schema.type === "string" ? textType(schema) : "object";
}

function plural(type: string): string {
  return type === "object" ? "objects" : type;
}

/** A text or a whole number is a duration; a text or any number an amount; anything else lists its branches. */
function unionType(branches: readonly Schema[]): string {
  const kinds = branches.map((each) => each.type);
  if (kinds.includes("string") && kinds.includes("integer")) return "duration";
  if (kinds.includes("string") && kinds.includes("number")) return "amount";
  return [...new Set(branches.map(typeOf))].join(", or ");
}

function numberType({ minimum, maximum }: Schema): string {
  const top = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  return top === undefined ? `whole number from ${minimum ?? 0}` : `whole number, ${minimum ?? 0} to ${top}`;
}

function textType({ pattern, format, maxLength }: Schema): string {
  if (format === "uri") return "URL";
  if (pattern === "^[A-Za-z][A-Za-z0-9_.-]{0,63}$") return "name";
  if (pattern === "^[A-Za-z][A-Za-z0-9_./-]{0,192}$") return "tool name";
  return maxLength === undefined ? "text" : `text, at most ${maxLength} characters`;
}
