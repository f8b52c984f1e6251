// An in-memory key-value store that speaks the HTTP protocol behind workerd's KV binding.

interface Entry {
  readonly value: ArrayBuffer;
  readonly metadata: string | null;
  /** Seconds since the epoch, or null when the entry stays. */
  readonly expiration: number | null;
}

const entries = new Map<string, Entry>();
const maxListed = 1000;

export default {
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (request.method === "POST") return getMany(await request.json());
    if (url.pathname === "/") return list(url.searchParams);
    const key = keyOf(url);
    if (request.method === "PUT") return put(key, url.searchParams, request);
    if (request.method === "DELETE") {
      entries.delete(key);
      return new Response();
    }
    return get(key);
  },
};

function keyOf(url: URL): string {
  const raw = url.pathname.slice(1);
  return url.searchParams.get("urlencoded") === "true" ? decodeURIComponent(raw) : raw;
}

function live(key: string): Entry | undefined {
  const entry = entries.get(key);
  const isExpired = entry?.expiration != null && entry.expiration * 1000 <= Date.now();
  return isExpired ? undefined : entry;
}

function get(key: string): Response {
  const entry = live(key);
  if (entry === undefined) return new Response("Not Found", { status: 404 });
  const headers = new Headers();
  if (entry.expiration !== null) headers.set("CF-Expiration", String(entry.expiration));
  if (entry.metadata !== null) headers.set("CF-KV-Metadata", entry.metadata);
  return new Response(entry.value, { headers });
}

async function put(key: string, query: URLSearchParams, request: Request): Promise<Response> {
  const ttl = query.get("expiration_ttl");
  const at = query.get("expiration");
  entries.set(key, {
    value: await request.arrayBuffer(),
    metadata: request.headers.get("CF-KV-Metadata"),
    expiration: ttl === null ? (at === null ? null : Number(at)) : nowSeconds() + Number(ttl),
  });
  return new Response();
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function list(query: URLSearchParams): Response {
  const prefix = query.get("prefix") ?? "";
  const after = query.get("cursor") ?? "";
  const limit = Math.min(Number(query.get("key_count_limit") ?? maxListed), maxListed);
  const names = [...entries.keys()]
    .filter((name) => name.startsWith(prefix) && name > after && live(name) !== undefined)
    .toSorted();
  const page = names.slice(0, limit);
  const keys = page.map((name) => {
    const entry = entries.get(name);
    return {
      name,
      ...(entry?.expiration == null ? {} : { expiration: entry.expiration }),
      ...(entry?.metadata == null ? {} : { metadata: entry.metadata }),
    };
  });
  return Response.json(
    names.length > page.length
      ? { keys, list_complete: false, cursor: page.at(-1), cacheStatus: null }
      : { keys, list_complete: true, cacheStatus: null },
  );
}

interface BulkRequest {
  readonly keys: readonly string[];
  readonly type?: "text" | "json";
  readonly withMetadata?: boolean;
}

/** NOTE: only workerd calls this Worker, so its request is taken as well formed. */
function getMany(request: unknown): Response {
  const { keys, type, withMetadata } = request as BulkRequest;
  const found = keys.map((key): [string, unknown] => {
    const entry = live(key);
    if (entry === undefined) return [key, null];
    const text = new TextDecoder().decode(entry.value);
    const value: unknown = type === "json" ? JSON.parse(text) : text;
    if (withMetadata !== true) return [key, value];
    return [key, { value, metadata: entry.metadata === null ? null : JSON.parse(entry.metadata) }];
  });
  return Response.json(Object.fromEntries(found));
}
