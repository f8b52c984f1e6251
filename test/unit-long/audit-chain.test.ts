// Proves the audit chain: every mutation of an export is found and located, proofs prove, signatures are RFC 8032's.
import { createPublicKey, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GENESIS, type AuditKey } from "../../src/core/audit/chain.ts";
import { entryHash, eventDigest } from "../../src/core/audit/chain.ts";
import { auditLine } from "../../src/core/audit/lines.ts";
import { proofOf, verifyProof } from "../../src/core/audit/proof.ts";
import { canonicalJson } from "../../src/core/json/canonical.ts";
import { exportOf, privateKeyOf, segmentsOf, signedBy, signerOf, verifyLines } from "../unit/audit-fixture.ts";

const signer = signerOf(1);
const keys: readonly AuditKey[] = [signer.key];
const segments = segmentsOf("acme", [3, 1, 4, 2], signer);
const lines = exportOf("acme", segments, keys);
const LAST = 10;
/** Lines before the first entry. */
const FRONT = 2;

/** The entry that a line of the export is, or closes. */
function seqOfLine(at: number): number {
  const line = JSON.parse(lines[at] ?? "{}") as { event?: { seq: number }; checkpoint?: { seq: number } };
  return line.event?.seq ?? line.checkpoint?.seq ?? 1;
}

function seqsOf(changed: readonly string[], believed: readonly AuditKey[] = keys): readonly number[] {
  const report = verifyLines(changed, believed);
  expect(report.ok).toBe(report.problems.length === 0);
  return report.problems.map(({ seq }) => seq);
}

const entryAt = fc.constantFrom(...lines.flatMap((line, at) => (line.includes('"type":"entry"') ? [at] : [])));
const anyLine = fc.integer({ min: 0, max: lines.length - 1 });
const lineInChain = fc.integer({ min: FRONT, max: lines.length - 1 });

describe("a chain as it was written", () => {
  it("verifies, whole and in a window whose start is pinned", () => {
    expect(verifyLines(lines)).toMatchObject({ ok: true, events: LAST, head: { seq: LAST }, problems: [] });
    const window = exportOf("acme", segments.slice(1, 3), keys);
    expect(verifyLines(window, keys)).toMatchObject({ ok: true, events: 5, from_seq: 4, head: { seq: 8 } });
  });

  it("is the chain that its definition says, hashed by hand", () => {
    const [first, second] = segments[0]?.entries ?? [];
    expect(first?.hash).toBe(entryHash(GENESIS, eventDigest(first?.event)));
    expect(second?.hash).toBe(entryHash(first?.hash ?? "", eventDigest(second?.event)));
  });

  it("without an entry is one too", () => {
    expect(verifyLines(exportOf("acme", [], keys))).toMatchObject({ ok: true, events: 0, head: { seq: 0 } });
  });

  it("of 10,000 events verifies in seconds", () => {
    const long = segmentsOf(
      "acme",
      Array.from({ length: 200 }, () => 50),
      signer,
    );
    const text = exportOf("acme", long, keys);
    const startedAt = performance.now();
    const report = verifyLines(text, keys);
    const tookMs = Math.round(performance.now() - startedAt);
    console.log(`verified 10,000 events in 200 signed segments: ${tookMs} ms`);
    expect(report).toMatchObject({ ok: true, events: 10_000 });
    expect(tookMs).toBeLessThan(10_000);
  });
});

describe("tampering with an export is found and located", () => {
  it("any one character of any line changed", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(anyLine, fc.nat(), fc.string({ minLength: 1, maxLength: 1, unit: "binary" }), (at, offset, put) => {
        const line = lines[at] ?? "";
        const where = offset % line.length;
        fc.pre(line[where] !== put);
        const changed = lines.with(at, line.slice(0, where) + put + line.slice(where + 1));
        const found = seqsOf(changed);
        expect(found.length).toBeGreaterThan(0);
        if (at >= FRONT) expect(found.some((seq) => Math.abs(seq - seqOfLine(at)) <= 1)).toBe(true);
      }),
      { numRuns: 1_500 },
    );
  });

  it("any one byte of the file flipped", { timeout: 60_000 }, () => {
    const bytes = Buffer.from(lines.join("\n"));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ mask;
        expect(seqsOf(changed.toString().split("\n")).length).toBeGreaterThan(0);
      }),
      { numRuns: 1_500 },
    );
  });

  it("any field of an event changed, with its line written again, at that very entry", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(entryAt, fc.nat(), fc.jsonValue(), (at, pick, value) => {
        const { event, ...rest } = JSON.parse(lines[at] ?? "{}") as { event: Record<string, unknown> };
        const names = Object.keys(event).filter((name) => name !== "seq");
        const name = names[pick % names.length] ?? "who";
        fc.pre(canonicalJson(event[name]) !== canonicalJson(value));
        const changed = lines.with(at, canonicalJson({ ...rest, event: { ...event, [name]: value } }));
        expect(seqsOf(changed)).toContain(seqOfLine(at));
      }),
      { numRuns: 500 },
    );
  });

  it("a member added to an event, __proto__ included", () => {
    for (const name of ["extra", "__proto__", "toString"]) {
      const line = (lines[FRONT] ?? "").replace('{"event":{', `{"event":{"${name}":{},`);
      expect(seqsOf(lines.with(FRONT, line))).toContain(1);
    }
  });

  it("an event changed together with its own hash, at it or the next", () => {
    fc.assert(
      fc.property(entryAt, (at) => {
        const seq = seqOfLine(at);
        const all = segments.flatMap((each) => each.entries);
        const event = { ...all[seq - 1]?.event, who: "key_forger" };
        const hash = entryHash(all[seq - 2]?.hash ?? GENESIS, eventDigest(event));
        const found = seqsOf(lines.with(at, canonicalJson({ type: "entry", event, hash })));
        expect(found.some((each) => each === seq || each === seq + 1)).toBe(true);
      }),
    );
  });

  it("a segment rewritten to its end, in its segment; signed anew with another key, as not signed", () => {
    const forger = signerOf(2);
    const forged = segmentsOf("acme", [3, 1, 4, 2], forger);
    // Its events have another author, so that every hash of it differs.
    const other = segmentsOf("acme", [3, 1, 4, 2], { ...forger, key: signer.key });
    for (const [at, { signed }] of segments.entries()) {
      const swapped = (by: typeof segments): readonly string[] =>
        exportOf("acme", segments.with(at, by[at] ?? { entries: [], signed }), keys);
      const problems = verifyLines(swapped(forged), keys).problems;
      expect(problems.map((each) => each.kind)).toContain("bad_signature");
      expect(problems.every((each) => each.seq >= signed.checkpoint.first_seq)).toBe(true);
      expect(verifyLines(swapped(other), keys).problems.map((each) => each.kind)).toContain("bad_signature");
    }
    expect(verifyLines(exportOf("acme", forged, [forger.key]), keys).ok).toBe(false);
    // Believing whatever key stands in the file: only a pinned key finds that, so the report names the signer.
    expect(verifyLines(exportOf("acme", forged, [forger.key])).signed_by).toEqual([forger.key.kid]);
  });

  it("any line removed", () => {
    fc.assert(
      fc.property(anyLine, (at) => {
        const found = seqsOf(lines.toSpliced(at, 1), at === 1 ? [] : keys);
        if (at < FRONT) expect(found.length).toBeGreaterThan(0);
        else expect(found.some((seq) => seq <= seqOfLine(at) && seq >= seqOfLine(at) - 3)).toBe(true);
        if (lines[at]?.includes('"type":"entry"')) expect(found).toContain(seqOfLine(at));
      }),
    );
  });

  it("a run of lines removed, at its first entry; the end cut off as well", () => {
    fc.assert(
      fc.property(entryAt, fc.integer({ min: 1, max: 20 }), (at, count) => {
        const report = verifyLines(lines.toSpliced(at, count), keys);
        expect(report.problems).toContainEqual(expect.objectContaining({ kind: "removed", seq: seqOfLine(at) }));
      }),
    );
    for (let cut = FRONT; cut < lines.length; cut += 1) expect(verifyLines(lines.slice(0, cut), keys).ok).toBe(false);
  });

  it("any line of the chain standing twice, wherever its copy stands", () => {
    fc.assert(
      fc.property(lineInChain, lineInChain, (at, to) => {
        expect(seqsOf(lines.toSpliced(to, 0, lines[at] ?? ""))).toContain(
          lines[at]?.includes('"type":"entry"') ? seqOfLine(at) : firstSeqOf(at),
        );
      }),
    );
  });

  it("any two lines of the chain swapped", () => {
    fc.assert(
      fc.property(lineInChain, lineInChain, (a, b) => {
        fc.pre(a !== b);
        expect(seqsOf(lines.with(a, lines[b] ?? "").with(b, lines[a] ?? "")).length).toBeGreaterThan(0);
      }),
    );
  });

  it("an event of nobody's put in", () => {
    const event = { ...segments[2]?.entries[0]?.event, who: "key_forger" };
    fc.assert(
      fc.property(lineInChain, fc.integer({ min: 1, max: LAST + 1 }), (at, seq) => {
        const line = canonicalJson({ type: "entry", event: { ...event, seq }, hash: "a".repeat(64) });
        expect(seqsOf(lines.toSpliced(at, 0, line))).toContain(seq);
      }),
    );
  });

  it("segments of another tenant spliced in", () => {
    const others = segmentsOf("globex", [3, 1, 4, 2], signer);
    for (const at of segments.keys()) {
      const other = others[at];
      const own = segments[at];
      if (other === undefined || own === undefined) throw new Error("chains differ in length");
      const report = verifyLines(exportOf("acme", segments.with(at, other), keys), keys);
      expect(report.problems).toContainEqual(
        expect.objectContaining({ kind: "inserted", seq: own.signed.checkpoint.first_seq }),
      );
      expect(report.problems.map(({ kind }) => kind)).toContain("bad_checkpoint");
    }
    expect(verifyLines(exportOf("acme", others, keys), keys).ok).toBe(false);
  });

  it("the last segment taken away with its checkpoint, by a checkpoint that was kept elsewhere", () => {
    const shorter = exportOf("acme", segments.slice(0, 3), keys);
    expect(verifyLines(shorter, keys).ok).toBe(true);
    const start = JSON.parse(shorter[0] ?? "{}") as { head: unknown };
    const pinned = shorter.with(0, canonicalJson({ ...start, head: segments[3]?.signed }));
    expect(verifyLines(pinned, keys).problems).toContainEqual(
      expect.objectContaining({ kind: "removed", seq: 9, detail: "entries 9 to 10 are missing" }),
    );
  });

  it("a checkpoint of hashes that the chain does not have, though well signed", () => {
    const signed = segments[1]?.signed;
    if (signed === undefined) throw new Error("no segment");
    const wrong = signer.sign({ ...signed.checkpoint, hash: "b".repeat(64) });
    const at = lines.findIndex((line) => line.includes('"type":"checkpoint"') && line.includes('"seq":4'));
    const report = verifyLines(lines.with(at, auditLine({ type: "checkpoint", ...wrong })), keys);
    expect(report.problems).toContainEqual(expect.objectContaining({ kind: "bad_checkpoint", seq: 4 }));
  });
});

/** The first entry of the segment that a checkpoint line closes. */
function firstSeqOf(at: number): number {
  return (JSON.parse(lines[at] ?? "{}") as { checkpoint: { first_seq: number } }).checkpoint.first_seq;
}

describe("an inclusion proof", () => {
  const proofs = segments.flatMap(({ entries, signed }) =>
    entries.map(({ event }) => {
      const proof = proofOf(event.seq, entries, signed);
      if (proof === undefined) throw new Error("no proof");
      return proof;
    }),
  );

  it("proves each event of each segment, and holds no other event", () => {
    expect(proofs).toHaveLength(LAST);
    for (const proof of proofs) {
      expect(verifyProof(JSON.parse(JSON.stringify(proof)), signedBy(keys))).toEqual([]);
      expect(JSON.stringify(proof).match(/"who"/g)).toHaveLength(1);
    }
    expect(proofOf(99, segments[0]?.entries ?? [], proofs[0]?.checkpoint ?? neverSigned())).toBeUndefined();
  });

  it(
    "of a changed event, a changed path, another checkpoint or another key proves nothing",
    { timeout: 60_000 },
    () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...proofs),
          fc.nat(),
          fc.string({ minLength: 1, maxLength: 1 }),
          (proof, pick, put) => {
            const text = canonicalJson(proof);
            const at = pick % text.length;
            const changed = text.slice(0, at) + put + text.slice(at + 1);
            fc.pre(changed !== text);
            expect(verifyProof(jsonOf(changed), signedBy(keys)).length).toBeGreaterThan(0);
          },
        ),
        { numRuns: 2_000 },
      );
      for (const proof of proofs) expect(verifyProof(proof, signedBy([signerOf(2).key]))).toHaveLength(1);
      const [first, second] = proofs;
      expect(verifyProof({ ...first, event: second?.event }, signedBy(keys)).length).toBeGreaterThan(0);
      expect(verifyProof({ ...first, checkpoint: proofs.at(-1)?.checkpoint }, signedBy(keys)).length).toBeGreaterThan(
        0,
      );
    },
  );
});

function neverSigned(): never {
  throw new Error("no segment");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

describe("signatures", () => {
  it.each([
    {
      name: "RFC 8032 s7.1 test 1",
      seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      x: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      message: "",
      signature:
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    },
    {
      name: "RFC 8032 s7.1 test 2",
      seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      x: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      message: "72",
      signature:
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    },
  ])("are those of $name", ({ seed, x, message, signature }) => {
    const secret = privateKeyOf(Buffer.from(seed, "hex"));
    const text = Buffer.from(message, "hex");
    expect(createPublicKey(secret).export({ format: "jwk" }).x).toBe(Buffer.from(x, "hex").toString("base64url"));
    expect(sign(null, text, secret).toString("hex")).toBe(signature);
    const jwk = { kty: "OKP", crv: "Ed25519", x: Buffer.from(x, "hex").toString("base64url") };
    expect(verify(null, text, createPublicKey({ key: jwk, format: "jwk" }), Buffer.from(signature, "hex"))).toBe(true);
  });

  it("name their key by its RFC 7638 thumbprint, as RFC 8037 A.3 has it", async () => {
    const { thumbprint } = await import("../../src/core/audit/chain.ts");
    const x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    expect(thumbprint({ kty: "OKP", crv: "Ed25519", x })).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  });
});
