import { expect, test } from "bun:test";
import { parseQuantity } from "./quantity.ts";

// Each pair is what k8s.io/apimachinery's resource.ParseQuantity makes of the text.
test.each([
  ["0", 0],
  ["100", 100],
  ["1k", 1000],
  ["1500", 1500],
  ["1.5k", 1500],
  ["2M", 2_000_000],
  ["1Ki", 1024],
  ["1Mi", 1_048_576],
  ["1e3", 1000],
  ["12E2", 1200],
  ["1E", 1e18],
  ["500m", 0.5],
  ["+1", 1],
  ["-1", -1],
  [".5", 0.5],
  ["1.", 1],
  ["9".repeat(50), 2 ** 63],
  ["1e400", 2 ** 63],
  ["0e400", 0],
  ["1e-400", 1e-9],
  ["-1n", -1e-9],
  [7, 7],
  [1e30, 2 ** 63],
] as const)("%p", (text, amount) => {
  expect(parseQuantity(text)).toBe(amount);
});

test.each([
  "",
  "-",
  ".",
  "k",
  "K",
  "1K",
  "1kk",
  "1 k",
  "0x10",
  "NaN",
  "Infinity",
  "1e",
  "--1",
  "1,5",
  " 1",
  "1\n",
  "1.2.3",
  NaN,
])("%p is no quantity", (text) => {
  expect(parseQuantity(text)).toBeUndefined();
});
