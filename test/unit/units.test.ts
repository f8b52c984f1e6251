// Proves money, exact JSON, canonical JSON and member splicing: no digit and no byte is lost.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/core/json/canonical.ts";
import { MAX_DEPTH, parseExactJson } from "../../src/core/json/exact.ts";
import { duplicateKey, locateMembers, memberText, withMembers } from "../../src/core/json/members.ts";
import { formatUsd, parseUsd, usdFromJson } from "../../src/core/units/money.ts";
import { readTraceId, toolCallId } from "../../src/core/units/identifier.ts";
import { percentDecoded } from "../../src/core/units/percent-encoded.ts";

describe("percent-encoded text", () => {
  it("comes back as it was, within its bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        const bytes = new TextEncoder().encode(text).byteLength;
        expect(percentDecoded(encodeURIComponent(text), bytes)).toEqual({ ok: true, text });
        if (bytes > 0)
          expect(percentDecoded(encodeURIComponent(text), bytes - 1)).toEqual({ ok: false, why: "length" });
      }),
    );
  });

  it.each([
    ["100%", "escape"],
    ["%4", "escape"],
    ["%zz", "escape"],
    ["caf\u00e9", "escape"],
    ["a\nb", "escape"],
    ["%c3%28", "utf8"],
    ["%ed%a0%80", "utf8"],
    ["%c0%af", "utf8"],
    ["%ff", "utf8"],
  ])("refuses %j", (encoded, why) => expect(percentDecoded(encoded, 100)).toEqual({ ok: false, why }));
});

describe("money", () => {
  it.each([
    ["42.00", 42_000_000],
    ["0.000001", 1],
    ["1.2300000", 1_230_000],
    ["0", 0],
  ])("reads %s", (text, micro) => expect(parseUsd(text)).toBe(micro));
  it.each(["-1", "1e3", "1.", ".5", "0.0000001", "12345678901", "", "1,000", "NaN"])("refuses %s", (text) =>
    expect(parseUsd(text)).toBeUndefined(),
  );

  it("survives being shown and read again", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_999_999_999_999_999 }).filter(Number.isSafeInteger), (micro) => {
        expect(parseUsd(formatUsd(micro))).toBe(micro);
      }),
    );
  });

  it("never goes through a binary fraction", () => expect(usdFromJson(0.1 + 0.2)).toBeUndefined());
});

describe("exact JSON", () => {
  it.each(["42.00", "1e2", "0.1", "-0.5e-3", "9007199254740991", "0.0"])("reads %s", (source) =>
    expect(parseExactJson(`{"n":${source}}`)).toEqual({ ok: true, value: { n: Number(source) } }),
  );
  it.each(["9007199254740993", "1e400", "0.1000000000000000055511151231257827"])("refuses %s", (source) =>
    expect(parseExactJson(`{"n":${source}}`)).toEqual({ ok: false, reason: "inexact_number", path: "n", source }),
  );
  it("names the place of a number that does not fit", () =>
    expect(parseExactJson('{"a":{"b":[1,{"c":1e400}]},"d":1}')).toMatchObject({ ok: false, path: "a.b.1.c" }));
  it("reads a whole number if, and only if, it comes out again as it went in", () => {
    const whole = fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n });
    fc.assert(
      fc.property(whole, (n) => {
        // A double is shown by the shortest digits that name it: what they say is what the next reader gets.
        expect(parseExactJson(`[${n}]`).ok).toBe(String(Number(n)) === String(n));
      }),
    );
  });
  it("refuses half a character, escaped or not", () => {
    expect(parseExactJson('{"a":"\\ud800"}')).toMatchObject({ ok: false, reason: "lone_surrogate", path: "a" });
    expect(parseExactJson('{"a":"\ud800"}')).toMatchObject({ ok: false, reason: "lone_surrogate", path: "a" });
    expect(parseExactJson('{"a":"\\ud83d\\ude00"}')).toEqual({ ok: true, value: { a: "😀" } });
  });
  it("refuses what is no JSON", () => expect(parseExactJson("{")).toEqual({ ok: false, reason: "syntax" }));
  it.each([
    ["[", "1", "]"],
    ["[", "9007199254740991", "]"],
    ['{"a":', '"[[{\\"{{"', "}"],
  ])("reads %s%s%s as deep as it may be, and names what is deeper as that", (open, inner, close) => {
    const nested = (depth: number): string => open.repeat(depth) + inner + close.repeat(depth);
    expect(parseExactJson(nested(MAX_DEPTH)).ok).toBe(true);
    expect(() => JSON.stringify(parseExactJson(nested(MAX_DEPTH)))).not.toThrow();
    for (const depth of [MAX_DEPTH + 1, 5_000, 100_000])
      expect(parseExactJson(nested(depth))).toEqual({ ok: false, reason: "too_deep" });
  });
  it("counts neither neighbours nor what stands in texts as deep", () => {
    expect(parseExactJson(`[${"[1],".repeat(5_000)}2]`).ok).toBe(true);
    expect(parseExactJson(JSON.stringify(["[".repeat(5_000), '\\"{'.repeat(5_000)])).ok).toBe(true);
  });
});

describe("canonical JSON (RFC 8785)", () => {
  it("reproduces the example of §3.2.2", () => {
    const value: unknown = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    );
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it("is the same text for the same value, and reads back as that value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        const text = canonicalJson(plain);
        expect(JSON.parse(text)).toEqual(plain);
        expect(canonicalJson(shuffled(plain))).toBe(text);
      }),
    );
  });

  it("refuses what JSON cannot carry", () => {
    expect(() => canonicalJson(Number.NaN)).toThrow(TypeError);
    expect(() => canonicalJson("\ud800")).toThrow(TypeError);
  });
});

function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, shuffled(member)]),
  );
}

describe("top-level members", () => {
  it("finds the members that JSON.parse finds, at their texts", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, 2), (object, indent) => {
        const text = JSON.stringify(object, null, indent);
        const located = locateMembers(text);
        const parsed = JSON.parse(text) as Record<string, unknown>;
        expect(located?.members.map((member) => member.key)).toEqual([
          ...new Map(located?.members.map((member) => [member.key, 0])).keys(),
        ]);
        for (const [key, value] of Object.entries(parsed))
          expect(JSON.parse((located && memberText(located, key)) ?? "")).toEqual(value);
      }),
    );
  });

  it("changes only what it was told to", () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((key) => key !== "model"),
          fc.jsonValue(),
        ),
        fc.string(),
        (object, model) => {
          const text = JSON.stringify({ ...object, model: "old", zzz: [1, { a: "}" }] }, null, 1);
          const located = locateMembers(text);
          if (located === undefined) throw new Error("not located");
          const changed = withMembers(
            located,
            new Map([
              ["model", JSON.stringify(model)],
              ["max_tokens", "7"],
            ]),
          );
          expect(JSON.parse(changed)).toEqual({ ...(JSON.parse(text) as object), model, max_tokens: 7 });
          expect(changed.replace('"max_tokens":7,', "").replace(JSON.stringify(model), '"old"').length).toBe(
            text.length,
          );
        },
      ),
    );
  });

  it.each(["[]", "", "{", '{"a":1', '{"a":1}x', '{"a" 1}', '{"a":}', "null", '{"a":1,}'])("refuses %j", (text) =>
    expect(locateMembers(text)).toBeUndefined(),
  );

  it("sees through escaped keys", () => {
    const located = locateMembers('{"mod\\u0065l":"a","model":"b"}');
    expect(located && duplicateKey(located)).toBe("model");
  });
});

describe("identifiers", () => {
  it("keeps a caller's own trace id as shown and stores a W3C id that belongs to the tenant", () => {
    const mine = readTraceId("t1", "tr_support-run-7");
    expect(mine).toMatchObject({ shown: "tr_support-run-7", hex: expect.stringMatching(/^[0-9a-f]{32}$/) as string });
    expect(readTraceId("t2", "tr_support-run-7")?.hex).not.toBe(mine?.hex);
    expect(readTraceId("t1", "a".repeat(32))).toEqual({ shown: `tr_${"a".repeat(32)}`, hex: "a".repeat(32) });
    for (const bad of ["tr_", "nope", "0".repeat(32), `tr_${"x".repeat(200)}`])
      expect(readTraceId("t1", bad)).toBeUndefined();
  });

  it("names a tool call by tenant, actor and key, and by nothing that two of them could share", () => {
    const ids = [
      ["t", "a", "k"],
      ["t", "ak", ""],
      ["ta", "", "k"],
      ["t", "a", "k2"],
    ].map(([tenant = "", actor = "", key = ""]) => toolCallId({ tenant, actor, key }));
    expect(new Set(ids).size).toBe(4);
  });
});
