// Seeds the demo tenant through the public API: tenant, credentials, config, one key per role.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { root } from "./bundles.ts";
import type { LocalGateway } from "./gateway.ts";

/** The demo tenant's keys by role, as written to `STATE_DIR/demo-keys.json`. `admin` is the root key. */
export interface DemoKeys {
  readonly url: string;
  readonly tenant: string;
  readonly agent: string;
  readonly operator: string;
  readonly approver: string;
  readonly auditor: string;
  readonly admin: string;
}

/** The demo tenant's id. */
export const TENANT = "demo";

/** Makes the demo tenant what `demo/interlock.yaml` says; what is there already stays. */
export async function seed(gateway: LocalGateway, stateDir: string): Promise<DemoKeys> {
  const call = caller(gateway);
  const file = path.join(stateDir, "demo-keys.json");
  await call("POST", "/v1/tenants", { id: TENANT, name: "Demo" }, { status: [201, 409] });
  const { modelToken, billingToken, crmToken } = gateway.secrets;
  for (const [name, value] of Object.entries({
    demo_model: modelToken,
    demo_billing: billingToken,
    demo_crm: crmToken,
  })) {
    await call("PUT", `/v1/secrets/${name}`, { value }, { status: [204] });
  }
  await publish(call);
  const keys = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as DemoKeys)
    : await createKeys(call, gateway);
  const current = { ...keys, url: gateway.url };
  writeFileSync(file, `${JSON.stringify(current, null, 2)}\n`, { mode: 0o600 });
  return current;
}

/** What a call may answer, and headers it needs besides the usual. */
interface Expected {
  readonly status: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
}

type Call = (method: string, path: string, body: unknown, expected: Expected) => Promise<Response>;

function caller(gateway: LocalGateway): Call {
  return async (method, at, body, expected) => {
    const response = await fetch(`${gateway.url}${at}`, {
      method,
      headers: {
        authorization: `Bearer ${gateway.secrets.rootKey}`,
        "interlock-tenant": TENANT,
        "content-type": "application/json",
        ...expected.headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!expected.status.includes(response.status))
      throw new Error(`${method} ${at} answered ${response.status}: ${await response.text()}`);
    return response;
  };
}

async function publish(call: Call): Promise<void> {
  const document: unknown = parse(readFileSync(path.join(root, "demo", "interlock.yaml"), "utf8"));
  const checked = (await (await call("POST", "/v1/config/check", document, { status: [200] })).json()) as {
    digest: string;
  };
  const current = await call("GET", "/v1/config", undefined, { status: [200, 404] });
  if (current.status === 404) {
    await call("PUT", "/v1/config", document, { status: [200] });
    return;
  }
  const { digest } = (await current.json()) as { digest: string };
  // The demo's own file is followed; a config that someone published since by hand is left alone.
  const isOurs = digest === checked.digest || current.headers.get("etag") === '"1"';
  if (digest !== checked.digest && isOurs)
    await call("PUT", "/v1/config", document, {
      status: [200],
      headers: { "if-match": current.headers.get("etag") ?? "" },
    });
}

async function createKeys(call: Call, gateway: LocalGateway): Promise<DemoKeys> {
  const create = async (role: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> => {
    const response = await call(
      "POST",
      "/v1/keys",
      { tenant: TENANT, name: `demo ${role}`, roles: [role], ...more },
      { status: [201] },
    );
    return ((await response.json()) as { key: string }).key;
  };
  return {
    url: gateway.url,
    tenant: TENANT,
    agent: await create("agent", { scopes: ["*"], actors: ["support_agent_v4"] }),
    operator: await create("operator", { actors: ["*"] }),
    approver: await create("approver", { actors: ["*"] }),
    auditor: await create("auditor", { actors: ["*"] }),
    admin: gateway.secrets.rootKey,
  };
}
