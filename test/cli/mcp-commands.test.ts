// Proves `interlock mcp`: what is sent, what is shown of a stranger's text, how it ends.
import { expect, test } from "vitest";
import { recordingGateway, type Sent } from "./recording-gateway.ts";
import type { CliRun } from "./run-cli.ts";

async function gateway(
  answer: unknown,
  status?: number,
): Promise<{ readonly sent: readonly Sent[]; readonly run: (...args: readonly string[]) => Promise<CliRun> }> {
  const { sent, run } = await recordingGateway(answer, status);
  return { sent, run: (...args) => run(["mcp", ...args]) };
}

const [PINNED, CURRENT] = ["a".repeat(64), "b".repeat(64)];
const server = { server: "crm", url: "/mcp", service: "CRM", pin: "tool", pinned_digest: PINNED, accepted: 2 };
const tool = { effect: "write", hidden: false, unusable: null, definition: null, diff: [], flags: [] };

test("servers lists what is configured", async () => {
  const { run, sent } = await gateway({ data: [server] });
  const listed = await run("servers");
  expect(listed).toMatchObject({ code: 0, stderr: "" });
  expect(listed.stdout.split("\n")).toEqual([
    "SERVER  AT        PIN   ACCEPTED  SET",
    "crm     CRM /mcp  tool  2         aaaaaaaaaaaa",
    "",
  ]);
  expect(sent).toMatchObject([{ method: "GET", url: "/v1/mcp/servers" }]);
});

test("show tells diff and flags, and no terminal obeys what a server wrote", async () => {
  const { run, sent } = await gateway({
    ...server,
    protocol_version: "2026-07-28",
    server_info: { name: "CRM", version: "1.2" },
    current_digest: CURRENT,
    tools: [
      { ...tool, name: "search", state: "changed", diff: [{ says: 'description: "a" → "b"' }] },
      {
        ...tool,
        name: "create",
        state: "new",
        definition: { description: "Creates.\u001b[2J\u202e" },
        flags: [{ path: "description", kind: "hidden_text", severity: "danger", excerpt: String.raw`\u{1b}` }],
      },
      { ...tool, name: "bad name", state: "unusable", unusable: "no tool name" },
    ],
  });
  const shown = await run("show", "crm");
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout.split("\n")).toEqual([
    "crm: CRM 1.2, MCP 2026-07-28",
    "TOOL      STATE     EFFECT  FLAGS",
    "search    changed   write   -",
    "create    new       write   1 danger",
    "bad name  unusable  write   -",
    "search, changed",
    '  description: "a" → "b"',
    "create, new",
    String.raw`  description: Creates.\u001b[2J\u202e`,
    String.raw`  danger: hidden text in description: \u{1b}`,
    "bad name, unusable",
    "  cannot be a tool: no tool name",
    `accepted ${PINNED}`,
    `offered  ${CURRENT}`,
    `take it over with: interlock mcp accept crm --digest ${CURRENT}`,
    "",
  ]);
  expect(sent).toMatchObject([{ method: "GET", url: "/v1/mcp/servers/crm" }]);
});

test("accept sends what was typed, and says what was published", async () => {
  const { run, sent } = await gateway({
    server: "crm",
    status: "accepted",
    version: 7,
    pinned_digest: CURRENT,
    tools: ["search", "create"],
  });
  const done = await run(
    "accept",
    "crm",
    "--digest",
    CURRENT,
    "--tool",
    "search",
    "create",
    "--accept-flags",
    "--reason",
    "ok",
  );
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toBe(`crm: took over search, create (published version 7)\naccepted ${CURRENT}\n`);
  await run("accept", "crm", "--digest", CURRENT);
  expect(sent).toEqual([
    {
      method: "POST",
      url: "/v1/mcp/servers/crm/accept",
      body: { digest: CURRENT, tools: ["search", "create"], flags: "accepted", reason: "ok" },
    },
    { method: "POST", url: "/v1/mcp/servers/crm/accept", body: { digest: CURRENT } },
  ]);
});

test("what cannot be meant is a usage error, and a refusal is one", async () => {
  const { run, sent } = await gateway({}, 200);
  for (const args of [["accept", "crm"], ["accept", "crm", "--digest", "abc"], ["show", "no/server"], ["show"]])
    expect((await run(...args)).code).toBe(2);
  expect(sent).toEqual([]);
  const refusing = await gateway(
    {
      type: "/errors/flags_not_accepted",
      title: "t",
      status: 409,
      code: "flags_not_accepted",
      detail: '"bad" reads like orders',
      errors: [{ path: "bad.description", message: "tag: <IMPORTANT>" }],
    },
    409,
  );
  const refused = await refusing.run("accept", "crm", "--digest", CURRENT);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("bad.description: tag: <IMPORTANT>");
});
