// Proves how the CLI tells a refusal from a gateway that failed, is elsewhere, or is none.
import type { ServerResponse } from "node:http";
import { afterEach, expect, test } from "vitest";
import * as z from "zod/mini";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { GatewayClient } from "../../src/cli/gateway-client.ts";
import { NoContent, TenantCreated } from "../../src/cli/received.ts";
import { standIn, type StandIn } from "./stand-in.ts";

const stops: StandIn[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((each) => each.stop()));
});

async function answering(status: number, body: string, headers: Record<string, string> = {}): Promise<GatewayClient> {
  return clientOf((response) => void response.writeHead(status, headers).end(body));
}

async function clientOf(answer: (response: ServerResponse) => void): Promise<GatewayClient> {
  const server = await standIn((_, response) => answer(response));
  stops.push(server);
  return new GatewayClient({ origin: server.url, key: "test-key-123", tenant: undefined });
}

const GET = { method: "GET", path: "/v1/thing?version=1" } as const;

test("unknown members are tolerated and kept", async () => {
  const client = await answering(200, '{"id":"a","name":"b","later":true}', { etag: '"4"' });
  expect(await client.ask(GET, TenantCreated)).toEqual({
    ok: true,
    value: { id: "a", name: "b", later: true },
    etag: '"4"',
  });
});

test("a problem document reads `code: detail` with a line per mistake", async () => {
  const problem = { code: "invalid_request", detail: "no", errors: [{ path: "a.b", message: "expected a name" }] };
  const client = await answering(400, JSON.stringify(problem));
  await expect(client.get(GET, TenantCreated)).rejects.toMatchObject({
    exit: EXIT.refused,
    lines: ["invalid_request: no", "  a.b: expected a name"],
  });
});

test("a fault of the gateway could not run", async () => {
  const client = await answering(500, '{"code":"internal","detail":"something failed"}');
  await expect(client.get(GET, TenantCreated)).rejects.toMatchObject({
    exit: EXIT.couldNotRun,
    lines: ["internal: something failed"],
  });
});

test.each([
  ["another shape", 200, '{"id":1,"name":"b"}', /GET \/v1\/thing answered 200 without a valid id/],
  ["a page", 200, "<html>", /without a valid body/],
  ["an error page", 502, "<html>Bad gateway", /answered 502, and not with a problem document/],
  ["nothing", 404, "", /answered 404/],
])("%s is something unexpected", async (_, status, body, message) => {
  const client = await answering(status, body);
  await expect(client.get(GET, TenantCreated)).rejects.toMatchObject({ exit: EXIT.couldNotRun });
  await expect(client.get(GET, TenantCreated)).rejects.toThrow(message);
});

test("a body where none belongs is something unexpected", async () => {
  const client = await answering(200, "<html>");
  await expect(client.get({ method: "DELETE", path: "/v1/keys/key_1" }, NoContent)).rejects.toMatchObject({
    exit: EXIT.couldNotRun,
  });
});

test("a redirect is named and not followed: the key goes nowhere else", async () => {
  const elsewhere = await standIn((_, response) => void response.end("{}"));
  stops.push(elsewhere);
  const client = await answering(307, "", { location: `${elsewhere.url}/v1/thing` });
  await expect(client.get(GET, z.unknown())).rejects.toThrow(elsewhere.url);
  expect(elsewhere.seen).toEqual([]);
});

test("a broken answer could not run", async () => {
  const client = await clientOf((response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("{", () => response.destroy());
  });
  await expect(client.get(GET, TenantCreated)).rejects.toMatchObject({ exit: EXIT.couldNotRun });
});

test("nobody there is said with the address and how to name another", async () => {
  const gone = await standIn(() => undefined);
  await gone.stop();
  const client = new GatewayClient({ origin: gone.url, key: "k", tenant: undefined });
  await expect(client.get(GET, TenantCreated)).rejects.toMatchObject({
    exit: EXIT.couldNotRun,
    lines: [`could not reach ${gone.url}: ECONNREFUSED`, expect.stringContaining("--url")],
  });
});
