// Proves over the bundle that an official MCP client finds its way from the gateway's address to the tenant's issuer, one that is really asked over the network.
import { createServer, type Server } from "node:http";
import {
  discoverAuthorizationServerMetadata,
  discoverOAuthProtectedResourceMetadata,
  discoverOAuthServerInfo,
} from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACTOR } from "./document.ts";
import { openStage, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let tenant: Tenant;
let keysOnly: Tenant;
let server: Server;
let issuer: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const isKnown = request.url === "/acme/.well-known/openid-configuration";
    response.writeHead(isKnown ? 200 : 404, { "content-type": "application/json" });
    response.end(
      JSON.stringify(
        isKnown
          ? {
              issuer,
              authorization_endpoint: `${issuer}/authorize`,
              token_endpoint: `${issuer}/token`,
              jwks_uri: `${issuer}/keys`,
              response_types_supported: ["code"],
              subject_types_supported: ["public"],
              id_token_signing_alg_values_supported: ["ES256"],
              code_challenge_methods_supported: ["S256"],
            }
          : {},
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the issuer has no port");
  issuer = `http://127.0.0.1:${address.port}/acme`;
  stage = await openStage();
  const identity = { issuers: { acme: { issuer, actor: { default: ACTOR }, scopes: { prefix: "gw:" } } } };
  tenant = await stage.tenant({
    hosts: [`127.0.0.1:${address.port}`],
    sections: { identity, mcp: { servers: { crm: { url: "/mcp", service: "DEMO" } } } },
  });
  keysOnly = await stage.tenant();
});

afterAll(async () => {
  await stage?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
});

const address = (path: string, id: string): string => `${stage.gateway.url}${path}?tenant=${id}`;

describe("an official client", () => {
  test("reads what the resource is, and holds it against its schema", async () => {
    const found = await discoverOAuthProtectedResourceMetadata(address("/mcp", tenant.id));
    expect(found).toMatchObject({
      resource: address("/mcp", tenant.id),
      authorization_servers: [issuer],
      bearer_methods_supported: ["header"],
      resource_name: "Interlock",
      resource_documentation: `${stage.gateway.url}/docs`,
    });
    expect(found.scopes_supported).toEqual(expect.arrayContaining(["gw:billing:write", "gw:crm:read"]));
    const one = await discoverOAuthProtectedResourceMetadata(address("/mcp/crm", tenant.id));
    expect(one).toMatchObject({ resource: address("/mcp/crm", tenant.id), resource_name: "Interlock: crm" });
  });

  test("goes on from there to the issuer", async () => {
    const info = await discoverOAuthServerInfo(address("/mcp", tenant.id));
    expect(info.authorizationServerUrl).toBe(issuer);
    expect(await discoverAuthorizationServerMetadata(issuer)).toMatchObject({ issuer });
  });

  test("finds nothing where API keys are all that counts", async () => {
    for (const url of [
      address("/mcp", keysOnly.id),
      address("/mcp", "nobody"),
      address("/mcp/none", tenant.id),
      `${stage.gateway.url}/mcp`,
    ])
      await expect(discoverOAuthProtectedResourceMetadata(url)).rejects.toThrow(/metadata/i);
  });
});

describe("the documents", () => {
  test("are public: any page may read them, and no key is asked for", async () => {
    const path = `/.well-known/oauth-protected-resource/mcp?tenant=${tenant.id}`;
    const { status, headers } = await stage.send("GET", path, undefined, {
      headers: { origin: "https://any.example" },
    });
    expect([status, headers.get("access-control-allow-origin")]).toEqual([200, "*"]);
    expect(headers.get("cache-control")).toBe("max-age=60");
    expect((await stage.send("OPTIONS", path)).status).toBe(204);
    expect((await stage.send("HEAD", path)).status).toBe(200);
    expect((await stage.send("POST", path, {})).status).toBe(404);
  });

  test("of a config that cannot sign anybody in is never published", async () => {
    const refused = await stage.send(
      "POST",
      "/v1/config/check",
      {
        actors: { a: {} },
        identity: { issuers: { acme: { issuer: "https://idp.example", actor: { default: "b" } } } },
      },
      { key: stage.gateway.secrets.rootKey, headers: { "interlock-tenant": tenant.id } },
    );
    expect(refused.text).toContain("identity.issuers.acme.issuer");
    expect(refused.text).toContain("is not in egress.allow");
    expect(refused.text).toContain('no such actor \\"b\\"');
  });
});
