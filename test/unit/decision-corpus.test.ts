// Proves decisions against a corpus of calls with the effect and the exact reasons that people worked out for them.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { TestEntry } from "../../src/core/config/policy-document.ts";
import type { ActiveConfig } from "../../src/core/config/published.ts";
import type { Switch, SwitchKind, SwitchScope } from "../../src/core/policy/switches.ts";
import { decideTest } from "../../src/core/policy/policy-tests.ts";
import { published, unchecked } from "./policy-fixture.ts";

interface Case extends Pick<TestEntry, "call" | "session" | "now"> {
  readonly name: string;
  /** Rules in place of the config's. */
  readonly rules?: readonly unknown[];
  readonly switches?: readonly {
    readonly kind: SwitchKind;
    readonly scope: SwitchScope;
    readonly expires_at?: string;
  }[];
  readonly expect: { readonly effect: string; readonly reasons: readonly string[]; readonly stop_and_ask?: boolean };
}

interface CorpusFile {
  readonly config: { readonly policy: object };
  /** Whether the rules are ones that publishing refuses. */
  readonly unchecked?: boolean;
  readonly cases: readonly Case[];
}

const FOLDER = new URL("../corpus/decisions/", import.meta.url);
const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => ({ name, file: JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as CorpusFile }));

function configOf({ config, unchecked: isUnchecked }: CorpusFile, { rules }: Case): ActiveConfig {
  const document = rules === undefined ? config : { ...config, policy: { ...config.policy, rules } };
  return isUnchecked === true ? unchecked(document) : published(document);
}

function switchesOf({ switches = [] }: Case): readonly Switch[] {
  return switches.map(({ expires_at, ...each }, at) => ({
    ...each,
    id: `sw${at}`,
    reason: "a test",
    set_by: "key_test",
    set_at: 0,
    expires_at: expires_at === undefined ? null : Date.parse(expires_at),
  }));
}

describe("the decision corpus", () => {
  const count = files.reduce((sum, { file }) => sum + file.cases.length, 0);
  it("holds enough cases", () => {
    console.log(`decision corpus: ${count} cases in ${files.length} files`);
    expect(count).toBeGreaterThanOrEqual(250);
  });

  describe.each(files)("$name", ({ file }) => {
    const shared = file.unchecked === true ? undefined : published(file.config);
    it.each(file.cases)("$name", (each) => {
      const outcome = decideTest(shared ?? configOf(file, each), each, switchesOf(each));
      if ("invalid" in outcome) throw new Error(JSON.stringify(outcome.invalid));
      const { decision, stops } = outcome;
      const { stop_and_ask, ...expected } = each.expect;
      const reasons = decision.reasons.map((reason) => reason.rule_id).toSorted();
      expect({ effect: decision.effect, reasons }, JSON.stringify(decision.reasons)).toEqual({
        effect: expected.effect,
        reasons: expected.reasons.toSorted(),
      });
      if (stop_and_ask !== undefined) expect(stops).toBe(stop_and_ask);
    });
  });
});
