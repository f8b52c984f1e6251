// Proves that an MCP client meets the whole protocol: the official suite scores in full, in both revisions, with the reference upstream behind.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requiredScenarios, runConformance, type Revision } from "../mcp/conformance.ts";
import { startHostileUpstream } from "../mcp/hostile-upstream.ts";
import { startReferenceUpstream, type Era, type ReferenceUpstream } from "../mcp/reference-upstream.ts";
import { openSubject, SUBJECTS, type SubjectKind } from "../mcp/subject.ts";
import { Teardown } from "../mcp/teardown.ts";
import { withKey, type KeyedEndpoint } from "../mcp/with-key.ts";
import { until } from "./harness.ts";

const LONG_MS = 180_000;

/** Scenarios that a revision requires: a new release of the suite that asks for less is noticed. */
const REQUIRED: Readonly<Record<Revision, number>> = { "2026-07-28": 37, "2025-11-25": 30 };
const REVISIONS = ["2026-07-28", "2025-11-25"] as const;

/** Not scored, but held: the suite's own reference cannot pass them, the upstream does. */
const HELD: Readonly<Record<Revision, readonly string[]>> = {
  "2026-07-28": ["json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"],
  "2025-11-25": ["json-schema-2020-12"],
};

interface Opened {
  readonly upstream: ReferenceUpstream;
  readonly endpoint: KeyedEndpoint;
}

async function open(kind: SubjectKind, era: Era, teardown: Teardown): Promise<Opened> {
  const upstream = await teardown.add(startReferenceUpstream({ era }), ({ stop }) => stop());
  const servers = { reference: { url: upstream.url } };
  const subject = await teardown.add(openSubject(kind, servers), ({ close }) => close());
  const { url, headers } = subject.endpointOf("reference");
  const key = headers["authorization"]?.replace("Bearer ", "") ?? "no-key-needed";
  return { upstream, endpoint: await teardown.add(withKey(url, key), ({ stop }) => stop()) };
}

/** Runs with a teardown of its own. */
async function within<T>(act: (teardown: Teardown) => Promise<T>): Promise<T> {
  const teardown = new Teardown();
  try {
    return await act(teardown);
  } finally {
    await teardown.run();
  }
}

test.each(REVISIONS)("the suite requires as many server scenarios of %s as when this was written", (revision) => {
  expect(requiredScenarios(revision)).toHaveLength(REQUIRED[revision]);
});

test(
  "the runner tells failures: a server without sessions does not pass for one of 2025-11-25, unless it is expected not to",
  () =>
    within(async (teardown) => {
      const { endpoint } = await open("direct", "modern", teardown);
      const run = { url: endpoint.url, requirements: "2025-11-25", subject: "direct, without sessions" } as const;
      const verdict = await runConformance(run);
      expect([verdict.isAsExpected, verdict.passed < 5]).toEqual([false, true]);
      expect(verdict.passed + verdict.failed).toBe(REQUIRED["2025-11-25"]);
      expect(verdict.failures).toContain("server-initialize");
      const expectedFailures = verdict.scenarios.filter((each) => !each.passed).map((each) => each.name);
      expect((await runConformance({ ...run, expectedFailures })).isAsExpected).toBe(true);
    }),
  LONG_MS,
);

test("the proxy that adds the key passes the rest on as it came, and lets go when its caller does", () =>
  within(async (teardown) => {
    const hostile = await teardown.add(startHostileUpstream(), ({ stop }) => stop());
    const endpoint = await teardown.add(withKey(hostile.url, "the-key"), ({ stop }) => stop());
    hostile.faults.set("tools/call", "hang_mid_sse");
    const leaving = new AbortController();
    const answer = await fetch(endpoint.url, {
      method: "POST",
      headers: { "content-type": "application/json", origin: "http://evil.example" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "act" } }),
      signal: leaving.signal,
    });
    const first = await answer.body?.getReader().read();
    expect(new TextDecoder().decode(first?.value)).toContain("step 1");
    expect(hostile.arrived()).toMatchObject([
      { headers: { authorization: "Bearer the-key", origin: "http://evil.example", host: new URL(endpoint.url).host } },
    ]);
    leaving.abort();
    await until("the upstream to be left", () => Promise.resolve(hostile.running() === 0 || undefined));
  }));

describe.each(SUBJECTS)("the conformance suite, %s", (kind) => {
  const teardown = new Teardown();
  let opened: Opened;
  beforeAll(async () => {
    opened = await open(kind, "both", teardown);
  });
  afterAll(() => teardown.run());

  test.each(REVISIONS)(
    "%s: every required scenario passes",
    async (requirements) => {
      const verdict = await runConformance({ url: opened.endpoint.url, requirements, subject: kind });
      expect([verdict.passed, verdict.failed], verdict.failures).toEqual([REQUIRED[requirements], 0]);
      expect(verdict.isAsExpected).toBe(true);
      const passed = verdict.scenarios.filter((scenario) => scenario.passed).map((scenario) => scenario.name);
      expect(passed).toEqual(expect.arrayContaining([...HELD[requirements]]));
      expect(opened.upstream.calls().length).toBeGreaterThan(REQUIRED[requirements]);
    },
    LONG_MS,
  );
});

/** A client in one revision over an upstream that knows the other alone. What cannot be carried over is printed, not held. */
const ACROSS: readonly (readonly [Revision, Era])[] = [
  ["2026-07-28", "legacy"],
  ["2025-11-25", "modern"],
];

describe.each(["gateway"] as const)("across revisions, %s", (kind) => {
  test.each(ACROSS)(
    "%s over an upstream that is %s: the score is printed, and most of it passes",
    (requirements, era) =>
      within(async (teardown) => {
        const { endpoint } = await open(kind, era, teardown);
        const verdict = await runConformance({ url: endpoint.url, requirements, subject: `${kind}, upstream ${era}` });
        console.log(verdict.failures);
        expect(verdict.passed).toBeGreaterThan(REQUIRED[requirements] / 2);
      }),
    LONG_MS,
  );
});
