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

/**
 * The amount that a quantity stands for. The API server writes amounts in their shortest form: 1000 devices are `1k`.
 * The grammar is that of k8s.io/apimachinery, pkg/api/resource.
 *
 * @returns undefined if the text is no quantity
 */
export function parseQuantity(quantity: string | number): number | undefined {
  if (typeof quantity === "number") return Number.isFinite(quantity) ? quantity : undefined;
  const match = /^([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(
    quantity,
  );
  if (!match) return undefined;
  const [, number = "", exponent, suffix = ""] = match;
  const value = exponent === undefined ? Number(number) * FACTORS[suffix]! : Number(`${number}e${exponent}`);
  return Number.isFinite(value) ? value : undefined;
}
