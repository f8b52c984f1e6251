// Decides in which database the index rows of a tenant and a time lie.

/** Where index rows lie. The same tenant and month are always in the same database. */
export interface TraceShards {
  /** The database of rows of this tenant that started at this instant (epoch milliseconds). */
  of(tenant: string, at: number): D1Database;
  /** Every database that may hold rows of this tenant from and to these instants, each once. */
  within(tenant: string, from: number | undefined, to: number | undefined): readonly D1Database[];
}

/** Everything in one database. */
export function oneShard(database: D1Database): TraceShards {
  return { of: () => database, within: () => [database] };
}
