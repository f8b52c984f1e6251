// Proves that a ledger tells every call it admitted exactly once, through any stops, or says which numbers it cannot speak of.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { amounts } from "../../src/core/budget/amounts.ts";
import { RECORD_GRACE_MS, STATE_AT } from "../../src/core/state/session-admissions.ts";
import { QUIET_MS } from "../../src/core/state/session-ledger.ts";
import {
  HOUR_MS,
  hourOf,
  readStatement,
  statementLine,
  type AdmissionStatement,
} from "../../src/core/trace/admissions.ts";
import { coverageOf, SETTLED_AFTER_MS, totalOf } from "../../src/core/trace/coverage.ts";
import { admit, Machine, ref } from "./session-machine.ts";

const actual = amounts({ usd: 5, tokens: 5, calls: 1 });

/** A session, what it admitted, and what it told the trace store. */
class Telling {
  readonly machine = new Machine();
  readonly told: AdmissionStatement[] = [];
  readonly admitted = new Map<number, string>();
  #open: string[] = [];
  #count = 0;

  chat(): void {
    this.#count += 1;
    const id = `h${this.#count}`;
    const reply = this.machine.send(admit(id, {}, { expiresAt: this.machine.now + 60_000 }));
    if (reply.type === "admitted") this.admitted.set(reply.seq, "chat");
    this.#open.push(id);
    this.#take();
  }

  settle(): void {
    const [holdId = "none", ...rest] = this.#open;
    this.#open = rest;
    this.machine.send({ type: "settle", holdId, actual });
    this.#take();
  }

  tool(): void {
    this.#count += 1;
    const reply = this.machine.charge(`c${this.#count}`);
    if (reply.type === "charged") this.admitted.set(reply.seq, "execute_tool");
    this.#take();
  }

  tick(): void {
    this.machine.send({ type: "tick", outboxDepth: 0 });
    this.#take();
  }

  stop(): void {
    this.machine.kill();
    this.#open = [];
  }

  /** The numbers told as calls, in the order in which they were told. */
  certain(): readonly number[] {
    return this.told.flatMap((each) => each.calls.map(({ seq }) => seq));
  }

  isUncertain(seq: number): boolean {
    return this.told.some((each) => each.is_uncertain && seq >= each.from_seq && seq <= each.to_seq);
  }

  #take(): void {
    const effects = this.machine.effects;
    const statements = effects.flatMap((each) => (each.type === "state_admissions" ? each.statements : []));
    // What is told is durable in the same turn.
    if (statements.length > 0) expect(effects.map(({ type }) => type)).toContain("persist");
    this.told.push(...statements);
  }
}

type Step = "chat" | "settle" | "tool" | "tick" | "stop" | "wait";

function run(telling: Telling, step: Step): void {
  if (step === "wait") telling.machine.now += QUIET_MS;
  else telling[step]();
}

describe("a ledger's statements", () => {
  it("tell every admitted call once, or leave it among the numbers it cannot speak of, whatever stops it", () => {
    const step = fc.constantFrom<Step>("chat", "chat", "chat", "settle", "settle", "tool", "tick", "wait", "stop");
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const telling = new Telling();
        for (const each of steps) run(telling, each);
        // Whatever is still open expires.
        telling.machine.now += 120_000;
        telling.tick();
        const certain = telling.certain();
        expect(new Set(certain).size).toBe(certain.length);
        for (const seq of certain) expect([seq, telling.isUncertain(seq)]).toEqual([seq, false]);
        for (const [seq, kind] of telling.admitted) {
          const isTold = certain.includes(seq);
          expect([seq, isTold || telling.isUncertain(seq)]).toEqual([seq, true]);
          // A tool call is durable when it is admitted.
          if (kind === "execute_tool") expect([seq, isTold]).toEqual([seq, true]);
        }
        for (const seq of certain) expect(telling.admitted.has(seq)).toBe(true);
        const names = telling.told.map((each) => `${each.hour}/${each.from_seq}`);
        expect(new Set(names).size).toBe(names.length);
        if (!steps.includes("stop")) expect(certain.length).toBe(telling.admitted.size);
      }),
      { numRuns: 400 },
    );
  });

  it("wait for the session to be quiet, and for a model call to be over", () => {
    const telling = new Telling();
    telling.chat();
    telling.tool();
    telling.tick();
    expect(telling.told).toEqual([]);
    telling.machine.now += QUIET_MS;
    telling.tick();
    expect(telling.told).toMatchObject([
      { session: ref.session, from_seq: 2, to_seq: 2, calls: [{ kind: "execute_tool", call_id: "c2" }] },
    ]);
    telling.settle();
    telling.machine.now += QUIET_MS;
    telling.tick();
    expect(telling.certain()).toEqual([2, 1]);
  });

  it(`do not wait where ${STATE_AT} calls are untold, and cost no durable write before that`, () => {
    const telling = new Telling();
    for (let at = 0; at < STATE_AT; at += 1) {
      telling.chat();
      telling.settle();
    }
    // The first call, and the next chunk of numbers. Records of the last calls may still be on their way.
    expect([telling.certain().length, telling.machine.writes]).toEqual([0, 2]);
    telling.machine.now += RECORD_GRACE_MS;
    telling.chat();
    expect([telling.certain().length, telling.machine.writes]).toEqual([STATE_AT, 3]);
    expect(telling.machine.state.unstated).toHaveLength(1);
  });

  it("do not promise a call that was just over when the ledger stopped: its record may have gone with it", () => {
    const telling = new Telling();
    telling.chat();
    telling.settle();
    telling.tool();
    telling.stop();
    telling.machine.now += QUIET_MS;
    telling.tick();
    expect(telling.certain()).toEqual([2]);
    expect(telling.isUncertain(1)).toBe(true);
  });

  it("are one for each hour, and read back from their lines", () => {
    const telling = new Telling();
    telling.machine.now = 2 * HOUR_MS - 1;
    telling.tool();
    telling.machine.now += 1;
    telling.tool();
    telling.machine.now += QUIET_MS;
    telling.tick();
    expect(telling.told.map(({ hour }) => hour)).toEqual([HOUR_MS, 2 * HOUR_MS]);
    for (const each of telling.told) expect(readStatement(statementLine(each))).toEqual(each);
  });
});

describe("a statement's line", () => {
  it.each(["", "{}", '{"v":1,"admissions":{}}', '{"v":1,"admissions":', '{"v":2,"admissions":{"tenant":"t"}}'])(
    "is not %s",
    (line) => expect(readStatement(line)).toBeUndefined(),
  );
});

describe("coverage", () => {
  const facts = { hour: hourOf(10 * HOUR_MS + 5), missing: [], uncertain: [] };

  it("is what is stored of what was admitted, and of nothing there is none", () => {
    const now = facts.hour + HOUR_MS + SETTLED_AFTER_MS;
    const hours = [
      coverageOf({ ...facts, admitted: 4, missingCount: 1 }, now),
      coverageOf({ ...facts, hour: facts.hour + HOUR_MS, admitted: 0, missingCount: 0 }, now),
    ];
    expect(hours.map(({ coverage, stored, isSettled }) => [coverage, stored, isSettled])).toEqual([
      [0.75, 3, true],
      [null, 0, false],
    ]);
    expect(totalOf(hours)).toEqual({ admitted: 4, stored: 3, missingCount: 1, coverage: 0.75, isSettled: false });
  });
});
