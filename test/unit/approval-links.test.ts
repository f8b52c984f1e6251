// Proves approval links: what was signed is read back, and nothing else is, however it is spelled.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createApprovalLinks } from "../../src/adapters/approval-links.ts";
import type { ApprovalLink } from "../../src/gateway/ports/approvals.ts";

const KEY = Buffer.alloc(32, 7).toString("base64");
const link: ApprovalLink = {
  tenant: "acme",
  approval: `ap_${"0".repeat(32)}`,
  approver: "ann",
  digest: "d".repeat(64),
  expiresAt: 1_000,
};
const at = (now: number, key = KEY): ReturnType<typeof createApprovalLinks> =>
  createApprovalLinks(key, { now: () => now });

describe("an approval link", () => {
  it("reads back what was signed until it is over", async () => {
    const token = await at(0).sign(link);
    expect(await at(999).read(token)).toEqual(link);
    expect(await at(1_000).read(token)).toBeUndefined();
    expect(token.length).toBeLessThan(400);
    expect(token).toMatch(/^[\w-]+\.[\w-]+$/);
  });

  it("is void under another key", async () => {
    expect(await at(0, Buffer.alloc(32, 8).toString("base64")).read(await at(0).sign(link))).toBeUndefined();
  });

  it("is void with any one character changed, added or left out", async () => {
    const token = await at(0).sign(link);
    const spoilt = Array.from(token).flatMap((character, index) => {
      const [head, tail] = [token.slice(0, index), token.slice(index + 1)];
      return [`${head}${character === "A" ? "B" : "A"}${tail}`, `${head}${tail}`, `${head}A${character}${tail}`];
    });
    const read = await Promise.all(spoilt.map((each) => at(0).read(each)));
    expect(read.filter((each) => each !== undefined)).toEqual([]);
    // The spelling of the signature's last character has two bits to spare: they are not spare here.
    const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const others = Array.from(last)
      .filter((each) => !token.endsWith(each))
      .map((each) => token.slice(0, -1) + each);
    expect((await Promise.all(others.map((each) => at(0).read(each)))).every((each) => each === undefined)).toBe(true);
  });

  it("answers nothing, and throws nothing, for any other text", async () => {
    const odd = ["", ".", "..", "a.b", "a.b.c", "é.é", "%00.%00", `${"A".repeat(5_000)}.A`];
    for (const text of odd) expect(await at(0).read(text)).toBeUndefined();
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), async (left, right) => {
        expect(await at(0).read(`${left}.${right}`)).toBeUndefined();
      }),
    );
  });
});
