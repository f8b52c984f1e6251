// Touches KV listings: every key name under a prefix, page by page.

/** The names under a prefix, without it. */
export async function listNames(kv: KVNamespace, prefix: string): Promise<readonly string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page: KVNamespaceListResult<unknown> = await kv.list({ prefix, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.keys.map(({ name }) => name.slice(prefix.length)));
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor !== undefined);
  return found;
}
