// Proves what is shown of coverage and dead letters: gaps by their id, never a rounded 100 %, and a re-drive that goes on until nothing is left.
import { afterEach, expect, test } from "vitest";
import { runCli, type CliRun } from "./run-cli.ts";
import { standIn, type StandIn } from "./stand-in.ts";

const stops: StandIn[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((each) => each.stop()));
});

/** A gateway that gives these answers in turn, and the CLI beside it. */
async function gateway(...answers: readonly unknown[]): Promise<{
  readonly sent: readonly string[];
  readonly run: (...args: readonly string[]) => Promise<CliRun>;
}> {
  const sent: string[] = [];
  const server = await standIn((request, response) => {
    request.resume();
    const answer = answers[Math.min(sent.length, answers.length - 1)];
    sent.push(`${request.method ?? ""} ${request.url ?? ""}`);
    response.writeHead(200).end(JSON.stringify(answer));
  });
  stops.push(server);
  const env = { INTERLOCK_URL: server.url, INTERLOCK_KEY: "test-key-123" };
  return { sent, run: (...args) => runCli(args, { cwd: import.meta.dirname, env }) };
}

const figures = { admitted: 20_001, stored: 20_000, missing: 1, coverage: 0.99995, settled: true };
const call = {
  session_id: "s1",
  seq: 7,
  kind: "execute_tool",
  tool_call_id: "tc_1",
  span_id: "00f067aa0ba902b7",
  trace_id: "tr_1",
  admitted_at: "2026-11-25T10:20:00.000Z",
};
const uncertain = { session_id: "s2", from_seq: 65, to_seq: 128, recorded: 3 };
const coverage = {
  settled_after_minutes: 30,
  total: { ...figures, settled: false },
  data: [{ hour: "2026-11-25T10:00:00.000Z", ...figures, missing_calls: [call], uncertain: [uncertain] }],
};

test("traces coverage: by the hour, in full only when it is, and each gap by its id where asked", async () => {
  const { run, sent } = await gateway(coverage);
  const shown = await run("traces", "coverage", "--since", "6h", "--until", "2026-11-25T12:00:00Z", "--missing");
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toContain("99.99 %");
  expect(shown.stdout).not.toContain("100");
  expect(shown.stdout).toMatch(/settled 30 minutes after its end/);
  expect(shown.stdout).toMatch(/s1 +7 +tc_1 +tr_1/);
  expect(shown.stdout).toContain("uncertain: s2 65 to 128, 3 of them recorded");
  const to = Date.parse("2026-11-25T12:00:00Z");
  expect(sent).toEqual([`GET /v1/coverage?from=${to - 6 * 3_600_000}&to=${to}`]);
});

test("traces coverage: a span that is none is a usage error", async () => {
  const { run, sent } = await gateway(coverage);
  expect((await run("traces", "coverage", "--since", "long")).code).toBe(2);
  expect((await run("traces", "coverage", "--until", "later")).code).toBe(2);
  expect(sent).toEqual([]);
});

test("traces redrive: until nothing is left, and not for ever", async () => {
  const { run, sent } = await gateway({ sent: 200, has_more: true }, { sent: 3, has_more: false });
  expect(await run("traces", "redrive")).toMatchObject({
    code: 0,
    stdout: "sent 203 parked messages back to the trace queue\n",
  });
  expect(sent).toHaveLength(2);
  const stuck = await gateway({ sent: 0, has_more: true });
  expect((await stuck.run("traces", "redrive")).code).toBe(0);
  expect(stuck.sent).toHaveLength(1);
});

test("traces dead-letters and retell: what lies there, and what was told again", async () => {
  const letter = { id: "acme/x", tenant: "acme", reason: "store_failed", lines: 3, bytes: 900, sent_at: "t" };
  const listed = await (await gateway({ data: [letter], next_cursor: null })).run("traces", "dead-letters");
  expect(listed.stdout).toMatch(/acme\/x +acme +store_failed +3 +900/);
  const told = await gateway({ retold: 2, untold: 1, has_more: false });
  expect((await told.run("traces", "retell", "--unsettled")).stdout).toBe(
    "recorded 2 missing tool calls again\n1 cannot be told: model calls, and calls that were never made\n",
  );
});
