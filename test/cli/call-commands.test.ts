// Proves what people type about calls that were made: list, resolve, compensate, withdraw; what is sent, what is shown.
import { afterEach, expect, test } from "vitest";
import { runCli, type CliRun } from "./run-cli.ts";
import { standIn, type StandIn } from "./stand-in.ts";

const ID = `tc_${"a".repeat(32)}`;
const stops: StandIn[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((each) => each.stop()));
});

/** Runs a command against a gateway that answers this; what was sent comes back with it. */
async function run(answer: unknown, args: readonly string[]): Promise<CliRun & { readonly sent: readonly string[] }> {
  const sent: string[] = [];
  const server = await standIn(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    sent.push([request.method, request.url, Buffer.concat(chunks).toString()].join(" ").trim());
    response.end(JSON.stringify(answer));
  });
  stops.push(server);
  const env = { INTERLOCK_URL: server.url, INTERLOCK_KEY: "test-key-123" };
  return { ...(await runCli(args, { cwd: import.meta.dirname, env })), sent };
}

test("list: asks for what is named and shows a table", async () => {
  const line = { id: ID, status: "unknown", actor: "clerk", tool: "pay", session_id: "s", changed_at: "2026-11-25" };
  const ran = await run({ data: [line], next_cursor: null }, ["calls", "list", "--status", "unknown", "--tool", "pay"]);
  expect(ran).toMatchObject({ code: 0, sent: ["GET /v1/tool-calls?status=unknown&tool=pay"] });
  expect(ran.stdout).toContain("unknown  clerk  pay");
});

test("resolve: sends outcome, evidence and result; wants both of the first", async () => {
  const args = ["calls", "resolve", ID, "--outcome", "succeeded", "--evidence", "seen", "--result", '{"id":"p"}'];
  const ran = await run({ id: ID, status: "succeeded" }, args);
  expect(ran.sent).toEqual([
    `POST /v1/tool-calls/${ID}/resolve {"outcome":"succeeded","evidence":"seen","result":{"id":"p"}}`,
  ]);
  expect(ran).toMatchObject({ code: 0, stdout: `${ID}: succeeded\n` });
  expect((await run({}, ["calls", "resolve", ID, "--outcome", "maybe", "--evidence", "seen"])).code).toBe(2);
  expect((await run({}, ["calls", "resolve", ID, "--outcome", "failed"])).code).toBe(2);
  expect((await run({}, ["calls", "resolve", "tc_1", "--outcome", "failed", "--evidence", "e"])).code).toBe(2);
});

test("compensate: shows how it stands, with every member of a saga", async () => {
  const member = { tool_call_id: ID, tool: "pay", status: "not_compensable", message: "no way back" };
  const answer = { id: ID, status: "succeeded", saga: { status: "partly_undone", members: [member] } };
  const ran = await run(answer, ["calls", "compensate", ID, "--saga"]);
  expect(ran.sent).toEqual([`POST /v1/tool-calls/${ID}/compensate {"saga":true}`]);
  expect(ran.stdout).toContain(`saga: partly_undone\n  ${ID}  pay: not_compensable (no way back)`);
});

test("withdraw and show: one call each", async () => {
  const answer = { id: ID, status: "withdrawn" };
  expect((await run(answer, ["calls", "withdraw", ID])).sent).toEqual([`POST /v1/tool-calls/${ID}/withdraw {}`]);
  expect((await run(answer, ["calls", "show", ID])).stdout).toContain("status: withdrawn");
});
