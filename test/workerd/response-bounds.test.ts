// Proves what a response never shows, what it may stand for at most, and that every answer which is kept has an id of its own.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createTenant, request, upstream, type TestTenant } from "./tenant.ts";

type Members = Readonly<Record<string, unknown>>;

const PROMPT = "secretPromptOfTheRelease";
const CONFIG = {
  sections: {
    providers: {
      up: { kind: "openai-compatible", base_url: "https://model.test/v1", secret: "upstream", dialects: ["responses"] },
      chat: { kind: "openai-compatible", base_url: "https://model.test/v1", secret: "upstream" },
    },
    models: Object.fromEntries(
      [
        ["m", "up"],
        ["other", "chat"],
      ].map(([name = "", provider]) => [
        name,
        {
          provider,
          context: 20_000_000,
          max_output_tokens: 100,
          price: { input_per_mtok_usd: 1, output_per_mtok_usd: 1 },
        },
      ]),
    ),
    routes: { again: { candidates: [{ model: "m" }], cache: { ttl_s: 600 } } },
    prompts: { kind: { versions: { "1": { system: PROMPT } } } },
    agents: { helper: { releases: { r1: { model: "m", prompt: "kind@1" } }, live: "r1" } },
  },
} as const;

let tenant: TestTenant;
let asks: Members[] = [];
let answered = 0;
let text = "hello";

beforeAll(async () => {
  tenant = await createTenant({}, {}, CONFIG);
});
beforeEach(() => {
  asks = [];
  text = "hello";
  upstream(async (asked) => {
    answered += 1;
    const body = await asked.json<Members>();
    asks.push(body);
    const response = responseOf(body);
    if (body["stream"] !== true) return Response.json(response);
    const event = (type: string, shown: Members): string =>
      `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: 0, response: shown })}\n\n`;
    const events = [
      event("response.created", { ...response, status: "in_progress", output: [] }),
      event("response.completed", response),
    ];
    return new Response(inPieces(events), { headers: { "content-type": "text/event-stream" } });
  });
});
afterEach(() => vi.restoreAllMocks());

function inPieces(pieces: readonly string[]): ReadableStream {
  return new ReadableStream({
    type: "bytes",
    async start(controller) {
      for (const piece of pieces) {
        controller.enqueue(new TextEncoder().encode(piece));
        await scheduler.wait(8);
      }
      controller.close();
    },
  });
}

/** A response that repeats what it was asked, as OpenAI's do. */
function responseOf({ instructions }: Members): Members {
  return {
    id: `resp_p${answered}`,
    object: "response",
    created_at: 1_700_000_000,
    status: "completed",
    instructions: instructions ?? null,
    model: "m",
    output: [
      {
        id: `msg_p${answered}`,
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
      },
    ],
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
  };
}

function create(body: Members, session?: string): Promise<Response> {
  return request("/v1/responses", tenant.agent, {
    method: "POST",
    headers: session === undefined ? {} : { "interlock-session": session },
    body: JSON.stringify({ model: "m", max_output_tokens: 20, ...body }),
  });
}

/** A response once it is kept. */
function kept(id: string, session?: string): Promise<Members> {
  return vi.waitFor(async () => {
    const found = await request(
      `/v1/responses/${id}`,
      tenant.agent,
      session === undefined ? {} : { headers: { "interlock-session": session } },
    );
    expect(found.status).toBe(200);
    return found.json<Members>();
  });
}

/** Makes an item of so many letters, and answers its name. */
async function item(letters: number, session: string): Promise<string> {
  text = "x".repeat(letters);
  const { id } = await (await create({ input: "one" }, session)).json<{ id: string }>();
  await kept(id, session);
  return id.replace("resp_", "msg_");
}

describe("items that a request names", () => {
  const naming = (ids: readonly string[]): Members => ({ input: ids.map((id) => ({ type: "item_reference", id })) });

  it("are counted as often as they are named", async () => {
    const id = await item(50_000, "b1");
    const before = asks.length;
    const refused = await create(naming(Array.from({ length: 12_000 }, () => id)), "b1");
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      error: { code: "invalid_request", message: expect.stringContaining("at most 256 item references") },
    });
    expect(asks).toHaveLength(before);
    expect((await create(naming([id, id]), "b1")).status).toBe(200);
    expect(asks.at(-1)?.["input"]).toMatchObject([{ id }, { id }]);
  });

  it("are no longer together than a body may be", async () => {
    const id = await item(100_000, "b2");
    const before = asks.length;
    const refused = await create(naming(Array.from({ length: 200 }, () => id)), "b2");
    expect(refused.status).toBe(413);
    expect(await refused.text()).toContain("with what it goes on from, the body is larger than 16777216 bytes");
    expect(asks).toHaveLength(before);
  });

  it("are not put into an input that is nested too deep", async () => {
    const id = await item(10, "b3");
    const deep = `{"model":"m","input":[{"type":"item_reference","id":"${id}"},${"[".repeat(5_000)}${"]".repeat(5_000)}]}`;
    const refused = await request("/v1/responses", tenant.agent, { method: "POST", body: deep });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain("nested more than 500 levels deep");
  });
});

describe("a release's prompt", () => {
  it.each([
    ["whole, to a caller without instructions", undefined, false],
    ["whole, to a caller with its own", "be brief", false],
    ["streamed, to a caller without instructions", undefined, true],
    ["streamed, to a caller with its own", "be brief", true],
  ])("is sent and neither shown nor kept: %s", async (_, instructions, stream) => {
    const asked = { model: "helper", input: "hi", ...(instructions === undefined ? {} : { instructions }), stream };
    const response = await create(asked);
    const shown = await response.text();
    expect(response.status, shown).toBe(200);
    expect(String(asks.at(-1)?.["instructions"])).toContain(PROMPT);
    expect(shown).not.toContain(PROMPT);
    expect(shown).toContain(`"instructions":${JSON.stringify(instructions ?? null)}`);
    const [, id = ""] = /"id":"(resp_[^"]+)"/.exec(shown) ?? [];
    expect(await kept(id)).toMatchObject({ instructions: instructions ?? null });
  });
});

describe("an answer that is given again", () => {
  it.each([
    ["whole", false],
    ["streamed", true],
  ])("has an id of its own, and leaves what the first caller goes on from alone: %s", async (way, stream) => {
    const asked = { model: "again", input: `hi, ${way}`, stream };
    const first = await create(asked);
    const session = first.headers.get("interlock-session");
    const [, id = ""] = /"id":"(resp_[^"]+)"/.exec(await first.text()) ?? [];
    await kept(id);
    const again = await vi.waitFor(async () => {
      const response = await create(asked);
      const body = await response.text();
      expect(response.headers.get("interlock-cache")).toBe("hit");
      return { body, session: response.headers.get("interlock-session") };
    });
    const ids = new Set([...again.body.matchAll(/"id":"(resp_[^"]+)"/g)].map(([, each = ""]) => each));
    expect(ids.size).toBe(1);
    const [own = ""] = ids;
    expect(own).not.toBe(id);
    expect(again.session).not.toBe(session);
    expect(await kept(own)).toMatchObject({ id: own });
    const sessionOf = async (previous: string): Promise<string | null> => {
      const response = await create({ input: "go on", previous_response_id: previous });
      expect(response.status).toBe(200);
      await response.body?.cancel();
      return response.headers.get("interlock-session");
    };
    expect(await sessionOf(id)).toBe(session);
    expect(await sessionOf(own)).toBe(again.session);
  });
});

describe("a tool's schema that is nested too deep", () => {
  it("is refused as that where it has to be translated", async () => {
    const nested = `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`;
    const body = `{"model":"other","input":"hi","max_output_tokens":20,"tools":[{"type":"function","name":"f","parameters":${nested}}]}`;
    const refused = await request("/v1/responses", tenant.agent, { method: "POST", body });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain("nested more than 500 levels deep");
  });
});
