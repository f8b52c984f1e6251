// Measures what is found of personal data on labelled public cases, and what is left alone of everything that only looks like it.
import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { holdsPii } from "../../src/core/guard/pii.ts";
import { findPii, MAX_SCANNED, type PiiKind } from "../../src/core/guard/pii-detectors.ts";
import type { Json, JsonObject } from "../../src/core/json/canonical.ts";
import { cpuMs } from "./cpu-time.ts";
import { LOOK_ALIKES, throwAnew } from "./look-alikes.ts";

throwAnew();

interface Case {
  readonly text: string;
  readonly spans?: readonly { readonly start: number; readonly end: number; readonly entity: string }[];
  readonly must_not_detect?: string;
  readonly source: string;
}

// From microsoft/presidio and microsoft/presidio-research (MIT); commits and the licence text stand in the file.
const { cases } = JSON.parse(readFileSync(new URL("../corpus/pii-cases.json", import.meta.url), "utf8")) as {
  readonly cases: readonly Case[];
};
const KINDS: ReadonlyMap<string, PiiKind> = new Map([
  ["EMAIL_ADDRESS", "email_address"],
  ["PHONE_NUMBER", "phone_number"],
  ["CREDIT_CARD", "payment_card"],
  ["IBAN_CODE", "iban"],
  ["US_SSN", "us_ssn"],
  ["IP_ADDRESS", "ip_address"],
]);

const PER_SHAPE = 40;

test("the corpus is there", () => {
  expect(cases).toHaveLength(1_500);
  expect(Object.keys(LOOK_ALIKES).length).toBeGreaterThanOrEqual(30);
});

test("recall, type-strict precision and look-alikes stay within their targets", () => {
  let [wanted, hit, right, wrong] = [0, 0, 0, 0];
  const missed: string[] = [];
  for (const { text, spans = [], must_not_detect, source } of cases) {
    const found = findPii(text);
    for (const { start, end, entity } of spans) {
      if (!KINDS.has(entity)) continue;
      wanted += 1;
      if (found.some((each) => each.start <= start && each.end >= end)) hit += 1;
      else missed.push(`${entity} ${text.slice(start, end)}`);
    }
    // Only presidio-research labels everything; presidio's own cases label what they test, or what must not be found.
    for (const { kind, start, end } of found) {
      if (must_not_detect !== undefined && KINDS.get(must_not_detect) === kind) wrong += 1;
      if (!source.startsWith("presidio-research")) continue;
      const isRight = spans.some((each) => KINDS.get(each.entity) === kind && each.start < end && each.end > start);
      if (isRight) right += 1;
      else wrong += 1;
    }
  }
  const altered = Object.entries(LOOK_ALIKES).flatMap(([shape, make]) =>
    Array.from({ length: PER_SHAPE }, make).flatMap((text) => (findPii(text).length > 0 ? [`${shape}: ${text}`] : [])),
  );
  const recall = hit / wanted;
  const precision = right / (right + wrong);
  const rate = altered.length / (PER_SHAPE * Object.keys(LOOK_ALIKES).length);
  console.log(
    `core PII: recall ${recall.toFixed(3)} (${hit}/${wanted}), precision ${precision.toFixed(3)} (${right}/${right + wrong}), ` +
      `look-alikes taken for it ${(rate * 100).toFixed(2)} % (${altered.length})\n  missed: ${missed.join("; ")}\n  taken: ${altered.join("; ")}`,
  );
  expect(rate).toBeLessThanOrEqual(0.01);
  expect(recall).toBeGreaterThanOrEqual(0.93);
  expect(precision).toBeGreaterThanOrEqual(0.97);
});

describe("arguments", () => {
  const held: readonly (readonly [string, JsonObject, string, string])[] = [
    [
      "an e-mail address in a nested text",
      { note: { lines: ["hi", "write to jane@example.com"] } },
      "note.lines.1",
      "email_address",
    ],
    ["a card in a text", { memo: "charged 4111 1111 1111 1111 twice" }, "memo", "payment_card"],
    ["a card as a number", { reference: 4_111_111_111_111_111 }, "reference", "payment_card"],
    ["a bank account", { to: "DE89 3704 0044 0532 0130 00" }, "to", "iban"],
    ["a social security number", { text: "SSN 514-69-0360" }, "text", "us_ssn"],
    ["a bare one under its own name", { ssn: "514690360" }, "ssn", "us_ssn"],
    ["an international phone number", { body: "ring +44 7700 921916" }, "body", "phone_number"],
    ["a bare one under its own name", { customerPhone: "7809992181" }, "customerPhone", "phone_number"],
    ["a public address", { source: "seen from 86.121.97.248" }, "source", "ip_address"],
    ["a number under a name that says what it is", { ssn: 514_690_360 }, "ssn", "us_ssn"],
    ["an address as a name", { "jane@example.com": true }, "jane@example.com", "email_address"],
    ["an identity number with a check letter", { id_doc: "12345678Z" }, "id_doc", "national_id"],
  ];
  it.each(held)("hold %s", (_, args, path, kind) => expect(holdsPii(args)).toEqual({ path, kind }));

  const clean: readonly (readonly [string, JsonObject])[] = [
    [
      "ids, amounts and a plain note",
      { customer_id: "cus_123", amount_usd: 42.5, order: 1_748_503_543_012, note: "late delivery" },
    ],
    [
      "a traceparent and a uuid",
      { trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", id: "6f1e2a34-1234-4321-8765-123456789012" },
    ],
    ["an address inside a network", { host: "10.0.0.12", other: "::1", name: "fe80::1" }],
    ["a long order number under the name of an order", { order_number: "7809992181" }],
    ["nothing", {}],
  ];
  it.each(clean)("do not hold any in %s", (_, args) => expect(holdsPii(args)).toBeUndefined());

  it("that cannot be looked at count as unread, not as clean", () => {
    expect(holdsPii({ blob: "x".repeat(MAX_SCANNED + 1) })).toEqual({ path: "blob", kind: "unread" });
  });
});

test("arguments of any width and depth are walked", () => {
  const wide = { list: Array.from({ length: 200_000 }, (_, at) => `item ${at}`) };
  let deep: Json = "jane@example.com";
  for (let depth = 0; depth < 50_000; depth += 1) deep = [deep];
  expect(holdsPii(wide)).toBeUndefined();
  expect(holdsPii({ deep })?.kind).toBe("email_address");
});

test("findings are in order and never overlap", () => {
  const text = "call 780-999-2181 or +44 7700 921916, mail a@b.example, card 4111 1111 1111 1111, from 86.121.97.248";
  const found = findPii(text);
  expect(found.map(({ kind }) => kind)).toEqual([
    "phone_number",
    "phone_number",
    "email_address",
    "payment_card",
    "ip_address",
  ]);
  for (const [at, each] of found.entries()) expect(each.start).toBeGreaterThanOrEqual(found[at - 1]?.end ?? 0);
});

test("time grows no faster than the text", () => {
  const hostile = [
    "1".repeat(20),
    "1 ",
    "1-1.",
    "(1",
    "a@",
    "a.a@a.",
    "::1:",
    "GB82 ",
    "+1 ",
    "fe80:",
    "é@é.",
    "12 34-",
  ];
  for (const each of hostile) {
    const timeOf = (length: number): number => {
      const text = each.repeat(Math.ceil(length / each.length)).slice(0, length);
      return cpuMs(() => findPii(text), 2);
    };
    timeOf(4_000);
    const [short, long] = [timeOf(32_000), timeOf(256_000)];
    expect(long, `${JSON.stringify(each)}: ${short.toFixed(1)} ms, then ${long.toFixed(1)} ms`).toBeLessThan(
      8 * 4 * short + 40,
    );
  }
}, 60_000);
