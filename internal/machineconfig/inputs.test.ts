import { expect, test } from "bun:test";
import { UsageError } from "../cli/errors.ts";
import { checkInputs } from "./inputs.ts";

const good = {
  moduleImage: "registry.example.com/onload-module:v1",
  openshiftVersion: "4.14.0",
  role: "worker",
  name: "99-sfc-machineconfig",
};

test("good values", () => {
  expect(checkInputs(good)).toEqual({
    moduleImage: good.moduleImage,
    target: { butane: "4.14.0", ignition: "3.4.0" },
    role: "worker",
    name: "99-sfc-machineconfig",
  });
  expect(checkInputs({ ...good, role: "x".repeat(63), name: "a.b-c" }).name).toBe("a.b-c");
});

test.each([
  [{ moduleImage: undefined }, "Flag --module-image is missing"],
  [{ moduleImage: "" }, "Flag --module-image is missing"],
  [{ role: "" }, 'Flag --role cannot be ""'],
  [{ role: "-worker" }, "Flag --role cannot be"],
  [{ role: "a b" }, "Flag --role cannot be"],
  [{ role: "x".repeat(64) }, "Flag --role cannot be"],
  [{ role: "worker\n" }, "Flag --role cannot be"],
  [{ name: "" }, 'Flag --name cannot be ""'],
  [{ name: "Sfc" }, "Flag --name cannot be"],
  [{ name: "a..b" }, "Flag --name cannot be"],
  [{ name: "a/b" }, "Flag --name cannot be"],
  [{ name: "x".repeat(254) }, "Flag --name cannot be"],
])("%j is refused", (change, reason) => {
  expect(() => checkInputs({ ...good, ...change })).toThrow(UsageError);
  expect(() => checkInputs({ ...good, ...change })).toThrow(reason);
});
