// Proves which records are a subject's, that receipts add up, and that days are those of the calendar.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { erasedSession, withoutErased } from "../../src/core/trace/erased-admissions.ts";
import {
  addTo,
  isOfSubject,
  NOT_BEGUN,
  NOTHING_ERASED,
  readErasure,
  secondPassAt,
  SECOND_PASS_MS,
} from "../../src/core/trace/erasure.ts";
import type { IndexRow } from "../../src/core/trace/record.ts";
import { dayOf } from "../../src/core/units/utc-day.ts";
import { callRow } from "../call-row.ts";

const row = (more: Partial<IndexRow>): IndexRow => callRow({ trace_hex: "a".repeat(32), seq: 1, ...more });

describe("a record", () => {
  const known = { traces: new Set(["a".repeat(32)]), calls: new Set(["tc_1"]) };
  const nobody = { traces: new Set<string>(), calls: new Set<string>() };
  const ada = { scope: "user", subject: "ada" } as const;

  it("is the subject's when it names them, or names nobody and belongs to what is theirs", () => {
    expect(isOfSubject(ada, row({ user: "ada" }), nobody)).toBe(true);
    expect(isOfSubject(ada, row({}), nobody)).toBe(false);
    expect(isOfSubject(ada, row({}), known)).toBe(true);
    expect(isOfSubject(ada, row({ trace_hex: "f".repeat(32), call_id: "tc_1" }), known)).toBe(true);
    expect(isOfSubject({ scope: "session", subject: "s" }, row({ session_id: "*" }), known)).toBe(true);
    expect(isOfSubject({ scope: "tenant", subject: null }, row({ user: "bob" }), nobody)).toBe(true);
  });

  it("is never the subject's when it names another, or tells of an erasure", () => {
    const other = fc.record({ user: fc.string({ minLength: 1 }).filter((user) => user !== "ada") });
    fc.assert(fc.property(other, ({ user }) => !isOfSubject(ada, row({ user, call_id: "tc_1" }), known)));
    for (const scope of ["tenant", "session", "user"] as const)
      expect(isOfSubject({ scope, subject: "s" }, row({ kind: "erasure", user: "s" }), known)).toBe(false);
  });
});

describe("a receipt", () => {
  it("adds up whatever the order, and names a left-over once, with its latest reason", () => {
    const counts = fc.record({ index_rows: fc.nat(99), payloads: fc.nat(99) });
    fc.assert(
      fc.property(counts, counts, (one, two) => {
        expect(addTo(addTo(NOTHING_ERASED, one), two)).toEqual(addTo(addTo(NOTHING_ERASED, two), one));
      }),
    );
    const left = (why: string) => [{ kind: "session" as const, id: "s", why }];
    expect(addTo(addTo(NOTHING_ERASED, {}, left("first")), {}, left("second")).left).toEqual(left("second"));
  });

  it("puts the second pass off until what had to stay need not, within bounds", () => {
    const stays = (until: number) => ({ counts: {}, left: [{ kind: "tool_call" as const, id: "c", why: "", until }] });
    expect(secondPassAt(NOTHING_ERASED, 1_000)).toBe(1_000 + SECOND_PASS_MS);
    expect(secondPassAt(stays(SECOND_PASS_MS * 5), 1_000)).toBe(SECOND_PASS_MS * 5);
    expect(secondPassAt(stays(Number.MAX_SAFE_INTEGER), 0)).toBe(26 * SECOND_PASS_MS);
  });

  it("is read back in the text that was stored: progress is compared by it", () => {
    const progress = { ...NOT_BEGUN, from_day: "2026-01-01", traces: ["a"], phase: "segments" as const };
    const read = readErasure(JSON.stringify(progress), JSON.stringify(NOTHING_ERASED));
    expect(JSON.stringify(read.progress)).toBe(JSON.stringify(progress));
  });
});

describe("a ledger's statement", () => {
  it("keeps as many calls as it had, and no name of an erased one", () => {
    const calls = fc.array(fc.record({ seq: fc.nat(), trace_hex: fc.constantFrom("x", "y"), span_id: fc.string() }));
    fc.assert(
      fc.property(calls, (list) => {
        const done = withoutErased(JSON.stringify(list), ({ trace_hex: hex }) => hex === "x");
        const erased = list.filter(({ trace_hex: hex }) => hex === "x").length;
        expect(done?.erased ?? 0).toBe(erased);
        if (done === undefined) return;
        const after = JSON.parse(done.calls) as readonly { seq: number; trace_hex?: string }[];
        expect(after.map(({ seq }) => seq)).toEqual(list.map(({ seq }) => seq));
        expect(after.filter(({ trace_hex: hex }) => hex === "x")).toEqual([]);
        expect(withoutErased(done.calls, ({ trace_hex: hex }) => hex === undefined)).toBeUndefined();
      }),
    );
  });

  it("names an erased session the same way each time", () => {
    const name = erasedSession("t", "s");
    expect([erasedSession("t", name), name === erasedSession("u", "s")]).toEqual([name, false]);
  });
});

describe("a day", () => {
  it("is the calendar's", () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(0, 0), max: Date.UTC(9999, 11, 31) }), (at) => {
        expect(dayOf(at)).toBe(new Date(at).toISOString().slice(0, 10));
      }),
      { numRuns: 2_000 },
    );
  });
});
