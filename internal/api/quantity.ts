/** Kubernetes' quantities, as in `resources.limits` and `status.allocatable`. */

const FACTORS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Kubernetes keeps no larger amount. */
const MAX = 2 ** 63;
/** Kubernetes rounds every amount but zero up to it. */
const MIN = 1e-9;

/**
 * The amount that a quantity stands for. The API server writes amounts in their shortest form: 1000 devices are `1k`.
 * What is taken is what k8s.io/apimachinery, pkg/api/resource, takes, but for texts without a digit before the suffix: it
 * takes some of them for zero and refuses others.
 *
 * @returns between -2^63 and 2^63; undefined if the text is no quantity
 */
export function parseQuantity(quantity: string | number): number | undefined {
  const match = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(String(quantity));
  if (!match) return undefined;
  const [, sign, digits = "", exponent = "0", suffix = ""] = match;
  const size = Number(`${digits}e${exponent}`) * FACTORS[suffix]!;
  const bounded = /[1-9]/.test(digits) ? Math.min(Math.max(size, MIN), MAX) : 0;
  return sign === "-" && bounded > 0 ? -bounded : bounded;
}
