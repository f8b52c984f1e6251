// Makes what agents' traffic is full of and only looks like somebody's data or a credential, the same on every run.

const resets: (() => void)[] = [];

/** Starts every generator from its seed: what a file of tests draws does not depend on which file ran before it. */
export function throwAnew(): void {
  for (const reset of resets) reset();
}

/** A seeded generator: the same numbers on every run. */
export function dice(seed: number): (below: number) => number {
  let state = seed;
  resets.push(() => (state = seed));
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const roll = dice(20_261_125);
/** So many digits. */
export const digits = (count: number): string => Array.from({ length: count }, () => roll(10)).join("");
/** So many hex digits. */
export const hex = (count: number): string => Array.from({ length: count }, () => roll(16).toString(16)).join("");
const time = (): Date => new Date(1_600_000_000_000 + roll(2 ** 31) * 100);

/** What agents' traffic is full of: identifiers, times, money, code. */
export const LOOK_ALIKES: Readonly<Record<string, () => string>> = {
  uuid: () => `run ${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
  "uuid of digits": () => `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`,
  "epoch seconds": () => `updated at ${Math.floor(time().getTime() / 1000)}`,
  "epoch milliseconds": () => `{"ts":${time().getTime()}}`,
  "ISO time": () => `due ${time().toISOString()}`,
  "time with offset": () => `${time().toISOString().slice(0, 19)}+02:00`,
  date: () => `ship by ${1 + roll(28)}/${1 + roll(12)}/${2000 + roll(30)}`,
  traceparent: () => `traceparent: 00-${hex(32)}-${hex(16)}-01`,
  "order number": () => `Order number ${digits(10)} was shipped`,
  "marketplace order": () => `order ${digits(3)}-${digits(7)}-${digits(7)}`,
  "order id": () => `order_id=${digits(12)}`,
  SKU: () => `SKU ${digits(3)}-${digits(3)}-${digits(4)}`,
  "SKU of letters": () => `item AB-${digits(4)}-${digits(4)}`,
  "customer id": () => `cus_${digits(3)} and cus_${hex(14)}`,
  "tool call id": () => `call_${hex(24)} toolu_${hex(20)}`,
  version: () => `version ${roll(20)}.${roll(20)}.${roll(99)}`,
  "version of four": () => `build ${roll(20)}.${roll(20)}.${roll(99)}.${roll(99)}`,
  package: () => `npm i left-pad@${roll(9)}.${roll(20)}.${roll(20)} @scope/pkg@1.2.3-rc.beta`,
  money: () => `refund of $${1 + roll(9)},${digits(3)},${digits(3)}.${digits(2)}`,
  "plain amount": () => `amount ${digits(6)}.${digits(2)} of total ${digits(9)}`,
  snowflake: () => `snowflake 1${digits(17)}`,
  invoice: () => `Invoice ${2000 + roll(30)}-${digits(6)}`,
  "16 digits": () => `reference ${digits(16)}`,
  code: () => `const x = a::b(${digits(3)}); std::vector<int> v{${digits(4)}, ${digits(4)}};`,
  "git remote": () => `git@github.com:acme/repo${digits(2)}.git`,
  "clock time": () => `between 12:${digits(2)}:${digits(2)} and 13:00`,
  "MAC address": () => Array.from({ length: 6 }, () => hex(2)).join(":"),
  tracking: () => `tracking 1Z${hex(6).toUpperCase()}${digits(10)}`,
  coordinates: () => `at 52.${digits(6)}, 13.${digits(6)}`,
  sha: () => `commit ${hex(40)}`,
};
