// Proves credentials at rest: sealed under a wrapped data key, readable in the older form, rotated, and bound to where they lie.
import { afterEach, describe, expect, it, vi } from "vitest";
import { kvSecrets } from "../../src/adapters/kv/secrets.ts";
import type { Secrets } from "../../src/gateway/ports.ts";
import { asRoot, bindings, createKey, createTenant, request } from "./tenant.ts";

const kv = bindings.CONFIG;
const key = (fill: number): string => btoa(String.fromCharCode(...new Uint8Array(32).fill(fill)));
const [FIRST, SECOND, THIRD] = [key(1), key(2), key(3)];
let clock = 0;
let tenants = 0;

afterEach(() => vi.restoreAllMocks());

/** A place of its own, with nothing in memory; each reading is later than what another place may remember. */
function place(current: string, previous?: string): Secrets {
  return kvSecrets(
    kv,
    { current, previous },
    {
      now: () => (clock += 60_000),
      randomHex: (bytes) =>
        [...crypto.getRandomValues(new Uint8Array(bytes))].map((b) => b.toString(16).padStart(2, "0")).join(""),
    },
  );
}

function freshTenant(): string {
  tenants += 1;
  return `sealed-${tenants}-${crypto.randomUUID().slice(0, 8)}`;
}

async function stored(tenant: string, name: string): Promise<Record<string, unknown>> {
  return (await kv.get<Record<string, unknown>>(`secret/${tenant}/${name}`, "json")) ?? {};
}

async function dataKeys(tenant: string): Promise<readonly string[]> {
  return (await kv.list({ prefix: `datakey/${tenant}/` })).keys.map(({ name }) => name);
}

/** Stores as 0.2 and before did. */
async function storeAsBefore(root: string, tenant: string, name: string, text: string): Promise<void> {
  const utf8 = new TextEncoder();
  const bytes = Uint8Array.from(atob(root), (character) => character.charCodeAt(0));
  const base = await crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"]);
  const derived = await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: utf8.encode(`interlock tenant ${tenant}`) },
    base,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt"],
  );
  const at = `secret/${tenant}/${name}`;
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv, additionalData: utf8.encode(at) },
    derived,
    utf8.encode(text),
  );
  await kv.put(at, new Uint8Array([...iv, ...new Uint8Array(sealed)]));
}

describe("a stored credential", () => {
  it("is sealed under the tenant's data key, with a version that grows", async () => {
    const tenant = freshTenant();
    await place(FIRST).put(tenant, "a", "s3cret-one");
    await place(FIRST).put(tenant, "a", "s3cret-two");
    expect(await place(FIRST).reveal(tenant, "a")).toBe("s3cret-two");
    expect(await stored(tenant, "a")).toMatchObject({ v: 2, version: 2 });
    expect(JSON.stringify(await stored(tenant, "a"))).not.toContain(btoa("s3cret-two"));
    expect((await dataKeys(tenant)).length).toBe(1);
  });

  it("opens for no other tenant, name, version or root key", async () => {
    const [tenant, other] = [freshTenant(), freshTenant()];
    await place(FIRST).put(tenant, "a", "s3cret");
    await place(FIRST).put(other, "a", "other");
    const body = await stored(tenant, "a");
    await kv.put(`secret/${tenant}/b`, JSON.stringify(body));
    await kv.put(`secret/${other}/a`, JSON.stringify({ ...body, key: (await stored(other, "a"))["key"] }));
    await kv.put(`secret/${tenant}/c`, JSON.stringify({ ...body, version: 7 }));
    for (const [whose, name] of [
      [tenant, "b"],
      [tenant, "c"],
      [other, "a"],
    ] as const)
      await expect(place(FIRST).reveal(whose, name)).rejects.toThrow("cannot be decrypted");
    await expect(place(SECOND).reveal(tenant, "a")).rejects.toThrow("neither SECRETS_KEY nor SECRETS_KEY_PREVIOUS");
    // A data key moved to another tenant does not unwrap there.
    const [name = ""] = await dataKeys(tenant);
    const moved = name.replace(tenant, other);
    await kv.put(moved, (await kv.get(name)) ?? "");
    await kv.put(`secret/${other}/z`, JSON.stringify(body));
    await expect(place(FIRST).reveal(other, "z")).rejects.toThrow();
  });

  it("that two places store at once, as the first of their tenant, is readable in both", async () => {
    const tenant = freshTenant();
    await Promise.all(["a", "b", "c"].map((name) => place(FIRST).put(tenant, name, `s3cret-${name}`)));
    for (const name of ["a", "b", "c"]) expect(await place(FIRST).reveal(tenant, name)).toBe(`s3cret-${name}`);
  });

  it("of an older release is read as it is, and sealed anew by a rotation", async () => {
    const tenant = freshTenant();
    await storeAsBefore(FIRST, tenant, "old", "s3cret-old");
    expect(await place(FIRST).reveal(tenant, "old")).toBe("s3cret-old");
    expect(await place(SECOND, FIRST).reveal(tenant, "old")).toBe("s3cret-old");
    expect(await place(SECOND, FIRST).rotate(tenant, { newKey: false })).toMatchObject({ secrets: 1, resealed: 1 });
    expect(await stored(tenant, "old")).toMatchObject({ v: 2, version: 1 });
    expect(await place(SECOND).reveal(tenant, "old")).toBe("s3cret-old");
  });
});

describe("a rotation", () => {
  it("seals all under a new data key, keeps the one before, and forgets the one before that", async () => {
    const tenant = freshTenant();
    for (const name of ["a", "b"]) await place(FIRST).put(tenant, name, `s3cret-${name}`);
    const [first] = await dataKeys(tenant);
    const done = await place(FIRST).rotate(tenant, { newKey: true });
    expect(done).toMatchObject({ secrets: 2, resealed: 2, rewrapped: 0, unreadable: [] });
    expect(await stored(tenant, "a")).toMatchObject({ key: done.key, version: 2 });
    expect((await dataKeys(tenant)).length).toBe(2);
    expect(await dataKeys(tenant)).toContain(first);
    await place(FIRST).rotate(tenant, { newKey: true });
    expect(await dataKeys(tenant)).not.toContain(first);
    for (const name of ["a", "b"]) expect(await place(FIRST).reveal(tenant, name)).toBe(`s3cret-${name}`);
  });

  it("follows a root key: until it is done both open, afterwards the old one is not needed", async () => {
    const tenant = freshTenant();
    await place(FIRST).put(tenant, "a", "s3cret");
    expect(await place(SECOND, FIRST).reveal(tenant, "a")).toBe("s3cret");
    expect(await place(SECOND, FIRST).rotate(tenant, { newKey: false })).toMatchObject({ rewrapped: 1, resealed: 0 });
    expect(await place(SECOND).reveal(tenant, "a")).toBe("s3cret");
    await expect(place(FIRST).reveal(tenant, "a")).rejects.toThrow("cannot be decrypted");
    expect(await place(SECOND, FIRST).rotate(tenant, { newKey: false })).toMatchObject({ rewrapped: 0 });
  });

  it("names what no root key opens, loses nothing of it, and does the rest", async () => {
    const tenant = freshTenant();
    await place(FIRST).put(tenant, "lost", "s3cret-lost");
    await storeAsBefore(SECOND, tenant, "found", "s3cret-found");
    const done = await place(THIRD, SECOND).rotate(tenant, { newKey: true });
    expect(done).toMatchObject({ resealed: 1, unreadable: ["lost"] });
    expect(await place(THIRD).reveal(tenant, "found")).toBe("s3cret-found");
    expect(await place(FIRST).reveal(tenant, "lost")).toBe("s3cret-lost");
  });

  it("is for whoever may write credentials, and shows none", async () => {
    const tenant = await createTenant({});
    const answer = await asRoot(tenant.id, "/v1/secrets/rotate", "POST", {});
    expect(await answer.json()).toMatchObject({ secrets: 1, resealed: 1, unreadable: [] });
    const again = await asRoot(tenant.id, "/v1/secrets/rotate", "POST", { data_key: "keep" });
    expect(await again.json()).toMatchObject({ secrets: 1, resealed: 0, rewrapped: 0 });
    for (const role of ["agent", "operator", "auditor", "approver"]) {
      const refused = await request("/v1/secrets/rotate", await createKey(tenant.id, [role]), {
        method: "POST",
        body: "{}",
      });
      expect(refused.status).toBe(403);
    }
  });
});
