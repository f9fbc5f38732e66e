import { expect, test } from "bun:test";
import { UsageError } from "../cli/errors.ts";
import { parseBindAddress } from "./bind-address.ts";

test.each<[string, unknown]>([
  ["0", undefined],
  [":8080", { port: 8080 }],
  ["127.0.0.1:8080", { host: "127.0.0.1", port: 8080 }],
  ["[10.0.0.1]:9470", { host: "10.0.0.1", port: 9470 }],
  ["[::1]:0", { host: "::1", port: 0 }],
])("bind address %s", (value, expected) => {
  expect(parseBindAddress("metrics-bind-address", value) as unknown).toEqual(expected);
});

test.each(["8080", "", ":", ":99999", "host", "a:b:1", "a b:1", "[::1]", "127.0.0.1:x"])(
  "bind address %j is refused with what would be right",
  (value) => {
    expect(() => parseBindAddress("metrics-bind-address", value)).toThrow(UsageError);
    expect(() => parseBindAddress("metrics-bind-address", value)).toThrow(
      `Flag --metrics-bind-address cannot be "${value}": give HOST:PORT, :PORT, or 0 to turn it off`,
    );
  },
);
