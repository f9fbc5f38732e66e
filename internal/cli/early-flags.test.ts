import { expect, test } from "bun:test";
import { takeEarlyFlags } from "./early-flags.ts";

test.each<[string, string[], string[], string[]]>([
  ["none", ["status", "-n", "x"], ["status", "-n", "x"], []],
  ["a namespace", ["-n", "x", "status"], ["status"], ["-n", "x"]],
  [
    "several",
    ["--context=c", "--kubeconfig", "f", "-A", "plan", "o"],
    ["plan", "o"],
    ["--context=c", "--kubeconfig", "f", "-A"],
  ],
  ["one that only subcommands have", ["--watch", "status"], ["--watch", "status"], []],
  ["no subcommand", ["-n", "x"], ["-n", "x"], []],
  ["--version", ["--version"], ["--version"], []],
  ["an end of flags", ["--", "status"], ["--", "status"], []],
])("%s", (_what, given, words, flags) => {
  expect(takeEarlyFlags(given)).toEqual({ words, flags });
});

test("a flag without its value is refused", () => {
  expect(() => takeEarlyFlags(["--context", "-A", "status"])).toThrow("Flag --context needs a value: --context=NAME");
});
