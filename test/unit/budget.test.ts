// Proves what calls are held at and charged: reachable tiers, the dearer kinds of tokens only where they may come, and no free tokens by mistake.
import { describe, expect, it } from "vitest";
import { listPricesAt } from "../../src/adapters/prices.ts";
import { worstCase, type CallSize } from "../../src/core/budget/estimate.ts";
import { costMicro, costPico, NO_USAGE, priceFault, type Price, type Usage } from "../../src/core/budget/price.ts";
import { readEmbeddingsUsage, readOpenAiUsage, reconciled } from "../../src/core/budget/usage.ts";

const ONE = { choices: 1, cachesUnasked: true };
const size = (text: string, more: Partial<CallSize> = {}): CallSize => ({
  bytes: 100,
  text,
  context: undefined,
  ...more,
});
const pricesOf = listPricesAt(new Date("2026-11-26T12:00:00Z"));
function listed(kind: "openai" | "anthropic" | "gemini" | "azure-openai" | "workers-ai", model: string): Price {
  const price = pricesOf({ kind }, model);
  if (price === undefined) throw new Error(`no price for ${model}`);
  return price;
}

describe("a hold", () => {
  const price = { source: "t", tiers: [{ from: 0, inputPico: 1_000_000, outputPico: 2_000_000, cacheReadPico: 0 }] };

  it("covers a token per byte, the framing, referenced media, and never more than the context window", () => {
    expect(worstCase(price, size("{}"), { ...ONE, choices: 2 })).toEqual({
      inputTokens: 356,
      inputMicro: 356,
      unitPico: 4_000_000,
      unitTokens: 2,
    });
    expect(worstCase(price, size("", { bytes: 1_000_000, context: 8_000 }), ONE).inputTokens).toBe(8_000);
  });

  it.each([
    '{"image_url": {"url":"x"}}',
    String.raw`{"image\u005furl": {"url":"x"}}`,
    '{"type":"input_image", "file_id": "f"}',
    '{"type":"image_url", "image_url": {"url":"x"}}',
    '{"type":"image","source": {"type": "url", "url": "https://x"}}',
    '{"type":"image","cache_control":{"type":"ephemeral"},"source":{"type":"file","file_id":"f"}}',
    '{"source":{"data":"QQ==","media_type":"image/png","type":"base64"},"type":"image"}',
    '{"fileData": {"mimeType": "image/png", "fileUri": "https://x"}}',
    String.raw`{"inline_data": {"data": "QQ==", "mime_type": "image\/png"}}`,
    '{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}}',
    '{"args":{"file_id":"f"}}',
  ])("counts the media of %s", (text) => {
    expect(worstCase(price, size(text), ONE).inputTokens).toBe(356 + 16_384);
  });

  it.each([
    '{"previous_response_id": "resp_1"}',
    '{"cachedContent": "cachedContents/1"}',
    '{"input": [{"type": "item_reference", "id": "x"}]}',
    '{"conversation": {"id": "conv_1"}}',
    '{"prompt": {"id": "pmpt_1"}}',
    '{"fileData": {"mimeType": "video/mp4", "fileUri": "https://x"}}',
    '{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}',
    '{"source":{"type":"url","url":"https://x"}}',
    '{"type":"image","source":{"type":"url","url":"https://x"},"type":"document"}',
    String.raw`{"title":"\u0022type\u0022:\u0022image\u0022,\u0022source\u0022:{","type":"document","context":"}"}`,
    String.raw`{"\u0074ype":"input_file","file_id":"f"}`,
    '{"type":"file","file":{"file_data":"data:application/pdf;base64,JVBERi0="}}',
    '{"type":"input_file","file_url":"https://x"}',
    '{"file_url":"https://x"}',
    '{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0="}}',
    '{"inlineData":{"data":"JVBERi0="}}',
    '{"inlineData":{"mimeType":"image/png","displayName":"{","mimeType":"application/pdf","data":""}}',
  ])(
    "is the whole context where the provider keeps a part of the prompt, or fetches what may be as long: %s",
    (text) => {
      expect(worstCase(price, size(text), ONE).inputTokens).toBe(1_048_576);
      expect(worstCase({ ...price, context: 200_000 }, size(text), ONE).inputTokens).toBe(200_000);
      expect(worstCase(price, size(text, { context: 8_000 }), ONE).inputTokens).toBe(8_000);
      expect(worstCase({ ...price, context: 200_000 }, size(text, { context: 400_000 }), ONE).inputTokens).toBe(
        400_000,
      );
    },
  );

  it("counts every picture, and finds a file in a long body in no time", () => {
    const picture = { type: "image", source: { type: "base64", media_type: "image/png", data: "A".repeat(4_000_000) } };
    const body = (content: readonly unknown[]): string => JSON.stringify({ messages: [{ role: "user", content }] });
    const pictures = body([picture, picture, picture]);
    const startedAt = performance.now();
    expect(worstCase(price, size(pictures), ONE).inputTokens).toBe(356 + 3 * 16_384);
    expect(worstCase(price, size(body([picture, { ...picture, type: "document" }])), ONE).inputTokens).toBe(1_048_576);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it("knows no window where a longer context is asked for, and reaches the prices of it", () => {
    const two = { ...listed("anthropic", "claude-sonnet-4-5"), context: 200_000 };
    const of = (text: string, more: Partial<CallSize>): readonly number[] => {
      const { inputTokens, unitPico } = worstCase(two, size(text, { context: 200_000, ...more }), ONE);
      return [inputTokens, unitPico];
    };
    const bytes = 500_000;
    expect(of("{}", { bytes })).toEqual([200_000, 15_000_000]);
    expect(of("{}", { bytes, isWidened: true })).toEqual([500_256, 22_500_000]);
    expect(of('{"type":"document"}', { isWidened: true })).toEqual([1_048_576, 22_500_000]);
  });

  it("is not made dearer by words in a text, or by an argument of the same name", () => {
    const text = JSON.stringify({ messages: '"audio" "previous_response_id": "x"', prompt: { type: "string" } });
    expect(worstCase(price, size(text), ONE)).toEqual(worstCase(price, size("{}"), ONE));
  });

  it("takes no tier that the prompt cannot reach", () => {
    const { tiers } = listed("gemini", "gemini-2.5-pro");
    expect(tiers.map(({ from, inputPico, outputPico }) => [from, inputPico, outputPico])).toEqual([
      [0, 1_250_000, 10_000_000],
      [200_000, 2_500_000, 15_000_000],
    ]);
    const at = (bytes: number): number =>
      worstCase(listed("gemini", "gemini-2.5-pro"), size("", { bytes }), ONE).unitPico;
    expect([at(100), at(200_000 - 256), at(200_001)]).toEqual([10_000_000, 10_000_000, 15_000_000]);
  });

  it("takes the prices of sound only where something may be heard, or spoken", () => {
    const of = (text: string): readonly number[] => {
      const { inputMicro, unitPico } = worstCase(listed("openai", "gpt-audio"), size(text), ONE);
      return [inputMicro, unitPico];
    };
    expect(of('{"messages": "what is audio?"}')).toEqual([356 * 2.5, 10_000_000]);
    expect(of('{"file_id": "f"}')).toEqual([(356 + 16_384) * 32, 10_000_000]);
    expect(of('{"modalities": ["text", "audio"]}')).toEqual([356 * 32, 64_000_000]);
  });

  it("takes Anthropic's prices of writing only where a body asks for a cache, and others' always", () => {
    const claude = (text: string): number =>
      worstCase(listed("anthropic", "claude-sonnet-4-5"), size(text), { choices: 1, cachesUnasked: false }).inputMicro;
    expect(claude("{}")).toBe(356 * 3);
    expect(claude('{"cache_control": {"type": "ephemeral"}}')).toBe(356 * 3.75);
    expect(claude('{"cache_control": {"type": "ephemeral", "ttl": "1h"}}')).toBe(356 * 6);
    expect(worstCase(listed("openai", "gpt-5.6-terra"), size("{}"), ONE).inputMicro).toBeGreaterThan(
      worstCase(listed("openai", "gpt-5.6-terra"), size("{}"), { choices: 1, cachesUnasked: false }).inputMicro,
    );
  });
});

describe("list prices", () => {
  it("have writing to a cache for an hour at twice the input price for every model of Anthropic", () => {
    for (const model of ["claude-3-haiku", "claude-opus-4-1", "claude-sonnet-4-5", "claude-2"]) {
      for (const tier of listed("anthropic", model).tiers) expect(tier.cacheWriteLongPico).toBe(tier.inputPico * 2);
    }
    // The table says nothing of caches here: Anthropic's own rule does.
    expect(listed("anthropic", "claude-2").tiers[0]).toMatchObject({ inputPico: 8e6, cacheWritePico: 1e7 });
  });

  it("are those of the day they are asked for, and the dearest of the day where they change within it", () => {
    const on = (day: string, model: string): number | undefined =>
      listPricesAt(new Date(day))({ kind: "openai" }, model)?.tiers[0]?.inputPico;
    expect([on("2025-06-01", "o3"), on("2025-06-20", "o3")]).toEqual([10_000_000, 2_000_000]);
    const deepseek = { kind: "openai-compatible", base_url: "https://api.deepseek.com" } as const;
    for (const time of ["00:10", "12:00", "23:00"])
      expect(listPricesAt(new Date(`2026-08-01T${time}:00Z`))(deepseek, "deepseek-chat")?.tiers[0]?.inputPico).toBe(
        270_000,
      );
  });

  it.each([
    ["azure-openai", "gpt-4o", 2_500_000],
    ["gemini", "gemini-2.5-flash", 300_000],
    ["workers-ai", "@cf/baai/bge-m3", 12_000],
  ] as const)("know %s by its kind: %s", (kind, model, inputPico) => {
    expect(listed(kind, model).tiers[0]?.inputPico).toBe(inputPico);
  });

  it("leave out a model that is billed by more than its usage tells, and count pictures as all that a model makes", () => {
    const perplexity = { kind: "openai-compatible", base_url: "https://api.perplexity.ai" } as const;
    expect(pricesOf(perplexity, "sonar-pro")).toBeUndefined();
    expect(listed("gemini", "gemini-2.5-flash-image").tiers[0]?.outputPico).toBe(30_000_000);
  });
});

describe("a usage", () => {
  it("of BerriAI/litellm#9812 costs what Anthropic billed: 9 + 46140 + 8250 micro-dollars", () => {
    const usage = { ...NO_USAGE, input: 3, cacheWrite: 12_304, output: 550 };
    const price = listed("anthropic", "claude-3-7-sonnet-20250219");
    expect(costPico(price, usage)).toBe(54_399_000_000);
    expect(costMicro(price, usage)).toBe(54_399);
  });

  it("has every bucket once", () => {
    const usage = readOpenAiUsage({
      prompt_tokens: 1_000,
      completion_tokens: 100,
      total_tokens: 1_100,
      prompt_tokens_details: { cached_tokens: 300, cache_write_tokens: 200, audio_tokens: 50 },
      completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 30 },
    });
    expect(usage).toEqual({
      input: 450,
      cacheRead: 300,
      cacheWrite: 200,
      cacheWriteLong: 0,
      inputAudio: 50,
      output: 70,
      outputAudio: 30,
      reasoning: 40,
    });
  });

  it("never goes below zero, whatever a provider says", () => {
    const usage = readOpenAiUsage({
      prompt_tokens: 10,
      completion_tokens: 5,
      prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 20, audio_tokens: 50 },
      completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 30 },
    });
    expect(usage).toMatchObject({ input: 0, cacheRead: 10, cacheWrite: 0, inputAudio: 0, output: 0, outputAudio: 5 });
  });

  it("whose total has more than its parts is charged for the rest as output; either way round it is marked", () => {
    const read = (total_tokens: number): Usage | undefined =>
      readOpenAiUsage({ prompt_tokens: 10, completion_tokens: 5, total_tokens });
    expect(read(15)).toEqual({ ...NO_USAGE, input: 10, output: 5 });
    expect(read(115)).toEqual({ ...NO_USAGE, input: 10, output: 105, isInconsistent: true });
    expect(read(14)).toEqual({ ...NO_USAGE, input: 10, output: 5, isInconsistent: true });
    expect(reconciled(NO_USAGE, undefined)).toBe(NO_USAGE);
  });

  it("of embeddings is input alone", () => {
    expect(readEmbeddingsUsage({ prompt_tokens: 7, total_tokens: 7 })).toEqual({ ...NO_USAGE, input: 7 });
    expect(readEmbeddingsUsage({ total_tokens: 7 })).toEqual({ ...NO_USAGE, input: 7 });
    expect([readEmbeddingsUsage({}), readEmbeddingsUsage(undefined)]).toEqual([undefined, undefined]);
  });

  it("that a table prices at nothing is a fault; by a price of the config it may be free", () => {
    const free = { tiers: [{ from: 0, inputPico: 0, outputPico: 0, cacheReadPico: 0 }] };
    const usage = { ...NO_USAGE, input: 5 };
    expect(priceFault({ ...free, source: "genai-prices 0.1.8" }, usage)).toBe("unpriced_usage");
    expect(priceFault({ ...free, source: "config" }, usage)).toBeUndefined();
    expect(priceFault({ ...free, source: "genai-prices 0.1.8" }, NO_USAGE)).toBeUndefined();
  });

  it("that cannot be counted exactly is a fault, and a full context at the dearest price is not", () => {
    const price = listed("openai", "gpt-5.6-sol");
    expect(priceFault(price, { ...NO_USAGE, output: 1e12 })).toBe("impossible_usage");
    expect(priceFault(price, { ...NO_USAGE, input: 1_000_000, output: 128_000 })).toBeUndefined();
  });
});
