// Decides what a share of so many cases says: intervals that hold for few cases and for shares near 0 and 1.

/** So many of `of`. */
export interface Share {
  readonly count: number;
  readonly of: number;
}

/** An interval's ends. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The standard normal deviate of a two-sided 95 % interval. */
const Z_95 = 1.959963984540054;

/** Wilson's score interval of a proportion at 95 % (Newcombe 1998, Stat Med 17:857, method 3); 0 to 1 of no cases. */
export function wilson({ count, of }: Share, z = Z_95): Interval {
  if (of <= 0) return { low: 0, high: 1 };
  const share = count / of;
  const middle = share + z ** 2 / (2 * of);
  const reach = z * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2));
  const scale = 1 + z ** 2 / of;
  return {
    // Where nothing or everything was counted the end is exact; rounding would put it a hair inside.
    low: count <= 0 ? 0 : Math.max(0, (middle - reach) / scale),
    high: count >= of ? 1 : Math.min(1, (middle + reach) / scale),
  };
}

/** The interval of `left` less `right` for two independent shares (Newcombe 1998, Stat Med 17:873, method 10); −1 to 1 of no cases. */
export function differenceInterval(left: Share, right: Share, z = Z_95): Interval {
  if (left.of <= 0 || right.of <= 0) return { low: -1, high: 1 };
  const [p, q] = [left.count / left.of, right.count / right.of];
  const [ofLeft, ofRight] = [wilson(left, z), wilson(right, z)];
  return {
    low: p - q - Math.hypot(p - ofLeft.low, ofRight.high - q),
    high: p - q + Math.hypot(ofLeft.high - p, q - ofRight.low),
  };
}
