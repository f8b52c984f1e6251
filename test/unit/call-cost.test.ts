// Proves that the guide's table of costs is what the counted work and the list prices come to.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { costOf, PRICES, WORK } from "../../bench/call-cost.ts";

const guide = readFileSync(new URL("../../docs/guides/cost.md", import.meta.url), "utf8");
const usd = (amount: number): string => amount.toFixed(2);

describe("docs/guides/cost.md", () => {
  it.each(Object.entries(WORK))("says what a million of %ss cost", (kind, work) => {
    const cost = costOf(work);
    const { requests, objects, objectRows, queue, d1, r2 } = cost;
    const parts = [requests, objects, objectRows, queue, d1, r2];
    const total = parts.reduce((sum, part) => sum + part, 0);
    expect(guide).toContain(`| ${kind} | ${parts.map(usd).join(" | ")} | **${usd(total)}** |`);
  });

  it.each(Object.entries(WORK))("says what one %s takes", (kind, work) => {
    const counted = [work.objectRequests, work.objectRows, work.queueMessages, work.d1Rows].map((each) =>
      String(Math.round(each * 100) / 100),
    );
    expect(guide).toContain(`| ${kind} | ${counted.join(" | ")} |`);
  });

  it("names every price", () => {
    for (const price of Object.values(PRICES)) expect(guide).toContain(`$${usd(price)}`);
  });
});
