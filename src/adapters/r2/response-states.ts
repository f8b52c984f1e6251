// Touches kept responses in R2: sealed under a key of their tenant, found by session, actor and id, listed by the day on which they go.
import * as z from "zod/mini";
import { isJsonObject, type Json, type JsonObject } from "../../core/json/canonical.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import { dayOf } from "../../core/units/utc-day.ts";
import type { MaskingKeys } from "../../gateway/ports/masking.ts";
import type { KeptResponse, ResponseOwner, ResponseStates } from "../../gateway/ports/response-states.ts";
import { keyFrom, open, seal, utf8 } from "../kv/sealed.ts";

/** Items of one response that are found by their own ids. */
const MAX_ITEMS = 64;
/** Objects that R2 deletes at once. */
const AT_ONCE = 1_000;
/** Ids as providers make them; others are found by nobody. */
const ID = /^[A-Za-z0-9_-]{1,256}$/;
/** The place of responses whose session nobody named. */
const UNNAMED = "-";

const Objects = z.custom<JsonObject>((value) => isJsonObject(value));
const Kept = z.object({
  session: z.string(),
  response: Objects,
  input: z.array(Objects),
  lost: z.optional(z.literal("too_long")),
  expiresAt: z.number(),
});
const Item = z.object({ session: z.string(), item: Objects, expiresAt: z.number() });
/** The addresses of everything that belongs to one response. */
const Manifest = z.array(z.string());

/**
 * Kept responses under `responses/<tenant>/<session>/<actor>/`, `r/` and `i/` for responses and items. A session that nobody
 * named is found by its actor alone, and lists its responses under `u/`; the days on which they go are listed apart.
 */
export function r2ResponseStates(bucket: R2Bucket, masking: MaskingKeys): ResponseStates {
  const sealed = new SealedObjects(bucket, masking);
  return {
    keep: (owner, id, kept) => keep(bucket, sealed, { owner, id, kept }),
    find: async (owner, id, now) => (await findAt(sealed, Kept, { owner, name: `r/${id}`, id, now }))?.value,
    item: async (owner, id, now) => (await findAt(sealed, Item, { owner, name: `i/${id}`, id, now }))?.value.item,
    remove: async (owner, id, now) => {
      const found = await findAt(sealed, Kept, { owner, name: `r/${id}`, id, now });
      if (found === undefined) return false;
      await removeAll(bucket, addressesOf(owner, found.place, { id, kept: found.value }));
      return true;
    },
    forget: (tenant, session) => forget(bucket, tenant, session),
    purge: (tenant, now, limit) => purge(bucket, tenant, { now, limit }),
  };
}

/** Objects that nobody reads without their tenant's key. */
class SealedObjects {
  readonly #bucket: R2Bucket;
  readonly #masking: MaskingKeys;

  constructor(bucket: R2Bucket, masking: MaskingKeys) {
    this.#bucket = bucket;
    this.#masking = masking;
  }

  async put(tenant: string, at: string, value: unknown): Promise<void> {
    const [key] = await this.#keysOf(tenant);
    if (key === undefined) throw new TypeError("the tenant has no key");
    await this.#bucket.put(at, await seal(key, at, utf8(JSON.stringify(value))));
  }

  async get(tenant: string, at: string): Promise<unknown> {
    const object = await this.#bucket.get(at);
    if (object === null) return undefined;
    const bytes = new Uint8Array(await object.arrayBuffer());
    for (const key of await this.#keysOf(tenant)) {
      try {
        return JSON.parse(new TextDecoder().decode(await open(key, at, bytes)));
      } catch {
        // Sealed under another of the tenant's keys.
      }
    }
    return undefined;
  }

  async #keysOf(tenant: string): Promise<readonly CryptoKey[]> {
    const keys = await this.#masking.keysOf(tenant);
    return Promise.all(keys.map((key) => keyFrom(key, `interlock kept responses v1\n${tenant}`)));
  }
}

async function keep(
  bucket: R2Bucket,
  sealed: SealedObjects,
  { owner, id, kept }: { readonly owner: ResponseOwner; readonly id: string; readonly kept: KeptResponse },
): Promise<void> {
  if (!ID.test(id)) return;
  const { tenant } = owner;
  const place = placeOf(owner, owner.isNamed ? kept.session : undefined);
  const manifest = JSON.stringify(addressesOf(owner, place, { id, kept }));
  const day = `response-days/${tenant}/${dayOf(kept.expiresAt)}/`;
  // What is to be deleted is listed before it is there.
  await bucket.put(`${day}${sha256Hex(`${place}${id}`).slice(0, 32)}`, manifest);
  if (!owner.isNamed) await bucket.put(pointerOf(owner, kept.session, id), manifest);
  const items = new Map(itemsWithId(kept));
  await Promise.all(
    [...items].map(([name, item]) =>
      sealed.put(tenant, `${place}i/${name}`, { session: kept.session, item, expiresAt: kept.expiresAt }),
    ),
  );
  await sealed.put(tenant, `${place}r/${id}`, kept);
}

function itemsWithId({ response, lost }: KeptResponse): readonly (readonly [string, JsonObject])[] {
  const output = response["output"];
  if (lost !== undefined || !Array.isArray(output)) return [];
  return (output as readonly Json[])
    .flatMap((item) =>
      isJsonObject(item) && typeof item["id"] === "string" && ID.test(item["id"]) ? [[item["id"], item] as const] : [],
    )
    .slice(0, MAX_ITEMS);
}

/** Everything that belongs to a response kept at a place. */
function addressesOf(
  owner: ResponseOwner,
  place: string,
  { id, kept }: { readonly id: string; readonly kept: KeptResponse },
): readonly string[] {
  const pointers = place === placeOf(owner, undefined) ? [pointerOf(owner, kept.session, id)] : [];
  return [`${place}r/${id}`, ...itemsWithId(kept).map(([name]) => `${place}i/${name}`), ...pointers];
}

/** Where a session that nobody named lists a response. */
function pointerOf(owner: ResponseOwner, session: string, id: string): string {
  return `${placeOf(owner, session)}u/${id}`;
}

function placeOf({ tenant, actor }: Pick<ResponseOwner, "tenant" | "actor">, session: string | undefined): string {
  return `${sessionPlace(tenant, session)}${digest(actor)}/`;
}

function sessionPlace(tenant: string, session: string | undefined): string {
  return `responses/${tenant}/${session === undefined ? UNNAMED : digest(session)}/`;
}

function digest(text: string): string {
  return sha256Hex(text).slice(0, 32);
}

interface Asked {
  readonly owner: ResponseOwner;
  readonly name: string;
  readonly id: string;
  readonly now: number;
}

/** What is kept under a name and not over, and where. A named session also finds what was answered in it before anyone named it. */
async function findAt<T extends { readonly session: string; readonly expiresAt: number }>(
  sealed: SealedObjects,
  shape: z.ZodMiniType<T>,
  { owner, name, id, now }: Asked,
): Promise<{ readonly place: string; readonly value: T } | undefined> {
  if (!ID.test(id)) return undefined;
  const places = owner.isNamed
    ? [placeOf(owner, owner.session), placeOf(owner, undefined)]
    : [placeOf(owner, undefined)];
  for (const place of places) {
    const read = shape.safeParse(await sealed.get(owner.tenant, place + name));
    if (!read.success || read.data.expiresAt <= now) continue;
    if (!owner.isNamed || read.data.session === owner.session) return { place, value: read.data };
  }
  return undefined;
}

async function forget(bucket: R2Bucket, tenant: string, session: string | null): Promise<number> {
  const prefix = session === null ? `responses/${tenant}/` : sessionPlace(tenant, session);
  const names = await namesUnder(bucket, prefix);
  const manifests = session === null ? [] : names.filter((name) => /\/u\/[^/]+$/.test(name));
  for (const manifest of manifests) await removeListed(bucket, manifest);
  await removeAll(bucket, names);
  if (session === null) await removeAll(bucket, await namesUnder(bucket, `response-days/${tenant}/`));
  return names.filter((name) => /\/r\/[^/]+$/.test(name)).length + manifests.length;
}

async function purge(
  bucket: R2Bucket,
  tenant: string,
  { now, limit }: { readonly now: number; readonly limit: number },
): Promise<number> {
  const prefix = `response-days/${tenant}/`;
  const { delimitedPrefixes } = await bucket.list({ prefix, delimiter: "/" });
  const over = delimitedPrefixes.filter((day) => day < `${prefix}${dayOf(now)}/`).toSorted();
  let removed = 0;
  for (const day of over) {
    if (removed >= limit) break;
    const { objects } = await bucket.list({ prefix: day, limit: Math.min(AT_ONCE, limit - removed) });
    for (const { key } of objects) await removeListed(bucket, key);
    removed += objects.length;
  }
  return removed;
}

/** Deletes what a manifest lists, and then the manifest. */
async function removeListed(bucket: R2Bucket, manifest: string): Promise<void> {
  const object = await bucket.get(manifest);
  const listed = Manifest.safeParse(object === null ? [] : await object.json());
  await removeAll(bucket, [...(listed.success ? listed.data : []), manifest]);
}

async function namesUnder(bucket: R2Bucket, prefix: string): Promise<readonly string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page: R2Objects = await bucket.list({ prefix, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.objects.map(({ key }) => key));
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return found;
}

async function removeAll(bucket: R2Bucket, names: readonly string[]): Promise<void> {
  for (let at = 0; at < names.length; at += AT_ONCE) await bucket.delete(names.slice(at, at + AT_ONCE));
}
