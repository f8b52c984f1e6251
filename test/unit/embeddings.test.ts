// Proves embeddings: what can be embedded, what passes untouched, what Google is asked in its own words and answers.
import { describe, expect, it } from "vitest";
import { NO_USAGE } from "../../src/core/budget/price.ts";
import { readGeminiEmbeddings, writeGeminiEmbeddings } from "../../src/core/dialect/embeddings/gemini.ts";
import { embeddingsWire } from "../../src/core/dialect/embeddings/wire.ts";
import { locateMembers, type ObjectText } from "../../src/core/json/members.ts";

function located(value: unknown): ObjectText {
  const found = locateMembers(typeof value === "string" ? value : JSON.stringify(value));
  if (found === undefined) throw new Error("no object");
  return found;
}

describe("a request for embeddings", () => {
  it.each<readonly [unknown]>([
    ["hello"],
    [["hello", "you"]],
    [[1, 2, 3]],
    [[[1, 2], [3]]],
    [Array.from({ length: 2_048 }, () => "x")],
    [Array.from({ length: 3_000 }, () => 7)],
  ])("may have the input %j", (input) => {
    expect(embeddingsWire.readFields(located({ model: "m", input }), {})).toEqual({
      ok: true,
      value: { model: "m", isStream: false, wantsUsage: true, maxOutput: undefined, choices: 1 },
    });
  });

  it.each<readonly [object, string]>([
    [{ input: "x" }, "model"],
    [{ model: "m" }, "input"],
    [{ model: "m", input: "" }, "input"],
    [{ model: "m", input: [] }, "input"],
    [{ model: "m", input: ["a", ""] }, "input"],
    [{ model: "m", input: ["a", 1] }, "input"],
    [{ model: "m", input: [[1], []] }, "input"],
    [{ model: "m", input: [1.5] }, "input"],
    [{ model: "m", input: { text: "x" } }, "input"],
    [{ model: "m", input: Array.from({ length: 2_049 }, () => "x") }, "input"],
    [{ model: "m", input: "x", encoding_format: "int8" }, "encoding_format"],
    [{ model: "m", input: "x", dimensions: 0 }, "dimensions"],
  ])("is refused, naming the field: %j", (body, path) => {
    expect(embeddingsWire.readFields(located(body), {})).toMatchObject({
      ok: false,
      code: "invalid_request",
      mistakes: [{ path }],
    });
  });

  it("changes nothing but the model's name", () => {
    const text = '{ "model" : "mine",\n "input": ["a\\u00e9"], "future": 1.50 }';
    const fields = { model: "mine", isStream: false, wantsUsage: true, maxOutput: undefined, choices: 1 };
    const edited = (model: string): string =>
      embeddingsWire.edited(located(text), fields, { model, maxOutput: undefined, isOpenAi: true });
    expect(edited("mine")).toBe(text);
    expect(edited("theirs")).toBe(text.replace('"mine"', '"theirs"'));
  });
});

describe("an answer", () => {
  it("tells its usage in OpenAI's words or in Google's, and its error in either", () => {
    const usage = (body: unknown): unknown => embeddingsWire.whole(located(body)).usage;
    expect(usage({ data: [], model: "m", usage: { prompt_tokens: 8, total_tokens: 8 } })).toEqual({
      ...NO_USAGE,
      input: 8,
    });
    expect(usage({ embeddings: [], usageMetadata: { promptTokenCount: 9 } })).toEqual({ ...NO_USAGE, input: 9 });
    expect(usage({ data: [] })).toBeUndefined();
    expect(embeddingsWire.whole(located({ error: { message: "full", type: "server_error" } })).error).toMatchObject({
      message: "full",
    });
  });
});

describe("Google's words", () => {
  it("name the model, its texts and its dimensions once for each input", () => {
    const request = { model: "mine", input: ["a", "b"], dimensions: 256, encoding_format: "base64", user: "u" };
    expect(writeGeminiEmbeddings(request, "gemini-embedding-001")).toEqual({
      ok: true,
      value: {
        body: {
          requests: ["a", "b"].map((text) => ({
            model: "models/gemini-embedding-001",
            content: { parts: [{ text }] },
            outputDimensionality: 256,
          })),
        },
        hints: ["user"],
        isBase64: true,
      },
    });
  });

  it("have none for tokens and for what they do not know, each of which is named", () => {
    expect(writeGeminiEmbeddings({ model: "m", input: [1, 2], truncate: true, future: 1 }, "g")).toMatchObject({
      ok: false,
      code: "untranslatable",
      mistakes: [{ path: "truncate" }, { path: "future" }, { path: "input" }],
    });
  });

  it("come back as OpenAI's list, as numbers or as base64 of the same floats", () => {
    const answer = { embeddings: [{ values: [0.5, -2] }, { values: [0.1] }], usageMetadata: { promptTokenCount: 5 } };
    expect(readGeminiEmbeddings(answer, { model: "g", isBase64: false })).toEqual({
      ok: true,
      value: {
        object: "list",
        data: [
          { object: "embedding", index: 0, embedding: [0.5, -2] },
          { object: "embedding", index: 1, embedding: [0.1] },
        ],
        model: "g",
        usage: { prompt_tokens: 5, total_tokens: 5 },
      },
    });
    const read = readGeminiEmbeddings(answer, { model: "g", isBase64: true });
    const [first] = read.ok ? (read.value["data"] as readonly { readonly embedding: string }[]) : [];
    const bytes = Buffer.from(first?.embedding ?? "", "base64");
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([0.5, -2]);
  });

  it("that hold no vectors are no answer, and a usage that is not told is not made up", () => {
    for (const answer of [{}, { embeddings: [{}] }, { embeddings: [{ values: ["x"] }] }])
      expect(readGeminiEmbeddings(answer, { model: "g", isBase64: false })).toMatchObject({ code: "upstream_failed" });
    const read = readGeminiEmbeddings({ embeddings: [] }, { model: "g", isBase64: false });
    expect(read.ok && "usage" in read.value).toBe(false);
  });
});
