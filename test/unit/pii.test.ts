// Measures what is found of personal data on labelled public cases, and what is left alone of everything that only looks like it.
import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { holdsPii } from "../../src/core/guard/pii.ts";
import { findPii, MAX_SCANNED, type PiiKind } from "../../src/core/guard/pii-detectors.ts";
import type { Json, JsonObject } from "../../src/core/json/canonical.ts";

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

/** A seeded generator: the same look-alikes on every run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const roll = dice(20_261_125);
const digits = (count: number): string => Array.from({ length: count }, () => roll(10)).join("");
const hex = (count: number): string => Array.from({ length: count }, () => roll(16).toString(16)).join("");
const time = (): Date => new Date(1_600_000_000_000 + roll(2 ** 31) * 100);

/** What agents' traffic is full of: identifiers, times, money, code. */
const LOOK_ALIKES: Readonly<Record<string, () => string>> = {
  uuid: () => `run ${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
  "uuid of digits": () => `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`,
  "epoch seconds": () => `updated at ${Math.floor(time().getTime() / 1000)}`,
  "epoch milliseconds": () => `{"ts":${time().getTime()}}`,
  "ISO time": () => `due ${time().toISOString()}`,
  "time with offset": () => `${time().toISOString().slice(0, 19)}+02:00`,
  date: () => `ship by ${1 + roll(28)}/${1 + roll(12)}/${2000 + roll(30)}`,
  traceparent: () => `traceparent: 00-${hex(32)}-${hex(16)}-01`,
  "order number": () => `Order number ${digits(10)} was shipped`,
  "marketplace order": () => `order ${digits(3)}-${digits(7)}-${digits(7)}`,
  "order id": () => `order_id=${digits(12)}`,
  SKU: () => `SKU ${digits(3)}-${digits(3)}-${digits(4)}`,
  "SKU of letters": () => `item AB-${digits(4)}-${digits(4)}`,
  "customer id": () => `cus_${digits(3)} and cus_${hex(14)}`,
  "tool call id": () => `call_${hex(24)} toolu_${hex(20)}`,
  version: () => `version ${roll(20)}.${roll(20)}.${roll(99)}`,
  "version of four": () => `build ${roll(20)}.${roll(20)}.${roll(99)}.${roll(99)}`,
  package: () => `npm i left-pad@${roll(9)}.${roll(20)}.${roll(20)} @scope/pkg@1.2.3-rc.beta`,
  money: () => `refund of $${1 + roll(9)},${digits(3)},${digits(3)}.${digits(2)}`,
  "plain amount": () => `amount ${digits(6)}.${digits(2)} of total ${digits(9)}`,
  snowflake: () => `snowflake 1${digits(17)}`,
  invoice: () => `Invoice ${2000 + roll(30)}-${digits(6)}`,
  "16 digits": () => `reference ${digits(16)}`,
  code: () => `const x = a::b(${digits(3)}); std::vector<int> v{${digits(4)}, ${digits(4)}};`,
  "git remote": () => `git@github.com:acme/repo${digits(2)}.git`,
  "clock time": () => `between 12:${digits(2)}:${digits(2)} and 13:00`,
  "MAC address": () => Array.from({ length: 6 }, () => hex(2)).join(":"),
  tracking: () => `tracking 1Z${hex(6).toUpperCase()}${digits(10)}`,
  coordinates: () => `at 52.${digits(6)}, 13.${digits(6)}`,
  sha: () => `commit ${hex(40)}`,
};
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
      const started = performance.now();
      findPii(text);
      return performance.now() - started;
    };
    timeOf(4_000);
    const [short, long] = [timeOf(32_000), timeOf(256_000)];
    expect(long, `${JSON.stringify(each)}: ${short.toFixed(1)} ms, then ${long.toFixed(1)} ms`).toBeLessThan(
      8 * 4 * short + 40,
    );
  }
}, 60_000);
