// Names what is known of a version of a dataset besides its cases.

/** A version of a dataset as it is listed. */
export interface Dataset {
  readonly tenant: string;
  readonly name: string;
  readonly version: number;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly cases: number;
  readonly clusters: number;
  readonly digest: string;
  /** What it was cut from or imported of, and what was left out. */
  readonly origin: Readonly<Record<string, unknown>>;
}
