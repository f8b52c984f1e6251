// Proves what people type about routing: what is asked, and what is shown of the answer.
import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { runCli } from "./run-cli.ts";
import { standIn, type StandIn } from "./stand-in.ts";

const stops: StandIn[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((each) => each.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

test("explain: sends the request, shows the tier, the rules and what would change it", async () => {
  const sent: string[] = [];
  const server = await standIn(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    sent.push([request.method, request.url, Buffer.concat(chunks).toString()].join(" "));
    response.end(
      JSON.stringify({
        asked: "auto",
        may_ask: false,
        tier: "fast",
        models: ["small", "other"],
        reason: "default",
        rules: [
          { id: "risky", tier: "planning", matched: false, values: {} },
          { id: "odd", tier: "fast", matched: true, error: "division by zero", values: {} },
        ],
        changes: [{ when: "failures >= 2", tier: "planning", reason: "rule:failed", models: ["large"] }],
      }),
    );
  });
  stops.push(server);
  const folder = mkdtempSync(path.join(tmpdir(), "interlock-routes-"));
  folders.push(folder);
  const file = path.join(folder, "request.json");
  writeFileSync(file, '{"messages": []}');
  const env = { INTERLOCK_URL: server.url, INTERLOCK_KEY: "test-key-123" };
  const ran = await runCli(["routes", "explain", file, "--actor", "clerk"], { cwd: folder, env });
  expect(sent).toEqual(['POST /v1/routes/explain {"model":"auto","actor":"clerk","request":{"messages":[]}}']);
  expect(ran).toMatchObject({ code: 0 });
  expect(ran.stdout.split("\n").slice(0, -1)).toEqual([
    "auto: tier fast (default), answered by small, then other",
    'refused: the actor does not list "auto"',
    "  -        risky (planning)",
    "  matches  odd (fast): division by zero",
    "→ failures >= 2: planning (rule:failed)",
  ]);
  expect((await runCli(["routes", "explain", "missing.json"], { cwd: folder, env })).code).toBe(2);
});
