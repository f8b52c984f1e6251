// Proves `interlock releases watch` and `releases compare`: what is asked, what is shown.
import { afterEach, expect, test } from "vitest";
import { runCli, type CliRun } from "./run-cli.ts";
import { standIn, type StandIn } from "./stand-in.ts";

const stops: StandIn[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((each) => each.stop()));
});

/** A gateway that answers this to everything, and the CLI beside it. */
async function gateway(
  answer: unknown,
): Promise<{ readonly asked: readonly string[]; readonly run: (...args: readonly string[]) => Promise<CliRun> }> {
  const asked: string[] = [];
  const server = await standIn((request, response) => {
    asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
    response.end(JSON.stringify(answer));
  });
  stops.push(server);
  const env = { INTERLOCK_URL: server.url, INTERLOCK_KEY: "test-key-123" };
  return { asked, run: (...args) => runCli(["releases", ...args], { cwd: import.meta.dirname, env }) };
}

const errors = {
  id: "errors",
  state: "worse",
  live: 0.05,
  canary: 0.30123,
  delta: 0.25123,
  lower: 0.11,
  upper: 0.39,
  p: 0.000012,
};
const cost = { id: "cost", state: "watching", live: null, canary: null, delta: null, lower: null, upper: null, p: 1 };
const look = {
  says: "150 sessions of r2, 150 of r1. errors moved by 25 %",
  state: "worse",
  metrics: [errors, cost],
  sample_ratio: null,
};

test("watch shows each watch with its figures, and that shares are not as drawn", async () => {
  const watches = [
    { ...look, release: "r2", status: "ended", looked_at: "2026-11-26T10:00:00Z", sample_ratio: { is_alarm: true } },
  ];
  const { run, asked } = await gateway({ agent: "helper", canary: null, watches });
  const shown = await run("watch", "helper");
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout.split("\n")).toEqual([
    `r2 ended, looked at 2026-11-26T10:00:00Z: ${look.says}`,
    "METRIC  BEFORE  AFTER  CHANGE  BETWEEN       P         STATE",
    "errors  0.05    0.301  0.251   0.11 to 0.39  0.000012  worse",
    "cost    -       -      -       -             1         watching",
    "sessions are not split as they were drawn: find out why before you trust the rest",
    "",
  ]);
  expect(asked).toEqual(["GET /v1/agents/helper/canary"]);
});

test("watch says when there is no canary, and when nobody has looked yet", async () => {
  const none = await gateway({ agent: "helper", canary: null, watches: [] });
  expect((await none.run("watch", "helper")).stdout).toBe("helper has no canary\n");
  const young = await gateway({ agent: "helper", canary: "r2", watches: [] });
  expect((await young.run("watch", "helper")).stdout).toContain("nobody has looked at yet");
});

test("compare sends the window and shows what its figures do not promise", async () => {
  const { run, asked } = await gateway({ ...look, note: "says less than its p", is_cut: true });
  const shown = await run("compare", "helper", "r1", "r2", "--from", "2026-11-01");
  expect(shown.stdout).toContain("mind: says less than its p");
  expect(shown.stdout).toContain("its first ones are compared");
  expect(asked).toEqual(["GET /v1/agents/helper/compare?a=r1&b=r2&from=2026-11-01"]);
});

test("what is no agent's name reaches no gateway", async () => {
  const { run, asked } = await gateway(look);
  expect(await run("watch", "../keys")).toMatchObject({ code: 2 });
  expect(await run("compare", "../keys", "a", "b")).toMatchObject({ code: 2 });
  expect(asked).toEqual([]);
});
