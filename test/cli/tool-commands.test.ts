// Proves what people type to import tools and to rotate credentials: what is printed, what is asked for, how it ends.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { parse } from "yaml";
import { runCli, type CliRun } from "./run-cli.ts";
import { standIn, type StandIn } from "./stand-in.ts";

const CRM = fileURLToPath(new URL("../corpus/openapi-crm.yaml", import.meta.url));
const stops: StandIn[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((each) => each.stop()));
});

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliRun> {
  return runCli(args, { cwd: import.meta.dirname, env });
}

test("tools import: prints the tools for review without a gateway or a key, and what is left out on stderr", async () => {
  const done = await run(["tools", "import", CRM, "--prefix", "crm", "--server", "https://x.example"]);
  expect(done.code).toBe(0);
  const { tools } = parse(done.stdout) as { tools: Readonly<Record<string, { url: string; effect: string }>> };
  expect(tools["crm.deleteCustomer"]).toMatchObject({
    url: "https://x.example/customers/{id}",
    effect: "irreversible",
  });
  expect(done.stderr).toContain("6 tools, 6 operations left out");
  expect(done.stderr).toContain('"upload" is not imported: its request body is multipart/form-data');
  expect(done.stderr).toContain('look at "getCustomer": asks for oauth: give it an `auth`');
});

test("tools import: takes a choice, prints JSON, and names what the document does not have", async () => {
  const done = await run(["--json", "tools", "import", CRM, "--only", "getCustomer, login"]);
  expect(JSON.parse(done.stdout)).toMatchObject({ tools: { getCustomer: {}, login: {} }, skipped: [] });
  const wrong = await run(["tools", "import", CRM, "--only", "getCustomr"]);
  expect(wrong).toMatchObject({ code: 1, stdout: "" });
  expect(wrong.stderr).toContain('did you mean "getCustomer"?');
});

test("tools import: fetches an address, and says what is wrong with it", async () => {
  const server = await standIn((request, response) => {
    if (request.url === "/crm.yaml") response.end(readFileSync(CRM));
    else response.writeHead(404).end();
  });
  stops.push(server);
  const fetched = await run(["tools", "import", "--from", `${server.url}/crm.yaml`]);
  expect(fetched).toMatchObject({ code: 0 });
  expect(await run(["tools", "import", "--from", `${server.url}/none`])).toMatchObject({ code: 3, stdout: "" });
  expect(await run(["tools", "import"])).toMatchObject({ code: 2 });
  expect(await run(["tools", "import", CRM, "--from", server.url])).toMatchObject({ code: 2 });
  expect(await run(["tools", "import", "nowhere.yaml"])).toMatchObject({ code: 2 });
});

test("secrets rotate: asks for a new data key or keeps it, and fails where a credential cannot be read", async () => {
  const bodies: string[] = [];
  let unreadable: readonly string[] = [];
  const server = await standIn(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    bodies.push(`${request.method ?? ""} ${request.url ?? ""} ${text}`);
    response.end(JSON.stringify({ data_key: "2-ab", secrets: 3, resealed: 2, rewrapped: 1, unreadable }));
  });
  stops.push(server);
  const env = { INTERLOCK_URL: server.url, INTERLOCK_KEY: "test-key-123" };
  const done = await run(["secrets", "rotate"], env);
  expect(done).toMatchObject({ code: 0, stdout: "sealed 2 of 3 secrets anew, wrapped 1 data keys anew\n" });
  unreadable = ["billing"];
  const partly = await run(["secrets", "rotate", "--keep-data-key"], env);
  expect(partly.code).toBe(1);
  expect(partly.stderr).toContain("no root key of the deployment opens billing: store them again");
  expect(bodies).toEqual(['POST /v1/secrets/rotate {"data_key":"new"}', 'POST /v1/secrets/rotate {"data_key":"keep"}']);
});
