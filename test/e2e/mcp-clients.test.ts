// Proves that the MCP clients people use work unmodified, against the protocol's own everything server and the reference upstream.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DRIVERS, type Driver, type Feature } from "../mcp/drivers.ts";
import { startEverything } from "../mcp/everything.ts";
import { startReferenceUpstream } from "../mcp/reference-upstream.ts";
import { openSubject, SUBJECTS, type Subject, type SubjectKind } from "../mcp/subject.ts";
import { Teardown } from "../mcp/teardown.ts";

/** The everything server, and the reference upstream beside it. */
async function openBoth(kind: SubjectKind, teardown: Teardown): Promise<Subject> {
  const everything = await teardown.add(startEverything(), ({ stop }) => stop());
  const reference = await teardown.add(startReferenceUpstream(), ({ stop }) => stop());
  const servers = { everything: { url: everything.url }, reference: { url: reference.url } };
  return teardown.add(openSubject(kind, servers), ({ close }) => close());
}

const ALWAYS_LISTED = ["echo", "get-sum", "get-structured-content", "trigger-long-running-operation"];

/** Something that the driver's kind has, by the features it is listed with. */
function having<T>(member: T | undefined): T {
  if (member === undefined) throw new Error("the driver lacks what its features name");
  return member;
}

describe.each(SUBJECTS)("%s", (kind) => {
  const teardown = new Teardown();
  let subject: Subject;
  beforeAll(async () => {
    subject = await openBoth(kind, teardown);
  });
  afterAll(() => teardown.run());

  describe.each(DRIVERS)("$name", ({ features, connect }) => {
    let everything: Driver;
    beforeAll(async () => {
      everything = await connect(subject.endpointOf("everything"), kind);
    });
    afterAll(() => everything.close());
    const testIf = (feature: Feature) => (features.includes(feature) ? [feature] : []);

    test("lists the tools under their own names", async () => {
      expect(await everything.listTools()).toEqual(expect.arrayContaining(ALWAYS_LISTED));
    });

    test("calls tools, and gets their text and structured content", async () => {
      expect(await everything.callTool("echo", { message: "hello" })).toMatchObject({
        text: "Echo: hello",
        isError: false,
      });
      expect((await everything.callTool("get-sum", { a: 2, b: 40 })).text).toContain("42");
      const weather = await everything.callTool("get-structured-content", { location: "Chicago" });
      expect(weather.structured).toEqual({ temperature: 36, conditions: "Light rain / drizzle", humidity: 82 });
    });

    test("is told of a call that fails", async () => {
      const outcome = await everything.callTool("get-sum", { a: "no number", b: 1 }).then(
        (answer) => answer.isError,
        (error: unknown) => error instanceof Error,
      );
      expect(outcome).toBe(true);
    });

    test.each(testIf("progress"))("is told of %s while a tool runs", async () => {
      const seen: (readonly [number, number])[] = [];
      const args = { duration: 0.4, steps: 4 };
      const done = await everything.callTool("trigger-long-running-operation", args, (progress, total) =>
        seen.push([progress, total]),
      );
      expect(done.text).toContain("Steps: 4");
      expect(seen.slice(0, 3)).toEqual([1, 2, 3].map((step) => [step, 4]));
    });

    test.each(testIf("resources"))("lists and reads %s", async () => {
      const uris = await having(everything.listResources)();
      expect(uris).toContain("demo://resource/static/document/features.md");
      expect(await having(everything.readResource)("demo://resource/static/document/features.md")).toContain("Tools");
      const dynamic = await having(everything.readResource)("demo://resource/dynamic/text/7");
      expect(dynamic).toContain("Resource 7");
    });

    test.each(testIf("prompts"))("lists and gets %s", async () => {
      const names = await having(everything.listPrompts)();
      expect(names).toEqual(expect.arrayContaining(["simple-prompt", "args-prompt", "completable-prompt"]));
      const text = await having(everything.getPrompt)("args-prompt", { city: "Paris", state: "Texas" });
      expect(text).toContain("Paris, Texas");
    });

    test.each(testIf("completion"))("gets %s of a prompt's arguments, with context", async () => {
      const complete = having(everything.complete);
      expect(await complete("completable-prompt", "department", "S")).toEqual(["Sales", "Support"]);
      expect(await complete("completable-prompt", "name", "", { department: "Sales" })).toEqual([
        "David",
        "Eve",
        "Frank",
      ]);
    });

    test.each(testIf("asking"))("is asked for its user's word by a tool, and the tool goes on: %s", async () => {
      const reference = await connect(subject.endpointOf("reference"), kind);
      try {
        const hello = await reference.callTool("test_input_required_result_elicitation", {});
        expect(hello).toMatchObject({ text: "Hello, Ada!", isError: false });
      } finally {
        await reference.close();
      }
    });
  });

  test("the official client v2 speaks 2026-07-28 to whoever offers it", async () => {
    const [newest] = DRIVERS;
    const driver = await having(newest).connect(subject.endpointOf("reference"), kind);
    try {
      expect(driver.revision).toBe("2026-07-28");
      expect((await driver.callTool("structured_sum", { a: 1, b: 2 })).structured).toEqual({ sum: 3 });
    } finally {
      await driver.close();
    }
  });
});

describe.each(["gateway"] as const)("all servers at once, %s", (kind) => {
  const teardown = new Teardown();
  let subject: Subject;
  beforeAll(async () => {
    subject = await openBoth(kind, teardown);
  });
  afterAll(() => teardown.run());

  test.each(DRIVERS)("$name lists every server's tools under prefixed names, and calls them", async ({ connect }) => {
    const driver = await connect(subject.all(), kind);
    try {
      const names = await driver.listTools();
      expect(names).toEqual(expect.arrayContaining(["everything.echo", "reference.test_simple_text"]));
      expect((await driver.callTool("everything.echo", { message: "hello" })).text).toBe("Echo: hello");
      const simple = await driver.callTool("reference.test_simple_text", {});
      expect(simple.text).toBe("This is a simple text response for testing.");
    } finally {
      await driver.close();
    }
  });

  test.each(DRIVERS)("$name without a key is refused", async ({ connect }) => {
    const { url } = subject.all();
    const connectAndList = async (): Promise<void> => {
      const driver = await connect({ url, headers: {} }, kind);
      try {
        await driver.listTools();
      } finally {
        await driver.close();
      }
    };
    await expect(connectAndList()).rejects.toThrow();
  });
});
