// Decides which values a condition leaves to one part of a call: an interval, some constants, all but some, or none.
import type { Constant } from "./constants.ts";

/** One end of an interval. */
export interface Bound {
  readonly value: number;
  readonly isOpen: boolean;
}

/** What is known of one value; nothing where all are left out. A bound says that the value is a number. */
export interface Domain {
  readonly low?: Bound;
  readonly high?: Bound;
  /** The only values it can be. */
  readonly only?: readonly Constant[];
  readonly not?: readonly Constant[];
  /** Whether `has()` finds it; what it finds is never null. */
  readonly isThere?: boolean;
  /** Whether it is a whole number wherever it is one. */
  readonly isWhole?: boolean;
}

/** What is known where two things are. */
export function meet(left: Domain, right: Domain): Domain {
  const isContradiction = left.isThere !== undefined && right.isThere !== undefined && left.isThere !== right.isThere;
  return known({
    low: tighter(left.low, right.low, (a, b) => a > b),
    high: tighter(left.high, right.high, (a, b) => a < b),
    only: isContradiction ? [] : common(left.only, right.only),
    not: left.not === undefined || right.not === undefined ? (left.not ?? right.not) : [...left.not, ...right.not],
    isThere: left.isThere ?? right.isThere,
    isWhole: left.isWhole ?? right.isWhole,
  });
}

type Loose<T> = { readonly [Key in keyof T]: T[Key] | undefined };

function known(domain: Loose<Domain>): Domain {
  return Object.fromEntries(Object.entries(domain).filter(([, value]) => value !== undefined));
}

function tighter(
  left: Bound | undefined,
  right: Bound | undefined,
  isTighter: (a: number, b: number) => boolean,
): Bound | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  if (left.value === right.value) return left.isOpen ? left : right;
  return isTighter(left.value, right.value) ? left : right;
}

function common(
  left: readonly Constant[] | undefined,
  right: readonly Constant[] | undefined,
): readonly Constant[] | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return left.filter((each) => right.includes(each));
}

/** The same knowledge with nothing left that cannot be: whole bounds closed, constants out of reach gone. */
export function tidied(domain: Domain): Domain {
  const { low, high } = domain.isWhole === true ? wholeBounds(domain) : domain;
  const bounded = { ...domain, ...(low === undefined ? {} : { low }), ...(high === undefined ? {} : { high }) };
  if (domain.only === undefined) return bounded;
  return {
    ...bounded,
    only: domain.only.filter((each) => isWithin(each, bounded) && domain.not?.includes(each) !== true),
  };
}

function wholeBounds({ low, high }: Domain): Domain {
  return {
    ...(low === undefined
      ? {}
      : { low: { value: low.isOpen ? Math.floor(low.value) + 1 : Math.ceil(low.value), isOpen: false } }),
    ...(high === undefined
      ? {}
      : { high: { value: high.isOpen ? Math.ceil(high.value) - 1 : Math.floor(high.value), isOpen: false } }),
  };
}

function isNumber({ low, high }: Domain): boolean {
  return low !== undefined || high !== undefined;
}

function isWithin(constant: Constant, domain: Domain): boolean {
  if (constant === null) return domain.isThere !== true && !isNumber(domain);
  if (!isNumber(domain)) return true;
  const { low, high } = domain;
  if (typeof constant !== "number") return false;
  return (
    (low === undefined || constant > low.value || (constant === low.value && !low.isOpen)) &&
    (high === undefined || constant < high.value || (constant === high.value && !high.isOpen))
  );
}

/** Whether no value is left. Of a domain that `tidied` gave. */
export function isEmpty(domain: Domain): boolean {
  const { only, isThere } = domain;
  if (only?.length === 0) return true;
  if (isThere === false && (isNumber(domain) || only?.includes(null) === false)) return true;
  return isEmptyInterval(domain);
}

function isEmptyInterval({ low, high, not }: Domain): boolean {
  if (low === undefined || high === undefined) return false;
  if (low.value !== high.value) return low.value > high.value;
  return low.isOpen || high.isOpen || not?.includes(low.value) === true;
}

/** Whether every value of one domain is a value of another. Both as `tidied` gave them. */
export function isContained(inner: Domain, outer: Domain): boolean {
  const cannotBe = (constant: Constant): boolean =>
    inner.not?.includes(constant) === true ||
    inner.only?.includes(constant) === false ||
    (constant === null && inner.isThere === true) ||
    (isNumber(inner) && !isWithin(constant, inner));
  return (
    isPresenceContained(inner, outer) &&
    (outer.only === undefined || inner.only?.every((each) => outer.only?.includes(each) === true) === true) &&
    (outer.not ?? []).every(cannotBe) &&
    (!isNumber(outer) || isIntervalContained(inner, outer))
  );
}

/** What is compared as a number, or is one of some constants other than null, is there. */
function isPresenceContained(inner: Domain, { isThere }: Domain): boolean {
  if (isThere === undefined) return true;
  if (inner.isThere !== undefined) return inner.isThere === isThere;
  return isThere && (isNumber(inner) || inner.only?.includes(null) === false);
}

function isIntervalContained(inner: Domain, outer: Domain): boolean {
  if (inner.only !== undefined) return inner.only.every((each) => isWithin(each, outer));
  return isInside(inner.low, outer.low, (a, b) => a > b) && isInside(inner.high, outer.high, (a, b) => a < b);
}

function isInside(
  inner: Bound | undefined,
  outer: Bound | undefined,
  isBeyond: (a: number, b: number) => boolean,
): boolean {
  if (outer === undefined) return true;
  if (inner === undefined) return false;
  return isBeyond(inner.value, outer.value) || (inner.value === outer.value && (inner.isOpen || !outer.isOpen));
}
